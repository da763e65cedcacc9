"""Find the range of a result: its smallest and largest numbers, or its percentiles.

Tiles may come in any order and from several threads: a minimum, a maximum and counts do not depend
on the order.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.arithmetic.scale import Scale

    Numbers = NDArray[np.float64]
    Range = tuple[Numbers, Numbers]

#: Bins of a histogram of all channels together, and of one for each channel.
_BINS, _BINS_OF_EACH = 1 << 16, 1 << 13

_INT64_BYTES = 8


class Extremes:
    """The smallest and the largest finite number of each channel.

    `low` and `high` have shape (K,). They are infinite, and `low` above `high`, for a channel
    without a finite number.
    """

    def __init__(self, channels: int) -> None:
        self.low = np.full(channels, np.inf)
        self.high = np.full(channels, -np.inf)
        self._lock = threading.Lock()

    def add(self, y: NDArray[Any]) -> None:
        """Count a tile: ndarray of shape (n, K, pixels)."""
        finite = np.isfinite(y)
        low = y.min(axis=(0, 2), where=finite, initial=np.inf)
        high = y.max(axis=(0, 2), where=finite, initial=-np.inf)
        with self._lock:
            np.minimum(self.low, low, out=self.low)
            np.maximum(self.high, high, out=self.high)

    def ranges(self, *, each: bool) -> Range:
        """Return low and high: shape (K,) with `each`, else (1,); zeros without finite numbers."""
        low, high = self.low, self.high
        if not each:
            low, high = low.min(keepdims=True), high.max(keepdims=True)
        known = low <= high
        return np.where(known, low, 0.0), np.where(known, high, 0.0)


class Histogram:
    """Counts of numbers in bins of equal width between two ends, shape (K,) or (1,).

    A percentile is exact to the width of a bin.
    """

    def __init__(self, low: Numbers, high: Numbers) -> None:
        self.low, self.high = low, high
        self.counts = np.zeros((len(low), _bins(len(low) > 1)), np.int64)
        self._lock = threading.Lock()

    def add(self, y: NDArray[Any]) -> None:
        """Count a tile: ndarray of shape (n, K, pixels)."""
        bins = self.counts.shape[1]
        for channel in range(y.shape[1]):
            group = channel if len(self.low) > 1 else 0
            numbers = y[:, channel].astype(np.float64)
            numbers = numbers[np.isfinite(numbers)]
            # The difference of halves does not overflow.
            low, span = self.low[group] / 2, self.high[group] / 2 - self.low[group] / 2
            if not span > 0:
                places = np.zeros(numbers.size, np.int64)
            else:
                places = ((numbers / 2 - low) / span * bins).astype(np.int64)
            counts = np.bincount(np.clip(places, 0, bins - 1), minlength=bins)
            with self._lock:
                self.counts[group] += counts

    def percentile(self, percent: float) -> Numbers:
        """Return a percentile, interpolated as `numpy.percentile` does: shape of `low`."""
        return np.array([self._percentile(at, percent) for at in range(len(self.low))])

    def _percentile(self, group: int, percent: float) -> float:
        ends = np.cumsum(self.counts[group])
        rank = percent / 100 * max(int(ends[-1]) - 1, 0)
        if not ends[-1] or percent <= 0:
            return float(self.low[group])
        if percent >= 100:
            return float(self.high[group])
        below, above = (self._at(group, ends, int(at)) for at in (np.floor(rank), np.ceil(rank)))
        part = rank - np.floor(rank)
        return float(below * (1 - part) + above * part)

    def _at(self, group: int, ends: NDArray[np.int64], rank: int) -> float:
        """Estimate the number of a rank; numbers have equal distances in their bin."""
        bins = len(ends)
        place = int(np.searchsorted(ends, rank, side="right"))
        count = int(self.counts[group, place])
        within = (rank - (int(ends[place]) - count) + 0.5) / count
        part = (place + within) / bins
        return float(self.low[group] * (1 - part) + self.high[group] * part)


def _bins(each: bool) -> int:
    return _BINS_OF_EACH if each else _BINS


def histogram_bytes(scale: Scale | None, channels: int) -> int:
    """Return the bytes of the histogram that a scale needs for K channels."""
    if scale is None or scale.kind != "percentiles":
        return 0
    each = scale.each and channels > 1
    return _INT64_BYTES * _bins(each) * (channels if each else 1)


def counting_bytes(scale: Scale | None, tile_pixels: int) -> int:
    """Return the bytes that a worker needs to count one channel of a tile."""
    if scale is None or scale.kind != "percentiles":
        return 0
    return _INT64_BYTES * (2 * _BINS + 6 * tile_pixels)


def range_before(scale: Scale) -> tuple[float, float]:
    """Return the range of a scale, (0, 1) before it is measured."""
    return (0.0, 1.0) if scale.is_measured else (scale.low, scale.high)


def find_range(
    scale: Scale, channels: int, look: Callable[[str, Callable[[NDArray[Any]], None]], None]
) -> Range:
    """Measure the range of a scale.

    Parameters
    ----------
    scale : Scale
        One whose range is measured.
    channels : int
        Number of channels of the result.
    look : callable
        Given the name of a step and a function, computes the whole result and calls the function
        with every tile. Called once, for percentiles twice.

    Returns
    -------
    low, high : ndarray of float64, shape (K,) or (1,)
        Both ends, for each channel or for all together.
    """
    extremes = Extremes(channels)
    look("measuring", extremes.add)
    low, high = extremes.ranges(each=scale.each)
    if scale.kind == "percentiles":
        histogram = Histogram(low, high)
        look("counting", histogram.add)
        low, high = histogram.percentile(scale.low), histogram.percentile(scale.high)
    return low, high


def range_of_journal(noted: Any, count: int) -> Range | None:
    """Return both ends of `count` ranges from a journal; None if it does not have them."""
    match noted:
        case [list(low), list(high)] if len(low) == len(high) == count:
            if all(type(end) is float for end in (*low, *high)):
                return np.array(low), np.array(high)
    return None
