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
