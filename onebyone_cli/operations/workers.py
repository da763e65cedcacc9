"""Worker threads that share the slabs of a stack.

Each takes the next slab, reads, computes and writes it with buffers of its own. System calls and
BLAS let go of the interpreter lock, so reading, multiplying and writing overlap. The calling
thread is one of the workers: with one thread there are no others.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from onebyone_cli.spec import Slab

    Work = Callable[[Slab], None]


def run_workers(
    slabs: Iterable[Slab],
    make_work: Callable[[], Work],
    threads: int,
    on_pixels: Callable[[int], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Do some work on every slab.

    Parameters
    ----------
    slabs : iterable of Slab
        Taken in order, so that files are read from front to back.
    make_work : callable
        Makes the function that a worker calls with each of its slabs; called once in each
        worker's own thread, so that memory is first touched where it is used.
    threads : int
        Number of workers; fewer where the system gives no more threads.
    on_pixels : callable
        Called in the calling thread, from time to time, with the pixels done so far.
    on_stop : callable
        Called when a worker has failed or a signal has come: work that waits for other work must
        wait no longer.

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
            # Ours may be no more than what came of it.
            raise shared.error from shared.error.__cause__
        raise
    if shared.error is not None:
        raise shared.error
    on_pixels(shared.pixels)


def _start(threads: Iterable[threading.Thread]) -> None:
    """Start threads, as many as a limit of processes or of memory allows."""
    with contextlib.suppress(RuntimeError):
        for thread in threads:
            thread.start()


def _join(threads: Iterable[threading.Thread]) -> None:
    """Wait for those that were started."""
    for thread in threads:
        if thread.ident is not None:
            thread.join()


class _Shared:
    """What workers share: the next slab, the first error, the count."""

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
        """Take slabs until there are none, or until somebody failed."""
        work = self._make_work()
        while (slab := self._next()) is not None:
            work(slab)
            with self._lock:
                self.pixels += slab.items * slab.pixels
            on_pixels(self.pixels)

    def work_apart(self) -> None:
        """Do the same in another thread: its error is kept for the calling thread to raise."""
        try:
            self.work(lambda pixels: None)
        except BaseException as error:
            self.stop(error)

    def stop(self, error: BaseException) -> None:
        """Have no worker take another slab; keep the first error."""
        self.stopped = True
        self.error = self.error or error
        self._on_stop()

    def _next(self) -> Slab | None:
        with self._lock:
            return None if self.stopped else next(self._slabs, None)
