"""Pixels of a table, folded to rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import ShapeMismatchError, setting
from onebyone_cli.formats.contracts.reader import Reader, Series, StreamReader
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.spec import Slab, StackSpec

#: Height and width.
Grid = tuple[int, int]


def fold(reader: Reader | StreamReader, grid: Grid | None) -> Reader | StreamReader:
    """Give the pixels of a reader, which are one row, the rows and columns of `grid`.

    A reader of that height and width stays as it is. The caller closes `reader`.

    Raises
    ------
    ShapeMismatchError
        If it has another number of pixels, or rows and columns of its own.
    """
    spec = reader.spec
    if grid is None or grid == (spec.height, spec.width):
        return reader
    asked = setting("grid", "{}x{}".format(*grid))
    if min(spec.height, spec.width) > 1:
        raise ShapeMismatchError(
            f"has {spec.height}×{spec.width} pixels (height×width), and {asked} is for a table of "
            f"pixels; see {setting('layout', 'NC')}",
            reader.path,
        )
    if spec.pixels != grid[0] * grid[1]:
        raise ShapeMismatchError(
            f"has {count(spec.pixels, 'pixel')}, and {asked} is {grid[0] * grid[1]}", reader.path
        )
    folded = spec._replace(height=grid[0], width=grid[1])
    if isinstance(reader, Reader):
        return FoldedReader(reader, folded)
    return FoldedStream(reader, folded)


class FoldedReader(Reader):
    """A reader whose pixels have rows and columns; slabs, in the order of pixels, are the same."""

    def __init__(self, reader: Reader, spec: StackSpec) -> None:
        self.spec, self.about = spec, reader.about
        self.scratch_bytes, self.cache_bytes = reader.scratch_bytes, reader.cache_bytes
        self.layout = getattr(reader, "layout", None)
        self._reader = reader

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        self._reader.read(slab, out, scratch)

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; see `Reader.read_channels`."""
        self._reader.read_channels(slab, first, last, out, scratch)

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file was changed since it was opened."""
        self._reader.check_unchanged()

    def abandon(self) -> None:
        """Cancel pending reads after a failure."""
        self._reader.abandon()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class FoldedStream(StreamReader):
    """A stream whose pixels have rows and columns."""

    def __init__(self, reader: StreamReader, spec: StackSpec) -> None:
        *outer, height, width = reader.stored.strides
        step = width if reader.spec.width > 1 else height
        self.spec, self.about = spec, reader.about
        self.stored = reader.stored._replace(
            spec=spec, strides=(*outer, step * spec.width, step), shape=()
        )
        self.buffer_bytes, self.run_pixels = reader.buffer_bytes, reader.run_pixels
        self.scratch_bytes = reader.scratch_bytes
        self._reader = reader

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Pass all numbers to `write`; see `StreamReader.drain`."""
        self._reader.drain(write)

    @property
    def run_channels(self) -> int:
        """Number of channels of a run."""
        return self._reader.run_channels

    def held(self, reader: Reader) -> Reader:
        """Return a reader of this stack; see `StreamReader.held`."""
        return self._reader.held(reader)

    def slabs(self, channels: Sequence[int] = ()) -> Reader:
        """Return a reader of slabs; see `StreamReader.slabs`."""
        found = self._reader.slabs(channels)
        return FoldedReader(found, self.spec._replace(channels=found.spec.channels))

    def close(self) -> None:
        """Close the stream."""
        self._reader.close()


class FoldedSeries(Series):
    """Stacks that follow each other in a stream, each folded."""

    def __init__(self, series: Series, grid: Grid) -> None:
        self.path = series.path
        self._series, self._grid = series, grid

    def __iter__(self) -> Iterator[Reader | StreamReader]:
        for reader in self._series:
            yield fold(reader, self._grid)

    def close(self) -> None:
        """Close the stream."""
        self._series.close()
