"""An array that comes through a pipe: its numbers once, in the order in which they are stored.

Where the numbers of a slab come far apart, the stream is laid in a spool first. Where pixels come
one after another, or row after row, or in small items of a batch, so do slabs, and `SlabsInOrder`
takes them off the pipe.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, ReadWriteError
from onebyone_cli.formats.arrays.layout import PIECE_BYTES, SCRATCH_BYTES
from onebyone_cli.formats.contracts.reader import Reader, StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import Slab

#: Time after which a worker that waits for a pipe looks whether anybody still wants the numbers.
_PATIENCE_MS = 200


class ArrayStream(StreamReader):
    """The numbers of an array, which begin at the next byte of a pipe.

    Parameters
    ----------
    source : ByteSource
        The pipe.
    layout : ArrayLayout
        What is promised of the array; the offset is of no use here.
    path : str
        Name for messages.
    promise : str
        Who says how many bytes there are, for messages; as in ``"its header promises"``.
    alone : bool
        Whether the pipe must end after it; it is closed with the array then.
    """

    def __init__(
        self, source: ByteSource, layout: ArrayLayout, path: str, promise: str, *, alone: bool
    ) -> None:
        self.path = path
        self.spec = layout.spec
        self.stored = layout._replace(offset=0)
        self.buffer_bytes = PIECE_BYTES
        self.run_pixels = layout.run_pixels
        self.left = self.spec.data_bytes
        self._source = source
        self._promise = promise
        self._alone = alone

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Hand over all numbers; see `StreamReader.drain`."""
        piece = memoryview(bytearray(min(PIECE_BYTES, self.left)))
        while self.left:
            write(piece[: self.read_into(piece)])
        self.check_end()

    def slabs(self) -> SlabsInOrder:
        """Make a reader that takes slabs off the pipe; see `StreamReader.slabs`."""
        return SlabsInOrder(self)

    def read_into(self, piece: memoryview) -> int:
        """Read what has come of the numbers; return its size, which is 1 or more.

        Raises
        ------
        DataError
            If the pipe ends first.
        """
        count = self._source.read_into(piece[: self.left])
        if count == 0:
            raise DataError(
                f"ends {self.left} bytes early: {self._promise} {self.spec.data_bytes} bytes of "
                "numbers; did the program before the pipe stop?",
                self.path,
            )
        self.left -= count
        return count

    def has_come(self, milliseconds: int) -> bool:
        """Wait for the pipe, no longer than that; say whether `read_into` would wait no more."""
        return self._source.has_come(milliseconds)

    def check_end(self) -> None:
        """Raise `DataError` if the pipe goes on although this was to be all of it."""
        if self._alone and not self._source.at_end():
            raise DataError(
                f"goes on after the array of {self.spec.data_bytes} bytes; expected exactly one "
                "(apply, fit and stats take several, one after another, with --each)",
                self.path,
            )

    def skip(self) -> None:
        """Leave out what was not read: the pipe is where the next array begins."""
        piece = memoryview(bytearray(min(PIECE_BYTES, self.left)))
        while self.left:
            self.read_into(piece)

    def close(self) -> None:
        """Close the pipe if nothing else is to come from it."""
        if self._alone:
            self._source.close()


class SlabsInOrder(Reader):
    """Takes slabs off a pipe whose pixels come in runs, one after another, without a spool.

    Every slab must be asked for, once. Threads may ask in any order: each waits for its turn,
    reads a few runs after another, and brings them to CHW while they are in the cache of its core.
    The others compute meanwhile. A run that slabs share is kept for the next of them.

    Parameters
    ----------
    stream : ArrayStream
        With `run_pixels`; nothing of it has been read.
    """

    def __init__(self, stream: ArrayStream) -> None:
        self.path = stream.path
        self.spec = stream.spec
        self.channel_names = stream.channel_names
        self._stream = stream
        self._run = stream.run_pixels
        # The run of which the last slab took the first pixels.
        self._shared = np.empty((self.spec.channels, self._run), stream.stored.dtype)
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
            if self._stream.left == 0:
                self._stream.check_end()
        except BaseException:
            self.abandon()
            raise
        with self._turn:
            self._next = start + slab.items * slab.pixels
            self._turn.notify_all()

    def abandon(self) -> None:
        """Let those go who wait for a slab that nobody will read any more."""
        with self._turn:
            self._abandoned = True
            self._turn.notify_all()

    def close(self) -> None:
        """Nothing of its own to close: the stream is whoever's opened it."""

    def _wait_for_turn(self, start: int) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._abandoned or self._next == start)
        self._check_wanted()

    def _check_wanted(self) -> None:
        if self._abandoned:
            raise ReadWriteError("is not read to its end, since the job has failed", self.path)

    def _take(self, first: int, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Take the next pixels, which begin at pixel `first` of a run, as (items, C, pixels)."""
        # Only a slab of a single item begins or ends within a run.
        pixels = out.shape[2]
        head = min(-first % self._run, pixels)
        last = pixels - (pixels - head) % self._run
        if head:
            np.copyto(out[0, :, :head], self._shared[:, first : first + head], casting="unsafe")
        self._take_runs(out[:, :, head:last], scratch)
        if last < pixels:
            self._fill(self._shared.reshape(-1).view(np.uint8))
            np.copyto(out[0, :, last:], self._shared[:, : pixels - last], casting="unsafe")

    def _take_runs(self, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Take whole runs, as many at a time as the scratch holds."""
        items, channels, pixels = out.shape
        runs, dtype = pixels // self._run, self._shared.dtype
        # In the order of the stream: (items, runs, C, run).
        places = out.reshape(items, channels, runs, self._run).swapaxes(1, 2)
        step = self.scratch_bytes // self._shared.nbytes
        together = max(1, step // max(1, runs))
        for item in range(0, items, together):
            for start in range(0, runs, step):
                place = places[item : item + together, start : start + step]
                stored = scratch[: place.size * dtype.itemsize]
                self._fill(stored)
                np.copyto(place, stored.view(dtype).reshape(place.shape), casting="unsafe")

    def _fill(self, stored: NDArray[np.uint8]) -> None:
        left = stored.data
        while left:
            # A program that sends nothing must not keep us from stopping.
            while not self._stream.has_come(_PATIENCE_MS):
                self._check_wanted()
            left = left[self._stream.read_into(left) :]
