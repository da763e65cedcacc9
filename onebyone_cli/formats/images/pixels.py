"""Read the pixels of an image row by row, upright and without alpha."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.file_state import changed
from onebyone_cli.formats.images.headers import guarded, open_image, page_of
from onebyone_cli.formats.images.kinds import suffix_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from onebyone_cli.formats.images.headers import Page

_PIECE_BYTES = 1 << 20


class Pixels(Protocol):
    """The numbers of one picture."""

    def rows(self, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Return rows [start, stop) of one channel: ndarray of shape (stop - start, W)."""


def decode_picture(file: BinaryIO, page: Page, *, indices: bool = False) -> Pixels:
    """Decode the picture of a file.

    `page` is its header from the first reading, with the same `indices`.

    Raises
    ------
    DataError
        If the file is truncated or malformed, or its alpha is not opaque everywhere.
    ReadWriteError
        If the header has changed.
    """
    path = page.path
    if suffix_of(path) == ".png":
        check_png(file, path)
    with guarded(path):
        file.seek(0)
        image = open_image(file, path)
        if page_of(image, path, indices=indices) != page:
            raise changed(path)
        return _pixels(image, page)


def _pixels(image: ImageFile, page: Page) -> Pixels:
    described = image.mode, image.size
    image.load()
    if (image.mode, image.size) != described:
        raise DataError(
            f"is decoded to {image.mode} of {image.height}×{image.width} pixels, and its header "
            "says otherwise; save it again",
            page.path,
        )
    pixels = _DecodedPixels(image, page)
    if page.numbers.has_alpha:
        pixels.check_opaque()
    return pixels


class _DecodedPixels:
    """A picture decoded by Pillow, read in pieces: a whole copy would double the memory."""

    def __init__(self, image: ImageFile, page: Page) -> None:
        self._image = image
        self._page = page

    def rows(self, channel: int, start: int, stop: int) -> NDArray[Any]:
        page = self._page

        def read(top: int, left: int, bottom: int, right: int) -> NDArray[Any]:
            return self._read(channel, (left, top, right, bottom))

        return page.orientation.rows(start, stop, page.stored, read)

    def check_opaque(self) -> None:
        """Raise `DataError` unless the alpha is 255 everywhere."""
        import numpy as np

        height, width = self._page.stored
        step = max(1, _PIECE_BYTES // (4 * width))
        left_out = 0
        for top in range(0, height, step):
            box = (0, top, width, min(top + step, height))
            left_out += int(np.count_nonzero(self._read(self._page.numbers.channels, box) < 255))
        if left_out:
            raise DataError(
                f"has an alpha channel that is not opaque in {left_out} of {height * width} "
                "pixels; remove it, or save each channel as an image of its own",
                self._page.path,
            )

    def _read(self, band: int, box: tuple[int, int, int, int]) -> NDArray[Any]:
        """Read a band within left, top, right and bottom, as stored."""
        import numpy as np

        with guarded(self._page.path):
            piece = self._image.crop(box)
            if len(piece.getbands()) > 1:
                piece = piece.getchannel(band)
            if piece.mode == "1":
                # As an array, Pillow's bits would be bytes of 0 and 255.
                bits: NDArray[Any] = np.asarray(piece.convert("L")) != 0
                return bits
            return np.asarray(piece).astype(self._page.numbers.dtype, copy=False)


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
