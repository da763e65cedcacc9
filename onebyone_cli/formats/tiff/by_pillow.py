"""Decode strips and tiles with the libtiff of Pillow.

A segment becomes a TIFF file of its own. What is compressed byte by byte is a grey picture, as wide
as a row has bytes. libtiff tells of damage on standard error alone, which one thread at a time can
listen to.
"""

from __future__ import annotations

import struct
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.arrays.libtiff_errors import libtiff_heard
from onebyone_cli.formats.tiff.tags import BLACK_IS_ZERO, JPEG, Tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onebyone_cli.formats.tiff.page import Page

_ALONE = Lock()

_LONG, _BYTES = 4, 7


def decode_bytes(compression: int, data: bytes, rows: int, width: int) -> bytes:
    """Return the bytes of a segment; raises any exception if it is damaged."""
    return _decoded(data, {}, (rows, width, 1), compression).tobytes()


def decode_fax(page: Page, data: bytes, rows: int) -> bytes:
    """Return the packed bits of a segment; raises any exception if it is damaged."""
    extra: dict[int, int | bytes] = {
        tag: page.directory.integer(tag, 0)
        for tag in (Tag.T4_OPTIONS, Tag.T6_OPTIONS)
        if tag in page.directory
    }
    shape = (rows, page.segments.width, 1)
    return np.packbits(_decoded(data, extra, shape, page.compression, bits=1), axis=1).tobytes()


def decode_jpeg(page: Page, data: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the numbers of a segment, of any shape; raises any exception if it is damaged."""
    extra: dict[int, int | bytes] = {}
    if Tag.JPEG_TABLES in page.directory:
        extra[Tag.JPEG_TABLES] = page.directory.data(Tag.JPEG_TABLES)
    samples = shape[2] if len(shape) == 3 else 1
    photometric = page.photometric if samples == 3 else BLACK_IS_ZERO
    if samples == 3:
        extra[Tag.PHOTOMETRIC] = photometric
    return _decoded(data, extra, (shape[0], shape[1], samples), JPEG)


def _decoded(
    data: bytes,
    extra: Mapping[int, int | bytes],
    shape: tuple[int, int, int],
    compression: int,
    *,
    bits: int = 8,
) -> NDArray[Any]:
    """Decode a segment of (rows, columns, samples)."""
    from PIL.TiffImagePlugin import TiffImageFile

    file = BytesIO(_file_of(data, extra, shape, compression, bits))
    with _ALONE, libtiff_heard(""):
        return np.asarray(TiffImageFile(file))


def _file_of(
    data: bytes,
    extra: Mapping[int, int | bytes],
    shape: tuple[int, int, int],
    compression: int,
    bits: int,
) -> bytes:
    """Return a TIFF file with one strip."""
    rows, columns, samples = shape
    tags: dict[int, int | bytes] = {
        Tag.WIDTH: columns,
        Tag.HEIGHT: rows,
        Tag.BITS: bits if samples == 1 else struct.pack("<3H", bits, bits, bits),
        Tag.COMPRESSION: compression,
        Tag.PHOTOMETRIC: BLACK_IS_ZERO,
        Tag.OFFSETS: 8,
        Tag.SAMPLES: samples,
        Tag.ROWS_PER_STRIP: rows,
        Tag.BYTE_COUNTS: len(data),
        **extra,
    }
    body, entries = bytearray(data), b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, int):
            entries += struct.pack("<HHII", tag, _LONG, 1, value)
        else:
            kind, size = (3, len(value) // 2) if tag == Tag.BITS else (_BYTES, len(value))
            entries += struct.pack("<HHII", tag, kind, size, 8 + len(body))
            body += value
    body += bytes(len(body) % 2)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(body))
    return bytes(head + body + struct.pack("<H", len(tags)) + entries + bytes(4))
