"""Write the images of a folder by another format: TIFF or Netpbm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.formats import load
from onebyone_cli.formats.contracts.metadata import selected_metadata
from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.writer import Planes
    from onebyone_cli.spec import StackSpec

#: Size of the pieces in which a channel is copied.
PIECE_BYTES = 1 << 20


class _Part:
    """Some channels of one stack of a finished result; see `Planes`."""

    def __init__(self, result: Planes, item: int, channels: range) -> None:
        self.spec = result.spec._replace(channels=len(channels), batch=())
        self._result, self._item, self._first = result, item, channels.start

    def rows(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Rows [start, stop): ndarray of shape (stop - start, W)."""
        return self._result.rows(self._item + item, self._first + channel, start, stop)

    def pixels(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Pixels [start, stop): ndarray of shape (stop - start,)."""
        return self._result.pixels(self._item + item, self._first + channel, start, stop)


def memory_of_a_file(name: str, path: str, spec: StackSpec) -> int:
    """Return the bytes that writing one file takes by format `name`; `path` is any of its names.

    `spec` is that of the numbers in the file.
    """
    kind = load(name)
    writer = kind.write(Target(path, kind.write), spec)
    piece = max(PIECE_BYTES, spec.channels * spec.width * spec.item_bytes)
    return 2 * piece + (writer.buffer_bytes if isinstance(writer, StreamWriter) else 0)


def write_channels(
    name: str, path: str, result: Planes, item: int, channels: range, metadata: Metadata
) -> None:
    """Write some channels of one stack by format `name`; `metadata` is that of all channels.

    Raises
    ------
    ReadWriteError
        If the system fails.
    """
    kind, part = load(name), _Part(result, item, channels)
    said = selected_metadata(metadata, channels, result.spec.channels)
    with kind.write(Target(path, kind.write, metadata=said), part.spec) as writer:
        if isinstance(writer, StreamWriter):
            writer.fill(part, lambda done: None)
        else:
            _copy(part, writer)
        writer.commit()


def _copy(part: _Part, writer: Writer) -> None:
    """Copy a stack to a writer of fixed offsets, some rows at a time."""
    import numpy as np

    from onebyone_cli.spec import Slab

    spec, channels = part.spec, range(part.spec.channels)
    step = max(1, PIECE_BYTES // (spec.channels * spec.width * spec.item_bytes))
    for start in range(0, spec.height, step):
        stop = min(start + step, spec.height)
        rows = np.stack([part.rows(0, channel, start, stop) for channel in channels])
        slab = Slab(0, 1, start * spec.width, stop * spec.width)
        writer.write(slab, rows.reshape(1, spec.channels, -1))
