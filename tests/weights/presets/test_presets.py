"""Kernels that need no learning, by what they must do and by what their rows must be."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import seeds

from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.load import load_weights
from onebyone_cli.weights.presets import PUBLISHED, plain
from onebyone_cli.weights.presets.standardize import standardize
from onebyone_cli.weights.presets.tables import published_map

ROOT = Path(__file__).resolve().parents[3]
CAPS = [name for name in PUBLISHED if name.startswith("tasselled-cap")]


def apply(kernel: ChannelMap, x: np.ndarray) -> np.ndarray:
    return np.einsum("kc,chw->khw", kernel.weight, x) + kernel.bias[:, None, None]


@pytest.mark.parametrize("name", CAPS)
def test_rows_of_a_tasselled_cap_are_orthonormal(name: str):
    """To half a unit of the fourth digit for each band, but for MODIS as it was published."""
    weight = np.array(PUBLISHED[name].weight)
    deviation = np.abs(weight @ weight.T - np.eye(len(weight))).max()
    assert deviation < (0.015 if name.endswith("modis") else 2e-4)


@pytest.mark.parametrize("name", CAPS)
def test_tasselled_caps_do_what_they_are_called(name: str):
    kernel = published_map(PUBLISHED[name])
    bands = " ".join(PUBLISHED[name].channels)
    brightness, greenness, wetness = kernel.weight
    assert (brightness > 0).all()
    if "red" in bands:
        red, nir = (
            next(i for i, band in enumerate(PUBLISHED[name].channels) if colour in band)
            for colour in ("red", "nir")
        )
        assert greenness[red] < 0 < greenness[nir]
    assert wetness[-2] < 0 or wetness[-1] < 0  # short-wave infrared, which water absorbs


@pytest.mark.parametrize("name", PUBLISHED)
def test_tables_are_whole(name: str):
    kernel = PUBLISHED[name]
    assert len(kernel.weight) == len(kernel.outputs) >= kernel.usual
    assert {len(row) for row in kernel.weight} == {len(kernel.channels)}
    assert len(kernel.bias) in (0, len(kernel.weight))
    assert len(set(kernel.channels)) == len(kernel.channels)
    assert kernel.source
    assert kernel.title


@given(seed=seeds)
def test_ycbcr_is_that_of_jpeg(seed: int):
    rgb = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    expected = np.asarray(Image.fromarray(rgb).convert("YCbCr"), float)
    ours = apply(published_map(PUBLISHED["ycbcr-601"]), np.moveaxis(rgb.astype(float), -1, 0))
    # Pillow rounds, or cuts, to whole numbers.
    assert np.abs(np.moveaxis(ours, 0, -1) - expected).max() <= 1.01


def test_ycbcr_is_that_of_the_sample_data():
    sample = load_weights(str(ROOT / "sample_data/flower/rgb_to_ycbcr.npz"))
    ours = published_map(PUBLISHED["ycbcr-601"])
    np.testing.assert_allclose(ours.weight, sample.weight, atol=1e-6)
    np.testing.assert_allclose(ours.bias, sample.bias)


@pytest.mark.parametrize("name", ["ycbcr-601", "ycbcr-709"])
def test_grey_has_no_colour(name: str):
    grey = np.full((3, 1, 1), 93.0)
    np.testing.assert_allclose(apply(published_map(PUBLISHED[name]), grey).ravel(), [93, 128, 128])
    blue, red = np.zeros((2, 3, 1, 1))
    blue[2], red[0] = 255, 255
    assert apply(published_map(PUBLISHED[name]), blue)[1] == pytest.approx(255.5)
    assert apply(published_map(PUBLISHED[name]), red)[2] == pytest.approx(255.5)


@pytest.mark.parametrize("rec", ["601", "709"])
def test_grey_is_the_luma_of_ycbcr(rec: str):
    (grey,), whole = PUBLISHED[f"grey-{rec}"].weight, PUBLISHED[f"ycbcr-{rec}"].weight
    assert grey == whole[0]
    assert sum(grey) == pytest.approx(1, abs=1e-12)


def test_channels_of_a_published_kernel_may_lie_anywhere():
    x = np.random.default_rng(0).random((5, 2, 3))
    kernel = published_map(PUBLISHED["grey-709"], channels=[4, 0, 2], in_channels=5)
    expected = apply(published_map(PUBLISHED["grey-709"]), x[[4, 0, 2]])
    np.testing.assert_allclose(apply(kernel, x), expected)
    assert kernel.meta["channels"] == ["green", "channel 1", "blue", "channel 3", "red"]


def test_other_numbers_of_channels_are_refused():
    grey = PUBLISHED["grey-709"]
    with pytest.raises(ShapeMismatchError, match="takes 3 channels"):
        published_map(grey, in_channels=4)
    with pytest.raises(ShapeMismatchError, match="names 2"):
        published_map(grey, channels=[0, 1], in_channels=4)
    with pytest.raises(UsageError, match="twice"):
        published_map(grey, channels=[0, 1, 1], in_channels=4)


def test_all_rows_can_be_undone():
    kernel = published_map(PUBLISHED["tasselled-cap-tm"], all_rows=True)
    np.testing.assert_allclose(kernel.weight.T @ kernel.weight, np.eye(6), atol=2e-4)
    assert len(kernel.meta["outputs"]) == 6


@given(seed=seeds, data=st.data())
def test_plain_kernels(seed: int, data: st.DataObject):
    x = np.random.default_rng(seed).normal(size=(data.draw(st.integers(1, 6)), 3, 4))
    channels = len(x)
    index = st.integers(0, channels - 1)
    chosen = data.draw(st.lists(index, min_size=1, max_size=9))
    one, other = data.draw(index), data.draw(index)
    np.testing.assert_array_equal(apply(plain.identity(channels), x), x)
    np.testing.assert_allclose(apply(plain.mean(channels), x)[0], x.mean(axis=0), atol=1e-12)
    np.testing.assert_array_equal(apply(plain.select(channels, chosen), x), x[chosen])
    difference = apply(plain.difference(channels, one, other), x)[0]
    np.testing.assert_array_equal(difference, x[one] - x[other])


@given(seed=seeds, power=st.integers(-6, 6))
def test_standardized_channels_are_alike(seed: int, power: int):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4, 8, 9)) * 10.0**power + rng.normal(size=(4, 1, 1))
    axes = (1, 2)
    y = apply(standardize(x.mean(axes), x.std(axes, ddof=1), "stats"), x)
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axes, ddof=1), 1, rtol=1e-9)


@pytest.mark.parametrize("spread", [0.0, np.nan, np.inf])
def test_constant_channels_are_refused(spread: float):
    with pytest.raises(DataError, match="channel 1"):
        standardize(np.zeros(2), np.array([1.0, spread]), "stats")
