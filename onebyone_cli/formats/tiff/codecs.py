"""Undo the compression of strips and tiles, with the codecs of tifffile and imagecodecs.

A strip or tile must decode to the size that the tags say, or to that of a whole strip where the
last is a part of one. Decoders get buffers of that size: what would be larger is refused.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, DependencyMissingError
from onebyone_cli.formats.tiff.lzw import are_sound
from onebyone_cli.formats.tiff.page import FAX, JPEG, LERC, NO_COMPRESSION, WHITE_IS_ZERO
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.formats.tiff.page import Page

#: What has decoders of all of them.
INSTALL = "pip install 'onebyone-cli[tiff]'"

_DEFLATE, _LZW, _PACKBITS = (8, 32946), 5, 32773

#: imagecodecs' names of compressions of bytes, of fax and of pictures. Of damaged files, the
#: decoder of JPEG XR prints without end, and that of JPEG XL takes gigabytes: both are refused.
_OF_BYTES = {5: "lzw", 8: "deflate", 32773: "packbits", 32946: "deflate"}
_OF_BYTES |= {34925: "lzma", 50000: "zstd"}
_OF_FAX = {2: "ccittrle", 3: "ccittfax3", 4: "ccittfax4"}
_OF_PICTURES = {7: "jpeg", 34887: "lerc", 34933: "png", 50001: "webp"}
_OF_PICTURES |= dict.fromkeys((33003, 33005, 34712), "jpeg2k")

#: Names that tifffile does not give, or that other programs spell in another way.
_NAMES = {1: "none", 5: "LZW", 7: "JPEG", 8: "Deflate", 32946: "Deflate", 50000: "Zstandard"}
_NAMES |= {32773: "PackBits", 50001: "WebP", 34892: "lossy JPEG of DNG", 34887: "LERC"}
_NAMES |= {2: "CCITT RLE", 3: "CCITT fax 3", 4: "CCITT fax 4", 34712: "JPEG 2000"}

#: Bytes with their bits in reverse.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class DamagedError(Exception):
    """A strip or tile can't be decoded; the message says why."""


def compression_name(number: int) -> str:
    """Return the name of a compression, as other programs call it."""
    from tifffile import COMPRESSION

    with suppress(ValueError):
        return _NAMES.get(number) or COMPRESSION(number).name.replace("_", " ")
    return f"compression {number}"


def check_compression(page: Page) -> None:
    """Check that the compression of a page can be undone.

    Raises
    ------
    DependencyMissingError
        If a library that can is missing.
    DataError
        If none can.
    """
    number = page.compression
    known = {NO_COMPRESSION: "", **_OF_BYTES, **_OF_FAX, **_OF_PICTURES}
    what = compression_name(number)
    if number not in known:
        raise DataError(
            f"is compressed as {what}, which can't be read here; save it with another "
            "compression, as with gdal_translate -co COMPRESS=DEFLATE",
            page.where,
        )
    if page.predictor not in (1, 2, 3) or (page.predictor == 3 and page.dtype[0] != "f"):
        raise DataError(
            f"has predictor {page.predictor} of {page.dtype}, which is unknown; make it again",
            page.where,
        )
    if number not in (NO_COMPRESSION, *_DEFLATE, _PACKBITS) and not has_codec(known[number]):
        raise DependencyMissingError(
            f"is compressed as {what}, which needs imagecodecs; install it: {INSTALL}",
            page.where,
        )


@cache
def has_codec(name: str) -> bool:
    """Return whether imagecodecs is installed with a codec."""
    try:
        import imagecodecs
    except ImportError:
        return False
    name = "JPEG8" if name == "jpeg" else "CCITTFAX4" if name.startswith("ccitt") else name.upper()
    codec = getattr(imagecodecs, name, None)
    return codec is None or bool(codec.available)


def decode(page: Page, data: bytes, number: int, order: str) -> NDArray[Any]:
    """Undo the compression and the predictor of a strip or tile.

    Parameters
    ----------
    page : Page
    data : bytes
        As stored.
    number : int
        Of the strip or tile.
    order : str
        Byte order of the file, for `struct`.

    Returns
    -------
    ndarray of shape (rows, columns, samples)
        Of the type of the page, or that of the file's byte order.

    Raises
    ------
    DamagedError
        If it can't be decoded, or has another size or number of samples.
    """
    rows = page.stored_rows(number)
    if page.reversed_bits and page.compression not in _OF_PICTURES:
        data = data.translate(_REVERSED)
    try:
        if page.compression in _OF_PICTURES:
            return _picture(page, data, rows, order)
        if page.compression in FAX:
            return _fax(page, data, rows)
        width = page.row_bytes(page.columns)
        found = _bytes(page, data, page.rows * width)
        if len(found) not in (rows * width, page.rows * width):
            raise DamagedError(f"it has {len(found)} bytes, not {rows * width}")
        return _numbers(page, np.frombuffer(found, np.uint8, rows * width), rows, order)
    except DamagedError:
        raise
    except Exception as error:  # libraries raise all kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DamagedError(reason) from error


