"""Read planes of numbers that lie at offsets of their own."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.arrays.layout import SCRATCH_BYTES, ArrayLayout
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.spec import Slab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.slabs import SlabReader
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.formats.tiff.directory import InputFile
    from onebyone_cli.spec import PixelGrid, StackSpec


class Planes:
    """Where the planes of a stack lie.

    Parameters
    ----------
    spec : StackSpec
    offsets : sequence of sequence of int
        Of the planes of each item, in channel order.
    together : int
        Channels of a plane, pixel by pixel.
    big_endian : bool
    """

    def __init__(
        self, spec: StackSpec, offsets: Sequence[Sequence[int]], together: int, *, big_endian: bool
    ) -> None:
        self.spec = spec
        self.offsets = offsets
        self.together = together
        self._big_endian = big_endian

    def layout(self) -> ArrayLayout | None:
        """Return the layout of the whole stack, if planes are at equal distances; else None."""
        spec, first = self.spec, self.offsets[0]
        if len(first) > 1 and self.together > 1:
            return None
        pixel = spec.item_bytes * self.together
        row = pixel * spec.width
        channel = first[1] - first[0] if len(first) > 1 else spec.item_bytes
        channel = row * spec.height if spec.channels == 1 else channel
        steps = []
        for axis in range(len(spec.batch)):
            step = prod(spec.batch[axis + 1 :])
            steps.append(self.offsets[step][0] - first[0] if spec.batch[axis] > 1 else 0)
        strides = (*steps, channel, row, pixel)
        layout = ArrayLayout(spec, strides, first[0], self._big_endian)
        if min(strides) < 0 or not all(self._is_at(layout, item) for item in range(spec.items)):
            return None
        return layout

    def _is_at(self, layout: ArrayLayout, item: int) -> bool:
        base, left = layout.offset, item
        for size, stride in zip(
            reversed(self.spec.batch), reversed(layout.strides[:-3]), strict=True
        ):
            left, at = divmod(left, size)
            base += at * stride
        step = layout.strides[-3]
        return all(offset == base + at * step for at, offset in enumerate(self.offsets[item]))

    def plane(self, offset: int) -> ArrayLayout:
        """Return the layout of the plane at an offset."""
        spec = self.spec._replace(channels=self.together, batch=())
        pixel = spec.item_bytes * self.together
        row = pixel * spec.width
        channel = row * spec.height if self.together == 1 else spec.item_bytes
        return ArrayLayout(spec, (channel, row, pixel), offset, self._big_endian)


class PlanesReader(Reader):
    """Read slabs of a stack whose planes lie anywhere in a file."""

    scratch_bytes = SCRATCH_BYTES

    def __init__(self, file: InputFile, planes: Planes, about: About) -> None:
        self.about = about
        self.spec = planes.spec
        self._file = file
        self._planes = planes

    @cached_property
    def _readers(self) -> dict[tuple[int, int], SlabReader]:
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

        found = self._readers.get((item, number))
        if found is None:
            layout = self._planes.plane(self._planes.offsets[item][number])
            found = SlabReader(self._file.fd, layout, self.path)
            self._readers[item, number] = found
        return found

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""
        self._file.check_unchanged()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
