"""MNF against scipy and SPy, the identities it has, and data that is difficult."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError
from onebyone_cli.learners.generalized import whiten
from onebyone_cli.learners.mnf import fit_mnf
from onebyone_cli.learners.model import Model, fix_signs
from onebyone_cli.learners.moments import Moments, moments_of

#: Side of an image: few pixels, though enough for the noise of all its channels.
SIDE = 40


def image(channels: int, seed: int, mean: float = 3.0, side: int = SIDE) -> np.ndarray:
    """Smooth signals of unlike strength in all channels and noise of its own covariance (C, H, W).

    Signal-to-noise ratios lie well apart.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    turns = 1 + np.arange(channels) % 3
    phases = rng.uniform(0, 7, (2, channels, 1, 1))
    waves = np.sin(turns[:, None, None] * 3 * x + phases[0])
    waves *= np.cos(turns[:, None, None] * 2 * y + phases[1])
    waves *= (20 * 0.6 ** np.arange(channels))[:, None, None]
    noise = rng.standard_normal((channels, side, side))
    return np.einsum("ij,jhw->ihw", well_conditioned(channels, rng), waves + noise) + mean


def well_conditioned(channels: int, rng: np.random.Generator) -> np.ndarray:
    """An invertible matrix that is not orthogonal: singular values between 1/2 and 2."""
    left, right = (np.linalg.qr(rng.standard_normal((channels, channels)))[0] for _ in "ab")
    return left * rng.uniform(0.5, 2, channels) @ right


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float64)


def differences(x: np.ndarray) -> np.ndarray:
    """Each pixel less its neighbour to the lower right, (C, n)."""
    return flat(x[:, :-1, :-1] - x[:, 1:, 1:])


def noise_of(x: np.ndarray) -> np.ndarray:
    return moments_of(differences(x).copy()).covariance / 2


def statistics(x: np.ndarray) -> tuple[Moments, np.ndarray]:
    return moments_of(flat(x).copy()), noise_of(x)


def learn(x: np.ndarray, **options) -> Model:
    return fit_mnf(*statistics(x), **options)


def scores(model: Model, x: np.ndarray) -> np.ndarray:
    """Scores of pixels centred first: the bias alone would round a mean of 1e6 to 1e-10."""
    return model.map.weight @ (flat(x) - model.mean[:, None])


def assert_same_up_to_sign(one: np.ndarray, two: np.ndarray, tolerance: float) -> None:
    """Compare rows, each relative to its own largest entry."""
    signs = np.sign((one * two).sum(axis=1, keepdims=True))
    size = np.abs(two).max(axis=1, keepdims=True)
    np.testing.assert_allclose(one * signs / size, two / size, rtol=0, atol=tolerance)


# ----------------------------------------------------------------------------- references


@given(
    channels=st.integers(1, 12),
    seed=st.integers(0, 2**32),
    mean=st.sampled_from([0.0, 3.0, 1e6]),
)
def test_against_scipy(channels, seed, mean):
    x = image(channels, seed, mean)
    model = learn(x)
    values, vectors = scipy.linalg.eigh(np.cov(flat(x)).reshape(channels, -1), noise_of(x))
    np.testing.assert_allclose(model.eigenvalues, values[::-1], rtol=1e-10)
    gaps = np.abs(np.diff(values, prepend=np.inf, append=np.inf)) / values[-1]
    apart = (np.minimum(gaps[:-1], gaps[1:]) > 1e-5)[::-1]
    expected = fix_signs(vectors[:, ::-1].T)
    np.testing.assert_allclose(model.map.weight[apart], expected[apart], atol=1e-8)


def test_close_eigenvalues_share_a_subspace():
    """White noise has no best direction, but where a signal ends is plain."""
    rng = np.random.default_rng(2)
    signals = np.repeat(image(3, 2) * 10, 2, axis=0)
    x = rng.standard_normal((6, SIDE, SIDE))
    x[:3] += signals[:3]
    moments, _ = statistics(x)
    noise = np.eye(6)
    weight = fit_mnf(moments, noise, k=2).map.weight
    _, vectors = scipy.linalg.eigh(moments.covariance, noise)
    angles = scipy.linalg.subspace_angles(weight.T, vectors[:, -2:])
    assert angles.max() < 1e-10


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.filterwarnings("ignore")
def test_against_spy(k: int):
    spectral = pytest.importorskip("spectral")
    x = image(7, 3)
    theirs = x.transpose(1, 2, 0)
    stats = spectral.calc_stats(theirs)
    result = spectral.mnf(stats, spectral.noise_from_diffs(theirs, "lowerright"))
    model = learn(x, k=k)
    np.testing.assert_allclose(model.eigenvalues, result.napc.eigenvalues, rtol=1e-9)
    reduced = result.get_reduction_transform(num=k)(theirs).reshape(-1, k).T
    assert_same_up_to_sign(scores(model, x), reduced, 1e-8)
    cleaned = result.get_denoising_transform(num=k)(theirs).reshape(-1, 7).T
    inverse = model.inverse()
    ours = inverse.weight @ scores(model, x) + inverse.bias[:, None]
    np.testing.assert_allclose(ours, cleaned, atol=1e-8)


