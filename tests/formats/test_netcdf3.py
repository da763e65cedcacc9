"""netCDF-3 files of other programs: classic, with 64-bit offsets, with 64-bit data."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import cuts, new_folder, pixels_of, read_all, read_channels, same_numbers, seeds

from onebyone_cli.errors import OneByOneError
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.reader import Reader

C, H, W = 4, 5, 6

FORMATS = {
    "NETCDF3_CLASSIC": ["i1", "i2", "i4", "f4", "f8"],
    "NETCDF3_64BIT_OFFSET": ["i1", "i2", "i4", "f4", "f8"],
    "NETCDF3_64BIT_DATA": ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"],
}


def netcdf4() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("netCDF4")


def numbers(seed: int, shape: tuple[int, ...], dtype: str) -> Any:
    return np.random.default_rng(seed).integers(1, 100, shape).astype(dtype)


def make(path: Path, kind: str, variables: dict[str, Any], dims: Any, *, records: bool) -> None:
    """Write variables along the same axes, one after another or record by record."""
    with netcdf4().Dataset(path, "w", format=kind) as file:
        first = max(variables.values(), key=np.ndim)
        for at, (name, size) in enumerate(zip(dims, first.shape, strict=True)):
            file.createDimension(name, None if records and at == 0 else size)
        for name, values in variables.items():
            made = file.createVariable(name, values.dtype.str[1:], dims[: values.ndim])
            made.set_auto_maskandscale(False)
            made[:] = values


@given(data=st.data(), seed=seeds, records=st.booleans(), kind=st.sampled_from([*FORMATS]))
def test_the_numbers_of_the_netcdf_library(
    data: st.DataObject, seed: int, records: bool, kind: str
) -> None:
    """Any type, order of axes and batch; records of several variables lie between each other."""
    dims = data.draw(
        st.sampled_from([("band", "y", "x"), ("y", "x", "band"), ("time", "band", "y", "x")])
    )
    dtype = data.draw(st.sampled_from(FORMATS[kind]))
    sides = st.integers(1, 6)
    shape = tuple(data.draw(sides) for _ in dims)
    x = numbers(seed, shape, dtype)
    others = {f"o{at}": numbers(at, shape[: at + 1], "i2") for at in range(data.draw(sides) % 4)}
    with new_folder() as folder:
        make(folder / "x.nc", kind, {**others, "x": x}, dims, records=records)
        with opening.open_input(f"{folder}/x.nc:x") as reader:
            assert isinstance(reader, Reader)
            spec = reader.spec
            found = read_all(reader, data.draw(cuts(spec)), spec.dtype)
            right = np.moveaxis(x, -1, 0) if dims[-1] == "band" else x
            assert same_numbers(found, right)
            slab = data.draw(cuts(spec))[-1]
            some = read_channels(reader, 0, 1, slab, spec.dtype)
            assert same_numbers(some, pixels_of(right.reshape(spec.shape), slab)[:, :1])


@pytest.mark.parametrize("records", [True, False])
def test_scipy_wrote_it(tmp_path: Path, records: bool) -> None:
    """The same bytes as from a `.npy` file of the same numbers."""
    scipy_io = pytest.importorskip("scipy.io")
    x = numbers(1, (C, H, W), "f4")
    with scipy_io.netcdf_file(tmp_path / "x.nc", "w") as file:
        for name, size in zip(("band", "y", "x"), (None if records else C, H, W), strict=True):
            file.createDimension(name, size)
        file.createVariable("refl", "f4", ("band", "y", "x"))[:] = x
        file.createVariable("time_of_band", "i2", ("band",))[:] = np.arange(C)
    np.save(tmp_path / "x.npy", x)
    for name in ("nc", "npy"):
        kernel = ("--kernel", "1 .5 .25 1; 1 1 1 1")
        done = onebyone("apply", f"x.{name}", *kernel, "-o", f"{name}.npy", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "nc.npy").read_bytes() == (tmp_path / "npy.npy").read_bytes()


def test_what_it_says_is_what_netcdf_4_says(tmp_path: Path) -> None:
    """One data set of xarray in both containers: names, wavelengths, units, place, packing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xr = pytest.importorskip("xarray")
        netcdf4()
    x = numbers(2, (C, H, W), "f4")
    x[:, 2, 3] = np.nan
    axes = {
        "band": ("band", ["B02", "B03", "B04", "B08"]),
        "lat": ("lat", 50 - 0.5 * np.arange(H), {"units": "degrees_north"}),
        "lon": ("lon", 9 + 0.5 * np.arange(W), {"units": "degrees_east"}),
        "wavelength": ("band", np.linspace(490, 842, C), {"units": "nm"}),
        "lat_bounds": (("lat", "two"), np.zeros((H, 2))),
    }
    axes["lat"][2]["bounds"] = "lat_bounds"
    stack = xr.DataArray(x, dims=("band", "lat", "lon"), attrs={"units": "K", "sensor": "MSI"})
    file = xr.Dataset({"refl": stack}, coords=axes, attrs={"history": "made"})
    packed = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 3.0, "_FillValue": -99}
    said = []
    for name, kind in (("a.nc", "NETCDF4"), ("b.nc", "NETCDF3_64BIT")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file.to_netcdf(tmp_path / name, format=kind, encoding={"refl": packed})
        with opening.open_input(str(tmp_path / name)) as reader:
            assert reader.about.notes == ()
            said.append(reader.about.metadata._replace(origins={}))
    assert said[0].channels == ("B02", "B03", "B04", "B08")
    assert said[0].georeference.transform == (8.75, 0.5, 0.0, 50.25, 0.0, -0.5)
    assert said[1] == said[0]


def test_unsigned_numbers_and_fill_values(tmp_path: Path) -> None:
    x = np.array([[[1, -2], [-32767, 4]]], "i2")
    make(tmp_path / "x.nc", "NETCDF3_CLASSIC", {"x": x}, ("band", "y", "x"), records=False)
    with netcdf4().Dataset(tmp_path / "x.nc", "a") as file:
        found = file["x"][:]
        assert np.ma.count_masked(found) == 1
    with opening.open_input(str(tmp_path / "x.nc")) as reader:
        assert reader.about.metadata.nodata == ((-32767,),)
    with netcdf4().Dataset(tmp_path / "x.nc", "a") as file:
        file["x"].setncattr("_Unsigned", "true")
        file["x"].setncattr("missing_value", np.int16(-2))
    with opening.open_input(str(tmp_path / "x.nc")) as reader:
        assert reader.spec.dtype == "uint16"
        assert reader.about.metadata.nodata == ((65534,),)


def test_damaged_files(tmp_path: Path) -> None:
    """Cut short or with other bytes in the header: an error of ours, or numbers."""
    variables = {"x": numbers(1, (C, H, W), "i2"), "z": numbers(2, (C, H), "f8")}
    make(tmp_path / "x.nc", "NETCDF3_CLASSIC", variables, ("t", "y", "x"), records=True)
    content = (tmp_path / "x.nc").read_bytes()
    path = tmp_path / "y.nc"
    for length in range(0, len(content) - 100, 7):
        path.write_bytes(content[:length])
        with pytest.raises(OneByOneError) as caught:
            opening.open_input(f"{path}:x").close()
        assert str(path) in str(caught.value)
    rng = np.random.default_rng()
    for _ in range(300):
        damaged = bytearray(content)
        for at in rng.integers(4, 300, 2):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(OneByOneError), opening.open_input(str(path)) as reader:
            assert reader.about.metadata is not None
