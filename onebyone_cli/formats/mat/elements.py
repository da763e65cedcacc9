"""Parse the elements of a MATLAB file: what each array is, and where its numbers lie.

The format is that of "MAT-File Format" by The MathWorks: elements of a type and a size, in the
byte order of the machine that wrote the file. An array is an element of elements: flags, sizes,
name, numbers. Whole numbers may be stored in a smaller type than that of the array.
"""

from __future__ import annotations

import os
import zlib
from math import prod
from typing import TYPE_CHECKING, Literal, NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Order of bytes, as `int.from_bytes` takes it.
Order = Literal["little", "big"]

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15

#: Types of stored numbers by their code.
_TYPES = {
    **dict(enumerate(("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32"), 1)),
    9: "float64",
    12: "int64",
    13: "uint64",
}

#: Classes of arrays of numbers by their code, and what others hold.
_CLASSES = dict(
    enumerate(
        ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"), 6
    )
) | {15: "uint64"}
_OTHERS = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}

_COMPLEX = 0x08

#: Bytes from the start of an array that hold all but its numbers, and most axes and letters.
_HEAD_BYTES = 4096
_MOST_AXES = 64
_MOST_ELEMENTS = 10_000

#: Deflate makes data at most so many times smaller.
_MOST_TIMES = 1040


class Array(NamedTuple):
    """An array of a file.

    Attributes
    ----------
    name : str
    shape : tuple of int
        In the order of MATLAB: rows first, and the first axis varies fastest.
    kind : str
        MATLAB's class, such as ``"double"``.
    dtype : str
        Type of the stored numbers, a key of `spec.ITEM_BYTES`; empty for other things.
    reason : str
        What it holds if not real numbers.
    start, size : int
        Where the compressed bytes are; 0 and 0 without compression.
    offset : int
        Of the first number in the file, or in what the compressed bytes become.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    dtype: str
    reason: str
    start: int
    size: int
    offset: int


def arrays_of(fd: int, path: str) -> tuple[list[Array], bool]:
    """Return the arrays of a file in order, and whether its numbers are big-endian.

    Raises
    ------
    DataError
        If it is damaged.
    """
    head = os.pread(fd, _HEADER_BYTES, 0)
    if not head.startswith(b"MATLAB 5.0"):
        raise DataError("is not a MATLAB file: it does not begin with MATLAB 5.0", path)
    mark = head[126:]
    if mark not in (b"IM", b"MI"):
        raise DataError("is not a whole MATLAB file; copy it again", path)
    order: Order = "little" if mark == b"IM" else "big"
    return list(_elements(fd, order, path)), order == "big"


def _elements(fd: int, order: Order, path: str) -> Iterator[Array]:
    end, at = os.fstat(fd).st_size, _HEADER_BYTES
    for _ in range(_MOST_ELEMENTS):
        if at + 8 > end:
            return
        code, size, _ = _tag(os.pread(fd, 8, at), 0, order)
        start, at = at + 8, at + 8 + size + (0 if code == _COMPRESSED else -size % 8)
        if start + size > end:
            raise DataError(
                f"is truncated: has {end} bytes, and an array would end at {start + size}; "
                "copy or make it again",
                path,
            )
        try:
            if code == _COMPRESSED:
                head = zlib.decompressobj().decompress(os.pread(fd, _HEAD_BYTES, start), 4096)
                if _tag(head, 0, order)[0] == _MATRIX:
                    yield _array(head[8:], order)._replace(start=start, size=size)
            elif code == _MATRIX:
                found = _array(os.pread(fd, min(size, _HEAD_BYTES), start), order)
                yield found._replace(offset=start + found.offset - 8)
        except (zlib.error, ValueError, IndexError) as error:
            raise DataError(
                f"holds a damaged array at byte {start}; copy or make it again", path
            ) from error


def _array(head: bytes, order: Order) -> Array:
    """Parse what comes before the numbers; raises `ValueError` or `IndexError` if it is damaged."""
    flags, at = _content(head, 0, order)
    sizes, at = _content(head, at, order)
    letters, at = _content(head, at, order)
    if len(flags) != 8 or len(sizes) > 4 * _MOST_AXES:
        raise ValueError("flags")
    word = int.from_bytes(flags[:4], order)
    code, name = word & 0xFF, letters.decode("latin-1").rstrip("\0")
    shape = tuple(
        int.from_bytes(sizes[place : place + 4], order) for place in range(0, len(sizes), 4)
    )
    kind = "logical" if word & 0x200 else _CLASSES.get(code, "")
    reason = _OTHERS.get(code, "") or ("" if kind else "something else")
    reason = reason or ("complex numbers" if word & _COMPLEX << 8 else "")
    if reason or not prod(shape):
        return Array(name, shape, kind, "", reason or "no numbers", 0, 0, 0)
    stored, size, begin = _tag(head, at, order)
    dtype = _TYPES.get(stored, "")
    if not dtype or size != prod(shape) * ITEM_BYTES[dtype]:
        raise ValueError("numbers")
    return Array(name, shape, kind, dtype, "", 0, 0, 8 + begin)


def _content(head: bytes, at: int, order: Order) -> tuple[bytes, int]:
    """Return the content of a small element, and where the next one begins."""
    _, size, start = _tag(head, at, order)
    if start + size > len(head):
        raise ValueError("size")
    return head[start : start + size], at + 8 if start == at + 4 else start + size + -size % 8


def _tag(head: bytes, at: int, order: Order) -> tuple[int, int, int]:
    """Return the type and size of an element, and where its content starts."""
    if at + 8 > len(head):
        raise ValueError("tag")
    first = int.from_bytes(head[at : at + 4], order)
    if first >> 16:  # up to four bytes are in the tag itself
        return first & 0xFFFF, first >> 16, at + 4
    return first, int.from_bytes(head[at + 4 : at + 8], order), at + 8


def is_bomb(array: Array) -> bool:
    """Return whether an array claims more numbers than its compressed bytes can become."""
    return bool(array.size) and prod(array.shape) > _MOST_TIMES * array.size
