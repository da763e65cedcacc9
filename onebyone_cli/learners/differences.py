"""Differences of neighbouring pixels: what is left of a smooth image, which is mostly noise.

Green, Berman, Switzer & Craig, "A transformation for ordering multispectral data in terms of image
quality with implications for noise removal", IEEE Transactions on Geoscience and Remote Sensing
26:1, 1988, section III: half the covariance of the differences estimates that of the noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments

#: By direction, the rows and columns from a pixel to its neighbour.
STEPS = {"right": (0, 1), "lower": (1, 0), "lowerright": (1, 1)}

#: What a user may name, and the directions that are meant.
DIRECTIONS = {**{name: (name,) for name in STEPS}, "both": ("right", "lower")}

#: The customary neighbours of each method; see `fit.mnf` and `fit.maf`.
CUSTOMARY = {"mnf": "lowerright", "maf": "both"}


class Window(NamedTuple):
    """Part of a plane in which neighbours are compared.

    Attributes
    ----------
    rows, columns : (int, int)
        First, and the one after the last.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]


class Neighbour(NamedTuple):
    """One direction, in a plane of a given size.

    Attributes
    ----------
    direction : str
        One of `STEPS`.
    width : int
        Pixels of a row.
    window : Window
        Both pixels of a pair must lie in it.
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
        """Say which of the pixels [start, stop) have no such neighbour within the window."""
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

    Half of it is the covariance of the noise.

    Raises
    ------
    DataError
        If there are fewer than two pairs of neighbours in one direction.
    """
    for moments in differences:
        if moments.count < 2:
            raise DataError(
                f"has {count(moments.count, 'pair')} of valid neighbours to tell the noise from; "
                "expected 2 or more: check NaN, nodata, mask and the --noise options",
                source,
            )
    return np.asarray(np.mean([moments.covariance for moments in differences], axis=0))
