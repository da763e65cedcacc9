"""MAF against scipy and against MNF, the identities it has, and data that is difficult."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError
from onebyone_cli.learners.maf import fit_maf
from onebyone_cli.learners.mnf import fit_mnf
from onebyone_cli.learners.model import Model, fix_signs
from onebyone_cli.learners.moments import Moments, moments_of

SIDE = 32


def image(channels: int, seed: int, mean: float = 3.0, side: int = SIDE) -> np.ndarray:
    """Mixtures (C, H, W) of white noise that is smoothed ever less."""
    rng = np.random.default_rng(seed)
    sources = rng.standard_normal((channels, side, side))
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side),) * 2))
    for index, source in enumerate(sources):
        width = 3.0 * 0.7**index
        smooth = np.fft.ifft2(np.fft.fft2(source) * np.exp(-((3 * width * frequency) ** 2))).real
        source[:] = smooth / smooth.std()
    return np.einsum("ij,jhw->ihw", well_conditioned(channels, rng), sources) + mean


def well_conditioned(channels: int, rng: np.random.Generator) -> np.ndarray:
    """An invertible matrix that is not orthogonal: singular values between 1/2 and 2."""
    left, right = (np.linalg.qr(rng.standard_normal((channels, channels)))[0] for _ in "ab")
    return left * rng.uniform(0.5, 2, channels) @ right


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float64)


def differences(x: np.ndarray) -> np.ndarray:
    """Each pixel less its neighbour to the right, (C, n)."""
    return flat(x[:, :, :-1] - x[:, :, 1:])


def statistics(x: np.ndarray) -> tuple[Moments, np.ndarray]:
    return moments_of(flat(x).copy()), moments_of(differences(x).copy()).covariance


def learn(x: np.ndarray, **options) -> Model:
    return fit_maf(*statistics(x), **options)


def scores(model: Model, x: np.ndarray) -> np.ndarray:
    """Scores of pixels centred first: the bias alone would round a mean of 1e6 to 1e-10."""
    return model.map.weight @ (flat(x) - model.mean[:, None])


def apart(values: np.ndarray) -> np.ndarray:
    """Which eigenvalues have no other nearby."""
    gaps = np.abs(np.diff(values, prepend=np.inf, append=np.inf)) / values.max()
    return np.minimum(gaps[:-1], gaps[1:]) > 1e-5


def assert_same_up_to_sign(one: np.ndarray, two: np.ndarray, tolerance: float) -> None:
    """Compare rows, each relative to its own largest entry."""
    signs = np.sign((one * two).sum(axis=1, keepdims=True))
    size = np.abs(two).max(axis=1, keepdims=True)
    np.testing.assert_allclose(one * signs / size, two / size, rtol=0, atol=tolerance)


# ----------------------------------------------------------------------------- references


@given(
    channels=st.integers(1, 10),
    seed=st.integers(0, 2**32),
    mean=st.sampled_from([0.0, 3.0, 1e6]),
)
def test_against_scipy(channels, seed, mean):
    x = image(channels, seed, mean)
    moments, rough = statistics(x)
    model = fit_maf(moments, rough)
    values, vectors = scipy.linalg.eigh(rough, np.cov(flat(x)).reshape(channels, -1))
    np.testing.assert_allclose(model.eigenvalues, values, rtol=1e-10)
    expected = fix_signs(vectors.T)
    select = apart(values)
    np.testing.assert_allclose(model.map.weight[select], expected[select], atol=1e-8)


def test_close_eigenvalues_share_a_subspace():
    moments, rough = statistics(image(6, 1))
    # Three factors as smooth as one another, three as rough.
    _, vectors = scipy.linalg.eigh(rough, moments.covariance)
    back = moments.covariance @ vectors
    rough = back * [0.1, 0.1, 0.1, 1, 1, 1] @ back.T
    weight = fit_maf(moments, rough, k=3).map.weight
    assert scipy.linalg.subspace_angles(weight.T, vectors[:, :3]).max() < 1e-10


@given(channels=st.integers(1, 8), k=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_minimum_noise_fractions_are_the_same_factors(channels, k, seed):
    moments, rough = statistics(image(channels, seed))
    k = min(k, channels)
    maf, mnf = fit_maf(moments, rough, k=k), fit_mnf(moments, rough / 2, k=k)
    np.testing.assert_allclose(mnf.eigenvalues, 2 / maf.eigenvalues, rtol=1e-10)
    select = apart(maf.eigenvalues)[:k]
    scaled = maf.map.weight * np.sqrt(mnf.eigenvalues[:k, None])
    np.testing.assert_allclose(mnf.map.weight[select], scaled[select], rtol=1e-7, atol=1e-8)
    there_and_back = [m.inverse().weight @ m.map.weight for m in (maf, mnf)]
    if select.all():
        np.testing.assert_allclose(*there_and_back, atol=1e-8)


@given(seed=st.integers(0, 2**32))
def test_eigenvalues_tell_the_autocorrelation(seed):
    """On a torus both neighbours have the same variance, and 1 − d/2 is the correlation."""
    x = image(4, seed)
    neighbour = np.roll(x, 1, axis=2)
    moments = moments_of(flat(x).copy())
    model = fit_maf(moments, np.cov(flat(x - neighbour)))
    one, other = scores(model, x), scores(model, neighbour)
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(1 - model.eigenvalues / 2, correlation, atol=1e-10)
    assert (np.diff(correlation) < 0).all()


# ----------------------------------------------------------------------------- identities


@given(
    channels=st.integers(1, 9),
    k=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    mean=st.sampled_from([0.0, 5.0, 1e6]),
)
def test_identities(channels, k, seed, mean):
    x = image(channels, seed, mean)
    k = min(k, channels)
    moments, rough = statistics(x)
    model = fit_maf(moments, rough, k=k)
    weight, values = model.map.weight, model.eigenvalues
    assert values.shape == (channels,)
    assert (np.diff(values) >= 0).all()
    assert (values >= 0).all()
    np.testing.assert_allclose(weight @ moments.covariance @ weight.T, np.eye(k), atol=1e-11)
    np.testing.assert_allclose(weight @ rough @ weight.T, np.diag(values[:k]), atol=1e-11)
    np.testing.assert_array_equal(weight, fix_signs(weight))
    np.testing.assert_allclose(model.map.bias, -weight @ model.mean, rtol=1e-12, atol=1e-12)
    back = moments.covariance @ weight.T
    np.testing.assert_allclose(model.inverse_weight, back, atol=1e-11 * np.abs(back).max())
    assert not len(model.explained_variance)
    assert model.noise is None


@given(channels=st.integers(1, 9), k=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_way_back_is_the_whole_inverse_without_the_dropped(channels, k, seed):
    x = image(channels, seed)
    k = min(k, channels)
    kept, whole = learn(x, k=k), learn(x)
    everything = np.linalg.inv(whole.map.weight)
    y = whole.map.weight @ flat(x) + whole.map.bias[:, None]
    y[k:] = 0
    inverse = kept.inverse()
    np.testing.assert_allclose(inverse.weight, everything[:, :k], atol=1e-11)
    restored = inverse.weight @ y[:k] + inverse.bias[:, None]
    np.testing.assert_allclose(restored, everything @ y + whole.mean[:, None], atol=1e-10)
    if k == channels:
        np.testing.assert_allclose(restored, flat(x), atol=1e-10)


@given(channels=st.integers(1, 8), seed=st.integers(0, 2**32), wild=st.booleans())
def test_any_linear_map_of_the_channels(channels, seed, wild):
    x = image(channels, seed)
    rng = np.random.default_rng(seed)
    matrix = well_conditioned(channels, rng)
    if wild:
        matrix = 10.0 ** rng.uniform(-6, 6, (channels, 1)) * matrix
    mapped = np.einsum("ij,jhw->ihw", matrix, x)
    one, other = learn(x), learn(mapped)
    np.testing.assert_allclose(other.eigenvalues, one.eigenvalues, rtol=1e-9)
    select = apart(one.eigenvalues)
    assert_same_up_to_sign(scores(other, mapped)[select], scores(one, x)[select], 1e-8)


@pytest.mark.parametrize("power", [-140, -20, 0, 20, 140])
def test_any_unit(power: int):
    """A power of two in all channels, or in one, changes no digit of the eigenvalues."""
    x = image(4, 2)
    one, all_of_it = learn(x), learn(np.ldexp(x, power * 3))
    np.testing.assert_array_equal(one.eigenvalues, all_of_it.eigenvalues)
    np.testing.assert_array_equal(np.ldexp(one.map.weight, -3 * power), all_of_it.map.weight)
    x[1] = np.ldexp(x[1], power)
    np.testing.assert_array_equal(one.eigenvalues, learn(x).eigenvalues)


# ---------------------------------------------------------------------------- adversaries


@given(
    seed=st.integers(0, 2**32),
    constant=st.sets(st.integers(0, 4), min_size=1, max_size=4),
    value=st.sampled_from([0.0, 0.1, -3e5]),
)
def test_constant_channels_are_left_out(seed, constant, value):
    x = image(5, seed)
    x[sorted(constant)] = value
    varying = [c for c in range(5) if c not in constant]
    model, without = learn(x), learn(x[varying])
    np.testing.assert_allclose(model.eigenvalues, without.eigenvalues, rtol=1e-10)
    np.testing.assert_allclose(model.map.weight[:, varying], without.map.weight, atol=1e-8)
    assert not model.map.weight[:, sorted(constant)].any()
    names = ", ".join(map(str, sorted(constant)))
    assert any(f" {names} " in text and "left out" in text for text in model.warnings)
    inverse = model.inverse()
    again = inverse.weight @ scores(model, x) + inverse.bias[:, None]
    np.testing.assert_allclose(again, flat(x), rtol=1e-12, atol=1e-9)
    possible = len(varying)
    with pytest.raises(DataError, match=rf"{possible} independent.* in 5 channels.*k={possible} "):
        learn(x, k=possible + 1)


@given(seed=st.integers(0, 2**32), gain=st.sampled_from([1.0, -2.5, 1e6, 1e-6]))
def test_duplicated_channels_give_one_factor(seed, gain):
    x = image(4, seed)
    order = np.random.default_rng(seed).permutation(7)
    twice = np.concatenate([x, gain * x[:2], x.sum(axis=0, keepdims=True)])[order]
    model, once = learn(twice), learn(x)
    assert model.eigenvalues.shape == (4,)
    np.testing.assert_allclose(model.eigenvalues, once.eigenvalues, rtol=1e-9)
    assert any("7 channels are linearly dependent: they have 4" in t for t in model.warnings)
    assert_same_up_to_sign(scores(model, twice), scores(once, x), 1e-7)
    inverse = model.inverse()
    again = inverse.weight @ scores(model, twice) + inverse.bias[:, None]
    size = np.abs(flat(twice)).max(axis=1, keepdims=True)
    np.testing.assert_allclose(again / size, flat(twice) / size, atol=1e-9)
    with pytest.raises(DataError, match="4 independent components in 7 channels, and 5"):
        learn(twice, k=5)


@given(seed=st.integers(0, 2**32), pixels=st.integers(3, 8))
def test_fewer_pixels_than_channels(seed, pixels):
    """A row of n pixels has n − 1 factors."""
    x = image(9, seed)[:, :1, :pixels]
    moments, rough = statistics(x)
    model = fit_maf(moments, rough)
    count = pixels - 1
    assert model.eigenvalues.shape == (count,)
    assert f"they have {count} independent component" in model.warnings[0]
    weight = model.map.weight
    np.testing.assert_allclose(weight @ moments.covariance @ weight.T, np.eye(count), atol=1e-9)
    inverse = model.inverse()
    again = inverse.weight @ scores(model, x) + inverse.bias[:, None]
    np.testing.assert_allclose(again, flat(x), atol=1e-9)


@pytest.mark.parametrize("mean", [0.0, 3.0, 10.0, 100.0, 1e4])
def test_a_sum_of_channels_that_was_rounded(mean: float):
    """Its rounding is the roughest factor or none, but no reason to refuse smooth images."""
    y, x = np.mgrid[:200, :200] / 200
    smooth = np.stack([np.sin(5 * x + y), np.cos(3 * y) * x]) + mean
    smooth = smooth.astype(np.float32)
    model, once = learn(np.concatenate([smooth, smooth[:1] + smooth[1:]])), learn(smooth)
    assert len(model.eigenvalues) in (2, 3)
    np.testing.assert_allclose(model.eigenvalues[:2], once.eigenvalues, rtol=1e-4)
    assert all(1 < value < 3 for value in model.eigenvalues[2:])


def test_smooth_as_can_be():
    """A factor that does not change from neighbour to neighbour has d = 0, and comes first."""
    x = image(3, 3)
    x[1] = np.arange(SIDE)[:, None] ** 2
    model = learn(x, k=1)
    assert 0 <= model.eigenvalues[0] < 1e-15
    np.testing.assert_allclose(np.abs(model.map.weight[0, [0, 2]]), 0, atol=1e-12)
    np.testing.assert_allclose(model.map.weight[0, 1], 1 / flat(x)[1].std(ddof=1), rtol=1e-10)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.empty((3, 0)), "no valid pixel"),
        (np.ones((3, 1)), "no channel varies in 1 valid pixel,"),
        (np.full((3, 9), 0.1), "no channel varies in 9 valid pixels"),
        (np.full((3, 3), [1.5e154, -1.5e154, 0.0]), "too large to be squared"),
        (np.full((3, 2), [np.nan, 0.0]), "too large to be squared"),
        (np.full((3, 2), [1e-150, 0.0]), "below 1e-292, too small"),
    ],
)
def test_pixels_that_are_refused(pixels: np.ndarray, message: str):
    with pytest.raises(DataError, match=message) as caught:
        fit_maf(moments_of(pixels.copy()), np.eye(3), source="a.npy")
    assert caught.value.path == "a.npy"


@pytest.mark.parametrize(
    ("rough", "message"),
    [
        (np.eye(4), r"has shape \(4, 4\); expected \(3, 3\)"),
        (np.full((3, 3), np.nan), "infinite or unknown"),
        (np.diag([1.0, -1.0, 1.0]), "a channel has negative variance"),
        (1e-310 * np.eye(3), "below 1e-292, too small"),
        (np.zeros((3, 3)), "no pixel differs from its neighbours"),
    ],
)
def test_differences_that_are_refused(rough: np.ndarray, message: str):
    with pytest.raises(DataError, match=message) as caught:
        fit_maf(moments_of(flat(image(3, 4))), rough, source="a.npy")
    assert caught.value.path == "a.npy"


def test_differences_of_another_number_of_channels_are_a_mismatch():
    with pytest.raises(ShapeMismatchError):
        fit_maf(moments_of(flat(image(3, 4))), np.eye(2))


@pytest.mark.parametrize("still", [True, False])
def test_differences_of_other_pixels(still: bool):
    x = image(3, 5)
    _, rough = statistics(x)
    x[1] = 0 if still else x[2]
    with pytest.raises(DataError, match="take both of the same pixels"):
        fit_maf(moments_of(flat(x).copy()), rough)


@pytest.mark.parametrize(("k", "error"), [(0, UsageError), (-1, UsageError), (5, DataError)])
def test_numbers_of_factors_that_are_refused(k, error):
    with pytest.raises(error):
        learn(image(4, 6), k=k)


# ------------------------------------------------------------------------------- warnings


def test_nearly_equal_eigenvalues_at_the_cut():
    moments = moments_of(np.random.default_rng(7).standard_normal((4, 5000)))
    moments.comoment = np.diag(moments.comoment.diagonal())
    rough = moments.covariance * [0.1, 0.2, 0.201, 1.5]
    assert "eigenvalues 1 and 2 are nearly equal" in fit_maf(moments, rough, k=2).warnings[-1]
    for k in (1, 3, 4):
        assert not fit_maf(moments, rough, k=k).warnings


def test_what_a_model_says():
    moments, rough = statistics(image(3, 8))
    moments.invalid = 2
    model = fit_maf(moments, rough, k=2, source="a.npy")
    assert model.meta["method"] == "maf"
    assert model.meta["options"] == {"k": 2}
    assert (model.meta["count"], model.meta["invalid"]) == (SIDE**2, 2)
    assert model.map.source == "a.npy"
    assert {name: array.shape for name, array in model.arrays.items()} == {
        "weight": (2, 3),
        "bias": (2,),
        "mean": (3,),
        "scale": (3,),
        "eigenvalues": (3,),
        "explained_variance": (0,),
        "explained_variance_ratio": (0,),
        "inverse": (3, 2),
    }
    assert all(array.flags.c_contiguous for array in model.arrays.values())
    moments.mean += 1
    assert (model.mean != moments.mean).all()


def test_nothing_given_is_overwritten():
    moments, rough = statistics(image(3, 9))
    before = moments.comoment.copy(), moments.mean.copy(), rough.copy()
    fit_maf(moments, rough)
    for one, other in zip(before, (moments.comoment, moments.mean, rough), strict=True):
        np.testing.assert_array_equal(one, other)
