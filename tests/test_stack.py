"""Several inputs seen as one: channels in order, sizes that agree."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    cuts,
    dtypes,
    grid_of,
    grids,
    numbers_of,
    pixels_of,
    read_all,
    read_channels,
    read_grid,
    same_numbers,
    seeds,
    specs,
)

from onebyone_cli.errors import ReadWriteError, ShapeMismatchError
from onebyone_cli.formats.contracts import reader as contract
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.spec import Slab, StackSpec
from onebyone_cli.stack.stack import Stack, stacked_spec


class InMemory(Reader):
    """A reader of an array, which wants some scratch and says when it is closed."""

    def __init__(self, array: Any, path: str = "memory", scratch: int = 0, cache: int = 0) -> None:
        *batch, channels, height, width = array.shape
        self.spec = StackSpec(channels, height, width, array.dtype.name, tuple(batch))
        self.about = About(path)
        self.scratch_bytes = scratch
        self.cache_bytes = cache
        self.changed = False
        self.closed = False
        self._array = array

    def read(self, slab: Slab, out: Any, scratch: Any) -> None:
        assert scratch.nbytes >= self.scratch_bytes
        assert out.shape == (slab.items, self.spec.channels, slab.pixels)
        assert out.strides[-1] == out.itemsize
        scratch[: self.scratch_bytes] = 255
        out[:] = pixels_of(self._array, slab)

    def check_unchanged(self) -> None:
        if self.changed:
            raise ReadWriteError("was changed", self.path)

    def close(self) -> None:
        self.closed = True


def reader_of(spec: StackSpec, path: str = "memory") -> InMemory:
    return InMemory(np.zeros(spec.shape, spec.dtype), path)


@st.composite
def parts(draw: st.DrawFn) -> list[InMemory]:
    """Readers whose specs agree, of several types."""
    spec = draw(specs(side=6))
    made = []
    for index in range(draw(st.integers(1, 4))):
        channels, dtype = draw(st.integers(1, 3)), draw(dtypes)
        part = StackSpec(channels, spec.height, spec.width, dtype, spec.batch)
        array = numbers_of(draw(seeds), part)
        scratch, cache = draw(st.integers(0, 64)), draw(st.integers(0, 64))
        made.append(InMemory(array, f"part{index}", scratch, cache))
    return made


@given(st.data(), parts())
def test_a_stack_is_the_concatenation(data: st.DataObject, readers: list[InMemory]):
    arrays = [reader._array.astype(np.float64) for reader in readers]
    whole = np.concatenate(arrays, axis=-3)
    stack = Stack(readers, "float64")
    assert stack.spec.shape == whole.shape
    assert stack.spec == stacked_spec(readers, "float64")
    assert same_numbers(read_all(stack, data.draw(cuts(stack.spec)), "float64"), whole)
    assert stack.scratch_bytes == max(reader.scratch_bytes for reader in readers)
    assert stack.cache_bytes == sum(reader.cache_bytes for reader in readers)


@given(st.data(), parts(), st.sampled_from([1, 40, 1 << 23]))
def test_pixels_far_apart_come_from_the_inputs_that_have_them(
    data: st.DataObject, readers: list[InMemory], piece: int
):
    whole = np.concatenate([reader._array.astype(np.float64) for reader in readers], axis=-3)
    stack = Stack(readers, "float64")
    grid = data.draw(grids(stack.spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contract, "_GRID_BYTES", piece)
        assert same_numbers(read_grid(stack, grid, "float64"), grid_of(whole, grid))


@given(st.data(), parts())
def test_some_channels(data: st.DataObject, readers: list[InMemory]):
    arrays = [reader._array.astype(np.float64) for reader in readers]
    whole, stack = np.concatenate(arrays, axis=-3), Stack(readers, "float64")
    first = data.draw(st.integers(0, stack.spec.channels - 1))
    last = data.draw(st.integers(first + 1, stack.spec.channels))
    for slab in data.draw(cuts(stack.spec)):
        found = read_channels(stack, first, last, slab, "float64")
        assert same_numbers(found, pixels_of(whole, slab)[:, first:last])


@given(parts())
def test_a_stack_leaves_its_inputs_open(readers: list[InMemory]):
    with Stack(readers, "float64"):
        pass
    assert not any(reader.closed for reader in readers)


@given(parts(), st.data())
def test_a_change_of_any_input_is_told(readers: list[InMemory], data: st.DataObject):
    stack = Stack(readers, "float64")
    stack.check_unchanged()
    changed = data.draw(st.sampled_from(readers))
    changed.changed = True
    with pytest.raises(ReadWriteError, match=changed.path):
        stack.check_unchanged()


@given(st.lists(specs(side=3), min_size=2, max_size=5))
def test_sizes_agree_or_the_first_that_does_not_is_named(different: list[StackSpec]):
    readers = [reader_of(spec, f"<{index}>") for index, spec in enumerate(different)]
    first = different[0]
    shape = (first.height, first.width, first.several)
    wrong = [i for i, s in enumerate(different) if (s.height, s.width, s.several) != shape]
    if not wrong:
        stacked = stacked_spec(readers, "float32")
        assert stacked.channels == sum(spec.channels for spec in different)
        return
    with pytest.raises(ShapeMismatchError) as caught:
        stacked_spec(readers, "float32")
    other = different[wrong[0]]
    message = str(caught.value)
    assert message.startswith(f"<{wrong[0]}>: ")
    assert "<0>" in message
    if (first.height, first.width) != (other.height, other.width):
        assert f"{other.height}×{other.width}" in message
        assert f"{first.height}×{first.width}" in message
        assert "same height and width" in message
    else:
        assert first.size in message
        assert other.size in message
        assert "same leading axes" in message


def test_height_and_width_are_not_confused():
    one, two = StackSpec(1, 4, 6, "uint8"), StackSpec(1, 6, 4, "uint8")
    with pytest.raises(ShapeMismatchError, match=r"has 6×4 pixels .* has 4×6"):
        stacked_spec([reader_of(one), reader_of(two)], "uint8")
