"""Undo the compression of strips and tiles.

Deflate is in the standard library. imagecodecs has the others; without it, Pillow decodes LZW and
PackBits. Facsimile and JPEG are left to Pillow, whose libtiff tells of damage. A segment must
decode to the size that the tags say, or to that of a whole strip where the last is a part of one.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, DependencyMissingError, OneByOneError
from onebyone_cli.formats.tiff.page import compression_name
from onebyone_cli.formats.tiff.tags import (
    DEFLATE,
    FAX,
    JPEG,
    LZMA,
    LZW,
    NO_COMPRESSION,
    OLD_DEFLATE,
    PACKBITS,
    ZSTD,
    Tag,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.formats.tiff.page import Page

#: Those that need nothing else.
_BUILT_IN = (NO_COMPRESSION, DEFLATE, OLD_DEFLATE)

#: Those that Pillow decodes where imagecodecs is missing.
_BY_PILLOW = (LZW, PACKBITS, JPEG)

#: imagecodecs' names of compressions of bytes, and of pictures.
_OF_BYTES = {LZW: "lzw", PACKBITS: "packbits", LZMA: "lzma", ZSTD: "zstd"}
_OF_PICTURES = {
    JPEG: "jpeg8",
    22610: "jpegxr",
    33003: "jpeg2k",
    33005: "jpeg2k",
    34712: "jpeg2k",
    34887: "lerc",
    34933: "png",
    34934: "jpegxr",
    50001: "webp",
    50002: "jpegxl",
    52546: "jpegxl",
}

#: What has decoders of all of them.
INSTALL = "pip install 'onebyone-cli[tiff]'"

#: Bytes with their bits in reverse.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class DamagedError(Exception):
    """A segment can't be decoded; the message says why."""


def check_compression(number: int, where: str) -> None:
    """Check that a compression can be undone.

    Parameters
    ----------
    number : int
        Value of the tag.
    where : str
        The page, for messages.

    Raises
    ------
    DependencyMissingError
        If a library that can is missing.
    DataError
        If none can.
    """
    if number in (*_BUILT_IN, *FAX):
        return
    codec = _OF_BYTES.get(number) or _OF_PICTURES.get(number)
    what = compression_name(number)
    if codec is None:
        raise DataError(
            f"is compressed as {what}, which can't be read here; save it with another "
            "compression, as with gdal_translate -co COMPRESS=DEFLATE",
            where,
        )
    if number not in _BY_PILLOW and not has_codec(codec):
        raise DependencyMissingError(
            f"is compressed as {what}, which needs imagecodecs; install it: {INSTALL}", where
        )


@cache
def has_codec(name: str) -> bool:
    """Return whether imagecodecs is installed with a codec."""
    try:
        import imagecodecs
    except ImportError:
        return False
    return bool(getattr(imagecodecs, name.upper()).available)


def decode(page: Page, data: bytes, rows: int) -> NDArray[Any]:
    """Undo the compression of a segment.

    Parameters
    ----------
    page : Page
    data : bytes
        As stored.
    rows : int
        Of the segment, without padding.

    Returns
    -------
    ndarray
        Of uint8, shape (rows, bytes of a row): as before compression. Of a compression of pictures,
        the numbers: shape (rows, columns, samples).

    Raises
    ------
    DamagedError
        If it can't be decoded, or has another size or number of samples.
    """
    if page.reversed_bits:
        data = data.translate(_REVERSED)
    whole = page.segments.height
    try:
        if page.compression in _OF_PICTURES:
            return _picture(page, data, rows)
        width = page.row_bytes(page.segments.width)
        found = _bytes(page, data, rows, width)
    except (DamagedError, OneByOneError):
        raise
    except Exception as error:  # libraries raise all kinds
        raise DamagedError(_reason(error)) from error
    if len(found) not in (rows * width, whole * width):
        raise DamagedError(f"it has {len(found)} bytes, not {rows * width}")
    return np.frombuffer(found, np.uint8, rows * width).reshape(rows, width)


def _bytes(page: Page, data: bytes, rows: int, width: int) -> Any:
    """Return the bytes of a segment; of too long ones, one more than a whole segment has."""
    number, limit = page.compression, page.segments.height * width + 1
    if number == NO_COMPRESSION:
        return data
    if number in (DEFLATE, OLD_DEFLATE):
        return _inflate(data, limit)
    if number in _OF_BYTES and has_codec(_OF_BYTES[number]):
        import imagecodecs

        return getattr(imagecodecs, f"{_OF_BYTES[number]}_decode")(data, out=limit)
    from onebyone_cli.formats.tiff.by_pillow import decode_bytes, decode_fax

    if number in FAX:
        return decode_fax(page, data, rows)
    return decode_bytes(number, data, rows, width)


def _inflate(data: bytes, limit: int) -> Any:
    """Decode Deflate; imagecodecs takes a third of the time, and zlib takes what it refuses."""
    if has_codec("deflate"):
        import imagecodecs

        with suppress(imagecodecs.DeflateError):
            return imagecodecs.deflate_decode(data, out=limit)
    return zlib.decompressobj().decompress(data, limit)


def _picture(page: Page, data: bytes, rows: int) -> NDArray[Any]:
    """Decode a segment that is a picture of its own."""
    width, samples = page.segments.width, page.together
    read = _reader_of(page)
    for height in dict.fromkeys((rows, page.segments.height)):
        shape = (height, width, samples) if samples > 1 else (height, width)
        try:
            found = read(data, np.empty(shape, page.dtype))
        except ValueError as error:
            reason = _reason(error)
            continue
        if found.shape == shape and found.dtype == page.dtype:
            return found.reshape(height, width, samples)[:rows]
        reason = f"it has {'×'.join(map(str, found.shape))} numbers of {found.dtype}"
    shown = f"{rows}×{width}×{samples}"
    raise DamagedError(f"it does not hold the {shown} {page.dtype} of the tags: {reason}")


def _reader_of(page: Page) -> Callable[[bytes, NDArray[Any]], NDArray[Any]]:
    """Return a function that decodes a picture into an array."""
    name = _OF_PICTURES[page.compression]
    if page.compression == JPEG and page.together in (1, 3) and page.bits == 8:
        from onebyone_cli.formats.tiff.by_pillow import decode_jpeg

        return lambda data, out: decode_jpeg(page, data, out.shape)
    import imagecodecs

    if page.compression != JPEG:
        read = getattr(imagecodecs, f"{name}_decode")
        return lambda data, out: np.asarray(read(data, out=out))
    tables = page.directory.data(Tag.JPEG_TABLES) or None
    return lambda data, out: np.asarray(imagecodecs.jpeg8_decode(data, tables=tables, out=out))


def sums_along_rows(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the running sums along axis 1 of unsigned integers, which wrap around."""
    if has_codec("delta"):
        import imagecodecs

        return np.asarray(imagecodecs.delta_decode(numbers, axis=1))
    return np.add.accumulate(numbers, axis=1, dtype=numbers.dtype)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
