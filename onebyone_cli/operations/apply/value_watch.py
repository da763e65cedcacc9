"""Notice that no pixel is valid, and which channels are the reason."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

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
