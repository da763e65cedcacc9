"""PCA against numpy's SVD and scikit-learn, the identities it has, and data that is difficult."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.learners import NAMES, load
from onebyone_cli.learners.model import Model, choose_components, fix_signs, inverse_map
from onebyone_cli.learners.moments import Moments, moments_of
from onebyone_cli.learners.pca import fit_pca

RNG = np.random.default_rng(11)


def mixed(channels: int, pixels: int, seed: int, mean: float = 3.0) -> np.ndarray:
    """Pixels (C, N) whose eigenvalues lie well apart."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((channels, channels)))[0]
    spread = 1.6 ** -np.arange(channels)
    return basis @ (spread[:, None] * rng.standard_normal((channels, pixels))) + mean


def learn(x: np.ndarray, **options) -> Model:
    return fit_pca(moments_of(np.array(x, dtype=np.float64)), **options)


def scores(model: Model, x: np.ndarray) -> np.ndarray:
    return model.map.weight @ x + model.map.bias[:, None]


def back(model: Model, y: np.ndarray) -> np.ndarray:
    inverse = model.inverse()
    return inverse.weight @ y + inverse.bias[:, None]


def largest_angle(one: np.ndarray, two: np.ndarray) -> float:
    """Sine of the largest principal angle between the spans of two sets of orthonormal rows."""
    return float(np.linalg.norm(one - one @ two.T @ two, 2))


# ----------------------------------------------------------------------------- references


@pytest.mark.parametrize("mean", [0.0, 3.0, 1e6])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_against_numpy_svd(mean: float, dtype: str):
    x = (mixed(8, 3000, 1) * 5 + mean).astype(dtype).astype(np.float64)
    model = learn(x)
    centred = (x - x.mean(axis=1, keepdims=True)).T
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(model.eigenvalues, s**2 / (x.shape[1] - 1), rtol=1e-10)
    np.testing.assert_allclose(model.map.weight, fix_signs(vt), atol=1e-8)


@pytest.mark.parametrize("dtype", ["float16", "uint16"])
def test_narrow_types(dtype: str):
    x = (mixed(6, 2000, 2) * 100 + 1000).astype(dtype).astype(np.float64)
    expected = np.linalg.eigvalsh(np.cov(x))[::-1]
    np.testing.assert_allclose(learn(x).eigenvalues, expected, rtol=1e-10)


def test_mean_of_a_million():
    x = (np.random.default_rng(3).standard_normal((5, 4000)) + 1e6).astype("float32")
    x = x.astype(np.float64)
    expected = np.linalg.svd((x - x.mean(axis=1, keepdims=True)).T, compute_uv=False)
    np.testing.assert_allclose(learn(x).eigenvalues, expected**2 / 3999, rtol=1e-10)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_against_scikit_learn(k: int, whiten: bool):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = mixed(6, 1000, 4)
    theirs = decomposition.PCA(k, svd_solver="full", whiten=whiten).fit(x.T)
    ours = learn(x, k=k, whiten=whiten)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.explained_variance, theirs.explained_variance_, rtol=1e-10)
    ratio = theirs.explained_variance_ratio_
    np.testing.assert_allclose(ours.explained_variance_ratio, ratio, rtol=1e-10)
    y = scores(ours, x)
    np.testing.assert_allclose(np.abs(y), np.abs(theirs.transform(x.T).T), atol=1e-7)
    restored = theirs.inverse_transform(theirs.transform(x.T)).T
    np.testing.assert_allclose(back(ours, y), restored, atol=1e-8)
    if not whiten:
        np.testing.assert_allclose(ours.map.weight, fix_signs(theirs.components_), atol=1e-8)


