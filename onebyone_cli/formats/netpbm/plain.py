"""Images whose numbers are text: plain PBM, PGM and PPM. A file or stream holds one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.layout import ordered_layout
from onebyone_cli.formats.contracts.reader import StreamReader
from onebyone_cli.spec import StackSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.formats.netpbm.header import Header

#: Text is read in pieces of this size, of which each number takes up to 60 bytes as an object.
_PIECE_BYTES = 1 << 16

_WHITE = b" \t\n\r\v\f"
_DIGITS = b"0123456789"

#: Longest number with leading zeros.
_MOST_DIGITS = 20


class PlainStream(StreamReader):
    """Read the numbers of a plain image, pixel by pixel."""

    def __init__(self, opened: ByteSource, header: Header, about: About) -> None:
        self.about = about
        self.spec = StackSpec(header.depth, header.height, header.width, header.dtype)
        self.stored = ordered_layout(self.spec, "HWC")
        self.buffer_bytes = 64 * _PIECE_BYTES
        self._opened, self._header = opened, header

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Parse all numbers; see `StreamReader.drain`."""
        import numpy as np

        left, most = self.spec.pixels * self.spec.channels, self._header.maxval
        for words in self._words():
            numbers = list(map(int, words))
            if len(numbers) > left:
                raise DataError("has more after its image; a plain image is alone", self.path)
            if numbers and max(numbers) > most:
                raise DataError(f"has {max(numbers)}, and its MAXVAL is {most}", self.path)
            left -= len(numbers)
            found = np.array(numbers, self.stored.dtype)
            if self._header.kind == b"P1":
                found = ~found
            write(found.data.cast("B"))
        if left:
            raise DataError(
                f"is truncated: {left} numbers are missing; copy or make it again", self.path
            )

    def _words(self) -> Iterator[list[bytes]]:
        """Yield the numbers as text, a piece of it at a time."""
        rest = b""
        while piece := self._opened.read(_PIECE_BYTES):
            text = rest + piece
            if text.translate(None, _DIGITS + _WHITE):
                raise DataError("has text among its numbers; expected digits", self.path)
            if self._header.kind == b"P1":  # digits need no blanks between them
                yield [b"%c" % digit for digit in text.translate(None, _WHITE)]
                continue
            words = text.split()
            rest = words.pop() if words and text[-1] not in _WHITE else b""
            if len(rest) > _MOST_DIGITS or any(len(word) > _MOST_DIGITS for word in words):
                raise DataError("has a number of too many digits", self.path)
            yield words
        if rest:
            yield [rest]

    def close(self) -> None:
        """Close the file or pipe."""
        self._opened.close()
