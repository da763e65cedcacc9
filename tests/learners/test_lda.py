"""LDA against scikit-learn and scipy, the identities it has, and data that is difficult."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.learners.lda import fit_lda
from onebyone_cli.learners.model import Model, fix_signs
from onebyone_cli.learners.moments import Moments, moments_of, no_moments


def by_class(x: np.ndarray, labels: np.ndarray) -> dict[int, Moments]:
    """Moments of the pixels (C, N) of each class."""
    return {int(one): moments_of(x[:, labels == one].copy()) for one in np.unique(labels)}


def learn(x: np.ndarray, labels: np.ndarray, **options) -> Model:
    return fit_lda(by_class(np.asarray(x, dtype=np.float64), labels), **options)


def mixing(channels: int, rng: np.random.Generator) -> np.ndarray:
    """An invertible matrix (C, C) of a condition number below 8."""
    one, other = np.linalg.qr(rng.standard_normal((2, channels, channels)))[0]
    return one * np.exp(rng.uniform(-1, 1, channels)) @ other


def classed(
    channels: int, pixels: int, classes: int, seed: int, mean: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (C, N) of correlated channels, and labels, some classes larger than others."""
    rng = np.random.default_rng(seed)
    labels = np.sort(np.minimum(rng.integers(0, classes, pixels), rng.integers(0, classes, pixels)))
    labels[-classes:] = np.arange(classes)
    centres = rng.standard_normal((channels, classes)) * 2.0 ** -np.arange(channels)[:, None]
    x = mixing(channels, rng) @ (rng.standard_normal((channels, pixels)) + centres[:, labels])
    return x + mean, labels