@pytest.mark.parametrize("snr", [0.0, 1.0, 5.0, 20.0])
@pytest.mark.filterwarnings("ignore")
def test_signal_to_noise_ratio_against_spy(snr: float):
    spectral = pytest.importorskip("spectral")
    x = image(7, 4)
    theirs = x.transpose(1, 2, 0)
    noise = spectral.noise_from_diffs(theirs, "lowerright")
    expected = spectral.mnf(spectral.calc_stats(theirs), noise).num_with_snr(snr)
    assert learn(x, snr=snr).map.out_channels == expected


def test_what_it_is_for():
    """Cleaned of noise, pixels come nearer to the truth than with as many principal components."""
    clean = image(6, 5)
    rng = np.random.default_rng(6)
    loud = np.array([0.1, 0.1, 0.1, 30.0, 0.1, 0.1])[:, None, None]
    x = clean + loud * rng.standard_normal(clean.shape)
    model = learn(x, k=2)
    inverse = model.inverse()
    cleaned = inverse.weight @ scores(model, x) + model.mean[:, None]
    centred = flat(x) - model.mean[:, None]
    principal = np.linalg.svd(centred, full_matrices=False)[0][:, :2]
    by_variance = principal @ principal.T @ centred + model.mean[:, None]
    # The truth of the quiet channels: of the loud one hardly anything is known.
    quiet = [0, 1, 2, 4, 5]
    error, error_by_variance = (
        np.linalg.norm((y - flat(clean))[quiet]) for y in (cleaned, by_variance)
    )
    assert error < 0.8 * error_by_variance


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
    moments, noise = statistics(x)
    model = fit_mnf(moments, noise, k=k)
    weight, values = model.map.weight, model.eigenvalues
    assert values.shape == (channels,)
    assert (np.diff(values) <= 0).all()
    assert (values >= 0).all()
    np.testing.assert_allclose(weight @ noise @ weight.T, np.eye(k), atol=1e-11)
    whole = weight @ moments.covariance @ weight.T
    np.testing.assert_allclose(whole, np.diag(values[:k]), atol=1e-11 * values[0])
    np.testing.assert_array_equal(weight, fix_signs(weight))
    np.testing.assert_array_equal(model.noise, noise)
    np.testing.assert_array_equal(model.explained_variance, values[:k])
    ratio = model.explained_variance_ratio
    np.testing.assert_allclose(ratio, values[:k] / values.sum(), rtol=1e-12)
    np.testing.assert_allclose(model.map.bias, -weight @ model.mean, rtol=1e-12, atol=1e-12)
    size = np.abs(model.inverse_weight).max()
    np.testing.assert_allclose(model.inverse_weight, noise @ weight.T, atol=1e-11 * size)


