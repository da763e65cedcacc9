"""The geometry of a contact sheet: equal cells in a grid, a caption above each. Plain integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Room(NamedTuple):
    """What a picture may take.

    Attributes
    ----------
    height, width : int
        Pixels, at most.
    gap : int
        Pixels between cells that are side by side.
    gap_below : int
        Pixels between a cell and what is below it.
    caption : int
        Pixels above each cell for its caption.
    least : int
        Cells get no smaller than this on their longer side, unless they are.
    multiple : int
        Rows of cells begin at multiples of this, since two pixels make one line of text.
    """

    height: int
    width: int
    gap: int = 0
    gap_below: int = 0
    caption: int = 0
    least: int = 1
    multiple: int = 1


class Place(NamedTuple):
    """Where a cell lies: its first row and column, below its caption."""

    top: int
    left: int


class Sheet(NamedTuple):
    """A grid of cells.

    Attributes
    ----------
    cells : int
        How many there are.
    columns : int
        How many are side by side.
    cell_height, cell_width : int
        Pixels of each.
    times : int
        How often each pixel of a plane is repeated; 1 where planes are shown smaller than they
        are.
    room : Room
        What it was planned for.
    """

    cells: int
    columns: int
    cell_height: int
    cell_width: int
    times: int
    room: Room

    @property
    def rows(self) -> int:
        """How many are below each other."""
        return -(-self.cells // self.columns)

    @property
    def height(self) -> int:
        """Pixels of the whole sheet."""
        return (self.rows - 1) * self._pitch + self.room.caption + self.cell_height

    @property
    def width(self) -> int:
        """Pixels of the whole sheet."""
        return self.columns * (self.cell_width + self.room.gap) - self.room.gap

    @property
    def shown_height(self) -> int:
        """Rows of a plane as it is shown, before they are repeated."""
        return self.cell_height // self.times

    @property
    def shown_width(self) -> int:
        """Columns of a plane as it is shown, before they are repeated."""
        return self.cell_width // self.times

    @property
    def places(self) -> Iterator[Place]:
        """Where cells lie, in their order: row by row."""
        for cell in range(self.cells):
            row, column = divmod(cell, self.columns)
            yield Place(
                row * self._pitch + self.room.caption, column * (self.cell_width + self.room.gap)
            )

    @property
    def _pitch(self) -> int:
        return _up(self.room.caption + self.cell_height + self.room.gap_below, self.room.multiple)


def plan_sheet(cells: int, height: int, width: int, room: Room) -> Sheet:
    """Arrange planes so that they are shown as large as can be.

    Planes are enlarged by whole numbers only, so that their pixels stay squares; reduced by any.

    Parameters
    ----------
    cells : int
        Planes to be shown. If they would become too small, fewer are: see `Sheet.cells`.
    height, width : int
        Of each plane.
    room : Room
        What the sheet may take.
    """
    sheet = _arranged(cells, height, width, room)
    if sheet is None or _is_too_small(sheet, height, width):
        # Fewer cells never get smaller, so the most that fit are found by bisection.
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
    """Find the number of columns with the largest cells, and of these the fullest grid."""
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
    """Make the largest cells that fit a number of columns; None if none do."""
    rows = -(-cells // columns)
    wide = (room.width + room.gap) // columns - room.gap
    # Every row but the last is followed by a gap, and begins at a multiple.
    pitch = (room.height + room.gap_below) // rows // room.multiple * room.multiple
    high = (pitch - room.gap_below if rows > 1 else room.height) - room.caption
    if wide < 1 or high < 1:
        return None
    times = max(1, min(wide // width, high // height))
    if wide >= width and high >= height:
        return Sheet(cells, columns, times * height, times * width, times, room)
    # The side that has less room decides; the other keeps the proportion, as an integer.
    if wide * height <= high * width:
        high = max(1, min(high, round(height * wide / width)))
    else:
        wide = max(1, min(wide, round(width * high / height)))
    return Sheet(cells, columns, min(high, height), min(wide, width), 1, room)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
