"""Arrays as files and pipes hold them, one or a series, whoever says what shape they have.

What ``.npy`` and headerless inputs have in common: numbers in one piece. In a file they lie at
fixed offsets; standard input and named pipes deliver them once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.byte_source import ByteSource, open_bytes
from onebyone_cli.formats.contracts.metadata import Container
from onebyone_cli.formats.contracts.reader import Look, Reader, Series, Source, StreamReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.layout import ArrayLayout


class Kind(NamedTuple):
    """A way of saying what array follows.

    Attributes
    ----------
    describe : callable
        Given the bytes, the source and a name for messages, tells the layout of the array of
        which the next byte is the first number; reads what comes before that.
    check_size : callable
        Given a layout, where in a file it was described, the size of the file and a name for
        messages: raises `DataError` if there is more or less than was promised.
    promise : str
        Who says how many bytes there are, for messages; as in ``"its header promises"``.
    name : str
        What the file should be, for messages, with a blank after it; as in ``".npy "``.
    """

    describe: Callable[[ByteSource, Source, str], ArrayLayout]
    check_size: Callable[[ArrayLayout, int, int, str], None]
    promise: str
    name: str = ""


def open_array(source: Source, kind: Kind) -> Reader | StreamReader:
    """Open an input that is one array, and nothing after it.

    Raises
    ------
    DataError
        If there is no such array, or a file is not of the size that was promised.
    InputMissingError
        If it can't be opened.
    """
    opened = open_bytes(source.path, kind.name)
    try:
        start = opened.position
        layout = kind.describe(opened, source, opened.path)
        if not opened.is_file:
            from onebyone_cli.formats.arrays.stream import ArrayStream

            return ArrayStream(opened, layout, opened.path, kind.promise, alone=True)
        layout = layout._replace(offset=opened.position)
        kind.check_size(layout, start, opened.size, opened.path)
        return _reader(opened, layout, opened.path, owns_fd=opened.owns_fd)
    except BaseException:
        opened.close()
        raise


def look_at_array(source: Source, kind: Kind, title: str) -> Look:
    """Look at the description of an array; of a pipe no more is read than that.

    Parameters
    ----------
    source : Source
        As for `open_array`, which raises the same errors.
    kind : Kind
        How it is described.
    title : str
        What it is called.
    """
    from onebyone_cli.formats.arrays.layout import axes_of

    opened = open_bytes(source.path, kind.name)
    try:
        start = opened.position
        layout = kind.describe(opened, source, opened.path)
        if opened.is_file:
            kind.check_size(
                layout._replace(offset=opened.position), start, opened.size, opened.path
            )
    finally:
        opened.close()
    container = Container(
        title,
        layout.shape,
        axes_of(layout.shape, source.layout),
        big_endian=layout.big_endian,
        fortran_order=layout.fortran_order,
        stored_bytes=layout.spec.data_bytes,
    )
    return Look(layout.spec, container, not opened.is_file, layout.run_pixels)


class ArraySeries(Series):
    """Arrays that follow each other; see `Series`.

    Parameters
    ----------
    source : Source
        Standard input, or a named pipe.
    kind : Kind
        How each is described.
    """

    def __init__(self, source: Source, kind: Kind) -> None:
        self._source = source
        self._kind = kind
        self._opened = open_bytes(source.path, kind.name)
        self.path = self._opened.path

    def __iter__(self) -> Iterator[Reader | StreamReader]:
        """Open one after another, until the stream ends where one would begin."""
        layout, raw = self._source.layout, self._source.raw
        index = 0
        while index == 0 or not self._opened.at_end():
            path = f"{self.path}, array {index} (counting from 0)"
            open_next = self._file if self._opened.is_file else self._stream
            for reader in open_next(path):
                reader.series, reader.axes, reader.raw = self.path, layout, raw
                yield reader
            index += 1

    def close(self) -> None:
        """Close the stream, unless it is standard input."""
        self._opened.close()

    def _stream(self, path: str) -> Iterator[StreamReader]:
        from onebyone_cli.formats.arrays.stream import ArrayStream

        layout = self._kind.describe(self._opened, self._source, path)
        stream = ArrayStream(self._opened, layout, path, self._kind.promise, alone=False)
        yield stream
        stream.skip()

    def _file(self, path: str) -> Iterator[Reader]:
        """Open the next array of a file, as in ``onebyone apply - --each < several``."""
        opened = self._opened
        layout = self._kind.describe(opened, self._source, path)
        layout = layout._replace(offset=opened.position)
        if layout.end > opened.size:
            raise DataError(
                f"ends {layout.end - opened.size} bytes early: {self._kind.promise} "
                f"{layout.spec.data_bytes} bytes of numbers; copy or make it again",
                path,
            )
        yield _reader(opened, layout, path, owns_fd=False)
        os.lseek(opened.fd, layout.end, os.SEEK_SET)


def _reader(opened: ByteSource, layout: ArrayLayout, path: str, *, owns_fd: bool) -> Reader:
    from onebyone_cli.formats.arrays.file import ArrayReader

    reader = ArrayReader(opened.fd, layout, path, owns_fd=owns_fd)
    reader.files = opened.files
    return reader
