"""The directories of an output, as bytes.

Planes lie one after another, channel by channel and item by item, in the order of a plain array.
Bands are the samples of one page, planar, as GDAL reads them; or each plane is a page of its own,
as ImageJ does.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.tiff.gdal import format_metadata, format_nodata
from onebyone_cli.formats.tiff.geo import georeference_tags
from onebyone_cli.formats.tiff.tags import (
    BLACK_IS_ZERO,
    NO_COMPRESSION,
    RGB,
    Tag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.spec import StackSpec

#: Types of tags by code in `struct`.
_KINDS = {"s": 2, "H": 3, "I": 4, "d": 12, "Q": 16}

#: Sample formats by numpy's kinds of types.
_FORMATS = {"bool": 1, "uint": 1, "int": 2, "float": 3}

#: Most bytes of a file with offsets of 32 bits.
_SMALL = 2**32 - 2**16

#: Most samples of a page.
MOST_SAMPLES = 2**16 - 1

#: Types that ImageJ opens.
_OF_IMAGEJ = ("uint8", "uint16", "float32")

#: The numbers begin at a multiple of it.
_ALIGNED = 16


class Form(NamedTuple):
    """How an output is laid out.

    Attributes
    ----------
    spec : StackSpec
    metadata : Metadata
    as_pages : bool
        Whether each plane is a page of its own.
    rows, columns : int
        Of a strip or tile.
    are_tiles : bool
    compression, predictor : int
        As in the tags.
    """

    spec: StackSpec
    metadata: Metadata = Metadata()
    as_pages: bool = False
    rows: int = 1
    columns: int = 1
    are_tiles: bool = False
    compression: int = NO_COMPRESSION
    predictor: int = 1

    @property
    def samples(self) -> int:
        """Samples of a page."""
        return 1 if self.as_pages else self.spec.channels

    @property
    def pages(self) -> int:
        """Number of pages."""
        return self.spec.items * self.spec.channels // self.samples

    @property
    def plane_segments(self) -> int:
        """Strips or tiles of a plane."""
        return -(-self.spec.height // self.rows) * -(-self.spec.width // self.columns)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of a strip or tile, before compression."""
        if self.spec.dtype == "bool":
            return -(-self.columns // 8)
        return self.columns * self.spec.item_bytes

    @property
    def is_big(self) -> bool:
        """Whether offsets of 32 bits may not reach the end, even if nothing can be compressed."""
        segments = self.plane_segments * self.samples * self.pages
        numbers = segments * self.rows * self.row_bytes if self.are_tiles else self.spec.data_bytes
        # Tags take less than 4 KiB a page besides text and the places of segments.
        text = len(format_metadata(self.metadata, self.samples)) * self.pages
        tags = 4096 * self.pages + text + 16 * segments
        return numbers + numbers // 100 + tags > _SMALL


def plain_header(form: Form) -> bytes:
    """Return all bytes before the numbers of an output without compression."""
    spec = form.spec
    plane = spec.pixels * spec.item_bytes
    strip = form.rows * form.row_bytes
    each = form.plane_segments
    sizes = [strip] * (each - 1) + [plane - strip * (each - 1)]
    planes = spec.items * spec.channels

    def made(start: int) -> bytes:
        places = [
            start + number * plane + at * strip for number in range(planes) for at in range(each)
        ]
        return file_start(form) + directories(form, places, sizes * planes, len(file_start(form)))

    start = len(made(0))
    start += -start % _ALIGNED
    return made(start).ljust(start, b"\0")


def file_start(form: Form, first: int | None = None) -> bytes:
    """Return the first bytes of a file; `first` is the offset of the first directory."""
    if form.is_big:
        return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16 if first is None else first)
    return struct.pack("<2sHI", b"II", 42, 8 if first is None else first)


def directories(form: Form, offsets: Sequence[int], sizes: Sequence[int], position: int) -> bytes:
    """Return the directories of all pages.

    Parameters
    ----------
    form : Form
    offsets, sizes : sequence of int
        Of all strips or tiles, plane after plane.
    position : int
        Offset of these bytes in the file; even.
    """
    found = bytearray()
    each = form.plane_segments * form.samples
    for page in range(form.pages):
        part = slice(page * each, (page + 1) * each)
        tags = _tags(form, page, offsets[part], sizes[part])
        last = page + 1 == form.pages
        found += _directory(tags, position + len(found), is_big=form.is_big, is_last=last)
    return bytes(found)


def check_held(form: Form) -> None:
    """Raise `UsageError` if a page can't have so many samples."""
    if form.samples > MOST_SAMPLES:
        raise UsageError(
            f"a page of a TIFF file holds {MOST_SAMPLES} channels, and the result has "
            f"{form.samples}; use {setting('format', 'tiff-pages')}"
        )