def test_correlation_against_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = mixed(5, 800, 5) * np.array([[1e-3], [1.0], [5.0], [1e4], [2.0]])
    z = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)
    theirs = decomposition.PCA(3, svd_solver="full").fit(z.T)
    ours = learn(x, k=3, standardize=True)
    np.testing.assert_allclose(ours.explained_variance, theirs.explained_variance_, rtol=1e-10)
    expected = theirs.components_ / x.std(axis=1, ddof=1)
    np.testing.assert_allclose(
        ours.map.weight * ours.scale, fix_signs(expected) * ours.scale, atol=1e-8
    )
    np.testing.assert_allclose(ours.scale, x.std(axis=1, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(ours.eigenvalues.sum(), 5)


def test_close_eigenvalues_share_a_subspace():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((6, 500)) * np.array([[9], [9], [9], [1], [1], [1]])
    model = learn(x, k=3)
    vt = np.linalg.svd((x - x.mean(axis=1, keepdims=True)).T, full_matrices=False)[2]
    assert largest_angle(model.map.weight, vt[:3]) < 1e-10


# ----------------------------------------------------------------------------- identities


@given(
    channels=st.integers(1, 9),
    pixels=st.integers(2, 120),
    k=st.integers(1, 9),
    mean=st.sampled_from([0.0, 5.0, 1e6]),
    seed=st.integers(0, 2**32),
)
def test_identities(channels, pixels, k, mean, seed):
    x = mixed(channels, pixels, seed, mean)
    k = min(k, channels)
    moments = moments_of(x.copy())
    model = fit_pca(moments, k=k)
    weight, values = model.map.weight, model.eigenvalues
    total = np.trace(moments.covariance)
    np.testing.assert_allclose(weight @ weight.T, np.eye(k), atol=1e-12)
    np.testing.assert_allclose(values.sum(), total, rtol=1e-10)
    assert (np.diff(values) <= 0).all()
    assert (values >= 0).all()
    covariance = weight @ moments.covariance @ weight.T
    np.testing.assert_allclose(covariance, np.diag(values[:k]), atol=1e-12 * total)
    # Scores of pixels centred first: the bias alone would round a mean of 1e6 to 1e-10.
    centred = x - x.mean(axis=1, keepdims=True)
    error = centred - weight.T @ weight @ centred
    dropped = values[k:].sum() * (pixels - 1) / pixels
    np.testing.assert_allclose((error**2).sum(axis=0).mean(), dropped, rtol=1e-9, atol=1e-9 * total)
    np.testing.assert_allclose(model.map.bias, -weight @ model.mean, rtol=1e-12, atol=1e-12)


@given(
    seed=st.integers(0, 2**32),
    k=st.integers(1, 5),
    standardize=st.booleans(),
    whiten=st.booleans(),
)
def test_there_and_back(seed, k, standardize, whiten):
    x = mixed(5, 60, seed) * np.array([[0.02], [1.0], [30.0], [100.0], [1.0]])
    model = learn(x, k=k, standardize=standardize, whiten=whiten)
    inverse = model.inverse()
    assert inverse.weight.shape == (5, k)
    np.testing.assert_array_equal(inverse.bias, model.mean)
    np.testing.assert_allclose(model.map.weight @ inverse.weight, np.eye(k), atol=1e-9)
    y = scores(model, x)
    again = scores(model, back(model, y))
    np.testing.assert_allclose(again, y, rtol=1e-7, atol=1e-7 * np.abs(y).max())
    if k == 5:
        size = x.std(axis=1, keepdims=True) + np.abs(x).max(axis=1, keepdims=True)
        np.testing.assert_allclose(back(model, y) / size, x / size, atol=1e-9)
    if whiten:
        np.testing.assert_allclose(np.cov(y), np.eye(k) if k > 1 else 1.0, atol=1e-6)
    if not (whiten or standardize):
        np.testing.assert_allclose(inverse.weight, model.map.weight.T, rtol=1e-11, atol=1e-14)


def test_a_map_from_elsewhere_goes_back_through_its_bias():
    weight, bias = RNG.standard_normal((4, 4)), RNG.standard_normal(4)
    model = learn(mixed(4, 50, 7))
    forward = type(model.map)(weight, bias, "")
    inverse = inverse_map(forward)
    x = RNG.standard_normal((4, 9))
    y = weight @ x + bias[:, None]
    np.testing.assert_allclose(inverse.weight @ y + inverse.bias[:, None], x, atol=1e-10)


@pytest.mark.parametrize("power", [-140, -20, 0, 20, 140])
def test_any_unit(power: int):
    """Eigenvalues follow the unit squared and components do not move."""
    x = mixed(4, 200, 8)
    one, other = learn(x), learn(np.ldexp(x, power * 3))
    np.testing.assert_array_equal(one.map.weight, other.map.weight)
    np.testing.assert_array_equal(np.ldexp(one.eigenvalues, power * 6), other.eigenvalues)


# ---------------------------------------------------------------------------- adversaries


def test_fewer_pixels_than_channels():
    x = mixed(9, 4, 9)
    model = learn(x)
    s = np.linalg.svd((x - x.mean(axis=1, keepdims=True)).T, compute_uv=False)
    np.testing.assert_allclose(model.eigenvalues[:3], s[:3] ** 2 / 3, rtol=1e-10)
    assert not model.eigenvalues[3:].any()
    np.testing.assert_allclose(model.map.weight @ model.map.weight.T, np.eye(9), atol=1e-12)
    assert "3 independent components, and 9 were kept" in model.warnings[-1]
    np.testing.assert_allclose(back(model, scores(model, x)), x, atol=1e-12)


def test_duplicated_channels():
    x = mixed(3, 100, 10)
    model = learn(np.vstack([x, x]), k=3)
    assert not any("kept" in text for text in model.warnings)
    np.testing.assert_allclose(model.eigenvalues[:3], 2 * learn(x).eigenvalues, rtol=1e-10)
    assert (model.eigenvalues[3:] < 1e-14 * model.eigenvalues[0]).all()
    # The same magnitude up to rounding in channels c and c + 3: the lower one has the sign.
    largest = np.abs(model.map.weight[:, :3]).argmax(axis=1)
    assert (model.map.weight[np.arange(3), largest] > 0).all()


def test_constant_channels():
    x = mixed(4, 300, 12)
    x[2] = 0.1
    model = learn(x, k=3)
    assert not model.map.weight[:, 2].any()
    standardized = learn(x, k=3, standardize=True)
    assert standardized.scale[2] == 1
    assert "channel 2 is constant" in standardized.warnings[0]
    np.testing.assert_allclose(standardized.eigenvalues.sum(), 3)
    assert np.isfinite(standardized.map.weight).all()
    np.testing.assert_allclose(back(standardized, scores(standardized, x)), x, atol=1e-10)


def test_whitening_needs_components_that_vary():
    x = mixed(3, 100, 13)
    x = np.vstack([x, x])
    with pytest.raises(DataError, match=r"6 components: 3 of them vary.*k=3 or fewer"):
        learn(x, whiten=True)
    np.testing.assert_allclose(np.cov(scores(learn(x, k=3, whiten=True), x)), np.eye(3), atol=1e-9)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.empty((3, 0)), "no valid pixel"),
        (np.ones((3, 1)), "1 valid pixel"),
        (np.full((3, 9), 0.1), "no channel varies"),
        (np.array([[1e200, -1e200, 1.0]]), "too large to be squared"),
        (np.full((2, 3), [1.5e154, -1.5e154, 0.0]), "too large to be squared"),
    ],
)
def test_refusals(x: np.ndarray, message: str):
    with pytest.raises(DataError, match=message) as caught:
        learn(x, source="a.npy")
    assert caught.value.path == "a.npy"


