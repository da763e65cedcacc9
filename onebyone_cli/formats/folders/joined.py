"""Read the files of a folder as one stack: channel after channel.

Each has a reader of its own. Where all can be read at any place, so can the stack.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError, setting
from onebyone_cli.formats.arrays.layout import plain_layout
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.contracts.metadata import Metadata, Part, joined_metadata
from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.formats.folders.contents import notes_beside
from onebyone_cli.formats.folders.naming import channel_names, stem_of, wavelengths_in
from onebyone_cli.system.open_files import allow_files
from onebyone_cli.units import count, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.reader import Source
    from onebyone_cli.formats.folders.contents import Contents
    from onebyone_cli.spec import PixelGrid, Slab, StackSpec

#: Rows of a channel are passed on in pieces of this size.
_PIECE_BYTES = 1 << 20


def join_files(
    source: Source,
    contents: Contents,
    open_one: Callable[[Source], Reader | StreamReader],
    titles: Mapping[str, str],
) -> Reader | StreamReader:
    """Open the files of a folder as one stack; reads headers only.

    `open_one` opens a file, and `titles` are names of kinds of files by suffix. Each file has its
    share of `source.memory`, so that all are read at any place. Where a strip of one does not fit
    its share, files are read one after another, each with all of it.

    Raises
    ------
    DataError
        If a file is malformed, or files differ in channels or type.
    ShapeMismatchError
        If two files differ in height or width.
    UsageError
        If a strip or tile does not fit `source.memory`.
    """
    allow_files(len(contents.images))
    share = source._replace(memory=source.memory // len(contents.images))
    try:
        readers = _opened(share, contents.images, open_one)
    except UsageError:
        readers = []
    if readers and all(isinstance(each, Reader) for each in readers):
        found = [each for each in readers if isinstance(each, Reader)]
        return JoinedReader(found, _about(source, contents, found, titles))
    for each in readers:
        each.close()
    readers = _opened(source, contents.images, open_one)
    return JoinedStream(readers, _about(source, contents, readers, titles))


def _opened(
    source: Source, paths: Sequence[str], open_one: Callable[[Source], Reader | StreamReader]
) -> list[Reader | StreamReader]:
    with ExitStack() as opened:
        readers = []
        for path in paths:
            readers.append(open_one(source._replace(path=path)))
            opened.callback(readers[-1].close)
        _check_agreement(readers)
        opened.pop_all()
    return readers


def _check_agreement(readers: Sequence[Reader | StreamReader]) -> None:
    """Check that files have one size, one number of channels, and one type."""
    first = readers[0]
    for each in readers[1:]:
        here, there = each.spec, first.spec
        if (here.height, here.width) != (there.height, there.width):
            raise ShapeMismatchError(
                f"has {here.height}×{here.width} pixels (height×width) and {first.path} has "
                f"{there.height}×{there.width}; all channels must have the same height and width",
                each.path,
            )
    kinds = Counter(each.spec for each in readers)
    if len(kinds) == 1:
        return
    usual = max(kinds, key=lambda kind: kinds[kind])  # the first of equals
    odd = next(each for each in readers if each.spec != usual)
    like = next(each for each in readers if each.spec == usual)
    others = f"{kinds[usual]} others have" if kinds[usual] > 1 else f"{like.path} has"
    raise DataError(
        f"has {_described(odd.spec)}, and {others} {_described(usual)}; move it away, or name the "
        "images as inputs to stack them as they are",
        odd.path,
    )


def _described(spec: StackSpec) -> str:
    batch = "".join(f"{size}×" for size in spec.batch)
    return f"{batch}{count(spec.channels, 'channel')} of {spec.dtype}"


def _about(
    source: Source,
    contents: Contents,
    readers: Sequence[Reader | StreamReader],
    titles: Mapping[str, str],
) -> About:
    files = contents.images
    spec = _joined_spec(readers)
    kinds = " and ".join(dict.fromkeys(titles[os.path.splitext(each)[1].lower()] for each in files))
    filters = {each.about.container.filters for each in readers if each.about.container}
    said = _metadata(files, readers)
    return About(
        source.path,
        (source.path, *files),
        container=Container(
            f"folder of {count(len(files), f'{kinds} image')}",
            spec.shape,
            "N" * len(spec.batch) + "CHW",
            filters=filters.pop() if len(filters) == 1 else (),
        ),
        load_metadata=lambda: said,
        notes=tuple(_notes(contents, readers)),
        masks=tuple(mask for each in readers for mask in each.about.masks),
    )


def _notes(contents: Contents, readers: Sequence[Reader | StreamReader]) -> Iterator[str]:
    """Return the notes on files, each once with their names."""
    every: dict[str, list[str]] = {}
    for path, each in zip(contents.images, readers, strict=True):
        for note in each.about.notes:
            every.setdefault(note, []).append(os.path.basename(path))
    for note, names in every.items():
        yield note if len(names) == len(readers) else f"{note}: {listed('{}', '{}', names)}"
    yield from notes_beside(contents.beside)


def _metadata(files: Sequence[str], readers: Sequence[Reader | StreamReader]) -> Metadata:
    """Join what files say; where each is a channel, their names are those of the channels."""
    parts = [Part(each.path, each.spec.channels, each.about.metadata) for each in readers]
    if any(part.channels > 1 for part in parts):
        return joined_metadata(parts)
    said = joined_metadata(
        [part._replace(metadata=part.metadata._replace(channels=())) for part in parts]
    )
    names = channel_names(files)
    if said.wavelengths:
        return said._replace(channels=names)
    wavelengths = wavelengths_in([stem_of(path) for path in files])
    unit = "nm" if wavelengths else said.wavelength_unit
    return said._replace(channels=names, wavelengths=wavelengths, wavelength_unit=unit)


def _joined_spec(readers: Sequence[Reader | StreamReader]) -> StackSpec:
    return readers[0].spec._replace(channels=sum(each.spec.channels for each in readers))


class JoinedReader(Reader):
    """Read slabs of several files, which agree; closed with this reader."""

    def __init__(self, readers: Sequence[Reader], about: About) -> None:
        self.about = about
        self.spec = _joined_spec(readers)
        self.scratch_bytes = max(each.scratch_bytes for each in readers)
        self.cache_bytes = sum(each.cache_bytes for each in readers)
        self.chunk_shape = readers[0].chunk_shape
        self._readers = readers
        self._each = readers[0].spec.channels

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        self.read_channels(slab, 0, self.spec.channels, out, scratch)

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; see `Reader.read_channels`."""
        for reader, start, stop, place in self._touching(first, last):
            if stop - start == self._each:
                reader.read(slab, out[:, place], scratch)
            else:
                reader.read_channels(slab, start, stop, out[:, place], scratch)

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a sparse grid of pixels; see `Reader.read_grid`."""
        for at, channel in enumerate(grid.channels):
            number, inside = divmod(channel, self._each)
            one = grid._replace(channels=[inside])
            self._readers[number].read_grid(one, out[at : at + 1], scratch)

    def _touching(self, first: int, last: int) -> Iterator[tuple[Reader, int, int, slice]]:
        """Yield files, the channels of each, and their place among those wanted."""
        for number in range(first // self._each, -(-last // self._each)):
            before = number * self._each
            start, stop = max(first, before), min(last, before + self._each)
            place = slice(start - first, stop - first)
            yield self._readers[number], start - before, stop - before, place

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if a file has changed since it was opened."""
        for each in self._readers:
            each.check_unchanged()

    def close(self) -> None:
        """Close all files."""
        for each in self._readers:
            each.close()