def _tags(
    form: Form, page: int, offsets: Sequence[int], sizes: Sequence[int]
) -> dict[int, tuple[str, bytes]]:
    """Return the tags of a page: code of the type, and bytes."""
    spec, samples = form.spec, form.samples
    is_rgb = samples == 3 and spec.dtype == "uint8"
    word = "Q" if form.is_big else "I"
    bits = 1 if spec.dtype == "bool" else spec.item_bytes * 8
    number = _FORMATS[spec.dtype.rstrip("0123456789")]
    tags = {
        Tag.SUBFILE_TYPE: _packed("I", [0]),
        Tag.WIDTH: _packed("I", [spec.width]),
        Tag.HEIGHT: _packed("I", [spec.height]),
        Tag.BITS: _packed("H", [bits] * samples),
        Tag.COMPRESSION: _packed("H", [form.compression]),
        Tag.PHOTOMETRIC: _packed("H", [RGB if is_rgb else BLACK_IS_ZERO]),
        Tag.SAMPLES: _packed("H", [samples]),
        Tag.PLANAR: _packed("H", [2 if samples > 1 else 1]),
        Tag.SAMPLE_FORMAT: _packed("H", [number] * samples),
    }
    if form.predictor != 1:
        tags[Tag.PREDICTOR] = _packed("H", [form.predictor])
    if samples > 1 and not is_rgb:
        tags[Tag.EXTRA_SAMPLES] = _packed("H", [0] * (samples - 1))
    if form.are_tiles:
        tags[Tag.TILE_WIDTH] = _packed("I", [form.columns])
        tags[Tag.TILE_HEIGHT] = _packed("I", [form.rows])
        tags[Tag.TILE_OFFSETS] = _packed(word, offsets)
        tags[Tag.TILE_BYTE_COUNTS] = _packed(word, sizes)
    else:
        tags[Tag.ROWS_PER_STRIP] = _packed("I", [form.rows])
        tags[Tag.OFFSETS] = _packed(word, offsets)
        tags[Tag.BYTE_COUNTS] = _packed(word, sizes)
    return {int(tag): value for tag, value in tags.items()} | _texts(form, page)


def _texts(form: Form, page: int) -> dict[int, tuple[str, bytes]]:
    """Return the tags of a page that are about what its numbers mean."""
    metadata, found = form.metadata, {}
    if page == 0 and _description(form):
        found[int(Tag.DESCRIPTION)] = _text(_description(form))
    if form.as_pages and metadata.channels:
        found[int(Tag.PAGE_NAME)] = _text(metadata.channels[page % form.spec.channels])
    # Of pages, the first one speaks for all.
    said = format_metadata(metadata, form.spec.channels) if page == 0 or not form.as_pages else ""
    if said:
        found[int(Tag.GDAL_METADATA)] = _text(said)
    nodata = format_nodata(metadata)
    if nodata:
        found[int(Tag.GDAL_NODATA)] = _text(nodata)
    return found | georeference_tags(metadata.georeference, metadata.attributes)


def _description(form: Form) -> str:
    """Return what tells ImageJ or tifffile about the axes of several pages; empty for one."""
    spec = form.spec
    if form.pages == 1:
        return ""
    if form.as_pages and spec.dtype in _OF_IMAGEJ and form.compression == NO_COMPRESSION:
        planes = spec.items * spec.channels
        lines = ["ImageJ=1.53t", f"images={planes}", f"channels={spec.channels}"]
        if spec.items > 1:
            lines.append(f"frames={spec.items}")
        if len(spec.batch) <= 1:
            return "\n".join([*lines, "hyperstack=true", "mode=grayscale", "loop=false", ""])
    return json.dumps({"shape": list(spec.shape)})


def _text(text: str) -> tuple[str, bytes]:
    return "s", text.encode() + b"\0"


def _packed(code: str, numbers: Sequence[int]) -> tuple[str, bytes]:
    return code, struct.pack(f"<{len(numbers)}{code}", *numbers)


def _directory(
    tags: dict[int, tuple[str, bytes]], position: int, *, is_big: bool, is_last: bool
) -> bytes:
    """Return a directory and the values that don't fit into it, of an even size."""
    word, number, size = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    room = size // 2 - 2
    head = struct.calcsize(f"<{number}")
    values = bytearray()
    start = position + head + len(tags) * size + room
    entries = b""
    for tag, (code, data) in sorted(tags.items()):
        amount = len(data) // struct.calcsize(f"<{code}")
        entries += struct.pack(f"<HH{word}", tag, _KINDS[code], amount)
        if len(data) <= room:
            entries += data.ljust(room, b"\0")
        else:
            values += bytes((start + len(values)) % 2)
            entries += struct.pack(f"<{word}", start + len(values))
            values += data
    values += bytes((start + len(values)) % 2)
    following = 0 if is_last else start + len(values)
    return (
        struct.pack(f"<{number}", len(tags))
        + entries
        + struct.pack(f"<{word}", following)
        + bytes(values)
    )
