"""Pictures that are stored turned or mirrored: tag 274 of TIFF and EXIF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Orientation(NamedTuple):
    """How a picture is shown: its stored rows and columns swapped first, then reversed.

    Attributes
    ----------
    number : int
        Value of the tag: 1 to 8.
    swapped : bool
        Whether stored columns are rows.
    upwards, leftwards : bool
        Whether rows are shown from the last to the first; columns.
    title : str
        What was done to the stored picture, for messages.
    """

    number: int
    swapped: bool = False
    upwards: bool = False
    leftwards: bool = False
    title: str = ""

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width as shown, given those that are stored."""
        return (width, height) if self.swapped else (height, width)

    def rows(
        self,
        start: int,
        stop: int,
        stored: tuple[int, int],
        read: Callable[[int, int, int, int], NDArray[Any]],
    ) -> NDArray[Any]:
        """Return rows [start, stop) as shown, and read no others.

        Parameters
        ----------
        start, stop : int
        stored : (int, int)
            Height and width as stored.
        read : callable
            Returns the stored pixels from row to row and from column to column, given first row,
            first column, end of the rows and end of the columns.
        """
        height, width = stored
        count = width if self.swapped else height
        first, last = (count - stop, count - start) if self.upwards else (start, stop)
        box = (0, first, height, last) if self.swapped else (first, 0, last, width)
        piece = read(*box)
        piece = piece.T if self.swapped else piece
        return piece[:: -1 if self.upwards else 1, :: -1 if self.leftwards else 1]


UPRIGHT = Orientation(1)

_TURNED = (
    UPRIGHT,
    Orientation(2, False, False, True, "mirrored left to right"),
    Orientation(3, False, True, True, "turned by 180 degrees"),
    Orientation(4, False, True, False, "mirrored top to bottom"),
    Orientation(5, True, False, False, "mirrored, and turned by 270 degrees clockwise"),
    Orientation(6, True, False, True, "turned by 90 degrees clockwise"),
    Orientation(7, True, True, True, "mirrored, and turned by 90 degrees clockwise"),
    Orientation(8, True, True, False, "turned by 270 degrees clockwise"),
)


def orientation_of(value: object) -> Orientation:
    """Return the orientation of a value of the tag; viewers ignore values other than 1 to 8."""
    if isinstance(value, int) and 1 <= value <= len(_TURNED):
        return _TURNED[value - 1]
    return UPRIGHT
