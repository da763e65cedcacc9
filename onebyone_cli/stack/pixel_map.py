"""Maps of one number for each pixel, such as masks and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import ShapeMismatchError
from onebyone_cli.spec import Slab, StackSpec
from onebyone_cli.stack.folded import fold
from onebyone_cli.stack.sources import Sources
from onebyone_cli.stack.stack import Stack
from onebyone_cli.stack.validity import Marks, Nodata, Validity
from onebyone_cli.units import count

if TYPE_CHECKING:
    from contextlib import ExitStack

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.plan.memory import Plan
    from onebyone_cli.spec import PixelGrid
    from onebyone_cli.stack.sources import OnProgress


class PixelMap:
    """An open map of one channel, with the height and width of its stack.

    A map without the batch axes of the stack holds for every item. One row or column with as many
    numbers as the stack has pixels is folded to its height and width. Its numbers are invalid where
    its own file says so. Those that the user gives for stacks are invalid in maps only if they are
    negative: no map means a pixel that counts, or a class, by -9999, but many do by 1 or 255.

    Parameters
    ----------
    reader : Reader or StreamReader
        Open; the caller closes it.
    spec : StackSpec
        The stack that the map goes with.
    what : str
        The kind of map, for messages.
    nodata : Nodata, optional
        What the user says of the stack.

    Attributes
    ----------
    files : tuple of str
        What is read.
    pixel_bytes : int
        Memory for each pixel of a slab.
    stack : Stack
        The readable map, after `open`.

    Raises
    ------
    ShapeMismatchError
        If it has several channels, or another size than the stack.
    """

    def __init__(
        self,
        reader: Reader | StreamReader,
        spec: StackSpec,
        what: str,
        nodata: Nodata | None = None,
    ) -> None:
        if min(reader.spec.height, reader.spec.width) == 1 and reader.spec.pixels == spec.pixels:
            reader = fold(reader, (spec.height, spec.width))
        _check(reader.path, reader.spec, spec, what)
        dtype = reader.spec.dtype
        self._marks = Marks(_validity(reader, nodata), [dtype], dtype)
        self.path, self.files = reader.path, reader.about.files
        self.sources = Sources([reader])
        self.pixel_bytes = reader.spec.item_bytes
        self._spec = reader.spec
        self._for_all = reader.spec.items < spec.items

    def open(self, plan: Plan, stack: ExitStack, on_progress: OnProgress) -> None:
        """Make it readable; see `Sources.as_stack`."""
        self.stack = self.sources.as_stack(self._spec.dtype, plan, stack, on_progress)

    def open_reader(self, reader: Reader) -> None:
        """Make it readable at any place, where no plan is needed."""
        self.stack = Stack([reader], self._spec.dtype)

    def read(self, slab: Slab) -> NDArray[Any]:
        """Read the numbers of a slab: ndarray of shape (slab.items, slab.pixels)."""
        if self._for_all:
            slab = Slab(0, 1, slab.start, slab.stop)
        numbers = np.empty((slab.items, 1, slab.pixels), self._spec.dtype)
        self.stack.read(slab, numbers, np.empty(self.stack.scratch_bytes, np.uint8))
        return numbers[:, 0]

    def masked(self, slab: Slab) -> NDArray[np.bool_]:
        """Mark the pixels of a slab that a mask leaves out: where it is 0, NaN or invalid.

        Returns
        -------
        ndarray of bool, shape (slab.items, slab.pixels)
            Of one item if the map holds for every item.
        """
        return self._is_masked(self.read(slab))

    def masked_grid(self, grid: PixelGrid) -> NDArray[np.bool_]:
        """Mark pixels as `masked` does, at the crossings of rows and columns.

        Returns
        -------
        ndarray of bool, shape (len(grid.rows), len(grid.columns))
        """
        numbers = np.empty((1, len(grid.rows), len(grid.columns)), self._spec.dtype)
        own = grid._replace(item=0 if self._for_all else grid.item, channels=[0])
        self.stack.read_grid(own, numbers, np.empty(self.stack.scratch_bytes, np.uint8))
        return self._is_masked(numbers[0])

    def _is_masked(self, numbers: NDArray[Any]) -> NDArray[np.bool_]:
        masked = (numbers == 0) | np.isnan(numbers)
        if self._marks.are_needed:
            masked |= self._marks.marked(numbers)
        return np.asarray(masked)

    def classes(self, slab: Slab) -> NDArray[Any]:
        """Read the classes of a slab, as `read` does; 0 where a label is invalid."""
        labels = self.read(slab)
        if self._marks.are_needed:
            labels[self._marks.marked(labels)] = 0
        return labels


def _validity(reader: Reader | StreamReader, nodata: Nodata | None) -> Validity:
    """Decide which numbers of a map are invalid; see `PixelMap`."""
    if nodata is not None and not nodata.ranges:  # nothing that files say
        return Validity()
    said = reader.about.metadata
    ranges = [(value, value) for entry in said.nodata[:1] for value in entry]
    if nodata is not None:
        ranges += [(low, high) for low, high in nodata.ranges if high < 0]
    valid = tuple(pair for pair in said.valid_range[:1] if pair is not None)
    return Validity((tuple(ranges),) if ranges else (), valid)


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
