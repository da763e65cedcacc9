"""Compare two stacks, number by number, in one pass over both."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.arithmetic.difference import (
    Differences,
    Side,
    TileComparer,
    Tolerance,
    no_differences,
)
from onebyone_cli.errors import ShapeMismatchError
from onebyone_cli.operations.meaning import Asked, meaning_of
from onebyone_cli.operations.nodata_watch import NodataWatch
from onebyone_cli.operations.ordered_merge import OrderedMerge
from onebyone_cli.operations.run import run_tiles
from onebyone_cli.plan.memory import Costs, Plan, make_plan
from onebyone_cli.plan.tiles import iter_slabs, iter_tiles
from onebyone_cli.stack.own_masks import with_own_masks
from onebyone_cli.stack.pixel_map import PixelMap
from onebyone_cli.stack.sources import Sources
from onebyone_cli.stack.validity import Marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.operations.compare.picture import DifferenceMap
    from onebyone_cli.operations.meaning import Meaning
    from onebyone_cli.spec import Slab, StackSpec
    from onebyone_cli.stack.sources import OnProgress
    from onebyone_cli.stack.stack import Stack
    from onebyone_cli.stack.validity import Nodata

_FLOAT64_BYTES = 8

#: Findings that may wait for their turn, beyond those of the slabs at hand.
_SPARE_TILES = 32
_NUMBERS_OF_A_FINDING = 15


class CompareSettings(NamedTuple):
    """Choices about memory (bytes), workers, the meaning of numbers, and tolerance."""

    memory: int
    threads: int
    asked: Asked = Asked()
    tolerance: Tolerance = Tolerance()


class CompareJob:
    """A checked and planned comparison; nothing has been read yet.

    Numbers are compared as float64 in the units that their files name; 64-bit integers without
    such units exactly. Each tile is one block, and blocks are
    merged in their order in the stack, so the result does not depend on memory and threads.

    Parameters
    ----------
    a, b : Reader or StreamReader
        Open; the caller closes them.
    settings : CompareSettings
        The choices.
    picture : DifferenceMap, optional
        Collects the differences.
    mask : Reader, optional
        One channel: pixels where it is 0 or NaN are invalid in both. Those of masks in a file are
        invalid in that stack.

    Attributes
    ----------
    notes : tuple of str
        What was taken from the files, for the user.
    is_packed : (bool, bool)
        Whether the values of each stack are others than its stored numbers.

    Raises
    ------
    ShapeMismatchError
        If the shapes differ, or the mask has another height or width.
    UsageError
        If the memory is too small.
    """

    def __init__(
        self,
        a: Reader | StreamReader,
        b: Reader | StreamReader,
        settings: CompareSettings,
        picture: DifferenceMap | None = None,
        mask: Reader | None = None,
    ) -> None:
        if (
            a.spec._replace(batch=a.spec.several).shape
            != b.spec._replace(batch=b.spec.several).shape
        ):
            raise ShapeMismatchError(
                f"has shape {b.spec.size} and {a.path} has {a.spec.size}; "
                "only stacks of the same shape can be compared",
                b.path,
            )
        self._specs = a.spec, b.spec
        self._sources = tuple(
            Sources([each], in_order=True, memory=settings.memory) for each in (a, b)
        )
        self._settings = settings
        self._picture = picture
        self._masks = _masks(mask, (a, b), settings.asked.nodata)
        meaning = meaning_of([a, b], settings.asked)
        self.notes = meaning.notes
        self._sides = (
            _side(meaning, a.spec, is_second=False),
            _side(meaning, b.spec, is_second=True),
        )
        self.is_packed = self._sides[0].scale is not None, self._sides[1].scale is not None
        self._watch = NodataWatch(settings.asked.nodata)
        self.plan = self._make_plan()

    def warnings(self) -> Iterator[str]:
        """Describe what was noticed, once both stacks have been read; a line each."""
        return self._watch.warnings()

    def run(self, on_progress: OnProgress) -> Differences:
        """Read both stacks once; `on_progress` is as in `ApplyJob.run`."""
        plan, spec = self.plan, self._specs[0]
        tiles_of_slab = -(-plan.slab_pixels // plan.tile_pixels) * plan.slab_items
        whole = OrderedMerge(
            no_differences(spec.channels),
            iter_tiles(self._slabs(), plan.tile_pixels),
            most_waiting=plan.threads * tiles_of_slab + _SPARE_TILES,
        )
        with ExitStack() as stack:
            a, b = (
                sources.as_stack(each.dtype, plan, stack, on_progress)
                for sources, each in zip(self._sources, self._specs, strict=True)
            )

            for each in self._own_masks:
                each.open(plan, stack, on_progress)

            def make_work() -> Callable[[Slab], None]:
                watching = [
                    self._watch.looker([each.dtype] * each.channels, each.dtype)
                    for each in self._specs
                ]
                worker = _Worker(plan, self._comparer(), self._picture, self._masks, a, b, watching)
                return partial(worker.process, whole)

            run_tiles(
                self._slabs,
                make_work,
                [a, b, *(each.stack for each in self._own_masks)],
                step="comparing",
                threads=plan.threads,
                pixel_bytes=spec.channels * sum(each.item_bytes for each in self._specs),
                on_progress=on_progress,
                merge=whole,
            )
        return whole.total

    @property
    def _own_masks(self) -> list[PixelMap]:
        """The masks, each once."""
        return list(dict.fromkeys(each for each in self._masks if each is not None))

    def _slabs(self) -> Iterator[Slab]:
        return iter_slabs(self._specs[0], self.plan.slab_items, self.plan.slab_pixels)

    def _make_plan(self) -> Plan:
        spec = self._specs[0]
        numbers = sum(each.item_bytes for each in self._specs)
        mask_pixel = sum(2 * each.pixel_bytes + 2 for each in self._own_masks)
        sources = [*self._sources, *(each.sources for each in self._own_masks)]
        finding = _NUMBERS_OF_A_FINDING * _FLOAT64_BYTES * spec.channels
        return make_plan(
            spec,
            spec.channels,
            _FLOAT64_BYTES,
            Costs(
                slab_pixel=spec.channels * numbers + mask_pixel,
                # Four blocks and what is marked in them; copies of integers of 64 bits.
                tile_pixel=spec.channels * (4 * _FLOAT64_BYTES + 6 + 5 * _FLOAT64_BYTES)
                + 8 * _FLOAT64_BYTES,
                scratch=max(each.scratch_bytes for each in sources),
                cache=sum(each.cache_bytes for each in sources)
                + max(each.buffer_bytes for each in sources)
                + _SPARE_TILES * finding
                + (self._picture.bytes if self._picture else 0),
            ),
            memory=self._settings.memory,
            threads=self._settings.threads,
            spool_input_bytes=sum(each.spool_bytes for each in sources),
        )

    def _comparer(self) -> TileComparer:
        return TileComparer(
            self._specs[0].channels,
            self.plan.tile_pixels,
            sides=self._sides,
            tolerance=self._settings.tolerance,
        )


def _masks(
    mask: Reader | None, stacks: Sequence[Reader | StreamReader], nodata: Nodata | None
) -> list[PixelMap | None]:
    """Return the mask of each stack: the given one, with those in its file."""
    found: dict[Reader | StreamReader | None, PixelMap | None] = {None: None}
    every = [with_own_masks(mask, [stack], nodata) for stack in stacks]
    for each, stack in zip(every, stacks, strict=True):
        if each not in found and each is not None:
            found[each] = PixelMap(each, stack.spec, "mask", nodata)
    return [found[each] for each in every]


def _side(meaning: Meaning, spec: StackSpec, *, is_second: bool) -> Side:
    """Return the meaning of one of two stacks that were looked at together."""
    first = spec.channels * is_second
    channels = range(first, first + spec.channels)
    packing = meaning.packing and meaning.packing.selected(channels)
    scale, offset = (np.array(each)[:, np.newaxis] for each in packing) if packing else (None, None)
    validity = meaning.validity.selected(channels)
    marks = Marks(validity, [spec.dtype] * spec.channels, spec.dtype)
    return Side(
        marks.marked if marks.are_needed else None,
        marks.pixels if marks.are_needed else None,
        scale,
        offset,
    )


class _Worker:
    def __init__(
        self,
        plan: Plan,
        comparer: TileComparer,
        picture: DifferenceMap | None,
        masks: Sequence[PixelMap | None],
        a: Stack,
        b: Stack,
        watching: Sequence[Callable[[NDArray[Any]], None]],
    ) -> None:
        self._watching = watching
        shape = plan.slab_items, a.spec.channels, plan.slab_pixels
        self._comparer, self._picture, self._tile = comparer, picture, plan.tile_pixels
        self._sources, self._masks = (a, b), masks
        self._numbers = np.empty(shape, a.spec.dtype), np.empty(shape, b.spec.dtype)
        self._scratch = np.empty(max(a.scratch_bytes, b.scratch_bytes), np.uint8)

    def process(self, whole: OrderedMerge[Differences], slab: Slab) -> None:
        a, b = (numbers[: slab.items, :, : slab.pixels] for numbers in self._numbers)
        for source, numbers in zip(self._sources, (a, b), strict=True):
            source.read(slab, numbers, self._scratch)
        read = {each: each.masked(slab) for each in self._masks if each is not None}
        masked = [None if each is None else read[each] for each in self._masks]
        for index in range(slab.items):
            for start in range(0, slab.pixels, self._tile):
                part = np.s_[index, :, start : start + self._tile]
                tile = slab.item + index, slab.start + start
                pixels = slice(start, start + self._tile)
                for look, numbers in zip(self._watching, (a, b), strict=True):
                    look(numbers[part])
                out = [m if m is None else m[min(index, len(m) - 1), pixels] for m in masked]
                found, highest = self._comparer.compare(a[part], b[part], *tile, out)
                if self._picture is not None:
                    self._picture.add(tile[1], highest)
                whole.add(tile, found)
