"""The uncentred SVD against numpy's of the pixels themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError
from onebyone_cli.learners.model import fix_signs
from onebyone_cli.learners.moments import moments_of, no_moments
from onebyone_cli.learners.svd import fit_svd


def pixels(channels: int, count: int, seed: int, mean: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spread = 1.7 ** -np.arange(channels)[:, None]
    return rng.standard_normal((channels, count)) * spread + mean


@pytest.mark.parametrize("mean", [0.0, 2.0])
def test_against_numpy(mean: float):
    x = pixels(6, 2000, 1, mean)
    model = fit_svd(moments_of(x.copy()), k=4)
    _, s, vt = np.linalg.svd(x.T, full_matrices=False)
    np.testing.assert_allclose(model.eigenvalues, s**2 / 2000, rtol=1e-10)
    np.testing.assert_allclose(model.map.weight, fix_signs(vt[:4]), atol=1e-8)
    np.testing.assert_allclose(model.explained_variance_ratio, s[:4] ** 2 / (s**2).sum())
    assert not model.map.has_bias
    assert not model.mean.any()


def test_a_large_mean_does_not_bury_the_rest():
    """Adding up XᵀX would leave the small eigenvalues four digits here."""
    x = np.random.default_rng(2).standard_normal((8, 5000)) + 1e6
    s = np.linalg.svd(x.T, compute_uv=False)
    model = fit_svd(moments_of(x.copy()))
    np.testing.assert_allclose(model.eigenvalues, s**2 / 5000, rtol=1e-8)


@given(
    channels=st.integers(1, 7),
    count=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    mean=st.sampled_from([0.0, 1.0, 1e3]),
)
def test_identities(channels, count, seed, mean):
    x = pixels(channels, count, seed, mean)
    model = fit_svd(moments_of(x.copy()))
    weight = model.map.weight
    np.testing.assert_allclose(weight @ weight.T, np.eye(channels), atol=1e-12)
    np.testing.assert_allclose(model.eigenvalues.sum(), (x**2).sum() / count, rtol=1e-11)
    y = weight @ x
    energy = model.eigenvalues[0]
    np.testing.assert_allclose(y @ y.T / count, np.diag(model.eigenvalues), atol=1e-11 * energy)
    np.testing.assert_allclose(model.inverse().weight @ y, x, atol=1e-11 * np.abs(x).max())
    assert not model.eigenvalues[count:].any()


def test_one_pixel():
    model = fit_svd(moments_of(np.array([[3.0], [-4.0]])), k=1)
    np.testing.assert_allclose(model.map.weight, [[-0.6, 0.8]], rtol=1e-14)
    np.testing.assert_allclose(model.eigenvalues, [25, 0], atol=1e-14)


def test_refusals():
    with pytest.raises(DataError, match="no valid pixel"):
        fit_svd(no_moments(3))
    with pytest.raises(DataError, match="zero everywhere"):
        fit_svd(moments_of(np.zeros((3, 4))))
    with pytest.raises(DataError, match="too large"):
        fit_svd(moments_of(np.full((3, 4), 1e200)))
    with pytest.raises(DataError, match="3 channels, and 4 components"):
        fit_svd(moments_of(np.ones((3, 4))), k=4)
    assert fit_svd(moments_of(np.ones((3, 4))), k=2).warnings
