"""Statistics of each channel by itself: a pixel invalid in one still counts in the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.learners.moments import rescaled_mean, two_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(eq=False)
class ChannelStatistics:
    """Count, range, mean and spread of each channel, exactly mergeable.

    Attributes
    ----------
    count : ndarray of int64, shape (C,)
        Valid pixels.
    minimum, maximum : ndarray of float64, shape (C,)
        Range; infinity and minus infinity where nothing was counted.
    mean, rest : ndarray of float64, shape (C,)
        The mean is mean + rest, as in `Moments`; 0 where nothing was counted.
    squares : ndarray of float64, shape (C,)
        Σ (x − mean)².
    """

    count: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    rest: NDArray[np.float64]
    squares: NDArray[np.float64]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation, divided by count − 1; NaN for fewer than 2 pixels."""
        deviation = np.full(len(self.count), np.nan)
        np.divide(self.squares, self.count - 1, out=deviation, where=self.count > 1)
        np.sqrt(deviation, out=deviation)
        return deviation

    def merge(self, other: ChannelStatistics) -> None:
        """Add the pixels of another set, by the formula of `Moments.merge`."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        first = self.count == 0  # a difference from zero would round `rest` away
        with np.errstate(over="ignore", invalid="ignore"):
            delta = (other.mean - self.mean) + (other.rest - self.rest)
            mean, lost = two_sum(self.mean, delta * share)
            mean, rest = two_sum(mean, self.rest + lost)
            self.mean = np.where(first, other.mean, mean)
            self.rest = np.where(first, other.rest, rest)
            self.squares = self.squares + other.squares + delta * delta * (share * self.count)
        self.count = count
        np.minimum(self.minimum, other.minimum, out=self.minimum)
        np.maximum(self.maximum, other.maximum, out=self.maximum)

    def rescale(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> None:
        """Make them the statistics of ``scale * x + offset``; both have shape (C,)."""
        counted = self.count > 0
        with np.errstate(over="ignore", invalid="ignore"):
            mean, rest = rescaled_mean(self.mean, self.rest, scale, offset)
            ends = scale * self.minimum + offset, scale * self.maximum + offset
            self.minimum = np.where(counted, np.minimum(*ends), np.inf)
            self.maximum = np.where(counted, np.maximum(*ends), -np.inf)
            self.squares = self.squares * (scale * scale)
        self.mean, self.rest = np.where(counted, mean, 0.0), np.where(counted, rest, 0.0)


def no_statistics(channels: int) -> ChannelStatistics:
    """Return statistics of no pixels."""
    return ChannelStatistics(
        np.zeros(channels, np.int64),
        np.full(channels, np.inf),
        np.full(channels, -np.inf),
        *np.zeros((3, channels)),
    )


def statistics_of(
    x: NDArray[np.float64], invalid: NDArray[np.bool_] | None = None
) -> ChannelStatistics:
    """Return the statistics of one block of pixels, shape (C, n), n at least 1; overwritten.

    `invalid`, of the same shape, marks numbers that do not count.
    """
    count = np.full(len(x), x.shape[1])
    first = x[:, 0].copy()
    if invalid is not None:
        count = x.shape[1] - np.count_nonzero(invalid, axis=1)
        first = x[np.arange(len(x)), invalid.argmin(axis=1)]
        first[count == 0] = 0.0
        # Numbers that do not count are replaced by one that does.
        np.copyto(x, first[:, np.newaxis], where=invalid)
    minimum, maximum = x.min(axis=1), x.max(axis=1)
    empty = count == 0
    minimum[empty], maximum[empty] = np.inf, -np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        x -= first[:, np.newaxis]
        mean = x.sum(axis=1) / np.maximum(count, 1)
        x -= mean[:, np.newaxis]
        if invalid is not None:
            x[invalid] = 0.0
        squares = np.einsum("cn,cn->c", x, x)
        mean, rest = two_sum(first, mean)
    return ChannelStatistics(count, minimum, maximum, mean, rest, squares)
