"""Open Netpbm images: one, several of a kind in a file, or one after another in a stream."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, setting
from onebyone_cli.formats.arrays.byte_source import open_bytes
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.arrays.stream import ArrayStream
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.contracts.reader import Reader, Series, Source, StreamReader
from onebyone_cli.formats.netpbm.header import Header, read_header
from onebyone_cli.formats.netpbm.plain import PlainStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import StackSpec

_KIND = "Netpbm "
_PROMISE = "its header promises"

#: Letters of the type of tuples that reports show.
_MOST_LETTERS = 40

_GREY = {1: (), 2: ("grey", "A")}
_COLOUR = {3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}

#: Names of channels by the type of a PAM's tuples.
_NAMES = {
    "GRAYSCALE": _GREY,
    "GRAYSCALE_ALPHA": _GREY,
    "BLACKANDWHITE_ALPHA": _GREY,
    "RGB": _COLOUR,
    "RGB_ALPHA": _COLOUR,
}


def open_image(source: Source) -> Reader | StreamReader:
    """Open an image, or a file of several images of one shape and type, which are a batch.

    Raises
    ------
    DataError
        If it is malformed or truncated, or its images differ.
    """
    opened = source.opened or open_bytes(source.path, _KIND)
    try:
        start = opened.position
        header = read_header(opened.read, opened.path)
        if not opened.is_file:
            return _stream(opened, header, opened.path, alone=True)
        if header.is_plain:
            return PlainStream(opened, header, _about(header, opened.path, opened.files))
        return _file(opened, header, start)
    except BaseException:
        opened.close()
        raise


class ImageSeries(Series):
    """Images one after another in a pipe or a file; see `Series`."""

    def __init__(self, source: Source) -> None:
        self._opened = source.opened or open_bytes(source.path, _KIND)
        self.path = self._opened.path

    def __iter__(self) -> Iterator[Reader | StreamReader]:
        """Open one image after another, to the end of the stream."""
        opened, index = self._opened, 0
        while index == 0 or not opened.at_end():
            path = f"{self.path}, image {index} (counting from 0)"
            header = read_header(opened.read, path)
            if not opened.is_file or header.is_plain:
                found = _stream(opened, header, path, alone=False, series=self.path)
                yield found
                if isinstance(found, ArrayStream):
                    found.skip()
            else:
                start = opened.position
                layout = _layout(header)._replace(offset=start)
                _check_whole(layout, opened.size, path)
                about = _about(header, path, opened.files)._replace(series=self.path)
                yield _reader(opened, header, layout, about, owns_fd=False)
                os.lseek(opened.fd, layout.end, os.SEEK_SET)
            index += 1

    def close(self) -> None:
        """Close the stream, unless it is standard input."""
        self._opened.close()


class _ViewedStream(ArrayStream):
    """An image in a pipe that is not stored as the rows of a stack; see `views`."""

    def __init__(
        self, opened: ByteSource, layout: ArrayLayout, header: Header, about: About, *, alone: bool
    ) -> None:
        super().__init__(opened, layout, about, _PROMISE, alone=alone)
        self.spec = _spec(header)
        self.run_pixels = 0
        self._header = header

    def held(self, reader: Reader) -> Reader:
        """Return a reader of the image; see `StreamReader.held`."""
        return _viewed(reader, self._header, self.spec, self.about)


def _stream(
    opened: ByteSource, header: Header, path: str, *, alone: bool, series: str = ""
) -> StreamReader:
    about = _about(header, path, ())._replace(series=series)
    if header.is_plain:
        return PlainStream(opened, header, about)
    layout = _layout(header)
    if _is_viewed(header):
        return _ViewedStream(opened, layout, header, about, alone=alone)
    return ArrayStream(opened, layout, about, _PROMISE, alone=alone)


def _file(opened: ByteSource, header: Header, start: int) -> Reader:
    layout = _layout(header)._replace(offset=opened.position)
    _check_whole(layout, opened.size, opened.path)
    about = _about(header, opened.path, opened.files)
    count = _count_images(opened, start, layout)
    if count > 1:
        step = layout.end - start
        layout = layout._replace(
            spec=layout.spec._replace(batch=(count,)),
            strides=(step, *layout.strides),
            shape=(count, *layout.shape),
            axes="N" + layout.axes,
        )
        assert about.container is not None
        container = about.container._replace(
            title=f"file of {count} {header.title} images",
            shape=(count, *about.container.shape),
            axes="N" + about.container.axes,
        )
        about = about._replace(axes="N" + about.axes, container=container)
    return _reader(opened, header, layout, about, owns_fd=opened.owns_fd)


def _count_images(opened: ByteSource, start: int, layout: ArrayLayout) -> int:
    """Count the images of a file, which must be of one kind.

    Raises
    ------
    DataError
        If something else follows an image.
    """
    step, fd = layout.end - start, opened.fd
    first = os.pread(fd, layout.offset - start, start)
    count, at = 1, layout.end
    while at < opened.size:
        if os.pread(fd, len(first), at) != first:
            if at + 64 >= opened.size and not os.pread(fd, 64, at).strip():
                return count  # some programs end a file with a line
            raise DataError(
                f"has something else after image {count - 1} (counting from 0) than another of "
                f"the same shape and type; pipe it in with {setting('each')} to have each image "
                "as a stack of its own",
                opened.path,
            )
        at += step
        count += 1
    if at > opened.size:
        raise DataError(
            f"is truncated: its last image ends {at - opened.size} bytes early; copy or make it "
            "again",
            opened.path,
        )
    return count


def _check_whole(layout: ArrayLayout, size: int, path: str) -> None:
    if layout.end > size:
        raise DataError(
            f"is truncated: has {size} bytes, its header promises {layout.end}; "
            "copy or make it again",
            path,
        )


def _is_viewed(header: Header) -> bool:
    """Whether the numbers are not stored as the rows of a stack from top to bottom."""
    return header.kind == b"P4" or bool(header.scale)


def _spec(header: Header) -> StackSpec:
    from onebyone_cli.spec import StackSpec

    return StackSpec(header.depth, header.height, header.width, header.dtype)


def _layout(header: Header) -> ArrayLayout:
    """Return the layout of the stored bytes, without the offset."""
    if header.kind == b"P4":
        return array_layout((header.height, -(-header.width // 8)), "uint8", "")
    shape = (header.height, header.width, header.depth)
    big_endian = header.scale >= 0
    return array_layout(shape, header.dtype, "", layout="HWC", big_endian=big_endian)


def _reader(
    opened: ByteSource, header: Header, layout: ArrayLayout, about: About, *, owns_fd: bool
) -> Reader:
    reader = ArrayReader(opened.fd, layout, about, owns_fd=owns_fd)
    if not _is_viewed(header):
        return reader
    return _viewed(reader, header, _spec(header)._replace(batch=layout.spec.batch), about)


def _viewed(reader: Reader, header: Header, spec: StackSpec, about: About) -> Reader:
    from onebyone_cli.formats.netpbm.views import BitReader, UpwardReader

    return (UpwardReader if header.scale else BitReader)(reader, spec, about)


def _about(header: Header, path: str, files: tuple[str, ...]) -> About:
    shape = (header.height, header.width, header.depth)
    names = _COLOUR.get(header.depth, ()) if header.kind in (b"P3", b"P6", b"PF") else ()
    if header.kind == b"P7":
        names = _NAMES.get(header.tuple_type, {}).get(header.depth, ())
    more = f", {header.tuple_type[:_MOST_LETTERS]}" if header.tuple_type else ""
    return About(
        path,
        files,
        axes="HWC",
        container=Container(
            f"{header.title} image{more}", shape, "HWC", big_endian=header.scale >= 0
        ),
        load_metadata=lambda: Metadata(channels=names),
        notes=tuple(_notes(header, names)),
    )


def _notes(header: Header, names: tuple[str, ...]) -> Iterator[str]:
    if header.maxval not in (0, 255, 65535) and header.dtype != "bool":
        yield f"MAXVAL {header.maxval}: the numbers are 0 to {header.maxval}, read as stored"
    if header.scale not in (0.0, 1.0, -1.0):
        yield f"scale {abs(header.scale):g} in the header of the PFM is not applied"
    if names[-1:] == ("A",):
        yield f"channel {len(names) - 1}, A, is marked as alpha; it is a channel like the others"
