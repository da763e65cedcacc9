"""Take the moments of stacks: the one pass over pixels that learning needs."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.conv1x1 import arithmetic_dtype
from onebyone_cli.fit.moments import Moments, moments_of, no_moments
from onebyone_cli.pipeline.sources import Sources
from onebyone_cli.planning import Costs, make_plan
from onebyone_cli.stack import stacked_spec
from onebyone_cli.tiling import iter_slabs
from onebyone_cli.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from onebyone_cli.formats.base import Reader, StreamReader
    from onebyone_cli.pipeline.sources import OnProgress
    from onebyone_cli.spec import Slab
    from onebyone_cli.stack import Stack

_FLOAT64_BYTES = 8


@dataclass(frozen=True, slots=True)
class LearnSettings:
    """What the user chose about the machine and about pixels that do not count.

    Attributes
    ----------
    memory, threads : int
        Budget in bytes; most workers.
    nodata : float or None
        Input value that marks a pixel as invalid, as NaN does.
    """

    memory: int
    threads: int
    nodata: float | None = None


class MomentsJob:
    """A pass over one stack, checked and planned; nothing has been read yet.

    Statistics are float64 whatever the input. Each tile is one block of pixels, and blocks are
    merged in their order in the stack, so that the bits depend on neither memory nor threads.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        Open, in channel order. Closed by whoever opened them.
    settings : LearnSettings
        The choices.

    Attributes
    ----------
    input : StackSpec
        The stack.
    plan : Plan
        How it will run.

    Raises
    ------
    ShapeMismatchError
        If inputs disagree in height or width.
    UsageError
        If the memory is too small.
    """

    def __init__(self, inputs: Sequence[Reader | StreamReader], settings: LearnSettings) -> None:
        self._sources = Sources(inputs)
        self._nodata = settings.nodata
        dtype = arithmetic_dtype([reader.spec.dtype for reader in inputs])
        self.input = stacked_spec(inputs, dtype)
        channels = self.input.channels
        square = channels * channels * _FLOAT64_BYTES
        tile_share = -(-square // self.input.pixels)
        self.plan = make_plan(
            self.input,
            channels,
            _FLOAT64_BYTES,
            Costs(
                # Moments of the tiles of a slab wait here until it is their turn.
                slab_pixel=self.input.item_bytes * channels + tile_share,
                # A block and, where pixels are left out, its copy; the masks that say which.
                tile_pixel=(2 * _FLOAT64_BYTES + 1) * channels,
                scratch=self._sources.scratch_bytes + square,
                cache=self._sources.cache_bytes + self._sources.buffer_bytes + 2 * square,
            ),
            memory=settings.memory,
            threads=settings.threads,
            spool_input_bytes=self._sources.spool_bytes,
        )

    def run(self, on_progress: OnProgress) -> Moments:
        """Read everything once.

        Parameters
        ----------
        on_progress : callable
            Called in the calling thread with a word for the step, the bytes of input done in it
            and all of them.
        """
        plan, spec = self.plan, self.input
        whole = _InOrder(spec.channels)
        with ExitStack() as stack:
            source = self._sources.as_stack(spec.dtype, plan, stack, on_progress)
            marks = None if self._nodata is None else source.marks(self._nodata)

            def make_work() -> Callable[[Slab], None]:
                return _Worker(self, source, marks, whole).process

            pixel_bytes = spec.channels * spec.item_bytes
            run_workers(
                iter_slabs(spec, plan.slab_items, plan.slab_pixels),
                make_work,
                plan.threads,
                lambda pixels: on_progress("learning", pixels * pixel_bytes, spec.data_bytes),
            )
            self._sources.check_unchanged()
        return whole.total


class _InOrder:
    """Merges the moments of blocks in the order of the blocks, whoever is done first."""

    def __init__(self, channels: int) -> None:
        self.total = no_moments(channels)
        self._lock = threading.Lock()
        self._next = 0
        self._waiting: dict[int, Moments] = {}

    def add(self, block: int, moments: Moments) -> None:
        with self._lock:
            self._waiting[block] = moments
            while (ready := self._waiting.pop(self._next, None)) is not None:
                self.total.merge(ready)
                self._next += 1


class _Worker:
    """The buffers of one thread, and what it does with a slab."""

    def __init__(
        self, job: MomentsJob, source: Stack, marks: NDArray[Any] | None, whole: _InOrder
    ) -> None:
        plan, spec = job.plan, job.input
        self._source, self._marks, self._whole = source, marks, whole
        self._tile = plan.tile_pixels
        self._tiles = -(-spec.pixels // plan.tile_pixels)
        self._x = np.empty((plan.slab_items, spec.channels, plan.slab_pixels), spec.dtype)
        self._block = np.empty((spec.channels, plan.tile_pixels))
        self._scratch = np.empty(source.scratch_bytes, np.uint8)

    def process(self, slab: Slab) -> None:
        """Read one slab and take the moments of its tiles."""
        x = self._x[: slab.items, :, : slab.pixels]
        with np.errstate(all="ignore"):
            self._source.read(slab, x, self._scratch)
            for index in range(slab.items):
                for start in range(0, slab.pixels, self._tile):
                    tile = x[index, :, start : start + self._tile]
                    number = (slab.item + index) * self._tiles + (slab.start + start) // self._tile
                    self._whole.add(number, self._moments(tile))

    def _moments(self, tile: NDArray[Any]) -> Moments:
        if self._marks is None:
            # One number that is not finite makes the mean so: only then is it worth searching.
            moments = self._moments_of_all(tile)
            if np.isfinite(moments.mean).all():
                return moments
        invalid = ~np.isfinite(tile).all(axis=0)
        if self._marks is not None:
            invalid |= (tile == self._marks).any(axis=0)
        left_out = int(np.count_nonzero(invalid))
        if left_out:
            return moments_of(tile[:, ~invalid].astype(np.float64), invalid=left_out)
        return self._moments_of_all(tile)

    def _moments_of_all(self, tile: NDArray[Any]) -> Moments:
        block = self._block[:, : tile.shape[1]]
        np.copyto(block, tile)
        return moments_of(block)
