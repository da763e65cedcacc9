"""netCDF files of other programs, and ours in theirs: xarray, the netCDF library, GDAL."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Completed, onebyone
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import examples, new_folder, seeds

C, H, W = 5, 6, 7

NAMES = np.array(["B02", "B03", "B04", "B08", "gün"])

ENGINES = ("netcdf4", "h5netcdf")


def imported(name: str) -> Any:
    """Import a library whose warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


@pytest.fixture(autouse=True, scope="module")
def libraries() -> None:
    for name in ("xarray", "netCDF4", "h5netcdf"):
        imported(name)


def run(folder: Path, *arguments: str, status: int = 0) -> Completed:
    done = onebyone(*arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    return done


def cube(seed: int = 0, dtype: str = "f4") -> Any:
    return np.random.default_rng(seed).integers(1, 100, (C, H, W)).astype(dtype)


def scene(x: Any, order: tuple[str, str, str] = ("band", "lat", "lon")) -> Any:
    """A stack as a user of xarray has it, its axes in some order."""
    xr = imported("xarray")
    axes = {
        "band": ("band", NAMES),
        "lat": ("lat", 50 - 0.1 * np.arange(H), {"units": "degrees_north"}),
        "lon": ("lon", 9 + 0.1 * np.arange(W), {"units": "degrees_east", "long_name": "east"}),
        "wavelength": ("band", np.linspace(490, 842, C), {"units": "nm"}),
    }
    said = {"units": "1", "long_name": "reflectance", "platform": "S2"}
    whole = xr.DataArray(x, dims=("band", "lat", "lon"), coords=axes, attrs=said, name="refl")
    return whole.transpose(*order)


def eye(channels: int = C) -> tuple[str, str]:
    """A kernel that copies channels."""
    return "--kernel", "; ".join(" ".join(map(str, row)) for row in np.eye(channels, dtype=int))


def opened(path: Path, engine: str, **options: Any) -> Any:
    xr = imported("xarray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_dataset(path, engine=engine, **options) as file:
            return file.load()


orders = st.permutations(["band", "lat", "lon"])


@settings(max_examples=examples(4))
@given(seeds, orders, st.sampled_from(ENGINES))
def test_what_xarray_wrote_is_written_as_it_would(seed: int, order: Any, engine: str) -> None:
    """Numbers, names, coordinates and attributes of what is selected; read by both engines."""
    x = cube(seed)
    x[:, 0, 1] = np.nan
    with new_folder() as folder:
        scene(x, tuple(order)).to_dataset().to_netcdf(folder / "x.nc", engine=engine)
        run(folder, "apply", "x.nc", *eye(3), "--channels", "B03,B08,gün", "-o", "y.nc")
        right = scene(x).isel(band=[1, 3, 4])
        for each in ENGINES:
            found = opened(folder / "y.nc", each)
            assert found["refl"].dims == ("band", "lat", "lon")
            assert np.array_equal(found["refl"], right, equal_nan=True)
            assert found["refl"].attrs == right.attrs
            assert set(found["refl"].coords) == {"band", "lat", "lon", "wavelength"}
            for name in ("band", "lat", "lon", "wavelength"):
                assert np.array_equal(found[name], right[name])
                assert right[name].attrs.items() <= found[name].attrs.items()
            assert found.attrs["Conventions"].startswith("CF-")
            assert "onebyone" in found.attrs["history"]


def test_combined_channels_have_the_names_of_the_weights(tmp_path: Path) -> None:
    """What was true of the channels of the input is no longer said, what was of its pixels is."""
    scene(cube()).to_dataset().to_netcdf(tmp_path / "x.nc")
    (tmp_path / "w.csv").write_text(",B02,B03,B04,B08,gün\nred,0,0,1,0,0\nsum,1,1,1,1,1\n")
    run(tmp_path, "apply", "x.nc", "-w", "w.csv", "-o", "y.nc:/scores/refl")
    found = opened(tmp_path / "y.nc", "netcdf4", group="scores")
    assert found["refl"].dims == ("channel", "lat", "lon")
    assert np.array_equal(found.sel(channel="sum")["refl"], cube().sum(axis=0))
    assert "wavelength" not in found
    assert "units" not in found["refl"].attrs


def test_the_netcdf_library_adds_to_our_file(tmp_path: Path) -> None:
    netcdf = imported("netCDF4")
    scene(cube()).to_dataset().to_netcdf(tmp_path / "x.nc")
    for name, more in (("y.nc", ()), ("z.nc", ("--compression", "gzip", "--shuffle"))):
        run(tmp_path, "apply", "x.nc", *eye(), *more, "-o", name)
        with netcdf.Dataset(tmp_path / name, "a") as file:
            assert file.data_model == "NETCDF4"
            assert file["refl"].dimensions == ("band", "lat", "lon")
            file.createVariable("mean", "f4", ("lat", "lon"))[:] = file["refl"][:].mean(axis=0)
            file.createDimension("time", None)
            file["refl"].note = "seen"
        with netcdf.Dataset(tmp_path / name) as file:
            assert np.array_equal(file["refl"][:], cube())
            assert np.allclose(file["mean"][:], cube().mean(axis=0))
            assert file["refl"].note == "seen"


def test_nodata_and_packing_are_those_of_the_output(tmp_path: Path) -> None:
    netcdf = imported("netCDF4")
    x = cube()
    x[2, 3, 4] = np.nan
    stored = {"dtype": "i2", "scale_factor": 0.5, "_FillValue": 999}
    scene(x).to_dataset().to_netcdf(tmp_path / "x.nc", encoding={"refl": stored})
    packed = ("--dtype", "uint16", "--scale", "0,100")
    run(tmp_path, "apply", "x.nc", *eye(), *packed, "-o", "y.nc")
    right = np.where(np.isnan(x).any(axis=0), np.nan, x)
    for engine in ENGINES:
        found = opened(tmp_path / "y.nc", engine)["refl"].values
        assert np.allclose(found, right, atol=100 / 65535, equal_nan=True)
    with netcdf.Dataset(tmp_path / "y.nc") as file:
        found = file["refl"]
        assert found.dtype == "u2"
        assert not {"valid_range", "missing_value"} & set(found.ncattrs())
        assert np.array_equal(np.ma.getmaskarray(found[:]), np.isnan(right))


def test_a_reference_system_goes_with_the_pixels(tmp_path: Path) -> None:
    """Also one of CF without WKT."""
    xr = imported("xarray")
    x = xr.DataArray(cube(), dims=("band", "y", "x"), attrs={"grid_mapping": "utm"})
    rows, columns = 4e6 - 30.0 * np.arange(H), 5e5 + 30.0 * np.arange(W)
    units = {"units": "m"}
    axes = {
        "y": ("y", rows, {"standard_name": "projection_y_coordinate", **units}),
        "x": ("x", columns, {"standard_name": "projection_x_coordinate", **units}),
    }
    cf = {
        "grid_mapping_name": "transverse_mercator",
        "longitude_of_central_meridian": 9.0,
        "latitude_of_projection_origin": 0.0,
        "scale_factor_at_central_meridian": 0.9996,
        "false_easting": 5e5,
        "false_northing": 0.0,
        "semi_major_axis": 6378137.0,
        "inverse_flattening": 298.257223563,
    }
    xr.Dataset({"refl": x, "utm": ((), 0, cf)}, coords=axes).to_netcdf(tmp_path / "x.nc")
    run(tmp_path, "apply", "x.nc", "--kernel", "1 1 1 1 1", "-o", "y.nc")
    found = opened(tmp_path / "y.nc", "netcdf4")
    assert cf.items() <= found[found["refl"].attrs["grid_mapping"]].attrs.items()
    assert np.array_equal(found["x"], columns)


@pytest.mark.parametrize("code", [32632, 32733, 4326])
def test_gdal_finds_the_place_of_a_geotiff_in_our_file(tmp_path: Path, code: int) -> None:
    rasterio = imported("rasterio")
    step, x, y = (0.5, 9, 50) if code == 4326 else (30, 5e5, 4e6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        place = rasterio.Affine(step, 0, x, 0, -step, y)
        crs = rasterio.crs.CRS.from_epsg(code)
        with rasterio.open(tmp_path / "x.tif", "w", "GTiff", W, H, 2, crs, place, "uint8") as file:
            file.write(cube(1, "u1")[:2])
    run(tmp_path, "apply", "x.tif", "--kernel", "1 1", "-o", "z.nc")
    found = opened(tmp_path / "z.nc", "h5netcdf")
    assert np.array_equal(found["x"], x + step * (np.arange(W) + 0.5))
    assert np.array_equal(found["y"], y - step * (np.arange(H) + 0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            file = rasterio.open(f"netcdf:{tmp_path}/z.nc:data")
        except rasterio.errors.RasterioIOError:
            pytest.skip("this GDAL reads no netCDF")
        with file:
            assert file.transform == place
            assert file.crs.to_dict() == crs.to_dict() or file.crs == crs
            assert np.array_equal(file.read(1), cube(1, "u1")[:2].sum(axis=0))


def test_axes_of_time_are_a_batch_or_channels(tmp_path: Path) -> None:
    xr = imported("xarray")
    days = np.arange("2024-01-01", "2024-01-04", dtype="M8[D]").astype("M8[ns]")
    dims = ("time", "band", "lat", "lon")
    stacks = np.stack([cube(at) for at in range(3)])
    file = xr.Dataset({"refl": (dims, stacks), "one": (("time", "lat", "lon"), stacks[:, 0])})
    file.assign_coords(time=days).to_netcdf(tmp_path / "x.nc")
    run(tmp_path, "apply", "x.nc:refl", "--kernel", "1 1 1 1 1", "-o", "y.nc")
    found = opened(tmp_path / "y.nc", "netcdf4")
    assert found["refl"].dims == ("time", "channel", "lat", "lon")
    assert np.array_equal(found["time"], days)
    run(tmp_path, "apply", "x.nc:one", "--channels", "1:3", *eye(2), "-o", "z.nc")
    found = opened(tmp_path / "z.nc", "netcdf4")
    assert found["one"].dims == ("time", "lat", "lon")
    assert np.array_equal(found["time"], days[1:])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--dtype", "bool"), "netCDF has no bool; use --dtype uint8"),
        (("--dtype", "float16"), "netCDF has no float16; use --dtype float32"),
        (("--compression", "lzf"), "use --compression gzip, or an .h5 output"),
    ],
)
def test_what_netcdf_lacks_is_refused(tmp_path: Path, options: tuple[str, str], text: str) -> None:
    np.save(tmp_path / "x.npy", cube())
    done = run(
        tmp_path, "apply", "x.npy", "--kernel", "1 1 1 1 1", *options, "-o", "y.nc", status=2
    )
    assert text in done.stderr
    assert not (tmp_path / "y.nc").exists()


def test_a_format_by_its_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", cube())
    named = ("apply", "x.npy", "--kernel", "1 1 1 1 1", "--format", "netcdf", "-o", "y.data")
    run(tmp_path, *named)
    assert opened(tmp_path / "y.data", "netcdf4")["data"].shape == (1, H, W)
    assert b"netCDF-4 variable" in run(tmp_path, "info", "y.data").stdout


@pytest.mark.parametrize("more", [(), ("--chunks", "1x2x3", "--compression", "gzip")])
def test_axes_without_coordinates_have_none(tmp_path: Path, more: tuple[str, ...]) -> None:
    """And the numbers have the bytes of a `.npy` output."""
    np.save(tmp_path / "x.npy", cube())
    kernel = ("--kernel", "1 .5 .25 1 2; 1 1 1 1 1")
    run(tmp_path, "apply", "x.npy", *kernel, *more, "-o", "y.nc")
    run(tmp_path, "apply", "x.npy", *kernel, "-o", "y.npy")
    for engine in ENGINES:
        found = opened(tmp_path / "y.nc", engine)
        assert dict(found.sizes) == {"channel": 2, "y": H, "x": W}
        assert set(found.variables) == {"data"}
        assert found["data"].values.tobytes() == np.load(tmp_path / "y.npy").tobytes()


def test_wavelengths_are_the_coordinate_of_their_axis(tmp_path: Path) -> None:
    xr = imported("xarray")
    lines = ("wavelength", np.linspace(400, 800, C), {"units": "nm"})
    stack = xr.DataArray(cube().transpose(1, 2, 0), dims=("y", "x", "wavelength"), name="refl")
    stack.assign_coords(wavelength=lines).to_dataset().to_netcdf(tmp_path / "x.nc")
    run(tmp_path, "apply", "x.nc", "--channels", "500nm,800nm", *eye(2), "-o", "y.nc")
    found = opened(tmp_path / "y.nc", "netcdf4")["refl"]
    assert np.array_equal(found.sel(wavelength=800), cube()[4])
    assert found["wavelength"].attrs["units"] == "nm"
    assert set(found.coords) == {"wavelength"}