def scatter(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S_w and S_b by their definitions."""
    within, between = np.zeros((2, len(x), len(x)))
    # Centred before and after: the mean of a million numbers of 1e6 is rounded.
    x = x - x.mean(axis=1, keepdims=True)
    x -= x.mean(axis=1, keepdims=True)
    for one in np.unique(labels):
        part = x[:, labels == one]
        centre = part.mean(axis=1, keepdims=True)
        within += (part - centre) @ (part - centre).T
        between += part.shape[1] * centre @ centre.T
    return within / x.shape[1], between / x.shape[1]


def scores(model: Model, x: np.ndarray) -> np.ndarray:
    """Scores of pixels centred first: the bias alone would round a mean of 1e6 to 1e-10."""
    return model.map.weight @ (x - model.mean[:, None])


# ----------------------------------------------------------------------------- references


def digits() -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    return np.ascontiguousarray(pixels.T), labels


def scikit_learn(x: np.ndarray, labels: np.ndarray, k: int):
    """Their solution, of centred pixels: their covariances lose digits to the mean."""
    module = pytest.importorskip("sklearn.discriminant_analysis")
    solver = module.LinearDiscriminantAnalysis(solver="eigen", n_components=k)
    return solver.fit((x - x.mean(axis=1, keepdims=True)).T, labels)


def check_against_scikit_learn(x: np.ndarray, labels: np.ndarray, k: int) -> None:
    theirs, ours = scikit_learn(x, labels, k), learn(x, labels, k=k)
    expected = fix_signs(theirs.scalings_[:, :k].T)
    np.testing.assert_allclose(
        ours.map.weight, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max()
    )
    np.testing.assert_allclose(
        ours.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=1e-8
    )
    np.testing.assert_allclose(ours.mean, x.mean(axis=1), rtol=1e-13)
    # Fresh pixels.
    rng = np.random.default_rng(1)
    fresh = x[:, rng.integers(0, x.shape[1], 50)] + rng.standard_normal((len(x), 50))
    turned = theirs.transform((fresh - x.mean(axis=1, keepdims=True)).T).T
    turned *= np.sign((theirs.scalings_[:, :k] * ours.map.weight.T).sum(axis=0))[:, None]
    np.testing.assert_allclose(scores(ours, fresh), turned, atol=1e-8 * np.abs(turned).max())


@pytest.mark.parametrize(
    ("channels", "classes", "k", "mean"),
    [
        (6, 4, 3, 0.0),
        (6, 4, 2, 3.0),
        (3, 9, 3, 0.0),
        (8, 2, 1, 0.0),
        (1, 3, 1, 3.0),
        (5, 4, 3, 1e6),
    ],
)
def test_against_scikit_learn(channels: int, classes: int, k: int, mean: float):
    check_against_scikit_learn(*classed(channels, 900, classes, 1, mean), k)


@pytest.mark.parametrize("k", [1, 5, 9])
def test_digits_against_scikit_learn(k: int):
    """Their solver refuses the pixels that are always blank; ours gives them weight 0."""
    x, labels = digits()
    varying = np.ptp(x, axis=1) > 0
    check_against_scikit_learn(x[varying], labels, k)
    whole, part = learn(x, labels, k=k), learn(x[varying], labels, k=k)
    assert not whole.map.weight[:, ~varying].any()
    np.testing.assert_allclose(whole.map.weight[:, varying], part.map.weight, atol=1e-12)
    np.testing.assert_allclose(whole.eigenvalues, part.eigenvalues, rtol=1e-12)
    assert whole.warnings[0].startswith("channels 0, 32, 39 are constant")
    assert not part.warnings


def test_mean_is_that_of_scikit_learn():
    """`xbar_`, which only another of their solvers keeps."""
    module = pytest.importorskip("sklearn.discriminant_analysis")
    x, labels = classed(4, 300, 3, 2)
    theirs = module.LinearDiscriminantAnalysis(solver="svd").fit(x.T, labels)
    ours = learn(x, labels)
    np.testing.assert_allclose(ours.mean, theirs.xbar_, rtol=1e-12)
    np.testing.assert_allclose(ours.map.bias, -ours.map.weight @ theirs.xbar_, rtol=1e-12)


@pytest.mark.parametrize(("channels", "classes"), [(5, 3), (3, 8), (12, 12)])
def test_against_scipy(channels: int, classes: int):
    linalg = pytest.importorskip("scipy.linalg")
    x, labels = classed(channels, 1200, classes, 3)
    within, between = scatter(x, labels)
    values, vectors = linalg.eigh(between, within)
    model = learn(x, labels)
    possible = min(channels, classes - 1)
    assert model.map.weight.shape == (possible, channels)
    np.testing.assert_allclose(model.eigenvalues, values[::-1][:possible], rtol=1e-8)
    expected = fix_signs(vectors.T[::-1][:possible])
    np.testing.assert_allclose(model.map.weight, expected, atol=1e-8 * np.abs(expected).max())


def test_two_classes_are_fisher_s():
    """One discriminant, along S_w⁻¹ times the difference of the means."""
    x, labels = classed(4, 500, 2, 4)
    within, _ = scatter(x, labels)
    apart = x[:, labels == 1].mean(axis=1) - x[:, labels == 0].mean(axis=1)
    direction = np.linalg.solve(within, apart)
    expected = fix_signs(direction[None] / np.sqrt(direction @ within @ direction))
    np.testing.assert_allclose(learn(x, labels).map.weight, expected, rtol=1e-9)


# ----------------------------------------------------------------------------- identities


@given(
    channels=st.integers(1, 7),
    classes=st.integers(2, 9),
    k=st.integers(1, 8),
    mean=st.sampled_from([0.0, 5.0, 1e6]),
    seed=st.integers(0, 2**32),
)
def test_identities(channels, classes, k, mean, seed):
    x, labels = classed(channels, 160, classes, seed, mean)
    possible = min(channels, classes - 1)
    k = min(k, possible)
    model = learn(x, labels, k=k)
    weight, values = model.map.weight, model.eigenvalues
    within, between = scatter(x, labels)
    assert values.shape == (possible,)
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(weight @ within @ weight.T, np.eye(k), atol=1e-8)
    np.testing.assert_allclose(
        weight @ between @ weight.T, np.diag(values[:k]), atol=1e-8 * max(values[0], 1.0)
    )
    np.testing.assert_allclose(values.sum(), np.trace(np.linalg.solve(within, between)), rtol=1e-7)
    np.testing.assert_allclose(
        model.explained_variance_ratio, values[:k] / values.sum(), rtol=1e-12
    )
    back = model.inverse()
    np.testing.assert_allclose(back.weight, within @ weight.T, atol=1e-8 * np.abs(within).max())
    np.testing.assert_allclose(weight @ back.weight, np.eye(k), atol=1e-9)
    np.testing.assert_array_equal(back.bias, model.mean)


@given(seed=st.integers(0, 2**32))
def test_the_way_back_gives_the_means_of_classes(seed):
    """They differ only within the discriminants, so nothing of them is lost."""
    x, labels = classed(6, 200, 4, seed)
    model = learn(x, labels)
    back = model.inverse()
    means = np.stack([x[:, labels == one].mean(axis=1) for one in range(4)], axis=1)
    restored = back.weight @ scores(model, means) + back.bias[:, None]
    np.testing.assert_allclose(restored, means, atol=1e-9 * np.abs(x).max())


@given(seed=st.integers(0, 2**32))
def test_any_invertible_map_of_the_channels(seed):
    x, labels = classed(5, 200, 4, seed)
    rng = np.random.default_rng(seed)
    y = mixing(5, rng) @ x * np.exp(rng.uniform(-9, 9, (5, 1)))
    one, other = learn(x, labels), learn(y, labels)
    np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=1e-8)
    # Products of scores stay as they are also where λ are equal and components turn.
    ours, theirs = scores(one, x), scores(other, y)
    np.testing.assert_allclose(ours.T @ ours, theirs.T @ theirs, atol=1e-8)


@pytest.mark.parametrize("power", [-400, -100, 0, 100, 400])
def test_channels_of_wildly_different_scale(power: int):
    """Powers of two change neither λ nor scores in any digit."""
    x, labels = classed(4, 300, 3, 5, 0.0)
    powers = np.array([0, power, -power // 2, 1])[:, None]
    one, other = learn(x, labels), learn(np.ldexp(x, powers), labels)
    np.testing.assert_array_equal(one.eigenvalues, other.eigenvalues)
    expected = fix_signs(np.ldexp(one.map.weight, -powers.T))
    np.testing.assert_array_equal(other.map.weight, expected)
    np.testing.assert_allclose(other.map.weight @ other.inverse().weight, np.eye(2), atol=1e-10)


def test_the_order_of_classes_changes_no_bit():
    x, labels = classed(5, 300, 4, 6)
    one = by_class(x, labels)
    other = {label: one[label] for label in (2, 0, 3, 1)}
    np.testing.assert_array_equal(fit_lda(one).map.weight, fit_lda(other).map.weight)


def test_moments_are_left_as_they_were():
    classes = by_class(*classed(3, 50, 3, 7))
    before = {label: (m.count, m.mean.copy(), m.comoment.copy()) for label, m in classes.items()}
    fit_lda(classes)
    for label, (pixels, mean, comoment) in before.items():
        assert classes[label].count == pixels
        np.testing.assert_array_equal(classes[label].mean, mean)
        np.testing.assert_array_equal(classes[label].comoment, comoment)


# ---------------------------------------------------------------------------- adversaries


def test_duplicated_channels():
    x, labels = classed(3, 200, 4, 8)
    one, twice = learn(x, labels), learn(np.vstack([x, 2 * x]), labels)
    np.testing.assert_allclose(twice.eigenvalues, one.eigenvalues, rtol=1e-9)
    ours, theirs = scores(one, x), scores(twice, np.vstack([x, 2 * x]))
    signs = np.sign((ours * theirs).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(theirs * signs, ours, atol=1e-9)
    assert "linearly dependent: they have 3 independent components" in twice.warnings[0]
    back = twice.inverse()
    np.testing.assert_allclose(twice.map.weight @ back.weight, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_a_sum_of_channels_says_nothing_new(mean: float):
    """Rounded, at a mean of 1e6 to 1e-10 of the spread: still no difference between classes."""
    x, labels = classed(3, 200, 4, 9, mean)
    model = learn(np.vstack([x, x.sum(axis=0)]), labels)
    np.testing.assert_allclose(model.eigenvalues, learn(x, labels).eigenvalues, rtol=1e-6)
    assert "3 independent components" in model.warnings[0]


def test_constant_channels():
    x, labels = classed(4, 200, 3, 10)
    model = learn(np.insert(x, [1, 4], 0.1, axis=0), labels)
    assert not model.map.weight[:, [1, 5]].any()
    assert "channels 1, 5 are constant" in model.warnings[0]
    np.testing.assert_allclose(
        np.delete(model.map.weight, [1, 5], axis=1), learn(x, labels).map.weight, rtol=1e-12
    )
    inverse = model.inverse()
    assert not inverse.weight[[1, 5]].any()
    np.testing.assert_array_equal(inverse.bias[[1, 5]], 0.1)


@pytest.mark.parametrize("loud", [1.0, 1e8])
def test_classes_told_apart_perfectly(loud: float):
    x, labels = classed(4, 200, 3, 11)
    x[1] += loud * labels
    with pytest.raises(DataError, match="channel 4 has one value all over each class"):
        learn(np.vstack([x, labels]), labels, source="a.npy")
    with pytest.raises(DataError, match=r"channel [034] is the largest part, has one value"):
        learn(np.vstack([x, x[0] + x[3] + labels]), labels)


def test_a_tiny_difference_in_a_channel_that_nearly_stands_still():
    """Far from what is normal, and no reason to refuse it."""
    x, labels = classed(3, 200, 2, 12, 0.0)
    x[2] = labels + 1e-9 * x[2]
    model = learn(x, labels)
    within, between = scatter(x[2:], labels)
    assert model.eigenvalues[0] >= (between / within).item() * (1 - 1e-9)


def test_fewer_pixels_than_channels():
    x, labels = classed(9, 11, 3, 13)
    with pytest.raises(DataError, match=r"11 valid pixels in 3 classes.*expected 12 or more"):
        learn(x, labels)
    x, labels = classed(9, 12, 3, 13)
    assert np.isfinite(learn(x, labels).map.weight).all()


def test_fewer_pixels_than_channels_of_which_most_are_copies():
    x, labels = classed(2, 9, 3, 14)
    model = learn(np.tile(x, (10, 1)), labels)
    np.testing.assert_allclose(model.eigenvalues, learn(x, labels).eigenvalues, rtol=1e-9)


def test_classes_of_one_pixel():
    x, labels = classed(3, 60, 2, 15)
    labels[::20] = 2 + np.arange(3)
    within, between = scatter(x, labels)
    values = np.sort(np.linalg.eigvals(np.linalg.solve(within, between)))[::-1]
    np.testing.assert_allclose(learn(x, labels).eigenvalues, values, rtol=1e-9)
    with pytest.raises(DataError, match="4 valid pixels in 4 classes"):
        learn(x[:, :4], np.arange(4))


def test_classes_without_pixels():
    x, labels = classed(3, 90, 3, 16)
    classes = by_class(x, labels)
    empty: Mapping[int, Moments] = {7: moments_of(np.empty((3, 0)), invalid=4), 5: no_moments(3)}
    model = fit_lda({**empty, **classes})
    np.testing.assert_array_equal(model.map.weight, fit_lda(classes).map.weight)
    assert model.warnings == ("classes 5, 7 have no valid pixel: left out",)
    assert model.meta["invalid"] == 4


def test_means_on_a_line():
    """Three classes, of which two components can be kept, and one tells them apart."""
    rng = np.random.default_rng(17)
    half = rng.standard_normal((3, 40))
    one = np.hstack([half, -half])
    x, labels = np.hstack([one, one + 1, one + 3]), np.repeat(np.arange(3), 80)
    model = learn(x, labels)
    assert "differ in 1 component, and 2 were kept" in model.warnings[-1]
    assert model.eigenvalues[1] < 1e-20
    np.testing.assert_allclose(model.explained_variance_ratio, [1, 0], atol=1e-15)
    assert not learn(x, labels, k=1).warnings


def test_the_same_mean():
    x, _ = classed(3, 50, 2, 18)
    labels = np.repeat([0, 1], 50)
    with pytest.raises(DataError, match="all classes have the same mean"):
        learn(np.hstack([x, x[:, ::-1]]), labels)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "no class has valid pixels"),
        ({1: no_moments(2), 2: no_moments(2)}, "no class has valid pixels"),
        ({1: no_moments(2), 4: moments_of(np.eye(2))}, "only class 4 has valid pixels"),
        (dict.fromkeys([0, 1], moments_of(np.full((2, 5), 0.1))), "no channel varies"),
        ({n: moments_of(np.eye(2) * 1e200) for n in (0, 1)}, "too large to be squared"),
        ({n: moments_of(np.array([[n, n + 1.0]]) * 1e154) for n in (0, 5)}, "squared"),
        ({n: moments_of(np.array([[n, n + 1.0]]) * 1e-150) for n in (0, 5)}, "too small"),
    ],
)
def test_refusals(classes: Mapping[int, Moments], message: str):
    with pytest.raises(DataError, match=message) as caught:
        fit_lda(classes, source="a.npy")
    assert caught.value.path == "a.npy"


def test_classes_further_apart_than_numbers_go():
    near, far = np.array([[1.0, 2.0, 3.0]]) * 1e-140, np.array([[1e20]])
    with pytest.raises(DataError, match="too far apart for float64"):
        fit_lda({0: moments_of(near), 1: moments_of(far)})


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (0, UsageError, "k=0 asks for no component"),
        (4, DataError, "3 discriminants, one fewer than the 4 classes.*k=3 or fewer"),
    ],
)
def test_numbers_of_components_that_are_refused(k, error, message):
    with pytest.raises(error, match=message):
        learn(*classed(5, 100, 4, 19), k=k)


def test_more_components_than_independent_channels():
    x, labels = classed(2, 100, 5, 20)
    with pytest.raises(DataError, match="2 discriminants, as many as independent channels"):
        learn(np.vstack([x, x]), labels, k=3)


def test_what_a_model_says():
    x, labels = classed(3, 40, 3, 21)
    labels = labels - 1
    classes = by_class(x, labels)
    classes[0].invalid = 2
    model = fit_lda(classes, k=1, source="a.npy")
    assert model.meta["method"] == "lda"
    counts = {str(one): int((labels == one).sum()) for one in (-1, 0, 1)}
    assert model.meta["options"] == {"k": 1, "classes": counts}
    assert (model.meta["count"], model.meta["invalid"]) == (40, 2)
    assert model.map.source == "a.npy"
    shapes = {name: array.shape for name, array in model.arrays.items()}
    assert (shapes["weight"], shapes["bias"], shapes["inverse"]) == ((1, 3), (1,), (3, 1))
    assert (shapes["eigenvalues"], shapes["explained_variance"]) == ((2,), (1,))
    assert not model.warnings
