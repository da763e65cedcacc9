"""The loop that every operation runs: workers take slabs of stacks until none is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.operations.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from onebyone_cli.operations.ordered_merge import OrderedMerge
    from onebyone_cli.operations.workers import Work
    from onebyone_cli.spec import Slab
    from onebyone_cli.stack.sources import OnProgress
    from onebyone_cli.stack.stack import Stack


def run_tiles(
    slabs: Callable[[], Iterable[Slab]],
    make_work: Callable[[], Work],
    stacks: Sequence[Stack],
    *,
    step: str,
    threads: int,
    pixel_bytes: int,
    on_progress: OnProgress,
    merge: OrderedMerge[Any] | None = None,
    done: int = 0,
) -> None:
    """Process all slabs, then check that no input has changed meanwhile.

    Parameters
    ----------
    slabs : callable
        Gives the slabs in order; called twice, the first time to count their pixels.
    make_work : callable
        Makes the function that one worker calls with each of its slabs; called in the worker's
        own thread.
    stacks : sequence of Stack
        Open inputs that the workers read. Their pending reads are cancelled after a failure.
    step : str
        Name of the step for `on_progress`.
    threads : int
        Number of workers.
    pixel_bytes : int
        Input bytes of one pixel, for `on_progress`.
    on_progress : callable
        Called in the calling thread with the step, the bytes done and all bytes.
    merge : OrderedMerge, optional
        Collects what the workers find; workers that wait in it are released after a failure.
    done : int
        Pixels of the step that an earlier run has done.

    Raises
    ------
    BaseException
        The first error of a worker.
    ReadWriteError
        If an input was changed while it was being read.
    """
    total = done + count_pixels(slabs())

    def on_pixels(pixels: int) -> None:
        on_progress(step, (done + pixels) * pixel_bytes, total * pixel_bytes)

    def on_stop() -> None:
        if merge is not None:
            merge.stop()
        for stack in stacks:
            stack.abandon()

    run_workers(slabs(), make_work, threads, on_pixels, on_stop)
    for stack in stacks:
        stack.check_unchanged()


def count_pixels(slabs: Iterable[Slab]) -> int:
    """Count the pixels of slabs, those of every item of a batch."""
    return sum(slab.items * slab.pixels for slab in slabs)
