"""Read planes of numbers that lie at offsets of their own."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.formats.arrays.layout import SCRATCH_BYTES, ArrayLayout
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.spec import Slab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.slabs import SlabReader
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.formats.tiff.file import InputFile
    from onebyone_cli.spec import PixelGrid, StackSpec


class Planes(NamedTuple):
    """Where the planes of a stack lie.

    Attributes
    ----------
    spec : StackSpec
    offsets : sequence of sequence of int
        Of the planes of each item, in channel order.
    together : int
        Channels of a plane, pixel by pixel.
    big_endian : bool
    """

    spec: StackSpec
    offsets: Sequence[Sequence[int]]
    together: int
    big_endian: bool

    def layout(self) -> ArrayLayout | None:
        """Return the layout of the whole stack, if planes are at equal distances; else None."""
        import numpy as np

        spec, plane = self.spec, self.plane(0)
        offsets = np.array(self.offsets, np.int64).reshape(*spec.batch, -1)
        steps = [np.diff(offsets, axis=axis) for axis in range(offsets.ndim)]
        if any(step.size and (step.min() <= 0 or np.ptp(step)) for step in steps):
            return None
        strides = [int(step.flat[0]) if step.size else 0 for step in steps]
        planes = strides.pop()
        if offsets.shape[-1] == 1:
            planes = plane.strides[0]
        elif self.together > 1:
            return None
        strides += [planes, *plane.strides[1:]]
        return ArrayLayout(spec, tuple(strides), int(offsets.flat[0]), self.big_endian)

    def plane(self, offset: int) -> ArrayLayout:
        """Return the layout of the plane at an offset."""
        spec = self.spec._replace(channels=self.together, batch=())
        pixel = spec.item_bytes * self.together
        row = pixel * spec.width
        channel = row * spec.height if self.together == 1 else spec.item_bytes
        return ArrayLayout(spec, (channel, row, pixel), offset, self.big_endian)


class PlanesReader(Reader):
    """Read slabs of a stack whose planes lie anywhere in a file."""

    scratch_bytes = SCRATCH_BYTES

    def __init__(self, file: InputFile, planes: Planes, about: About) -> None:
        self.about = about
        self.spec = planes.spec
        self._file = file
        self._planes = planes

    @cached_property
    def _readers(self) -> dict[int, SlabReader]:
        return {}

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        self.read_channels(slab, 0, self.spec.channels, out, scratch)

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; see `Reader.read_channels`."""
        for index in range(slab.items):
            part = Slab(0, 1, slab.start, slab.stop)
            for reader, inside, place in self._touching(slab.item + index, first, last):
                reader.read_channels(
                    part, inside.start, inside.stop, out[index : index + 1, place], scratch
                )

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a sparse grid of pixels; see `Reader.read_grid`."""
        for at, channel in enumerate(grid.channels):
            for reader, inside, _ in self._touching(grid.item, channel, channel + 1):
                one = grid._replace(item=0, channels=[inside.start])
                reader.read_grid(one, out[at : at + 1], scratch)

    def _touching(
        self, item: int, first: int, last: int
    ) -> Iterator[tuple[SlabReader, range, slice]]:
        """Yield readers of planes, the channels in each, and their place among those wanted."""
        each = self._planes.together
        for number in range(first // each, -(-last // each)):
            start, stop = max(first, number * each), min(last, (number + 1) * each)
            inside = range(start - number * each, stop - number * each)
            yield self._reader(item, number), inside, slice(start - first, stop - first)

    def _reader(self, item: int, number: int) -> SlabReader:
        from onebyone_cli.formats.arrays.slabs import SlabReader

        offset = self._planes.offsets[item][number]
        found = self._readers.get(offset)
        if found is None:
            found = SlabReader(self._file.fd, self._planes.plane(offset), self.path)
            self._readers[offset] = found
        return found

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""
        self._file.check_unchanged()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
