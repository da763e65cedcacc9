"""Reconstruction errors told from moments, against those of the pixels themselves."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.learners.lda import fit_lda
from onebyone_cli.learners.maf import fit_maf
from onebyone_cli.learners.mnf import fit_mnf
from onebyone_cli.learners.model import Model
from onebyone_cli.learners.moments import Moments, moments_of
from onebyone_cli.learners.pca import fit_pca
from onebyone_cli.learners.random import fit_random
from onebyone_cli.learners.svd import fit_svd
from onebyone_cli.learners.unmix import fit_unmix

EPS = float(np.finfo(np.float64).eps)


def spectra(channels: int, k: int) -> np.ndarray:
    """Endmembers that are well apart, shape (C, K)."""
    return np.eye(channels)[:, :k] + 0.2 * np.random.default_rng(channels).random((channels, k))


def differences(x: np.ndarray) -> np.ndarray:
    return moments_of(x[:, 1:] - x[:, :-1]).covariance


def by_class(x: np.ndarray) -> dict[int, Moments]:
    """As many classes as channels and one more, told apart by neighbouring channels' places."""
    labels = np.arange(x.shape[1]) % (len(x) + 1)
    return {label: moments_of(x[:, labels == label].copy()) for label in range(len(x) + 1)}


#: By name: a model of K components learned from pixels (C, N).
LEARNERS: dict[str, Callable[[np.ndarray, int], Model]] = {
    "pca": lambda x, k: fit_pca(moments_of(x.copy()), k=k),
    "pca standardized": lambda x, k: fit_pca(moments_of(x.copy()), k=k, standardize=True),
    "pca whitened": lambda x, k: fit_pca(moments_of(x.copy()), k=k, whiten=True),
    "pca of both": lambda x, k: fit_pca(moments_of(x.copy()), k=k, standardize=True, whiten=True),
    "svd": lambda x, k: fit_svd(moments_of(x.copy()), k=k),
    "mnf": lambda x, k: fit_mnf(moments_of(x.copy()), differences(x) / 2, k=k),
    "maf": lambda x, k: fit_maf(moments_of(x.copy()), differences(x), k=k),
    "lda": lambda x, k: fit_lda(by_class(x), k=k),
    "random": lambda x, k: fit_random(len(x), k=k, seed=len(x)),
    "sparse": lambda x, k: fit_random(len(x), k=k, seed=len(x), kind="sparse"),
    "unmix": lambda x, k: fit_unmix(spectra(len(x), k)),
}


def pixels_of(channels: int, seed: int, mean: float, count: int = 400) -> np.ndarray:
    """Correlated channels of spreads about 1, means near each other, classes a little apart."""
    rng = np.random.default_rng(seed)
    left, right = np.linalg.qr(rng.standard_normal((2, channels, channels)))[0]
    x = left * rng.uniform(0.3, 1.5, channels) @ right @ rng.standard_normal((channels, count))
    classes = rng.standard_normal((channels, channels + 1))
    x += classes[:, np.arange(count) % (channels + 1)]
    return x / x.std(axis=1, keepdims=True) + mean * rng.uniform(0.9, 1.1, (channels, 1))


def there_and_back(model: Model, x: np.ndarray) -> np.ndarray:
    """Pixels from their scores, in more digits than float64 has."""
    back = model.inverse()
    long = np.longdouble
    y = model.map.weight.astype(long) @ x.astype(long) + model.map.bias[:, None]
    return back.weight.astype(long) @ y + back.bias[:, None]


def root_mean_square(errors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(errors).mean(axis=1)).astype(np.float64)


def rounding(model: Model, x: np.ndarray) -> np.ndarray:
    """What rounding of bias and way back may leave in each channel."""
    back = model.inverse()
    there = np.abs(model.map.weight) @ np.abs(x).max(axis=1) + np.abs(model.map.bias)
    passed = np.abs(back.weight) @ there + np.abs(back.bias)
    return 2 * (model.map.in_channels + model.map.out_channels) * EPS * passed


