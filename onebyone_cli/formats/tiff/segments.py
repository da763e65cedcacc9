"""Decode the cells of a stack of pages: boxes of rows and columns of one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.formats.tiff.codecs import DamagedError, decode, sums_along_rows
from onebyone_cli.formats.tiff.page import compression_name
from onebyone_cli.formats.tiff.tags import LERC, NO_COMPRESSION, WHITE_IS_ZERO
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.grid import Grid
    from onebyone_cli.formats.tiff.directory import InputFile
    from onebyone_cli.formats.tiff.page import Page


def blank_of(nodata: float, dtype: str) -> float:
    """Return the number in segments that were never written: nodata, or 0 if it can't be that."""
    if dtype.startswith("float"):
        return nodata
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return nodata if low <= nodata <= high and nodata == int(nodata) else 0


class SegmentDecoder:
    """Decode cells, from several threads at once; see `arrays.cells.CellDecoder`.

    Parameters
    ----------
    file : InputFile
    pages : sequence of sequence of Page
        Of each item of the batch, in channel order. All have one size and one kind.
    grid : Grid
    blank : float
        The number in segments that were never written.
    """

    def __init__(
        self, file: InputFile, pages: Sequence[Sequence[Page]], grid: Grid, blank: float = 0
    ) -> None:
        self._file = file
        self._pages = pages
        self._grid = grid
        self._blank = blank
        self.decode_bytes = max(map(_needed, {id(p): p for row in pages for p in row}.values()))

    def load(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Decode a cell: ndarray of shape (*batch, C, H, W), its part inside the stack.

        Raises
        ------
        DataError
            If a segment is damaged.
        ReadWriteError
            If a system call fails.
        """
        (*item, channel, top, left), (*_, last, bottom, right) = self._grid.box(index)
        place = 0
        for at, size in zip(item, self._grid.shape, strict=False):
            place = place * size + at
        numbers = []
        while channel < last:
            number, sample = divmod(channel, self._pages[place][0].samples)
            page = self._pages[place][number]
            end = min(page.samples, sample + last - channel)
            numbers.append(self._box(page, (sample, end), (top, bottom), (left, right)))
            channel += end - sample
        found = numbers[0] if len(numbers) == 1 else np.concatenate(numbers)
        return found[(np.newaxis,) * len(item)]

    def _box(
        self, page: Page, samples: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
    ) -> NDArray[Any]:
        """Decode a box of a page: ndarray of shape (samples, rows, columns)."""
        segments, (first, end) = page.segments, samples
        across, down = -(-page.width // segments.width), -(-page.height // segments.height)
        down_range = range(rows[0] // segments.height, -(-rows[1] // segments.height))
        across_range = range(columns[0] // segments.width, -(-columns[1] // segments.width))
        planes = range(first, end) if page.is_planar else range(1)
        one = len(planes) == len(down_range) == len(across_range) == 1
        box = (
            None
            if one
            else np.empty((end - first, rows[1] - rows[0], columns[1] - columns[0]), page.dtype)
        )
        for plane in planes:
            into = slice(plane - first, plane - first + 1) if page.is_planar else slice(None)
            taken = slice(None) if page.is_planar else slice(first, end)
            for down_at in down_range:
                for across_at in across_range:
                    numbers = self._segment(page, (plane * down + down_at) * across + across_at)
                    (inner_rows, rows_at) = _overlap(rows, down_at, segments.height)
                    (inner_columns, columns_at) = _overlap(columns, across_at, segments.width)
                    part = numbers[inner_rows, inner_columns, taken].transpose(2, 0, 1)
                    if box is None:
                        return part
                    box[into, rows_at, columns_at] = part
        assert box is not None
        return box

    def _segment(self, page: Page, number: int) -> NDArray[Any]:
        """Decode a segment: ndarray of shape (rows, columns, samples)."""
        rows, width = page.segment_rows(number), page.segments.width
        size = page.segments.counts[number]
        if size == 0:
            return np.full((rows, width, page.together), self._blank).astype(page.dtype)
        what = "tile" if page.segments.are_tiles else "strip"
        data = self._file.read(page.segments.offsets[number], size, f"{what} {number}")
        try:
            return _numbers(page, decode(page, data, rows), width, self._file.order)
        except DamagedError as error:
            by = f" as {compression_name(page.compression)}"
            raise DataError(
                f"{what} {number} can't be decoded"
                f"{by if page.compression != NO_COMPRESSION else ''}: {error}; copy or make it "
                "again",
                page.directory.where,
            ) from error


def _overlap(ends: tuple[int, int], at: int, size: int) -> tuple[slice, slice]:
    """Return the part of a segment that a range covers, and the part of the range."""
    start, stop = max(ends[0], at * size), min(ends[1], (at + 1) * size)
    return slice(start - at * size, stop - at * size), slice(start - ends[0], stop - ends[0])


def _needed(page: Page) -> int:
    """Return the bytes that decoding one segment takes."""
    segments = page.segments
    numbers = segments.height * segments.width * page.together
    packed = segments.height * page.row_bytes(segments.width)
    # Stored bytes, decoded bytes, and numbers as the predictor leaves and takes them.
    return max(segments.counts, default=0) + 2 * packed + 3 * numbers * ITEM_BYTES[page.dtype]


def _numbers(page: Page, decoded: NDArray[Any], width: int, order: str) -> NDArray[Any]:
    """Return the numbers of a decoded segment: ndarray of shape (rows, columns, samples)."""
    if decoded.ndim == 3:
        # libtiff swaps the bytes before it compresses.
        return decoded.byteswap() if page.compression == LERC and order == ">" else decoded
    rows, shape = len(decoded), (len(decoded), width, page.together)
    if page.predictor == 3:
        return _undo_floats(decoded, page, width)
    item_bits = ITEM_BYTES[page.dtype] * 8
    if page.bits != item_bits or page.dtype == "bool":
        numbers = _unpacked(decoded, page, width).reshape(shape)
    else:
        numbers = decoded.reshape(rows, -1).view(f"{order}{_code(page.dtype)}").reshape(shape)
    if page.predictor == 2:
        # Differences wrap around, so those of floats are taken of their bits.
        native = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
        return sums_along_rows(native.view(f"u{native.itemsize}")).view(page.dtype)
    if page.predictor != 1:
        raise DamagedError(f"its predictor {page.predictor} is unknown")
    return numbers


def _code(dtype: str) -> str:
    found = np.dtype(dtype)
    return f"{found.kind}{found.itemsize}"


def _undo_floats(decoded: NDArray[np.uint8], page: Page, width: int) -> NDArray[Any]:
    """Undo the predictor of floats: differences of bytes, the highest of all numbers first."""
    item, samples = ITEM_BYTES[page.dtype], page.together
    if page.dtype not in ("float16", "float32", "float64"):
        raise DamagedError(f"its predictor is that of floats, and it holds {page.dtype}")
    rows = len(decoded)
    # Each byte is a difference to the byte `samples` before it.
    apart = decoded.reshape(rows, item * width, samples)
    summed = sums_along_rows(apart).reshape(rows, item, width * samples)
    joined = np.ascontiguousarray(summed.transpose(0, 2, 1))
    return joined.view(f">f{item}").reshape(rows, width, samples)


def _unpacked(decoded: NDArray[np.uint8], page: Page, width: int) -> NDArray[Any]:
    """Return numbers of other sizes than whole types; the first one has the highest bits."""
    count = width * page.together
    bits = np.unpackbits(decoded, axis=1, count=count * page.bits)
    if page.bits == 1:
        white: NDArray[Any] = bits.astype(bool) != (page.photometric == WHITE_IS_ZERO)
        return white
    found = np.zeros((len(decoded), count), page.dtype)
    for position in range(page.bits):
        found <<= 1
        found |= bits[:, position :: page.bits]
    return found
