"""Read planes of a stack at the size of a picture.

Of a large stack, rows and columns are skipped, and the mean of a few numbers is shown for each
pixel of the picture. Of a small stack it is the mean of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.operations.meaning import Meaning
from onebyone_cli.picture.resample import averaged, block_starts
from onebyone_cli.spec import PixelGrid
from onebyone_cli.stack.validity import Marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.pixel_map import PixelMap
    from onebyone_cli.stack.stack import Stack

#: Most numbers averaged in each direction. Four by four halve noise twice, and keep most lines that
#: are thinner than a pixel of the picture.
_MOST_TIMES = 4

#: Most bytes of rows that are read for finer averages than the coarsest.
_WORTH_READING = 1 << 29

#: Most bytes of numbers that are held before they are averaged.
_BAND_BYTES = 1 << 25


class Thumbnails(NamedTuple):
    """Planes at the size of a picture.

    Attributes
    ----------
    stack : Stack
        Read as float64.
    height, width : int
        Of the picture, no more than those of the stack.
    memory : int
        Budget in bytes; a fourth of it is for numbers before they are averaged.
    meaning : Meaning
        Of the stack: which numbers are invalid besides NaN and infinities, and their packing.
    stored : sequence of str
        Type of each channel of the stack in its file.
    by_pixel : bool
        Whether the channels together decide which pixels are invalid, or each for itself.
    mask : PixelMap or None
        Open map of pixels that are left out.
    """

    stack: Stack
    item: int
    channels: Sequence[int]
    height: int
    width: int
    memory: int
    meaning: Meaning = Meaning()
    stored: Sequence[str] = ()
    by_pixel: bool = False
    mask: PixelMap | None = None

    def whole(self) -> NDArray[np.float64]:
        """Read all planes: shape (len(channels), height, width), NaN where a pixel is invalid."""
        planes = np.empty((len(self.channels), self.height, self.width))
        for start, band in self.bands():
            planes[:, start : start + band.shape[1]] = band
        return planes

    def bands(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield the first row and the numbers of some rows of all planes at a time.

        The numbers are float64 of shape (len(channels), rows, width), NaN where a pixel is invalid.
        """
        rows, columns = picked(self.stack.spec, len(self.channels), self.height, self.width)
        row_starts = block_starts(len(rows), self.height)
        column_starts = block_starts(len(columns), self.width)
        mark = self._marker()
        scratch = np.empty(self.stack.scratch_bytes, np.uint8)
        step = self._band_rows(len(rows), len(columns))
        for start in range(0, self.height, step):
            starts = row_starts[start : start + step]
            end = start + step
            last = int(row_starts[end]) if end < self.height else len(rows)
            wanted = rows[int(starts[0]) : last]
            numbers = np.empty((len(self.channels), len(wanted), len(columns)))
            with np.errstate(all="ignore"):
                grid = PixelGrid(self.item, self.channels, wanted, columns)
                self.stack.read_grid(grid, numbers, scratch)
            if mark is not None:
                flat = numbers.reshape(len(numbers), -1)
                np.copyto(flat, np.nan, where=mark(flat))
            if self.mask is not None:
                numbers[:, self.mask.masked_grid(grid)] = np.nan
            yield start, self._in_units(averaged(numbers, starts - starts[0], column_starts))

    def _marker(self) -> Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None:
        """Return what marks invalid numbers, of shape (n, pixels); None if only NaN are."""
        chosen, validity = list(self.channels), self.meaning.validity
        if not validity.is_needed:
            return None
        marks = Marks(validity.selected(chosen), [self.stored[at] for at in chosen], "float64")
        return marks.pixels if self.by_pixel else marks.numbers

    def _in_units(self, planes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn stored numbers into values, of which they are the means as well."""
        if self.meaning.packing is None:
            return planes
        scale, offset = (
            np.array(each)[list(self.channels), np.newaxis, np.newaxis]
            for each in self.meaning.packing
        )
        values: NDArray[np.float64] = planes * scale + offset
        return values

    def _band_rows(self, rows: int, columns: int) -> int:
        """Return the rows of a picture to average at a time; numbers are held about three times."""
        each = 28 * len(self.channels) * columns * -(-rows // self.height)
        return max(1, min(self.memory // 4, _BAND_BYTES) // each)


def picked(spec: StackSpec, channels: int, height: int, width: int) -> tuple[range, range]:
    """Choose the evenly spaced rows and columns to read, at least as many as the picture has.

    `channels` is the number of channels that are read; `height` and `width` are those of the
    picture.
    """
    line = channels * spec.width * spec.item_bytes
    times = _MOST_TIMES
    while times > 1 and min(spec.height, times * height) * line > _WORTH_READING:
        times -= 1
    return _evenly(spec.height, times * height), _evenly(spec.width, times * width)


def _evenly(size: int, wanted: int) -> range:
    """Choose about `wanted` of `size` places, at least `wanted` if possible."""
    step = max(1, size // wanted)
    count = size // step
    start = (size - 1 - (count - 1) * step) // 2
    return range(start, start + (count - 1) * step + 1, step)
