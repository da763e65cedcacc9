"""Decode the cells of a stack of pages: boxes of rows and columns of one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.formats.tiff.codecs import DamagedError, compression_name, decode
from onebyone_cli.formats.tiff.page import NO_COMPRESSION
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.grid import Grid
    from onebyone_cli.formats.tiff.file import InputFile
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
        The number in strips and tiles that were never written.
    """

    def __init__(
        self, file: InputFile, pages: Sequence[Sequence[Page]], grid: Grid, blank: float = 0
    ) -> None:
        self._file = file
        self._pages = pages
        self._grid = grid
        self._blank = blank
        self.decode_bytes = max(_needed(page) for row in pages for page in row)

    def load(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Decode a cell: ndarray of shape (*batch, C, H, W), its part inside the stack.

        Raises
        ------
        DataError
            If a strip or tile is damaged.
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
        first, end = samples
        shape = (end - first, rows[1] - rows[0], columns[1] - columns[0])
        box = None
        for plane in range(first, end) if page.is_planar else range(1):
            into = slice(plane - first, plane - first + 1) if page.is_planar else slice(None)
            taken = slice(None) if page.is_planar else slice(first, end)
            for down in range(rows[0] // page.rows, -(-rows[1] // page.rows)):
                for across in range(columns[0] // page.columns, -(-columns[1] // page.columns)):
                    at = (plane * page.down + down) * page.across + across
                    inner_rows, rows_at = _overlap(rows, down, page.rows)
                    inner_columns, columns_at = _overlap(columns, across, page.columns)
                    numbers = self._segment(page, at)[inner_rows, inner_columns, taken]
                    part = numbers.transpose(2, 0, 1)
                    if part.shape == shape:
                        return part
                    if box is None:
                        box = np.empty(shape, page.dtype)
                    box[into, rows_at, columns_at] = part
        assert box is not None
        return box

    def _segment(self, page: Page, number: int) -> NDArray[Any]:
        """Decode a strip or tile: ndarray of shape (rows, columns, samples)."""
        size = page.counts[number]
        if size == 0:
            shape = (page.stored_rows(number), page.columns, page.together)
            return np.full(shape, self._blank).astype(page.dtype)
        what = f"{'tile' if page.are_tiles else 'strip'} {number}"
        data = self._file.read(page.offsets[number], size, what)
        try:
            return decode(page, data, number, self._file.order)
        except DamagedError as error:
            by = f" as {compression_name(page.compression)}"
            raise DataError(
                f"{what} can't be decoded{by if page.compression != NO_COMPRESSION else ''}: "
                f"{error}; copy or make it again",
                page.where,
            ) from error


def _overlap(ends: tuple[int, int], at: int, size: int) -> tuple[slice, slice]:
    """Return the part of a strip or tile that a range covers, and the part of the range."""
    start, stop = max(ends[0], at * size), min(ends[1], (at + 1) * size)
    return slice(start - at * size, stop - at * size), slice(start - ends[0], stop - ends[0])


def _needed(page: Page) -> int:
    """Return the bytes that decoding one strip or tile takes."""
    numbers = page.rows * page.columns * page.together
    packed = page.rows * page.row_bytes(page.columns)
    # Stored bytes, decoded bytes, and numbers as the predictor leaves and takes them.
    return max(page.counts, default=0) + 2 * packed + 3 * numbers * ITEM_BYTES[page.dtype]
