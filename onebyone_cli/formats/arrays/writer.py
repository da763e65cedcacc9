"""Write numbers at fixed offsets: ``.npy``, contiguous HDF5, ENVI and spools."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit import targets
from onebyone_cli.commit.part import create_file
from onebyone_cli.errors import OneByOneError, read_write_error
from onebyone_cli.formats.arrays.layout import plain_layout
from onebyone_cli.formats.arrays.slabs import rectangles
from onebyone_cli.formats.contracts.writer import ResumableWriter, Writer
from onebyone_cli.system.pipes import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from onebyone_cli.commit.publishing import Sidecar
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import Slab, StackSpec


#: Pieces in which numbers are brought to the order of the file; they fit the cache of a core.
_PIECE_BYTES = 1 << 18

#: Threads whose pieces are counted.
_THREADS = 8


class ArrayWriter(Writer):
    """Write slabs of a C-order array in the order CHW, HWC or HCW into an existing file.

    Parameters
    ----------
    fd : int
        Descriptor open for writing; not closed here.
    layout : ArrayLayout
        With `run_pixels`.
    path : str
        Name for messages.
    """

    def __init__(self, fd: int, layout: ArrayLayout, path: str) -> None:
        self.path = path
        self.spec = spec = layout.spec
        self.data_offset = layout.offset
        self._fd = fd
        self._dtype = layout.dtype
        self._run = spec.pixels if layout.is_plain else layout.run_pixels
        self._as_is = self._run == spec.pixels and self._dtype.isnative
        *_, self._channel_stride, self._row_stride, self._pixel_stride = layout.strides
        self._item_stride = spec.channels * spec.pixels * spec.item_bytes

    def open(self) -> None:
        """Do nothing: the file exists."""

    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab; see `Writer.write`."""
        start = self.data_offset + slab.item * self._item_stride
        if self._as_is and slab.pixels == self.spec.pixels and block.flags.c_contiguous:
            write_from(self._fd, block, start, self.path)
            return
        for index in range(slab.items):
            for channels, first, numbers in self._pieces(block[index], slab.start):
                offset = start + channels.start * self._channel_stride + self._offset_of(first)
                write_from(self._fd, numbers, offset, self.path)
            start += self._item_stride

    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write consecutive pixels of one channel, which lie together; see `Writer.write_run`."""
        plane = item * self._item_stride + channel * self._channel_stride
        offset = self.data_offset + plane + start * self._pixel_stride
        write_from(self._fd, numbers.astype(self._dtype, copy=False), offset, self.path)

    def commit(self) -> None:
        """Do nothing: the owner of the file publishes it."""

    def discard(self) -> None:
        """Do nothing: the owner of the file removes it."""

    def _offset_of(self, pixel: int) -> int:
        row, column = divmod(pixel, self.spec.width)
        return row * self._row_stride + column * self._pixel_stride

    def _pieces(self, block: NDArray[Any], start: int) -> Iterator[tuple[range, int, NDArray[Any]]]:
        """Cut pixels from `start` on into what lies together in the file.

        Yields channels, the first pixel, and the numbers as stored.
        """
        channels, stop = range(len(block)), start + block.shape[1]
        if self._run == self.spec.pixels:
            step = block.shape[1] if self._as_is else _PIECE_BYTES // self.spec.item_bytes
            for channel in channels:
                for first, last in _steps(start, stop, step):
                    numbers = block[channel, first - start : last - start]
                    yield range(channel, channel + 1), first, self._stored(numbers)
            return
        together = max(1, _PIECE_BYTES // (len(channels) * self.spec.item_bytes))
        if self._run == 1:
            for first, last in _steps(start, stop, together):
                yield channels, first, self._stored(block[:, first - start : last - start].T)
            return
        width = self.spec.width
        for row, rows, column, columns in rectangles(start, stop, width):
            step = max(1, together // width)
            for first, last in _steps(row, row + rows, step):
                place = first * width + column - start
                part = block[:, place : place + (last - first - 1) * width + columns]
                if columns == width:
                    lines = part.reshape(len(channels), -1, width).swapaxes(0, 1)
                    yield channels, first * width, self._stored(lines)
                else:  # a part of one row
                    for channel in channels:
                        one = range(channel, channel + 1)
                        yield one, start + place, self._stored(part[channel])

    def _stored(self, numbers: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(numbers, self._dtype)


def _steps(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut a range into parts of at most `step`."""
    for first in range(start, stop, step):
        yield first, min(first + step, stop)


