"""An array that comes through a pipe: its numbers once, in the order in which they are stored.

Where the numbers of a slab come far apart, the stream is laid in a spool first. Where pixels come
one after another, or row after row, or in small items of a batch, so do slabs, and
`in_order.SlabsInOrder` takes them off the pipe. Nothing here imports numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, setting
from onebyone_cli.formats.arrays.layout import PIECE_BYTES
from onebyone_cli.formats.contracts.reader import StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.formats.contracts.reader import Reader


class ArrayStream(StreamReader):
    """The numbers of an array, which begin at the next byte of a pipe.

    Parameters
    ----------
    source : ByteSource
        The pipe.
    layout : ArrayLayout
        What is promised of the array; the offset is of no use here.
    about : About
        What else is known of the input.
    promise : str
        Who says how many bytes there are, for messages; as in ``"its header promises"``.
    alone : bool
        Whether the pipe must end after it; it is closed with the array then.
    """

    def __init__(
        self, source: ByteSource, layout: ArrayLayout, about: About, promise: str, *, alone: bool
    ) -> None:
        self.about = about
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

    def slabs(self) -> Reader:
        """Make a reader that takes slabs off the pipe; see `StreamReader.slabs`."""
        from onebyone_cli.formats.arrays.in_order import SlabsInOrder

        return SlabsInOrder(self, self.stored, self.about)

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
                f"(apply, fit and stats take several, one after another, with {setting('each')})",
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
