"""Scores of learned weights keep their digits where the mean is large beside the variation."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone

from onebyone_cli.api import apply, fit
from onebyone_cli.arithmetic.first_layer import first_layer
from onebyone_cli.weights.channel_map import ChannelMap

CHANNELS, SIDES = 8, (64, 80)

#: Method, its options, and the digits that the method itself keeps at a ratio of 1e6.
LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "pca": ("pca", {}),
    "whitened": ("pca", {"whiten": True}),
    "standardized": ("pca", {"standardize": True}),
    "standardized and whitened": ("pca", {"standardize": True, "whiten": True}),
    "svd": ("svd", {}),
    "mnf": ("mnf", {}),
    "maf": ("maf", {"k": 3}),
    "lda": ("lda", {}),
    "ica": ("ica", {"k": 3}),
}


def stack_of(ratio: float, dtype: str = "float32") -> Any:
    """Channels of variances near 1 and means of `ratio`."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[: SIDES[0], : SIDES[1]]
    parts = np.stack([np.sin(y / 9), np.cos(x / 7), rng.uniform(-1, 1, SIDES)])
    mixed = np.einsum("cm,mhw->chw", rng.normal(size=(CHANNELS, 3)), parts)
    mean = ratio * rng.uniform(0.5, 1, (CHANNELS, 1, 1))
    noise = 0.3 * rng.normal(size=(CHANNELS, *SIDES))
    return (mean + mixed + noise).astype(dtype)


