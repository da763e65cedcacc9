"""Read arrays at fixed offsets in a file: ``.npy``, contiguous HDF5, ENVI and spools.

This module does not import numpy: `slabs`, which reads the numbers, is imported at the first read.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.arrays.file_state import file_state
from onebyone_cli.formats.arrays.layout import SCRATCH_BYTES
from onebyone_cli.formats.contracts.reader import Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.arrays.slabs import SlabReader
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.spec import PixelGrid, Slab


class ArrayReader(Reader):
    """Read slabs of an array in a file.

    Parameters
    ----------
    fd : int
        Descriptor open for reading.
    layout : ArrayLayout
    about : About
    owns_fd : bool
        Whether `close` closes the descriptor.
    """

    scratch_bytes = SCRATCH_BYTES

    def __init__(self, fd: int, layout: ArrayLayout, about: About, *, owns_fd: bool = True) -> None:
        self.about = about
        self.layout = layout
        self.spec = layout.spec
        self._fd = fd
        self._owns_fd = owns_fd
        self._opened = file_state(fd)

    @cached_property
    def _slabs(self) -> SlabReader:
        from onebyone_cli.formats.arrays.slabs import SlabReader

        return SlabReader(self._fd, self.layout, self.path)

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        self._slabs.read(slab, out, scratch)

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a sparse grid of pixels; see `Reader.read_grid`."""
        self._slabs.read_grid(grid, out, scratch)

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; see `Reader.read_channels`."""
        self._slabs.read_channels(slab, first, last, out, scratch)

    def rows(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Rows of one channel of a plain array; see `Planes.rows`."""
        return self._slabs.rows(item, channel, start, stop)

    def pixels(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Pixels of one channel of a plain array; see `Planes.pixels`."""
        return self._slabs.pixels(item, channel, start, stop)

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""
        self._opened.check(self._fd, self.path)

    def close(self) -> None:
        """Close the descriptor if the reader owns it."""
        if self._owns_fd and self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
