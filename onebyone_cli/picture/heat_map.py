"""Draw a matrix as a picture: one square per number, blue below zero and red above."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.picture.colormap import coloured, load
from onebyone_cli.picture.resample import block_starts, enlarged
from onebyone_cli.picture.stretch import stretched, symmetric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Characters from large negative to large positive, for output without colours.
SIGNS = "=-.+#"

#: Limits of small and of large numbers, as fractions of the largest magnitude.
_SMALL, _LARGE = 1 / 8, 1 / 2


def heat_map(matrix: Floats, *, rows: int, columns: int, largest_square: int) -> NDArray[np.uint8]:
    """Draw a matrix of finite numbers, (K, C), with a diverging colormap.

    Parameters
    ----------
    rows, columns : int
        Largest size in pixels. In a larger matrix each pixel shows the number of largest
        magnitude in a block.
    largest_square : int
        Largest side in pixels of the square of a number.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    small = extremes(matrix, rows, columns)
    most = float(np.abs(matrix).max())
    rgb = coloured(stretched(small, symmetric((-most, most))), load("coolwarm"))
    fitting = min(rows // len(small), columns // small.shape[1], largest_square)
    return enlarged(rgb, max(1, fitting))


def signs(matrix: Floats, *, rows: int, columns: int) -> list[str]:
    """Draw a matrix in the characters of `SIGNS`, one line per row."""
    small = extremes(matrix, rows, columns)
    share = small / (np.abs(matrix).max() or 1.0)
    levels = np.digitize(share, [-_LARGE, -_SMALL, _SMALL, _LARGE])
    return ["".join(SIGNS[level] for level in row) for row in levels.tolist()]


def extremes(matrix: Floats, rows: int, columns: int) -> Floats:
    """Reduce a matrix to at most `rows` × `columns` blocks: the largest magnitude of each."""
    starts = [
        block_starts(size, min(size, most))
        for size, most in zip(matrix.shape, (rows, columns), strict=True)
    ]

    def reduced(ufunc: np.ufunc) -> Floats:
        whole: Floats = ufunc.reduceat(ufunc.reduceat(matrix, starts[0], 0), starts[1], 1)
        return whole

    low, high = reduced(np.minimum), reduced(np.maximum)
    return np.where(-low > high, low, high)
