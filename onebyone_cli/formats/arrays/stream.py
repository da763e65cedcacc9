"""An array from a pipe: its numbers once, in the order in which they are stored.

Where pixels come one after another, row after row, or in small items of a batch, so do slabs:
`in_order.SlabsInOrder` reads them from the pipe. Otherwise the stream is spooled to disk first.
This module does not import numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, setting
from onebyone_cli.formats.arrays.layout import PIECE_BYTES
from onebyone_cli.formats.contracts.reader import StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        Its offset is ignored.
    about : About
    promise : str
        Source of the expected size, for messages; as in ``"its header promises"``.
    alone : bool
        Whether the pipe must end after the array; then it is closed with the array.
    """

    def __init__(
        self, source: ByteSource, layout: ArrayLayout, about: About, promise: str, *, alone: bool
    ) -> None:
        self.about = about
        self.spec = layout.spec
        self.stored = layout._replace(offset=0)
        self.buffer_bytes = PIECE_BYTES
        self.run_pixels = layout.run_pixels
        self.left = layout.data_bytes
        self._source = source
        self._promise = promise
        self._alone = alone

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Pass all numbers to `write`; see `StreamReader.drain`."""
        piece = memoryview(bytearray(min(PIECE_BYTES, self.left)))
        while self.left:
            write(piece[: self.read_into(piece)])
        self.check_end()

    def slabs(self, channels: Sequence[int] = ()) -> Reader:
        """Return a reader of slabs of the pipe; see `StreamReader.slabs`."""
        from onebyone_cli.formats.arrays.in_order import SlabsInOrder

        return SlabsInOrder(self, self.stored, self.about, channels)

    def read_into(self, piece: memoryview) -> int:
        """Read the available numbers; return their size in bytes, 1 or more.

        Raises
        ------
        DataError
            If the pipe ends first.
        """
        count = self._source.read_into(piece[: self.left])
        if count == 0:
            raise DataError(
                f"ends {self.left} bytes early: {self._promise} {self.stored.data_bytes} bytes of "
                "numbers; did the program before the pipe stop?",
                self.path,
            )
        self.left -= count
        return count

    def has_come(self, milliseconds: int) -> bool:
        """Wait for the pipe; return whether `read_into` would not wait."""
        return self._source.has_come(milliseconds)

    def check_end(self) -> None:
        """Raise `DataError` if bytes follow an array that must be alone."""
        if self._alone and not self._source.at_end():
            raise DataError(
                f"continues after the array of {self.stored.data_bytes} bytes; expected exactly "
                "one (apply, fit and stats take several, one after another, with "
                f"{setting('each')})",
                self.path,
            )

    def skip(self) -> None:
        """Skip the rest of the array."""
        piece = memoryview(bytearray(min(PIECE_BYTES, self.left)))
        while self.left:
            self.read_into(piece)

    def close(self) -> None:
        """Close the pipe unless more arrays follow."""
        if self._alone:
            self._source.close()