@pytest.mark.parametrize("ratio", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("learner", LEARNERS)
def test_scores_are_right_to_a_share_of_their_deviation(learner: str, ratio: float) -> None:
    x = stack_of(ratio)
    method, options = LEARNERS[learner]
    if method == "lda":
        options = {"labels": np.arange(SIDES[0] * SIDES[1]).reshape(SIDES) // 1800 + 1}
    model = fit(x, method=method, **options)
    flat = x.reshape(CHANNELS, -1).astype(float)
    centre = model.mean if model.mean.any() else flat.mean(axis=1)
    # In the order that loses nothing, whatever the mean of the model.
    exact = model.weight @ (flat - centre[:, None])
    exact += (model.weight @ centre + model.bias)[:, None]
    found = apply(x, model).reshape(exact.shape)
    assert found.dtype == "float32"
    spread = exact.std(axis=1)
    # The number itself is rounded to float32, which of a large score is more.
    held = np.finfo("float32").eps * np.abs(exact).max(axis=1)
    assert ((found - exact).std(axis=1) <= 1e-5 * spread + held).all()


def test_packed_numbers_are_centred_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    stored = rng.integers(-30, 30, (4, *SIDES)).astype("i2")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["t"] = stored
        file["t"].attrs.update({"scale_factor": 1e-4, "add_offset": 290.0})
    meant = stored.reshape(4, -1) * 1e-4 + 290
    model = fit(tmp_path / "x.h5", whiten=True, k=4)
    exact = model.weight @ (meant - model.mean[:, None])
    assert np.allclose(apply(tmp_path / "x.h5", model).reshape(4, -1), exact, atol=1e-5)


def test_files_models_and_reduce_give_the_same_bytes(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", stack_of(1e6))
    for args in (
        ("reduce", "x.npy", "-k", "3", "-o", "a.npy", "--save", "m.npz"),
        ("apply", "x.npy", "-w", "m.npz", "-o", "b.npy"),
        ("apply", "x.npy", "-w", "m.npz", "-o", "c.npy", "--threads", "2", "--memory", "1M"),
    ):
        done = onebyone(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    found = {(tmp_path / f"{name}.npy").read_bytes() for name in "abc"}
    assert len(found) == 1
    in_python = apply(tmp_path / "x.npy", fit(tmp_path / "x.npy", k=3))
    assert np.array_equal(in_python, np.load(tmp_path / "a.npy"))


def model_of(**meta: Any) -> ChannelMap:
    weight = np.array([[0.6, 0.8]])
    return ChannelMap(weight, np.array([-7.0]), "m", meta)


MEAN = np.array([290.0, 300.0])


@pytest.mark.parametrize(
    ("meta", "dtype", "centred"),
    [
        ({}, "float32", False),
        ({"mean": MEAN, "method": "pca", "explained_variance": np.array([1e-4])}, "float32", True),
        ({"mean": MEAN, "method": "pca", "explained_variance": np.array([1e-4])}, "float64", False),
        ({"mean": MEAN, "method": "pca", "explained_variance": np.array([1e4])}, "float32", False),
        ({"mean": MEAN, "method": "mnf"}, "float32", True),
        ({"mean": MEAN / 100, "method": "mnf"}, "float32", False),
        ({"mean": MEAN, "method": "pca", "options": {"whiten": True}}, "float32", True),
        ({"mean": MEAN}, "float32", True),  # nothing says how large its scores are
        ({"mean": MEAN, "restores": True}, "float32", False),
        ({"mean": np.array([290.0])}, "float32", False),
        ({"mean": np.array([290.0, np.nan])}, "float32", False),
        ({"mean": np.array([290.0, 1e38])}, "float32", False),
    ],
)
def test_when_pixels_are_centred(meta: dict[str, Any], dtype: str, centred: bool) -> None:
    found = first_layer(model_of(**meta), dtype)
    assert (found.centre is not None) == centred
    if not centred:
        assert np.array_equal(found.bias, model_of(**meta).bias, equal_nan=True)


def test_the_same_map_whatever_is_subtracted() -> None:
    """Exact where a mean is another than that of the bias, and where a scale is zero."""
    layer = ChannelMap(np.array([[2.0, -1.0]]), np.array([7.0]), "m", {"mean": MEAN})
    packing = (np.array([0.5, 0.0]), np.array([100.0, 3.0]))
    found = first_layer(layer, "float32", packing)
    assert found.centre is not None
    x = np.array([[1.0, 5.0], [2.0, 9.0]])
    meant = packing[0][:, None] * x + packing[1][:, None]
    exact = layer.weight @ meant + layer.bias[:, None]
    there = found.weight @ (x - found.centre[:, None]) + found.bias[:, None]
    assert np.allclose(there, exact, rtol=1e-12)


@pytest.mark.parametrize("apart", [1.0, 0.1, 0.003])
def test_amounts_of_similar_endmembers_keep_their_digits(tmp_path: Path, apart: float) -> None:
    """Their inverse has large entries of both signs, whose terms cancel."""
    rng = np.random.default_rng(1)
    at = np.linspace(0, 1, 50)
    spectra = 1 + 0.5 * np.sin(5 * at) + apart * np.stack([np.sin(7 * at), np.cos(11 * at), at**2])
    amounts = rng.dirichlet([1, 1, 1], SIDES)
    x = np.einsum("kc,hwk->chw", 1000 * spectra, amounts) + rng.normal(0, 0.5, (50, *SIDES))
    x = x.astype("f4")
    model = fit(None, method="unmix", endmembers=1000 * spectra.T)
    exact = model.weight @ x.reshape(50, -1).astype(float)
    found = apply(x, model).reshape(exact.shape)
    assert ((found - exact).std(axis=1) <= 1e-5 * exact.std(axis=1)).all()
    np.save(tmp_path / "x.npy", x)
    np.savetxt(tmp_path / "s.csv", 1000 * spectra.T, delimiter=",")
    way = ("--method", "unmix", "--endmembers", "s.csv")
    for args in (
        ("reduce", "x.npy", *way, "-o", "a.npy", "--save", "m.npz"),
        ("apply", "x.npy", "-w", "m.npz", "-o", "b.npy"),
    ):
        done = onebyone(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for name in "ab":
        assert np.array_equal(np.load(tmp_path / f"{name}.npy").reshape(exact.shape), found)
