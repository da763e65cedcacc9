"""Count, mean and co-moment of pixels, in one pass, exactly mergeable.

Each block of pixels is centred near its own mean before anything is multiplied, and blocks are
joined by the formula of Chan, Golub & LeVeque ("Algorithms for computing the sample variance:
analysis and recommendations", The American Statistician 37:3, 1983, equation 2.1 in its matrix
form). The sum of squares less n times the squared mean would lose all digits of large means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pixels whose mean a block is centred on; see `moments_of`.
_HEAD = 256


@dataclass(eq=False)
class Moments:
    """Moments of a set of pixels.

    Attributes
    ----------
    count, invalid : int
        Pixels counted, and left out.
    mean : ndarray of float64, shape (C,)
        Mean of each channel.
    rest : ndarray of float64, shape (C,)
        Rounding error of `mean`: the mean is mean + rest, to twice the digits. A mean of 1e6 rounds
        to 1e-10, which would enter the co-moment of merged parts.
    comoment : ndarray of float64, shape (C, C)
        Σ (x − mean)(x − mean)ᵀ. The row of a constant channel is exactly zero.
    """

    count: int
    invalid: int
    mean: NDArray[np.float64]
    rest: NDArray[np.float64]
    comoment: NDArray[np.float64]

    @property
    def channels(self) -> int:
        """Number of channels, C."""
        return len(self.mean)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Co-moment divided by count − 1, shape (C, C)."""
        return self.comoment / (self.count - 1)

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which channels are constant, shape (C,)."""
        still: NDArray[np.bool_] = ~(self.comoment.diagonal() > 0)
        return still

    def merge(self, other: Moments) -> None:
        """Add the pixels of another set; the order of merging changes the last bits."""
        self.invalid += other.invalid
        if not other.count:
            return
        if not self.count:  # a difference from zero would round `rest` away
            self.count, self.mean, self.rest = other.count, other.mean.copy(), other.rest.copy()
            self.comoment = other.comoment.copy()
            return
        count = self.count + other.count
        with np.errstate(over="ignore", invalid="ignore"):  # learners refuse what is not finite
            delta = (other.mean - self.mean) + (other.rest - self.rest)
            self.comoment += other.comoment
            self.comoment += np.multiply.outer(delta, delta * (self.count / count * other.count))
            mean, lost = two_sum(self.mean, delta * (other.count / count))
            self.mean, self.rest = two_sum(mean, self.rest + lost)
        self.count = count

    def rescale(self, scale: NDArray[np.float64], offset: NDArray[np.float64] | float) -> None:
        """Make them the moments of ``scale * x + offset``.

        `scale` and `offset` have shape (C,). The mean keeps its digits, so pixels that are scaled
        tile by tile are merged as if they had been scaled one by one.
        """
        if not self.count:
            return
        with np.errstate(over="ignore", invalid="ignore"):  # learners refuse what is not finite
            self.mean, self.rest = rescaled_mean(self.mean, self.rest, scale, offset)
            self.comoment = self.comoment * np.multiply.outer(scale, scale)


def no_moments(channels: int) -> Moments:
    """Return moments of no pixels; their co-moment takes no memory."""
    nothing = np.broadcast_to(0.0, (channels, channels))
    return Moments(0, 0, np.zeros(channels), np.zeros(channels), nothing)


def moments_of(
    x: NDArray[np.float64], dropped: NDArray[np.intp] | None = None, *, invalid: int = 0
) -> Moments:
    """Return the moments of one block of pixels, shape (C, n), which is overwritten.

    The block is centred on c, the mean of its first pixels. With r the mean of what remains, the
    co-moment is Σ(x − c)(x − c)ᵀ − n·r·rᵀ. The first sum is at most n / 256 times the co-moment
    (where a channel is constant but for its first pixels; else about as large), so hardly a digit
    is lost, and one pass over the block is saved.

    `dropped` are ascending indices of pixels that do not count. `invalid` is the number of pixels
    to report as left out.
    """
    left_out = 0 if dropped is None else len(dropped)
    count = x.shape[1] - left_out
    if not count:
        nothing = no_moments(len(x))
        nothing.invalid = invalid
        return nothing
    first = x[:, _first_kept(dropped, x.shape[1])].copy()
    with np.errstate(over="ignore", invalid="ignore"):  # learners refuse what is not finite
        if dropped is not None:
            x[:, dropped] = first[:, np.newaxis]
        # Relative to the first pixel, a constant channel is exactly zero.
        centre = first + (x[:, :_HEAD] - first[:, np.newaxis]).mean(axis=1)
        x -= centre[:, np.newaxis]
        if dropped is not None:
            x[:, dropped] = 0.0
        rest = x @ np.ones(x.shape[1])  # twice as fast as sum(axis=1)
        comoment = x @ x.T
        rest /= count
        comoment -= np.multiply.outer(rest, rest * count)
        mean, rest = two_sum(centre, rest)
    return Moments(count, invalid, mean, rest, comoment)


def _first_kept(dropped: NDArray[np.intp] | None, pixels: int) -> int:
    if dropped is None:
        return 0
    gaps = np.flatnonzero(dropped != np.arange(len(dropped)))
    return int(gaps[0]) if len(gaps) else len(dropped)


def two_sum(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a + b rounded, and the rounding error.

    Knuth, "The Art of Computer Programming", vol. 2, section 4.2.2, theorem B.
    """
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def rescaled_mean(
    mean: NDArray[np.float64],
    rest: NDArray[np.float64],
    scale: NDArray[np.float64],
    offset: NDArray[np.float64] | float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale·(mean + rest) + offset as a rounded sum and its rounding error."""
    product, lost = two_product(mean, scale)
    total, more = two_sum(product, np.broadcast_to(offset, product.shape))
    return two_sum(total, (lost + more) + rest * scale)


def two_product(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a · b rounded, and the rounding error; 0 for one beyond the range of float64.

    Dekker, "A floating-point technique for extending the available precision", Numerische
    Mathematik 18 (1971), section 5.
    """
    product = a * b
    a_high, b_high = _high(a), _high(b)
    a_low, b_low = a - a_high, b - b_high
    lost = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, np.where(np.isfinite(lost), lost, 0.0)


def _high(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first 26 binary digits."""
    shifted = a * (2.0**27 + 1)
    return shifted - (shifted - a)
