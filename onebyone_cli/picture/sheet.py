"""The geometry of a contact sheet: equal cells in a grid, a caption above each. Plain integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Room(NamedTuple):
    """The space for a sheet, in pixels.

    Attributes
    ----------
    height, width : int
        Largest size of the sheet.
    gap, gap_below : int
        Space between neighbouring columns, and between rows of cells.
    caption : int
        Height of the caption above each cell.
    least : int
        Smallest longer side of a cell, unless the plane itself is smaller.
    multiple : int
        Rows of cells begin at multiples of this: a line of text shows two pixels.
    """

    height: int
    width: int
    gap: int = 0
    gap_below: int = 0
    caption: int = 0
    least: int = 1
    multiple: int = 1


class Place(NamedTuple):
    """First row and column of a cell, below its caption."""

    top: int
    left: int


class Sheet(NamedTuple):
    """A grid of cells.

    Attributes
    ----------
    cells, columns : int
        Number of cells, and of cells in a row.
    cell_height, cell_width : int
        Pixels of a cell.
    times : int
        Enlargement factor; 1 where planes are reduced.
    """

    cells: int
    columns: int
    cell_height: int
    cell_width: int
    times: int
    room: Room

    @property
    def rows(self) -> int:
        """Number of rows of cells."""
        return -(-self.cells // self.columns)

    @property
    def height(self) -> int:
        """Pixels of the sheet."""
        return (self.rows - 1) * self._pitch + self.room.caption + self.cell_height

    @property
    def width(self) -> int:
        """Pixels of the sheet."""
        return self.columns * (self.cell_width + self.room.gap) - self.room.gap

    @property
    def shown_height(self) -> int:
        """Rows of a plane before enlargement."""
        return self.cell_height // self.times

    @property
    def shown_width(self) -> int:
        """Columns of a plane before enlargement."""
        return self.cell_width // self.times

    @property
    def places(self) -> Iterator[Place]:
        """Places of the cells, row by row."""
        for cell in range(self.cells):
            row, column = divmod(cell, self.columns)
            yield Place(
                row * self._pitch + self.room.caption, column * (self.cell_width + self.room.gap)
            )

    @property
    def _pitch(self) -> int:
        pitch = self.room.caption + self.cell_height + self.room.gap_below
        return -(-pitch // self.room.multiple) * self.room.multiple


def plan_sheet(cells: int, height: int, width: int, room: Room) -> Sheet:
    """Arrange planes of height × width pixels so that they are shown as large as possible.

    Enlargement factors are integers, so that pixels stay squares; any reduction is possible. Fewer
    cells are shown if they would become too small, see `Sheet.cells`.
    """
    sheet = _arranged(cells, height, width, room)
    if sheet is None or _is_too_small(sheet, height, width):
        # Fewer cells are never smaller, so bisection finds the most that fit.
        few, many = 1, cells
        while many - few > 1:
            middle = (few + many) // 2
            sheet = _arranged(middle, height, width, room)
            if sheet is None or _is_too_small(sheet, height, width):
                many = middle
            else:
                few = middle
        sheet = _arranged(few, height, width, room)
    return sheet or Sheet(1, 1, 1, 1, 1, room)


def _is_too_small(sheet: Sheet, height: int, width: int) -> bool:
    longer = max(sheet.cell_height, sheet.cell_width)
    return longer < min(sheet.room.least, max(height, width))


def _arranged(cells: int, height: int, width: int, room: Room) -> Sheet | None:
    """Choose the number of columns with the largest cells, then the fullest grid."""
    most = min(cells, (room.width + room.gap) // (1 + room.gap))
    found = [_fitted(cells, columns, height, width, room) for columns in range(1, most + 1)]
    sheets = [sheet for sheet in found if sheet is not None]
    return max(
        sheets,
        key=lambda sheet: (
            sheet.cell_height * sheet.cell_width,
            -(sheet.rows * sheet.columns),
            sheet.columns,
        ),
        default=None,
    )


def _fitted(cells: int, columns: int, height: int, width: int, room: Room) -> Sheet | None:
    """Make the largest cells that fit a number of columns; None if none fit."""
    rows = -(-cells // columns)
    wide = (room.width + room.gap) // columns - room.gap
    # A gap follows every row but the last, and every row begins at a multiple.
    pitch = (room.height + room.gap_below) // rows // room.multiple * room.multiple
    high = (pitch - room.gap_below if rows > 1 else room.height) - room.caption
    if wide < 1 or high < 1:
        return None
    times = max(1, min(wide // width, high // height))
    if wide >= width and high >= height:
        return Sheet(cells, columns, times * height, times * width, times, room)
    # The tighter side decides; the other keeps the proportion, rounded.
    if wide * height <= high * width:
        high = max(1, min(high, round(height * wide / width)))
    else:
        wide = max(1, min(wide, round(width * high / height)))
    return Sheet(cells, columns, min(high, height), min(wide, width), 1, room)
