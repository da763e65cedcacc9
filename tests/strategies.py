"""What the tests draw: types, shapes, stacks of numbers, and the ways to store them."""

import math
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import ITEM_BYTES, LAYOUTS, PixelGrid, StackSpec

Array = npt.NDArray[Any]

DTYPES = tuple(ITEM_BYTES)
INTEGERS = tuple(name for name in DTYPES if not name.startswith("float"))
FLOATS = ("float16", "float32", "float64")

#: Profiles of Hypothesis, and how many examples they try for each of the quickest.
PROFILES = {"quick": 1, "check": 4, "thorough": 20}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")


def examples(quick: int) -> int:
    """How many examples a test tries that has its own number of them in the quick profile."""
    return quick * PROFILES[PROFILE]


dtypes = st.sampled_from(DTYPES)
layouts = st.sampled_from(LAYOUTS)
seeds = st.integers(0, 2**32 - 1)
batches = st.lists(st.integers(1, 3), max_size=2).map(tuple)


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder for one example: `tmp_path` is one for all examples of a test."""
    with tempfile.TemporaryDirectory(prefix="onebyone-test-") as name:
        yield Path(name)


@contextmanager
def fifo_of(data: bytes, step: int = 1 << 16) -> Iterator[Path]:
    """A named pipe into which somebody writes, a few bytes at a time."""
    with new_folder() as folder:
        path = folder / "pipe"
        os.mkfifo(path)

        def write() -> None:
            with path.open("wb", buffering=0) as file:
                for at in range(0, len(data), step):
                    try:
                        file.write(data[at : at + step])
                    except BrokenPipeError:
                        return

        writer = threading.Thread(target=write)
        writer.start()
        yield path
        writer.join()


@st.composite
def specs(
    draw: st.DrawFn,
    *,
    dtype: st.SearchStrategy[str] = dtypes,
    channels: st.SearchStrategy[int] | None = None,
    side: int = 9,
    batch: st.SearchStrategy[tuple[int, ...]] = batches,
) -> StackSpec:
    """Specs of small stacks."""
    sides = st.integers(1, side)
    c = draw(channels if channels is not None else st.integers(1, 5))
    return StackSpec(c, draw(sides), draw(sides), draw(dtype), draw(batch))


def numbers(seed: int, shape: Sequence[int], dtype: str, *, spread: float = 8.0) -> Array:
    """Random numbers: all values of an integer type, floats of either sign and many magnitudes."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max, shape, dtype=kind, endpoint=True)
    values = rng.standard_normal(shape) * np.exp2(rng.uniform(-spread, spread, shape))
    return values.astype(kind)


def numbers_of(seed: int, spec: StackSpec) -> Array:
    """Random numbers of the shape and type of a stack."""
    return numbers(seed, spec.shape, spec.dtype)


def laid_out(stack: Array, layout: str) -> Array:
    """Put the axes of a (..., C, H, W) array in the order of a layout."""
    batch = stack.ndim - 3
    order = [*range(batch), *(batch + "CHW".index(axis) for axis in layout)]
    return stack.transpose(order)


def stored(stack: Array, layout: str = "CHW", order: str = "C", *, big_endian: bool = False) -> Any:
    """Lay a (..., C, H, W) array out as a file would."""
    dtype = stack.dtype.newbyteorder(">" if big_endian else "<")
    return np.array(laid_out(stack, layout), dtype=dtype, order=order)  # type: ignore[call-overload]


def save_npy(path: Path, array: Array, version: tuple[int, int] | None = (1, 0)) -> Path:
    """Save as numpy does, in the order and the bytes that the array has."""
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version, allow_pickle=False)
    return path


def pixels_of(stack: Array, slab: Any) -> Array:
    """The part of a (..., C, H, W) array that a slab means: (items, C, pixels)."""
    *_, channels, height, width = stack.shape
    flat = stack.reshape(-1, channels, height * width)
    return flat[slab.item : slab.item + slab.items, :, slab.start : slab.stop]


