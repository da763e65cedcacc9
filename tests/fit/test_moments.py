"""Moments against numpy on the whole data, and merging in any grouping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.fit.moments import Moments, moments_of, no_moments


def data(channels: int, pixels: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, pixels)) + mean


def in_parts(x: np.ndarray, cuts: list[int]) -> Moments:
    whole = no_moments(len(x))
    for part in np.split(x, sorted(cuts), axis=1):
        whole.merge(moments_of(part.copy()))
    return whole


def assert_same(one: Moments, two: Moments, tolerance: float = 1e-12) -> None:
    assert (one.count, one.invalid) == (two.count, two.invalid)
    size = max(np.abs(two.comoment).max(), np.finfo(float).tiny)
    assert np.abs(one.comoment - two.comoment).max() <= tolerance * size
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("mean", [0.0, 1e6, -1e9])
def test_against_numpy(mean: float):
    x = data(5, 700, 1, mean)
    m = moments_of(x.copy(), invalid=3)
    np.testing.assert_allclose(m.covariance, np.cov(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(m.mean, x.mean(axis=1), rtol=1e-14)
    assert (m.count, m.invalid, m.channels) == (700, 3, 5)


@given(
    channels=st.integers(1, 6),
    pixels=st.integers(1, 300),
    mean=st.sampled_from([0.0, 1.0, 1e6]),
    drift=st.sampled_from([0.0, 10.0]),
    seed=st.integers(0, 2**32),
    draw=st.data(),
)
def test_parts_merged_are_the_whole(channels, pixels, mean, drift, seed, draw):
    x = data(channels, pixels, seed, mean) + np.linspace(0, drift, pixels)
    cuts = draw.draw(st.lists(st.integers(0, pixels), max_size=8))
    assert_same(in_parts(x, cuts), moments_of(x.copy()))


@pytest.mark.parametrize("size", [1, 7, 100, 1024])
def test_a_drifting_large_mean_keeps_its_digits(size: int):
    x = data(4, 4000, 3, 1e6) + np.linspace(0, 10, 4000)
    assert_same(in_parts(x, list(range(size, 4000, size))), moments_of(x.copy()))


def test_nothing_merged_changes_nothing():
    x = data(3, 10, 4)
    m = moments_of(x.copy())
    m.merge(moments_of(np.empty((3, 0)), invalid=7))
    assert m.invalid == 7
    empty = no_moments(3)
    empty.merge(m)
    assert_same(empty, m)


def test_one_pixel():
    m = moments_of(np.array([[2.0], [5.0]]))
    assert m.count == 1
    assert not m.comoment.any()
    np.testing.assert_array_equal(m.mean, [2.0, 5.0])


def test_counts_are_python_integers():
    one, two = moments_of(data(2, 5, 5)), moments_of(data(2, 5, 6))
    one.count = two.count = 2**62
    one.merge(two)
    assert one.count == 2**63
    assert type(one.count) is int


@pytest.mark.parametrize("dtype", ["float16", "uint16", "float32"])
def test_narrow_types_lose_nothing_here(dtype: str):
    x = (data(3, 500, 7) * 50 + 1000).astype(dtype).astype(np.float64)
    np.testing.assert_allclose(in_parts(x, [100, 333]).covariance, np.cov(x), rtol=1e-12, atol=1e-9)


def test_overflow_is_quiet():
    m = moments_of(np.array([[1e200, -1e200, 0.0]]))
    m.merge(moments_of(np.array([[1e308, -1e308]])))
    assert not np.isfinite(m.comoment).all()
