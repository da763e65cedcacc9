"""Plan which chunks are read together, and in which order. Plain integers.

A **cell** is the unit of decoding: one chunk, or several tiny ones. Axes are those of
`StackSpec.shape`, ``(*batch, C, H, W)``, whatever their order in the file, except in `Grid.stored`.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.spec import StackSpec

#: Size up to which tiny chunks are decoded together, to amortise the call.
CELL_BYTES = 1 << 16

#: Size of cells of a dataset without chunks.
PIECE_BYTES = 1 << 18

#: Most times that a stream decodes each chunk to stay within memory.
_MAX_DECODES = 8

#: Useful cache size even if a row of pixels needs less: threads read at different places.
_USEFUL_CACHE = 1 << 24


class Grid(NamedTuple):
    """The cells of a dataset.

    Attributes
    ----------
    shape : tuple of int
        ``(*batch, C, H, W)``.
    cell : tuple of int
        Sizes of a cell along the same axes.
    order : tuple of int
        The axis of `shape` of each axis in the file. Shorter than `shape` if the file has no axis
        of channels, or one of pixels in place of rows and columns.
    item_bytes : int
        Bytes of one number.
    """

    shape: tuple[int, ...]
    cell: tuple[int, ...]
    order: tuple[int, ...]
    item_bytes: int

    @property
    def cell_bytes(self) -> int:
        """Bytes of one decoded cell."""
        return prod(self.cell) * self.item_bytes

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.cell, strict=True))

    @property
    def band_cells(self) -> int:
        """Cells to keep so that slabs read in ascending order decode each cell once.

        Slabs take all channels, pixels row by row and items one by one. A slab leaves these cells
        half used: all along C; one along the first other axis on which cells are thicker than 1;
        all along the axes after that one.
        """
        counts, channels = self.counts, len(self.shape) - 3
        after = [*range(channels), channels + 1, channels + 2]
        while after and min(self.cell[after[0]], self.shape[after[0]]) == 1:
            after.pop(0)
        return prod([counts[channels], *(counts[axis] for axis in after[1:])])

    def stored(self, values: tuple[int, ...]) -> tuple[int, ...]:
        """Reorder values from the axes of `shape` to those of the file."""
        return tuple(values[axis] for axis in self.order)

    def box(self, index: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return first and one past the last coordinates of a cell inside the dataset."""
        start = tuple(i * c for i, c in zip(index, self.cell, strict=True))
        stop = tuple(min(s + c, n) for s, c, n in zip(start, self.cell, self.shape, strict=True))
        return start, stop

    def touching(self, start: tuple[int, ...], stop: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the cells that a box touches: row by row, all channels of a place together."""
        ranges = [range(a // c, -(-b // c)) for a, b, c in zip(start, stop, self.cell, strict=True)]
        channels = len(self.shape) - 3
        ranges.append(ranges.pop(channels))
        for *others, channel in product(*ranges):
            others.insert(channels, channel)
            yield tuple(others)


def make_grid(spec: StackSpec, order: tuple[int, ...], chunk: tuple[int, ...] | None) -> Grid:
    """Lay cells over a dataset.

    Parameters
    ----------
    order : tuple of int
        As in `Grid`.
    chunk : tuple of int or None
        Sizes of a chunk in the order of the file; None for a dataset without chunks.
    """
    axes = len(spec.shape)
    cell = [1] * axes
    for axis, size in zip(order, chunk or (), strict=False):
        cell[axis] = size
    # Neighbours in a row first, then rows: the order of slabs.
    target = CELL_BYTES if chunk else PIECE_BYTES
    for axis in (axes - 1, axes - 2):
        room = target // (prod(cell) * spec.item_bytes)
        needed = -(-spec.shape[axis] // cell[axis])
        cell[axis] *= max(1, min(room, needed))
    return Grid(spec.shape, tuple(cell), order, spec.item_bytes)


class CachePlan(NamedTuple):
    """The cache of a random-access reader.

    Attributes
    ----------
    cells : int
        Decoded cells that are kept.
    decoders : int
        Threads that may decode or hold a cell at the same time.
    bytes : int
        Memory for both.
    """

    cells: int
    decoders: int
    bytes: int


def plan_cache(grid: Grid, decode_bytes: int, memory: int, threads: int) -> CachePlan | None:
    """Plan random access; return None where it would decode chunks repeatedly.

    `decode_bytes` is the memory for decoding one cell without the cell itself, `memory` the budget
    in bytes, `threads` the likely number of threads that read.
    """
    band, each = grid.band_cells, grid.cell_bytes + decode_bytes
    room = memory - band * grid.cell_bytes
    decoders = min(threads, room // each)
    if decoders < 1:
        return None
    room -= decoders * each
    # A second band is for a thread that is ahead of the others.
    useful = max(2 * band, min(8 * band, _USEFUL_CACHE // grid.cell_bytes))
    cells = min(useful, prod(grid.counts), band + room // grid.cell_bytes)
    return CachePlan(cells, decoders, cells * grid.cell_bytes + decoders * each)


class DrainPlan(NamedTuple):
    """An order in which to read everything once, in pieces that fit the memory.

    Attributes
    ----------
    order : tuple of int
        Axes from the slowest to the fastest in the output.
    split : int
        Position in `order` of the axis that is cut into pieces. Axes before it are taken one index
        at a time, axes after it whole.
    thickness : int
        Size of a piece along that axis, at most a cell's.
    decodes : int
        How often each cell is decoded.
    bytes : int
        Size of a piece.
    """

    order: tuple[int, ...]
    split: int
    thickness: int
    decodes: int
    bytes: int


def plan_drain(grid: Grid, room: int) -> DrainPlan | None:
    """Find the order with the fewest decodes; of several, the one nearest to CHW.

    Returns None if no order fits `room` bytes per piece with at most 8 decodes of each cell.
    """
    plans = [plan for plan in _drain_plans(grid, room) if plan.decodes <= _MAX_DECODES]
    return min(plans, key=lambda plan: (plan.decodes, plan.order, -plan.split), default=None)


def drain_bytes(grid: Grid) -> int:
    """Return the size of the smallest piece with which each cell is decoded once."""
    plans = _drain_plans(grid, prod(grid.shape) * grid.item_bytes)
    return min(plan.bytes for plan in plans if plan.decodes == 1)


def _drain_plans(grid: Grid, room: int) -> Iterator[DrainPlan]:
    axes = range(len(grid.shape))
    # The part of a cell beyond the end of the dataset needs no room.
    cell = [min(c, n) for c, n in zip(grid.cell, grid.shape, strict=True)]
    for split in axes:
        for axis in axes[split:]:
            outer = tuple(axes[:split])
            inner = tuple(a for a in axes[split:] if a != axis)
            layer = prod(grid.shape[a] for a in inner) * grid.item_bytes
            thickness = min(cell[axis], room // layer)
            if thickness > 0:
                decodes = prod(cell[a] for a in outer) * -(-cell[axis] // thickness)
                order = (*outer, axis, *inner)
                yield DrainPlan(order, split, thickness, decodes, thickness * layer)


def drain_pieces(grid: Grid, plan: DrainPlan) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield the boxes of a plan in order: first and one past the last coordinates.

    No box crosses the border of a cell along the axis that is cut.
    """
    axis = plan.order[plan.split]
    cuts = [
        (at, min(at + plan.thickness, border + grid.cell[axis], grid.shape[axis]))
        for border in range(0, grid.shape[axis], grid.cell[axis])
        for at in range(border, min(border + grid.cell[axis], grid.shape[axis]), plan.thickness)
    ]
    for outer in product(*(range(grid.shape[a]) for a in plan.order[: plan.split])):
        for first, last in cuts:
            start, stop = [0] * len(grid.shape), list(grid.shape)
            for a, at in zip(plan.order, outer, strict=False):
                start[a], stop[a] = at, at + 1
            start[axis], stop[axis] = first, last
            yield tuple(start), tuple(stop)
