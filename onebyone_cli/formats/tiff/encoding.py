"""Encode strips and tiles."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.tiff.tags import DEFLATE, LZW, NO_COMPRESSION, ZSTD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.formats.tiff.header import Form

#: Values of the tag, by values of the setting.
CODES = {"deflate": DEFLATE, "gzip": DEFLATE, "zstd": ZSTD, "lzw": LZW}


def encode(form: Form, numbers: NDArray[Any], level: int) -> bytes:
    """Return the bytes of a strip or tile.

    Parameters
    ----------
    form : Form
    numbers : ndarray of shape (rows, columns)
    level : int
        Of Deflate and Zstandard.
    """
    data = _stored(form, numbers)
    if form.compression == NO_COMPRESSION:
        return data
    if form.compression == DEFLATE:
        return zlib.compress(data, level)
    import imagecodecs

    if form.compression == ZSTD:
        return bytes(imagecodecs.zstd_encode(data, level=max(1, level)))
    return bytes(imagecodecs.lzw_encode(data))


def _stored(form: Form, numbers: NDArray[Any]) -> bytes:
    """Return the bytes before compression."""
    if numbers.dtype == np.bool_:
        return np.packbits(numbers, axis=1).tobytes()
    if form.predictor == 3:
        rows, columns = numbers.shape
        item = numbers.itemsize
        big = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder(">"))
        apart = big.view(np.uint8).reshape(rows, columns, item).transpose(0, 2, 1)
        return _differences(apart.reshape(rows, columns * item)).tobytes()
    little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
    if form.predictor == 2:
        return _differences(little.view(f"<u{little.itemsize}")).tobytes()
    return little.tobytes()


def _differences(numbers: NDArray[Any]) -> NDArray[Any]:
    """Replace each number by its difference to the one before it, which wraps around."""
    found = numbers.copy()
    np.subtract(numbers[:, 1:], numbers[:, :-1], out=found[:, 1:])
    return found
