"""Map the range of numbers that a picture shows onto 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def percentile_range(values: NDArray[Any], low: float, high: float) -> tuple[float, float] | None:
    """Return two percentiles of the finite numbers, or their full range if both are equal.

    The full range also applies where float64 can't represent the percentiles.

    Parameters
    ----------
    values : ndarray of float64
        Any shape; not finite numbers are ignored.
    low, high : float
        Percent, 0 ≤ low < high ≤ 100; interpolated linearly, as `numpy.percentile`.

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
    """Widen a range so that 0 is its middle, for a diverging colormap."""
    most = max(map(abs, limits))
    return -most, most


def stretched(values: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.float64]:
    """Map a range linearly onto 0 to 1, and clip.

    If both limits are equal, that number becomes 0.5. Numbers that are not finite become NaN.
    """
    low, high = limits
    finite = np.isfinite(values)
    # Halves: the difference of the largest and the smallest float64 overflows.
    half = high / 2 - low / 2
    with np.errstate(over="ignore", invalid="ignore"):
        share = (values / 2 - low / 2) / half if half > 0 else np.sign(values - low) / 2 + 0.5
    kept: NDArray[np.float64] = np.where(finite, np.clip(share, 0.0, 1.0), np.nan)
    return kept