@pytest.mark.parametrize("method", LEARNERS)
@given(
    mean=st.sampled_from([0.0, 3.0, 1e6]),
    channels=st.integers(1, 6),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_errors_are_those_of_the_pixels(
    method: str, mean: float, channels: int, seed: int, data: st.DataObject
):
    x = pixels_of(channels, seed, mean)
    k = data.draw(st.sampled_from([1, channels, (channels + 1) // 2]))
    model = LEARNERS[method](x, k)
    found = model.channel_errors(moments_of(x.copy()))
    expected = root_mean_square(x - there_and_back(model, x))
    assert found.shape == (channels,)
    assert (np.abs(found - expected) <= 1e-9 * expected + rounding(model, x)).all()
    if k == channels and method != "sparse":  # whose rows may be alike
        assert (found <= rounding(model, x)).all()
    elif k < channels and mean < 1e6:
        assert found.max() > 1e-3


@pytest.mark.parametrize("method", LEARNERS)
@given(channels=st.integers(1, 6), seed=st.integers(0, 2**32), data=st.data())
def test_the_residual_is_what_is_missing_after_there_and_back(
    method: str, channels: int, seed: int, data: st.DataObject
):
    x = pixels_of(channels, seed, 1e3)
    model = LEARNERS[method](x, data.draw(st.integers(1, channels)))
    residual = model.residual()
    assert residual.weight.shape == (channels, channels)
    found = residual.weight.astype(np.longdouble) @ x + residual.bias[:, None]
    missing = x - there_and_back(model, x)
    assert (np.abs(found - missing).max(axis=1) <= rounding(model, x)).all()


@given(
    channels=st.integers(2, 7),
    seed=st.integers(0, 2**32),
    mean=st.sampled_from([0.0, 1e6]),
    data=st.data(),
)
def test_pca_loses_the_eigenvalues_that_it_drops(
    channels: int, seed: int, mean: float, data: st.DataObject
):
    x = pixels_of(channels, seed, mean)
    k = data.draw(st.integers(1, channels))
    moments = moments_of(x.copy())
    model = fit_pca(moments, k=k)
    lost = np.square(model.channel_errors(moments)).sum()
    dropped = model.eigenvalues[k:].sum() * (moments.count - 1) / moments.count
    assert lost == pytest.approx(dropped, rel=1e-10, abs=1e-24)
    # Whitened scores go back to the same pixels.
    whitened = fit_pca(moments, k=k, whiten=True).channel_errors(moments)
    np.testing.assert_allclose(whitened, model.channel_errors(moments), rtol=1e-8, atol=1e-12)


def test_svd_loses_the_mean_squares_that_it_drops():
    x = pixels_of(5, 3, 20.0)
    moments = moments_of(x.copy())
    for k in range(1, 6):
        model = fit_svd(moments, k=k)
        lost = np.square(model.channel_errors(moments)).sum()
        assert lost == pytest.approx(model.eigenvalues[k:].sum(), rel=1e-9, abs=1e-20)


@pytest.mark.parametrize("method", ["pca", "pca standardized", "pca of both", "maf", "mnf"])
@given(channels=st.integers(2, 7), seed=st.integers(0, 2**32))
def test_a_quiet_channel_beside_a_loud_one(method: str, channels: int, seed: int):
    # Pascals beside kilograms of water in a kilogram of air.
    rng = np.random.default_rng(seed)
    x = pixels_of(channels, seed, 0.0) * 10.0 ** rng.uniform(-6, 5, (channels, 1))
    k = max(1, channels // 2)
    model = LEARNERS[method](x, k)
    found = model.channel_errors(moments_of(x.copy()))
    expected = root_mean_square(x - there_and_back(model, x))
    assert (np.abs(found - expected) <= 1e-9 * x.std(axis=1) + rounding(model, x)).all()


def test_other_pixels_than_those_learned_from():
    # The mean of these is elsewhere, which is an error as well.
    learned, other = pixels_of(4, 1, 3.0), 2 * pixels_of(4, 2, 5.0)
    model = LEARNERS["pca"](learned, 2)
    found = model.channel_errors(moments_of(other.copy()))
    expected = root_mean_square(other - there_and_back(model, other))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_constant_channels_and_a_single_pixel():
    x = pixels_of(4, 1, 3.0)
    x[2] = 7.0
    found = LEARNERS["pca"](x, 2).channel_errors(moments_of(x.copy()))
    assert found[2] <= 1e-14
    model = LEARNERS["pca"](pixels_of(4, 1, 3.0), 2)
    one = pixels_of(4, 5, 3.0)[:, :1]
    expected = np.abs(one - there_and_back(model, one))[:, 0].astype(float)
    np.testing.assert_allclose(model.channel_errors(moments_of(one.copy())), expected, rtol=1e-12)


def test_a_mean_that_can_not_be_squared():
    x = pixels_of(3, 1, 0.0) * 1e140 + 1e160
    model = LEARNERS["random"](x, 2)
    expected = np.abs(x - there_and_back(model, x)).mean(axis=1).astype(np.float64)
    assert expected.max() > 1e159
    np.testing.assert_allclose(model.channel_errors(moments_of(x.copy())), expected, rtol=1e-12)


def test_errors_of_what_can_not_be_squared_are_unknown():
    x = pixels_of(3, 1, 0.0) * 1e200
    model = LEARNERS["random"](x, 2)
    assert np.isnan(model.channel_errors(moments_of(x))).all()
