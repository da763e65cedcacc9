"""Which pixels have a neighbour, pixel by pixel; and the noise that differences tell of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError
from onebyone_cli.learners.differences import (
    DIRECTIONS,
    STEPS,
    Neighbour,
    Window,
    difference_covariance,
)
from onebyone_cli.learners.moments import Moments, moments_of, no_moments


def ends(size: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(0, size - 1).flatmap(
        lambda first: st.tuples(st.just(first), st.integers(first + 1, size))
    )


@given(st.data(), st.integers(1, 7), st.integers(1, 7), st.sampled_from(sorted(STEPS)))
def test_a_pair_lies_in_one_window(data: st.DataObject, height: int, width: int, direction: str):
    window = Window(data.draw(ends(height)), data.draw(ends(width)))
    neighbour = Neighbour(direction, width, window)
    down, right = {"right": (0, 1), "lower": (1, 0), "lowerright": (1, 1)}[direction]
    assert neighbour.offset == down * width + right
    within = np.zeros((height + 1, width + 1), bool)
    within[slice(*window.rows), slice(*window.columns)] = True
    pairs = within[:height, :width] & within[down : down + height, right : right + width]
    start = data.draw(st.integers(0, height * width))
    stop = data.draw(st.integers(start, height * width))
    found = neighbour.without(start, stop)
    assert found.tolist() == (~pairs.ravel()[start:stop]).tolist()
    # The neighbour of a pair is where the offset says, and never beyond the plane.
    assert all(place + neighbour.offset < height * width for place in np.flatnonzero(pairs))


def test_the_names_of_directions():
    assert DIRECTIONS == {
        "right": ("right",),
        "lower": ("lower",),
        "lowerright": ("lowerright",),
        "both": ("right", "lower"),
    }


def differences_of(count: int, seed: int) -> tuple[np.ndarray, Moments]:
    x = np.random.default_rng(seed).standard_normal((3, count))
    return x, moments_of(x.copy())


@given(st.lists(st.integers(2, 50), min_size=1, max_size=3), st.integers(0, 2**32))
def test_several_directions_weigh_the_same(counts: list[int], seed: int):
    made = [differences_of(count, seed + place) for place, count in enumerate(counts)]
    found = difference_covariance([moments for _, moments in made])
    expected = np.mean([np.cov(x) for x, _ in made], axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_half_of_it_is_the_covariance_of_white_noise():
    rng = np.random.default_rng(5)
    mixing = rng.standard_normal((3, 3))
    x = np.einsum("ij,jhw->ihw", mixing, rng.standard_normal((3, 300, 300)))
    x += np.linspace(0, 30, 300)  # a slope, which is the same in every difference
    pairs = [x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]]
    found = difference_covariance([moments_of(each.reshape(3, -1).copy()) for each in pairs]) / 2
    size = np.sqrt(np.multiply.outer(*[(mixing @ mixing.T).diagonal()] * 2))
    # Some six standard errors √(2/N), of N that are not quite independent.
    assert np.abs((found - mixing @ mixing.T) / size).max() < 0.03


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pairs(count: int):
    few = differences_of(count, 1)[1] if count else no_moments(3)
    with pytest.raises(DataError, match=f"^x.npy: has {count} pairs? of valid neighbours"):
        difference_covariance([differences_of(9, 1)[1], few], "x.npy")
