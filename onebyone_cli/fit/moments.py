"""Count, mean and co-moment of pixels, in one pass, exactly mergeable.

Each block of pixels is centred on its own mean before anything is multiplied, and blocks are joined
by the formula of Chan, Golub & LeVeque ("Algorithms for computing the sample variance: analysis and
recommendations", The American Statistician 37:3, 1983, equation 2.1 in its matrix form). The
textbook sum of squares less n times the squared mean loses all digits where the mean is large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True, eq=False)
class Moments:
    """What is known of a set of pixels.

    Attributes
    ----------
    count : int
        Pixels that were counted in; a Python integer, so it never overflows.
    invalid : int
        Pixels that were left out.
    mean : ndarray of float64, shape (C,)
        Mean of each channel.
    comoment : ndarray of float64, shape (C, C)
        Σ (x − mean)(x − mean)ᵀ: the covariance before it is divided.
    minimum, maximum : ndarray of float64, shape (C,)
        Range of each channel; infinity and minus infinity where nothing was counted.
    rest : ndarray of float64, shape (C,)
        What rounding took from `mean`: the mean is mean + rest, to twice the digits. A mean of
        1e6 rounds to 1e-10, and parts whose means differ by 1 would bring that into the co-moment.
    """

    count: int
    invalid: int
    mean: NDArray[np.float64]
    comoment: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    rest: NDArray[np.float64]

    @property
    def channels(self) -> int:
        """C."""
        return len(self.mean)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Co-moment divided by count − 1, shape (C, C)."""
        return self.comoment / (self.count - 1)

    def merge(self, other: Moments) -> None:
        """Count in the pixels of another set.

        The order in which sets are merged changes the last bits, so callers keep to one order.
        """
        self.invalid += other.invalid
        if not other.count:
            return
        if not self.count:  # a difference from zero would round `rest` away
            self.count, self.mean, self.rest = other.count, other.mean.copy(), other.rest.copy()
            self.comoment = other.comoment.copy()
            self.minimum, self.maximum = other.minimum.copy(), other.maximum.copy()
            return
        count = self.count + other.count
        with np.errstate(over="ignore", invalid="ignore"):  # learners refuse what is not finite
            delta = (other.mean - self.mean) + (other.rest - self.rest)
            self.comoment += other.comoment
            self.comoment += np.outer(delta, delta) * (self.count / count * other.count)
            mean, lost = _two_sum(self.mean, delta * (other.count / count))
            self.mean, self.rest = _two_sum(mean, self.rest + lost)
        self.count = count
        np.minimum(self.minimum, other.minimum, out=self.minimum)
        np.maximum(self.maximum, other.maximum, out=self.maximum)


def no_moments(channels: int) -> Moments:
    """Moments of no pixels."""
    return Moments(
        0,
        0,
        np.zeros(channels),
        np.zeros((channels, channels)),
        np.full(channels, np.inf),
        np.full(channels, -np.inf),
        np.zeros(channels),
    )


def moments_of(x: NDArray[np.float64], *, invalid: int = 0) -> Moments:
    """Moments of one block of pixels.

    Parameters
    ----------
    x : ndarray of float64, shape (C, n)
        Valid pixels; centred in place.
    invalid : int
        Pixels that were left out of the block.
    """
    if not x.shape[1]:
        nothing = no_moments(len(x))
        nothing.invalid = invalid
        return nothing
    minimum, maximum = x.min(axis=1), x.max(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # learners refuse what is not finite
        mean = x.mean(axis=1)
        x -= mean[:, np.newaxis]
        # What rounding left of the mean: without it a large mean would leave its trace.
        rest = x.mean(axis=1)
        comoment = x @ x.T
        comoment -= np.outer(rest, rest) * x.shape[1]
        mean, rest = _two_sum(mean, rest)
    return Moments(x.shape[1], invalid, mean, comoment, minimum, maximum, rest)


def _two_sum(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a + b rounded, and what rounding took.

    Knuth, "The Art of Computer Programming", vol. 2, section 4.2.2, theorem B.
    """
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)