@given(channels=st.integers(1, 9), k=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_way_back_is_the_whole_inverse_without_the_dropped(channels, k, seed):
    x = image(channels, seed)
    k = min(k, channels)
    kept, whole = learn(x, k=k), learn(x)
    np.testing.assert_array_equal(kept.map.weight, whole.map.weight[:k])
    everything = np.linalg.inv(whole.map.weight)
    np.testing.assert_allclose(kept.inverse().weight, everything[:, :k], atol=1e-10)
    y = whole.map.weight @ flat(x) + whole.map.bias[:, None]
    y[k:] = 0
    cleaned = everything @ y + whole.mean[:, None]
    inverse = kept.inverse()
    np.testing.assert_array_equal(inverse.bias, kept.mean)
    np.testing.assert_allclose(inverse.weight @ y[:k] + inverse.bias[:, None], cleaned, atol=1e-9)
    if k == channels:
        np.testing.assert_allclose(cleaned, flat(x), atol=1e-9)
        both = inverse.weight @ kept.map.weight
        np.testing.assert_allclose(both, np.eye(channels), atol=1e-11)


@given(channels=st.integers(1, 8), seed=st.integers(0, 2**32), wild=st.booleans())
def test_any_linear_map_of_the_channels(channels, seed, wild):
    """Ratios and scores stay: that is what MNF is about."""
    x = image(channels, seed)
    rng = np.random.default_rng(seed)
    matrix = well_conditioned(channels, rng)
    if wild:
        matrix = 10.0 ** rng.uniform(-6, 6, (channels, 1)) * matrix
    mapped = np.einsum("ij,jhw->ihw", matrix, x)
    one, other = learn(x), learn(mapped)
    np.testing.assert_allclose(other.eigenvalues, one.eigenvalues, rtol=1e-9)
    values = one.eigenvalues
    gaps = np.abs(np.diff(values, prepend=np.inf, append=0)) / values[0]
    apart = np.minimum(gaps[:-1], gaps[1:]) > 1e-5
    assert_same_up_to_sign(scores(other, mapped)[apart], scores(one, x)[apart], 1e-8)


@pytest.mark.parametrize("power", [-140, -20, 0, 20, 140])
def test_any_unit(power: int):
    """A power of two in all channels, or in one, changes no digit of the ratios."""
    x = image(4, 8)
    one, all_of_it = learn(x), learn(np.ldexp(x, power * 3))
    np.testing.assert_array_equal(one.eigenvalues, all_of_it.eigenvalues)
    np.testing.assert_array_equal(np.ldexp(one.map.weight, -3 * power), all_of_it.map.weight)
    x[1] = np.ldexp(x[1], power)
    np.testing.assert_array_equal(one.eigenvalues, learn(x).eigenvalues)


@pytest.mark.parametrize("power", [-900, 900])
def test_noise_in_another_unit(power: int):
    moments, noise = statistics(image(3, 9))
    values = fit_mnf(moments, noise).eigenvalues
    scaled = fit_mnf(moments, np.ldexp(noise, power)).eigenvalues
    np.testing.assert_array_equal(np.ldexp(scaled, power), values)


# ---------------------------------------------------------------------- how many are kept


def test_signal_to_noise_ratio():
    x = image(6, 10)
    ratios = learn(x).eigenvalues - 1
    for kept in range(1, 7):
        if ratios[kept - 1] >= 0:
            assert learn(x, snr=ratios[kept - 1]).map.out_channels == kept
    best = f"{ratios[0]:.6g}"
    with pytest.raises(DataError, match=rf"of signal-to-noise ratio 1e\+09.*best has {best};"):
        learn(x, snr=1e9, source="a.npy")


def test_share_of_the_variance():
    x = image(6, 11)
    shares = np.cumsum(learn(x).explained_variance_ratio)
    assert learn(x, variance=shares[2] - 1e-9).map.out_channels == 3
    assert learn(x, variance=shares[2] + 1e-9).map.out_channels == 4


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"k": 0}, UsageError),
        ({"k": 5}, DataError),
        ({"snr": -0.1}, UsageError),
        ({"snr": float("nan")}, UsageError),
        ({"snr": float("inf")}, DataError),
        ({"variance": 0.0}, UsageError),
        ({"variance": 1.5}, UsageError),
        ({"k": 1, "snr": 1.0}, UsageError),
        ({"variance": 0.5, "snr": 1.0}, UsageError),
        ({"k": 1, "variance": 0.5}, UsageError),
        ({"k": 1, "variance": 0.5, "snr": 1.0}, UsageError),
    ],
)
def test_numbers_of_components_that_are_refused(options, error):
    with pytest.raises(error):
        learn(image(4, 12), **options)


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
def test_duplicated_channels_give_one_component(seed, gain):
    x = image(4, seed)
    order = np.random.default_rng(seed).permutation(7)
    twice = np.concatenate([x, gain * x[:2], x.sum(axis=0, keepdims=True)])[order]
    model, once = learn(twice), learn(x)
    assert model.eigenvalues.shape == (4,)
    np.testing.assert_allclose(model.eigenvalues, once.eigenvalues, rtol=1e-9)
    _, noise = statistics(twice)
    weight = model.map.weight
    np.testing.assert_allclose(weight @ noise @ weight.T, np.eye(4), atol=1e-9)
    assert any("7 channels are linearly dependent: they have 4" in t for t in model.warnings)
    inverse = model.inverse()
    again = inverse.weight @ scores(model, twice) + inverse.bias[:, None]
    size = np.abs(flat(twice)).max(axis=1, keepdims=True)
    np.testing.assert_allclose(again / size, flat(twice) / size, atol=1e-9)
    with pytest.raises(DataError, match="4 independent components in 7 channels, and 5"):
        learn(twice, k=5)


