"""Maps of one number for each pixel, such as masks and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import ShapeMismatchError
from onebyone_cli.spec import Slab, StackSpec
from onebyone_cli.stack.sources import Sources
from onebyone_cli.units import count

if TYPE_CHECKING:
    from contextlib import ExitStack

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.plan.memory import Plan
    from onebyone_cli.stack.sources import OnProgress


class PixelMap:
    """An open map of one channel, with the height and width of its stack.

    A map without the batch axes of the stack holds for every item. The caller closes `reader`;
    `what` is the kind of map, for messages. ``pixel_bytes`` is memory for each pixel of a slab, and
    ``stack`` the readable map after `open`.

    Raises
    ------
    ShapeMismatchError
        If it has several channels, or another size than the stack.
    """

    def __init__(self, reader: Reader | StreamReader, spec: StackSpec, what: str) -> None:
        _check(reader.path, reader.spec, spec, what)
        self.path, self.sources = reader.path, Sources([reader])
        self.pixel_bytes = reader.spec.item_bytes
        self._spec = reader.spec
        self._for_all = reader.spec.items < spec.items

    def open(self, plan: Plan, stack: ExitStack, on_progress: OnProgress) -> None:
        """Make it readable; see `Sources.as_stack`."""
        self.stack = self.sources.as_stack(self._spec.dtype, plan, stack, on_progress)

    def read(self, slab: Slab) -> NDArray[Any]:
        """Read the numbers of a slab: ndarray of shape (slab.items, slab.pixels)."""
        if self._for_all:
            slab = Slab(0, 1, slab.start, slab.stop)
        numbers = np.empty((slab.items, 1, slab.pixels), self._spec.dtype)
        self.stack.read(slab, numbers, np.empty(self.stack.scratch_bytes, np.uint8))
        return numbers[:, 0]


def _check(path: str, found: StackSpec, stack: StackSpec, what: str) -> None:
    if found.channels != 1:
        raise ShapeMismatchError(
            f"has {count(found.channels, 'channel')}; a {what} has one, of height×width", path
        )
    if (found.height, found.width) != (stack.height, stack.width):
        raise ShapeMismatchError(
            f"has {found.height}×{found.width} pixels (height×width) and the stack has "
            f"{stack.height}×{stack.width}; a {what} has one number for each pixel",
            path,
        )
    if found.several not in ((), stack.several):
        raise ShapeMismatchError(
            f"has shape {found.size} and the stack has {stack.size}; "
            f"expected the same leading axes, or none for one {what} for all",
            path,
        )
