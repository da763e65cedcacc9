"""Buffers whose rows lie well in the caches of a processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

#: Most bytes by which a row is longer than its numbers: a cache line.
PADDING = 64

#: Rows that lie a multiple of this apart compete for the same few lines of the nearest cache.
_PAGE = 4096


def empty_rows(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make an uninitialised array whose rows, along the last axis, do not lie pages apart.

    Rows of 4096 numbers do. With them apart, centring a tile of 50 channels takes a third of the
    time, and (20, 50) × (50, 4096) in float32 from 0.6 (kernels for AVX-512) to 0.94 (for Zen).

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    dtype : dtype
        Of its numbers.
    """
    import numpy as np

    *outer, length = shape
    size = np.dtype(dtype).itemsize
    if length * size % _PAGE:
        return np.empty(shape, dtype)
    return np.empty((*outer, length + PADDING // size), dtype)[..., :length]
