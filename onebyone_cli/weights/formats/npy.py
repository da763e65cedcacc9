"""Matrices in ``.npy`` files and in the members of ``.npz`` archives.

The package's header parser reads them, never ``numpy.load``: nothing is unpickled, and no buffer is
made before file size and header agree.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.npy_header import NpyHeader, read_header
from onebyone_cli.weights.formats.contract import Stored, WeightsFile, WeightsFormat
from onebyone_cli.weights.rules import MAX_ARRAY_BYTES, SHAPES, ShapeRule

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def _read(source: WeightsFile) -> dict[str, Any]:
    return {source.wanted: read_array(source.file, source.size, source.path, SHAPES[source.wanted])}


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    return npy_bytes(next(iter(fields.values())))


def _look(file: BinaryIO, member: str, path: str) -> Stored:
    return Stored(read_header(file.read, path).dtype)


FORMAT = WeightsFormat(read=_read, write=_write, look=_look)


def npy_bytes(values: ArrayLike) -> bytes:
    """Return the bytes of a ``.npy`` file: little-endian and in C order on every machine.

    Raises `ValueError` if the values would need pickle.
    """
    array = np.asarray(values, order="C")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def read_array(file: Any, size: int, path: str, rule: ShapeRule) -> NDArray[np.float64]:
    """Read one array from an open file or member of `size` bytes, as float64.

    `rule` returns the shape to use, or raises.
    """
    header = read_header(file.read, path)
    shape = rule(header.shape, path)
    if 8 * prod(shape) > MAX_ARRAY_BYTES:
        raise DataError(
            f"claims {prod(shape)} numbers; a weights file may hold up to {MAX_ARRAY_BYTES // 8}",
            path,
        )
    expected = header.data_offset + header.data_bytes
    if size != expected:
        problem = "was it cut short?" if size < expected else "bytes follow the array"
        raise DataError(
            f"has {size} bytes; its header promises shape {header.shape} of {header.dtype}, "
            f"{expected} bytes: {problem}",
            path,
        )
    raw = file.read(header.data_bytes)
    if len(raw) < header.data_bytes:
        raise DataError(
            f"ends after {len(raw)} of {header.data_bytes} bytes of numbers: was it cut short?",
            path,
        )
    return _numbers(raw, header).reshape(shape)


def _numbers(raw: bytes, header: NpyHeader) -> NDArray[np.float64]:
    dtype = np.dtype(header.dtype).newbyteorder(">" if header.big_endian else "<")
    stored = np.frombuffer(raw, dtype=dtype)
    order: Literal["C", "F"] = "F" if header.fortran_order else "C"
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return stored.reshape(header.shape, order=order).astype(np.float64, order="C")
