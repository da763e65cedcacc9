"""Read slabs from a pipe in the order in which they come, without a spool."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from onebyone_cli.errors import ReadWriteError
from onebyone_cli.formats.arrays.layout import SCRATCH_BYTES
from onebyone_cli.formats.contracts.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.spec import Slab

#: Time after which a worker that waits for a pipe checks whether the job has failed.
_PATIENCE_MS = 200


class Pipe(Protocol):
    """The rest of an array in a pipe, such as `ArrayStream`."""

    left: int

    def has_come(self, milliseconds: int) -> bool:
        """Wait for the pipe; return whether `read_into` would not wait."""

    def read_into(self, piece: memoryview) -> int:
        """Read the available numbers; return their size in bytes."""

    def check_end(self) -> None:
        """Raise `DataError` if more follows than expected."""


class SlabsInOrder(Reader):
    """Read slabs from a pipe whose pixels come in runs, without a spool.

    Each slab must be requested once. Threads may do so in any order: each waits for its turn, reads
    a few runs after another, and transposes them to CHW while they are in the cache of its core.
    The others compute meanwhile. A run that two slabs share is kept for the second.

    Parameters
    ----------
    pipe : Pipe
        Unread.
    layout : ArrayLayout
        With `run_pixels`.
    about : About
    channels : sequence of int, optional
        The channels to read, in their order; all if empty.
    """

    def __init__(
        self, pipe: Pipe, layout: ArrayLayout, about: About, channels: Sequence[int] = ()
    ) -> None:
        self.about = about
        chosen = list(channels) or range(layout.spec.channels)
        self.spec = layout.spec._replace(channels=len(chosen))
        # A slice of all makes no copy.
        self._chosen = list(channels) or slice(None)
        self._pipe = pipe
        self._run = layout.run_pixels
        # The run that the last slab ended in.
        self._shared = np.empty((layout.spec.channels, self._run), layout.dtype)
        self.scratch_bytes = max(SCRATCH_BYTES, self._shared.nbytes)
        self._turn = threading.Condition()
        self._next = 0
        self._abandoned = False

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab when it is its turn; see `Reader.read`."""
        start = slab.item * self.spec.pixels + slab.start
        self._wait_for_turn(start)
        try:
            self._take(slab.start % self._run, out, scratch)
            if self._pipe.left == 0:
                self._pipe.check_end()
        except BaseException:
            self.abandon()
            raise
        with self._turn:
            self._next = start + slab.items * slab.pixels
            self._turn.notify_all()

    def abandon(self) -> None:
        """Wake the threads that wait for a slab after a failure."""
        with self._turn:
            self._abandoned = True
            self._turn.notify_all()

    def close(self) -> None:
        """Do nothing: the stream is closed by its owner."""

    def _wait_for_turn(self, start: int) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._abandoned or self._next == start)
        self._check_wanted()

    def _check_wanted(self) -> None:
        if self._abandoned:
            raise ReadWriteError("is not read to its end, since the job has failed", self.path)

    def _take(self, first: int, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read the next pixels, from pixel `first` of a run, as (items, C, pixels)."""
        # Only a slab of a single item begins or ends within a run.
        pixels = out.shape[2]
        head = min(-first % self._run, pixels)
        last = pixels - (pixels - head) % self._run
        if head:
            shared = self._shared[self._chosen, first : first + head]
            np.copyto(out[0, :, :head], shared, casting="unsafe")
        self._take_runs(out[:, :, head:last], scratch)
        if last < pixels:
            self._fill(self._shared.reshape(-1).view(np.uint8))
            shared = self._shared[self._chosen, : pixels - last]
            np.copyto(out[0, :, last:], shared, casting="unsafe")

    def _take_runs(self, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read whole runs, as many at a time as the scratch holds."""
        items, channels, pixels = out.shape
        runs, dtype = pixels // self._run, self._shared.dtype
        # In the order of the stream: (items, runs, C, run).
        places = out.reshape(items, channels, runs, self._run).swapaxes(1, 2)
        step = self.scratch_bytes // self._shared.nbytes
        together = max(1, step // max(1, runs))
        for item in range(0, items, together):
            for start in range(0, runs, step):
                place = places[item : item + together, start : start + step]
                count, at_once = place.shape[:2]
                stored = scratch[: count * at_once * self._shared.nbytes]
                self._fill(stored)
                found = stored.view(dtype).reshape(count, at_once, *self._shared.shape)
                np.copyto(place, found[:, :, self._chosen], casting="unsafe")

    def _fill(self, stored: NDArray[np.uint8]) -> None:
        left = stored.data
        while left:
            # An idle sender must not prevent the job from stopping.
            while not self._pipe.has_come(_PATIENCE_MS):
                self._check_wanted()
            left = left[self._pipe.read_into(left) :]
