"""Run worker threads that share the slabs of stacks.

Each worker takes the next slab and reads, computes and writes it with its own buffers. System calls
and BLAS release the interpreter lock, so reading, multiplying and writing overlap. The calling
thread is one of the workers.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from onebyone_cli.operations.ordered_merge import OrderedMerge
    from onebyone_cli.spec import Slab
    from onebyone_cli.stack.sources import OnProgress
    from onebyone_cli.stack.stack import Stack

    Work = Callable[[Slab], None]


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
    """Process all slabs, then check that the inputs have not changed.

    Parameters
    ----------
    slabs : callable
        Returns the slabs in order; called twice, the first time to count their pixels.
    make_work : callable
        As in `run_workers`.
    stacks : sequence of Stack
        What the workers read. Pending reads are cancelled after a failure.
    step : str
        Name of the step for `on_progress`.
    threads : int
        Number of workers.
    pixel_bytes : int
        Input bytes of one pixel, for `on_progress`.
    on_progress : callable
        Called in the calling thread with the step, the bytes done and all bytes.
    merge : OrderedMerge, optional
        Collects findings. Workers that wait in it are released after a failure.
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
    """Count the pixels of slabs, over all items of a batch."""
    return sum(slab.items * slab.pixels for slab in slabs)


def run_workers(
    slabs: Iterable[Slab],
    make_work: Callable[[], Work],
    threads: int,
    on_pixels: Callable[[int], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Process every slab.

    Parameters
    ----------
    slabs : iterable of Slab
        Taken in order, so that files are read from front to back.
    make_work : callable
        Makes the function that a worker calls with each of its slabs. Called once in each worker's
        own thread, so that memory is first touched where it is used.
    threads : int
        Number of workers; fewer if the system refuses more threads.
    on_pixels : callable
        Called in the calling thread, from time to time, with the pixels done so far.
    on_stop : callable
        Called after a failure or a signal; releases work that waits for other work.

    Raises
    ------
    BaseException
        The first error of any worker, or a signal's exception in the calling thread, after all
        workers have stopped.
    """
    shared = _Shared(iter(slabs), make_work, on_stop)
    others = [threading.Thread(target=shared.work_apart) for _ in range(1, threads)]
    try:
        _start(others)
        shared.work(on_pixels)
        _join(others)
    except BaseException as error:
        shared.stop(error)
        _join(others)
        if isinstance(error, Exception) and shared.error is not None:
            # The error of this thread may be a consequence.
            raise shared.error from shared.error.__cause__
        raise
    if shared.error is not None:
        raise shared.error
    on_pixels(shared.pixels)


def _start(threads: Iterable[threading.Thread]) -> None:
    """Start as many threads as the limits of processes and memory allow."""
    with contextlib.suppress(RuntimeError):
        for thread in threads:
            thread.start()


def _join(threads: Iterable[threading.Thread]) -> None:
    """Wait for the threads that were started."""
    for thread in threads:
        if thread.ident is not None:
            thread.join()


class _Shared:
    """State of all workers: the next slab, the first error, the count."""

    def __init__(
        self, slabs: Iterator[Slab], make_work: Callable[[], Work], on_stop: Callable[[], None]
    ) -> None:
        self._slabs = slabs
        self._make_work = make_work
        self._on_stop = on_stop
        self._lock = threading.Lock()
        self.stopped = False
        self.error: BaseException | None = None
        self.pixels = 0

    def work(self, on_pixels: Callable[[int], None]) -> None:
        """Process slabs until none is left or a worker has failed."""
        work = self._make_work()
        while (slab := self._next()) is not None:
            work(slab)
            with self._lock:
                self.pixels += slab.items * slab.pixels
            on_pixels(self.pixels)

    def work_apart(self) -> None:
        """Work in another thread; the calling thread raises the error."""
        try:
            self.work(lambda pixels: None)
        except BaseException as error:
            self.stop(error)

    def stop(self, error: BaseException) -> None:
        """Hand out no more slabs; keep the first error."""
        self.stopped = True
        self.error = self.error or error
        self._on_stop()

    def _next(self) -> Slab | None:
        with self._lock:
            return None if self.stopped else next(self._slabs, None)
