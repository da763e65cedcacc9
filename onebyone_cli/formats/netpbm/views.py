"""Readers of images whose numbers are not stored as the rows of a stack, from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.arrays.slabs import rectangles
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.spec import Slab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.spec import StackSpec

#: Packed rows are unpacked in pieces of this size, or one row.
_PIECE_BYTES = 1 << 16


class _View(Reader):
    """A reader of numbers that another one reads as they are stored; closed with this one."""

    def __init__(self, stored: Reader, spec: StackSpec, about: About) -> None:
        self.spec, self.about = spec, about
        self.scratch_bytes, self.cache_bytes = stored.scratch_bytes, stored.cache_bytes
        self._stored = stored

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""
        self._stored.check_unchanged()

    def abandon(self) -> None:
        """Cancel pending reads after a failure."""
        self._stored.abandon()

    def close(self) -> None:
        """Close the file."""
        self._stored.close()


class UpwardReader(_View):
    """Read rows that are stored from the bottom to the top."""

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        height, width = self.spec.height, self.spec.width
        done = 0
        for row, rows, column, columns in rectangles(slab.start, slab.stop, width):
            first = (height - row - rows) * width + column
            part = out[:, :, done : done + rows * columns]
            here = Slab(slab.item, slab.items, first, first + rows * columns)
            self._stored.read(here, part, scratch)
            lines = part.reshape(*part.shape[:2], rows, columns)
            for top in range(rows // 2):
                above = lines[:, :, top].copy()
                lines[:, :, top] = lines[:, :, rows - 1 - top]
                lines[:, :, rows - 1 - top] = above
            done += rows * columns


class BitReader(_View):
    """Read rows of bits, of which eight share a byte, the first the highest. 1 is black."""

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        for index in range(slab.items):
            done = 0
            for row, rows, column, columns in self._pieces(slab):
                white = self._white(slab.item + index, row, rows, column, columns, scratch)
                out[index, 0, done : done + white.size] = white.reshape(-1)
                done += white.size

    def _pieces(self, slab: Slab) -> Iterator[tuple[int, int, int, int]]:
        """Cut pixels into (row, rows, column, columns): rows, or parts of one, of some bytes."""
        packed = self._stored.spec.width
        for row, rows, column, columns in rectangles(slab.start, slab.stop, self.spec.width):
            together = max(1, _PIECE_BYTES // packed)
            for first in range(row, row + rows, together):
                count = min(together, row + rows - first)
                wide = 8 * _PIECE_BYTES if count == 1 else columns
                for left in range(column, column + columns, wide):
                    yield first, count, left, min(wide, column + columns - left)

    def _white(
        self, item: int, row: int, rows: int, column: int, columns: int, scratch: NDArray[Any]
    ) -> NDArray[np.bool_]:
        """Read columns of some rows: of more than one, all."""
        packed = self._stored.spec.width
        start, stop = row * packed + column // 8, (row + rows - 1) * packed
        stop += -(-(column + columns) // 8)
        stored = np.empty((1, 1, stop - start), np.uint8)
        self._stored.read(Slab(item, 1, start, stop), stored, scratch)
        bits = np.unpackbits(stored.reshape(rows, -1), axis=1)
        return np.asarray(bits[:, column % 8 : column % 8 + columns] == 0)
