"""Arrays in memory as stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.axes import places_of
from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.arrays.slabs import rectangles
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.metadata import FIELDS, Metadata
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.formats.contracts.writer import Writer
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.spec import Slab, StackSpec


class ArrayInput(Reader):
    """Read slabs of an array in memory, of any strides and byte order, without a copy.

    The array has shape (H, W) or (..., C, H, W), or the axes of `layout`; see `axes.stored_axes`.

    Raises
    ------
    DataError
        If it is masked, has numbers of a type that is not in `spec.ITEM_BYTES`, fewer than two
        axes or others than the layout, or no pixels.
    """

    def __init__(self, array: NDArray[Any], layout: str = "", path: str = "array") -> None:
        dtype = array.dtype.newbyteorder("=").name
        if isinstance(array, np.ma.MaskedArray):
            raise DataError("is masked; mark the pixels, as in array.filled(numpy.nan)", path)
        if dtype not in ITEM_BYTES:
            raise DataError(f"has {dtype} numbers; expected {', '.join(ITEM_BYTES)}", path)
        found = array_layout(array.shape, dtype, path, layout=layout)
        self.about = About(path, axes=found.axes)
        self.spec = found.spec
        places = places_of(found.axes)
        missing = [place for place in range(len(self.spec.shape)) if place not in places]
        whole = array.transpose(np.argsort(places))
        self._stack = np.expand_dims(whole, tuple(missing)) if missing else whole

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; see `Reader.read_channels`."""
        del scratch
        for index in range(slab.items):
            item = self._stack[np.unravel_index(slab.item + index, self.spec.batch)]
            done = 0
            for row, rows, column, columns in rectangles(slab.start, slab.stop, self.spec.width):
                place = out[index, :, done : done + rows * columns]
                part = item[first:last, row : row + rows, column : column + columns]
                np.copyto(place.reshape(part.shape), part, casting="unsafe")
                done += rows * columns

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        self.read_channels(slab, 0, self.spec.channels, out, scratch)

    def close(self) -> None:
        """Close nothing."""


class MemoryTarget:
    """An output in memory, in place of a `Target`.

    Once the writer is open, ``array``, of shape (*batch, K, H, W), is the result.
    """

    array: NDArray[Any]
    # An array has no metadata, and nobody is told so.
    keeps = FIELDS
    packs_channels = True
    background = None

    def make_writer(
        self, spec: StackSpec, describe: Callable[[], Metadata] = Metadata
    ) -> ArrayOutput:
        """Make the writer; see `Target.make_writer`. An array stores no metadata."""
        del describe
        return ArrayOutput(self, spec)


class ArrayOutput(Writer):
    """Write slabs into a new array."""

    def __init__(self, target: MemoryTarget, spec: StackSpec) -> None:
        self.path = "array"
        self.spec = spec
        self._target = target

    def open(self) -> None:
        """Make the array."""
        spec = self.spec
        self._target.array = np.empty(spec.shape, spec.dtype)
        self._numbers = self._target.array.reshape(spec.items, spec.channels, spec.pixels)

    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab; see `Writer.write`."""
        self._numbers[slab.item : slab.item + slab.items, :, slab.start : slab.stop] = block

    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write neighbouring numbers of one channel; see `Writer.write_run`."""
        self._numbers[item, channel, start : start + numbers.size] = numbers

    def commit(self) -> None:
        """Publish nothing: the caller has the array."""

    def discard(self) -> None:
        """Remove nothing."""
