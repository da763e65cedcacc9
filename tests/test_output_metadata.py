"""What outputs say about their numbers is true of them."""

import os
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone

from onebyone_cli.arithmetic.conv1x1 import make_layers
from onebyone_cli.formats.contracts.metadata import (
    Attribute,
    Georeference,
    Metadata,
    Part,
    joined_metadata,
)
from onebyone_cli.operations.apply.settings import ApplySettings, Fill
from onebyone_cli.operations.metadata import Made, output_metadata, source_channels
from onebyone_cli.weights.channel_map import ChannelMap

#: About stored numbers of int16, as writers of many conventions put it.
PACKING: dict[str, Any] = {
    "_FillValue": np.int16(-9999),
    "missing_value": np.int16(-9999),
    "scale_factor": 1e-4,
    "add_offset": 0.05,
    "valid_range": np.array([0, 10000], "i2"),
    "valid_min": np.int16(0),
    "valid_max": np.int16(10000),
    "actual_range": np.array([100, 9000], "i2"),
    "_Unsigned": "false",
    "Data_Ignore_Value": "-9999",
    "NoData": -9999,
    "flag_values": np.array([1, 2], "i2"),
    "flag_meanings": "land water",
    "flag_masks": np.array([1, 2], "i2"),
    "STATISTICS_MINIMUM": 100.0,
    "STATISTICS_MEAN": 4000.0,
    "Slope": 0.0001,
    "Intercept": 0.05,
    "CLASS": "IMAGE",
    "IMAGE_SUBCLASS": "IMAGE_GRAYSCALE",
    "IMAGE_MINMAXRANGE": np.array([100, 9000], "i2"),
    "reflectance scale factor": 10000.0,
    "default_bands": np.array([3, 2, 1]),
    "coordinates": "lat lon",
    "grid_mapping": "crs",
}
#: One entry for each of four channels.
FOR_CHANNELS: dict[str, Any] = {
    "wavelength": np.array([443.0, 482, 562, 655]),
    "wavelength_units": "nm",
    "fwhm": np.array([16.0, 60, 57, 37]),
    "bbl": np.array([1, 1, 0, 1]),
    "band_names": ["coastal", "blue", "green", "red"],
    "gain_of_channel": np.array([1.0, 2, 3, 4]),
    "covariance": np.eye(4),
}
#: True of any output with the same pixels.
FREE: dict[str, Any] = {
    "credit": "somebody",
    "acquired": "2020-02-02",
    "row_times": np.arange(30.0),
    "crs_wkt": 'LOCAL_CS["x"]',
}
#: The line that a history gets.
STEP = r"onebyone [0-9.]+\S* apply, weights sha256:[0-9a-f]{12}"
MEANING: dict[str, Any] = {"units": "1", "long_name": "surface reflectance"}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A packed stack of 4×30×40."""
    x = np.random.default_rng(0).integers(100, 9000, (4, 30, 40)).astype("i2")
    x[:, 0, 0] = -9999
    with h5py.File(tmp_path / "l2.h5", "w") as file:
        dataset = file.create_dataset("sr", data=x)
        for name, value in {**PACKING, **FOR_CHANNELS, **FREE, **MEANING}.items():
            dataset.attrs[name] = value
        dataset.attrs["history"] = "made"
    return tmp_path


def said_by(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        found = dict(file["sr"].attrs)
    steps = found.pop("history").removeprefix("made\n").split("\n")
    assert all(re.fullmatch(STEP, step) for step in steps)
    return found


def run_in(folder: Path, *args: str) -> None:
    done = onebyone(*args, "-q", cwd=folder)
    assert done.returncode == 0, done.stderr


COMMANDS = {
    "difference": ("apply", "l2.h5", "--kernel", "1 -1 0 0"),
    "classes": ("apply", "l2.h5", "--kernel", "1 0 0 0;0 1 0 1", "--argmax", "--nan-to", "255"),
    "scaled": ("apply", "l2.h5", "--kernel", "1 1 1 1", "--scale", "0,9000", "--nan-to", "0"),
    "compressed": ("apply", "l2.h5", "--kernel", "1 -1 0 0", "--compression", "gzip"),
    "scores": ("reduce", "l2.h5", "-k", "2", "--standardize"),
    "all scores": ("reduce", "l2.h5", "-k", "4"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_nothing_untrue_is_carried(scene: Path, command: tuple[str, ...]) -> None:
    run_in(scene, *command, "-o", "out.h5")
    said = said_by(scene / "out.h5")
    if "--scale" in command:
        packing = said.pop("scale_factor"), said.pop("add_offset")
        assert np.allclose(packing, (9000 / 255, 0))
    assert sorted(said) == sorted(FREE)
    assert all(np.array_equal(said[name], value) for name, value in FREE.items())


def test_a_residual_says_nothing_untrue(scene: Path) -> None:
    run_in(scene, "reduce", "l2.h5", "-k", "2", "-o", "out.h5", "--residual", "rest.h5")
    assert sorted(said_by(scene / "rest.h5")) == sorted(FREE)


def test_several_inputs_say_nothing_untrue(scene: Path) -> None:
    np.save(scene / "more.npy", np.ones((2, 30, 40), "f4"))
    run_in(scene, "apply", "l2.h5", "more.npy", "--kernel", "1 0 0 0 0 1", "-o", "out.h5")
    assert sorted(said_by(scene / "out.h5")) == sorted(FREE)


def test_selected_channels_keep_what_is_said_of_them(scene: Path) -> None:
    run_in(scene, "apply", "l2.h5", "--kernel", "0 0 0 1;0 1 0 0", "-o", "out.h5")
    said = said_by(scene / "out.h5")
    expected = {**FREE, "fwhm": [37, 60], "wavelength_units": "nm", "bbl": [1, 1]}
    expected |= {"wavelength": [655, 482], **MEANING}
    expected |= {"channels": ["red", "blue"], "gain_of_channel": [4, 2]}
    assert sorted(said) == sorted(expected)
    assert all(np.array_equal(said[name], value) for name, value in expected.items())


def test_meant_numbers_have_the_unit_and_stored_ones_have_none(scene: Path) -> None:
    """Stored counts of a packed reflectance are no reflectances."""
    for packing in {}, {"scale_factor": 1e-4}, {"add_offset": 2.0}:
        with h5py.File(scene / "plain.h5", "w") as file:
            file["sr"] = np.ones((2, 3, 4), "f4")
            file["sr"].attrs.update(MEANING | packing)
        command = ("apply", "plain.h5", "--kernel", "0 1", "-o", "out.h5", "-f")
        run_in(scene, *command)
        assert said_by(scene / "out.h5") == MEANING
        run_in(scene, *command, "--stored")
        assert said_by(scene / "out.h5") == ({} if packing else MEANING)


@pytest.mark.parametrize(
    ("kernel", "options", "stated", "invalid"),
    [
        ("1 0 0 0", (), None, np.nan),
        ("1 0 0 0", ("--dtype", "int16"), -9999, -9999),
        ("1 1 0 0", ("--dtype", "int32"), -9999, -9999),
        ("1 0 0 0", ("--dtype", "uint8", "--nan-to", "7"), None, 7),
        ("1 0 0 0;0 1 0 0", ("--dtype", "int16", "--nodata", "-1"), -1, None),
    ],
)
def test_integers_of_the_output_state_the_nodata_value_of_the_file(
    scene: Path, kernel: str, options: tuple[str, ...], stated: int | None, invalid: float | None
) -> None:
    """Invalid pixels of floating-point output are NaN, which needs no value of its own."""
    for name in "out.h5", "out.img":
        run_in(scene, "apply", "l2.h5", "--kernel", kernel, *options, "-o", name)
    said = said_by(scene / "out.h5")
    assert said.get("_FillValue") == stated
    written = f"data ignore value = {stated}" in (scene / "out.hdr").read_text()
    assert written == (stated is not None)
    with h5py.File(scene / "out.h5") as file:
        assert invalid is None or np.array_equal(file["sr"][0, 0, 0], invalid, equal_nan=True)


def test_an_integer_type_that_holds_no_nodata_value_needs_another(scene: Path) -> None:
    command = ("apply", "l2.h5", "--kernel", "1 0 0 0", "--dtype", "u1", "-o", "o.h5")
    done = onebyone(*command, cwd=scene)
    assert done.returncode == 65
    assert "--nan-to" in done.stderr


def test_denoised_channels_are_the_same_channels(scene: Path) -> None:
    run_in(scene, "fit", "l2.h5", "-k", "2", "-o", "model.npz")
    run_in(scene, "apply", "l2.h5", "-w", "model.npz", "--denoise", "-o", "out.h5")
    said = said_by(scene / "out.h5")
    assert list(said["channels"]) == FOR_CHANNELS["band_names"]
    assert np.array_equal(said["wavelength"], FOR_CHANNELS["wavelength"])
    assert not set(said) & {"_FillValue", "scale_factor", "add_offset", "valid_range"}
    run_in(scene, "apply", "l2.h5", "-w", "model.npz", "-o", "scores.h5")
    run_in(scene, "apply", "scores.h5", "-w", "model.npz", "--inverse", "-o", "back.h5")
    assert list(said_by(scene / "back.h5")["channels"]) == FOR_CHANNELS["band_names"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--nodata", "-9999"), np.float32(-9999)),
        (("--nodata", "-9999", "--dtype", "int16"), np.int16(-9999)),
        (("--nodata", "-9999", "--nan-to", "0"), None),
        (("--nan-to", "0"), None),
        (("--nodata", "nan"), None),
    ],
)
def test_the_nodata_value_that_marks_invalid_pixels_is_written(
    scene: Path, options: tuple[str, ...], expected: Any
) -> None:
    run_in(scene, "apply", "l2.h5", "--kernel", "1 -1 0 0", *options, "-o", "out.h5")
    found = said_by(scene / "out.h5").get("_FillValue")
    assert found == expected
    assert expected is None or found.dtype == expected.dtype
    with h5py.File(scene / "out.h5") as file:
        if expected is not None and options[1] == "-9999":
            assert file["sr"][0, 0, 0] == expected


def test_names_of_outputs_come_from_the_weights() -> None:
    said = output_metadata(
        Metadata(channels=("a", "b", "c", "d"), unit="m"),
        make_layers([ChannelMap(np.ones((2, 4)), np.zeros(2), "w", {"outputs": ["s", "t"]})], []),
        ApplySettings(1, 1),
        Made("float32", Fill()),
    )
    assert said._replace(history="") == Metadata(channels=("s", "t"))


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [(["channel 1", "channel 0"], ("b", "a")), (["channel 1", "first"], ("channel 1", "first"))],
)
def test_numbers_of_channels_are_no_names(outputs: list[str], expected: tuple[str, ...]) -> None:
    swap = ChannelMap(np.array([[0.0, 1], [1, 0]]), np.zeros(2), "w", {"outputs": outputs})
    layers, chosen = make_layers([swap], []), ApplySettings(1, 1)
    said = output_metadata(Metadata(channels=("a", "b")), layers, chosen, Made("float32", Fill()))
    assert said.channels == expected
    unnamed = output_metadata(Metadata(), layers, chosen, Made("float32", Fill()))
    assert unnamed.channels == tuple(outputs)


def chain(*matrices: Any) -> Any:
    maps = [ChannelMap(np.array(m, float), np.zeros(len(m)), "w", {}) for m in matrices]
    return make_layers(maps, [])


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (chain(np.eye(3)), [0, 1, 2]),
        (chain([[0, 2, 0], [3, 0, 0]]), [1, 0]),
        (chain([[0, 1, 0], [1, 0, 0]], [[0, 1]]), [0]),
        (chain([[0, -1, 0]]), None),
        (chain([[1, 1, 0]]), None),
        (chain([[0, 0, 0]]), None),
        (chain([[1, -1, 0]]), None),
    ],
)
def test_where_outputs_come_from(layers: Any, expected: list[int] | None) -> None:
    assert source_channels(layers, 3) == expected


# ------------------------------------------------------------------------------- joined inputs


def test_what_inputs_say_is_joined() -> None:
    one = Metadata(
        channels=("a", "b"),
        wavelengths=(1.0, 2.0),
        wavelength_unit="nm",
        nodata=((0,),),
        scale=(0.5,),
        unit="m",
        georeference=Georeference(crs="here"),
        attributes={
            "who": Attribute("me"),
            "when": Attribute("today"),
            "each": Attribute([1, 2], "C"),
        },
    )
    other = Metadata(
        wavelengths=(3.0,),
        wavelength_unit="nm",
        unit="s",
        attributes={"who": Attribute("me"), "when": Attribute("never")},
    )
    joined = joined_metadata([Part("x", 2, one), Part("y", 1, other)])
    assert joined == Metadata(
        channels=("a", "b", "y"),
        wavelengths=(1.0, 2.0, 3.0),
        wavelength_unit="nm",
        nodata=((0,), (0,), ()),
        scale=(0.5, 0.5, 1.0),
        georeference=Georeference(crs="here"),
        attributes={"who": Attribute("me")},
    )
    assert joined_metadata([Part("x", 2, one)]) == one
    mixed = other._replace(wavelength_unit="um")
    assert joined_metadata([Part("x", 2, one), Part("y", 1, mixed)]).wavelengths == ()
    same = joined_metadata([Part("x", 2, one), Part("z", 2, one)])
    assert (same.nodata, same.scale) == (((0,),), (0.5,))


# ---------------------------------------------------------------------- what has no place


def test_what_an_output_has_no_place_for_is_said(scene: Path) -> None:
    command = ("apply", "l2.h5", "--kernel", "1 0 0 0;0 1 0 0", "-f")
    said = "georeferencing is not carried over: .npy has no place for it"
    details = ("names of channels are not carried over", "wavelengths are not carried over")
    quiet, loud = (onebyone(*command, *v, "-o", "y.npy", cwd=scene).stderr for v in ((), ("-v",)))
    assert quiet.count(said) == 1
    assert all(each in loud and each not in quiet for each in details)
    assert "carried" not in onebyone(*command, "-o", "y.h5", cwd=scene).stderr
    assert "carried" not in onebyone(*command, "-v", "-o", "y.img", cwd=scene).stderr
    reduced = onebyone("reduce", "l2.h5", "-k", "1", "-o", "s.npy", cwd=scene).stderr
    assert reduced.count(said) == 1
    np.save(scene / "x.npy", np.ones((2, 3, 4), "f4"))
    plain = onebyone("apply", "x.npy", "--kernel", "1 1", "-v", "-o", "z.npy", cwd=scene).stderr
    assert "carried" not in plain
    each = onebyone(*command, "--scale", "each", "--nan-to", "0", "-o", "e.h5", cwd=scene).stderr
    assert "the scale of each channel is not stated: .h5 has a place for one scale" in each


def test_history_has_a_time_only_if_one_is_set(scene: Path) -> None:
    for epoch, expected in (("1700000000", r"2023-11-14T22:13:20Z "), ("soon", ""), ("", "")):
        env = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
        command = ("apply", "l2.h5", "--kernel", "1 0 0 0", "-f", "-o", "out.h5")
        assert onebyone(*command, cwd=scene, env=env).returncode == 0
        with h5py.File(scene / "out.h5") as file:
            history = file["sr"].attrs["history"]
        assert re.fullmatch("made\n" + expected + STEP, history)
