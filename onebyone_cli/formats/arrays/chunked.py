"""Read arrays whose numbers are not in one piece: chunked, compressed, tiled, never written.

If the chunks that a row of pixels touches fit the memory, they are cached (`ChunkReader`).
Otherwise the array is read once, in an order in which pieces of it fit (`ChunkStream`).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.arrays.cells import CellCache, copy_box
from onebyone_cli.formats.arrays.grid import (
    CachePlan,
    DrainPlan,
    Grid,
    drain_bytes,
    drain_pieces,
    plan_cache,
    plan_drain,
)
from onebyone_cli.formats.arrays.layout import ArrayLayout
from onebyone_cli.formats.arrays.slabs import rectangles
from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.cells import CellDecoder
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.spec import PixelGrid, Slab, StackSpec

#: Largest number of threads expected to decode at the same time.
_MAX_THREADS = 8

#: One in this many bytes of ``--memory`` is for decoding a single input.
_MEMORY_SHARE = 2

#: Rows of a grid are copied out of chunks in pieces of this size, or one row.
_GRID_BYTES = 1 << 18

_MIB = 1 << 20


class OpenFile(Protocol):
    """The file of an array."""

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""

    def close(self) -> None:
        """Close the file. May be called twice."""


class ChunkedArray(NamedTuple):
    """An array in cells, and how to decode them.

    Attributes
    ----------
    file : OpenFile
        Closed by the reader.
    decoder : CellDecoder
    grid : Grid
    spec : StackSpec
    about : About
    chunk : tuple of int or None
        Sizes of a chunk in the order of the file.
    big_endian : bool
        Whether decoded numbers are.
    advice : str
        What to do about chunks that don't fit the memory, besides a larger one.
    """

    file: OpenFile
    decoder: CellDecoder
    grid: Grid
    spec: StackSpec
    about: About
    chunk: tuple[int, ...] | None
    big_endian: bool = False
    advice: str = "make the chunks smaller"


def open_chunked(array: ChunkedArray, memory: int) -> Reader | StreamReader:
    """Make the reader that suits the chunks and the memory, in bytes.

    Raises
    ------
    UsageError
        If `memory` is too small for either; the message names a sufficient value.
    """
    grid = array.grid
    each = grid.cell_bytes + array.decoder.decode_bytes
    threads = min(os.cpu_count() or 1, _MAX_THREADS)
    cache = plan_cache(grid, array.decoder.decode_bytes, memory, threads)
    if cache is not None:
        return ChunkReader(array, cache)
    drain = plan_drain(grid, memory - each)
    if drain is None:
        needed = each + min(grid.band_cells * grid.cell_bytes, drain_bytes(grid))
        shown = "×".join(map(str, array.chunk or ()))
        raise UsageError(
            f"its chunks of {shown} take {format_bytes(needed)} of memory to read, and "
            f"{format_bytes(memory)} are set aside for that; "
            f"give {setting('memory', f'{_MEMORY_SHARE * needed // _MIB + 1}M')}, or "
            f"{array.advice}",
            array.about.path,
        )
    return ChunkStream(array, drain, each)


class ChunkReader(Reader):
    """Read slabs of an array in cells. `plan` limits those that are cached."""

    def __init__(self, array: ChunkedArray, plan: CachePlan) -> None:
        self.about = array.about
        self.spec = array.spec
        self.cache_bytes = plan.bytes
        self.chunk_shape = _chunk_shape(array.grid, array.chunk)
        self._file = array.file
        self._grid = array.grid
        self._cache = CellCache(array.decoder, array.grid, plan)

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        self.read_channels(slab, 0, self.spec.channels, out, scratch)

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; see `Reader.read_channels`."""
        del scratch
        spec = self.spec
        for index in range(slab.items):
            item = _unravel(slab.item + index, spec.batch)
            after = tuple(i + 1 for i in item)
            done = 0
            for row, rows, column, columns in rectangles(slab.start, slab.stop, spec.width):
                start = (*item, first, row, column)
                stop = (*after, last, row + rows, column + columns)
                part = out[index, :, done : done + rows * columns]
                box = part.reshape(*(1 for _ in item), last - first, rows, columns)
                copy_box(self._cache, self._grid, start, stop, box)
                done += rows * columns

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a sparse grid of pixels; other chunks are not decoded. See `Reader.read_grid`."""
        item, channels, rows, columns = grid
        place = _unravel(item, self.spec.batch)
        after = tuple(i + 1 for i in place)
        width = columns[-1] + 1 - columns.start
        most = max(1, _GRID_BYTES // (width * self.spec.item_bytes))
        done = 0
        for near in self._rows_of_chunks(rows, most):
            part = np.empty((near[-1] + 1 - near.start, width), self.spec.dtype)
            box = part.reshape(*(1 for _ in place), 1, *part.shape)
            picked = part[:: near.step, :: columns.step]
            for at, channel in enumerate(channels):
                start = (*place, channel, near.start, columns.start)
                stop = (*after, channel + 1, near[-1] + 1, columns[-1] + 1)
                copy_box(self._cache, self._grid, start, stop, box)
                out[at, done : done + len(near)] = picked
            done += len(near)

    def _rows_of_chunks(self, rows: range, most: int) -> Iterator[range]:
        """Cut rows at the ends of chunks, and into spans of at most `most` rows."""
        height = self.chunk_shape[1] if self.chunk_shape else self.spec.height
        while rows:
            end = min(rows.start // height * height + height, rows.start + most)
            near = range(rows.start, min(end, rows.stop), rows.step)
            yield near
            rows = rows[len(near) :]

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""
        self._file.check_unchanged()

    def close(self) -> None:
        """Close the file."""
        self._cache.clear()
        self._file.close()


class ChunkStream(StreamReader):
    """Read an array in cells once, in pieces that fit the memory, in the order of `plan`.

    `decode_bytes` is the memory for decoding one cell, with the cell.
    """

    def __init__(self, array: ChunkedArray, plan: DrainPlan, decode_bytes: int) -> None:
        self.about = array.about
        self.spec = array.spec
        self.buffer_bytes = plan.bytes + decode_bytes
        self.stored = ArrayLayout(self.spec, _strides(array.grid, plan.order), 0, array.big_endian)
        self._file = array.file
        self._decoder = array.decoder
        self._grid = array.grid
        self._plan = plan

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Pass all numbers to `write` in the order of `stored`; see `StreamReader.drain`."""
        self._drain([range(self.spec.channels)], write)

    def drain_some(self, channels: Sequence[int], write: Callable[[memoryview], None]) -> bool:
        """Decode the cells of some channels only; see `StreamReader.drain_some`."""
        if self._grid.cell[-3] > 1:  # cells of several channels would be decoded for each
            return False
        self._drain([range(channel, channel + 1) for channel in channels], write)
        return True

    def _drain(self, runs: Sequence[range], write: Callable[[memoryview], None]) -> None:
        """Pass the numbers of runs of channels to `write`."""
        grid, plan = self._grid, self._plan
        room = np.empty(plan.bytes // grid.item_bytes, self.stored.dtype)
        back = [plan.order.index(axis) for axis in range(len(plan.order))]
        for start, stop in drain_pieces(grid, plan):
            near = [range(max(run.start, start[-3]), min(run.stop, stop[-3])) for run in runs]
            sizes = [last - first for first, last in zip(start, stop, strict=True)]
            sizes[-3] = sum(map(len, near))
            shape = tuple(sizes[axis] for axis in plan.order)
            piece, done = room[: prod(shape)], 0
            box = piece.reshape(shape).transpose(back)
            for run in filter(len, near):
                first, last = (
                    (*start[:-3], run.start, *start[-2:]),
                    (*stop[:-3], run.stop, *stop[-2:]),
                )
                copy_box(self, grid, first, last, box[..., done : done + len(run), :, :])
                done += len(run)
            if done:
                write(piece.view(np.uint8).data)
        self._file.check_unchanged()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def use(self, index: tuple[int, ...], count: int) -> Iterator[NDArray[Any]]:
        """Decode a cell for a single use; see `Cells.use`."""
        del count
        yield self._decoder.load(index)

    def is_busy(self, index: tuple[int, ...]) -> bool:
        """Return False: there is no other thread; see `Cells.is_busy`."""
        del index
        return False


def _unravel(item: int, batch: tuple[int, ...]) -> tuple[int, ...]:
    """Return the indices of an item along the axes of the batch."""
    index = []
    for size in reversed(batch):
        item, at = divmod(item, size)
        index.append(at)
    return tuple(reversed(index))


def _chunk_shape(grid: Grid, chunk: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return ``(C, H, W)`` of a chunk whose sizes are in the order of the file."""
    if chunk is None:
        return None
    sizes = dict(zip(grid.order, chunk, strict=True))
    axes = len(grid.shape)
    return tuple(sizes.get(axis, 1) for axis in range(axes - 3, axes))


def _strides(grid: Grid, order: tuple[int, ...]) -> tuple[int, ...]:
    strides = [0] * len(order)
    step = grid.item_bytes
    for axis in reversed(order):
        strides[axis] = step
        step *= grid.shape[axis]
    return tuple(strides)
