"""Write Netpbm images to files and pipes; the items of a batch follow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.commit import targets
from onebyone_cli.errors import UsageError
from onebyone_cli.formats.arrays.layout import PIECE_BYTES, ordered_layout
from onebyone_cli.formats.arrays.target import array_writer
from onebyone_cli.formats.netpbm.header import format_header
from onebyone_cli.formats.netpbm.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.writer import Planes, StreamWriter, Target, Writer
    from onebyone_cli.spec import StackSpec

_MAXVAL = {"bool": 1, "uint8": 255, "uint16": 65535}


def make_writer(target: Target, spec: StackSpec) -> Writer | StreamWriter:
    """Make the writer of an image, or of images one after another for a batch.

    Raises
    ------
    UsageError
        If such an image can't hold the result.
    """
    if target.path.endswith("/"):
        raise UsageError(f"'{target.path}' is a folder; give each image of it a name")
    kind = kind_of(target, spec)
    maxval = _MAXVAL.get(spec.dtype, 0)
    header = format_header(kind.name, spec.height, spec.width, spec.channels, maxval)
    stored = ordered_layout(spec, "HWC", big_endian=kind.name != "pfm")
    if spec.items == 1 and kind.name not in ("pbm", "pfm"):
        return array_writer(target, stored, header, kind.name)
    from onebyone_cli.formats.arrays.pipe_writers import FileInOrderWriter, PipeWriter

    is_pipe = target.path == "-" or targets.is_special(target.path)
    pieces = {"pbm": _bits, "pfm": _upwards}.get(kind.name)
    if is_pipe:
        return PipeWriter(target, stored, b"", item_header=header, pieces=pieces)
    targets.check_space(target.path, spec.data_bytes // (8 if kind.name == "pbm" else 1))
    return FileInOrderWriter(target, stored, b"", item_header=header, pieces=pieces)


def _rows(result: Planes) -> int:
    """Return the rows of a piece."""
    spec = result.spec
    return max(1, PIECE_BYTES // (spec.width * spec.channels * spec.item_bytes))


def _bits(result: Planes, item: int, stored: ArrayLayout) -> Iterator[NDArray[Any]]:
    """Yield rows of bits, of which eight share a byte; 1 is black."""
    import numpy as np

    step = _rows(result)
    for start in range(0, result.spec.height, step):
        white = result.rows(item, 0, start, min(start + step, result.spec.height))
        yield np.packbits(~white, axis=1)


def _upwards(result: Planes, item: int, stored: ArrayLayout) -> Iterator[NDArray[Any]]:
    """Yield rows from the bottom to the top."""
    import numpy as np

    step, channels = _rows(result), range(result.spec.channels)
    for stop in range(result.spec.height, 0, -step):
        start = max(0, stop - step)
        rows = [result.rows(item, channel, start, stop)[::-1] for channel in channels]
        yield np.stack(rows, axis=-1).astype(stored.dtype, copy=False)
