"""Plan the slabs, threads and spools of a job within its memory budget.

Plain integers: no arrays, no files. All buffers that exist while pixels are processed count.
"""

from typing import Any, Literal, NamedTuple

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.plan.tiles import LONGEST_TILE, count_slabs, tile_pixels
from onebyone_cli.spec import StackSpec
from onebyone_cli.system.buffers import PADDING
from onebyone_cli.units import format_bytes

#: Longer slabs gained nothing above this size of one worker's buffers (see ``make bench``).
_USEFUL_BYTES = 12 << 20

#: Uses of the budget besides buffers of pixels.
Use = Literal["inputs", "map", "held streams", "run of a stream", "classes", "waiting tiles"]

#: Each use may take one part in so many of the budget.
_PARTS: dict[Use, int] = {
    "inputs": 2,
    "map": 16,
    "held streams": 2,
    "run of a stream": 8,
    "classes": 4,
    "waiting tiles": 32,
}

#: Slabs per thread: enough that threads do not idle for long at the end.
_SLABS_PER_THREAD = 4


class Plan(NamedTuple):
    """How a job will run.

    Attributes
    ----------
    tile_pixels : int
        Width T of the grid of tiles.
    slab_items, slab_pixels : int
        Largest slab: items of the batch, and pixels of each.
    slabs, threads : int
        Number of slabs and of workers.
    worker_bytes, fixed_bytes : int
        Memory of one worker's buffers; memory of caches, decoders and spools in memory.
    memory : int
        The budget.
    spool_input_bytes, spool_output_bytes : int
        Bytes spooled because the source can be read only once, or the target must be written in
        order; 0 without a spool.
    input_in_memory, output_in_memory : bool
        Whether a spool is in memory, or in a file under ``$TMPDIR``.
    """

    tile_pixels: int
    slab_items: int
    slab_pixels: int
    slabs: int
    threads: int
    worker_bytes: int
    fixed_bytes: int
    memory: int
    spool_input_bytes: int = 0
    spool_output_bytes: int = 0
    input_in_memory: bool = False
    output_in_memory: bool = False

    @property
    def total_bytes(self) -> int:
        """Memory of all pixel buffers, caches and decoders."""
        return self.threads * self.worker_bytes + self.fixed_bytes

    @property
    def strategy(self) -> str:
        """``"spool"`` if the input or output is spooled, else ``"slab"``."""
        return "spool" if self.spool_input_bytes or self.spool_output_bytes else "slab"

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for ``--json``."""
        return {"strategy": self.strategy, **self._asdict(), "total_bytes": self.total_bytes}


class Costs(NamedTuple):
    """Memory of pixels, in bytes.

    Attributes
    ----------
    slab_pixel : int
        Per pixel of a slab: input in the type of the arithmetic, and output.
    tile_pixel : int
        Per pixel of a tile: values between layers, and before the cast to the output type.
    scratch, cache : int
        The reader's scratch, per worker; chunk caches and decoders, per job.
    item : int
        Per item of a slab: padding of rows.
    """

    slab_pixel: int
    tile_pixel: int = 0
    scratch: int = 0
    cache: int = 0
    item: int = 0


def share_of(memory: int, use: Use, among: int = 1) -> int:
    """Return the most bytes that one of `among` things of the same use may take of the budget.

    Parameters
    ----------
    memory : int
        The budget of the job in bytes.
    use : str
        ``"inputs"``: caches and decoders of all inputs; ``"map"``: those of a mask or label map;
        ``"held streams"``: spools of streams that are read several times; ``"run of a stream"``:
        buffered pixels of a stream that is read once; ``"classes"``: moments of classes;
        ``"waiting tiles"``: statistics of tiles that wait to be merged in order.
    """
    return memory // _PARTS[use] // among


def apply_costs(
    spec: StackSpec,
    output: StackSpec,
    *,
    widest: int,
    hidden: int = 0,
    staged: int = 0,
    collapsed: int = 0,
    marks: int = 0,
    mask: int = 0,
    scratch: int = 0,
    cache: int = 0,
) -> Costs:
    """Return the memory costs of applying a chain of layers.

    Parameters
    ----------
    spec, output : StackSpec
        The input in the type of the arithmetic; the result.
    widest : int
        Largest number of channels anywhere from input to output.
    hidden, staged : int
        Channels between layers, of all layers together; output channels that wait for the cast.
    collapsed : int
        Channels that are reduced to one; 0 if they are written themselves.
    marks, mask : int
        Bytes for each pixel: comparisons with invalid numbers in a tile; a mask in a slab.
    scratch, cache : int
        Bytes of the inputs, per worker and per job.
    """
    number = spec.item_bytes
    # Temporary copies of a tile for masks and exponentials; 16 bytes per invalid pixel's index.
    passing = output.channels * (number + 3) + widest + 16
    if collapsed:
        passing += collapsed + 8
    return Costs(
        slab_pixel=spec.channels * number + output.channels * output.item_bytes + mask,
        tile_pixel=(hidden + staged) * number + passing + marks,
        item=PADDING * (spec.channels + output.channels + hidden + staged),
        scratch=scratch,
        cache=cache,
    )


def make_plan(
    spec: StackSpec,
    widest: int,
    arithmetic_bytes: int,
    costs: Costs,
    *,
    memory: int,
    threads: int,
    longest_tile: int = LONGEST_TILE,
    spool_input_bytes: int = 0,
    spool_output_bytes: int = 0,
) -> Plan:
    """Plan a job.

    Buffers of workers come first. Spools are in memory if they fit into the rest of the budget.

    Parameters
    ----------
    spec : StackSpec
        The input stack.
    widest : int
        Largest number of channels anywhere from input to output.
    arithmetic_bytes : int
        Bytes of one number in the arithmetic.
    memory : int
        The budget in bytes.
    threads, longest_tile : int
        Upper bounds of the number of workers and the width of a tile.
    spool_input_bytes, spool_output_bytes : int
        Sizes of the spools that the job needs.

    Raises
    ------
    UsageError
        If one worker with one tile exceeds the budget; names a sufficient budget.
    """
    tile = tile_pixels(spec.pixels, widest, arithmetic_bytes, longest_tile)
    smallest = tile * (costs.slab_pixel + costs.tile_pixel) + costs.item + costs.scratch
    if smallest + costs.cache > memory:
        needed = -(-(smallest + costs.cache) // (1 << 20))
        raise UsageError(
            f"{setting('memory', format_bytes(memory))} is too small for this stack: "
            f"one block of {tile} pixels takes {format_bytes(smallest + costs.cache)}; "
            f"give {setting('memory', f'{needed}M')} or more"
        )
    room = memory - costs.cache
    threads = max(1, min(threads, room // smallest))
    items, pixels = _slab_size(spec, tile, costs, room // threads, threads)
    worker = items * (pixels * costs.slab_pixel + tile * costs.tile_pixel + costs.item)
    worker += costs.scratch
    slabs = count_slabs(spec, items, pixels)
    threads = min(threads, slabs)
    left = room - threads * worker
    input_fits = spool_input_bytes <= left
    left -= spool_input_bytes if input_fits else 0
    output_fits = spool_output_bytes <= left
    spooled = input_fits * spool_input_bytes + output_fits * spool_output_bytes
    return Plan(
        tile_pixels=tile,
        slab_items=items,
        slab_pixels=pixels,
        slabs=slabs,
        threads=threads,
        worker_bytes=worker,
        fixed_bytes=costs.cache + spooled,
        memory=memory,
        spool_input_bytes=spool_input_bytes,
        spool_output_bytes=spool_output_bytes,
        input_in_memory=bool(spool_input_bytes) and input_fits,
        output_in_memory=bool(spool_output_bytes) and output_fits,
    )


def _slab_size(
    spec: StackSpec, tile: int, costs: Costs, budget: int, threads: int
) -> tuple[int, int]:
    """Return items and pixels of the largest slab: useful, in budget, and fair to threads."""
    budget = min(budget, _USEFUL_BYTES) - costs.scratch
    fair = threads * _SLABS_PER_THREAD
    if tile < spec.pixels:
        tiles = -(-spec.pixels // tile)
        fit = (budget - tile * costs.tile_pixel - costs.item) // (tile * costs.slab_pixel)
        share = -(-tiles * spec.items // fair)
        return 1, tile * max(1, min(fit, share, tiles))
    fit = budget // (tile * (costs.slab_pixel + costs.tile_pixel) + costs.item)
    share = -(-spec.items // fair)
    return max(1, min(fit, share, spec.items)), tile
