"""Read pages that are stored turned or mirrored, upright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.arrays.layout import plain_layout
from onebyone_cli.formats.contracts.reader import Reader, StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.orientation import Orientation

#: Size of the pieces that are turned.
_PIECE_BYTES = 1 << 20


class TurnedStream(StreamReader):
    """Read a stack upright, channel by channel.

    Parameters
    ----------
    reader : Reader or StreamReader
        Of the stack as it is stored; closed with this one.
    orientation : Orientation
    """

    def __init__(self, reader: Reader | StreamReader, orientation: Orientation) -> None:
        self.about = reader.about
        stored = reader.spec
        height, width = orientation.size(stored.height, stored.width)
        self.spec = stored._replace(height=height, width=width)
        self.stored = plain_layout(self.spec)
        self._reader = reader
        self._turn = orientation
        self._rows = max(1, _PIECE_BYTES // (width * stored.item_bytes))
        piece = min(self._rows, height) * width * stored.item_bytes
        self.buffer_bytes = 3 * piece
        if isinstance(reader, Reader):
            self.buffer_bytes += reader.scratch_bytes + reader.cache_bytes
        else:
            self.buffer_bytes += reader.buffer_bytes + stored.data_bytes

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Turn one piece of a channel after the other; see `StreamReader.drain`."""
        import numpy as np

        reader = self._held()
        scratch = np.empty(reader.scratch_bytes, np.uint8)
        spec = self.spec
        for item in range(spec.items):
            for channel in range(spec.channels):
                read = _box_reader(reader, item, channel, scratch)
                for start in range(0, spec.height, self._rows):
                    stop = min(start + self._rows, spec.height)
                    size = (reader.spec.height, reader.spec.width)
                    rows = self._turn.rows(start, stop, size, read)
                    write(np.ascontiguousarray(rows).data.cast("B"))
        reader.check_unchanged()

    def _held(self) -> Reader:
        """Return a reader of any part: strips that don't fit the memory are held in it."""
        if isinstance(self._reader, Reader):
            return self._reader
        from onebyone_cli.errors import UsageError, setting

        raise UsageError(
            f"is stored turned, and decoding it takes more memory; use a larger "
            f"{setting('memory')}, or save it upright",
            self.path,
        )

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _box_reader(
    reader: Reader, item: int, channel: int, scratch: NDArray[Any]
) -> Callable[[int, int, int, int], NDArray[Any]]:
    """Return a function that reads a box of a channel."""
    import numpy as np

    from onebyone_cli.spec import PixelGrid

    def read(top: int, left: int, bottom: int, right: int) -> NDArray[Any]:
        box: NDArray[Any] = np.empty((1, bottom - top, right - left), reader.spec.dtype)
        grid = PixelGrid(item, [channel], range(top, bottom), range(left, right))
        reader.read_grid(grid, box, scratch)
        first: NDArray[Any] = box[0]
        return first

    return read
