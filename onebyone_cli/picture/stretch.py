"""The range of numbers that a picture shows: what is below is dark, what is above is bright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def percentile_range(values: NDArray[Any], low: float, high: float) -> tuple[float, float] | None:
    """Find the numbers below which `low` and `high` percent of all finite ones are.

    Where most numbers are the same, both can be equal although not all are: then the range is that
    of all finite numbers, so that the few that differ are seen. It is so, too, where neighbours are
    farther apart than float64 can tell.

    Parameters
    ----------
    values : ndarray of float64
        Of any shape; what is not finite does not count.
    low, high : float
        In percent, 0 ≤ low < high ≤ 100; linear between neighbours, as `numpy.percentile`.

    Returns
    -------
    low, high : float
        None if no number is finite.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        first, last = np.percentile(finite, (low, high)).tolist()
    if not -np.inf < first < last < np.inf:
        first, last = float(finite.min()), float(finite.max())
    return first, last


def symmetric(limits: tuple[float, float]) -> tuple[float, float]:
    """Widen a range so that 0 is in the middle of it, for a diverging colormap."""
    most = max(map(abs, limits))
    return -most, most


def stretched(values: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.float64]:
    """Map a range onto 0 to 1; what is beyond becomes 0 or 1.

    Parameters
    ----------
    values : ndarray of float64
        Of any shape.
    limits : tuple of float
        What becomes 0 and 1. If both are equal, that number becomes 0.5.

    Returns
    -------
    ndarray of float64, same shape
        NaN where `values` is not finite.
    """
    low, high = limits
    finite = np.isfinite(values)
    # Halves, since the distance between the largest and the smallest float64 is none.
    half = high / 2 - low / 2
    with np.errstate(over="ignore", invalid="ignore"):
        share = (values / 2 - low / 2) / half if half > 0 else np.sign(values - low) / 2 + 0.5
    kept: NDArray[np.float64] = np.where(finite, np.clip(share, 0.0, 1.0), np.nan)
    return kept
