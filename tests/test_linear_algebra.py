"""Facts of matrices by their identities, and chains of layers that do the same when folded."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.weights.algebra import channel_shares, compose, facts_of, row_norms, strongest
from onebyone_cli.weights.channel_map import ChannelMap

sizes = st.integers(1, 8)


def layer(rng: np.random.Generator, out_channels: int, in_channels: int) -> ChannelMap:
    weight = rng.normal(size=(out_channels, in_channels)) * 2.0 ** rng.integers(-9, 9)
    return ChannelMap(weight, rng.normal(size=out_channels), "layer")


@given(seed=seeds, widths=st.lists(sizes, min_size=2, max_size=6))
def test_one_layer_does_what_the_chain_does(seed: int, widths: list[int]):
    rng = np.random.default_rng(seed)
    layers = [layer(rng, k, c) for c, k in itertools.pairwise(widths)]
    x = rng.normal(size=(widths[0], 20))
    whole, chain, bound = compose(layers), x, np.abs(x)
    for each in layers:
        chain = each.weight @ chain + each.bias[:, None]
        # What could be lost is in proportion to the sum of magnitudes on the way.
        bound = np.abs(each.weight) @ bound + np.abs(each.bias)[:, None]
    error = np.abs(whole.weight @ x + whole.bias[:, None] - chain)
    assert (error <= 100 * np.finfo(float).eps * bound).all()


def test_a_chain_of_one_is_itself():
    one = layer(np.random.default_rng(0), 3, 4)
    np.testing.assert_array_equal(compose([one]).weight, one.weight)
    np.testing.assert_array_equal(compose([one]).bias, one.bias)


def test_names_are_those_at_the_ends():
    first = ChannelMap(np.eye(2), np.zeros(2), "a", {"channels": ["x", "y"], "outputs": ["p", "q"]})
    last = ChannelMap(np.ones((1, 2)), np.zeros(1), "b", {"channels": ["p", "q"], "outputs": ["s"]})
    assert dict(compose([first, last]).meta) == {"channels": ["x", "y"], "outputs": ["s"]}


def test_layers_that_do_not_fit_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ShapeMismatchError, match="takes 2 channels, but layer before it gives 3"):
        compose([layer(rng, 3, 4), layer(rng, 3, 2)])


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1e200, 1e308])
def test_norms_of_very_large_and_small_weights(size: float):
    rows = np.array([[3.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]) / 4 * size
    np.testing.assert_array_equal(row_norms(rows), rows.max(axis=1))
    facts = facts_of(rows)
    assert facts.frobenius == pytest.approx(math.hypot(*rows[:, 0]), rel=1e-15)
    assert facts.rank == (1 if rows.any() else 0)


def test_facts_that_outgrow_float64_leave_the_others():
    facts = facts_of(np.array([[1.7e308, 1.7e308], [1.7e308, -1.7e308]]))
    assert (facts.frobenius, facts.spectral) == (math.inf, math.inf)
    assert (facts.rank, facts.condition) == (2, pytest.approx(1.0))


def test_numbers_that_outgrow_float64_are_refused():
    huge = ChannelMap(np.full((1, 1), 1e200), np.zeros(1), "huge")
    with pytest.raises(DataError, match="overflow"):
        compose([huge, huge])


@given(seed=seeds, k=sizes, c=sizes)
def test_what_numpy_says(seed: int, k: int, c: int):
    weight = np.random.default_rng(seed).normal(size=(k, c))
    facts = facts_of(weight)
    assert facts.frobenius == pytest.approx(math.sqrt((weight**2).sum()))
    assert facts.spectral == pytest.approx(np.linalg.norm(weight, 2))
    assert facts.rank == np.linalg.matrix_rank(weight) == min(k, c)
    assert facts.condition == pytest.approx(np.linalg.cond(weight))
    np.testing.assert_allclose(row_norms(weight) ** 2, (weight**2).sum(axis=1))


def test_rank_and_condition_of_a_singular_matrix():
    facts = facts_of(np.outer([1.0, 2.0, 3.0], [1.0, -1.0]))
    assert (facts.rank, facts.condition) == (1, math.inf)
    assert facts_of(np.zeros((2, 3))).rank == 0


@given(seed=seeds, k=sizes, extra=st.integers(0, 4))
def test_orthonormal_rows_are_seen(seed: int, k: int, extra: int):
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(k + extra, k)))
    assert facts_of(basis.T).orthonormality < 1e-14
    assert facts_of(2 * basis.T).orthonormality == pytest.approx(3)


def test_a_matrix_too_large_for_singular_values_is_told_as_such():
    facts = facts_of(np.eye(2049))
    assert (facts.spectral, facts.rank, facts.condition) == (None, None, None)
    assert (facts.frobenius, facts.orthonormality) == (pytest.approx(math.sqrt(2049)), 0.0)


@given(seed=seeds, k=sizes, c=sizes, power=st.sampled_from([-300, 0, 300]))
def test_shares_of_channels(seed: int, k: int, c: int, power: int):
    weight = np.random.default_rng(seed).normal(size=(k, c))
    expected = (weight**2).sum(axis=0) / (weight**2).sum()
    np.testing.assert_allclose(channel_shares(weight * 10.0**power), expected)


def test_shares_of_nothing_are_nothing():
    assert channel_shares(np.zeros((2, 3))).tolist() == [0, 0, 0]


def test_the_strongest_come_first():
    weight = np.array([[0.5, -2.0, 2.0, 0.0], [0.0, 0.0, -0.1, 0.0]])
    assert strongest(weight, 3) == [[(1, -2.0), (2, 2.0), (0, 0.5)], [(2, -0.1)]]
