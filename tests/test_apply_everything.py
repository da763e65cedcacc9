"""All that a file and a user can say at once, against a reference in float64."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
from command import onebyone
from hypothesis import given, settings
from strategies import Array, examples, new_folder, seeds

SIDES = (70, 90)
CHANNELS = 5


class Scene(NamedTuple):
    """Numbers as stored, the numbers that they mean, and pixels by the rule of any channel."""

    stored: Array
    meant: Array
    invalid: Array
    mask: Array


def make_scene(folder: Path, seed: int) -> Scene:
    """Write two files of different types and packing, and a mask."""
    rng = np.random.default_rng(seed)
    x = rng.integers(100, 9000, (CHANNELS, *SIDES)).astype("f4")
    drawn = rng.random(x.shape)
    marks = [(-9999, 0.01), (-1, 0.02), (9999, 0.03)]
    for value, share in marks:
        x[(drawn < share) & (drawn >= share - 0.01)] = value
    x[3:][(drawn[3:] >= 0.03) & (drawn[3:] < 0.035)] = np.inf
    x[3:][(drawn[3:] >= 0.035) & (drawn[3:] < 0.04)] = np.nan
    scale, offset = np.array([1e-4] * 3 + [0.5] * 2), np.array([-0.2] * 3 + [100.0] * 2)
    said = [
        {"_FillValue": np.int16(-9999), "missing_value": np.int16(-1), "valid_max": np.int16(9998)},
        {"_FillValue": np.float32(9999), "valid_range": np.array([0, 9500], "f4")},
    ]
    with np.errstate(invalid="ignore"):
        invalid = ~np.isfinite(x)
        invalid[:3] |= (x[:3] == -9999) | (x[:3] == -1) | (x[:3] > 9998)
        invalid[3:] |= (x[3:] == 9999) | (x[3:] < 0) | (x[3:] > 9500)
    for name, part, dtype, at in (("a", x[:3], "i2", 0), ("b", x[3:], "f4", 3)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            chunks = (1, 30, 40) if seed % 2 else None
            file.create_dataset("sr", data=part.astype(dtype), chunks=chunks)
            packing = {"scale_factor": scale[at], "add_offset": offset[at]}
            file["sr"].attrs.update(said[at > 0] | packing)
    mask = (rng.random(SIDES) > 0.05).astype("u1")
    mask[:, :3] = 7
    with h5py.File(folder / "m.h5", "w") as file:
        file["m"] = mask
        file["m"].attrs["_FillValue"] = np.uint8(7)
    meant = x.astype(float) * scale[:, None, None] + offset[:, None, None]
    return Scene(x, meant, invalid, (mask != 0) & (mask != 7))


def run(folder: Path, *args: str) -> str:
    done = onebyone(*args, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


COMMAND = ("apply", "a.h5", "b.h5", "-w", "w.npz", "--mask", "m.h5")


@given(seeds)
def test_all_at_once(seed: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((2, CHANNELS))
    bias = np.array([1.0, -2.0])
    with new_folder() as folder:
        scene = make_scene(folder, seed)
        np.savez(folder / "w.npz", weight=weight, bias=bias)
        exact = np.einsum("kc,chw->khw", weight, scene.meant) + bias[:, None, None]
        for options, invalid in (
            ((), scene.invalid.any(axis=0)),
            (
                ("--invalid", "all"),
                scene.invalid.all(axis=0) | ~np.isfinite(scene.stored).all(axis=0),
            ),
        ):
            wanted = invalid | ~scene.mask
            line = run(folder, *COMMAND, *options, "--compute", "float64", "-f", "-o", "y.npy")
            y = np.load(folder / "y.npy")
            assert (np.isnan(y) == wanted).all()
            assert np.allclose(y[:, ~wanted], exact[:, ~wanted], rtol=1e-12, atol=1e-9)
            assert f"{np.count_nonzero(wanted)} invalid pixels" in line


def said_by(folder: Path, *args: str) -> Any:
    done = onebyone(*args, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@settings(max_examples=examples(3))
@given(seeds)
def test_parts_and_commands_count_the_same_pixels(seed: int) -> None:
    """Of two files, a selection across both, and a mask."""
    with new_folder() as folder:
        scene = make_scene(folder, seed)
        np.savez(folder / "w.npz", weight=np.ones((1, CHANNELS - 1)))
        used = ("a.h5", "b.h5", "--mask", "m.h5", "--channels", "!1")
        invalid = scene.invalid[[0, 2, 3, 4]].any(axis=0) | ~scene.mask
        right = {"invalid_pixels": int(np.count_nonzero(invalid))}
        right["pixels"] = invalid.size - right["invalid_pixels"]
        for shard in ("0/3", "1/3", "2/3"):
            run(folder, "apply", *used, "-w", "w.npz", "--shard", shard, "-o", "y.npy")
            run(folder, "stats", *used, "--shard", shard, "-o", f"{shard[0]}.npz")
        (merged,) = said_by(folder, "merge", "y.npy")["outputs"]
        assert merged["invalid_pixels"] == right["invalid_pixels"]
        assert (np.isnan(np.load(folder / "y.npy")[0]) == invalid).all()
        for told in (
            said_by(folder, "merge", "0.npz", "1.npz", "2.npz", "-o", "p.npz"),
            said_by(folder, "fit", "p.npz", "-k", "1", "-o", "m.npz"),
            said_by(folder, "fit", *used, "-k", "1", "-f", "-o", "m.npz"),
        ):
            assert {name: told[name] for name in right} == right
        reduced = said_by(folder, "reduce", *used, "-k", "1", "-o", "s.npy")
        assert reduced["invalid_pixels"] == right["invalid_pixels"]
        # Selected by hand, since a stack of pieces is compared with one file.
        same = ("a.h5", "a.h5", "--mask", "m.h5", "--channels", "!1")
        found = said_by(folder, "compare", *same)["invalid_pixels"]
        alone = np.count_nonzero(scene.invalid[[0, 2]].any(axis=0) | ~scene.mask)
        assert found == {"a": alone, "b": alone}


@settings(max_examples=examples(3))
@given(seeds)
def test_learners_without_eigenvalues(seed: int) -> None:
    """Against the covariance and the values of the valid pixels, in float64."""
    with new_folder() as folder:
        scene = make_scene(folder, seed)
        used = ("a.h5", "b.h5", "--mask", "m.h5", "--channels", "!1")
        chosen = [0, 2, 3, 4]
        valid = ~scene.invalid[chosen].any(axis=0) & scene.mask
        values = scene.meant[chosen][:, valid]
        spectra = np.random.default_rng(seed).uniform(0.1, 1, (4, 2))
        np.savetxt(folder / "e.csv", spectra, delimiter=",")
        for method, options in (
            ("unmix", ("--endmembers", "e.csv")),
            ("random", ("-k", "2")),
            ("ica", ("-k", "2")),
        ):
            way = ("--method", method, *options, "--compute", "float64", "--save", "m.npz", "-f")
            run(folder, "reduce", *used, *way, "-o", "s.npy")
            scores = np.load(folder / "s.npy")
            assert (np.isnan(scores).all(axis=0) == ~valid).all()
            with np.load(folder / "m.npz") as model:
                weight, bias = model["weight"], model["bias"]
            right = weight @ values + bias[:, None]
            size = np.abs(weight) @ np.abs(values).max(axis=1) + np.abs(bias)
            assert (np.abs(scores[:, valid] - right) <= 1e-12 * size[:, None]).all()
            if method == "unmix":
                amounts = np.linalg.lstsq(spectra, values)[0]
                np.testing.assert_allclose(right, amounts, rtol=1e-9, atol=1e-9 * size.max())
            if method == "ica":
                np.testing.assert_allclose(np.cov(right), np.eye(2), atol=1e-9)
                np.testing.assert_allclose(right.mean(axis=1), 0, atol=1e-9)


#: Ways to compute the same, which must not change a byte.
WAYS: dict[str, tuple[str, ...]] = {
    "little memory": ("--memory", "2M", "--threads", "1"),
    "threads": ("--threads", "2"),
    "notes": ("--checkpoint-every", "0"),
}


@pytest.mark.parametrize("suffix", ["npy", "h5", "tif", "img"])
@pytest.mark.parametrize(
    "options", [(), ("--dtype", "int16", "--scale", "-9,9"), ("--dtype", "u2", "--scale", "auto")]
)
def test_the_same_bytes_with_all_at_once(
    tmp_path: Path, suffix: str, options: tuple[str, ...]
) -> None:
    make_scene(tmp_path, 1)
    rng = np.random.default_rng(1)
    # A mean that is subtracted first.
    weight, mean = rng.standard_normal((2, CHANNELS)), np.full(CHANNELS, 900.0)
    names = {"channels": list("abcde"), "outputs": ["sum", "rest"], "mean": mean}
    np.savez(tmp_path / "w.npz", weight=weight, bias=-weight @ mean, **names)
    more = ("--nan-to", "0") if options else ()
    command = (*COMMAND, *options, *more)
    found = {}
    for name, way in WAYS.items():
        run(tmp_path, *command, *way, "-f", "-o", f"y.{suffix}")
        found[name] = digest(tmp_path / f"y.{suffix}")
    if "auto" not in options:
        for shard in ("0/3", "1/3", "2/3"):
            run(tmp_path, *command, "--shard", shard, "-o", f"s.{suffix}")
        run(tmp_path, "merge", f"s.{suffix}")
        found["shards"] = digest(tmp_path / f"s.{suffix}")
    assert len(set(found.values())) == 1


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


#: What files say of the numbers of `in_every_container`.
NAMES = ("red", "green", "blue", "nir", "swir")
SCALE, OFFSET, NODATA = 0.5, 100.0, -9999


def in_every_container(folder: Path) -> list[str]:
    """Write the same numbers, names, packing and nodata to HDF5 and TIFF files."""
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(3)
    x = rng.normal(3000, 50, (CHANNELS, *SIDES)).astype("i2")
    x[rng.random(x.shape) < 0.01] = NODATA
    said = {"_FillValue": np.int16(NODATA), "scale_factor": SCALE, "add_offset": OFFSET}
    last = x.transpose(1, 2, 0)
    for name, stored, options in (
        ("contiguous.h5", x, {}),
        ("chunks.h5", x, {"chunks": (2, 32, 32), "compression": 4, "shuffle": True}),
        ("last.h5", last, {"chunks": (16, 32, 5), "compression": "lzf"}),
        ("big.h5", x.astype(">i2"), {}),
    ):
        with h5py.File(folder / name, "w") as file:
            file.create_dataset("sr", data=stored, **options)
            file["sr"].attrs.update({**said, "channels": list(NAMES)})
    items = [
        f'<Item name="{role.upper()}" sample="{band}" role="{role}">{value}</Item>'
        for band, name in enumerate(NAMES)
        for role, value in (("scale", SCALE), ("offset", OFFSET), ("description", name))
    ]
    text = f"<GDALMetadata>{''.join(items)}</GDALMetadata>"
    extra = [(42112, "s", 0, text, True), (42113, "s", 0, str(NODATA), True)]
    way = {"photometric": "minisblack", "extratags": extra, "metadata": None}
    planar = {**way, "planarconfig": "separate"}
    tifffile.imwrite(folder / "planar.tif", x, **planar)
    tifffile.imwrite(folder / "tiles.tif", x, **planar, tile=(32, 32), compression="deflate")
    tifffile.imwrite(folder / "pixels.tif", last.copy(), **way, planarconfig="contig")
    return ["chunks.h5", "last.h5", "big.h5", "planar.tif", "tiles.tif", "pixels.tif"]


def test_no_container_changes_a_byte_with_all_at_once(tmp_path: Path) -> None:
    """Names in another order, packing, nodata, a mask, a selection and shards."""
    others = in_every_container(tmp_path)
    np.save(tmp_path / "m.npy", np.random.default_rng(1).random(SIDES) > 0.1)
    seen = ("--mask", "m.npy", "--channels", "!2")
    names = {"channels": ["swir", "red", "nir", "green"]}
    weight, mean = np.random.default_rng(2).standard_normal((2, 4)), np.full(4, 1600.0)
    np.savez(tmp_path / "w.npz", weight=weight, bias=-weight @ mean, mean=mean, **names)
    found = set()
    for number, name in enumerate(["contiguous.h5", *others]):
        layout = ("--layout", "HWC") if name == "last.h5" else ()
        way = list(WAYS.values())[number % 3]
        line = run(
            *(tmp_path, "apply", name, "-w", "w.npz", *seen, *layout, *way, "-o", "y.npy", "-f")
        )
        assert "invalid pixels" in line
        for shard in ("0/2", "1/2"):
            command = ("apply", name, "-w", "w.npz", *seen, *layout, "-f")
            run(tmp_path, *command, "--shard", shard, "-o", "s.npy")
        run(tmp_path, "merge", "s.npy", "-f")
        run(tmp_path, "fit", name, "-k", "2", *seen, *layout, "-o", "m.npz", "-f")
        with np.load(tmp_path / "m.npz") as model:
            learned = b"".join(model[part].tobytes() for part in ("weight", "bias", "eigenvalues"))
        found.add((digest(tmp_path / "y.npy"), digest(tmp_path / "s.npy"), learned))
    assert len(found) == 1
    whole, shards, _ = found.pop()
    assert whole == shards


# ------------------------------------------------------------------------- independent readers


def independent(path: Path) -> Any:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about two fill values
        with xarray.open_dataset(path, engine="h5netcdf", phony_dims="sort") as found:
            return next(iter(found.values())).values


def test_xarray_reads_the_same_numbers(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, 0)
    np.save(tmp_path / "eye.npy", np.eye(3))
    options = ("--scale", "-1,1", "--dtype", "i2", "--nodata", "-9999")
    for more, half_a_step in ((), 1e-6), (options, 1 / 65535 + 5e-7):
        run(tmp_path, "apply", "a.h5", "-w", "eye.npy", *more, "-f", "-o", "y.h5")
        there = independent(tmp_path / "y.h5")
        inside = independent(tmp_path / "a.h5")
        # xarray hears no valid ranges, and the nodata value of a user is in place of the file's.
        invalid = scene.invalid[:3].any(axis=0)
        if more:
            invalid = ((scene.stored[:3] == -9999) | (scene.stored[:3] > 9998)).any(axis=0)
        assert (np.isnan(there) == invalid).all()
        valid = ~(scene.invalid[:3].any(axis=0))
        assert np.abs(there - inside)[:, valid].max() <= half_a_step
