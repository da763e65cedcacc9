"""Gather the statistics of a slab, tile by tile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.learners.channel_statistics import ChannelStatistics, statistics_of
from onebyone_cli.learners.moments import Moments, moments_of, no_moments
from onebyone_cli.learners.statistics import Statistics
from onebyone_cli.spec import Slab
from onebyone_cli.system.buffers import empty_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.learners.differences import Neighbour
    from onebyone_cli.operations.learn.settings import Wanted
    from onebyone_cli.operations.meaning import Packing
    from onebyone_cli.plan.memory import Plan
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.pixel_map import PixelMap
    from onebyone_cli.stack.stack import Stack
    from onebyone_cli.stack.validity import Marks

    Bools = NDArray[np.bool_]


def halo_of(neighbours: Sequence[Neighbour], spec: StackSpec) -> int:
    """Return the pixels beyond a slab that are read with it: neighbours of its last pixels."""
    reach = max((neighbour.offset for neighbour in neighbours), default=0)
    return min(reach, spec.pixels)


class Gatherer:
    """One worker and its buffers.

    Parameters
    ----------
    plan : Plan
        Sizes of slabs and tiles.
    wanted : Wanted
        What to gather.
    source : Stack
        The stack, readable, in the type of the arithmetic.
    marks : Marks
        Finds invalid numbers and pixels.
    packing : Packing or None
        How stored numbers become the values that are learned from.
    look : function or None
        Is shown every tile.
    neighbours : sequence of Neighbour
        Neighbours whose differences are wanted.
    mask, labels : PixelMap or None
        Open maps that go with the stack.
    chosen : function
        Given an item and a range of its pixels, marks those in the sample.
    """

    def __init__(
        self,
        plan: Plan,
        wanted: Wanted,
        source: Stack,
        *,
        marks: Marks,
        packing: Packing | None,
        look: Callable[[NDArray[Any]], None] | None,
        neighbours: Sequence[Neighbour],
        mask: PixelMap | None,
        labels: PixelMap | None,
        chosen: Callable[..., Bools],
    ) -> None:
        spec = source.spec
        self._wanted, self._source, self._neighbours = wanted, source, neighbours
        self._mask, self._labels, self._chosen = mask, labels, chosen
        self._tile, self._halo = plan.tile_pixels, halo_of(neighbours, spec)
        self._marks, self._look = marks, look
        self._units = None if packing is None else tuple(map(np.array, packing))
        reach = min(plan.slab_pixels + self._halo, spec.pixels)
        self._x = empty_rows((plan.slab_items, spec.channels, reach), spec.dtype)
        self._block = empty_rows((spec.channels, plan.tile_pixels), np.float64)
        self._other = empty_rows(self._block.shape, np.float64) if neighbours else self._block
        self._scratch = np.empty(source.scratch_bytes, np.uint8)

    def process(self, slab: Slab) -> Iterator[tuple[tuple[int, int], Statistics]]:
        """Read a slab; yield item, first pixel and statistics of each of its tiles."""
        tile, pixels = self._tile, self._source.spec.pixels
        # The neighbours of the last pixels lie beyond the slab.
        reach = Slab(slab.item, slab.items, slab.start, min(slab.stop + self._halo, pixels))
        x = self._x[: slab.items, :, : reach.pixels]
        with np.errstate(all="ignore"):
            self._source.read(reach, x, self._scratch)
            masks = None if self._mask is None else self._mask.masked(reach)
            labels = None if self._labels is None else self._labels.classes(slab)
            for index in range(slab.items):
                item = slab.item + index
                field = _Field(x[index], slab.start, self._marks, _of_item(masks, index))
                for start in range(0, slab.pixels, tile):
                    stop = min(start + tile, slab.pixels)
                    if self._look is not None:
                        self._look(field.x[:, start:stop])
                    found = self._statistics_of(field, item, start, stop, _of_item(labels, index))
                    if self._units is not None:
                        found.rescale(*self._units)
                    yield (item, slab.start + start), found

    def _statistics_of(
        self, field: _Field, item: int, start: int, stop: int, labels: NDArray[Any] | None
    ) -> Statistics:
        wanted = self._wanted
        statistics = Statistics(no_moments(self._source.spec.channels))
        if labels is not None:
            statistics.classes = self._classes(field, start, stop, labels)
            if not wanted.pixels:
                statistics.pixels.invalid = stop - start - statistics.count
        if wanted.pixels:
            statistics.pixels = _carefully(field, partial(self._pixels, field, start, stop))
        if (wanted.pixels or labels is not None) and not statistics.count:
            statistics.found = np.any(~field.invalid_numbers(start, stop), axis=1)
        for each in self._neighbours:
            differences = partial(self._differences, field, each, start, stop)
            statistics.differences[each.direction] = _carefully(field, differences)
        if wanted.per_channel:
            statistics.per_channel = self._per_channel(field, start, stop)
        if wanted.sample:
            kept = self._chosen(item, field.start + start, field.start + stop)
            if kept.any():
                kept &= ~field.look(start, stop)
                statistics.sample.append(field.x[:, start:stop][:, kept].astype(np.float64))
        return statistics

    def _pixels(self, field: _Field, start: int, stop: int) -> Moments:
        block = self._block[:, : stop - start]
        np.copyto(block, field.x[:, start:stop])
        dropped = _indices(field.invalid(start, stop))
        return moments_of(block, dropped, invalid=0 if dropped is None else len(dropped))

    def _differences(self, field: _Field, neighbour: Neighbour, start: int, stop: int) -> Moments:
        offset = neighbour.offset
        stop = max(start, min(stop, field.x.shape[1] - offset))
        block, other = self._block[:, : stop - start], self._other[:, : stop - start]
        np.copyto(block, field.x[:, start:stop])
        np.copyto(other, field.x[:, start + offset : stop + offset])
        np.subtract(block, other, out=block)
        dropped = neighbour.without(field.start + start, field.start + stop)
        for shift in (0, offset):
            invalid = field.invalid(start + shift, stop + shift)
            if invalid is not None:
                dropped |= invalid
        return moments_of(block, _indices(dropped))

    def _classes(
        self, field: _Field, start: int, stop: int, labels: NDArray[Any]
    ) -> dict[int, Moments]:
        here = np.where(field.look(start, stop), 0, labels[start:stop])
        classes = {}
        for label in np.unique(here[here != 0]):
            pixels = field.x[:, start + np.flatnonzero(here == label)].astype(np.float64)
            classes[int(label)] = moments_of(pixels)
        return classes

    def _per_channel(self, field: _Field, start: int, stop: int) -> ChannelStatistics:
        block = self._block[:, : stop - start]
        np.copyto(block, field.x[:, start:stop])
        invalid = field.invalid_numbers(start, stop)
        return statistics_of(block, invalid if invalid.any() else None)


class _Field:
    """The pixels of one item within a slab, those that follow, and which of them count."""

    def __init__(self, x: NDArray[Any], start: int, marks: Marks, masked: Bools | None) -> None:
        self.x, self.start = x, start
        self._marks, self._masked = marks, masked
        #: Whether to look for invalid numbers. Where all finite ones count, one that is not finite
        #: shows in the mean, and only then is a search worth its time.
        self.suspect = marks.are_needed or masked is not None

    def invalid(self, start: int, stop: int) -> Bools | None:
        """Mark the pixels that are left out; None where there is no reason to look."""
        return self.look(start, stop) if self.suspect else None

    def look(self, start: int, stop: int) -> Bools:
        """Mark the pixels that are left out: masked, or invalid."""
        invalid = self._marks.pixels(self.x[:, start:stop])
        return invalid if self._masked is None else invalid | self._masked[start:stop]

    def invalid_numbers(self, start: int, stop: int) -> Bools:
        """Mark the numbers that are left out where channels count by themselves, (C, n)."""
        invalid = self._marks.numbers(self.x[:, start:stop])
        if self._masked is not None:
            invalid |= self._masked[start:stop]
        return invalid


def _carefully(field: _Field, attempt: Callable[[], Moments]) -> Moments:
    moments = attempt()
    if field.suspect or np.isfinite(moments.mean).all():
        return moments
    field.suspect = True
    return attempt()


def _indices(dropped: Bools | None) -> NDArray[np.intp] | None:
    return None if dropped is None or not dropped.any() else np.flatnonzero(dropped)


def _of_item(maps: NDArray[Any] | None, index: int) -> NDArray[Any] | None:
    """Return the map of one item; a single map serves all items."""
    return None if maps is None else maps[min(index, len(maps) - 1)]
