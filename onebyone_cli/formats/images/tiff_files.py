"""Write the channels of a folder as TIFF files, each by the TIFF format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.formats import load
from onebyone_cli.formats.contracts.metadata import selected_metadata
from onebyone_cli.formats.contracts.writer import StreamWriter, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.writer import Planes
    from onebyone_cli.spec import StackSpec

#: Size of the pieces in which a channel is copied.
PIECE_BYTES = 1 << 20


class _Channel:
    """One channel of a finished result; see `Planes`."""

    def __init__(self, result: Planes, channel: int) -> None:
        self.spec = result.spec._replace(channels=1)
        self._result = result
        self._channel = channel

    def rows(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Rows [start, stop): ndarray of shape (stop - start, W)."""
        return self._result.rows(item, self._channel + channel, start, stop)

    def pixels(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Pixels [start, stop): ndarray of shape (stop - start,)."""
        return self._result.pixels(item, self._channel + channel, start, stop)


def memory_of_a_file(path: str, spec: StackSpec) -> int:
    """Return the bytes that writing a channel of a stack takes; `path` is any name of a file."""
    kind = load("tiff")
    writer = kind.write(Target(path, kind.write), spec._replace(channels=1))
    piece = max(PIECE_BYTES, spec.width * spec.item_bytes)
    return 2 * piece + (writer.buffer_bytes if isinstance(writer, StreamWriter) else 0)


def write_channel(path: str, result: Planes, channel: int, metadata: Metadata) -> None:
    """Write a channel of a result; `metadata` is that of all channels.

    Raises
    ------
    ReadWriteError
        If the system fails.
    """
    import numpy as np

    kind, one = load("tiff"), _Channel(result, channel)
    said = selected_metadata(metadata, [channel], result.spec.channels)
    with kind.write(Target(path, kind.write, metadata=said), one.spec) as writer:
        if isinstance(writer, StreamWriter):
            writer.fill(one, lambda done: None)
        else:
            spec = one.spec
            step = max(1, PIECE_BYTES // (spec.width * spec.item_bytes))
            for start in range(0, spec.height, step):
                rows = one.rows(0, 0, start, min(start + step, spec.height))
                numbers = np.ascontiguousarray(rows).reshape(-1)
                writer.write_run(0, 0, start * spec.width, numbers)
        writer.commit()
