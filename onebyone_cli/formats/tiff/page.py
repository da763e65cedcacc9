"""The numbers of one page: their type, and the strips or tiles that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError, setting
from onebyone_cli.formats.arrays.orientation import Orientation, orientation_of
from onebyone_cli.formats.tiff.file import InputFile, parsing
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from tifffile import TiffPage

#: Values of Compression that are asked for here; tifffile knows them all.
NO_COMPRESSION, _OLD_JPEG, JPEG, LERC = 1, 6, 7, 34887
FAX = (2, 3, 4)

#: Values of PhotometricInterpretation.
WHITE_IS_ZERO, _RGB, _PALETTE, TRANSPARENCY, _YCBCR = 0, 2, 3, 4, 6

_ORIENTATION, _PAGE_NAME, _T4_OPTIONS = 274, 285, 292

#: Type by sample format and bits. Others up to 32 bits are unsigned numbers without padding.
_TYPES = {
    (1, 1): "bool",
    (1, 64): "uint64",
    **{(2, bits): f"int{bits}" for bits in (8, 16, 32, 64)},
    **{(3, bits): f"float{bits}" for bits in (16, 32, 64)},
}

#: Photometric interpretations that are refused, and what they are.
_LAB = "is a Lab image; save it as RGB, or save each channel as an image of its own"
_LUV = "is a LogLuv image; save it as RGB of floats"
_REFUSED = {5: "is a CMYK image, which is for printing; save it as RGB"}
_REFUSED |= dict.fromkeys((8, 9, 10), _LAB) | dict.fromkeys((32844, 32845), _LUV)

#: Most pixels of a row or column, and most samples: sizes beyond have no real file.
_MOST = 2**31 - 1


class Page(NamedTuple):
    """What the tags of a page say about its numbers.

    Attributes
    ----------
    number : int
        Place in the file.
    where : str
        The page, for messages.
    height, width : int
        As stored.
    samples : int
    dtype : str
        A key of `spec.ITEM_BYTES`.
    bits : int
        Of a sample as stored.
    is_planar : bool
        Whether each sample has strips or tiles of its own.
    photometric, compression, predictor : int
        As in the tags.
    extra : tuple of int
        Meanings of samples beyond those of the photometric interpretation.
    reversed_bits : bool
        Whether the first bit of a byte is its lowest.
    orientation : Orientation
    name : str
    codec : object
        Tables of a JPEG, or options of a fax.
    are_tiles : bool
    rows, columns : int
        Of a strip or tile; those at the lower end of strips are cut, those of tiles are padded.
    offsets, counts : tuple of int
        First byte and number of bytes of each: row by row, and sample after sample if planar. A
        count of 0 is a strip or tile that was never written.
    """

    number: int
    where: str
    height: int
    width: int
    samples: int
    dtype: str
    bits: int
    is_planar: bool
    photometric: int
    compression: int
    predictor: int
    extra: tuple[int, ...]
    reversed_bits: bool
    orientation: Orientation
    name: str
    codec: Any
    are_tiles: bool
    rows: int
    columns: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def kind(self) -> tuple[int, str, Orientation]:
        """What pages of a stack must agree in besides their size."""
        return self.samples, self.dtype, self.orientation

    @property
    def together(self) -> int:
        """Samples of a strip or tile."""
        return 1 if self.is_planar else self.samples

    @property
    def across(self) -> int:
        """Number of strips or tiles side by side."""
        return -(-self.width // self.columns)

    @property
    def down(self) -> int:
        """Number of strips or tiles one below the other."""
        return -(-self.height // self.rows)

    def row_bytes(self, columns: int) -> int:
        """Return the bytes of some columns of a row, before compression."""
        return -(-columns * self.together * self.bits // 8)

    def stored_rows(self, number: int) -> int:
        """Return the rows of a strip or tile."""
        first = number // self.across % self.down * self.rows
        return self.rows if self.are_tiles else min(self.rows, self.height - first)

    def plain_offsets(self) -> tuple[int, ...] | None:
        """Return the offset of the numbers of each plane, if each lies in one piece.

        There is one plane of all samples, or one for each of them if they are planar. None if the
        numbers are compressed, packed or scattered.
        """
        if (
            self.compression != NO_COMPRESSION
            or self.bits != ITEM_BYTES[self.dtype] * 8
            or self.reversed_bits
            or self.dtype == "bool"
            or self.columns != self.width
            or not all(self.counts)
            or (self.are_tiles and self.rows != self.height)
        ):
            return None
        each, size = self.down, self.row_bytes(self.width) * self.rows
        for at, offset in enumerate(self.offsets):
            if offset != self.offsets[at - at % each] + at % each * size:
                return None
        return self.offsets[::each]


def read_page(file: InputFile, found: TiffPage, where: str, *, indices: bool = False) -> Page:
    """Check and interpret the tags of a page.

    Parameters
    ----------
    file : InputFile
    found : TiffPage
    where : str
        The page, for messages.
    indices : bool
        Whether the numbers of a page with a palette are its indices.

    Raises
    ------
    DataError
        If they contradict each other or the size of the file, or the numbers can't be read as they
        are stored.
    """
    with parsing(where):
        page = _read(file, found, where)
    refused = _reason_against(page, indices=indices)
    if refused:
        raise DataError(refused, where)
    return page


def integer(found: TiffPage, tag: int, default: int) -> int:
    """Return the first value of a tag, or `default` if there is none.

    Raises `DataError` if it is not an integer.
    """
    value = found.tags.valueof(tag, default=default)
    first = value[0] if isinstance(value, tuple) and value else value
    if not isinstance(first, int):
        raise DataError(f"has tag {tag} of another type than integer")
    return int(first)


def text(found: TiffPage, tag: int) -> str:
    """Return the text of a tag up to its first NUL, stripped; empty if there is none."""
    value = found.tags.valueof(tag, default="")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.split("\0", 1)[0].strip() if isinstance(value, str) else ""


def _read(file: InputFile, found: TiffPage, where: str) -> Page:
    height, width = integer(found, 257, 0), integer(found, 256, 0)
    samples = integer(found, 277, 1)
    if not (0 < height <= _MOST and 0 < width <= _MOST and 0 < samples < 1 << 16):
        raise DataError(
            f"is malformed: {height}×{width} pixels of {samples} samples; make it again", where
        )
    compression = integer(found, 259, NO_COMPRESSION)
    bits = _only(found, 258, samples)
    are_tiles = found.is_tiled or 324 in found.tags
    extra = found.extrasamples
    page = Page(
        number=found.index,
        where=where,
        height=height,
        width=width,
        samples=samples,
        dtype=_type_of(_only(found, 339, samples), bits),
        bits=bits,
        is_planar=samples > 1 and integer(found, 284, 1) == 2,
        photometric=integer(found, 262, 1),
        compression=compression,
        # Without compression libtiff does not look at it.
        predictor=integer(found, 317, 1) if compression != NO_COMPRESSION else 1,
        extra=tuple(map(int, extra)) if isinstance(extra, tuple) else (),
        reversed_bits=integer(found, 266, 1) == 2,
        orientation=orientation_of(integer(found, _ORIENTATION, 1)),
        name=text(found, _PAGE_NAME),
        codec=found.jpegtables if compression == JPEG else integer(found, _T4_OPTIONS, 0),
        are_tiles=are_tiles,
        rows=integer(found, 323, 0) if are_tiles else min(integer(found, 278, height), height),
        columns=integer(found, 322, 0) if are_tiles else width,
        offsets=(),
        counts=(),
    )
    if not (0 < page.rows <= _MOST and 0 < page.columns <= _MOST):
        raise DataError(
            f"is malformed: strips or tiles of {page.rows}×{page.columns}; make it again", where
        )
    return _with_places(file, page, _integers(found.dataoffsets), _integers(found.databytecounts))


def _integers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(isinstance(value, int) for value in values):
        raise DataError("has places of strips or tiles of another type than integer")
    return values


def _only(found: TiffPage, tag: int, samples: int) -> int:
    """Return the one value that all samples have."""
    value = found.tags.valueof(tag, default=1)
    values = value[:samples] if isinstance(value, tuple) else (value,)
    if not values or not all(isinstance(each, int) for each in values):
        raise DataError(f"has tag {tag} of another type than integer")
    if len(set(values)) > 1:
        listed = ", ".join(map(str, map(int, values[:8])))
        raise DataError(
            f"has samples of different types or sizes (tag {tag}: {listed}), which can't be "
            "read as one stack; save each channel as an image of its own"
        )
    return int(values[0])


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


def _reason_against(page: Page, *, indices: bool) -> str:
    """Return why the numbers of a page are no measurements; empty if they are."""
    kind = page.photometric
    old = (
        "is compressed as old-style JPEG, which programs read in different ways; save it again "
        "with another compression"
    )
    palette = (
        "has a palette: its numbers are indices of colours; save it as RGB to read the colours "
        f"(the indices are read where they are the values, by {setting('labels')} and "
        f"{setting('mask')})"
    )
    # Pillow and viewers invert these, GDAL and tifffile don't.
    inverted = "has its greys inverted (WhiteIsZero); save it as BlackIsZero"
    few = f"is an RGB image of {page.samples} samples; make it again"
    reasons = (
        (page.compression == _OLD_JPEG, old),
        (kind in _REFUSED, _REFUSED.get(kind, "")),
        (kind == _YCBCR and page.compression != JPEG, "is a YCbCr image; save it as RGB"),
        (kind == _PALETTE and not indices, palette),
        (kind == WHITE_IS_ZERO and page.dtype != "bool", inverted),
        (kind in (_RGB, _YCBCR) and page.samples < 3, few),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _with_places(
    file: InputFile, page: Page, offsets: tuple[int, ...], counts: tuple[int, ...]
) -> Page:
    """Add the places of strips or tiles, each compared with the size of the file."""
    expected = page.across * page.down * (page.samples if page.is_planar else 1)
    what = "tiles" if page.are_tiles else "strips"
    if min(len(offsets), len(counts)) < expected:
        has = min(len(offsets), len(counts))
        raise DataError(
            f"lacks some of its {what}: has {has} of {expected}; copy or make it again", page.where
        )
    offsets, counts = offsets[:expected], counts[:expected]
    if page.compression == NO_COMPRESSION:
        row = page.row_bytes(page.columns)
        sizes = [page.stored_rows(at) * row for at in range(expected)]
        for at, (given, size) in enumerate(zip(counts, sizes, strict=True)):
            if given < size and (given or offsets[at]):
                raise DataError(
                    f"is malformed: strip or tile {at} has {given} bytes, and its numbers take "
                    f"{size}; make it again",
                    page.where,
                )
        counts = tuple(size if given else 0 for given, size in zip(counts, sizes, strict=True))
    for at, (offset, size) in enumerate(zip(offsets, counts, strict=True)):
        if min(offset, size) < 0 or offset + size > file.size:
            raise file.cut_off(f"strip or tile {at} of page {page.number}")
    return page._replace(offsets=offsets, counts=counts)
