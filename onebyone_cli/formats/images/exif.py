"""Read from an image file how its picture is turned."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from onebyone_cli.formats.arrays.orientation import UPRIGHT, Orientation, orientation_of

if TYPE_CHECKING:
    from typing import IO

    from PIL.ImageFile import ImageFile

_ORIENTATION = 274

#: Most bytes of EXIF that are read; a JPEG has at most 64 KiB in one segment.
_MOST_EXIF = 1 << 20


def stored_orientation(image: ImageFile, family: str) -> Orientation:
    """Return how an opened picture is turned; reads no pixels.

    It is in EXIF, or else in XMP. Malformed EXIF turns nothing, as in viewers.
    """
    if family not in ("JPEG", "PNG"):
        return UPRIGHT
    from PIL import Image

    if family == "PNG" and image.fp is not None:
        # Pillow itself would decode the pixels to find a chunk behind them.
        found = _exif_chunk(image.fp)
        if found:
            image.info["exif"] = found
    try:
        return orientation_of(Image.Image.getexif(image).get(_ORIENTATION))
    except Exception:
        return UPRIGHT


def _exif_chunk(file: IO[bytes]) -> bytes:
    """Return the EXIF of a PNG, before or after its pixels; empty if there is none."""
    before = file.tell()
    file.seek(8)
    try:
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"IEND":
                break
            if kind == b"eXIf":
                return file.read(min(size, _MOST_EXIF))
            file.seek(size + 4, 1)
        return b""
    finally:
        file.seek(before)