class FixedOffsetWriter(ResumableWriter):
    """Write an output file with its numbers at fixed offsets.

    Parameters
    ----------
    target : Target
    spec : StackSpec
    header : bytes
        Bytes before the numbers, if none follow them.
    create : callable or None
        Replaces `header`: write all but the numbers into a descriptor; return the offset of the
        first number and the size of the file in bytes. Bytes that the descriptor holds are
        of the same output: they are written over, never truncated.
    container : str
        See `ResumableWriter.container`.
    sidecar : Sidecar or None
        A file that is published with the output: both appear, or neither.
    stored : ArrayLayout or None
        Order of the numbers, for an `ArrayWriter`, without the offset; None for plain ones.

    Raises
    ------
    OutputRefusedError
        If the sidecar can't be written.
    ReadWriteError
        If the disk is too full.
    """

    def __init__(
        self,
        target: Target,
        spec: StackSpec,
        *,
        header: bytes = b"",
        create: Callable[[int], tuple[int, int]] | None = None,
        container: str = "",
        sidecar: Sidecar | None = None,
        stored: ArrayLayout | None = None,
    ) -> None:
        self.path = target.path
        self.spec = spec
        self.container = container
        self.sidecar = sidecar
        self._target = target
        self._header = header
        self._create = create or self._write_header
        self._stored = stored or plain_layout(spec)
        self.buffer_bytes = 0 if self._stored.is_plain else _PIECE_BYTES * _THREADS
        self.has_planes = self._stored.is_plain
        if sidecar is not None:
            targets.check_target(
                sidecar.path, force=target.publication.may_replace, inputs=target.inputs
            )
        targets.check_space(target.path, len(header) + spec.data_bytes)

    def open(self) -> None:
        """Create the temporary or the part file, and write all but the numbers."""
        self.file = create_file(self.path, self._target.publication)
        try:
            if self._target.publication.shared and self.file.found:
                # Another job may be writing the file. Create a sparse copy without a name, only to
                # find the offset of the numbers.
                import tempfile

                with tempfile.TemporaryFile() as nameless:
                    self._settle(nameless.fileno())
            else:  # even if it was found: a crash may have lost the header
                self._settle(self.file.fd)
        except BaseException:
            self.discard()
            raise
        self._numbers = ArrayWriter(
            self.file.fd, self._stored._replace(offset=self.data_offset), self.path
        )

    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab; see `Writer.write`."""
        self._numbers.write(slab, block)

    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write consecutive pixels of one channel; see `Writer.write_run`."""
        self._numbers.write_run(item, channel, start, numbers)

    def commit(self) -> None:
        """Publish the file."""
        self.changed = self.file.commit(self._size, self.sidecar)

    def discard(self) -> None:
        """Remove the temporary."""
        if hasattr(self, "file"):
            self.file.discard()

    def _settle(self, fd: int) -> None:
        try:
            self.data_offset, self._size = self._create(fd)
            header = os.pread(fd, self.data_offset, 0)
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error
        self.file.settle(self._size, header)

    def _write_header(self, fd: int) -> tuple[int, int]:
        write_all(fd, memoryview(self._header), self.path)
        return len(self._header), len(self._header) + self.spec.data_bytes


def write_from(fd: int, block: NDArray[Any], offset: int, path: str) -> None:
    """Write a contiguous array into a file, in as many writes as needed.

    Raises
    ------
    ReadWriteError
        If the system fails: disk full, quota, I/O error.
    """
    try:
        count = os.pwritev(fd, [block.data], offset)
        if count == block.nbytes:
            return
        view = block.data.cast("B")
        while count < block.nbytes:
            count += os.pwritev(fd, [view[count:]], offset + count)
    except OSError as error:
        raise read_write_error("writing", path, error) from error
