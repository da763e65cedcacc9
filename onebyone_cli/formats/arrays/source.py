"""Open arrays in files and pipes, one or a series: ``.npy`` and numbers without a header."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.byte_source import ByteSource, open_bytes
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.contracts.reader import Reader, Series, Source, StreamReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.layout import ArrayLayout


#: Items of a batch that lie interleaved, and bytes read because of it, that are worth a word.
_MOST_TIMES = 3
_WORTH_SAYING = 1 << 28


class Kind(NamedTuple):
    """How to find the shape of the next array.

    Attributes
    ----------
    describe : callable
        Given bytes, source and a name for messages, read the header and return the layout.
    check_size : callable
        Given a layout, the offset of its header, the size of the file and a name for messages,
        raise `DataError` if the size differs.
    promise : str
        Source of the expected size, for messages; as in ``"its header promises"``.
    title : str
        As in ``"NumPy array"``.
    name : str
        Expected kind of file, for messages, with a blank after it; as in ``".npy "``.
    """

    describe: Callable[[ByteSource, Source, str], ArrayLayout]
    check_size: Callable[[ArrayLayout, int, int, str], None]
    promise: str
    title: str
    name: str = ""


def open_array(source: Source, kind: Kind) -> Reader | StreamReader:
    """Open an input that is one array, with nothing after it.

    Raises
    ------
    DataError
        If there is no such array, or a file is of another size.
    InputMissingError
        If it can't be opened.
    """
    opened = source.opened or open_bytes(source.path, kind.name)
    try:
        start = opened.position
        layout = kind.describe(opened, source, opened.path)
        about = about_array(opened.path, opened.files, layout, source, kind.title)
        if not opened.is_file:
            from onebyone_cli.formats.arrays.stream import ArrayStream

            return ArrayStream(opened, layout, about, kind.promise, alone=True)
        layout = layout._replace(offset=opened.position)
        kind.check_size(layout, start, opened.size, opened.path)
        return ArrayReader(opened.fd, layout, about, owns_fd=opened.owns_fd)
    except BaseException:
        opened.close()
        raise


def about_array(
    path: str, files: tuple[str, ...], layout: ArrayLayout, source: Source, title: str
) -> About:
    """Return the `About` of an array; `path` and `files` are as in `About`."""
    container = Container(
        title,
        layout.shape,
        layout.axes,
        big_endian=layout.big_endian,
        fortran_order=layout.fortran_order,
        stored_bytes=layout.data_bytes,
        coded=layout.coded,
        is_assumed=not source.layout,
    )
    notes = tuple(_notes(layout)) if files else ()
    return About(path, files, axes=layout.axes, raw=source.raw, container=container, notes=notes)


def _notes(layout: ArrayLayout) -> Iterator[str]:
    """Say that every item is read with those around it."""
    times = layout.interleaved
    if times * layout.data_bytes > _WORTH_SAYING and times > _MOST_TIMES:
        yield (
            f"its {times} items lie interleaved ({layout.axes}), so that reading all of them reads "
            f"the file up to {times} times; save it with the batch first, as by numpy.moveaxis, to "
            "read it once"
        )


class ArraySeries(Series):
    """Consecutive arrays of standard input or a named pipe; see `Series`."""

    def __init__(self, source: Source, kind: Kind) -> None:
        self._source = source
        self._kind = kind
        self._opened = source.opened or open_bytes(source.path, kind.name)
        self.path = self._opened.path

    def __iter__(self) -> Iterator[Reader | StreamReader]:
        """Open one array after another, to the end of the stream."""
        index = 0
        while index == 0 or not self._opened.at_end():
            path = f"{self.path}, array {index} (counting from 0)"
            open_next = self._file if self._opened.is_file else self._stream
            yield from open_next(path)
            index += 1

    def close(self) -> None:
        """Close the stream, unless it is standard input."""
        self._opened.close()

    def _stream(self, path: str) -> Iterator[StreamReader]:
        from onebyone_cli.formats.arrays.stream import ArrayStream

        layout, about = self._described(path, ())
        stream = ArrayStream(self._opened, layout, about, self._kind.promise, alone=False)
        yield stream
        stream.skip()

    def _file(self, path: str) -> Iterator[Reader]:
        """Open the next array of a file, as in ``onebyone apply - --each < several``."""
        opened = self._opened
        layout, about = self._described(path, opened.files)
        layout = layout._replace(offset=opened.position)
        if layout.end > opened.size:
            raise DataError(
                f"ends {layout.end - opened.size} bytes early: {self._kind.promise} "
                f"{layout.data_bytes} bytes of numbers; copy or make it again",
                path,
            )
        yield ArrayReader(opened.fd, layout, about, owns_fd=False)
        os.lseek(opened.fd, layout.end, os.SEEK_SET)

    def _described(self, path: str, files: tuple[str, ...]) -> tuple[ArrayLayout, About]:
        layout = self._kind.describe(self._opened, self._source, path)
        about = about_array(path, files, layout, self._source, self._kind.title)
        return layout, about._replace(series=self.path)
