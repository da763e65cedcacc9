"""Independent components of sources that are known, against scikit-learn, and difficult data."""

import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import examples

from onebyone_cli.errors import DataError, DependencyMissingError, UsageError
from onebyone_cli.learners import ica
from onebyone_cli.learners.ica import fit_ica
from onebyone_cli.learners.model import Model, fix_signs
from onebyone_cli.learners.moments import moments_of
from onebyone_cli.learners.pca import fit_pca

decomposition = pytest.importorskip("sklearn.decomposition")


def learn(x: np.ndarray, sample: np.ndarray | None = None, **options) -> Model:
    """Learn from pixels (C, N), all of which are the sample unless one is given."""
    return fit_ica(moments_of(np.array(x)), x if sample is None else sample, **options)


def sources(pixels: int, seed: int) -> np.ndarray:
    """Five of variance 1 that are not normally distributed, shape (5, N)."""
    rng = np.random.default_rng(seed)
    t = np.arange(pixels)
    rows = np.stack(
        [
            rng.uniform(-1, 1, pixels),
            rng.laplace(size=pixels),
            np.sin(0.37 * t),
            np.sign(np.sin(0.0531 * t)),
            rng.exponential(size=pixels),
        ]
    )
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)


def mixing(channels: int, seed: int) -> np.ndarray:
    """What one unit of each source is in the channels, shape (C, 5); condition number 8."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((channels, 5)))[0]
    return basis * 1.7 ** np.arange(5) @ np.linalg.qr(rng.standard_normal((5, 5)))[0]


def amari(product: np.ndarray) -> float:
    """How far a matrix is from a permutation with any scales: 0 if it is one, 1 at most.

    Amari, Cichocki & Yang, "A new learning algorithm for blind signal separation", NIPS 1995.
    """
    p = np.abs(product)
    k = len(p)
    rows = (p / p.max(axis=1, keepdims=True)).sum()
    columns = (p / p.max(axis=0)).sum()
    return float((rows + columns - 2 * k) / (2 * k * (k - 1)))


def back(model: Model, x: np.ndarray) -> np.ndarray:
    inverse = model.inverse()
    scores = model.map.weight @ x + model.map.bias[:, None]
    return inverse.weight @ scores + inverse.bias[:, None]


# ----------------------------------------------------------------------------- references


def test_the_index_of_this_file():
    assert amari(np.eye(4)[[2, 0, 3, 1]] * [[-3.0], [1.0], [0.1], [7.0]]) == 0
    assert amari(np.ones((4, 4))) == 1


@pytest.mark.parametrize("channels", [5, 9])
@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_known_sources_are_found(channels: int, mean: float):
    """Up to their order and sign, as well as 20000 pixels can tell."""
    mixed = mixing(channels, 1)
    y = sources(20000, 2)
    model = learn(mixed @ y + mean, k=5)
    assert amari(model.map.weight @ mixed) < 0.01
    assert not model.warnings
    found = model.map.weight @ (mixed @ y + mean - model.mean[:, None])
    correlation = np.abs(found @ y.T / y.shape[1])
    np.testing.assert_allclose(np.sort(correlation.max(axis=1)), 1, atol=1e-3)
    assert amari(np.linalg.pinv(mixed) @ model.inverse().weight) < 0.01


def test_against_scikit_learn():
    """Both stop near the same optimum, each as near as its tolerance says."""
    x = mixing(5, 3) @ sources(5000, 4) + 7
    theirs = decomposition.FastICA(
        whiten="unit-variance", fun="logcosh", tol=1e-10, max_iter=1000, random_state=0
    ).fit(x.T)
    ours = learn(x)
    assert amari(ours.map.weight @ theirs.mixing_) < 1e-5
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12)
    order = np.abs(ours.map.weight @ theirs.mixing_).argmax(axis=1)
    assert sorted(order) == list(range(5))
    # Their scores have variance 1 when divided by N, ours by N − 1.
    weight = fix_signs(theirs.components_[order]) * np.sqrt(4999 / 5000)
    np.testing.assert_allclose(ours.map.weight, weight, atol=1e-4 * np.abs(weight).max())


# ----------------------------------------------------------------------------- identities


@settings(max_examples=examples(20))
@given(
    k=st.integers(1, 5),
    mean=st.sampled_from([0.0, 5.0, 1e6]),
    part=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**32),
)
def test_identities(k, mean, part, seed):
    x = mixing(7, seed)[:, :5] @ sources(600, seed) + mean
    x += 0.1 * np.random.default_rng(seed).standard_normal(x.shape)
    moments = moments_of(x.copy())
    model = fit_ica(moments, x[:, ::part], k=k, seed=seed)
    weight, columns = model.map.weight, model.inverse().weight
    assert (weight.shape, columns.shape) == ((k, 7), (7, k))
    np.testing.assert_allclose(weight @ moments.covariance @ weight.T, np.eye(k), atol=1e-10)
    np.testing.assert_allclose(weight @ columns, np.eye(k), atol=1e-10)
    axes = fit_pca(moments, k=k).map.weight
    np.testing.assert_allclose(columns @ weight, axes.T @ axes, atol=1e-10)
    np.testing.assert_allclose(columns, moments.covariance @ weight.T, atol=1e-9)
    lengths = np.linalg.norm(columns, axis=0)
    assert (np.diff(lengths) <= 1e-12 * lengths[0]).all()
    np.testing.assert_array_equal(weight, fix_signs(weight))
    np.testing.assert_allclose(model.map.bias, -weight @ model.mean, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("k", [2, 5])
def test_there_and_back_is_the_projection_of_pca(k: int):
    x = mixing(5, 5) @ sources(2000, 6) + 3
    moments = moments_of(x.copy())
    expected = back(fit_pca(moments, k=k), x)
    np.testing.assert_allclose(back(fit_ica(moments, x, k=k), x), expected, atol=1e-10)
    if k == 5:
        np.testing.assert_allclose(expected, x, atol=1e-10)


def test_the_same_seed_gives_the_same_bits():
    x = mixing(5, 7) @ sources(1000, 8)
    one, other = learn(x, seed=2**40), learn(x, seed=2**40)
    assert one.map.weight.tobytes() == other.map.weight.tobytes()
    assert one.inverse().weight.tobytes() == other.inverse().weight.tobytes()
    third = learn(x, seed=1)
    assert one.map.weight.tobytes() != third.map.weight.tobytes()
    np.testing.assert_allclose(one.map.weight, third.map.weight, atol=1e-4)


def test_nothing_else_draws_or_is_drawn():
    """Random numbers of numpy's own are as they were, and so are moments and sample."""
    x = mixing(5, 9) @ sources(500, 10)
    sample, moments = x.copy(), moments_of(x.copy())
    mean, comoment = moments.mean.copy(), moments.comoment.copy()
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    fit_ica(moments, sample)
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002
    np.testing.assert_array_equal(sample, x)
    np.testing.assert_array_equal(moments.mean, mean)
    np.testing.assert_array_equal(moments.comoment, comoment)


