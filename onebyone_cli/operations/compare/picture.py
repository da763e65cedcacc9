"""Draw a small map of where two stacks differ."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.picture.colormap import coloured, load
from onebyone_cli.picture.stretch import stretched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.spec import StackSpec

#: Most rows and columns: about those of a screen, in 8 MiB.
_MOST = 1024


class DifferenceMap:
    """Largest difference over all channels and items of a batch, pixel by pixel.

    Larger planes are shown in blocks of pixels by the largest difference of each: a mean would hide
    one wrong pixel of a hundred million.

    Attributes
    ----------
    step : int
        Side of a block.
    numbers : ndarray of float64, shape (rows, columns)
        The map; infinite where a number is invalid in one stack only.
    """

    def __init__(self, spec: StackSpec) -> None:
        self.step = -(-max(spec.height, spec.width) // _MOST)
        self._width = spec.width
        self.numbers = np.zeros((-(-spec.height // self.step), -(-spec.width // self.step)))
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        return self.numbers.nbytes

    def add(self, start: int, highest: NDArray[np.float64]) -> None:
        """Add the largest differences, shape (n,), of the pixels that follow `start`."""
        row, column = np.divmod(np.arange(start, start + len(highest)), self._width)
        with self._lock:
            np.maximum.at(self.numbers, (row // self.step, column // self.step), highest)

    def drawn(self) -> NDArray[np.uint8]:
        """Draw the map, from black for 0 to bright for the largest: (rows, columns, 3).

        Infinite differences have the colour of invalid pixels.
        """
        finite = np.isfinite(self.numbers)
        top = float(self.numbers.max(where=finite, initial=0.0)) or 1.0
        return coloured(stretched(self.numbers, (0.0, top)), load("magma"))
