"""Differences of neighbouring pixels, which are mostly noise where an image is smooth.

Green, Berman, Switzer & Craig, the paper of `mnf`, section III: half the covariance of the
differences estimates that of the noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, setting
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments

#: Rows and columns from a pixel to its neighbour, by direction.
STEPS = {"right": (0, 1), "lower": (1, 0), "lowerright": (1, 1)}

#: Directions by the name that a user gives.
DIRECTIONS = {**{name: (name,) for name in STEPS}, "both": ("right", "lower")}

#: Default direction of each method.
CUSTOMARY = {"mnf": "lowerright", "maf": "both"}


class Window(NamedTuple):
    """Rows and columns, first and one after the last, in which neighbours are compared."""

    rows: tuple[int, int]
    columns: tuple[int, int]


class Neighbour(NamedTuple):
    """One direction of `STEPS`, in a plane of rows of `width` pixels.

    Both pixels of a pair must lie in the window.
    """

    direction: str
    width: int
    window: Window

    @property
    def offset(self) -> int:
        """Pixels, in row-major order, from a pixel to its neighbour."""
        rows, columns = STEPS[self.direction]
        return rows * self.width + columns

    def without(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which of the pixels [start, stop) have no such neighbour in the window."""
        rows, columns = STEPS[self.direction]
        row, column = np.divmod(np.arange(start, stop), self.width)
        top, bottom = self.window.rows
        left, right = self.window.columns
        outside: NDArray[np.bool_] = (column < left) | (column >= right - columns)
        outside |= (row < top) | (row >= bottom - rows)
        return outside


def difference_covariance(
    differences: Collection[Moments], source: str = ""
) -> NDArray[np.float64]:
    """Return the mean of the covariances of differences in several directions, shape (C, C).

    Raises `DataError` if there are fewer than two pairs of neighbours in one direction.
    """
    for moments in differences:
        if moments.count < 2:
            raise DataError(
                f"has {count(moments.count, 'pair')} of valid neighbours to estimate the noise; "
                f"expected 2 or more: check NaN, nodata, mask and {setting('noise')}",
                source,
            )
    return np.asarray(np.mean([moments.covariance for moments in differences], axis=0))
