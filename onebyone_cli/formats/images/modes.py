"""Determine the numbers of an image, and refuse those that can't be read exactly.

Pillow reduces many images when it opens them: 16-bit colour samples become 8-bit, palettes and
inverted greys look like numbers, other ranges are stretched. Such images are refused here, before
decoding. An alpha channel of 8 bits is left out, since most are opaque everywhere; `pixels` refuses
others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError, setting
from onebyone_cli.units import count

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_ALPHA = "has an alpha channel; remove it, or save each channel as an image of its own"
_REFUSED_MODES = {
    "CMYK": "is a CMYK image, which is for printing; save it as RGB",
    "YCbCr": "is a YCbCr image; save it as RGB",
    "LAB": "is a Lab image; save it as RGB, or save each channel as an image of its own",
    "HSV": "is an HSV image; save it as RGB, or save each channel as an image of its own",
} | dict.fromkeys(("La", "RGBa", "PA"), _ALPHA)

#: Pillow's bytes per pixel, by mode; 4 for the others.
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}

#: Pillow's modes with an alpha channel behind the others.
_WITH_ALPHA = ("LA", "RGBA")

_PNG_TYPES = {
    "1": (1, "bool"),
    "L": (1, "uint8"),
    "LA": (1, "uint8"),
    "I;16B": (1, "uint16"),
    "RGB": (3, "uint8"),
    "RGBA": (3, "uint8"),
}
_BMP_TYPES = {
    ("1", 1): (1, "bool"),
    ("L", 8): (1, "uint8"),
    ("RGB", 24): (3, "uint8"),
    # The fourth byte is padding; with alpha, Pillow's mode is RGBA.
    ("RGB", 32): (3, "uint8"),
    ("RGBA", 32): (3, "uint8"),
}


class Numbers(NamedTuple):
    """The numbers of one picture, from its header.

    Attributes
    ----------
    channels : int
        1 or 3, without alpha.
    dtype : str
        Type as stored.
    decode_bytes : int
        Memory of decoding, decoded picture included.
    has_alpha : bool
        Whether an alpha channel follows, which must be opaque everywhere.
    """

    channels: int
    dtype: str
    decode_bytes: int = 0
    has_alpha: bool = False


def numbers_of(image: ImageFile, family: str, path: str, *, indices: bool) -> Numbers:
    """Describe the numbers of an opened picture.

    With `indices`, those of a picture with a palette are its indices.

    Raises `DataError` if they can't be read as they are stored.
    """
    if image.mode in _REFUSED_MODES:
        raise DataError(_REFUSED_MODES[image.mode], path)
    if image.mode == "P":
        numbers = _palette(image, path, indices=indices)
    else:
        numbers = _DESCRIBE[family](image, path)._replace(has_alpha=image.mode in _WITH_ALPHA)
    bands = len(image.getbands())
    if bands != numbers.channels + numbers.has_alpha:
        raise DataError(
            f"is decoded to {count(bands, 'channel')} ({image.mode}), and its header says "
            f"{numbers.channels}; save it again as RGB or greyscale",
            path,
        )
    return numbers


def _palette(image: ImageFile, path: str, *, indices: bool) -> Numbers:
    if not indices:
        raise DataError(
            "has a palette: its numbers are indices of colours; save it as RGB to read the "
            f"colours (the indices are read where they are the values, by {setting('labels')} and "
            f"{setting('mask')})",
            path,
        )
    # A run-length coded BMP is unpacked in Python, into two copies of the picture.
    extra = 2 * image.width * image.height * (_tile(image)[0] not in ("raw", "zip"))
    return Numbers(1, "uint8", _decoded(image) + extra)


def _tile(image: ImageFile) -> tuple[str, Any, int, Any]:
    """Return decoder, extents, offset and decoder arguments of the first part of a picture.

    The first argument is the raw mode: how the file's bytes become the mode of the image.
    """
    decoder, extents, offset, args = image.tile[0]
    return decoder, extents, offset, args


def _decoded(image: ImageFile) -> int:
    """Return the bytes of the decoded picture."""
    return image.width * image.height * _PIXEL_BYTES.get(image.mode, 4)


def _png(image: ImageFile, path: str) -> Numbers:
    *_, raw_mode = _tile(image)
    if raw_mode in _PNG_TYPES:
        channels, dtype = _PNG_TYPES[raw_mode]
        return Numbers(channels, dtype, _decoded(image))
    if raw_mode in ("RGB;16B", "RGBA;16B"):
        raise DataError(_sixteen_bits("PNG", "per colour"), path)
    if raw_mode == "LA;16B":
        raise DataError(_sixteen_bits("PNG", "and an alpha channel"), path)
    raise DataError(
        "has 2 or 4 bits per pixel, which are only read stretched; save it with 8", path
    )


def _sixteen_bits(family: str, more: str) -> str:
    return (
        f"is a {family} with 16 bits {more}, of which 8 would be lost; "
        "save each channel as a greyscale image of its own"
    )


def _jpeg(image: ImageFile, path: str) -> Numbers:
    channels = 3 if image.mode == "RGB" else 1
    # A progressive JPEG keeps all coefficients, 2 bytes each, before the first pixel.
    progressive = 2 * channels * image.width * image.height * bool(image.info.get("progressive"))
    return Numbers(channels, "uint8", _decoded(image) + progressive)


def _bmp(image: ImageFile, path: str) -> Numbers:
    header = _head_of(image, 32)
    bits = header[24] if header[14] == 12 else header[28]
    if (image.mode, bits) not in _BMP_TYPES:
        raise DataError(
            f"is a BMP with {bits} bits per pixel, which can't be read exactly; "
            "save it as 8-bit greyscale or 24-bit RGB",
            path,
        )
    channels, dtype = _BMP_TYPES[image.mode, bits]
    # Pillow unpacks run-length coding in Python, into two copies of the picture.
    extra = 2 * image.width * image.height * (_tile(image)[0] != "raw")
    return Numbers(channels, dtype, _decoded(image) + extra)


def _head_of(image: ImageFile, count: int) -> bytes:
    assert image.fp is not None
    image.fp.seek(0)
    return image.fp.read(count)


_DESCRIBE = {"PNG": _png, "JPEG": _jpeg, "BMP": _bmp}
