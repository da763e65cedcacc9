"""Random projections: reproducible, and distributed as the papers say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import UsageError
from onebyone_cli.learners.random import KINDS, fit_random

each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_the_seed_says_it_all(kind: str):
    one, same, other = (fit_random(9, k=4, kind=kind, seed=s).map.weight for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@each_kind
def test_moments_of_the_entries(kind: str):
    weight = fit_random(400, k=500, kind=kind, seed=3).map.weight
    assert abs(weight.mean()) < 5 / np.sqrt(weight.size * 500)
    np.testing.assert_allclose((weight**2).mean(), 1 / 500, rtol=0.05)


def test_sparse_entries():
    weight = fit_random(400, k=500, kind="sparse", seed=4).map.weight
    magnitudes = np.unique(np.abs(weight))
    np.testing.assert_allclose(magnitudes, [0, np.sqrt(20 / 500)])
    np.testing.assert_allclose((weight != 0).mean(), 1 / 20, rtol=0.05)


@each_kind
def test_distances_are_kept(kind: str):
    weight = fit_random(300, k=200, kind=kind, seed=5).map.weight
    x = np.random.default_rng(6).standard_normal((300, 100))
    ratio = ((weight @ x) ** 2).sum(axis=0) / (x**2).sum(axis=0)
    assert (np.abs(ratio - 1) < 0.6).all()
    assert abs(ratio.mean() - 1) < 0.05


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(KINDS), st.integers(0, 2**64))
def test_any_shape(channels, k, kind, seed):
    model = fit_random(channels, k=k, kind=kind, seed=seed)
    assert model.map.weight.shape == (k, channels)
    assert not model.map.has_bias
    assert model.eigenvalues.size == model.explained_variance.size == 0
    assert np.isfinite(model.inverse().weight).all()


@pytest.mark.parametrize("wrong", [{"k": 0}, {"kind": "haar"}, {"seed": -1}])
def test_refusals(wrong):
    with pytest.raises(UsageError):
        fit_random(3, **{"k": 2, **wrong})
