"""Which pixels `apply` and `reduce` find invalid, against a reference of plain numpy."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import Array, new_folder, seeds

from onebyone_cli.api import apply

SIDES = (70, 80)


def said(folder: Path, *args: str, status: int = 0) -> str:
    done = onebyone(*args, cwd=folder)
    assert done.returncode == status, done.stderr
    return done.stderr


def scene(seed: int, dtype: str = "i2") -> tuple[Array, dict[str, Any], Array]:
    """A stack of three channels, what its file says of them, and which numbers are invalid."""
    rng = np.random.default_rng(seed)
    x = rng.integers(100, 9000, (3, *SIDES)).astype(dtype)
    drawn = rng.random(x.shape)
    x[drawn < 0.01] = -9999
    x[(drawn >= 0.01) & (drawn < 0.02)] = -1
    x[(drawn >= 0.02) & (drawn < 0.03)] = 20000
    attributes = {"_FillValue": x.dtype.type(-9999), "valid_range": np.array([0, 10000], dtype)}
    invalid = (x < 0) | (x > 10000)
    if x.dtype.kind == "f":
        x[(drawn >= 0.03) & (drawn < 0.04)] = np.inf
        x[(drawn >= 0.04) & (drawn < 0.05)] = -np.inf
        x[(drawn >= 0.05) & (drawn < 0.06)] = np.nan
        invalid |= (drawn >= 0.03) & (drawn < 0.06)
    return x, attributes, invalid


def save_h5(path: Path, x: Array, attributes: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        file["sr"] = x
        file["sr"].attrs.update(attributes)
    return path


@given(seeds, st.sampled_from(["i2", "f4", "f8"]), st.booleans(), st.sampled_from(["1M", "64M"]))
def test_pixels_are_invalid_as_the_file_and_the_mask_say(
    seed: int, dtype: str, masked: bool, memory: str
) -> None:
    x, attributes, invalid = scene(seed, dtype)
    rng = np.random.default_rng(seed + 1)
    mask = (rng.random(SIDES) > 0.1) if masked else np.ones(SIDES, bool)
    weight = rng.standard_normal((2, 3))
    expected = invalid.any(axis=0) | ~mask
    with new_folder() as folder, np.errstate(invalid="ignore"):
        path = save_h5(folder / "x.h5", x, attributes)
        y = apply(path, weight, mask=mask if masked else None, memory=memory, threads=2)
        assert (np.isnan(y) == expected).all()
        exact = np.einsum("kc,chw->khw", weight, x.astype(float))
        assert np.allclose(y[:, ~expected], exact[:, ~expected], rtol=1e-4, atol=1)
        report = apply(path, weight, output=folder / "y.npy", mask=mask)
        assert report.invalid_pixels == np.count_nonzero(expected)


def test_what_the_user_says_holds_in_place_of_the_file(tmp_path: Path) -> None:
    x, attributes, _ = scene(0)
    path = save_h5(tmp_path / "x.h5", x, attributes)
    for nodata, invalid in (
        ("none", np.zeros(x.shape, bool)),
        (20000, (x == 20000) | (x < 0) | (x > 10000)),
        ("-1,-9999", (x < 0) | (x > 10000)),
        ([(100, 200)], ((x >= 100) & (x <= 200)) | (x < 0) | (x > 10000)),
    ):
        y = apply(path, np.eye(3), nodata=nodata, nan_to=np.nan)
        assert (np.isnan(y) == invalid.any(axis=0)).all()
    y = apply(path, np.eye(3), invalid="all")
    assert (np.isnan(y) == ((x < 0) | (x > 10000)).all(axis=0)).all()


def test_several_nodata_values_are_all_heard(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = (3000 + 100 * rng.normal(size=(6, 40, 50))).astype("u2")
    x[:, :, :4], x[:, :, 4:6], x[3, 10, 10:14] = 65535, 65533, 65528
    np.save(tmp_path / "x.npy", x)
    for words in (["65535", "65533", "65528"], ["65528,65533,65535"], ["65000:65535"]):
        options = [word for value in words for word in ("--nodata", value)]
        line = said(
            tmp_path, "apply", "x.npy", "--kernel", "1 1 1 1 1 1", *options, "-f", "-o", "o.npy"
        )
        assert "244 invalid pixels" in line


@pytest.mark.parametrize(
    ("nodata", "why"), [("-9999", "signed once would be 55537"), ("0.5", "the type is uint16")]
)
def test_nodata_that_no_number_can_be_is_refused(tmp_path: Path, nodata: str, why: str) -> None:
    np.save(tmp_path / "u2.npy", np.ones((2, 3, 4), "u2"))
    line = said(
        tmp_path, "apply", "u2.npy", "--kernel", "1 0", "--nodata", nodata, "-o", "o.npy", status=2
    )
    assert why in line


@pytest.mark.parametrize("suffix", ["npy", "h5", "png"])
def test_masked_pixels_are_invalid_in_the_output(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(3)
    x, mask = rng.normal(3000, 100, (6, 40, 50)).astype("f4"), np.ones((40, 50), "u1")
    mask[:, :10] = 0
    x[:, :, :10] *= 15
    np.save(tmp_path / "x.npy", x)
    if suffix == "npy":
        np.save(tmp_path / "m.npy", mask)
    elif suffix == "h5":
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file["m"] = mask
    else:
        from PIL import Image

        Image.fromarray(mask).save(tmp_path / "m.png")
    options = ("--mask", f"m.{suffix}")
    kernel = ("--kernel", "1 1 1 1 1 1")
    for command in (
        ("reduce", "x.npy", *options, "-k", "1"),
        ("apply", "x.npy", *options, *kernel),
        ("apply", "x.npy", *options, *kernel, "--activation", "sigmoid"),
        ("apply", "x.npy", *options, *kernel, "--nodata", "nan"),
    ):
        assert "400 invalid pixels" in said(tmp_path, *command, "-o", "o.npy", "-f")
        y = np.load(tmp_path / "o.npy")
        assert np.array_equal(np.isnan(y[0]), mask == 0)
    said(tmp_path, "apply", "x.npy", *options, *kernel, "--argmax", "--nan-to", "9", "-o", "a.npy")
    assert ((np.load(tmp_path / "a.npy")[0] == 9) == (mask == 0)).all()


def test_each_stack_has_the_same_mask(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 1], [1, np.nan, 1]], "f4")
    np.save(tmp_path / "m.npy", mask)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.ones((2, 2, 2, 3), "u1"))
    said(
        tmp_path,
        "apply",
        "a.npy",
        "b.npy",
        "--each",
        "--kernel",
        "1 1",
        "--mask",
        "m.npy",
        "-o",
        "y/",
    )
    for name in ("a", "b"):
        y = np.load(tmp_path / "y" / f"{name}.npy")
        assert np.array_equal(np.isnan(y), np.broadcast_to(np.isnan(mask) | (mask == 0), y.shape))


def test_a_mask_is_not_overwritten_and_its_size_is_checked(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2, 3), "u1"))
    np.save(tmp_path / "m.npy", np.ones((2, 3), "u1"))
    np.save(tmp_path / "w.npy", np.ones((3, 2), "u1"))
    command = ("apply", "x.npy", "--kernel", "1 1", "-f")
    said(tmp_path, *command, "--mask", "m.npy", "-o", "m.npy", status=73)
    assert "a mask" in said(tmp_path, *command, "--mask", "w.npy", "-o", "y.npy", status=65)


def test_pictures_are_black_where_nothing_is_valid(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(3, 16, 16)).astype("f4"), np.zeros((16, 16), "u1")
    x += 100
    mask[4:12, 3:9] = 1
    x[:, mask == 0] *= 1000
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "m.npy", mask)
    for name in ("rgb.png", "rgb.jpg"):
        line = said(
            tmp_path, "reduce", "x.npy", "-k", "3", "--mask", "m.npy", "--scale", "each", "-o", name
        )
        assert "invalid pixels are black" in line
    picture = np.asarray(Image.open(tmp_path / "rgb.png"))
    assert (picture[mask == 0] == 0).all()
    assert picture[mask == 1].min(0).tolist() == [0, 0, 0]
    assert picture[mask == 1].max(0).tolist() == [255, 255, 255]
    line = said(
        *(tmp_path, "apply", "x.npy", "--kernel", "1 1 1;0 1 0;1 0 0", "--argmax"),
        *("--mask", "m.npy", "-o", "c.png"),
        status=65,
    )
    assert "--nan-to" in line


# ----------------------------------------------------------------------------------- warnings


def bad_channels(folder: Path, dtype: str) -> None:
    """Twelve channels with wavelengths, of which 6 and 7 have no valid value."""
    x = np.random.default_rng(0).normal(3000, 100, (12, 70, 80)).astype(dtype)
    x[6:8] = np.nan if dtype == "f4" else -32768
    with h5py.File(folder / "x.h5", "w") as file:
        file["sr"] = x
        file["sr"].attrs["wavelength"] = 1200 + 20.0 * np.arange(12)
        file["sr"].attrs["wavelength_units"] = "nm"


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_channels_without_a_valid_value_are_named(tmp_path: Path, dtype: str) -> None:
    bad_channels(tmp_path, dtype)
    nodata = () if dtype == "f4" else ("--nodata", "-32768")
    kernel = ("--kernel", "1 1 1 1 1 1 1 1 1 1 1 1")
    command = ("apply", "x.h5", *kernel, *nodata, "--memory", "2M", "-f", "-o", "y.npy")
    line = said(tmp_path, *command)
    assert (
        "no pixel is valid: channels 6 and 7 (1320 nm, 1340 nm) have no valid value; leave them "
        "out with --channels '!6:8'"
    ) in line
    assert "no pixel" not in said(tmp_path, *command, "-q")
    # With the way out, and with weights of 0, those channels are not read.
    ten = ("--kernel", "1 1 1 1 1 1 1 1 1 1", "--channels", "!6:8")
    command = ("apply", "x.h5", *ten, *nodata, "-f", "-o", "y.npy")
    assert "no " not in said(tmp_path, *command).partition("y.npy")[0]
    zeros = ("--kernel", "1 1 1 1 1 1 0 0 1 1 1 1")
    line = said(tmp_path, "apply", "x.h5", *zeros, *nodata, "-f", "-o", "y.npy")
    assert "invalid" not in line
    assert "warning" not in line


def test_no_pixel_is_valid_for_other_reasons(tmp_path: Path) -> None:
    x = np.ones((2, 4, 6), "f4")
    x[0, :2], x[1, 2:] = np.nan, np.nan
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "m.npy", np.zeros((4, 6), "u1"))
    command = ("apply", "x.npy", "--kernel", "1 1", "-f", "-o", "y.npy")
    assert "each has an invalid number in some channel" in said(tmp_path, *command)
    x[:] = 1
    np.save(tmp_path / "x.npy", x)
    line = said(tmp_path, *command, "--mask", "m.npy")
    assert "no pixel is valid; check NaN, nodata and mask" in line


@pytest.mark.parametrize(
    ("nodata", "warns"),
    [
        ("-3.40282e38", "-3.4028234663852886e+38 does: give it with all its digits"),
        ("7", "--nodata 7 occurs nowhere in the input\n"),
        ("-3.4028235e38", ""),
    ],
)
def test_a_nodata_value_that_occurs_nowhere_is_warned_of(
    tmp_path: Path, nodata: str, warns: str
) -> None:
    x = np.random.default_rng(0).normal(size=(2, 70, 80)).astype("f4")
    x[1, 3, 4] = np.finfo("f4").min
    np.save(tmp_path / "x.npy", x)
    line = said(tmp_path, "apply", "x.npy", "--kernel", "1 1", "--nodata", nodata, "-o", "y.npy")
    assert warns in line
    assert ("warning" in line) == bool(warns)


def test_valid_results_do_not_become_invalid(tmp_path: Path) -> None:
    """A difference that happens to be the nodata value."""
    x = np.zeros((2, 3, 4), "i2")
    x[0, 0, 0], x[1, 0, 0] = -9990, 9
    x[0, 1, 1] = -9999
    np.save(tmp_path / "x.npy", x)
    for dtype, moved in (("int16", -9998), ("float32", -9998.999)):
        command = ("apply", "x.npy", "--kernel", "1 -1", "--nodata", "-9999", "--dtype", dtype)
        line = said(tmp_path, *command, "-f", "-o", "y.npy")
        assert "1 valid value moved away from the nodata value" in line
        y = np.load(tmp_path / "y.npy")[0]
        assert np.count_nonzero(y == -9999) == 1
        assert np.isclose(y[0, 0], moved, rtol=1e-6)


def test_endmembers_of_more_channels_than_are_valid(tmp_path: Path) -> None:
    """A model of all bands of a library, and a stack that has no values of two of them."""
    bad_channels(tmp_path, "f4")
    with h5py.File(tmp_path / "x.h5") as file:
        np.save(tmp_path / "x.npy", file["sr"][:])
    spectra = np.random.default_rng(0).uniform(0.1, 1, (12, 3))
    np.savetxt(tmp_path / "all.csv", spectra, delimiter=",")
    np.savetxt(tmp_path / "ten.csv", np.delete(spectra, [6, 7], axis=0), delimiter=",")
    way = ("--method", "unmix", "--endmembers")
    said(tmp_path, "fit", *way, "all.csv", "-o", "m.npz")
    advice = (
        "warning: no pixel is valid: channels 6 and 7 have no valid value; leave them out with "
        "--channels '!6:8', also where weights are learned\n"
    )
    assert advice in said(tmp_path, "apply", "x.npy", "-w", "m.npz", "-o", "y.npy")
    assert advice in said(tmp_path, "reduce", "x.npy", *way, "all.csv", "-o", "y.npy", "-f")
    ten = ("--channels", "!6:8")
    done = onebyone("reduce", "x.npy", *way, "all.csv", *ten, "-o", "z.npy", cwd=tmp_path)
    assert done.returncode == 65
    assert "12 rows and the stack has 10 channels" in done.stderr
    assert "; leave out of it what --channels leaves out of the stack\n" in done.stderr
    assert "warning" not in said(tmp_path, "reduce", "x.npy", *way, "ten.csv", *ten, "-o", "z.npy")
    assert np.isfinite(np.load(tmp_path / "z.npy")).any()
