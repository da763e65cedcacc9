"""Colours: the ends of maps, even steps, and how near they are to the originals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onebyone_cli.errors import UsageError
from onebyone_cli.picture.colormap import COLORMAPS, MAGENTA, NAMES, coloured, composed, load

RAMP = np.linspace(0, 1, 256)
every_map = pytest.mark.parametrize("name", NAMES)


def lightness(rgb):
    """CIE L* of sRGB, IEC 61966-2-1 and CIE 15."""
    part = rgb / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    low = luminance <= (6 / 29) ** 3
    return np.where(low, luminance * (29 / 3) ** 3, 116 * np.cbrt(luminance) - 16)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("grey", (0, 0, 0), (255, 255, 255)),
        ("viridis", (0x44, 0x01, 0x54), (0xFD, 0xE7, 0x25)),
        ("magma", (0, 0, 4), (0xFC, 0xFD, 0xBF)),
        ("coolwarm", (59, 76, 192), (180, 4, 38)),
    ],
)
def test_the_ends(name, first, last):
    ends = coloured(np.array([0.0, 1.0]), load(name))
    assert ends.tolist() == [list(first), list(last)]


@every_map
def test_lightness_rises(name):
    steps = np.diff(lightness(coloured(RAMP, load(name)).astype(float)))
    if load(name).diverging:
        assert (steps[:120] > -0.2).all()
        assert (steps[-120:] < 0.2).all()
    else:
        assert (steps > -0.2).all()
        assert steps.sum() > 70


@pytest.mark.parametrize("name", [name for name in NAMES if name != "grey"])
def test_maps_are_near_the_originals(name):
    matplotlib = pytest.importorskip("matplotlib")
    original = matplotlib.colormaps[name](np.arange(256))[:, :3] * 255
    assert np.abs(coloured(RAMP, load(name)) - original).max() < 7.5


@every_map
def test_what_is_invalid_is_none_of_the_colours(name):
    found = load(name)
    assert coloured(np.array([np.nan]), found).tolist() == [list(found.invalid)]
    distances = np.abs(coloured(RAMP, found).astype(int) - found.invalid).max(axis=1)
    assert distances.min() >= 20


def test_anchors_are_evenly_spaced_colours():
    assert {len(each.colours) for each in COLORMAPS} == {2, 18}
    assert 255 % 17 == 0


@given(arrays(np.float64, (3, 2, 4), elements=st.floats(0, 1) | st.just(np.nan)))
def test_a_composite_is_red_green_and_blue(shares):
    rgb = composed(shares)
    for row in range(2):
        for column in range(4):
            pixel = shares[:, row, column]
            expected = MAGENTA if np.isnan(pixel).any() else tuple(np.round(pixel * 255))
            assert tuple(rgb[row, column]) == expected


def test_an_unknown_map():
    with pytest.raises(UsageError, match="jet is unknown; choose from grey, viridis"):
        load("jet")
