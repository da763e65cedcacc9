"""Moments against numpy on the whole data, and merging in any grouping."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.learners.moments import Moments, moments_of, no_moments


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


def exact(x: np.ndarray) -> tuple[list[Fraction], np.ndarray]:
    """Mean and co-moment without any rounding but the last."""
    rows = [[Fraction(number) for number in row] for row in x.tolist()]
    means = [sum(row, Fraction(0)) / len(row) for row in rows]
    centred = [[each - mean for each in row] for row, mean in zip(rows, means, strict=True)]
    products = [
        [float(sum(a * b for a, b in zip(one, two, strict=True))) for two in centred]
        for one in centred
    ]
    return means, np.array(products)


def assert_exact(found: Moments, x: np.ndarray, tolerance: float = 1e-13) -> None:
    """Compare each entry with the spread of its own two channels."""
    means, comoment = exact(x)
    assert found.count == x.shape[1]
    size = np.sqrt(np.multiply.outer(comoment.diagonal(), comoment.diagonal()))
    assert (np.abs(found.comoment - comoment) <= tolerance * size).all()
    spread = np.sqrt(comoment.diagonal() / x.shape[1])
    for channel, mean in enumerate(means):
        known = Fraction(found.mean[channel]) + Fraction(found.rest[channel])
        assert abs(float(known - mean)) <= 1e-14 * spread[channel] + 1e-30 * abs(float(mean))


@st.composite
def wild(draw: st.DrawFn) -> np.ndarray:
    """Channels of unlike means, spreads and drifts, some of them constant."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    channels, pixels = draw(st.integers(1, 4)), draw(st.integers(1, 60))
    x = rng.standard_normal((channels, pixels)) * rng.choice([0.0, 1e-3, 1.0, 1e5], (channels, 1))
    x += np.linspace(0, draw(st.sampled_from([0.0, 30.0])), pixels) * rng.choice([0, 1])
    return x + rng.choice([0.0, 1.0, 1e6, -1e9], (channels, 1))


@given(wild(), st.data())
def test_parts_in_any_order_are_exact(x: np.ndarray, draw: st.DataObject):
    cuts = sorted(draw.draw(st.lists(st.integers(0, x.shape[1]), max_size=5)))
    parts = [moments_of(part.copy()) for part in np.split(x, cuts, axis=1)]
    whole = no_moments(len(x))
    for part in draw.draw(st.permutations(parts)):
        whole.merge(part)
    assert_exact(whole, x)
    still = (x == x[:, :1]).all(axis=1)
    assert whole.constant.tolist() == still.tolist()
    assert not whole.comoment[still].any()


@given(wild(), st.data())
def test_what_is_dropped_does_not_matter(x: np.ndarray, draw: st.DataObject):
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32)))
    dropped = rng.random(x.shape[1]) < draw.draw(st.sampled_from([0.1, 0.5, 1.0]))
    filled = x.copy()
    filled[:, dropped] = rng.choice([np.nan, np.inf, 1e300, -9999.0], (len(x), dropped.sum()))
    found = moments_of(filled, np.flatnonzero(dropped), invalid=int(dropped.sum()))
    assert found.invalid == dropped.sum()
    if dropped.all():
        assert found.count == 0
        assert not found.comoment.any()
    else:
        assert_exact(found, x[:, ~dropped])


def test_a_head_unlike_the_rest_costs_few_digits():
    # Blocks are centred on their first pixels, which here say nothing of the others.
    x = np.random.default_rng().standard_normal((3, 1500)) * 1e-3
    x[0, 256:] += 1e6
    x[1, :256] = 1e6
    x[2, 1:] += 1e3
    assert_exact(moments_of(x.copy()), x, tolerance=1e-12)


def test_what_was_merged_is_left_as_it_was():
    x = data(3, 30, 8, 1e6)
    one, two = moments_of(x[:, :10].copy()), moments_of(x[:, 10:].copy())
    whole = no_moments(3)
    whole.merge(one)
    whole.merge(two)
    for part, pixels in ((one, x[:, :10]), (two, x[:, 10:])):
        alone = moments_of(pixels.copy())
        assert part.count == alone.count
        for field in ("mean", "rest", "comoment"):
            assert getattr(part, field).tobytes() == getattr(alone, field).tobytes()


def test_a_part_that_did_not_overflow_stays_apart():
    one = moments_of(np.array([[1e300, -1e300], [1.0, 2.0]]))
    one.merge(moments_of(np.array([[1.0, 2.0], [4.0, 8.0]])))
    assert not np.isfinite(one.comoment[0, 0])
    np.testing.assert_allclose(one.comoment[1, 1], np.var([1, 2, 4, 8]) * 4, rtol=1e-15)
