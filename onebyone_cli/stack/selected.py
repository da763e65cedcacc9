"""Readers of selected channels of other readers."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.arrays.layout import PIECE_BYTES, SCRATCH_BYTES
from onebyone_cli.formats.contracts.metadata import selected_metadata
from onebyone_cli.formats.contracts.reader import Reader, Series, StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.spec import PixelGrid, Slab, StackSpec
    from onebyone_cli.stack.selection import Selection


def select(
    readers: Sequence[Reader | StreamReader], selection: Selection | None
) -> list[Reader | StreamReader]:
    """Make readers of the selected channels of a stack, in the order of the selection.

    The caller closes `readers`, the inputs in channel order. Raises `UsageError` as
    `Selection.indices`, or if channels of a pipe are selected in another order than theirs.
    """
    if selection is None:
        return list(readers)

    def load() -> Metadata:
        from onebyone_cli.stack.stack import stacked_metadata

        return stacked_metadata(readers)

    total = sum(reader.spec.channels for reader in readers)
    channels = selection.indices(total, load)
    found = select_channels(readers, channels, selection.text)
    if len(readers) == 1:
        return found
    done, named = 0, []
    for reader in found:
        own = channels[done : done + reader.spec.channels]
        named.append(_with_names(reader, readers, own))
        done += len(own)
    return named


def _with_names(
    reader: Reader | StreamReader, readers: Sequence[Reader | StreamReader], channels: list[int]
) -> Reader | StreamReader:
    """Keep the names that channels have in the whole stack."""
    if not isinstance(reader, SelectedReader | SelectedStream):
        every = range(reader.spec.channels)
        if isinstance(reader, StreamReader):
            reader = SelectedStream(reader, every)
        else:
            reader = SelectedReader(reader, every)
    about = reader.about

    def load() -> Metadata:
        from onebyone_cli.stack.stack import channel_names

        names = channel_names(readers)
        return about.metadata._replace(channels=tuple(names[at] for at in channels if names))

    reader.about = about._replace(load_metadata=load)
    return reader


def select_channels(
    readers: Sequence[Reader | StreamReader], channels: Sequence[int], text: str = ""
) -> list[Reader | StreamReader]:
    """Make readers of channels of a stack, counted through all readers.

    The caller closes `readers`. Raises `UsageError`, which names the selection `text`, if channels
    of a pipe are apart from each other.
    """
    owners = [(at, own) for at, reader in enumerate(readers) for own in range(reader.spec.channels)]
    runs: list[tuple[int, list[int]]] = []
    for channel in channels:
        at, own = owners[channel]
        if runs and runs[-1][0] == at:
            runs[-1][1].append(own)
        else:
            runs.append((at, [own]))
    streams = [at for at, _ in runs if isinstance(readers[at], StreamReader)]
    if len(streams) > len(set(streams)):
        raise _out_of_order(text, readers[streams[0]].path)
    return [_selected(readers[at], own) for at, own in runs]


def _selected(reader: Reader | StreamReader, channels: list[int]) -> Reader | StreamReader:
    if channels == list(range(reader.spec.channels)):
        return reader
    if isinstance(reader, SelectedReader):
        return reader.among(channels)
    if isinstance(reader, Reader):
        return SelectedReader(reader, channels)
    if isinstance(reader, SelectedStream):
        return reader.among(channels)
    return SelectedStream(reader, channels)


def _out_of_order(text: str, path: str) -> UsageError:
    return UsageError(
        f"{setting('channels', text)}: {path} is read once; name its channels side by side"
    )


def _described(reader: Reader | StreamReader, channels: Sequence[int]) -> About:
    about, chosen, total = reader.about, tuple(channels), reader.spec.channels
    stored = tuple(about.selected[channel] for channel in chosen) if about.selected else chosen
    return about._replace(
        selected=stored, load_metadata=lambda: selected_metadata(about.metadata, chosen, total)
    )


class SelectedReader(Reader):
    """Some channels of another reader, in any order.

    Where the channels of a pixel are adjacent, and where a reader reads all channels anyway, all
    between the first and the last are read, a few pixels at a time.
    """

    def __init__(self, reader: Reader, channels: Sequence[int]) -> None:
        self.spec = reader.spec._replace(channels=len(channels))
        self.about = _described(reader, channels)
        self._reader = reader
        self._channels = list(channels)
        self._runs = list(_runs(self._channels))
        self._first, self._last = min(channels), max(channels) + 1
        self._gathers = len(self._runs) > 1 and _reads_all(reader)
        self.cache_bytes, self.chunk_shape = reader.cache_bytes, reader.chunk_shape
        self.scratch_bytes = reader.scratch_bytes + SCRATCH_BYTES * self._gathers

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab of the channels; see `Reader.read`."""
        if self._gathers:
            self._gather(slab, out, scratch)
            return
        for at, first, last in self._runs:
            place = out[:, at : at + last - first]
            self._reader.read_channels(slab, first, last, place, scratch)

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some of the channels; see `Reader.read_channels`."""
        self.among(range(first, last)).read(slab, out, scratch)

    def among(self, channels: Sequence[int]) -> SelectedReader:
        """Return a reader of some of these channels, in the order given."""
        found = SelectedReader(self._reader, [self._channels[channel] for channel in channels])
        found.about = _described(self, channels)
        return found

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read some pixels of some of the channels; see `Reader.read_grid`."""
        own = [self._channels[channel] for channel in grid.channels]
        self._reader.read_grid(grid._replace(channels=own), out, scratch)

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file was changed since it was opened."""
        self._reader.check_unchanged()

    def abandon(self) -> None:
        """Cancel pending reads after a failure."""
        self._reader.abandon()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _gather(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        span = self._last - self._first
        room, scratch = scratch[-SCRATCH_BYTES:], scratch[:-SCRATCH_BYTES]
        numbers = room[: SCRATCH_BYTES // out.itemsize * out.itemsize].view(out.dtype)
        step = max(1, numbers.size // span)
        wanted = [channel - self._first for channel in self._channels]
        for item in range(slab.items):
            for start in range(0, slab.pixels, step):
                stop = min(start + step, slab.pixels)
                part = slab._replace(
                    item=slab.item + item,
                    items=1,
                    start=slab.start + start,
                    stop=slab.start + stop,
                )
                piece = numbers[: span * (stop - start)].reshape(1, span, stop - start)
                self._reader.read_channels(part, self._first, self._last, piece, scratch)
                out[item, :, start:stop] = piece[0, wanted]


def _reads_all(reader: Reader) -> bool:
    """Return whether reading one channel takes as long as reading those beside it."""
    if type(reader).read_channels is Reader.read_channels:
        return True
    layout = getattr(reader, "layout", None)
    if layout is None:
        return False
    *_, channel, _, column = layout.strides
    return bool(channel < column * layout.spec.width)


def _runs(channels: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Group consecutive channels: index of the first, the first, one after the last."""
    start = 0
    for at in range(1, len(channels) + 1):
        if at == len(channels) or channels[at] != channels[at - 1] + 1:
            yield start, channels[start], channels[at - 1] + 1
            start = at


