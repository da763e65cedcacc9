"""Notice that no pixel is valid, and why; and that results of valid pixels overflow."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import setting, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.operations.channel_labels import ChannelLabels
    from onebyone_cli.spec import StackSpec

    Bools = NDArray[np.bool_]


#: Of a job that this process has not seen all pixels of.
_NONE_VALID = "warning: no pixel is valid; check NaN, nodata and mask"


def counted_none(output: StackSpec, invalid_pixels: int) -> tuple[str, ...]:
    """Warn that all pixels of an output are invalid, by their number; empty if they are not."""
    return (_NONE_VALID,) if invalid_pixels == output.items * output.pixels else ()


class ValueWatch:
    """Look for valid numbers of each channel until a pixel is valid.

    Several threads may look at once.
    """

    def __init__(self, channels: int) -> None:
        self._has_pixel = False
        self._has_value = np.zeros(channels, np.bool_)
        self._lock = threading.Lock()

    def look(
        self, x: NDArray[Any], invalid: Bools | None, numbers: Callable[[NDArray[Any]], Bools]
    ) -> None:
        """Look at a tile.

        Parameters
        ----------
        x : ndarray of shape (items, C, pixels)
        invalid : ndarray of bool, shape (items, pixels), or None
            Invalid pixels; None for none.
        numbers : callable
            Marks the invalid numbers of `x`.
        """
        if self._has_pixel:
            return
        if invalid is None or not invalid.all():
            self._has_pixel = True
            return
        found = ~numbers(x).all(axis=(0, 2))
        with self._lock:
            self._has_value |= found

    def warnings(self, labels: Callable[[], ChannelLabels]) -> Iterator[str]:
        """Describe the channels that make all pixels invalid, in a line; `labels` names them."""
        if self._has_pixel:
            return
        channels = np.flatnonzero(~self._has_value).tolist()
        if channels and len(channels) < len(self._has_value):
            why = spelled(labels().without_value(channels))
            yield f"warning: no pixel is valid: {why}, also where weights are learned"
        elif channels:
            yield _NONE_VALID
        else:
            yield "warning: no pixel is valid: each has an invalid number in some channel"


class OverflowWatch:
    """Notice valid pixels whose first result is not finite, though all weights are.

    `dtype` is the type of the arithmetic.
    """

    def __init__(self, layers: Sequence[Layer], dtype: str) -> None:
        maps = [layer.map for layer in layers]
        self._dtype, self._found = dtype, False
        self._expects = all(np.isfinite(each.weight).all() for each in maps)
        self._expects &= all(np.isfinite(each.bias).all() for each in maps)

    def look(self, y: NDArray[Any], invalid: Bools | None) -> None:
        """Look at the results of a tile, shape (items, K, pixels), and its invalid pixels."""
        lost = ~np.isfinite(y[:, 0])
        self._found |= bool((lost if invalid is None else lost & ~invalid).any())

    def warnings(self) -> Iterator[str]:
        """Tell of such pixels, in a line."""
        if self._found and self._expects:
            way = f", or use {setting('compute', 'float64')}" if self._dtype == "float32" else ""
            yield spelled(
                f"warning: results of valid pixels overflow {self._dtype}; if the input has a "
                f"number for missing values, name it by {setting('nodata')}{way}"
            )