def _bytes(page: Page, data: bytes, size: int) -> Any:
    """Return the bytes before compression; of too many, one more than `size`."""
    if page.compression == NO_COMPRESSION:
        return data
    if page.compression in _DEFLATE:
        # imagecodecs takes a third of the time, and zlib takes what it refuses.
        if has_codec("deflate"):
            import imagecodecs

            with suppress(imagecodecs.DeflateError):
                return imagecodecs.deflate_decode(data, out=size + 1)
        return zlib.decompressobj().decompress(data, size + 1)
    if page.compression == _LZW and not are_sound(data):
        raise DamagedError("its codes are damaged")
    from tifffile import TIFF

    return TIFF.DECOMPRESSORS[page.compression](data, out=size + 1)


def _fax(page: Page, data: bytes, rows: int) -> NDArray[Any]:
    import imagecodecs

    more = {"t4options": page.codec} if page.compression == 3 else {}
    read = getattr(imagecodecs, f"{_OF_FAX[page.compression]}_decode")
    found: NDArray[np.bool_] = np.asarray(read(data, rows, page.columns, **more)).astype(bool)
    white: NDArray[np.bool_] = found.reshape(rows, page.columns, 1) != (
        page.photometric == WHITE_IS_ZERO
    )
    return white


def _picture(page: Page, data: bytes, rows: int, order: str) -> NDArray[Any]:
    """Decode a strip or tile that is a picture of its own."""
    import imagecodecs

    name, more = _OF_PICTURES[page.compression], {}
    if page.compression == JPEG:
        more = _of_jpeg(page, data)
    reason = ""
    for height in dict.fromkeys((rows, page.rows)):
        shape = (height, page.columns, page.together)
        out = np.empty(shape if page.together > 1 else shape[:2], page.dtype)
        try:
            found: NDArray[Any] = getattr(imagecodecs, f"{name}_decode")(data, out=out, **more)
        except ValueError as error:
            reason = " ".join(str(error).split())[:200]
            continue
        if found.shape == out.shape and found.dtype == out.dtype:
            found = found.reshape(shape)[:rows]
            # libtiff swaps the bytes before LERC compresses.
            if page.compression == LERC and order == ">":
                found = found.byteswap()
            return found
        reason = f"it has {'×'.join(map(str, found.shape))} numbers of {found.dtype}"
    shown = f"{rows}×{page.columns}×{page.together}"
    raise DamagedError(f"it does not hold the {shown} {page.dtype} of the tags: {reason}")


def _of_jpeg(page: Page, data: bytes) -> dict[str, Any]:
    """Return what imagecodecs must know of a JPEG."""
    from tifffile.tifffile import jpeg_decode_colorspace

    if b"\xff\xd9" not in data[-64:]:
        raise DamagedError("it is cut off")
    jfif = data[6:10] == b"JFIF"
    planar = 2 if page.is_planar else 1
    colours, out = jpeg_decode_colorspace(page.photometric, planar, page.extra, jfif)
    tables = page.codec if isinstance(page.codec, bytes) else None
    return {
        "bitspersample": page.bits,
        "tables": tables,
        "colorspace": colours,
        "outcolorspace": out,
    }


def _numbers(page: Page, found: NDArray[np.uint8], rows: int, order: str) -> NDArray[Any]:
    """Return numbers of their bytes: ndarray of shape (rows, columns, samples)."""
    shape = (rows, page.columns, page.together)
    if page.predictor == 3:
        return _joined(page, found.reshape(rows, -1, page.together)).reshape(shape)
    if page.bits == ITEM_BYTES[page.dtype] * 8 and page.dtype != "bool":
        numbers = found.view(np.dtype(page.dtype).newbyteorder(order)).reshape(shape)  # type: ignore[arg-type]
    else:
        numbers = _unpacked(page, found.reshape(rows, -1)).reshape(shape)
    if page.predictor == 1:
        return numbers
    # Differences wrap around, so those of floats are taken of their bits.
    native = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    return _sums(native.view(f"u{native.itemsize}")).view(page.dtype)


def _joined(page: Page, found: NDArray[np.uint8]) -> NDArray[Any]:
    """Return floats of the differences of their bytes, the highest of all numbers first.

    This takes a third of the time of imagecodecs (float32, strips of 256 KiB).
    """
    item = ITEM_BYTES[page.dtype]
    apart = _sums(found).reshape(len(found), item, -1)
    joined = apart[:, 0].astype(f"u{item}")
    for at in range(1, item):
        joined <<= 8
        joined |= apart[:, at]
    return joined.view(page.dtype)


def _sums(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the running sums along axis 1 of unsigned integers, which wrap around."""
    if has_codec("delta"):
        import imagecodecs

        return np.asarray(imagecodecs.delta_decode(numbers, axis=1))
    return np.add.accumulate(numbers, axis=1, dtype=numbers.dtype)


def _unpacked(page: Page, packed: NDArray[np.uint8]) -> NDArray[Any]:
    """Return numbers of other sizes than whole types; the first one has the highest bits."""
    count = page.columns * page.together
    bits = np.unpackbits(packed, axis=1, count=count * page.bits)
    if page.bits == 1:
        white: NDArray[Any] = bits.astype(bool) != (page.photometric == WHITE_IS_ZERO)
        return white
    found = np.zeros((len(packed), count), page.dtype)
    for position in range(page.bits):
        found <<= 1
        found |= bits[:, position :: page.bits]
    return found
