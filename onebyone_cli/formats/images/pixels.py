"""Read the pixels of an image as they are stored, row by row."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from onebyone_cli.errors import DataError, ReadWriteError
from onebyone_cli.formats.arrays.file_state import changed
from onebyone_cli.formats.images.headers import guarded, open_image, page_of
from onebyone_cli.formats.images.kinds import suffix_of
from onebyone_cli.formats.images.libtiff_errors import libtiff_heard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from onebyone_cli.formats.images.headers import Page

_PIECE_BYTES = 1 << 20


class Pixels(Protocol):
    """The numbers of one picture."""

    def rows(self, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Return rows [start, stop) of one channel: ndarray of shape (stop - start, W)."""


def iter_pixels(file: BinaryIO, pages: Sequence[Page]) -> Iterator[tuple[Page, Pixels]]:
    """Decode pictures of one file, one at a time.

    `pages` are their headers from the first reading.

    Raises
    ------
    DataError
        If the file is truncated or malformed.
    ReadWriteError
        If the headers have changed.
    """
    path = pages[0].path
    if suffix_of(path) == ".png":
        check_png(file, path)
    with guarded(path):
        file.seek(0)
        image = open_image(file, path)
    for page in pages:
        with guarded(path):
            image.seek(page.index)
            if page_of(image, path, page.index, page.pages) != page:
                raise changed(path)
            pixels = _pixels(file, image, page)
        yield page, pixels


def _pixels(file: BinaryIO, image: ImageFile, page: Page) -> Pixels:
    if page.numbers.raw_offset:
        return _PlainPixels(file, page)
    if image.tile and image.tile[0][0] == "libtiff":
        with libtiff_heard(page.name):
            image.load()
    else:
        image.load()
    return _DecodedPixels(image, page)


class _DecodedPixels:
    """A picture decoded by Pillow, read in pieces: a whole copy would double the memory."""

    def __init__(self, image: ImageFile, page: Page) -> None:
        self._image = image
        self._page = page

    def rows(self, channel: int, start: int, stop: int) -> NDArray[Any]:
        import numpy as np

        with guarded(self._page.path):
            piece = self._image.crop((0, start, self._page.width, stop))
            if piece.mode == "RGB":
                piece = piece.getchannel(channel)
            if piece.mode == "1":
                # As an array, Pillow's bits would be bytes of 0 and 255.
                bits: NDArray[Any] = np.asarray(piece.convert("L")) != 0
                return bits
            # Pillow reads int16 and uint32 as int32, and int8 as uint8; the cast restores the bits.
            return np.asarray(piece).astype(self._page.numbers.dtype, copy=False)


class _PlainPixels:
    """Uncompressed numbers, pixel by pixel."""

    def __init__(self, file: BinaryIO, page: Page) -> None:
        self._file = file
        self._page = page

    def rows(self, channel: int, start: int, stop: int) -> NDArray[Any]:
        import numpy as np

        page, numbers = self._page, self._page.numbers
        item = np.dtype(numbers.raw_item)
        row_bytes = page.width * numbers.channels * item.itemsize
        with guarded(page.path):
            self._file.seek(numbers.raw_offset + start * row_bytes)
            data = self._file.read((stop - start) * row_bytes)
        if len(data) < (stop - start) * row_bytes:
            raise ReadWriteError("became shorter while it was being read; run again", page.path)
        stored = np.frombuffer(data, item).reshape(-1, page.width, numbers.channels)
        return stored[:, :, channel].astype(numbers.dtype)


def check_png(file: BinaryIO, path: str) -> None:
    """Check the sums of all chunks of a PNG: Pillow skips those of the pixels.

    Raises `DataError` if a sum is wrong, or the file is truncated.
    """
    file.seek(8)
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise _cut_off(path)
        left, kind = struct.unpack(">I4s", head)
        found = zlib.crc32(kind)
        while left:
            piece = file.read(min(left, _PIECE_BYTES))
            if not piece:
                raise _cut_off(path)
            found = zlib.crc32(piece, found)
            left -= len(piece)
        if file.read(4) != struct.pack(">I", found):
            raise DataError(
                "is damaged: the checksum of a chunk is wrong; copy or make it again", path
            )
        if kind == b"IEND":
            return


def _cut_off(path: str) -> DataError:
    return DataError("is truncated: it ends within a chunk; copy or make it again", path)
