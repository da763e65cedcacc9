"""Change the size of pictures: block averages and enlargement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def block_starts(size: int, parts: int) -> NDArray[np.int64]:
    """Return the first pixels of `parts` ≤ `size` blocks that divide `size` pixels evenly."""
    return -(-np.arange(parts) * size // parts)


def averaged(
    values: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average the finite numbers of each block of pixels.

    Parameters
    ----------
    values : ndarray of float64, shape (n, H, W)
    rows, columns : ndarray of int, shapes (h,) and (w,)
        First rows and columns of the blocks, see `block_starts`.

    Returns
    -------
    ndarray of float64, shape (n, h, w)
        NaN where half of a block or more is not finite.
    """
    valid = np.isfinite(values)
    if values.shape[1:] == (len(rows), len(columns)):
        return values if valid.all() else np.where(valid, values, np.nan)
    sizes: NDArray[np.int64] = np.multiply.outer(
        np.diff(rows, append=values.shape[1]), np.diff(columns, append=values.shape[2])
    )
    if valid.all():
        return _sums(values, rows, columns) / sizes
    count = _sums(valid.astype(float), rows, columns)
    total = _sums(np.where(valid, values, 0.0), rows, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * count > sizes, total / count, np.nan)


def enlarged(picture: NDArray[Any], times: int) -> NDArray[Any]:
    """Repeat every pixel `times` in both directions of a (height, width, ...) array."""
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _sums(
    values: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):  # sums beyond float64 become invalid
        total: NDArray[np.float64] = np.add.reduceat(
            np.add.reduceat(values, rows, axis=1), columns, axis=2
        )
    return total
