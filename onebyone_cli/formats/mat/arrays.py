"""Open arrays of MATLAB files."""

from __future__ import annotations

import os
import zlib
from functools import cache
from math import prod
from typing import TYPE_CHECKING

from onebyone_cli.axes import matlab_axes, matlab_notes
from onebyone_cli.errors import DataError, open_error
from onebyone_cli.formats.arrays.byte_source import ByteSource
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.arrays.source import about_array
from onebyone_cli.formats.arrays.stream import ArrayStream
from onebyone_cli.formats.contracts.about import Dataset
from onebyone_cli.formats.contracts.attributes import Near, field_of, metadata_of
from onebyone_cli.formats.mat.elements import Array, arrays_of, is_bomb
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader

_MOST_LISTED = 10

#: Compressed bytes that are read at a time.
_PIECE_BYTES = 1 << 16

#: Most bytes after the numbers of a compressed array: it ends at a multiple of eight.
_MOST_AFTER = 7


def read_array(source: Source) -> Reader | StreamReader:
    """Open the array that `source` names, or the only one that can be a stack."""
    fd = _open_file(source.path)
    try:
        arrays, big_endian = arrays_of(fd, source.path)
        array = _wanted(arrays, source)
        if array.reason or is_bomb(array):
            holds = array.reason or "more numbers than its bytes can become"
            raise DataError(
                f"'{printable(array.name)}' holds {holds}; expected an array of real numbers",
                source.path,
            )
        layout = array_layout(
            array.shape,
            array.dtype,
            source.name,
            layout=matlab_axes(source.layout, len(array.shape)),
            fortran_order=True,
            big_endian=big_endian,
            offset=array.offset,
        )
        about = about_array(source.name, (source.path,), layout, source, "MATLAB array")
        assert about.container is not None
        about = about._replace(
            inner=array.name,
            container=about.container._replace(is_assumed=False),
            load_metadata=_load_metadata(source.path, arrays, layout),
            notes=matlab_notes(source.layout, len(array.shape)),
        )
        if array.size:
            numbers = InflatedBytes(fd, array, source.name)
            return ArrayStream(numbers, layout, about, "the file promises", alone=True)
        return ArrayReader(fd, layout, about)
    except BaseException:
        os.close(fd)
        raise


def list_arrays(path: str) -> list[Dataset]:
    """List the arrays that can be stacks, in the order of the file."""
    fd = _open_file(path)
    try:
        found, _ = arrays_of(fd, path)
    finally:
        os.close(fd)
    return [Dataset(each.name, each.shape, each.dtype) for each in found if _is_candidate(each)]


def _load_metadata(path: str, arrays: list[Array], layout: ArrayLayout) -> Callable[[], Metadata]:
    """Return a function that reads vectors of a known name with an entry for each channel."""
    near = [
        each
        for each in arrays
        if not each.reason and field_of(each.name) and prod(each.shape) == layout.spec.channels
    ]

    def load() -> Metadata:
        import numpy as np

        found = []
        fd = _open_file(path)
        try:
            for each in near:
                dtype = np.dtype(each.dtype).newbyteorder(">" if layout.big_endian else "<")
                size = prod(each.shape) * dtype.itemsize
                if each.size:
                    raw = InflatedBytes(fd, each, path).read(size)
                else:
                    raw = os.pread(fd, size, each.offset)
                if len(raw) == size:
                    values = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))
                    found.append(Near(each.name, values, each.name))
        finally:
            os.close(fd)
        return metadata_of({}, layout.spec, found)

    return cache(load)


class InflatedBytes(ByteSource):
    """The numbers of a compressed array, from front to back."""

    def __init__(self, fd: int, array: Array, path: str) -> None:
        super().__init__(fd, path)
        self.is_file = False
        self._inflater = zlib.decompressobj()
        self._at, self._end = array.start, array.start + array.size
        self._pending = b""
        self.read(array.offset)

    def _read_some(self, count: int) -> bytes:
        try:
            while not self._inflater.eof:
                if not self._pending:
                    self._pending = os.pread(
                        self.fd, min(_PIECE_BYTES, self._end - self._at), self._at
                    )
                    self._at += len(self._pending)
                if not self._pending:
                    return b""
                found = self._inflater.decompress(self._pending, count)
                self._pending = self._inflater.unconsumed_tail
                if found:
                    return found
        except zlib.error as error:
            raise DataError(
                f"holds a damaged array ({error}); copy or make it again", self.path
            ) from error
        return b""

    def read_into(self, piece: memoryview) -> int:
        """Unpack the next bytes; see `ByteSource.read_into`."""
        found = self.read(len(piece))
        piece[: len(found)] = found
        return len(found)

    def at_end(self) -> bool:
        """Return whether the array is whole: its checksum is compared."""
        after = self.read(_MOST_AFTER + 1)
        return len(after) <= _MOST_AFTER and self._inflater.eof

    def has_come(self, milliseconds: int) -> bool:
        """Return True: nothing has to be waited for."""
        del milliseconds
        return True


def _open_file(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise open_error(path, error) from error


def _is_candidate(array: Array) -> bool:
    return not array.reason and max(array.shape) < prod(array.shape)


def _wanted(arrays: list[Array], source: Source) -> Array:
    """Return the array that `source` names, or the only one that can be a stack."""
    fitting = [each for each in arrays if _is_candidate(each)]
    name = source.inner.strip("/")
    if name:
        found = next((each for each in arrays if each.name == name), None)
        if found is not None:
            return found
        what = f"has no array '{printable(name)}'"
        raise DataError(f"{what}; {_choices(fitting, source)}", source.path)
    if len(fitting) == 1:
        return fitting[0]
    others = [f"{printable(each.name)} ({each.reason})" for each in arrays if each.reason]
    what = f"has {len(fitting)} arrays it could be" if fitting else "has no array to read"
    if others and not fitting:
        what += f" but {', '.join(others[:_MOST_LISTED])}"
    raise DataError(f"{what}; {_choices(fitting, source)}", source.path)


def _choices(fitting: list[Array], source: Source) -> str:
    if not fitting:
        return "expected an array of real numbers with two or more axes"
    names = [printable(each.name) for each in fitting]
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    listed = ", ".join(names[:_MOST_LISTED])
    return f"name one of {listed}{more}, as in {source.path}:{names[0]}"