@pytest.mark.parametrize("power", [-300, 0, 300])
def test_any_unit(power: int):
    x = mixing(5, 11) @ sources(1000, 12)
    one, other = learn(x), learn(np.ldexp(x, power))
    np.testing.assert_array_equal(one.map.weight, np.ldexp(other.map.weight, power))
    np.testing.assert_array_equal(np.ldexp(one.inverse().weight, power), other.inverse().weight)


# ---------------------------------------------------------------------------- adversaries


def test_as_many_components_as_vary():
    x = mixing(5, 13) @ sources(1000, 14)
    model = learn(np.vstack([x, x, np.full(1000, 0.1)]))
    assert model.map.weight.shape == (5, 11)
    assert not model.map.weight[:, 10].any()
    assert model.warnings == (
        "10 channels vary and have 5 principal components that do, so no more independent "
        "components were learned",
    )
    assert not learn(np.vstack([x, np.full(1000, 0.1)])).warnings


def test_warnings_of_the_whitening():
    """Only where a choice of principal components was made."""
    x = sources(3000, 15) * np.array([[1.0], [500.0], [1.0], [1.0], [1.0]])
    assert "standard deviation of channel 1" in learn(x, k=2).warnings[0]
    assert not learn(x).warnings


def test_one_component():
    x = mixing(5, 16) @ sources(500, 17)
    whitened = fit_pca(moments_of(x.copy()), k=1, whiten=True)
    np.testing.assert_allclose(learn(x, k=1).map.weight, whitened.map.weight, rtol=1e-12)


