"""The grid of tiles, and slabs cut along it. Plain integers.

A BLAS gives the same bits for the same shape, and other last bits for other widths. So pixels are
multiplied in tiles of one fixed width T, on a grid anchored at pixel 0 of each item. Slabs, threads
and shards consist of whole tiles. T depends on the stack and the weights alone, not on memory or
threads. Therefore the output bytes do not depend on them either.
"""

from collections.abc import Iterable, Iterator

from onebyone_cli.spec import Slab, StackSpec

#: Default largest T. Widths of 1024 to 32768 pixels were within a fifth of each other for 50 → 20
#: channels with two threads. A narrow tile keeps the least memory low and stays in a core's cache.
LONGEST_TILE = 4096

#: Smallest T: at 256 pixels the same multiplication took a fifth longer than at 4096.
_NARROWEST = 256

#: T is halved while the widest layer's tile exceeds these bytes, so that thousands of channels
#: still fit a small memory budget.
_TILE_BYTES = 4 << 20

#: Pixels of a run. One pixel costs a page of 4096 bytes anyway; more neighbours add little
#: information.
_RUN = 64


def tile_pixels(
    plane_pixels: int, widest: int, item_bytes: int, longest: int = LONGEST_TILE
) -> int:
    """Return the width T of the grid: at most `longest`, and at most the plane.

    Parameters
    ----------
    plane_pixels : int
        H·W.
    widest : int
        Largest number of channels anywhere from input to output.
    item_bytes : int
        Bytes of one number in the arithmetic.
    """
    width = longest
    while width > _NARROWEST and width * widest * item_bytes > _TILE_BYTES:
        width //= 2
    return min(width, plane_pixels)


def count_slabs(spec: StackSpec, slab_items: int, slab_pixels: int) -> int:
    """Return the number of slabs of `iter_slabs`."""
    return -(-spec.items // slab_items) * -(-spec.pixels // slab_pixels)


def iter_slabs(spec: StackSpec, slab_items: int, slab_pixels: int) -> Iterator[Slab]:
    """Cut a stack into slabs, in order, without gaps or overlaps.

    A slab has more than one item of the batch only with whole planes. `slab_pixels` is a multiple
    of T, or all of the plane.
    """
    for item in range(0, spec.items, slab_items):
        items = min(slab_items, spec.items - item)
        for start in range(0, spec.pixels, slab_pixels):
            yield Slab(item, items, start, min(start + slab_pixels, spec.pixels))


def count_tiles(spec: StackSpec, tile: int) -> int:
    """Return the number of tiles of a stack."""
    return spec.items * -(-spec.pixels // tile)


def iter_slabs_of_tiles(
    spec: StackSpec, first: int, last: int, tile: int, slab_pixels: int
) -> Iterator[Slab]:
    """Cut tiles [first, last), numbered through the whole stack, into slabs of one item each."""
    of_item = -(-spec.pixels // tile)
    for item in range(first // of_item, -(-last // of_item)):
        start = max(first - item * of_item, 0) * tile
        stop = min((last - item * of_item) * tile, spec.pixels)
        for at in range(start, stop, slab_pixels):
            yield Slab(item, 1, at, min(at + slab_pixels, stop))


def tile_range(spec: StackSpec, slab: Slab, tile: int) -> tuple[int, int]:
    """Return the number of a slab's first tile, and one past the number of its last."""
    of_item = -(-spec.pixels // tile)
    last = slab.item + slab.items - 1
    return slab.item * of_item + slab.start // tile, last * of_item + -(-slab.stop // tile)


def iter_tiles(slabs: Iterable[Slab], tile: int) -> Iterator[tuple[int, int]]:
    """Yield item and first pixel of each tile of the slabs, in order."""
    for slab in slabs:
        for item in range(slab.item, slab.item + slab.items):
            for start in range(slab.start, slab.stop, tile):
                yield item, start


def run_pixels(spec: StackSpec) -> int:
    """Return the pixels of a run: neighbours that a sample reads together."""
    return min(_RUN, spec.pixels)


def count_runs(spec: StackSpec) -> int:
    """Return the number of runs of a stack. The last run of each plane may be shorter."""
    return spec.items * -(-spec.pixels // _RUN)


def iter_runs(spec: StackSpec, numbers: Iterable[int]) -> Iterator[Slab]:
    """Yield the runs of the given numbers as slabs."""
    for number in numbers:
        item, run = divmod(number, -(-spec.pixels // _RUN))
        yield Slab(item, 1, run * _RUN, min((run + 1) * _RUN, spec.pixels))