@pytest.mark.parametrize("mean", [0.0, 30.0, 1e4])
def test_a_sum_of_channels_that_was_rounded(mean: float):
    """Whether rounding counts as noise or not: a result, and the same for what is no rounding."""
    x = image(3, 27, mean).astype(np.float32)
    whole = np.concatenate([x, x[:1] + x[1:2]])
    model, once = learn(whole), learn(x)
    np.testing.assert_allclose(model.eigenvalues[:2], once.eigenvalues[:2], rtol=2e-3)
    weight = model.map.weight
    rank = len(model.eigenvalues)
    np.testing.assert_allclose(weight @ noise_of(whole) @ weight.T, np.eye(rank), atol=1e-3)


def test_duplicates_have_the_same_weight():
    x = image(3, 13)
    model, once = learn(x[[0, 1, 2, 2]]), learn(x)
    expected = once.map.weight[:, [0, 1, 2, 2]] / [1, 1, 2, 2]
    signs = np.sign((model.map.weight * expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(model.map.weight * signs, expected, atol=1e-10)


def test_a_channel_without_noise():
    moments, noise = statistics(image(4, 14))
    noise[2] = noise[:, 2] = 0
    with pytest.raises(DataError, match="noise of channel 2 is zero though the channel varies"):
        fit_mnf(moments, noise, source="a.npy")


def test_no_noise_at_all():
    moments, noise = statistics(image(4, 15))
    with pytest.raises(DataError, match="the noise is zero in every channel"):
        fit_mnf(moments, 0 * noise)


def test_constant_and_the_rest_without_noise():
    x = image(3, 15)
    x[1] = 7
    moments, noise = statistics(x)
    with pytest.raises(DataError, match="the noise is zero in every channel"):
        fit_mnf(moments, 0 * noise)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_combination_without_noise(unit: float):
    """Noise that two channels share cancels in their difference, where a signal is left."""
    x = image(5, 16)
    moments, _ = statistics(x)
    d = differences(x)
    d[3] = d[1]
    noise = np.cov(d) / 2
    scale = np.array([1, unit, 1, 1, 1])
    moments.comoment *= scale * scale[:, None]
    noise *= scale * scale[:, None]
    with pytest.raises(DataError, match=r"has rank 4 of 5.*other pixels.*leave out channels"):
        fit_mnf(moments, noise)


def test_fewer_differences_than_channels():
    x = image(8, 17)
    few = moments_of(differences(x)[:, :6].copy())
    with pytest.raises(DataError, match="covariance from 6 pixels has rank 5 of 8"):
        fit_mnf(moments_of(flat(x).copy()), few.covariance, noise_pixels=6)


def test_fewer_pixels_than_channels_with_noise_from_elsewhere():
    x = image(8, 18)
    few = flat(x)[:, ::300].copy()
    pixels = few.shape[1]
    assert pixels < 8
    model = fit_mnf(moments_of(few.copy()), noise_of(x))
    expected = scipy.linalg.eigh(np.cov(few), noise_of(x), eigvals_only=True)[::-1]
    np.testing.assert_allclose(model.eigenvalues[: pixels - 1], expected[: pixels - 1], rtol=1e-9)
    assert not model.eigenvalues[pixels - 1 :].any()
    assert f"{pixels - 1} independent components, and 8 were kept" in model.warnings[-1]


def test_a_channel_that_is_constant_but_has_noise_elsewhere():
    x = image(3, 19)
    noise = noise_of(x)
    x[1] = 5
    model = fit_mnf(moments_of(flat(x).copy()), noise)
    expected = scipy.linalg.eigh(np.cov(flat(x)), noise, eigvals_only=True)[::-1]
    np.testing.assert_allclose(model.eigenvalues, expected, rtol=1e-9, atol=1e-12 * expected[0])


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.empty((3, 0)), "no valid pixel"),
        (np.ones((3, 1)), "no channel varies in 1 valid pixel,"),
        (np.full((3, 9), 0.1), "no channel varies in 9 valid pixels"),
        (np.full((3, 3), [1.5e154, -1.5e154, 0.0]), "too large to be squared"),
        (np.full((3, 2), [np.nan, 0.0]), "too large to be squared"),
        (np.full((3, 2), [1e-150, 0.0]), "below 1e-292, too small"),
        (np.full((3, 2), [1e-170, 0.0]), "no channel varies"),
    ],
)
def test_pixels_that_are_refused(pixels: np.ndarray, message: str):
    with pytest.raises(DataError, match=message) as caught:
        fit_mnf(moments_of(pixels.copy()), np.eye(3), source="a.npy")
    assert caught.value.path == "a.npy"


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (np.eye(4), r"has shape \(4, 4\); expected \(3, 3\)"),
        (np.ones(3), r"has shape \(3,\); expected \(3, 3\)"),
        (np.full((3, 3), np.nan), "infinite or unknown"),
        (np.diag([1.0, np.inf, 1.0]), "infinite or unknown"),
        (np.diag([1.0, -1.0, 1.0]), "a channel has negative variance"),
        (np.full((3, 3), 2.0) - np.eye(3), "a combination has negative variance"),
        (1e-310 * np.eye(3), "below 1e-292, too small"),
        (1e-290 * np.eye(3), "ratios are too large"),
    ],
)
def test_noise_that_is_refused(noise: np.ndarray, message: str):
    pixels = flat(image(3, 20)) * 1e10
    with pytest.raises(DataError, match=message) as caught:
        fit_mnf(moments_of(pixels), noise, source="a.npy")
    assert caught.value.path == "a.npy"


