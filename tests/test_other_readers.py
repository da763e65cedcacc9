"""Files of other programs, in every command, against their readers; and our files likewise."""

import json
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from command import onebyone
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import Array, examples, new_folder, seeds

from onebyone_cli.arithmetic.scale import parse_scale
from onebyone_cli.formats.opening import open_input
from onebyone_cli.operations.view.run import ViewJob, ViewRequest
from onebyone_cli.picture.sheet import Room
from onebyone_cli.stack.selection import parse_selection

#: rasterio's, of any file without a georeference.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


class Scene(NamedTuple):
    """What another program reads: values (C, H, W), which of them are invalid, and names."""

    values: Array
    bad: Array
    names: tuple[str, ...] = ()

    @property
    def invalid(self) -> Array:
        """Invalid pixels (H, W)."""
        return np.asarray(self.bad.any(axis=0))


def scene_of(values: Any, bad: Any = False, names: Any = ()) -> Scene:
    """Return a scene; NaN and infinity are invalid, too."""
    values = np.ma.getdata(values).astype(np.float64)
    return Scene(values, ~np.isfinite(values) | bad, tuple(names))


def run(folder: Path, *arguments: str) -> Any:
    """Run a command and return its JSON document."""
    done = onebyone(*arguments, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_seen_alike(folder: Path, name: str, scene: Scene) -> None:
    """Compare what each command finds in a file with the scene."""
    channels, invalid = len(scene.values), np.count_nonzero(scene.invalid)
    assume(scene.invalid.size - invalid > channels + 1 and (~scene.bad).any(axis=(1, 2)).all())
    (told,) = run(folder, "info", name)["paths"]
    assert tuple(told["channel_names"] or ()) == scene.names
    for row, values, bad in zip(
        run(folder, "stats", name)["channels"], scene.values, scene.bad, strict=True
    ):
        valid = values[~bad]
        assert row["valid"] == len(valid)
        np.testing.assert_allclose((row["min"], row["max"]), (valid.min(), valid.max()), rtol=1e-15)
        assert abs(row["mean"] - valid.mean()) <= 1e-9 * (np.abs(valid).max() + valid.std())
    weight = np.random.default_rng(invalid).uniform(0.5, 1, (2, channels))
    np.save(folder / "w.npy", weight)
    done = run(folder, "apply", name, "-w", "w.npy", "--compute", "float64", "-o", "y.npy")
    found, pixels = np.load(folder / "y.npy"), scene.values[:, ~scene.invalid]
    assert done["invalid_pixels"] == invalid
    assert (np.isnan(found) == scene.invalid).all()
    np.testing.assert_allclose(
        found[:, ~scene.invalid], weight @ pixels, rtol=1e-10, atol=1e-12 * np.abs(pixels).max()
    )
    learned = run(folder, "fit", name, "-k", "1", "-o", "m.npz")
    assert (learned["pixels"], learned["invalid_pixels"]) == (pixels.shape[1], invalid)
    right = np.linalg.eigvalsh(np.cov(pixels))[::-1]
    np.testing.assert_allclose(learned["eigenvalues"], right, rtol=1e-10, atol=1e-10 * right[0])
    assert run(folder, "reduce", name, "-k", "1", "-o", "s.npy")["invalid_pixels"] == invalid
    assert (np.isnan(np.load(folder / "s.npy")[0]) == scene.invalid).all()
    compared = run(folder, "compare", name, name)
    assert compared["invalid_pixels"] == {"a": invalid, "b": invalid}
    if np.isfinite(scene.values).all():  # compare compares infinities
        assert compared["count"] == np.count_nonzero(~scene.bad)
    assert invalid_in_pictures(folder / name, channels) == np.count_nonzero(
        scene.bad[[0, channels // 2, channels - 1]].any(axis=0)
    )


def invalid_in_pictures(path: Path, channels: int) -> int:
    """Count the pixels that a composite of the first, middle and last channel shows as invalid."""
    shown = tuple(parse_selection(str(at)) for at in (0, channels // 2, channels - 1))
    request = ViewRequest("rgb", shown, parse_scale("0,1"))
    with ExitStack() as stack, open_input(str(path)) as reader:
        job = ViewJob([reader], request, lambda cells: Room(64, 64), 1 << 24)
        drawing = job.run(stack, lambda *progress: None, (0, 0, 0))
        return int(np.count_nonzero(drawing.invalid)) // job.sheet.times**2


def assert_read_back(found: Scene, scene: Scene, step: Any = 0.0) -> None:
    """Compare a copy of a scene, rounded to steps (C, 1), as another program reads it."""
    valid = ~scene.invalid
    assert (found.bad == scene.invalid).all()
    assert found.names == scene.names
    near = np.abs(found.values - scene.values)[:, valid]
    assert (near <= 0.5 * step + 1e-6 * np.abs(scene.values[:, valid]).max()).all()


def written_again(folder: Path, name: str, channels: int, output: str, *options: str) -> None:
    """Copy all channels to another file."""
    np.save(folder / "eye.npy", np.eye(channels))
    run(folder, "apply", name, "-w", "eye.npy", "-o", output, "-f", *options)


# ----------------------------------------------------------------------------------- numbers


def stack_of(draw: st.DrawFn, types: list[str]) -> Array:
    """Numbers of a type, some of which are one that may be named as nodata."""
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.integers(2, 5)), draw(st.integers(6, 14)), draw(st.integers(6, 14))
    dtype = np.dtype(draw(st.sampled_from(types)))
    x = rng.integers(1, 120, shape).astype(dtype)
    if dtype.kind == "f":
        x += rng.random(shape).astype(dtype)
        holes = rng.random(shape) < 0.02
        x[holes] = rng.choice([np.nan, np.inf, -np.inf], np.count_nonzero(holes))
    x[rng.random(shape) < 0.04] = nodata_of(dtype)
    return x


def nodata_of(dtype: np.dtype[Any]) -> Any:
    """Return a value that programs use to mark what is missing."""
    if dtype.kind == "f":
        return dtype.type(-1e30)  # which float32 rounds
    return dtype.type(
        0 if dtype.itemsize == 1 else np.iinfo(dtype).max if dtype.kind == "u" else -9999
    )


# ---------------------------------------------------------------------- ENVI, Spectral Python


ENVI_TYPES = ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


@st.composite
def of_spectral(draw: st.DrawFn) -> tuple[Array, dict[str, Any], dict[str, Any], int]:
    """Numbers, what the header says, how they are stored, and bytes before them."""
    x = stack_of(draw, ENVI_TYPES)
    channels, said = len(x), {}
    if draw(st.booleans()):
        said["data ignore value"] = draw(st.sampled_from([str, float]))(nodata_of(x.dtype))
    if draw(st.booleans()):
        said["band names"] = [f"band {number}" for number in range(channels)]
    if draw(st.booleans()):
        said["wavelength"] = [400.5 + 10 * number for number in range(channels)]
        said["wavelength units"] = draw(st.sampled_from(["nm", "Micrometers", "Nanometers"]))
        said["fwhm"] = [9.5] * channels
    if draw(st.booleans()):
        said["bbl"] = [1] + [draw(st.integers(0, 1)) for _ in range(channels - 1)]
    if draw(st.booleans()):
        said |= {"reflectance scale factor": 10000, "description": "a = {b}, c"}
    stored = {
        "interleave": draw(st.sampled_from(["bsq", "bil", "bip"])),
        "byteorder": draw(st.integers(0, 1)),
    }
    return x, said, stored, draw(st.sampled_from([0, 1, 129]))


def as_spectral_reads(header: Path) -> tuple[Scene, Any]:
    """Return the scene of an ENVI file, and its metadata."""
    spectral = pytest.importorskip("spectral.io.envi")
    image = spectral.open(str(header))
    x = np.asarray(image.open_memmap()).transpose(2, 0, 1)
    said = image.metadata
    bad: Any = False
    if "data ignore value" in said:
        value = float(said["data ignore value"])
        # float64 rounds the largest integer of 64 bits to the next number.
        own = x.dtype.type if x.dtype.kind == "f" else lambda v: min(int(v), np.iinfo(x.dtype).max)
        bad = x == own(value)
    return scene_of(x, bad, said.get("band names", ())), image


@settings(max_examples=examples(10))
@given(of_spectral())
def test_what_spectral_writes_is_what_spectral_reads(made: Any) -> None:
    spectral = pytest.importorskip("spectral.io.envi")
    x, said, stored, offset = made
    with new_folder() as folder:
        header = folder / "x.hdr"
        spectral.save_image(
            str(header), x.transpose(1, 2, 0), metadata=said, dtype=x.dtype, ext=".img", **stored
        )
        if offset:
            text = header.read_text().replace("header offset = 0", f"header offset = {offset}")
            header.write_text(text)
            numbers = folder / "x.img"
            numbers.write_bytes(b"\xee" * offset + numbers.read_bytes())
        scene, image = as_spectral_reads(header)
        assert_seen_alike(folder, "x.hdr", scene)
        (told,) = run(folder, "info", "x.img")["paths"]
        told = told["metadata"]
        assert told["wavelengths"] == (image.bands.centers or [])
        assert told["widths"] == (image.bands.bandwidths or [])
        assert told["good"] == [bool(each) for each in image.metadata.get("bbl", ())]
        if not all(told["good"]):
            kept = [at for at, good in enumerate(told["good"]) if good]
            rows = run(folder, "stats", "x.hdr", "--channels", "good")["channels"]
            counts = np.count_nonzero(~scene.bad[kept], axis=(1, 2))
            assert [row["valid"] for row in rows] == counts.tolist()
        for output, options in (("y.img", ()), ("z.img", ("--nodata", str(nodata_of(x.dtype))))):
            written_again(folder, "x.hdr", len(x), output, "--compute", "float64", *options)
            found, image = as_spectral_reads((folder / output).with_suffix(".hdr"))
            if not options:
                assert_read_back(found, scene)
            assert image.bands.centers == (told["wavelengths"] or None)
            assert image.bands.bandwidths == (told["widths"] or None)
            assert [bool(int(each)) for each in image.metadata.get("bbl", ())] == told["good"]


# ------------------------------------------------------------------------------ TIFF, rasterio


@st.composite
def of_rasterio(draw: st.DrawFn) -> tuple[Array, dict[str, Any], dict[str, Any], Any]:
    """Numbers, how GDAL is to store them, what it says of the bands, and an internal mask."""
    x = stack_of(draw, ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
    channels, height, width = x.shape
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": x.dtype.name,
        "count": channels,
        "height": height,
        "width": width,
        "photometric": "MINISBLACK",  # else the fourth of four bands of bytes is alpha
        "interleave": draw(st.sampled_from(["pixel", "band"])),
        "compress": draw(st.sampled_from(["NONE", "DEFLATE", "LZW"])),
        "BIGTIFF": draw(st.sampled_from(["YES", "NO"])),
        "ENDIANNESS": draw(st.sampled_from(["LITTLE", "BIG"])),
    }
    if draw(st.booleans()):
        profile |= {"tiled": True, "blockxsize": 16, "blockysize": 16}
    if draw(st.booleans()):
        profile["nodata"] = nodata_of(x.dtype)
    bands: dict[str, Any] = {}
    if draw(st.booleans()):
        same = draw(st.booleans())
        bands["scales"] = [0.5 if same else 0.5 + number for number in range(channels)]
        bands["offsets"] = [draw(st.sampled_from([0.0, -100.0]))] * channels
    if draw(st.booleans()):
        bands["descriptions"] = tuple(f"band {number}" for number in range(channels))
    mask = np.random.default_rng(channels).random((height, width)) > 0.1
    return x, profile, bands, draw(st.sampled_from([None, mask]))


def as_rasterio_reads(path: Path) -> Scene:
    """Return the scene of a TIFF file."""
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(path) as file:
        x = file.read(masked=True)
        bad = np.ma.getmaskarray(x).copy()
        if file.nodata is not None:  # GDAL passes over it where there is a mask
            bad |= x.data == np.asarray(file.nodata).astype(x.dtype)
        scale, offset = (np.array(each)[:, None, None] for each in (file.scales, file.offsets))
        names = file.descriptions if any(file.descriptions) else ()
        return scene_of(x.data.astype(np.float64) * scale + offset, bad, names)


@settings(max_examples=examples(10))
@given(of_rasterio())
def test_what_rasterio_writes_is_what_rasterio_reads(made: Any) -> None:
    rasterio = pytest.importorskip("rasterio")
    x, profile, bands, mask = made
    with new_folder() as folder:
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(folder / "x.tif", "w", **profile) as file,
        ):
            file.write(x)
            for name, value in bands.items():
                setattr(file, name, value)
            if mask is not None:
                file.write_mask(mask)
        scene = as_rasterio_reads(folder / "x.tif")
        assert_seen_alike(folder, "x.tif", scene)
        written_again(folder, "x.tif", len(x), "y.tif", "--compute", "float64")
        assert_read_back(as_rasterio_reads(folder / "y.tif"), scene)
        valid = scene.values[:, ~scene.invalid]
        each = np.ptp(valid, axis=1)[:, None] / 65534
        for scale, step in (("each", each), ("auto", np.ptp(valid) / 65534)):
            options = ("--dtype", "uint16", "--scale", scale, "--nodata", "none")
            if scene.invalid.any():
                continue
            written_again(folder, "x.tif", len(x), "z.tif", *options)
            assert_read_back(as_rasterio_reads(folder / "z.tif"), scene, step)


# ------------------------------------------------------------------------------ netCDF, xarray


@st.composite
def of_xarray(draw: st.DrawFn) -> tuple[Array, dict[str, Any], tuple[str, ...]]:
    """Values as xarray holds them, how it is to store them, and names of channels."""
    x = stack_of(draw, ["i2", "u2", "i4", "f4", "f8"])
    encoding: dict[str, Any] = {"dtype": x.dtype.str}
    if draw(st.booleans()):
        encoding["scale_factor"] = draw(st.sampled_from([1e-4, 0.5, -2.0]))
        encoding["add_offset"] = draw(st.sampled_from([0.0, -0.2, 273.15]))
    if draw(st.booleans()):
        encoding["_FillValue"] = nodata_of(x.dtype)
    if draw(st.booleans()):
        encoding |= {"zlib": True, "chunksizes": (1, 5, 6)}
    named = draw(st.booleans())
    return x, encoding, tuple(f"band {number}" for number in range(len(x))) if named else ()


def as_xarray_reads(path: Path) -> Scene:
    """Return the scene of a file with one variable of three dimensions."""
    xarray = pytest.importorskip("xarray")
    options = {"engine": "h5netcdf", "phony_dims": "sort"}
    with (
        xarray.open_dataset(path, **options) as decoded,
        xarray.open_dataset(path, mask_and_scale=False, **options) as plain,
    ):
        (name,) = (name for name in plain.data_vars if plain[name].ndim == 3)
        found, raw = decoded[name].values, plain[name].values.astype(np.float64)
        said = plain[name].attrs
        # xarray decodes small integers to float32.
        values = raw * said.get("scale_factor", 1.0) + said.get("add_offset", 0.0)
        np.testing.assert_allclose(found[~np.isnan(found)], values[~np.isnan(found)], rtol=1e-5)
        names = plain.coords["band"].values if "band" in plain.coords else said.get("channels", ())
        return scene_of(values, np.isnan(found), map(str, np.atleast_1d(names)))


@settings(max_examples=examples(10))
@given(of_xarray())
def test_what_xarray_writes_is_what_xarray_reads(made: Any) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    x, encoding, names = made
    with new_folder() as folder:
        coords = {"band": ("band", list(names))} if names else {}
        # Values whose stored numbers are those of x.
        scale, offset = encoding.get("scale_factor", 1.0), encoding.get("add_offset", 0.0)
        values = x.astype(np.float64) * scale + offset
        if x.dtype.kind == "i" and "_FillValue" in encoding:
            values[x == encoding["_FillValue"]] = np.nan
        data = xarray.Dataset({"sr": (("band", "y", "x"), values)}, coords=coords)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about NaN that becomes the fill value
            data.to_netcdf(folder / "x.nc", engine="h5netcdf", encoding={"sr": encoding})
        scene = as_xarray_reads(folder / "x.nc")
        assert_seen_alike(folder, "x.nc", scene)
        written_again(folder, "x.nc", len(x), "y.h5", "--compute", "float64")
        assert_read_back(as_xarray_reads(folder / "y.h5"), scene)
        if not scene.invalid.any():
            options = ("--dtype", "uint16", "--scale", "auto", "--nodata", "none")
            written_again(folder, "x.nc", len(x), "z.h5", *options)
            step = np.ptp(scene.values) / 65534
            assert_read_back(as_xarray_reads(folder / "z.h5"), scene, step)
