"""What files and users say of numbers, as commands hear it and tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import Completed, onebyone

HEIGHT, WIDTH = 40, 50


def run(folder: Path, *arguments: str, status: int = 0) -> Completed:
    done = onebyone(*arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    return done


def model(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return dict(archive)


def scene(seed: int = 1, channels: int = 8) -> np.ndarray[Any, Any]:
    """Correlated int16 channels, of which the first columns are a fill value."""
    rng = np.random.default_rng(seed)
    spectra = rng.uniform(0.5, 2, (channels, 2))
    mixed = np.einsum("cm,mhw->chw", spectra, rng.normal(size=(2, HEIGHT, WIDTH)))
    x = np.round(3000 + 100 * mixed + rng.normal(size=(channels, HEIGHT, WIDTH))).astype("i2")
    x[:, :, :5] = -9999
    return x


def save_h5(path: Path, x: np.ndarray[Any, Any], **attributes: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("sr", data=x).attrs.update(attributes)


#: Ways in which HDF5 files name a nodata value, and what is told of it.
FILLS: dict[str, Any] = {
    "Data_Ignore_Value": np.array([-9999.0], "f4"),
    "_FillValue": np.int16(-9999),
    "missing_value": np.array([-9999], "i2"),
    "nodata": "-9999",
}


@pytest.mark.parametrize("name", FILLS)
def test_fit_and_stats_hear_the_nodata_of_a_file(tmp_path: Path, name: str) -> None:
    x = scene()
    save_h5(tmp_path / "x.h5", x, **{name: FILLS[name]})
    done = run(tmp_path, "fit", "x.h5", "-k", "2", "-o", "m.npz")
    assert done.stderr.splitlines()[0].startswith("nodata -9999")
    assert f"from {name}" in done.stderr.splitlines()[0]
    assert "200 pixels left out" in done.stderr
    right = np.linalg.eigvalsh(np.cov(x[:, :, 5:].reshape(8, -1).astype(float)))[::-1]
    np.testing.assert_allclose(model(tmp_path / "m.npz")["eigenvalues"], right, rtol=1e-10)
    told = json.loads(run(tmp_path, "stats", "x.h5", "--json").stdout)
    assert [row["valid"] for row in told["channels"]] == [1800] * 8
    told = json.loads(run(tmp_path, "stats", "x.h5", "--json", "--nodata", "none").stdout)
    assert told["channels"][0]["min"] == -9999
    assert run(tmp_path, "fit", "x.h5", "-k", "2", "-o", "m.npz", "-f", "-q").stderr == ""


def test_packed_bands_are_learned_in_their_units(tmp_path: Path) -> None:
    x = scene()
    scale, offset = 0.0000275, -0.2
    save_h5(tmp_path / "x.h5", x, _FillValue=-9999, scale_factor=scale, add_offset=offset)
    done = run(tmp_path, "fit", "x.h5", "-k", "2", "-o", "m.npz")
    assert done.stderr.splitlines()[:3] == [
        "nodata -9999, from _FillValue",
        "scale 2.75e-05, from scale_factor",
        "offset -0.2, from add_offset",
    ]
    values = x[:, :, 5:].reshape(8, -1) * scale + offset
    found = model(tmp_path / "m.npz")
    np.testing.assert_allclose(
        found["eigenvalues"], np.linalg.eigvalsh(np.cov(values))[::-1], rtol=1e-9
    )
    np.testing.assert_allclose(found["mean"], values.mean(axis=1), rtol=1e-12)
    run(tmp_path, "fit", "x.h5", "-k", "2", "-o", "s.npz", "--stored")
    np.testing.assert_allclose(
        model(tmp_path / "s.npz")["eigenvalues"] * scale**2, found["eigenvalues"], rtol=1e-9
    )


def test_stacks_of_other_packing_count_together(tmp_path: Path) -> None:
    x = scene()
    save_h5(tmp_path / "a.h5", x[:, :20], _FillValue=-9999, scale_factor=0.5)
    save_h5(tmp_path / "b.h5", x[:, 20:], _FillValue=-9999, scale_factor=-2.0, add_offset=7.0)
    values = np.concatenate([x[:, :20, 5:] * 0.5, x[:, 20:, 5:] * -2.0 + 7], axis=1)
    right = np.linalg.eigvalsh(np.cov(values.reshape(8, -1)))[::-1]
    done = run(tmp_path, "fit", "a.h5", "b.h5", "--each", "-k", "2", "-o", "m.npz")
    assert done.stderr.count("nodata -9999, from _FillValue") == 1
    np.testing.assert_allclose(
        model(tmp_path / "m.npz")["eigenvalues"], right, rtol=1e-9, atol=1e-14 * right[0]
    )
    for name in "ab":
        run(tmp_path, "stats", f"{name}.h5", "-o", f"{name}.npz", "-q")
    run(tmp_path, "fit", "a.npz", "b.npz", "-k", "2", "-o", "j.npz", "-q")
    np.testing.assert_allclose(
        model(tmp_path / "j.npz")["eigenvalues"], right, rtol=1e-9, atol=1e-14 * right[0]
    )


def test_a_stack_of_noise_repeats_no_note(tmp_path: Path) -> None:
    save_h5(tmp_path / "x.h5", scene(), _FillValue=-9999)
    save_h5(tmp_path / "dark.h5", scene(2), _FillValue=-9999)
    way = ("--method", "mnf", "--noise-from", "dark.h5", "-k", "2", "-o", "m.npz")
    assert run(tmp_path, "fit", "x.h5", *way).stderr.count("_FillValue") == 1


@pytest.mark.parametrize("words", [("65535", "65533", "65528"), ("65528,65533:65535",)])
def test_several_nodata_values(tmp_path: Path, words: tuple[str, ...]) -> None:
    x = (3000 + 100 * np.random.default_rng(3).normal(size=(6, HEIGHT, WIDTH))).astype("u2")
    x[:, :, :4], x[:, :, 4:6], x[3, 10, 10:14] = 65535, 65533, 65528
    np.save(tmp_path / "x.npy", x)
    given = [word for each in words for word in ("--nodata", each)]
    done = run(tmp_path, "fit", "x.npy", *given, "-k", "1", "-o", "m.npz")
    assert "244 pixels left out" in done.stderr
    assert "warning" not in done.stderr
    right = np.linalg.eigvalsh(np.cov(x[:, (x < 65500).all(axis=0)].astype(float)))[::-1]
    np.testing.assert_allclose(model(tmp_path / "m.npz")["eigenvalues"], right, rtol=1e-10)


@pytest.mark.parametrize("command", ["fit -k 1 -o m.npz", "stats", "view -o v.png", "compare"])
def test_nodata_that_no_number_can_be(tmp_path: Path, command: str) -> None:
    np.save(tmp_path / "x.npy", scene().view("u2"))
    name, *more = command.split()
    inputs = ["x.npy"] * (2 if name == "compare" else 1)
    done = run(tmp_path, name, *inputs, *more, "--nodata", "-9999", status=2)
    assert "--nodata -9999: no number of the input can be -9999, since the type is uint16; " in (
        done.stderr
    )
    assert "55537" in done.stderr


@pytest.mark.parametrize("suffix", ["nan.npy", "filled.h5"])
def test_channels_without_a_valid_value_are_named(tmp_path: Path, suffix: str) -> None:
    x = np.random.default_rng(0).normal(3000, 100, (12, 40, 50))
    if suffix == "nan.npy":
        x[6:8] = np.nan
        np.save(tmp_path / suffix, x.astype("f4"))
        named = "channels 6 and 7"
    else:
        x[6:8] = -32768
        waves = np.linspace(660, 1760, 12)
        save_h5(
            tmp_path / suffix,
            np.round(x).astype("i2"),
            _FillValue=np.int16(-32768),
            wavelength=waves,
            wavelength_units="nanometers",
        )
        named = "channels 6 and 7 (1260 nm, 1360 nm)"
    advice = f"{named} have no valid value; leave them out with --channels '!6:8'\n"
    done = run(tmp_path, "fit", suffix, "-k", "3", "-o", "m.npz", status=65)
    assert done.stderr.endswith(f"has no valid pixel: {advice}")
    done = run(tmp_path, "fit", suffix, "-k", "3", "--channels", "1:", "-o", "m.npz", status=65)
    assert done.stderr.endswith("leave them out with --channels '…,!6:8'\n")
    done = run(tmp_path, "stats", suffix, "-o", "part.npz")
    assert f"warning: {advice}" in done.stderr
    done = run(tmp_path, "fit", "part.npz", "-k", "3", "-o", "m.npz", status=65)
    assert "has no valid pixel: channels 6 and 7" in done.stderr
    run(tmp_path, "fit", suffix, "-k", "3", "--channels", "!6:8", "-o", "m.npz")


def test_all_channels_without_a_valid_value(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 3, 4), np.nan))
    done = run(tmp_path, "fit", "x.npy", "-k", "1", "-o", "m.npz", status=65)
    assert "has no valid pixel: all 12 were left out; check NaN, nodata and mask" in done.stderr


def test_a_value_that_occurs_nowhere_is_told(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(2, 9, 9))
    x[0, 3] = np.float32(-3.4e38)
    np.save(tmp_path / "x.npy", x)
    done = run(tmp_path, "stats", "x.npy", "--nodata", "-3.4e38", "--nodata", "-9999")
    assert done.stderr == (
        "warning: --nodata -3.4e38 occurs nowhere in the input\n"
        "warning: --nodata -9999 occurs nowhere in the input\n"
    )
    done = run(tmp_path, "stats", "x.npy", "--nodata", "-3.40000e38")
    assert done.stderr == (
        "warning: --nodata -3.40000e38 occurs nowhere in the input, but "
        "-3.3999999521443642e+38 does: give it with all its digits\n"
    )
    assert run(tmp_path, "stats", "x.npy", "--nodata", "-3.3999999521443642e+38").stderr == ""
    assert run(tmp_path, "stats", "x.npy", "--nodata", "5", "--sample", "50").stderr == ""
    np.save(tmp_path / "x.npy", x.astype("f4"))
    assert run(tmp_path, "stats", "x.npy", "--nodata", "-3.4e38").stderr == ""


def test_masks_hear_their_own_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(24.0).reshape(2, 3, 4))
    save_h5(tmp_path / "mask.h5", np.array([[[0, 1, 2, 255]] * 3], "u1"), _FillValue=np.uint8(255))
    told = json.loads(run(tmp_path, "stats", "x.npy", "--mask", "mask.h5", "--json").stdout)
    assert [row["valid"] for row in told["channels"]] == [6, 6]


@pytest.mark.parametrize("rule", ["any", "all"])
def test_pixels_are_invalid_if_any_or_all_channels_are(tmp_path: Path, rule: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 9, 9))
    x[0, 2], x[:, 4] = 5, 5
    np.save(tmp_path / "x.npy", x)
    done = run(
        tmp_path, "fit", "x.npy", "--nodata", "5", "--invalid", rule, "-k", "1", "-o", "m.npz"
    )
    assert f"; {18 if rule == 'any' else 9} pixels left out" in done.stderr


def test_shares_of_other_settings_are_not_joined(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(0, 9, (2, 300, 300)))
    np.save(tmp_path / "y.npy", rng.integers(0, 9, (2, 30, 30)))
    shard = ("stats", "x.npy", "--shard")
    run(tmp_path, *shard, "0/2", "--nodata", "3", "-o", "a.npz")
    run(tmp_path, *shard, "1/2", "-o", "b.npz")
    run(tmp_path, *shard, "1/2", "--nodata", "3", "-o", "c.npz")
    done = run(tmp_path, "merge", "a.npz", "b.npz", "-o", "d.npz", status=65)
    assert (
        "b.npz: is a share of x.npy that was gathered with other settings than a.npz (nodata)"
        in (done.stderr)
    )
    assert "warning" not in run(tmp_path, "merge", "a.npz", "c.npz", "-o", "d.npz").stderr
    run(tmp_path, "stats", "y.npy", "--invalid", "all", "-o", "y.npz")
    done = run(tmp_path, "merge", "d.npz", "y.npz", "-o", "e.npz")
    assert "warning: y.npz: was gathered with another --invalid than d.npz" in done.stderr
    for option in ("--nodata=3", "--invalid=all", "--stored"):
        done = run(tmp_path, "fit", "a.npz", option, "-k", "1", "-o", "m.npz", status=2)
        assert "needs pixels, and moments have none" in done.stderr


def test_stacks_whose_channels_have_another_order_are_not_learned_from_together(
    tmp_path: Path,
) -> None:
    x = scene()[:3]
    save_h5(tmp_path / "a.h5", x, channels=["S_B01", "S_B02", "S_B8A"])
    save_h5(tmp_path / "b.h5", x[[2, 0, 1]], channels=["b8a", "b1", "b2"])
    save_h5(tmp_path / "c.h5", x[[2, 0, 1]], channels=["red", "green", "blue"])
    for name in "abc":
        run(tmp_path, "stats", f"{name}.h5", "-o", f"{name}.npz")
    order = ("--channels", "B1,B2,B8A")
    commands: list[tuple[str, ...]] = [
        ("stats", "a.h5", "b.h5", "--each"),
        ("fit", "a.h5", "b.h5", "--each", "-k", "1", "-o", "m.npz"),
        ("fit", "a.h5", "--noise-from", "b.h5", "--method", "mnf", "-k", "1", "-o", "m.npz"),
        ("fit", "a.npz", "b.npz", "-k", "1", "-o", "m.npz"),
        ("merge", "a.npz", "b.npz", "-o", "m.npz"),
    ]
    for each in commands:
        command = (*each, *["--force"] * ("-o" in each))
        done = run(tmp_path, *command, status=65)
        assert " in another order: b8a, b1, b2 and not S_B01, S_B02, S_B8A; " in done.stderr
        run(tmp_path, *(word.replace("b.", "c.") for word in command))
    done = run(tmp_path, "stats", "a.h5", "b.h5", "--each", *order, "--json")
    means = [channel["mean"] for channel in json.loads(done.stdout)["channels"]]
    alone = json.loads(run(tmp_path, "stats", "a.h5", "--json").stdout)
    assert means == pytest.approx([channel["mean"] for channel in alone["channels"]])


def test_channels_of_moments_are_not_selected(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", scene())
    run(tmp_path, "stats", "x.npy", "-o", "x.npz")
    done = run(tmp_path, "fit", "x.npz", "--channels", "0", "-k", "1", "-o", "m.npz", status=2)
    assert "--channels needs pixels, and moments have none" in done.stderr


WAVES = [450.0, 550.0, 660.0, 850.0]


def save_waves(path: Path, x: np.ndarray[Any, Any], waves: list[float], **more: Any) -> None:
    save_h5(path, x, wavelength=waves, wavelength_units="nm", _FillValue=np.int16(-9999), **more)


def test_models_of_stacks_without_names_know_wavelengths(tmp_path: Path) -> None:
    x = scene(channels=4)
    save_waves(tmp_path / "x.h5", x, WAVES)
    run(tmp_path, "fit", "x.h5", "-k", "2", "-o", "m.npz")
    run(tmp_path, "apply", "x.h5", "-w", "m.npz", "-o", "y.npy")
    expected = np.load(tmp_path / "y.npy")
    # In another order, in another unit, among more.
    save_waves(tmp_path / "r.h5", x[::-1], WAVES[::-1])
    save_h5(
        tmp_path / "u.h5",
        x[[2, 0, 1, 3]],
        wavelength=[0.66, 0.45, 0.55, 0.85],
        wavelength_units="Micrometers",
        _FillValue=np.int16(-9999),
    )
    more = np.insert(x, [0, 2], -9999, axis=0)
    save_waves(tmp_path / "more.h5", more, [400.0, 450, 550, 600, 660, 850])
    for name in ("r.h5", "u.h5", "more.h5"):
        done = run(tmp_path, "apply", name, "-w", "m.npz", "-o", "z.npy", "--force", "-v")
        assert "m.npz: matched by wavelength: 450 nm is 450 nm, " in done.stderr
        np.testing.assert_allclose(np.load(tmp_path / "z.npy"), expected, rtol=1e-5, atol=1e-3)
    run(tmp_path, "apply", "y.npy", "-w", "m.npz", "--inverse", "-o", "back.h5")
    told = run(tmp_path, "info", "back.h5", "--get", "wavelengths").stdout.split(b",")
    assert list(map(float, told)) == WAVES
    run(tmp_path, "apply", "r.h5", "-w", "m.npz", "-o", "p.npy", "--by-position")
    assert not np.allclose(np.load(tmp_path / "p.npy"), expected, equal_nan=True)


def test_wavelengths_that_a_stack_lacks_are_named(tmp_path: Path) -> None:
    x = scene(channels=4)
    save_waves(tmp_path / "x.h5", x, WAVES)
    run(tmp_path, "fit", "x.h5", "-k", "2", "-o", "m.npz")
    save_waves(tmp_path / "some.h5", x, [450.0, 550, 660, 900])
    done = run(tmp_path, "apply", "some.h5", "-w", "m.npz", "-o", "y.npy", status=65)
    assert "takes the channel 850 nm, and the stack has none of that name; it has " in done.stderr
    save_waves(tmp_path / "other.h5", x, [1450.0, 1550, 1660, 1850])
    done = run(tmp_path, "apply", "other.h5", "-w", "m.npz", "-o", "y.npy")
    assert "none of its channels (450 nm, 550 nm, 660 nm, 850 nm) is one of the" in done.stderr


def test_wavelengths_in_another_order_are_not_learned_from_together(tmp_path: Path) -> None:
    x = scene(channels=4)
    save_waves(tmp_path / "a.h5", x, WAVES)
    save_waves(tmp_path / "b.h5", x[::-1], WAVES[::-1])
    save_waves(tmp_path / "c.h5", x, [550.0, 660, 850, 900])
    for name in "abc":
        run(tmp_path, "stats", f"{name}.h5", "-o", f"{name}.npz")
    for command in (
        ("fit", "a.h5", "b.h5", "--each", "-k", "1", "-o", "m.npz", "--force"),
        ("merge", "a.npz", "b.npz", "-o", "m.npz", "--force"),
    ):
        done = run(tmp_path, *command, status=65)
        assert " in another order: 850 nm, 660 nm, 550 nm, 450 nm and not 450 nm" in done.stderr
        assert "--channels 450nm,550nm,660nm,850nm" in done.stderr
        done = run(tmp_path, *(word.replace("b.", "c.") for word in command))
        assert "warning: c." in done.stderr
        assert "they are taken in their order" in done.stderr
    order = ("--channels", "450nm,550nm,660nm,850nm")
    run(tmp_path, "fit", "a.h5", "b.h5", "--each", "-k", "1", "-o", "m.npz", *order, "--force")


def test_endmembers_are_matched_with_the_channels_of_a_stack(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    spectra = rng.uniform(1, 9, (4, 2))
    amounts = rng.uniform(0, 1, (2, 30, 40))
    x = np.einsum("cm,mhw->chw", spectra, amounts)
    save_h5(tmp_path / "x.h5", x, wavelength=WAVES, wavelength_units="nm")
    order = [3, 2, 1, 0]
    rows = [f"{WAVES[at]},{spectra[at, 0]},{spectra[at, 1]}" for at in order]
    (tmp_path / "library.csv").write_text("\n".join(["wavelength,grass,soil", *rows]) + "\n")
    run(tmp_path, "fit", "x.h5", "--method", "unmix", "--endmembers", "library.csv", "-o", "m.npz")
    run(tmp_path, "apply", "x.h5", "-w", "m.npz", "-o", "y.npy")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), amounts, atol=1e-4)
    # Without a stack the weights keep the order of the library, and are matched when applied.
    run(tmp_path, "fit", "--method", "unmix", "--endmembers", "library.csv", "-o", "w.npz")
    run(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "z.npy")
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), amounts, atol=1e-4)


@pytest.mark.parametrize("by", ["names", "wavelengths"])
def test_stacks_of_the_same_channels_are_compared_in_one_order(tmp_path: Path, by: str) -> None:
    x = scene(channels=4)

    def save(name: str, order: list[int], texts: list[str]) -> None:
        known: dict[str, Any] = {"channels": [texts[at] for at in order]}
        if by == "wavelengths":
            known = {"wavelength": [float(texts[at]) for at in order], "wavelength_units": "nm"}
        save_h5(tmp_path / name, x[order], **known)

    known = ["450", "550", "660", "850"]
    save("a.h5", [0, 1, 2, 3], known)
    save("b.h5", [2, 0, 3, 1], known)
    save("c.h5", [0, 1, 2, 3], ["550", "660", "850", "900"])
    done = run(tmp_path, "compare", "a.h5", "b.h5")
    assert "b.h5: has the channels of a.h5 in another order (660" in done.stderr
    assert b"equal" in done.stdout
    done = run(tmp_path, "compare", "a.h5", "c.h5")
    assert "they are compared in their order" in done.stderr


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["x.h5", "x.tif", "x.hdr"])
def test_a_nodata_value_that_is_no_number(tmp_path: Path, name: str, value: float) -> None:
    """As xarray and GDAL write it to all floating-point files; it is invalid whatever they say."""
    x = scene().astype("f4")
    x[:, :, :5] = value
    np.save(tmp_path / "x.npy", x)
    if name == "x.h5":
        save_h5(tmp_path / name, x, _FillValue=np.float32(value))
    elif name == "x.tif":
        tifffile = pytest.importorskip("tifffile")
        said = [(42113, "s", 0, str(value), True)]
        tifffile.imwrite(tmp_path / name, x, photometric="minisblack", extratags=said)
    else:
        (tmp_path / "x.img").write_bytes(x.tobytes())
        text = "ENVI\nsamples = 50\nlines = 40\nbands = 8\ndata type = 4\ndata ignore value = "
        (tmp_path / name).write_text(f"{text}{value}\n")
    assert f"nodata {value}" in " ".join(run(tmp_path, "info", name).stdout.decode().split())
    assert "can't hold" not in run(tmp_path, "info", name).stdout.decode()
    (told,) = json.loads(run(tmp_path, "info", name, "--json").stdout, parse_constant=pytest.fail)[
        "paths"
    ]
    assert len(told["metadata"]["nodata"]) == 1
    found = {}
    for each in ("x.npy", name):
        done = run(tmp_path, "fit", each, "-k", "2", "-o", "m.npz", "-f")
        assert "200 pixels left out" in done.stderr
        assert "nodata" not in done.stderr  # nothing that would not be so without it
        run(tmp_path, "stats", each, "-o", "p.npz", "-f")
        run(tmp_path, "fit", "p.npz", "-k", "2", "-o", "q.npz", "-f")
        kept = [*model(tmp_path / "m.npz")["eigenvalues"], *model(tmp_path / "q.npz")["weight"]]
        found[each] = np.concatenate(list(map(np.atleast_1d, kept)))
        run(tmp_path, "apply", each, "-w", "m.npz", "-o", "y.npy", "-f", "--checkpoint-every", "0")
        assert np.count_nonzero(np.isnan(np.load(tmp_path / "y.npy"))) == 400
    np.testing.assert_array_equal(found["x.npy"], found[name])


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_the_largest_integer_of_64_bits_is_nodata(tmp_path: Path, dtype: str) -> None:
    """Though no float64 is this number."""
    x = np.arange(120, dtype=dtype).reshape(2, 6, 10)
    x[:, 0, :3] = np.iinfo(dtype).max
    np.save(tmp_path / "x.npy", x)
    save_h5(tmp_path / "x.h5", x, _FillValue=x[0, 0, 0])
    for name, options in (("x.npy", ("--nodata", str(x[0, 0, 0]))), ("x.h5", ())):
        told = json.loads(run(tmp_path, "stats", name, *options, "--json").stdout)
        assert [row["valid"] for row in told["channels"]] == [57, 57]
        compared = json.loads(run(tmp_path, "compare", name, name, *options, "--json").stdout)
        assert (compared["count"], compared["invalid_pixels"]["a"]) == (114, 3)
    same = ("--kernel", "1 0;0 1", "--dtype", dtype)
    run(tmp_path, "apply", "x.h5", *same, "-o", "y.h5")
    told = json.loads(run(tmp_path, "stats", "y.h5", "--json").stdout)
    assert [row["valid"] for row in told["channels"]] == [57, 57]


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        ({"valid_max": np.float32("nan")}, ""),
        ({"valid_range": np.array([-np.inf, np.inf], "f4")}, ""),
        ({"valid_range": np.array([np.nan, 3200], "f4")}, "3200 (valid_range)"),
    ],
)
def test_limits_that_are_no_numbers(tmp_path: Path, limits: dict[str, Any], shown: str) -> None:
    x = scene()[:, :, 5:].astype("f4")
    save_h5(tmp_path / "x.h5", x, **limits)
    done = run(tmp_path, "fit", "x.h5", "-k", "2", "-o", "m.npz", "--json")
    invalid = np.count_nonzero((x > 3200).any(axis=0)) if shown else 0
    assert json.loads(done.stdout)["invalid_pixels"] == invalid
    text = run(tmp_path, "info", "x.h5").stdout.decode()
    assert ("valid range" in text, shown in text) == (bool(shown), True)
