"""Parse the header of a netCDF-3 file: dimensions, attributes, and where variables lie.

The header is hostile until parsed: each count is compared with what is left of the file.
"""

from __future__ import annotations

import struct
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Type of texts.
TEXT = "S1"

#: Types by their code: numpy's name in the file's byte order.
_TYPES = {
    1: "i1",
    2: TEXT,
    3: ">i2",
    4: ">i4",
    5: ">f4",
    6: ">f8",
    7: "u1",
    8: ">u2",
    9: ">u4",
    10: ">i8",
    11: ">u8",
}

_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12

_WIDE_DATA, _WIDE_OFFSETS = 5, 2

#: Limits: more than any program writes, and few enough to be parsed at once.
_MOST_ENTRIES = 100_000
_MOST_AXES = 1024
_LONGEST_NAME = 4096
_MOST_BYTES = 1 << 24

#: Attributes beyond this size are passed over.
_LARGEST_VALUE = 1 << 16


class Variable(NamedTuple):
    """A variable of a file.

    Attributes
    ----------
    name : str
    dimensions : tuple of str
    shape : tuple of int
    dtype : str
        Of numpy, in the byte order of the file; `TEXT` for text.
    offset : int
        Of the first number.
    step : int
        Bytes from one record to the next; 0 if the variable has no records.
    attributes : dict
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    offset: int
    step: int
    attributes: dict[str, Any]

    @property
    def item_bytes(self) -> int:
        """Bytes of a number."""
        return np.dtype(self.dtype).itemsize

    @property
    def end(self) -> int:
        """Offset of the first byte after the numbers."""
        if not self.step:
            return self.offset + prod(self.shape) * self.item_bytes
        records, *inner = self.shape
        return self.offset + max(0, records - 1) * self.step + prod(inner) * self.item_bytes


class Header(NamedTuple):
    """What a file holds: its variables by name, and its own attributes."""

    variables: dict[str, Variable]
    attributes: dict[str, Any]


class _Raw(NamedTuple):
    """A variable before the size of a record is known."""

    name: str
    axes: tuple[int, ...]
    attributes: dict[str, Any]
    dtype: str
    offset: int


def parse_header(file: BinaryIO, size: int, path: str) -> Header:
    """Parse the header of a file of `size` bytes, which begins at its first byte.

    Raises
    ------
    DataError
        If it is damaged, or a variable would end beyond the file.
    """
    return _Parser(file, size, path).parse()


class _Parser:
    def __init__(self, file: BinaryIO, size: int, path: str) -> None:
        self._file, self._size, self._path = file, size, path
        self._used = 0
        magic = self._bytes(4)
        version = magic[3]
        if magic[:3] != b"CDF" or version not in (1, _WIDE_OFFSETS, _WIDE_DATA):
            raise self._damaged("it does not begin with CDF and a known version")
        self._count = ">Q" if version == _WIDE_DATA else ">I"
        self._offset = ">I" if version == 1 else ">Q"

    def parse(self) -> Header:
        records = self._number(self._count)
        dimensions = self._entries(_DIMENSIONS, self._dimension)
        attributes = dict(self._entries(_ATTRIBUTES, self._attribute))
        raw = self._entries(_VARIABLES, lambda: self._variable(len(dimensions)))
        return Header(self._placed(raw, dimensions, records), attributes)

    def _placed(
        self, raw: list[_Raw], dimensions: list[tuple[str, int]], records: int
    ) -> dict[str, Variable]:
        """Give variables their shapes and the distance of their records."""
        sizes = {}
        for each in raw:
            inner = [dimensions[axis][1] for axis in each.axes]
            if 0 in inner[1:]:
                raise self._damaged(f"'{each.name}' has records along an inner axis")
            if inner[:1] == [0]:
                sizes[each.name] = prod(inner[1:]) * np.dtype(each.dtype).itemsize
        padded = [size + -size % 4 for size in sizes.values()]
        # The only variable with records has no bytes between them.
        step = sum(padded) if len(padded) > 1 else sum(sizes.values())
        if records == (1 << 8 * struct.calcsize(self._count)) - 1:  # a file that was streamed
            first = min((each.offset for each in raw if each.name in sizes), default=0)
            records = max(0, self._size - first) // max(1, step)
        found: dict[str, Variable] = {}
        for each in raw:
            names = tuple(dimensions[axis][0] for axis in each.axes)
            shape = tuple(dimensions[axis][1] for axis in each.axes)
            if each.name in sizes:
                shape = (records, *shape[1:])
            one = Variable(
                each.name,
                names,
                shape,
                each.dtype,
                each.offset,
                step if each.name in sizes else 0,
                each.attributes,
            )
            found[each.name] = one
        return found

    def _entries(self, tag: int, read: Callable[[], Any]) -> list[Any]:
        found, count = self._number(">I"), self._number(self._count)
        if found not in (tag, 0) or (not found and count) or count > _MOST_ENTRIES:
            raise self._damaged(f"a list of kind {found} with {count} entries")
        return [read() for _ in range(count)]

    def _dimension(self) -> tuple[str, int]:
        return self._name(), self._number(self._count)

    def _attribute(self) -> tuple[str, Any]:
        name, dtype = self._name(), self._type()
        count = self._number(self._count)
        size = count * np.dtype(dtype).itemsize
        if size > _LARGEST_VALUE:
            self._skip(size + -size % 4)
            return name, ""
        raw = self._bytes(size + -size % 4)[:size]
        if dtype == TEXT:
            return name, raw.decode("utf-8", "replace").rstrip("\0")
        values = np.frombuffer(raw, dtype).astype(np.dtype(dtype).newbyteorder("="))
        return name, values[0] if count == 1 else values

    def _variable(self, dimensions: int) -> _Raw:
        name, rank = self._name(), self._number(self._count)
        if rank > _MOST_AXES:
            raise self._damaged(f"'{name}' has {rank} axes")
        axes = tuple(self._number(self._count) for _ in range(rank))
        if any(axis >= dimensions for axis in axes):
            raise self._damaged(f"'{name}' has an unknown dimension")
        attributes = dict(self._entries(_ATTRIBUTES, self._attribute))
        dtype = self._type()
        self._number(self._count)  # its size, which is that of its shape
        return _Raw(name, axes, attributes, dtype, self._number(self._offset))

    def _name(self) -> str:
        count = self._number(self._count)
        if count > _LONGEST_NAME:
            raise self._damaged(f"a name of {count} bytes")
        return self._bytes(count + -count % 4)[:count].decode("utf-8", "replace")

    def _type(self) -> str:
        code = self._number(">I")
        if code not in _TYPES:
            raise self._damaged(f"type {code} is unknown")
        return _TYPES[code]

    def _number(self, kind: str) -> int:
        (number,) = struct.unpack(kind, self._bytes(struct.calcsize(kind)))
        return int(number)

    def _bytes(self, count: int) -> bytes:
        self._used += count
        raw = self._file.read(count) if self._used <= min(self._size, _MOST_BYTES) else b""
        if len(raw) < count:
            raise self._damaged("it ends too early, or is larger than 16 MiB")
        return raw

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise self._damaged("it ends too early")
        self._file.seek(count, 1)

    def _damaged(self, how: str) -> DataError:
        return DataError(f"has a damaged netCDF-3 header: {how}; copy or make it again", self._path)
