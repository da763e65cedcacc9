"""The numbers of one page: their type, and the strips or tiles that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError, setting
from onebyone_cli.formats.arrays.orientation import Orientation, orientation_of
from onebyone_cli.formats.tiff.tags import (
    CMYK,
    COMPRESSIONS,
    JPEG,
    NO_COMPRESSION,
    OLD_JPEG,
    PALETTE,
    RGB,
    WHITE_IS_ZERO,
    YCBCR,
    Tag,
)
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from onebyone_cli.formats.tiff.directory import Directory

#: Type by sample format and bits. Others up to 32 bits are unsigned numbers without padding.
_TYPES = {
    (1, 1): "bool",
    (1, 64): "uint64",
    **{(2, bits): f"int{bits}" for bits in (8, 16, 32, 64)},
    **{(3, bits): f"float{bits}" for bits in (16, 32, 64)},
}

#: Photometric interpretations that are refused, and what they are.
_REFUSED = {
    CMYK: "is a CMYK image, which is for printing; save it as RGB",
    8: "is a Lab image; save it as RGB, or save each channel as an image of its own",
    9: "is a Lab image; save it as RGB, or save each channel as an image of its own",
    10: "is a Lab image; save it as RGB, or save each channel as an image of its own",
    32844: "is a LogLuv image; save it as RGB of floats",
    32845: "is a LogLuv image; save it as RGB of floats",
}

#: Most pixels of a row or column, and most samples: sizes beyond have no real file.
_MOST = 2**31 - 1


class Segments(NamedTuple):
    """The strips or tiles of a page.

    Attributes
    ----------
    height, width : int
        Of each; those at the lower end of strips are cut, those of tiles are padded.
    are_tiles : bool
    offsets, counts : tuple of int
        First byte and number of bytes of each: row by row, and sample after sample if planar. A
        count of 0 is a segment that was never written.
    """

    height: int
    width: int
    are_tiles: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]


class Page(NamedTuple):
    """What the tags of a page say about its numbers.

    Attributes
    ----------
    number : int
        Place in the file.
    height, width : int
        As stored.
    samples : int
    dtype : str
        A key of `spec.ITEM_BYTES`.
    bits : int
        Of a sample as stored.
    is_planar : bool
        Whether each sample has segments of its own.
    photometric, compression, predictor, extra : int
        As in the tags; `extra` is 1 or 2 if the last sample is opacity.
    reversed_bits : bool
        Whether the first bit of a byte is its lowest.
    orientation : Orientation
    segments : Segments
    directory : Directory
    """

    number: int
    height: int
    width: int
    samples: int
    dtype: str
    bits: int
    is_planar: bool
    photometric: int
    compression: int
    predictor: int
    extra: int
    reversed_bits: bool
    orientation: Orientation
    segments: Segments
    directory: Directory

    @property
    def kind(self) -> tuple[int, str]:
        """Number of channels, and type of the numbers."""
        return self.samples, self.dtype

    @property
    def together(self) -> int:
        """Samples of a segment."""
        return 1 if self.is_planar else self.samples

    def row_bytes(self, columns: int) -> int:
        """Return the bytes of a row of a segment."""
        return -(-columns * self.together * self.bits // 8)

    def segment_rows(self, number: int) -> int:
        """Return the stored rows of a segment."""
        across = -(-self.width // self.segments.width)
        down = -(-self.height // self.segments.height)
        row = number // across % down
        if self.segments.are_tiles:
            return self.segments.height
        return min(self.segments.height, self.height - row * self.segments.height)

    def plain_offsets(self) -> tuple[int, ...] | None:
        """Return the offset of the numbers of each plane, if each lies in one piece.

        There is one plane of all samples, or one for each of them if they are planar. None if the
        numbers are compressed, packed or scattered.
        """
        segments = self.segments
        if self.compression != NO_COMPRESSION or ITEM_BYTES[self.dtype] * 8 != self.bits:
            return None
        if (
            self.dtype == "bool"
            or self.reversed_bits
            or segments.width != self.width
            or not all(segments.counts)
        ):
            return None
        if segments.are_tiles and segments.height != self.height:
            return None
        each = len(segments.offsets) // (self.samples if self.is_planar else 1)
        size = self.row_bytes(self.width) * segments.height
        for at, offset in enumerate(segments.offsets):
            first = segments.offsets[at - at % each]
            if offset != first + at % each * size:
                return None
        return segments.offsets[::each]


def read_page(directory: Directory, *, indices: bool = False) -> Page:
    """Interpret the tags of a page.

    Parameters
    ----------
    directory : Directory
    indices : bool
        Whether the numbers of a page with a palette are its indices.

    Raises
    ------
    DataError
        If they contradict each other or the size of the file, or the numbers can't be read as they
        are stored.
    """
    try:
        page = _read(directory)
        _check_photometric(page, indices=indices)
    except DataError as error:
        raise DataError(str(error.args[0]), directory.where) from None
    return page


def _read(directory: Directory) -> Page:
    height, width = directory.integer(Tag.HEIGHT, 0), directory.integer(Tag.WIDTH, 0)
    samples = directory.integer(Tag.SAMPLES, 1)
    if not (0 < height <= _MOST and 0 < width <= _MOST and 0 < samples < 1 << 16):
        raise DataError(
            f"is malformed: {height}×{width} pixels of {samples} samples; make it again"
        )
    compression = directory.integer(Tag.COMPRESSION, NO_COMPRESSION)
    bits = _only(directory, Tag.BITS, samples, 1)
    dtype = _type_of(_only(directory, Tag.SAMPLE_FORMAT, samples, 1), bits)
    extra = directory.integers(Tag.EXTRA_SAMPLES)
    page = Page(
        number=directory.number,
        height=height,
        width=width,
        samples=samples,
        dtype=dtype,
        bits=bits,
        is_planar=samples > 1 and directory.integer(Tag.PLANAR, 1) == 2,
        photometric=directory.integer(Tag.PHOTOMETRIC, 1),
        compression=compression,
        # Without compression libtiff does not look at it.
        predictor=directory.integer(Tag.PREDICTOR, 1) if compression != NO_COMPRESSION else 1,
        extra=extra[-1] if extra else 0,
        reversed_bits=directory.integer(Tag.FILL_ORDER, 1) == 2,
        orientation=orientation_of(directory.integer(Tag.ORIENTATION, 1)),
        segments=Segments(0, 0, False, (), ()),
        directory=directory,
    )
    if compression == OLD_JPEG:
        raise DataError(
            "is compressed as old-style JPEG, which programs read in different ways; save it again "
            "with another compression"
        )
    return page._replace(segments=_segments(directory, page))


def _only(directory: Directory, tag: Tag, samples: int, default: int) -> int:
    """Return the one value that all samples have."""
    found = directory.integers(tag)[:samples] or (default,)
    if len(set(found)) > 1:
        listed = ", ".join(map(str, found[:8]))
        raise DataError(
            f"has samples of different types or sizes (tag {int(tag)}: {listed}), which can't be "
            "read as one stack; save each channel as an image of its own"
        )
    return found[0]


def _type_of(number: int, bits: int) -> str:
    if number in (5, 6):
        raise DataError("holds complex numbers; save the real and the imaginary parts as channels")
    if number not in (2, 3):
        number = 1  # also 4, undefined
    found = _TYPES.get((number, bits))
    if found is None and number == 1 and 2 <= bits <= 32:
        found = "uint8" if bits <= 8 else "uint16" if bits <= 16 else "uint32"
    if found is None:
        kind = {1: "unsigned integers", 2: "signed integers", 3: "floats"}[number]
        raise DataError(f"holds {kind} of {bits} bits, which can't be read exactly")
    return found


def _check_photometric(page: Page, *, indices: bool) -> None:
    """Raise `DataError` for numbers that are no measurements."""
    if page.photometric in _REFUSED:
        raise DataError(_REFUSED[page.photometric])
    if page.photometric == YCBCR and page.compression != JPEG:
        raise DataError("is a YCbCr image; save it as RGB")
    if page.photometric == PALETTE and not indices:
        raise DataError(
            "has a palette: its numbers are indices of colours; save it as RGB to read the "
            f"colours (the indices are read where they are the values, by {setting('labels')} and "
            f"{setting('mask')})"
        )
    if page.photometric == WHITE_IS_ZERO and page.dtype != "bool":
        # Pillow and viewers invert these, GDAL and tifffile don't.
        raise DataError("has its greys inverted (WhiteIsZero); save it as BlackIsZero")
    if page.photometric in (RGB, YCBCR) and page.samples < 3:
        raise DataError(f"is an RGB image of {page.samples} samples; make it again")


def _segments(directory: Directory, page: Page) -> Segments:
    are_tiles = Tag.TILE_OFFSETS in directory or Tag.TILE_WIDTH in directory
    if are_tiles:
        height, width = directory.integer(Tag.TILE_HEIGHT, 0), directory.integer(Tag.TILE_WIDTH, 0)
        offset_tag, count_tag = Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS
        if offset_tag not in directory:
            offset_tag, count_tag = Tag.OFFSETS, Tag.BYTE_COUNTS
    else:
        rows = directory.integer(Tag.ROWS_PER_STRIP, page.height)
        height, width = min(rows, page.height), page.width
        offset_tag, count_tag = Tag.OFFSETS, Tag.BYTE_COUNTS
    if not (0 < height <= _MOST and 0 < width <= _MOST):
        raise DataError(f"is malformed: strips or tiles of {height}×{width}; make it again")
    across, down = -(-page.width // width), -(-page.height // height)
    expected = across * down * (page.samples if page.is_planar else 1)
    if directory.count(offset_tag) < expected:
        what = "tiles" if are_tiles else "strips"
        raise DataError(
            f"lacks some of its {what}: has {directory.count(offset_tag)} of {expected}; copy or "
            "make it again"
        )
    offsets = directory.integers(offset_tag)[:expected]
    shape = page._replace(segments=Segments(height, width, are_tiles, offsets, offsets))
    counts = directory.integers(count_tag)[:expected]
    return shape.segments._replace(counts=_counts(shape, counts))


def _counts(page: Page, found: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bytes of each segment; those of uncompressed ones follow from their sizes."""
    offsets, path_size = page.segments.offsets, page.directory.file.size
    if page.compression == NO_COMPRESSION:
        sizes = [
            page.segment_rows(at) * page.row_bytes(page.segments.width)
            for at in range(len(offsets))
        ]
        found = found or tuple(sizes)
        if len(found) < len(sizes):
            raise DataError("lacks the sizes of some of its strips or tiles; make it again")
        for at, (given, size) in enumerate(zip(found, sizes, strict=True)):
            if given < size and (given or offsets[at]):
                raise DataError(
                    f"is malformed: strip or tile {at} has {given} bytes, and its numbers take "
                    f"{size}; make it again"
                )
        found = tuple(size if given else 0 for given, size in zip(found, sizes, strict=True))
    if len(found) < len(offsets):
        raise DataError("lacks the sizes of some of its strips or tiles; make it again")
    for at, (offset, size) in enumerate(zip(offsets, found, strict=True)):
        if min(offset, size) < 0 or offset + size > path_size:
            raise page.directory.file.cut_off(f"strip or tile {at} of page {page.number}")
    return found


def compression_name(number: int) -> str:
    """Return the name of a compression, as other programs call it."""
    return COMPRESSIONS.get(number, f"compression {number}")
