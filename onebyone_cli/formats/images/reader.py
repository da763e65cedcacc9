"""Read images and folders of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import InputMissingError, ReadWriteError, UsageError, setting
from onebyone_cli.formats.arrays.file_state import file_state
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.contracts.reader import Source, StreamReader
from onebyone_cli.formats.folders.naming import channel_names, stem_of, wavelengths_in
from onebyone_cli.formats.images.agreement import check_agreement
from onebyone_cli.formats.images.headers import open_file, read_page
from onebyone_cli.formats.images.kinds import TITLES, suffix_of
from onebyone_cli.formats.images.notes import notes_of
from onebyone_cli.spec import StackSpec
from onebyone_cli.units import count, format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.file_state import FileState
    from onebyone_cli.formats.folders.contents import Contents
    from onebyone_cli.formats.images.headers import Page
    from onebyone_cli.formats.images.pixels import Pixels

#: Size of the pieces in which pixels are copied from a decoded image.
_PIECE_BYTES = 1 << 20


def _title(pages: Sequence[Page], is_folder: bool) -> str:
    """Describe the input, as in ``folder of 50 PNG images``."""
    kinds = " and ".join(dict.fromkeys(TITLES[suffix_of(page.path)] for page in pages))
    if is_folder:
        return f"folder of {count(len(pages), f'{kinds} image')}"
    return f"{kinds} image"


class ImagesReader(StreamReader):
    """Read an image or a folder of images as one stack, decoded one at a time.

    The layout of the source is ignored: an image defines where its channels are.

    Raises
    ------
    InputMissingError
        If a file can't be opened.
    DataError
        If a file is malformed, its numbers can't be read as they are stored, or images differ in
        channels or type.
    ShapeMismatchError
        If two images differ in height or width.
    UsageError
        If one decoded image exceeds the memory budget.
    """

    def __init__(self, source: Source, contents: Contents, *, is_folder: bool) -> None:
        from onebyone_cli.formats.arrays.layout import plain_layout

        images, beside = contents
        self._indices = source.indices
        self._pages: list[Page] = []
        self._opened: dict[str, FileState] = {}
        for path in images:
            with open_file(path) as file:
                self._opened[path] = file_state(file.fileno())
                self._pages.append(read_page(file, path, indices=source.indices))
        check_agreement(self._pages)
        self.spec = _stacked_spec(self._pages)
        self.stored = plain_layout(self.spec)
        said = _metadata(images, is_folder=is_folder, channels=self.spec.channels)
        self.about = About(
            source.path,
            (*([source.path] if is_folder else []), *images),
            container=Container(_title(self._pages, is_folder), self.spec.shape, "CHW"),
            load_metadata=lambda: said,
            notes=notes_of(self._pages, beside),
        )
        decoding = max(self._pages, key=lambda page: page.numbers.decode_bytes)
        self.buffer_bytes = decoding.numbers.decode_bytes + self._piece_bytes()
        _check_memory(decoding, self.buffer_bytes, source.memory)

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Decode one image after the other."""
        self.drain_some(range(self.spec.channels), write)

    def drain_some(self, channels: Sequence[int], write: Callable[[memoryview], None]) -> bool:
        """Decode the images that have some of the channels; see `StreamReader.drain_some`."""
        wanted, done = set(channels), 0
        for page in self._pages:
            own = [at for at in range(page.numbers.channels) if done + at in wanted]
            done += page.numbers.channels
            if own:
                # A call of its own, after which nothing refers to the image.
                self._drain_file(page, own, write)
        return True

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def _drain_file(
        self, page: Page, channels: Sequence[int], write: Callable[[memoryview], None]
    ) -> None:
        from onebyone_cli.formats.images.pixels import decode_picture

        with _reopened(page.path) as file:
            self._opened[page.path].check(file.fileno(), page.path)
            pixels = decode_picture(file, page, indices=self._indices)
            for piece in self._pieces(page, pixels, channels):
                write(piece.data.cast("B"))
            self._opened[page.path].check(file.fileno(), page.path)

    def _pieces(
        self, page: Page, pixels: Pixels, channels: Sequence[int]
    ) -> Iterator[NDArray[Any]]:
        """Yield the rows of one channel after the other, in the type of the stack."""
        import numpy as np

        dtype = np.dtype(self.spec.dtype).newbyteorder("<")
        step = self._piece_rows()
        for channel in channels:
            for start in range(0, page.height, step):
                rows = pixels.rows(channel, start, min(start + step, page.height))
                yield np.ascontiguousarray(rows, dtype)

    def _piece_rows(self) -> int:
        """Rows of one channel in a piece: as many as fit, and at least one."""
        return max(1, _PIECE_BYTES // (self.spec.width * 8))

    def _piece_bytes(self) -> int:
        # Rows in transit: a crop of up to 6 bytes per pixel, twice, as stored, and in the stack's
        # type.
        rows = min(self._piece_rows(), self.spec.height)
        return rows * self.spec.width * (12 + 2 * 8)


def _reopened(path: str) -> BinaryIO:
    try:
        return open_file(path)
    except InputMissingError as error:
        raise ReadWriteError(
            f"{error.message}; it existed when its header was read", path
        ) from error


def _metadata(images: Sequence[str], *, is_folder: bool, channels: int) -> Metadata:
    """Return what the names of files say, where each file is a channel.

    The name of a single file is no channel name: inputs that are stacked are told apart by theirs.
    """
    if len(images) != channels:
        return Metadata()
    wavelengths = wavelengths_in([stem_of(path) for path in images])
    return Metadata(
        channels=channel_names(images) if is_folder else (),
        wavelengths=wavelengths,
        wavelength_unit="nm" if wavelengths else "",
    )


def _stacked_spec(pages: Sequence[Page]) -> StackSpec:
    """Return the shape of all pictures, which agree."""
    first = pages[0]
    channels = len(pages) * first.numbers.channels
    return StackSpec(channels, first.height, first.width, first.numbers.dtype)


def _check_memory(page: Page, needed: int, allowed: int) -> None:
    if needed > allowed:
        raise UsageError(
            f"decoding its {page.height}×{page.width} pixels takes {format_bytes(needed)} of "
            f"memory, and {format_bytes(allowed)} are allowed; "
            f"use a larger {setting('memory')}",
            page.path,
        )
