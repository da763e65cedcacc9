"""Read images and folders of images."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    ReadWriteError,
    ShapeMismatchError,
    UsageError,
    open_error,
    setting,
)
from onebyone_cli.formats.arrays.file_state import file_state
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.contracts.reader import Source, StreamReader
from onebyone_cli.formats.images.headers import open_file, read_pages
from onebyone_cli.formats.images.kinds import FAMILIES, TITLES, natural_key, suffix_of
from onebyone_cli.spec import StackSpec
from onebyone_cli.units import count, format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.file_state import FileState
    from onebyone_cli.formats.images.headers import Page
    from onebyone_cli.formats.images.pixels import Pixels

#: Files that desktops create in folders.
_LEFTOVERS = ("thumbs.db", "desktop.ini")

#: Size of the pieces in which pixels are copied from a decoded image.
_PIECE_BYTES = 1 << 20


def list_folder(folder: str) -> list[str]:
    """List the images of a folder in natural order.

    Hidden files and files of desktops are skipped. Other files that are not images are refused: one
    could be a channel with a misspelt suffix.
    """
    try:
        with os.scandir(folder) as entries:
            found = [e for e in entries if not e.name.startswith(".")]
    except OSError as error:
        raise open_error(folder, error) from error
    found.sort(key=lambda entry: natural_key(entry.name))
    images = []
    for entry in found:
        if entry.name.lower() in _LEFTOVERS:
            continue
        path = os.path.join(folder, entry.name)
        if entry.is_dir():
            raise DataError(
                "is a folder within a folder of images; move it away, or name it as an input of "
                "its own",
                path,
            )
        if suffix_of(entry.name) not in FAMILIES:
            raise DataError(
                f"is in a folder of images and has another suffix than {', '.join(FAMILIES)}; "
                "move it away",
                path,
            )
        images.append(path)
    if not images:
        raise DataError("is a folder without images", folder)
    return images


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _title(pages: Sequence[Page], is_folder: bool) -> str:
    """Describe the input, as in ``folder of 50 PNG images``."""
    kinds = " and ".join(dict.fromkeys(TITLES[suffix_of(page.path)] for page in pages))
    if is_folder:
        return f"folder of {count(len({page.path for page in pages}), f'{kinds} image')}"
    return f"{kinds} image" + (f" of {len(pages)} pages" if len(pages) > 1 else "")


class ImagesReader(StreamReader):
    """Read images as one stack, decoded one at a time. `images` are its files in channel order.

    The layout of the source is ignored: an image defines where its channels are.

    Raises
    ------
    InputMissingError
        If a file can't be opened.
    DataError
        If a file is malformed, or its numbers can't be read as they are stored.
    ShapeMismatchError
        If two images differ in height or width.
    UsageError
        If one decoded image exceeds the memory budget.
    """

    def __init__(self, source: Source, images: Sequence[str]) -> None:
        from onebyone_cli.formats.arrays.layout import plain_layout

        folder = (source.path,) if source.path not in images else ()
        self._pages: list[Page] = []
        self._opened: dict[str, FileState] = {}
        for path in images:
            with open_file(path) as file:
                self._opened[path] = file_state(file.fileno())
                for page in read_pages(file, path):
                    _check_same_size(self._pages, page)
                    self._pages.append(page)
        self.spec = _stacked_spec(self._pages)
        self.stored = plain_layout(self.spec)
        named = len(images) == self.spec.channels > 1
        said = Metadata(channels=tuple(map(_stem, images)) if named else ())
        self.about = About(
            source.path,
            (*folder, *images),
            container=Container(_title(self._pages, bool(folder)), self.spec.shape, "CHW"),
            load_metadata=lambda: said,
        )
        decoding = max(self._pages, key=lambda page: page.numbers.decode_bytes)
        self.buffer_bytes = decoding.numbers.decode_bytes + self._piece_bytes()
        _check_memory(decoding, self.buffer_bytes, source.memory)

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Decode one image after the other."""
        for path, pages in groupby(self._pages, key=lambda page: page.path):
            # A call of its own, after which nothing refers to the image.
            self._drain_file(path, list(pages), write)

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def _drain_file(
        self, path: str, pages: Sequence[Page], write: Callable[[memoryview], None]
    ) -> None:
        from onebyone_cli.formats.images.pixels import iter_pixels

        with _reopened(path) as file:
            self._opened[path].check(file.fileno(), path)
            for page, pixels in iter_pixels(file, pages):
                for piece in self._pieces(page, pixels):
                    write(piece.data.cast("B"))
            self._opened[path].check(file.fileno(), path)

    def _pieces(self, page: Page, pixels: Pixels) -> Iterator[NDArray[Any]]:
        """Yield the rows of one channel after the other, in the type of the stack."""
        import numpy as np

        dtype = np.dtype(self.spec.dtype).newbyteorder("<")
        step = self._piece_rows()
        for channel in range(page.numbers.channels):
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


def _check_same_size(pages: Sequence[Page], other: Page) -> None:
    if not pages:
        return
    first = pages[0]
    if (first.height, first.width) != (other.height, other.width):
        raise ShapeMismatchError(
            f"has {other.height}×{other.width} pixels (height×width) and {first.name} has "
            f"{first.height}×{first.width}; all channels must have the same height and width",
            other.name,
        )


def _stacked_spec(pages: Sequence[Page]) -> StackSpec:
    """Return the shape of all pictures, in the smallest type that holds all numbers exactly."""
    import numpy as np

    dtype = np.result_type(*{page.numbers.dtype for page in pages}).name
    channels = sum(page.numbers.channels for page in pages)
    return StackSpec(channels, pages[0].height, pages[0].width, dtype)


def _check_memory(page: Page, needed: int, allowed: int) -> None:
    if needed > allowed:
        raise UsageError(
            f"decoding its {page.height}×{page.width} pixels takes {format_bytes(needed)} of "
            f"memory, and {format_bytes(allowed)} are allowed; "
            f"use a larger {setting('memory')}",
            page.name,
        )