class JoinedStream(StreamReader):
    """Read several files one after another, which agree; closed with this reader.

    Raises
    ------
    UsageError
        If the strips of one are too large to be read channel by channel.
    """

    def __init__(self, readers: Sequence[Reader | StreamReader], about: About) -> None:
        self.about = about
        self.spec = _joined_spec(readers)
        self.stored = plain_layout(self.spec)
        self._readers = readers
        row = self.spec.width * self.spec.item_bytes
        self._rows = max(1, _PIECE_BYTES // row)
        self.buffer_bytes = max(map(_memory, readers)) + min(self._rows, self.spec.height) * row
        for each in readers:
            if self.spec.batch or (isinstance(each, StreamReader) and not each.stored.is_plain):
                self.close()
                if isinstance(each, StreamReader) and not each.stored.is_plain:
                    raise DataError(
                        "has the channels of each pixel together, as text; save it as a binary "
                        "image to read it with others of its folder",
                        each.path,
                    )
                raise UsageError(
                    "its strips or tiles take more memory to read than is set aside for that; use "
                    f"a larger {setting('memory')}, or save it with smaller ones",
                    each.path,
                )

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Pass on one file after another; see `StreamReader.drain`."""
        self.drain_some(range(self.spec.channels), write)

    def drain_some(self, channels: Sequence[int], write: Callable[[memoryview], None]) -> bool:
        """Pass on the files that have some of the channels; see `StreamReader.drain_some`."""
        wanted, done = set(channels), 0
        for each in self._readers:
            own = [at for at in range(each.spec.channels) if done + at in wanted]
            done += each.spec.channels
            if own and isinstance(each, StreamReader):
                _drain_stream(each, own, write)
            elif own and isinstance(each, Reader):
                self._drain(each, own, write)
            each.close()
        return True

    def _drain(
        self, reader: Reader, channels: Sequence[int], write: Callable[[memoryview], None]
    ) -> None:
        import numpy as np

        from onebyone_cli.spec import Slab

        spec, scratch = reader.spec, np.empty(reader.scratch_bytes, np.uint8)
        dtype = self.stored.dtype
        for channel in channels:
            for row in range(0, spec.height, self._rows):
                last = min(row + self._rows, spec.height)
                slab = Slab(0, 1, row * spec.width, last * spec.width)
                piece = np.empty((1, 1, slab.pixels), dtype)
                reader.read_channels(slab, channel, channel + 1, piece, scratch)
                write(piece.data.cast("B"))
        reader.check_unchanged()

    def close(self) -> None:
        """Close all files."""
        for each in self._readers:
            each.close()


def _drain_stream(
    reader: StreamReader, channels: Sequence[int], write: Callable[[memoryview], None]
) -> None:
    """Drain some channels, or all where `drain_some` of the reader can't leave any out."""
    if len(channels) == reader.spec.channels:
        reader.drain(write)
        return
    if not reader.drain_some(channels, write):
        plane, position = reader.spec.pixels * reader.spec.item_bytes, 0

        def pick(piece: memoryview) -> None:
            nonlocal position
            data = piece.cast("B")
            for channel in channels:
                first = max(channel * plane - position, 0)
                last = min((channel + 1) * plane - position, len(data))
                if first < last:
                    write(data[first:last])
            position += len(data)

        reader.drain(pick)


def _memory(reader: Reader | StreamReader) -> int:
    if isinstance(reader, StreamReader):
        return reader.buffer_bytes
    return reader.cache_bytes + reader.scratch_bytes