def test_components_that_do_not_settle(monkeypatch: pytest.MonkeyPatch):
    """The warning is the model's, not Python's, and all but the rotation is as it should be."""
    monkeypatch.setattr(ica, "_STEPS", 2)
    x = np.random.default_rng(18).standard_normal((6, 2000))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = learn(x)
    assert not caught
    assert "did not settle within 2 steps" in model.warnings[0]
    covariance = np.cov(model.map.weight @ x)
    np.testing.assert_allclose(covariance, np.eye(6), atol=1e-10)


def test_few_pixels():
    x = mixing(5, 19) @ sources(24, 20)
    assert "24 pixels are few to learn 5 independent components" in learn(x).warnings[0]
    enough = mixing(5, 19) @ sources(25, 20)
    assert not any("are few" in text for text in learn(enough).warnings)


@pytest.mark.parametrize(
    ("sample", "k", "message"),
    [
        (np.empty((5, 0)), 1, "sample has 0 pixels, too few for 1 component"),
        (np.eye(5), 5, "sample has 5 pixels, too few for 5 components; expected 6"),
        (np.ones((5, 40)), 3, "the 40 pixels of the sample vary in 0 components, fewer than the 3"),
        (np.tile(np.eye(5)[:, :3], 20), None, "sample vary in 2 components, fewer than the 5"),
    ],
)
def test_samples_that_are_refused(sample: np.ndarray, k: int | None, message: str):
    x = mixing(5, 21) @ sources(100, 22)
    with pytest.raises(DataError, match=message) as caught:
        learn(x, sample, k=k, source="a.npy")
    assert caught.value.path == "a.npy"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, UsageError, "k=0 asks for no component"),
        ({"k": 4}, DataError, "can't be whitened to 4 components: 3 of them vary"),
        ({"k": 9}, DataError, "has 6 channels, and 9"),
        ({"seed": -1}, UsageError, "seed=-1 is negative"),
    ],
)
def test_options_that_are_refused(options, error, message):
    x = sources(50, 23)[:3]
    with pytest.raises(error, match=message):
        learn(np.vstack([x, x]), **options)


def test_pixels_that_are_refused():
    with pytest.raises(DataError, match="no valid pixel"):
        learn(np.empty((3, 0)))
    with pytest.raises(DataError, match="no channel varies"):
        learn(np.full((3, 9), 0.1))


@pytest.mark.parametrize("module", ["sklearn", "sklearn.decomposition"])
def test_without_scikit_learn(module: str, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith("sklearn.decomposition")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DependencyMissingError, match=r"pip install 'onebyone-cli\[ica\]'"):
        learn(sources(50, 24))


def test_what_a_model_says():
    x = mixing(5, 25) @ sources(400, 26)
    moments = moments_of(x.copy(), invalid=2)
    model = fit_ica(moments, x[:, ::2], k=3, seed=4, source="a.npy")
    assert model.meta["method"] == "ica"
    assert model.meta["options"] == {"k": 3, "seed": 4, "sample": 200}
    assert (model.meta["count"], model.meta["invalid"]) == (400, 2)
    assert model.map.source == "a.npy"
    shapes = {name: array.shape for name, array in model.arrays.items()}
    assert (shapes["weight"], shapes["bias"], shapes["inverse"]) == ((3, 5), (3,), (5, 3))
    assert (shapes["eigenvalues"], shapes["explained_variance"]) == ((0,), (0,))
