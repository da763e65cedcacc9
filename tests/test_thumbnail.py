"""Planes at the size of a picture: few numbers are read, and they are the right ones."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Array, numbers_of, seeds, specs
from test_stack import InMemory

from onebyone_cli.operations.meaning import Meaning, Packing
from onebyone_cli.operations.view import thumbnail
from onebyone_cli.operations.view.thumbnail import Thumbnails, picked
from onebyone_cli.picture.resample import averaged, block_starts
from onebyone_cli.spec import StackSpec
from onebyone_cli.stack.stack import Stack
from onebyone_cli.stack.validity import Validity


def thumbnails(stack: Array, height: int, width: int, **options: Any) -> Thumbnails:
    source = Stack([InMemory(stack)], "float64")
    settings = {"item": 0, "channels": range(source.spec.channels), "memory": 1}
    return Thumbnails(source, height=height, width=width, **{**settings, **options})


@given(st.data(), specs(side=40), seeds, st.sampled_from([1, 1000, 1 << 25]))
def test_pixels_are_means_of_a_slice(data: st.DataObject, spec: StackSpec, seed: int, memory: int):
    stack = numbers_of(seed, spec)
    height = data.draw(st.integers(1, spec.height))
    width = data.draw(st.integers(1, spec.width))
    item = data.draw(st.integers(0, spec.items - 1))
    channels = data.draw(st.lists(st.integers(0, spec.channels - 1), min_size=1, max_size=4))
    rows, columns = picked(spec, len(channels), height, width)
    wanted = stack.reshape(-1, *stack.shape[-3:])[item][channels][:, rows][:, :, columns]
    with np.errstate(all="ignore"):
        expected = averaged(
            wanted.astype(float), block_starts(len(rows), height), block_starts(len(columns), width)
        )
    found = thumbnails(stack, height, width, item=item, channels=channels, memory=memory).whole()
    np.testing.assert_array_equal(found, expected)


@given(specs(side=10), seeds)
def test_nothing_is_skipped_of_a_small_stack(spec: StackSpec, seed: int):
    stack = numbers_of(seed, spec)
    planes = thumbnails(stack, spec.height, spec.width, item=spec.items - 1).whole()
    last = stack.reshape(-1, *stack.shape[-3:])[-1].astype(float)
    np.testing.assert_array_equal(planes, np.where(np.isfinite(last), last, np.nan))


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 1000), st.data())
def test_places_are_evenly_spaced_and_enough(height: int, width: int, channels: int, data: Any):
    spec = StackSpec(channels, height, width, "float32")
    high = data.draw(st.integers(1, min(height, 1024)))
    wide = data.draw(st.integers(1, min(width, 1024)))
    for found, size, wanted in zip(
        picked(spec, channels, high, wide), (height, width), (high, wide), strict=True
    ):
        assert wanted <= len(found) < max(8 * wanted, 2)
        assert 0 <= found[0] <= found[-1] < size
        # As much is left out before the first as after the last.
        assert abs(found[0] - (size - 1 - found[-1])) <= 1 + size % found.step


def test_of_a_large_stack_fewer_rows_are_read():
    small, _ = picked(StackSpec(50, 600, 600, "float32"), 50, 128, 128)
    large, _ = picked(StackSpec(50, 6000, 6000, "float32"), 50, 128, 128)
    huge, _ = picked(StackSpec(50, 60_000, 60_000, "float32"), 50, 128, 128)
    assert (len(small), len(large), len(huge)) == (600, 400, 128)


@pytest.mark.parametrize("dtype", ["int16", "float32", "uint8"])
def test_nodata_is_invalid(dtype: str):
    stack = np.arange(12, dtype=dtype).reshape(1, 3, 4)
    meaning = Meaning(Validity((((5.0, 5.0), (9.0, 20.0)),)), Packing((2.0,), (1.0,)))
    found = thumbnails(stack, 3, 4, meaning=meaning, stored=[dtype]).whole()
    assert np.isnan(found[0, 1, 1])
    assert np.nansum(found) == sum(2 * each + 1 for each in (0, 1, 2, 3, 4, 6, 7, 8))


@pytest.mark.parametrize(("rule", "kept"), [("any", [0, 2]), ("all", [0, 2, 3])])
def test_channels_decide_together_which_pixels_are_invalid(rule: Any, kept: list[int]):
    stack = np.array([[[1.0, 9, 3, 9]], [[1.0, 9, 3, 4]]])
    meaning = Meaning(Validity((((9.0, 9.0),),) * 2, rule=rule))
    found = thumbnails(stack, 1, 4, meaning=meaning, stored=["float64"] * 2, by_pixel=True).whole()
    assert [np.flatnonzero(np.isfinite(plane[0])).tolist() for plane in found] == [kept] * 2


def test_bands_are_no_larger_than_the_memory_allows():
    stack = np.zeros((4, 64, 64), np.float32)
    heights = [band.shape[1] for _, band in thumbnails(stack, 32, 32, memory=4 * 50_000).bands()]
    assert sum(heights) == 32
    assert max(heights) == 50_000 // (28 * 4 * 64 * 2)
    assert thumbnail._BAND_BYTES > 50_000
