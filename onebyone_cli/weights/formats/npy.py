"""Matrices in ``.npy`` files, and in the members of ``.npz`` archives.

They are read with our own header parser, never ``numpy.load``: nothing can be unpickled, and no
buffer is made before the size of the file and the header agree and are believable.
"""

from collections.abc import Callable
from math import prod
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import DataError
from onebyone_cli.npy_header import NpyHeader, read_header
from onebyone_cli.weights.rules import SHAPES, Shape

#: Largest array believed, in bytes as float64, and so the most that a zip bomb can fill. It is
#: 11585 × 11585 channels; weights in real use are thousands of times smaller.
MAX_ARRAY_BYTES = 2**30

ShapeRule = Callable[[Shape, str], Shape]


def read_npy(file: BinaryIO, size: int, path: str, wanted: str) -> dict[str, Any]:
    """Read a ``.npy`` weights file.

    Parameters
    ----------
    file : binary file
        At its beginning.
    size : int
        Bytes of the file.
    path : str
        Its name for messages.
    wanted : str
        ``"weight"`` or ``"bias"``: what the array is.

    Returns
    -------
    dict
        The array by its name, float64.

    Raises
    ------
    DataError
        If it is malformed, not a matrix, cut short, or has bytes after its array.
    PolicyError
        If only pickle could load it.
    """
    return {wanted: read_array(file, size, path, SHAPES[wanted])}


def read_array(file: Any, size: int, path: str, rule: ShapeRule) -> NDArray[np.float64]:
    """Read one array from an open file or member of `size` bytes, as float64.

    `rule` says what shape is wanted of the shape that is there, or raises.
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
