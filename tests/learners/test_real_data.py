"""Learners on real stacks, through the pass over pixels, against other libraries in float64."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from sklearn.decomposition import PCA

from onebyone_cli.formats import opening
from onebyone_cli.learners import load
from onebyone_cli.learners.model import Model, fix_signs
from onebyone_cli.learners.statistics import Statistics
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted

SAMPLES = Path(__file__).parents[2] / "sample_data"
STACKS = {"flower": SAMPLES / "flower/flower.npy", "digits": SAMPLES / "handwritten/digits.npy"}


def gather(name: str, **wanted) -> Statistics:
    with opening.open_input(str(STACKS[name])) as reader:
        job = LearnJob([reader], LearnSettings(1 << 26, 2, wanted=Wanted(**wanted)))
        return job.run(lambda step, done, total: None)


def learn(method: str, known: Statistics, **options) -> Model:
    learner = load(method)
    return learner.learn(known, "", {name: options.get(name) for name in learner.options})


def pixels(name: str) -> np.ndarray:
    x = np.load(STACKS[name]).astype(np.float64)
    return x.reshape(len(x), -1)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("k", [1, 3])
def test_pca_is_that_of_scikit_learn(name: str, k: int):
    known = gather(name)
    model = learn("pca", known, k=k)
    reference = PCA(k, svd_solver="full").fit(pixels(name).T)
    np.testing.assert_allclose(model.explained_variance, reference.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(
        model.explained_variance_ratio, reference.explained_variance_ratio_, rtol=1e-10
    )
    np.testing.assert_allclose(model.map.weight, fix_signs(reference.components_), atol=1e-8)
    np.testing.assert_allclose(model.mean, reference.mean_, rtol=1e-12)


@pytest.mark.parametrize("name", STACKS)
def test_svd_is_that_of_numpy(name: str):
    x = pixels(name)
    _, singular, vectors = np.linalg.svd(x.T, full_matrices=False)
    model = learn("svd", gather(name), k=3)
    np.testing.assert_allclose(model.explained_variance, singular[:3] ** 2 / x.shape[1], rtol=1e-10)
    np.testing.assert_allclose(model.map.weight, fix_signs(vectors[:3]), atol=1e-8)


@pytest.mark.parametrize("name", STACKS)
def test_reconstruction_misses_what_was_dropped(name: str):
    x, known = pixels(name), gather(name)
    model = learn("pca", known, k=2)
    inverse = model.inverse()
    scores = model.map.weight @ x + model.map.bias[:, None]
    back = inverse.weight @ scores + inverse.bias[:, None]
    dropped = model.eigenvalues[2:].sum() * (known.count - 1) / known.count
    assert np.square(x - back).mean(axis=1).sum() == pytest.approx(dropped, rel=1e-10)
    errors = np.sqrt(np.square(x - back).mean(axis=1))
    np.testing.assert_allclose(model.channel_errors(known.pixels), errors, rtol=1e-9, atol=1e-9)


def test_noise_fractions_of_the_flower():
    spectral = pytest.importorskip("spectral")
    x = np.load(STACKS["flower"]).astype(np.float64)
    known = gather("flower", differences=("lowerright",))
    model = learn("mnf", known)
    image = np.moveaxis(x, 0, -1)
    signal = spectral.calc_stats(image)
    noise = spectral.noise_from_diffs(image, "lowerright")
    np.testing.assert_allclose(model.noise, noise.cov, rtol=1e-10)
    values, vectors = scipy.linalg.eigh(signal.cov, noise.cov)
    np.testing.assert_allclose(model.eigenvalues, values[::-1], rtol=1e-10)
    np.testing.assert_allclose(model.map.weight, fix_signs(vectors[:, ::-1].T), rtol=1e-8)
    factors = learn("maf", known)
    np.testing.assert_allclose(factors.eigenvalues, 2 / model.eigenvalues, rtol=1e-10)
