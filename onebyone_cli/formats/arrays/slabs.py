"""Read any slab of an array in a file, for any order of its axes.

Files are read with ``pread``, not mapped: truncating a mapped file kills the process with SIGBUS,
while a short read is an error that can be reported.
"""

from __future__ import annotations

import os
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import OneByOneError, ReadWriteError, read_write_error
from onebyone_cli.formats.arrays.layout import SCRATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import PixelGrid, Slab


#: Gaps up to this size are read, not skipped: another system call would take longer than copying
#: so many bytes from the page cache.
_WORTH_SKIPPING = 1 << 14

#: Runs of bytes up to this size are read together with such gaps between them; longer ones up to
#: `_LONG_RUN` if no more than `_MOST_TIMES` as many bytes are read for that.
_SHORT_RUN = 1 << 5
_LONG_RUN = 1 << 9
_MOST_TIMES = 8


class _Axis(NamedTuple):
    """One axis of a box to read: `size` of `full` numbers, `stride` bytes apart, from `start`."""

    full: int
    start: int
    size: int
    stride: int

    def within(self, axis: _Axis) -> slice:
        """Return the slice of `axis` that this part covers."""
        start = self.start - axis.start
        return slice(start, start + self.size)


class SlabReader:
    """Read slabs of an array in a file.

    Parameters
    ----------
    fd : int
        Descriptor open for reading; not closed here.
    layout : ArrayLayout
    path : str
        Name for messages.
    """

    def __init__(self, fd: int, layout: ArrayLayout, path: str) -> None:
        self.path = path
        self.layout = layout
        self.spec = layout.spec
        self._fd = fd
        self._dtype = layout.dtype
        *batch_strides, c, h, w = layout.strides
        self._batch_strides = tuple(batch_strides)
        self._c, self._h, self._w = c, h, w
        # Consecutive rows make H×W one axis of pixels.
        self._rows_join = h == w * self.spec.width
        self._in_place = (
            not layout.coded
            and self._dtype.isnative
            and self._rows_join
            and w == self._dtype.itemsize
        )
        self._whole_items = layout.is_plain

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        same_type = out.dtype == self._dtype and self._in_place
        if same_type and self._whole_items and slab.items > 1 and out.flags.c_contiguous:
            # Whole planes of consecutive items are one run of bytes.
            self._read_bytes(out, self._item_offset(slab.item))
            return
        for index in range(slab.items):
            base = self._item_offset(slab.item + index)
            if same_type:
                self._read_planes(base, slab, out[index])
            elif self._rows_join:
                axes = [
                    _Axis(self.spec.channels, 0, self.spec.channels, self._c),
                    _Axis(self.spec.pixels, slab.start, slab.pixels, self._w),
                ]
                self._read_box(base, axes, out[index], scratch)
            else:
                self._read_rows(base, slab, out[index], scratch)

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a sparse grid of pixels; see `Reader.read_grid`."""
        item, channels, rows, columns = grid
        base = self._item_offset(item) + rows.start * self._h + columns.start * self._w
        lines = [(len(rows), rows.step * self._h), (len(columns), columns.step * self._w)]
        axes = [0, 1]
        if lines[0][1] < lines[1][1]:  # as in Fortran order: the larger stride is first
            lines.reverse()
            axes.reverse()
        first, last = min(channels), max(channels)
        reach = (last - first) * self._c + self._dtype.itemsize
        near = reach <= min(_WORTH_SKIPPING, SCRATCH_BYTES)
        for group in [range(len(channels))] if near else [[at] for at in range(len(channels))]:
            chosen = [channels[at] for at in group]
            offset = base + min(chosen) * self._c
            places = [(channel - min(chosen)) * self._c for channel in chosen]
            part = out[group[0] : group[-1] + 1].transpose(0, *(1 + axis for axis in axes))
            self._read_apart(offset, places, lines, part, scratch)

    def _read_apart(
        self,
        offset: int,
        places: list[int],
        lines: list[tuple[int, int]],
        out: NDArray[Any],
        scratch: NDArray[Any],
    ) -> None:
        """Read a grid of pixels, in one piece if the gaps are small.

        Parameters
        ----------
        offset : int
            Byte of the first pixel.
        places : list of int
            Bytes from there to the number of each channel.
        lines : list of tuple of int
            Count and stride in bytes of two axes, the larger stride first.
        out : ndarray of shape (len(places), lines[0][0], lines[1][0])
        scratch : ndarray of uint8
            Holds a piece.
        """
        inner = max(places) + self._dtype.itemsize
        reach = (lines[1][0] - 1) * lines[1][1] + inner
        span = (lines[0][0] - 1) * lines[0][1] + reach
        for axis, between in ((0, lines[0][1] - reach), (1, lines[1][1] - inner)):
            count, stride = lines[axis]
            if count > 1 and (between > _WORTH_SKIPPING or span > SCRATCH_BYTES):
                half = count // 2
                for start, stop in ((0, half), (half, count)):
                    part = list(lines)
                    part[axis] = (stop - start, stride)
                    cut = out[:, start:stop] if axis == 0 else out[:, :, start:stop]
                    self._read_apart(offset + start * stride, places, part, cut, scratch)
                return
        piece = scratch[:span]
        self._read_bytes(piece, offset)
        shape, strides = [count for count, _ in lines], [stride for _, stride in lines]
        for index, place in enumerate(places):
            numbers: NDArray[Any] = np.ndarray(shape, self._dtype, piece, place, strides)
            self._copy(out[index], numbers)

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; see `Reader.read_channels`."""
        layout = self.layout
        some = layout._replace(
            spec=layout.spec._replace(channels=last - first),
            offset=layout.offset + first * self._c,
        )
        SlabReader(self._fd, some, self.path).read(slab, out, scratch)

    def rows(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Return rows of one channel of a plain array; see `Planes.rows`."""
        width = self.spec.width
        return self.pixels(item, channel, start * width, stop * width).reshape(-1, width)

    def pixels(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Return pixels of one channel of a plain array; see `Planes.pixels`."""
        numbers = np.empty(stop - start, self._dtype)
        offset = self._item_offset(item) + channel * self._c + start * self._w
        self._read_bytes(numbers, offset)
        return numbers

    def _item_offset(self, item: int) -> int:
        offset = self.layout.offset
        for size, stride in zip(
            reversed(self.spec.batch), reversed(self._batch_strides), strict=True
        ):
            item, index = divmod(item, size)
            offset += index * stride
        return offset

    def _read_planes(self, base: int, slab: Slab, out: NDArray[Any]) -> None:
        """Read channels of contiguous pixels, straight into place."""
        offset = base + slab.start * self._w
        for channel in range(self.spec.channels):
            self._read_bytes(out[channel], offset + channel * self._c)

    def _read_rows(self, base: int, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read pixels whose rows are apart in the file: up to three rectangles."""
        spec = self.spec
        done = 0
        for row, rows, column, columns in rectangles(slab.start, slab.stop, spec.width):
            part = out[:, done : done + rows * columns].reshape(spec.channels, rows, columns)
            axes = [
                _Axis(spec.channels, 0, spec.channels, self._c),
                _Axis(spec.height, row, rows, self._h),
                _Axis(spec.width, column, columns, self._w),
            ]
            self._read_box(base, axes, part, scratch)
            done += rows * columns

    def _read_box(
        self, base: int, axes: list[_Axis], out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read a box through scratch, converted to the dtype and axis order of `out`.

        `axes` are in the order of the axes of `out`. The box is cut into blocks that fit the
        scratch, whole axes of small stride first.
        """
        order = sorted(range(len(axes)), key=lambda axis: -axes[axis].stride)
        stored = [axes[axis] for axis in order]
        back = [order.index(axis) for axis in range(len(axes))]
        room, gaps = scratch[:SCRATCH_BYTES].view(self._dtype), scratch[:0]
        if _reads_gaps(stored, *self._joined(stored)):
            half = room.size // 2
            room, gaps = room[:half], scratch[half * self._dtype.itemsize : SCRATCH_BYTES]
        for block in _blocks(stored, room.size):
            shape = tuple(axis.size for axis in block)
            piece = room[: prod(shape)].reshape(shape)
            self._read_runs(base, block, piece, gaps)
            place = tuple(block[at].within(axis) for at, axis in zip(back, axes, strict=True))
            self._copy(out[place], piece.transpose(back))

    def _copy(self, out: NDArray[Any], numbers: NDArray[Any]) -> None:
        """Copy stored numbers, converted to the dtype of `out`."""
        if self.layout.coded:
            from onebyone_cli.formats.arrays.coded import copy_decoded

            copy_decoded(out, numbers, self.layout.coded)
        else:
            np.copyto(out, numbers, casting="unsafe")

    def _joined(self, block: list[_Axis]) -> tuple[int, int]:
        """Return how many outer axes separate the runs of a block, and the bytes of a run."""
        depth, run = len(block), self._dtype.itemsize
        while depth and block[depth - 1].stride == run:
            depth -= 1
            run *= block[depth].size
            if block[depth].size < block[depth].full:
                break
        return depth, run

    def _read_runs(
        self, base: int, block: list[_Axis], piece: NDArray[Any], gaps: NDArray[np.uint8]
    ) -> None:
        """Fill `piece` from the contiguous runs of bytes of a block."""
        depth, run = self._joined(block)
        offset = base + sum(axis.start * axis.stride for axis in block)
        gapped = bool(gaps.size) and _reads_gaps(block, depth, run)
        outer = block[: depth - gapped]
        for index in np.ndindex(*(axis.size for axis in outer)):
            at = offset + sum(i * axis.stride for i, axis in zip(index, outer, strict=True))
            if gapped:
                runs = piece[index].reshape(block[depth - 1].size, -1)
                self._read_gapped(runs, at, block[depth - 1].stride, gaps)
            else:
                self._read_bytes(piece[index], at)

    def _read_gapped(
        self, out: NDArray[Any], offset: int, stride: int, gaps: NDArray[np.uint8]
    ) -> None:
        """Read runs of numbers with the gaps between them, and pick the numbers.

        Reading run by run would take a system call for each, as in a batch in Fortran order, where
        the items vary fastest.
        """
        count, length = out.shape
        run = length * out.itemsize
        step = max(1, (gaps.size - run) // stride + 1)
        for start in range(0, count, step):
            rows = min(step, count - start)
            span = gaps[: (rows - 1) * stride + run]
            self._read_bytes(span, offset + start * stride)
            strides = (stride, out.itemsize)
            out[start : start + rows] = np.ndarray(
                (rows, length), self._dtype, span, strides=strides
            )

    def _read_bytes(self, out: NDArray[Any], offset: int) -> None:
        read_into(self._fd, out, offset, self.path)


def read_into(fd: int, out: NDArray[Any], offset: int, path: str) -> None:
    """Fill a contiguous array from a file, in as many reads as needed.

    Raises
    ------
    ReadWriteError
        If the system fails, or the file ends first.
    """
    try:
        count = os.preadv(fd, [out.data], offset)
        if count == out.nbytes:
            return
        view = out.data.cast("B")
        while count < out.nbytes:
            more = os.preadv(fd, [view[count:]], offset + count)
            if more == 0:
                raise ReadWriteError(
                    f"ends at byte {offset + count} although it was longer when it was opened; "
                    "it was changed while it was being read",
                    path,
                )
            count += more
    except OneByOneError:
        raise
    except OSError as error:
        raise read_write_error("reading", path, error) from error


def _reads_gaps(block: list[_Axis], depth: int, run: int) -> bool:
    """Return whether runs of `run` bytes are read with the gaps along the axis before `depth`."""
    if depth == len(block):
        return True
    if depth == 0 or run > _LONG_RUN:
        return False
    most = run + _WORTH_SKIPPING if run <= _SHORT_RUN else run * _MOST_TIMES
    return block[depth - 1].stride <= most


def rectangles(start: int, stop: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut a range of pixels into (row, rows, column, columns): a part row, rows, a part row."""
    while start < stop:
        row, column = divmod(start, width)
        if column or stop - start < width:
            columns = min(width - column, stop - start)
            yield row, 1, column, columns
            start += columns
        else:
            rows = (stop - start) // width
            yield row, rows, 0, width
            start += rows * width


def _blocks(axes: list[_Axis], room: int) -> Iterator[list[_Axis]]:
    """Cut a box into boxes of at most `room` numbers, keeping inner axes whole where they fit."""
    steps = []
    for axis in reversed(axes):
        step = max(1, min(axis.size, room))
        room //= step
        steps.append(step)
    steps.reverse()
    counts = [-(-axis.size // step) for axis, step in zip(axes, steps, strict=True)]
    for index in np.ndindex(*counts):
        block = []
        for i, axis, step in zip(index, axes, steps, strict=True):
            start = i * step
            size = min(step, axis.size - start)
            block.append(_Axis(axis.full, axis.start + start, size, axis.stride))
        yield block
