"""What HDF5 and netCDF-4 files say beside their numbers, as other readers hear it."""

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import read_all, seeds

from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.operations.meaning import Asked, meaning_of
from onebyone_cli.spec import Slab
from onebyone_cli.stack.selected import select
from onebyone_cli.stack.selection import parse_selection
from onebyone_cli.stack.validity import Marks

C, H, W = 8, 5, 6


def cube(dtype: str = "i2", seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(1, 100, (C, H, W)).astype(dtype)


def said(text: str | Path, layout: str = "") -> Metadata:
    with opening.open_input(str(text), layout=layout) as reader:
        return reader.about.metadata


def make(path: Path, stack: Any, name: str = "cube", **attributes: Any) -> Path:
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset(name, data=stack)
        for key, value in attributes.items():
            dataset.attrs[key] = value
    return path


def meant(text: str | Path) -> Any:
    """The physical values, with NaN for invalid ones, as the metadata say: float64 (C, H, W)."""
    with opening.open_input(str(text)) as reader:
        assert isinstance(reader, Reader)
        spec, meaning = reader.spec, meaning_of([reader], Asked())
        stored = read_all(reader, [Slab(0, 1, 0, spec.pixels)], spec.dtype)
    marks = Marks(meaning.validity, [spec.dtype] * spec.channels, spec.dtype)
    flat = stored.reshape(spec.channels, -1)
    values = flat.astype(np.float64)
    if meaning.packing is not None:
        column = np.array(meaning.packing.scale)[:, None], np.array(meaning.packing.offset)[:, None]
        values = values * column[0] + column[1]
    return np.where(marks.numbers(flat), np.nan, values).reshape(spec.shape)


# ------------------------------------------------------------------------------ other readers


def imported(name: str) -> Any:
    """Import a library whose warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


packings = st.sampled_from([{}, {"scale_factor": 1e-4}, {"scale_factor": 0.5, "add_offset": -3.0}])
types = st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])


@given(types, packings, st.booleans(), st.booleans(), st.booleans(), seeds)
def test_xarray_masks_and_scales_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    packing: dict[str, float],
    has_fill: bool,
    has_missing: bool,
    is_swapped: bool,
    seed: int,
) -> None:
    xr = imported("xarray")
    imported("h5netcdf")
    stack, number = cube(dtype, seed % 1000), np.dtype(dtype).type
    flags = dict(packing) | ({"_FillValue": number(7)} if has_fill else {})
    flags |= {"missing_value": number(7 if has_fill else 9)} if has_missing else {}
    if is_swapped and dtype == "i2":
        flags["_Unsigned"] = "true"
        stack[0] = -stack[0]
    path = tmp_path_factory.mktemp("nc") / "x.nc"
    make(path, stack, **flags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort") as file:
            right = file["cube"].values.astype(np.float64)
    assert np.allclose(meant(path), right, rtol=1e-6, atol=1e-6, equal_nan=True)


# By the netCDF User Guide, bytes have no fill value unless one is named; netCDF4 masks -127.
@given(
    types.filter(lambda dtype: dtype[1] != "1"),
    packings,
    st.sampled_from(["range", "min", "max", "both", "none"]),
    seeds,
)
def test_netcdf4_masks_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    packing: dict[str, float],
    limits: str,
    seed: int,
) -> None:
    """With limits in stored numbers, and the fill values that netCDF sets where none is named."""
    netcdf = imported("netCDF4")
    number = np.dtype(dtype).type
    path = tmp_path_factory.mktemp("nc") / "x.nc"
    with netcdf.Dataset(path, "w") as file:
        for axis, size in (("band", C), ("y", H), ("x", W)):
            file.createDimension(axis, size)
        made = file.createVariable("cube", dtype, ("band", "y", "x"))
        made.set_auto_maskandscale(False)
        made[1:] = cube(dtype, seed % 1000)[1:]
        names = {"range": ["range"], "both": ["min", "max"], "none": []}.get(limits, [limits])
        ends = {"range": [number(10), number(90)], "min": number(10), "max": number(90)}
        for name in names:
            setattr(made, f"valid_{name}", ends[name])
        for name, value in packing.items():
            setattr(made, name, value)
    with netcdf.Dataset(path) as file:
        right = np.ma.filled(file["cube"][:].astype(np.float64), np.nan)
    assert np.allclose(meant(path), right, rtol=1e-6, atol=1e-6, equal_nan=True)


def test_bool_of_pytables(tmp_path: Path) -> None:
    tables = imported("tables")
    keep = np.arange(H * W).reshape(H, W) % 3 > 0
    with tables.open_file(tmp_path / "x.h5", "w") as file:
        file.create_array("/", "keep", keep)
        file.create_array("/", "cube", cube("f4"))
    for name in ("keep", "cube"):
        with opening.open_input(f"{tmp_path}/x.h5:/{name}") as reader:
            assert reader.spec.shape[-2:] == (H, W)
    command = ("fit", "x.h5:/cube", "--mask", "x.h5:/keep", "-k", "1", "-o", "m.npz", "--json")
    done = onebyone(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f'"pixels": {keep.sum()}'.encode() in done.stdout or str(keep.sum()) in done.stderr


# -------------------------------------------------------------------------- numbers and limits


@pytest.mark.parametrize(
    "name",
    [
        *("_FillValue", "missing_value", "Data_Ignore_Value", "data ignore value", "nodata"),
        *("no_data", "NoData_Value", "NODATA", "NoDataValue", "no-data-value", "fill_value"),
    ],
)
@pytest.mark.parametrize(
    "value", [-9999, np.float32(-9999), "-9999", "-9999.0", np.array([-9999.0], "f4"), ["-9999"]]
)
def test_nodata_in_any_spelling(tmp_path: Path, name: str, value: Any) -> None:
    found = said(make(tmp_path / "a.h5", cube(), **{name: value}))
    assert found.nodata == ((-9999,),)
    assert found.origins["nodata"] == name
    assert not found.attributes


def test_several_nodata_values(tmp_path: Path) -> None:
    found = said(make(tmp_path / "a.h5", cube(), _FillValue=-9999, missing_value=[-1, -9999]))
    assert found.nodata == ((-9999, -1),)
    assert found.origins["nodata"] == "_FillValue, missing_value"
    # In CF a list of missing values has no order of channels, whatever its length.
    found = said(make(tmp_path / "b.h5", cube(), missing_value=np.arange(C)))
    assert found.nodata == (tuple(range(C)),)
    found = said(make(tmp_path / "c.h5", cube(), nodata=np.arange(C), _FillValue=-1))
    assert found.nodata == tuple((-1, channel) for channel in range(C))
    found = said(make(tmp_path / "d.h5", cube(), nodata="none"))
    assert found.nodata == ()
    assert "nodata" in found.attributes


def test_the_fill_value_of_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, fill in (("set", -9999), ("zero", 0), ("default", None)):
            file.create_dataset(name, data=cube(), fillvalue=fill, chunks=True)
        file.create_dataset("byte", data=cube("u1"), fillvalue=255)
        file.create_dataset("named", data=cube(), fillvalue=-9999).attrs["nodata"] = -1
    assert said(f"{path}:set").nodata == ((-9999,),)
    assert said(f"{path}:set").origins == {"nodata": "the fill value of the dataset"}
    assert said(f"{path}:byte").nodata == ((255,),)
    assert said(f"{path}:named").nodata == ((-1,),)
    assert said(f"{path}:zero") == said(f"{path}:default") == Metadata()


def test_only_the_names_of_cf_are_a_scale(tmp_path: Path) -> None:
    per_channel = np.linspace(1, 2, C)
    found = said(make(tmp_path / "a.h5", cube(), scale_factor=per_channel, add_offset=["3"]))
    assert (found.scale, found.offset) == (tuple(per_channel), (3,))
    others = {"Scale_Factor": 10000.0, "Data_Scale": 2, "SCALE_FACTOR": 3.0, "Add_Offset": 1}
    found = said(make(tmp_path / "b.h5", cube(), **others))
    assert (found.scale, found.offset) == ((), ())
    assert sorted(found.attributes) == sorted(others)
    for value in (0.0, np.nan, np.inf, "x", [1.0, 2.0]):
        (tmp_path / "c.h5").unlink(missing_ok=True)
        assert said(make(tmp_path / "c.h5", cube(), scale_factor=value)).scale == ()


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"valid_range": np.array([0, 90], "i2")}, ((0, 90),)),
        ({"valid_range": "0, 90"}, ((0, 90),)),
        ({"Valid_Range": [0, 90]}, ((0, 90),)),
        ({"valid_min": 3}, ((3, np.inf),)),
        ({"valid_max": "90"}, ((-np.inf, 90),)),
        ({"valid_min": 3, "valid_max": 90}, ((3, 90),)),
        ({"valid_range": [1, 2, 3]}, ()),
        # The netCDF User Guide: limits of a type that is not that of the stored numbers.
        ({"valid_range": [-0.2, 0.7], "scale_factor": 1e-4, "add_offset": -0.2}, ((0, 9000),)),
        ({"valid_range": [0.0, 1.0], "scale_factor": -0.01}, ((-100, 0),)),
        ({"valid_min": 0.1, "scale_factor": 0.1}, ((1, np.inf),)),
        ({"valid_range": [0.0, 90.0]}, ((0, 90),)),
    ],
)
def test_valid_ranges(tmp_path: Path, attributes: dict[str, Any], expected: Any) -> None:
    assert said(make(tmp_path / "a.h5", cube(), **attributes)).valid_range == expected


def test_limits_in_physical_values_of_each_channel(tmp_path: Path) -> None:
    scale = np.linspace(1, 2, C)
    found = said(make(tmp_path / "a.h5", cube(), scale_factor=scale, valid_range=[0.0, 90.0]))
    assert np.allclose(found.valid_range, [(0, 90 / each) for each in scale])
    assert found.origins["valid_range"] == "valid_range, in physical values"


# --------------------------------------------------------------------------- names and channels


def test_lists_of_channels_in_attributes(tmp_path: Path) -> None:
    names = [f"b{at}" for at in range(C)]
    for key, value in (
        ("band_names", names),
        ("Channel Names", ", ".join(names)),
        ("channels", "\n".join(names)),
    ):
        (tmp_path / "a.h5").unlink(missing_ok=True)
        assert said(make(tmp_path / "a.h5", cube(), **{key: value})).channels == tuple(names)
    text = ", ".join(map(str, range(400, 400 + C)))
    path = make(tmp_path / "b.h5", cube(), wavelengths_nm=text, channels=C)
    assert said(path).wavelengths == tuple(range(400, 400 + C))
    assert said(path).wavelength_unit == "nm"
    assert said(path).channels == ()


TABLES = {
    "beside it": ("a/cube", "a/{}"),
    "in a group of metadata": ("SITE/Reflectance/Data", "SITE/Reflectance/Metadata/Spectral/{}"),
    "in a group of bands": ("reflectance", "sensor_band_parameters/{}"),
}


@pytest.mark.parametrize(("cube_name", "table"), TABLES.values(), ids=list(TABLES))
@pytest.mark.parametrize("shape", [(C,), (C, 1), (1, C)])
def test_tables_of_channels(
    tmp_path: Path, cube_name: str, table: str, shape: tuple[int, ...]
) -> None:
    path = make(tmp_path / "a.h5", cube(), cube_name)
    nm = np.linspace(400, 900, C, dtype="f4")
    make(path, nm.reshape(shape), table.format("Wavelength"), Units="nanometers")
    make(path, np.full(shape, 5.0), table.format("FWHM"))
    make(path, np.arange(C).reshape(shape) % 3, table.format("good_wavelengths"))
    make(path, np.array([f"b{at}" for at in range(C)], "S3"), table.format("band_names"))
    found = said(f"{path}:{cube_name}")
    assert found.wavelengths == tuple(nm.tolist())
    assert found.wavelength_unit == "nanometers"
    assert found.widths == (5.0,) * C
    assert found.good == tuple(at % 3 > 0 for at in range(C))
    assert found.channels == tuple(f"b{at}" for at in range(C))
    assert found.origins["wavelengths"] == "/" + table.format("Wavelength")


def test_the_nearest_table_counts_and_none_of_two(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", cube(), "a/cube")
    make(path, np.arange(C) + 1.0, "b/wavelength")
    make(path, np.arange(C) + 2.0, "c/wavelength")
    assert said(f"{path}:a/cube").wavelengths == ()
    make(path, np.arange(C) + 3.0, "a/wavelength")
    assert said(f"{path}:a/cube").wavelengths[0] == 3
    make(path, cube(), "d/cube", wavelength=np.arange(C) + 4.0)
    assert said(f"{path}:d/cube").wavelengths[0] == 4


def test_tables_elsewhere_are_not_read(tmp_path: Path) -> None:
    make(tmp_path / "other.h5", np.arange(C) + 1.0, "x")
    path = make(tmp_path / "a.h5", cube())
    with h5py.File(path, "a") as file:
        file["wavelength"] = h5py.ExternalLink("other.h5", "/x")
        file.create_dataset("fwhm", (C,), "f8", external=[(tmp_path / "other.h5", 0, 8 * C)])
        layout = h5py.VirtualLayout((C,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (C,))
        file.create_virtual_dataset("bbl", layout)
        file.create_dataset("band_names", (C,), "S9", chunks=(1 << 20,), maxshape=(None,))
    assert said(f"{path}:cube") == Metadata()


def test_coordinates_of_netcdf(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", cube("u1"), grid_mapping="crs: x y")
    with h5py.File(path, "a") as file:
        lines = {"band": [f"b{at}" for at in range(C)], "y": 90 - 30.0 * np.arange(H)}
        for axis, (name, values) in enumerate({**lines, "x": 15 + 30.0 * np.arange(W)}.items()):
            file[name] = values
            file[name].make_scale(name)
            file["cube"].dims[axis].attach_scale(file[name])
        file["crs"] = 0
        file["crs"].attrs["spatial_ref"] = "PROJCS[]"
        file.attrs["history"] = "made"
    found = said(f"{path}:cube")
    assert found.channels == ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7")
    assert found.georeference == ((0.0, 30.0, 0.0, 105.0, 0.0, -30.0), "PROJCS[]")
    assert found.origins["georeference"] == ("spatial_ref of /crs, coordinates of rows and columns")
    assert found.history == "made"
    assert "grid_mapping" not in found.attributes


def test_a_coordinate_of_wavelengths(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", cube())
    make(path, np.linspace(0.4, 0.9, C), "lam", units="um", standard_name="radiation_wavelength")
    make(path, np.arange(C) * 10, "time_of_day")
    with h5py.File(path, "a") as file:
        for name in ("lam", "time_of_day"):
            file[name].make_scale(name)
            file["cube"].dims[0].attach_scale(file[name])
    found = said(f"{path}:cube")
    assert (found.wavelengths[0], found.wavelength_unit) == (0.4, "um")
    assert found.attributes["time_of_day"].axis == "C"


def test_rows_of_characters_are_names(tmp_path: Path) -> None:
    rows = np.array([list(f"b{at}".ljust(4)) for at in range(C)], "S1")
    path = make(make(tmp_path / "a.h5", cube()), rows, "labels")
    assert said(f"{path}:cube").channels == tuple(f"b{at}" for at in range(C))


def test_wavelengths_along_another_axis_are_a_hint(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", cube().transpose(1, 2, 0))
    make(path, np.linspace(400, 900, C), "meta/wavelength")
    done = onebyone("info", "a.h5:cube", cwd=tmp_path)
    assert "looks like H×W×C; --layout HWC?" in done.stderr
    assert len(said(f"{path}:cube", "HWC").wavelengths) == C


@pytest.mark.parametrize(
    "value",
    [
        "true",
        np.array([b"y", b"x", b"c"]),
        np.array([1, 2, 3]),
        np.array(["y", "x"], h5py.string_dtype()),
        np.array(0.5),
    ],
)
@pytest.mark.parametrize("name", ["DIMENSION_LABELS", "DIMENSION_LIST"])
def test_labels_of_another_type_are_not_read(tmp_path: Path, name: str, value: Any) -> None:
    """HDF5 takes them for pointers, and the process crashes."""
    make(tmp_path / "x.h5", cube("i2", 0), **{name: value})
    done = onebyone("info", "x.h5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(C×H×W)" in done.stdout.decode()


def test_a_table_of_channels_is_selected_along_its_own_axis(tmp_path: Path) -> None:
    table = np.arange(2.0 * C).reshape(2, C)
    make(tmp_path / "x.h5", cube("f4", 0), gains=table, turned=table.T)
    with opening.open_input(str(tmp_path / "x.h5")) as opened:
        (reader,) = select([opened], parse_selection("2,0"))
        found = reader.about.metadata.attributes
    assert np.array_equal(found["gains"].value, table[:, [2, 0]])
    assert np.array_equal(found["turned"].value, table.T[[2, 0]])


def labelled(tmp_path: Path) -> Path:
    """A file with a cube of C×H×W and one of H×W×C."""
    return make(make(tmp_path / "a.h5", cube()), cube().transpose(1, 2, 0), "entry/hwc")


@pytest.mark.parametrize(
    ("where", "attributes", "axes"),
    [
        ("entry", {"signal": "hwc", "axes": ["y", "x", "energy"]}, "HWC"),
        ("entry", {"signal": "hwc", "axes": ["y", "x", "."]}, "HWC"),
        ("entry/hwc", {"signal": 1, "axes": "y:x:energy"}, "HWC"),
        ("entry/hwc", {"signal": 1, "axes": "[y,x,energy]"}, "HWC"),
        ("entry", {"signal": "other", "axes": ["y", "x", "energy"]}, "CHW"),
        ("entry", {"signal": "hwc", "axes": ["y", "x"]}, "CHW"),
        ("entry", {"signal": "hwc", "axes": np.arange(3)}, "CHW"),
    ],
)
def test_axes_of_nexus(tmp_path: Path, where: str, attributes: dict[str, Any], axes: str) -> None:
    path = labelled(tmp_path)
    with h5py.File(path, "a") as file:
        for name, value in attributes.items():
            file[where].attrs[name] = value
    with opening.open_input(f"{path}:entry/hwc") as reader:
        assert reader.about.axes == axes
        assert reader.about.container is not None
        assert bool(reader.about.container.labels) == (axes == "HWC")
    with opening.open_input(f"{path}:entry/hwc", layout="CHW") as reader:
        assert reader.about.axes == "CHW"


@pytest.mark.parametrize(
    ("names", "navigate", "axes"),
    [
        (("y", "x", "Energy loss"), (True, True, False), "HWC"),
        (("<undefined>",) * 3, (True, True, False), "HWC"),
        (("", "", ""), (False, True, True), "CHW"),
        (("z", "y", "x"), (True, False, False), "CHW"),
    ],
)
def test_axes_of_hyperspy(
    tmp_path: Path, names: tuple[str, ...], navigate: tuple[bool, ...], axes: str
) -> None:
    path = tmp_path / "a.hspy"
    make(path, cube().transpose(1, 2, 0), "Experiments/scan/data")
    with h5py.File(path, "a") as file:
        for at, (name, flag) in enumerate(zip(names, navigate, strict=True)):
            group = file.create_group(f"Experiments/scan/axis-{at}")
            group.attrs.update({"name": name, "navigate": flag, "size": 1})
    with opening.open_input(str(path)) as reader:
        assert reader.about.axes == axes


def test_enumerations_and_flags_are_their_integers(tmp_path: Path) -> None:
    classes = h5py.enum_dtype({"water": -1, "forest": 3, "town": 300}, "i2")
    stack = np.random.default_rng().choice([-1, 3, 300], (C, H, W)).astype("i2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("enum", data=stack, dtype=classes)
        file.create_dataset("chunked", data=stack, dtype=classes, chunks=True, compression="gzip")
        file.create_dataset("keep", data=stack > 0)
        space = h5py.h5s.create_simple(stack.shape)
        flags = h5py.h5d.create(file.id, b"flags", h5py.h5t.STD_B16BE, space)
        flags.write(h5py.h5s.ALL, h5py.h5s.ALL, stack.astype(">u2"), h5py.h5t.STD_B16BE)
    rights = {"enum": stack, "chunked": stack, "keep": stack > 0, "flags": stack.astype("u2")}
    for name, right in rights.items():
        with opening.open_input(f"{tmp_path}/a.h5:{name}") as reader:
            assert isinstance(reader, Reader)
            found = read_all(reader, [Slab(0, 1, 0, H * W)], reader.spec.dtype)
            assert found.dtype == right.dtype
            assert np.array_equal(found, right)


def test_what_others_describe_by_is_no_candidate(tmp_path: Path) -> None:
    """Bounds and coordinates of two axes, and layers of quality, are not taken for the stack."""
    path = make(tmp_path / "a.h5", cube(), coordinates="lon lat", ancillary_variables="dqf")
    for name in ("lat", "lon", "dqf"):
        make(path, np.ones((H, W)), name)
    make(make(path, np.arange(H), "row", bounds="edges"), np.ones((H, 2)), "edges")
    with opening.open_input(str(path)) as reader:
        assert reader.about.inner == "/cube"
    make(path, np.ones((H, W)), "other")
    assert [each.name for each in opening.list_datasets(str(path))] == ["/cube", "/other"]


def test_packed_coordinates_are_unpacked(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", cube())
    axes = {"y": np.arange(H, dtype="i2")[::-1], "x": np.arange(W, dtype="i2")}
    with h5py.File(path, "a") as file:
        for at, (name, values) in enumerate(axes.items(), 1):
            file[name] = values
            file[name].make_scale(name)
            file[name].attrs.update(scale_factor=0.5, add_offset=10.0, units="rad")
            file[name].attrs["standard_name"] = f"projection_{name}_coordinate"
            file["cube"].dims[at].attach_scale(file[name])
    found = said(f"{path}:cube")
    assert found.georeference.transform == (9.75, 0.5, 0.0, 12.25, 0.0, -0.5)
    assert found.dimensions[2].values == tuple(10 + 0.5 * np.arange(W))
    assert found.dimensions[2].attributes == {
        "standard_name": "projection_x_coordinate",
        "units": "rad",
    }
