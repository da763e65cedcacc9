"""Readers of images whose numbers are not stored as the rows of a stack, from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.arrays.slabs import rectangles
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.spec import Slab

if TYPE_CHECKING:
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
        width, packed = self.spec.width, self._stored.spec.width
        step = max(1, _PIECE_BYTES // packed)
        for index in range(slab.items):
            done = 0
            for row, rows, column, columns in rectangles(slab.start, slab.stop, width):
                for first in range(row, row + rows, step):
                    last = min(first + step, row + rows)
                    stored = np.empty((1, 1, (last - first) * packed), np.uint8)
                    here = Slab(slab.item + index, 1, first * packed, last * packed)
                    self._stored.read(here, stored, scratch)
                    bits = np.unpackbits(stored.reshape(-1, packed), axis=1, count=width)
                    white = bits[:, column : column + columns] == 0
                    out[index, 0, done : done + white.size] = white.reshape(-1)
                    done += white.size