def test_numbers_just_small_enough():
    model = learn(np.array([[8e153, -8e153]]))
    assert np.isfinite(model.eigenvalues).all()


def test_all_left_out_is_said():
    with pytest.raises(DataError, match="all 12 were left out"):
        fit_pca(moments_of(np.empty((2, 0)), invalid=12))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"k": 5}, DataError),
        ({"k": 0}, UsageError),
        ({"variance": 0.0}, UsageError),
        ({"variance": 1.5}, UsageError),
        ({"variance": float("nan")}, UsageError),
        ({"k": 1, "variance": 0.5}, UsageError),
    ],
)
def test_numbers_of_components_that_are_refused(options, error):
    with pytest.raises(error):
        learn(mixed(4, 20, 14), **options)


@pytest.mark.parametrize(
    ("values", "variance", "expected"),
    [
        ([9, 1], 0.9, 1),
        ([9, 1], 0.91, 2),
        ([0.7, 0.2, 0.1], 0.9, 2),
        ([1, 1, 0, 0], 1.0, 2),
        ([5], 1e-9, 1),
        ([5, 3, 2], 0.5, 1),
        ([5, 3, 2], 1.0, 3),
    ],
)
def test_fewest_that_reach_a_share(values, variance, expected):
    assert choose_components(np.array(values, dtype=float), variance=variance) == expected