@st.composite
def slab_sizes(draw: st.DrawFn, spec: StackSpec) -> tuple[int, int]:
    """Items and pixels of slabs: some pixels of one item, or all of several."""
    if draw(st.booleans()):
        return draw(st.integers(1, spec.items)), spec.pixels
    return 1, draw(st.integers(1, spec.pixels))


@st.composite
def cuts(draw: st.DrawFn, spec: StackSpec) -> list[Any]:
    """A partition of a stack into slabs, in a random order."""
    slabs = list(iter_slabs(spec, *draw(slab_sizes(spec))))
    return draw(st.permutations(slabs)) if len(slabs) <= 64 else slabs


def read_all(reader: Any, slabs: Sequence[Any], dtype: str) -> Array:
    """Read every slab; (*batch, C, H, W)."""
    spec = reader.spec
    whole = np.empty((spec.items, spec.channels, spec.pixels), dtype)
    scratch = np.empty(reader.scratch_bytes, np.uint8)
    for slab in slabs:
        block = np.empty((slab.items, spec.channels, slab.pixels), dtype)
        reader.read(slab, block, scratch)
        whole[slab.item : slab.item + slab.items, :, slab.start : slab.stop] = block
    return whole.reshape(spec.shape)


@st.composite
def grids(draw: st.DrawFn, spec: StackSpec) -> tuple[int, list[int], range, range]:
    """An item of a batch, some of its channels, and rows and columns that lie apart."""
    channels = draw(st.lists(st.integers(0, spec.channels - 1), min_size=1, max_size=7))
    sides = []
    for size in (spec.height, spec.width):
        start = draw(st.integers(0, size - 1))
        sides.append(range(start, draw(st.integers(start + 1, size)), draw(st.integers(1, size))))
    return draw(st.integers(0, spec.items - 1)), channels, *sides


def read_grid(reader: Any, grid: tuple[int, list[int], range, range], dtype: str) -> Array:
    """Read a grid of pixels; (channels, rows, columns)."""
    asked = PixelGrid(*grid)
    out = np.empty((len(asked.channels), len(asked.rows), len(asked.columns)), dtype)
    scratch = np.empty(reader.scratch_bytes, np.uint8)
    reader.read_grid(asked, out, scratch)
    return out


def grid_of(stack: Array, grid: tuple[int, list[int], range, range]) -> Array:
    """The same of an array, by slicing."""
    item, channels, rows, columns = grid
    planes = stack.reshape(-1, *stack.shape[-3:])[item][channels]
    return planes[
        :, rows.start : rows.stop : rows.step, columns.start : columns.stop : columns.step
    ]


def read_channels(reader: Any, first: int, last: int, slab: Any, dtype: str) -> Array:
    """Read some channels of a slab; (items, last - first, pixels)."""
    block = np.empty((slab.items, last - first, slab.pixels), dtype)
    reader.read_channels(slab, first, last, block, np.empty(reader.scratch_bytes, np.uint8))
    return block


def same_numbers(one: Array, two: Array) -> bool:
    """Same shape, type and bits, whatever their order of bytes or axes; any NaN is any NaN."""
    if one.shape != two.shape or one.dtype.newbyteorder("=") != two.dtype.newbyteorder("="):
        return False
    equal_nan = one.dtype.kind == "f"
    same_sign = not equal_nan or bool(
        np.array_equal(np.signbit(one) & ~np.isnan(one), np.signbit(two) & ~np.isnan(two))
    )
    return same_sign and bool(np.array_equal(one, two, equal_nan=equal_nan))


def dot_bound(weight: Array, x: Array, bias: Array, eps: float) -> Array:
    """How far a sum of C products plus a bias can be from the exact one.

    Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1: (C + 2)·eps times the
    sum of magnitudes, for any order of summation; weights and bias are rounded once before.
    """
    terms = weight.shape[1] + 4
    total = np.einsum("kc,...cp->...kp", np.abs(weight), np.abs(x.astype(np.float64)))
    return terms * eps * (total + np.abs(bias)[:, None]) + terms * math.ulp(0.0) / eps
