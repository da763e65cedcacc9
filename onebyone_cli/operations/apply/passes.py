"""Pass over the slabs of a stack: convolve, then write or measure."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.commit.journal import NOTHING
from onebyone_cli.operations.apply.worker import Convolver
from onebyone_cli.operations.run import count_pixels, run_tiles
from onebyone_cli.plan.tiles import iter_slabs, iter_slabs_of_tiles, tile_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onebyone_cli.arithmetic.cast import Cast
    from onebyone_cli.commit.checkpoint import Ledger
    from onebyone_cli.commit.journal import Done
    from onebyone_cli.operations.apply.worker import Measure, Steps, Write
    from onebyone_cli.plan.memory import Plan
    from onebyone_cli.plan.shards import Share
    from onebyone_cli.spec import Slab
    from onebyone_cli.stack.sources import OnProgress
    from onebyone_cli.stack.stack import Stack


class Passes(NamedTuple):
    """What all passes over a stack have in common.

    Attributes
    ----------
    plan : Plan
    steps : Steps
        What is done with each tile.
    source : Stack
        Readable, in the type of the arithmetic.
    on_progress : callable
        As in `ApplyJob.run`.
    """

    plan: Plan
    steps: Steps
    source: Stack
    on_progress: OnProgress

    def run(
        self,
        cast: Cast,
        step: str,
        ledger: Ledger,
        *,
        write: Write | None = None,
        share: Share | None = None,
        measure: Measure | None = None,
    ) -> None:
        """Process all slabs that are not done; the result is written or measured."""
        plan, source = self.plan, self.source
        spec = source.spec

        def make_work() -> Callable[[Slab], None]:
            worker = Convolver(plan, self.steps, cast, source, write, share, measure)

            def work(slab: Slab) -> None:
                ledger.add(*tile_range(spec, slab, plan.tile_pixels), worker.process(slab))

            return work

        done_before = ledger.done

        def slabs(done: Done) -> Iterator[Slab]:
            parts = chain.from_iterable(
                self._cut_out(slab, done)
                for slab in iter_slabs(spec, plan.slab_items, plan.slab_pixels)
            )
            return parts if share is None else filter(share.has_part_of, parts)

        before = 0
        if done_before.ranges:
            before = count_pixels(slabs(NOTHING)) - count_pixels(slabs(done_before))
        mask = self.steps.rules.mask
        run_tiles(
            lambda: slabs(done_before),
            make_work,
            [source] if mask is None else [source, mask.stack],
            step=step,
            threads=plan.threads,
            pixel_bytes=spec.channels * spec.item_bytes,
            on_progress=self.on_progress,
            done=before,
        )

    def _cut_out(self, slab: Slab, done: Done) -> Iterator[Slab]:
        """Yield the parts of a slab that are not done; an earlier run may have had other slabs."""
        spec, tile = self.source.spec, self.plan.tile_pixels
        first, last = tile_range(spec, slab, tile)
        for start, stop in done.gaps(first, last):
            if (start, stop) == (first, last):
                yield slab
            else:
                yield from iter_slabs_of_tiles(spec, start, stop, tile, self.plan.slab_pixels)