# ------------------------------------------------------------------------ warnings, signs


def test_nearly_equal_eigenvalues_at_the_cut():
    x = np.random.default_rng(15).standard_normal((4, 5000)) * np.array([[9], [3], [3], [1]])
    assert "eigenvalues 1 and 2 are nearly equal" in learn(x, k=2).warnings[-1]
    assert not learn(x, k=3).warnings
    assert not learn(x, k=4).warnings


def test_channels_of_wildly_different_scale():
    x = np.random.default_rng(16).standard_normal((3, 500)) * np.array([[1], [1000], [1]])
    assert "channel 1" in learn(x, k=1).warnings[0]
    assert not learn(x, k=3, standardize=True).warnings


def test_signs():
    rows = np.array([[1.0, -2.0], [-3.0, 3.0], [3.0, -3.0 - 1e-12], [0.0, 0.0]])
    expected = [[-1.0, 2.0], [3.0, -3.0], [3.0, -3.0 - 1e-12], [0.0, 0.0]]
    np.testing.assert_array_equal(fix_signs(rows), expected)


def test_what_a_model_says():
    m = moments_of(mixed(3, 20, 17), invalid=2)
    model = fit_pca(m, k=2, source="a.npy")
    assert model.meta["method"] == "pca"
    assert model.meta["options"]["k"] == 2
    assert (model.meta["count"], model.meta["invalid"]) == (20, 2)
    assert model.map.source == "a.npy"
    assert {name: array.shape for name, array in model.arrays.items()} == {
        "weight": (2, 3),
        "bias": (2,),
        "mean": (3,),
        "scale": (3,),
        "eigenvalues": (3,),
        "explained_variance": (2,),
        "explained_variance_ratio": (2,),
    }
    m.mean += 1
    assert (model.mean != m.mean).all()


@pytest.mark.parametrize("name", NAMES)
def test_registry(name: str):
    assert load(name).options is not None


def test_unknown_learner():
    with pytest.raises(UsageError, match="pca, svd"):
        load("os")


def test_standard_deviations_whose_ratio_outgrows_float64():
    pixels = np.random.default_rng(3).normal(size=(2, 50)) * [[1e150], [1e-160]]
    model = fit_pca(moments_of(pixels), k=1)
    assert "channel 0 is inf times that of channel 1" in model.warnings[0]


def test_moments_at_the_end_of_float64():
    """Moments from a file need not be those of any numbers: an eigenvalue may be beyond them."""
    comoment = np.array([[1.0, 1.15e308], [1.15e308, 1.15e308]])
    many = Moments(100, 0, np.zeros(2), np.zeros(2), comoment)
    assert np.isfinite(fit_pca(many, k=1).eigenvalues).all()
    with pytest.raises(DataError, match="beyond the range of float64"):
        fit_pca(Moments(2, 0, np.zeros(2), np.zeros(2), comoment), k=1)