def test_noise_of_another_number_of_channels_is_a_mismatch():
    with pytest.raises(ShapeMismatchError):
        fit_mnf(moments_of(flat(image(3, 20))), np.eye(2))


def test_rounding_is_not_taken_for_rank():
    """The conditioning that real spectra have is far from singular."""
    rng = np.random.default_rng(21)
    basis = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    noise = basis * 10.0 ** np.linspace(0, -9, 30) @ basis.T
    whitening = whiten(noise, 30, "it")
    assert (whitening.rank, whitening.null.shape[1]) == (30, 0)
    assert not whitening.misses(np.eye(30), np.ones(30))


# ------------------------------------------------------------------------------- warnings


def test_nearly_equal_eigenvalues_at_the_cut():
    moments = moments_of(np.random.default_rng(22).standard_normal((4, 5000)))
    moments.comoment = np.diag(moments.comoment.diagonal())
    noise = moments.covariance / np.array([9, 4, 4.02, 2])
    assert "eigenvalues 1 and 2 are nearly equal" in fit_mnf(moments, noise, k=2).warnings[-1]
    for k in (1, 3, 4):
        assert not fit_mnf(moments, noise, k=k).warnings
    # Few pixels of noise make ratios uncertain that many pixels of signal would settle.
    unsure = fit_mnf(moments, noise, k=1, noise_pixels=6).warnings
    assert "eigenvalues 0 and 1 are nearly equal" in unsure[-1]


def test_noise_of_too_few_pixels():
    x = image(5, 23)
    assert "use 10 pixels at least" in learn(x, noise_pixels=9).warnings[0]
    assert not learn(x, noise_pixels=10).warnings
    assert not learn(x).warnings


def test_what_a_model_says():
    moments, noise = statistics(image(3, 24))
    moments.invalid = 2
    model = fit_mnf(moments, noise, k=2, source="a.npy")
    assert model.meta["method"] == "mnf"
    assert model.meta["options"] == {"k": 2, "variance": None, "snr": None}
    assert (model.meta["count"], model.meta["invalid"]) == (SIDE**2, 2)
    assert model.map.source == "a.npy"
    assert {name: array.shape for name, array in model.arrays.items()} == {
        "weight": (2, 3),
        "bias": (2,),
        "mean": (3,),
        "scale": (3,),
        "eigenvalues": (3,),
        "explained_variance": (2,),
        "explained_variance_ratio": (2,),
        "inverse": (3, 2),
        "noise": (3, 3),
    }
    assert all(array.flags.c_contiguous for array in model.arrays.values())
    moments.mean += 1
    noise += 1
    assert (model.mean != moments.mean).all()
    assert (model.noise != noise).all()


def test_nothing_given_is_overwritten():
    moments, noise = statistics(image(3, 25))
    before = moments.comoment.copy(), moments.mean.copy(), noise.copy()
    fit_mnf(moments, noise)
    for one, other in zip(before, (moments.comoment, moments.mean, noise), strict=True):
        np.testing.assert_array_equal(one, other)