class SelectedStream(StreamReader):
    """Some channels of a stream, in any order; the others are dropped.

    They are drained in the order of the stream, and put into their own when they are read.
    """

    def __init__(self, reader: StreamReader, channels: Sequence[int]) -> None:
        self.spec = reader.spec._replace(channels=len(channels))
        self.about = _described(reader, channels)
        self._reader = reader
        self._order = list(channels)
        self._channels = sorted(channels)
        self.run_pixels = reader.run_pixels
        self.scratch_bytes = 2 * SCRATCH_BYTES * (self._order != self._channels)
        stored = reader.stored
        # The stream is an array of records of all channels, each with a run of bytes.
        self._run_bytes = _inner_bytes(stored)
        self._record_bytes = self._run_bytes * stored.spec.channels
        self._gathers = self._record_bytes <= PIECE_BYTES
        self.stored = stored._replace(
            spec=self.spec, strides=_packed(stored, self.spec), offset=0, shape=()
        )
        self.buffer_bytes = reader.buffer_bytes + 2 * PIECE_BYTES * self._gathers

    @property
    def run_channels(self) -> int:
        """Number of channels of a run, selected or not."""
        return self._reader.run_channels

    def among(self, channels: Sequence[int]) -> SelectedStream:
        """Return a stream of some of these channels, in the order given."""
        found = SelectedStream(self._reader, [self._order[channel] for channel in channels])
        found.about = _described(self, channels)
        return found

    def held(self, reader: Reader) -> Reader:
        """Return the drained channels in their order; see `StreamReader.held`."""
        if self._order == self._channels:
            return reader
        found = SelectedReader(reader, [self._channels.index(channel) for channel in self._order])
        found.about = self.about
        return found

    def slabs(self, channels: Sequence[int] = ()) -> Reader:
        """Return a reader of slabs of the channels; see `StreamReader.slabs`."""
        found = self._reader.slabs([self._order[at] for at in channels] or self._order)
        found.about = self.about
        return found

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Pass on the numbers of the channels; see `StreamReader.drain`."""
        if self._reader.drain_some(self._channels, write):
            return
        keep = self._records(write) if self._gathers else self._cut(write)
        next(keep)
        self._reader.drain(keep.send)

    def _records(self, write: Callable[[memoryview], None]) -> Generator[None, memoryview, None]:
        """Collect whole records, and pass on the channels of each."""
        import numpy as np

        size = self._record_bytes
        room = bytearray(PIECE_BYTES // size * size)
        held = 0
        while True:
            data = yield
            while data:
                count = min(len(data), len(room) - held)
                room[held : held + count] = data[:count]
                held, data = held + count, data[count:]
                whole = held // size * size
                if not whole:
                    continue
                records = np.frombuffer(room, np.uint8, whole).reshape(
                    -1, size // self._run_bytes, self._run_bytes
                )
                write(np.ascontiguousarray(records[:, self._channels]).reshape(-1).data)
                room[: held - whole] = room[whole:held]
                held -= whole

    def _cut(self, write: Callable[[memoryview], None]) -> Generator[None, memoryview, None]:
        """Pass on long runs of the channels as they come."""
        chosen, at = set(self._channels), 0
        while True:
            data = yield
            while data:
                run, done = divmod(at, self._run_bytes)
                piece = data[: self._run_bytes - done]
                if run % self._reader.spec.channels in chosen:
                    write(piece)
                at, data = at + len(piece), data[len(piece) :]

    def close(self) -> None:
        """Close the stream."""
        self._reader.close()


def _inner_bytes(stored: ArrayLayout) -> int:
    """Count the consecutive bytes of one channel."""
    *batch, channel, height, width = stored.strides
    spec = stored.spec
    sizes = zip((*batch, height, width), (*spec.batch, spec.height, spec.width), strict=True)
    return stored.item_bytes * prod(size for stride, size in sizes if stride < channel)


def _packed(stored: ArrayLayout, spec: StackSpec) -> tuple[int, ...]:
    """Return strides for fewer channels, with the axes in the order of the stored array."""
    strides = list(stored.strides)
    step = stored.item_bytes
    # An axis of one number may have any stride, so the size sorts equal strides.
    for axis in sorted(range(len(strides)), key=lambda at: (strides[at], stored.spec.shape[at])):
        strides[axis], step = step, step * spec.shape[axis]
    return tuple(strides)


class SelectedSeries(Series):
    """Some channels of each of the stacks that follow each other in a stream."""

    def __init__(self, series: Series, selection: Selection) -> None:
        self.path = series.path
        self._series, self._selection = series, selection

    def __iter__(self) -> Iterator[Reader | StreamReader]:
        for reader in self._series:
            yield select([reader], self._selection)[0]

    def close(self) -> None:
        """Close the stream."""
        self._series.close()
