"""Gather the statistics that learners need in one pass over a stack."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError, UsageError, setting
from onebyone_cli.learners.channel_statistics import no_statistics
from onebyone_cli.learners.differences import Neighbour, Window
from onebyone_cli.learners.moments import no_moments
from onebyone_cli.learners.statistics import Statistics, empty_statistics
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.operations.learn.worker import Gatherer, halo_of
from onebyone_cli.operations.meaning import meaning_of
from onebyone_cli.operations.ordered_merge import OrderedMerge
from onebyone_cli.operations.run import run_tiles
from onebyone_cli.plan.memory import Costs, Plan, make_plan, share_of
from onebyone_cli.plan.tiles import (
    count_runs,
    count_tiles,
    iter_runs,
    iter_slabs,
    iter_slabs_of_tiles,
    iter_tiles,
    run_pixels,
    tile_pixels,
)
from onebyone_cli.spec import arithmetic_dtype
from onebyone_cli.stack.own_masks import with_own_masks
from onebyone_cli.stack.pixel_map import PixelMap
from onebyone_cli.stack.sources import Sources
from onebyone_cli.stack.stack import stacked_spec
from onebyone_cli.stack.validity import Marks
from onebyone_cli.system.buffers import PADDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.operations.nodata_watch import NodataWatch
    from onebyone_cli.spec import Slab, StackSpec
    from onebyone_cli.stack.sources import OnProgress
    from onebyone_cli.stack.stack import Stack

_FLOAT64_BYTES = 8

#: Longer tiles than those of a convolution, because each is centred and merged. 16384 pixels were
#: not faster, and take more memory.
_LONGEST_TILE = 8192

_SPARE_TILES = 32

#: Numbers of each channel in the statistics of a tile.
_STATISTICS = 6

#: Classes of a tile that the plan has memory for; few tiles have more.
_CLASSES_OF_A_TILE = 16

#: Memory of a class beside its co-moment: objects of Python, and members of a file.
_CLASS_BYTES = 1024


class LearnJob:
    """A checked and planned pass over one stack; nothing has been read yet.

    Statistics are float64. Each tile is one block of pixels, and blocks are merged in their order
    in the stack, so the bits do not depend on memory and threads.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        Open, in channel order. The caller closes them.
    settings : LearnSettings
        The choices.
    mask : Reader or StreamReader, optional
        One channel: pixels where it is 0 or NaN are left out.
    labels : Reader or StreamReader, optional
        One channel of integers: the class of each pixel, 0 for none. The moments of each class are
        gathered as well. If those of all pixels are not wanted, pixels of no class are left out.

    Attributes
    ----------
    meaning : Meaning
        What the numbers of the stack mean.
    runs : int
        Runs of neighbouring pixels that a sample is drawn from; see `tiles.iter_runs`.

    Raises
    ------
    ShapeMismatchError
        If inputs, mask or labels disagree in height or width.
    DataError
        If the labels are not integers.
    UsageError
        If the memory is too small, or the window is not within the plane.
    """

    def __init__(
        self,
        inputs: Sequence[Reader | StreamReader],
        settings: LearnSettings,
        *,
        mask: Reader | StreamReader | None = None,
        labels: Reader | StreamReader | None = None,
    ) -> None:
        # Neighbours are read twice; a sample or a share is not read in order.
        once = not (settings.wanted.differences or settings.runs_only or settings.shard)
        self._sources = Sources(inputs, in_order=once, memory=settings.memory)
        self._settings = settings
        self.wanted = settings.wanted
        dtype = arithmetic_dtype([reader.spec.dtype for reader in inputs])
        self.input = stacked_spec(inputs, dtype)
        self._stored = [each.spec.dtype for each in inputs for _ in range(each.spec.channels)]
        self.meaning = meaning_of(inputs, settings.asked)
        self._marks = Marks(self.meaning.validity, self._stored, dtype)
        mask = with_own_masks(mask, inputs, settings.asked.nodata)
        self.mask, self.labels = (
            None if each is None else PixelMap(each, self.input, what, settings.asked.nodata)
            for each, what in ((mask, "mask"), (labels, "label map"))
        )
        if labels is not None and "int" not in labels.spec.dtype:
            raise DataError(
                f"has {labels.spec.dtype} numbers; labels are integers, 0 where there is no class",
                labels.path,
            )
        window = _window(settings.wanted, self.input.height, self.input.width)
        self.neighbours = [
            Neighbour(direction, self.input.width, window)
            for direction in settings.wanted.differences
        ]
        self.runs = count_runs(self.input)
        self.plan = self._make_plan()

    def run(
        self,
        on_progress: OnProgress,
        chosen: NDArray[np.int64] | None = None,
        watch: NodataWatch | None = None,
    ) -> Statistics:
        """Read everything once, or only chosen runs; `on_progress` is as in `ApplyJob.run`.

        `chosen` are the numbers of the runs that are the sample, ascending. `watch` is shown all
        that is read.
        """
        plan, spec = self.plan, self.input
        chosen = np.zeros(0, np.int64) if chosen is None else chosen
        tiles_of_slab = -(-plan.slab_pixels // plan.tile_pixels) * plan.slab_items
        whole = OrderedMerge(
            self._nothing(),
            iter_tiles(self._slabs(chosen), plan.tile_pixels),
            most_waiting=plan.threads * tiles_of_slab + self._spare_tiles,
        )
        with ExitStack() as stack:
            source = self._sources.as_stack(spec.dtype, plan, stack, on_progress)
            for each in self._maps:
                each.open(plan, stack, on_progress)

            def make_work() -> Callable[[Slab], None]:
                gatherer = self._gatherer(source, chosen, watch)

                def work(slab: Slab) -> None:
                    for tile, statistics in gatherer.process(slab):
                        whole.add(tile, statistics)
                        self._check_classes(whole.total)

                return work

            run_tiles(
                partial(self._slabs, chosen),
                make_work,
                [source, *(each.stack for each in self._maps)],
                step="learning",
                threads=plan.threads,
                pixel_bytes=spec.channels * spec.item_bytes,
                on_progress=on_progress,
                merge=whole,
            )
        return whole.total

    def _nothing(self) -> Statistics:
        """Return empty statistics of all wanted kinds, which a share without pixels saves."""
        channels = self.input.channels
        nothing = empty_statistics(channels)
        if self.wanted.per_channel:
            nothing.per_channel = no_statistics(channels)
        if self.labels is not None:
            nothing.classes = {}
        nothing.differences = {each: no_moments(channels) for each in self.wanted.differences}
        return nothing

    def _gatherer(
        self, source: Stack, chosen: NDArray[np.int64], watch: NodataWatch | None
    ) -> Gatherer:
        return Gatherer(
            self.plan,
            self.wanted,
            source,
            marks=self._marks,
            packing=self.meaning.packing,
            look=None if watch is None else watch.looker(self._stored, source.spec.dtype),
            neighbours=self.neighbours,
            mask=self.mask,
            labels=self.labels,
            chosen=_membership(chosen, self.input),
        )

    def _slabs(self, chosen: NDArray[np.int64]) -> Iterator[Slab]:
        if self._settings.runs_only:
            return iter_runs(self.input, chosen.tolist())
        shard, tile = self._settings.shard, self.plan.tile_pixels
        if shard is not None:
            tiles = count_tiles(self.input, tile)
            first, last = (at * tiles // shard.count for at in (shard.index, shard.index + 1))
            return iter_slabs_of_tiles(self.input, first, last, tile, self.plan.slab_pixels)
        return iter_slabs(self.input, self.plan.slab_items, self.plan.slab_pixels)

    def _check_classes(self, statistics: Statistics) -> None:
        if self.labels is None:
            return
        statistics.check_classes(self.labels.path)
        most = max(2, share_of(self._settings.memory, "classes") // (self._square + _CLASS_BYTES))
        if len(statistics.classes or ()) > most:
            raise UsageError(
                f"the labels have more than {most} classes, and the moments of so many outgrow "
                f"{setting('memory')}; give more of it, or check that this is a label map"
            )

    @property
    def _square(self) -> int:
        """Bytes of one co-moment."""
        return self.input.channels**2 * _FLOAT64_BYTES

    @property
    def _maps(self) -> list[PixelMap]:
        return [each for each in (self.mask, self.labels) if each is not None]

    def _all_sources(self) -> list[Sources]:
        return [self._sources, *(each.sources for each in self._maps)]

    @property
    def _kinds(self) -> int:
        """Sets of moments of one tile."""
        wanted = self.wanted.pixels + len(self.neighbours)
        return wanted + _CLASSES_OF_A_TILE * (self.labels is not None)

    @property
    def _finding(self) -> int:
        """Bytes of the statistics of one tile."""
        per_channel = _STATISTICS * _FLOAT64_BYTES * self.input.channels
        return self._kinds * self._square + per_channel * self.wanted.per_channel

    @property
    def _spare_tiles(self) -> int:
        """Tiles whose moments may wait beyond those of the slabs at hand.

        Without some room, one slow worker holds up all others.
        """
        return min(
            _SPARE_TILES, share_of(self._settings.memory, "waiting tiles") // max(1, self._finding)
        )

    def _make_plan(self) -> Plan:
        spec, sources = self.input, self._all_sources()
        number = spec.item_bytes * spec.channels
        map_pixel = sum(2 * each.pixel_bytes + 2 for each in self._maps)
        tile = tile_pixels(spec.pixels, spec.channels, _FLOAT64_BYTES, _LONGEST_TILE)
        beyond = halo_of(self.neighbours, spec) * (number + map_pixel)
        plan = make_plan(
            spec,
            spec.channels,
            _FLOAT64_BYTES,
            Costs(
                # Includes moments of the tiles of a slab that wait for their turn.
                slab_pixel=number + map_pixel + -(-self._finding // tile),
                # Two blocks, and marks of invalid numbers while they are found.
                tile_pixel=(2 * _FLOAT64_BYTES + 5) * spec.channels + 4 * _FLOAT64_BYTES,
                item=3 * PADDING * spec.channels,
                scratch=max(each.scratch_bytes for each in sources) + beyond + self._finding,
                cache=sum(each.cache_bytes for each in sources)
                + max(each.buffer_bytes for each in sources)
                + min(1, self._kinds) * self._square
                + (1 + self._spare_tiles) * self._finding,
            ),
            memory=self._settings.memory,
            threads=self._settings.threads,
            longest_tile=_LONGEST_TILE,
            spool_input_bytes=sum(each.spool_bytes for each in sources),
        )
        if self._settings.runs_only:
            run = run_pixels(spec)
            plan = plan._replace(tile_pixels=run, slab_items=1, slab_pixels=run)
        return plan


def _membership(
    chosen: NDArray[np.int64], spec: StackSpec
) -> Callable[[int, int, int], NDArray[np.bool_]]:
    """Return a function that marks the pixels [start, stop) of an item that lie in chosen runs."""
    run = run_pixels(spec)
    runs_of_item = count_runs(spec) // spec.items

    def members(item: int, start: int, stop: int) -> NDArray[np.bool_]:
        numbers = item * runs_of_item + np.arange(start, stop) // run
        return np.isin(numbers, chosen)

    return members


def _window(wanted: Wanted, height: int, width: int) -> Window:
    """Check the window in which neighbours are compared; None stands for the whole plane."""
    window = Window(wanted.rows or (0, height), wanted.columns or (0, width))
    for option, (first, end), size in (
        ("noise_rows", window.rows, height),
        ("noise_cols", window.columns, width),
    ):
        if not 0 <= first < end <= size:
            raise UsageError(
                f"{setting(option, f'{first}:{end}')} is not within the {size} there are; "
                f"write FIRST:END, as in 0:{size}, END being the one after the last"
            )
    return window
