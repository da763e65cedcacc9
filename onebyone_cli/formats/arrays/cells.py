"""Cache decoded cells for several threads, and copy boxes out of them."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from math import prod
from threading import Lock, Semaphore
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.grid import CachePlan, Grid


#: Interleaved channels are copied in pieces of about this size, which stay in the cache of a core:
#: in a third of the time for 256×256 pixels of 50 channels in float32.
_NEAR_BYTES = 1 << 16


class Cells(Protocol):
    """A source of decoded cells."""

    def use(self, index: tuple[int, ...], count: int) -> AbstractContextManager[NDArray[Any]]:
        """Hold a cell while `count` of its numbers are used."""

    def is_busy(self, index: tuple[int, ...]) -> bool:
        """Return whether another thread is decoding the cell."""


class CellDecoder(Protocol):
    """Decodes cells, from several threads at once.

    Attributes
    ----------
    decode_bytes : int
        Memory for decoding one cell, without the cell itself.
    """

    decode_bytes: int

    def load(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Decode a cell: ndarray of shape (*batch, C, H, W), its part inside the array."""


class _Cell:
    """A decoded cell: its users, and how many of its numbers are still unused."""

    __slots__ = ("left", "lock", "numbers", "users")

    def __init__(self, size: int) -> None:
        self.lock = Lock()
        self.numbers: NDArray[Any] | None = None
        self.users = 0
        self.left = size


class CellCache:
    """A cache of decoded cells, shared by threads.

    The first thread that needs a cell decodes it; others wait. A cell is dropped when all of it has
    been used, or, if room is needed, when it is the least recently used one.
    """

    def __init__(self, decoder: CellDecoder, grid: Grid, plan: CachePlan) -> None:
        self._decoder = decoder
        self._grid = grid
        self._keep = plan.cells
        self._cells: OrderedDict[tuple[int, ...], _Cell] = OrderedDict()
        self._lock = Lock()
        # A thread without a permit holds neither a cell nor a decoder's buffers: bounds the memory.
        self._permits = Semaphore(plan.decoders)

    def __len__(self) -> int:
        return len(self._cells)

    @contextmanager
    def use(self, index: tuple[int, ...], count: int) -> Iterator[NDArray[Any]]:
        """Hold a cell for the duration of the ``with`` block.

        `count` is how many of its numbers are used, normally for the first time.
        """
        with self._permits:
            cell = self._enter(index)
            try:
                with cell.lock:
                    if cell.numbers is None:
                        cell.numbers = self._decoder.load(index)
                yield cell.numbers
            finally:
                self._leave(index, cell, count)

    def is_busy(self, index: tuple[int, ...]) -> bool:
        """Return whether another thread is decoding the cell."""
        cell = self._cells.get(index)
        return cell is not None and cell.lock.locked()

    def clear(self) -> None:
        """Drop all cells."""
        with self._lock:
            self._cells.clear()

    def _enter(self, index: tuple[int, ...]) -> _Cell:
        with self._lock:
            cell = self._cells.get(index)
            if cell is None:
                start, stop = self._grid.box(index)
                size = prod(b - a for a, b in zip(start, stop, strict=True))
                cell = self._cells[index] = _Cell(size)
            else:
                self._cells.move_to_end(index)
            cell.users += 1
            return cell

    def _leave(self, index: tuple[int, ...], cell: _Cell, count: int) -> None:
        with self._lock:
            cell.users -= 1
            cell.left -= count
            if cell.users == 0 and (cell.left <= 0 or cell.numbers is None):
                self._cells.pop(index, None)
            if len(self._cells) > self._keep:
                unused = (key for key, one in self._cells.items() if one.users == 0)
                oldest = next(unused, None)
                if oldest is not None:
                    del self._cells[oldest]


def copy_box(
    cells: Cells, grid: Grid, start: tuple[int, ...], stop: tuple[int, ...], out: NDArray[Any]
) -> None:
    """Copy a box of the dataset into `out`, cell by cell, converted to its dtype.

    Cells that another thread is decoding come last, so that threads seldom wait for each other.
    `start` and `stop` are the first and one past the last coordinates of the box.
    """
    later = []
    for index in grid.touching(start, stop):
        if cells.is_busy(index):
            later.append(index)
        else:
            _copy_cell(cells, grid, index, start, stop, out)
    for index in later:
        _copy_cell(cells, grid, index, start, stop, out)


def _copy_cell(
    cells: Cells,
    grid: Grid,
    index: tuple[int, ...],
    start: tuple[int, ...],
    stop: tuple[int, ...],
    out: NDArray[Any],
) -> None:
    """Copy the intersection of a cell and a box."""
    first, last = grid.box(index)
    low = tuple(map(max, start, first))
    high = tuple(map(min, stop, last))
    inside = tuple(slice(a - f, b - f) for a, b, f in zip(low, high, first, strict=True))
    place = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    count = prod(b - a for a, b in zip(low, high, strict=True))
    with cells.use(index, count) as numbers:
        _copy_numbers(out[place], numbers[inside])


def _copy_numbers(out: NDArray[Any], numbers: NDArray[Any]) -> None:
    """Copy an array of shape (..., C, H, W); a few rows at a time if channels are interleaved."""
    channels, _, pixels = numbers.strides[-3:]
    if channels >= pixels or numbers.shape[-3] == 1:
        np.copyto(out, numbers, casting="unsafe")
        return
    row = numbers.shape[-3] * numbers.shape[-1] * numbers.itemsize
    step = max(1, _NEAR_BYTES // row)
    for top in range(0, numbers.shape[-2], step):
        rows = (..., slice(top, top + step), slice(None))
        np.copyto(out[rows], numbers[rows], casting="unsafe")
