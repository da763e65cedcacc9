"""Zarr stores of zarr-python, xarray and OME-Zarr, read; and ours, read by them."""

import json
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from command import onebyone, peak_memory
from formats.test_conformance import load, save
from strategies import DTYPES, same_numbers

from onebyone_cli.errors import DataError, DependencyMissingError, OneByOneError, ReadWriteError
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.metadata import Metadata

zarr = pytest.importorskip("zarr", minversion="3", reason="zarr-python 3 is not installed")
numcodecs = pytest.importorskip("numcodecs")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def stack_of(dtype: str = "float32", shape: tuple[int, ...] = (5, 33, 47)) -> Any:
    rng = np.random.default_rng(1)
    return rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def make(path: Path, stack: Any, **options: Any) -> Any:
    array = zarr.create_array(path, shape=stack.shape, dtype=stack.dtype, **options)
    array[:] = stack
    return array


def said_by(path: object, **options: Any) -> Metadata:
    with opening.open_input(str(path), **options) as reader:
        return reader.about.metadata


V2: dict[str, Any] = {"zarr_format": 2}
BLOSC = [numcodecs.Blosc(name) for name in ("lz4", "zstd", "zlib", "blosclz")]

#: Ways of storing an array.
STORED: dict[str, dict[str, Any]] = {
    "v3": {},
    "v3 plain": {"compressors": None},
    "v3 sharded": {"chunks": (1, 8, 16), "shards": (4, 32, 32)},
    "v3 sharded, plain": {"chunks": (2, 8, 16), "shards": (4, 16, 48), "compressors": None},
    "v3 whole": {"chunks": (5, 33, 47)},
    "v3 gzip": {"compressors": zarr.codecs.GzipCodec(), "chunks": (2, 10, 20)},
    "v3 blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4"), "chunks": (2, 10, 20)},
    "v3 transposed": {"filters": zarr.codecs.TransposeCodec(order=(2, 0, 1)), "chunks": (2, 9, 9)},
    "v3 checked": {
        "compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()],
        "chunks": (2, 10, 20),
    },
    "v3 big-endian": {"serializer": zarr.codecs.BytesCodec(endian="big")},
    "v3 dots": {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}},
    "v2": V2,
    "v2 plain": {**V2, "compressors": None, "chunks": (1, 7, 9)},
    "v2 F order": {**V2, "order": "F", "chunks": (2, 10, 20)},
    "v2 folders": {
        **V2,
        "chunks": (2, 10, 20),
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
    },
    "v2 gzip": {**V2, "compressors": numcodecs.GZip(1)},
    "v2 zlib": {**V2, "compressors": numcodecs.Zlib(1)},
    "v2 zstd": {**V2, "compressors": numcodecs.Zstd(1)},
    "v2 lz4": {**V2, "compressors": numcodecs.LZ4()},
    "v2 bz2": {**V2, "compressors": numcodecs.BZ2()},
    "v2 delta": {**V2, "filters": [numcodecs.Delta("f4")]},
    **{f"v2 blosc {each.cname}": {**V2, "compressors": each} for each in BLOSC},
}


@pytest.mark.parametrize("how", STORED)
def test_stores_of_zarr_python(how: str, tmp_path: Path):
    make(tmp_path / "x.zarr", stack_of(), **STORED[how])
    assert same_numbers(load(str(tmp_path / "x.zarr")), stack_of())


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type(dtype: str, form: int, tmp_path: Path):
    make(tmp_path / "x.zarr", stack_of(dtype), zarr_format=form, chunks=(2, 8, 9))
    assert same_numbers(load(str(tmp_path / "x.zarr")), stack_of(dtype))


def test_big_endian_numbers_of_version_2(tmp_path: Path):
    make(tmp_path / "x.zarr", stack_of().astype(">i2"), zarr_format=2)
    assert same_numbers(load(str(tmp_path / "x.zarr")), stack_of("int16"))


def test_chunks_that_were_never_written_are_the_fill_value(tmp_path: Path):
    options: dict[str, Any] = {"shape": (2, 9, 9), "dtype": "i2", "chunks": (1, 4, 4)}
    for form in (2, 3):
        array = zarr.create_array(
            tmp_path / f"{form}.zarr", fill_value=-5, zarr_format=form, **options
        )
        array[0, :4] = 7
        assert same_numbers(load(str(tmp_path / f"{form}.zarr")), array[:])
    array = zarr.create_array(tmp_path / "s.zarr", fill_value=-5, shards=(2, 8, 8), **options)
    array[0, :4] = 7
    assert same_numbers(load(str(tmp_path / "s.zarr")), array[:])


def test_a_zip_file(tmp_path: Path):
    store = zarr.storage.ZipStore(tmp_path / "x.zarr.zip", mode="w")
    array = zarr.create_array(store, shape=(5, 33, 47), dtype="f4", chunks=(1, 33, 47))
    array[:] = stack_of()
    store.close()
    assert same_numbers(load(str(tmp_path / "x.zarr.zip")), stack_of())


# ----------------------------------------------------------------------------- which array


def test_an_array_of_a_group_is_named_in_two_ways(tmp_path: Path):
    group = zarr.create_group(tmp_path / "x.zarr")
    for name in ("a", "deep/b"):
        made = group.create_array(name, shape=(2, 3, 4), dtype="u1")
        made[:] = len(name)
    (tmp_path / "x.zarr" / "rows").mkdir()
    for name in ("a", "deep/b"):
        for between in ":/":
            found = load(f"{tmp_path}/x.zarr{between}{name}")
            assert found.tolist() == np.full((2, 3, 4), len(name)).tolist()
    assert load(f"{tmp_path}/x.zarr:deep").max() == 6, "a group of one array"
    with pytest.raises(DataError, match=r"has 2 arrays it could be; name one of a, deep/b, as in"):
        load(f"{tmp_path}/x.zarr")
    with pytest.raises(DataError, match="has no array 'c'; name one of a, deep/b"):
        load(f"{tmp_path}/x.zarr:c")


def test_the_only_array_of_numbers_is_read_and_the_others_are_named(tmp_path: Path):
    group = zarr.create_group(tmp_path / "x.zarr")
    group.create_array("waves", shape=(2, 3, 4), dtype="c8")
    group.create_array("line", shape=(9,), dtype="u1")
    group.create_array("cube", shape=(2, 3, 4), dtype="u1")
    with opening.open_input(f"{tmp_path}/x.zarr") as reader:
        assert reader.about.inner == "/cube"
        assert any("waves" in note for note in reader.about.notes)
    with pytest.raises(DataError, match="holds complex64; expected bool, integers"):
        load(f"{tmp_path}/x.zarr:waves")


# ------------------------------------------------------------------------------- OME-Zarr


def make_ome(path: Path, version: str, axes: str) -> Any:
    shape = tuple({"t": 2, "c": 3, "z": 4, "y": 20, "x": 30}[axis] for axis in axes)
    stack = stack_of("uint16", shape)
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    for level in (0, 1):
        part = stack[..., :: level + 1, :: level + 1]
        options = {"dimension_names": list(axes)} if version == "0.5" else {}
        made = group.create_array(f"{level}", shape=part.shape, dtype="u2", **options)
        made[:] = part
    named = axes if version == "0.3" else [{"name": axis, "type": "space"} for axis in axes]
    image = {
        "version": version,
        "axes": list(named),
        "datasets": [
            {
                "path": f"{level}",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [0.5 * (level + 1)] * len(axes)}
                ],
            }
            for level in (0, 1)
        ],
    }
    omero = {"channels": [{"label": name} for name in ("DAPI", "GFP", "Cy5")]}
    said = {"multiscales": [image], "omero": omero}
    group.attrs.update({"ome": said} if version == "0.5" else said)
    labels = group.create_group("labels")
    labels.create_array("cells", shape=shape, dtype="i4")
    return stack


@pytest.mark.parametrize("version", ["0.3", "0.4", "0.5"])
@pytest.mark.parametrize("axes", ["cyx", "tczyx", "zcyx"])
def test_the_full_resolution_of_an_ome_image(version: str, axes: str, tmp_path: Path):
    stack = make_ome(tmp_path / "x.zarr", version, axes)
    expected = np.moveaxis(stack, axes.index("c"), -3)
    with opening.open_input(f"{tmp_path}/x.zarr") as reader:
        assert reader.about.inner == "/0"
        said = reader.about.metadata
    assert same_numbers(load(f"{tmp_path}/x.zarr").reshape(expected.shape), expected)
    assert said.channels == ("DAPI", "GFP", "Cy5")
    assert said.attributes["pixel_size_x"].value == 0.5
    assert said_by(f"{tmp_path}/x.zarr:1").channels == ("DAPI", "GFP", "Cy5")


# --------------------------------------------------------------------------------- xarray


def dataset_of(**more: Any) -> Any:
    xr = pytest.importorskip("xarray", reason="xarray is not installed")
    values = stack_of("float64", (4, 12, 9)) / 10
    values[0, 2, 3] = np.nan
    coordinates = {
        "y": 900.0 - 30 * np.arange(12),
        "x": 100.0 + 30 * np.arange(9),
        "wavelength": ("wavelength", [450.0, 550, 650, 850], {"units": "nm"}),
    }
    return xr.Dataset({"r": (("wavelength", "y", "x"), values, more)}, coordinates)


ENCODINGS: dict[str, dict[str, Any]] = {
    "packed": {"dtype": "int16", "scale_factor": 0.1, "add_offset": 3.0, "_FillValue": -9999},
    "zero": {"dtype": "uint16", "scale_factor": 0.1, "add_offset": -1.0, "_FillValue": 0},
    "float": {"dtype": "float32", "_FillValue": -1.5},
    "plain": {},
}


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("how", ENCODINGS)
def test_datasets_of_xarray(how: str, form: int, tmp_path: Path):
    """The same pixels are valid, and valid ones have the same values."""
    xr = pytest.importorskip("xarray", reason="xarray is not installed")
    path = tmp_path / "x.zarr"
    options = {"zarr_format": form, "consolidated": False}
    dataset_of(units="1").to_zarr(path, encoding={"r": ENCODINGS[how]}, **options)
    with xr.open_zarr(path, consolidated=False) as opened:
        expected = opened["r"].to_numpy()
    np.save(tmp_path / "w.npy", np.eye(4))
    done = onebyone(
        *("apply", "x.zarr", "-w", "w.npy", "-o", "y.npy", "--compute", "float64"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    invalid = np.isnan(expected).any(axis=0)
    assert invalid.sum() >= 1
    found = np.load(tmp_path / "y.npy")
    assert np.isnan(found).all(axis=0).tolist() == invalid.tolist()
    np.testing.assert_allclose(found[:, ~invalid], expected[:, ~invalid], rtol=1e-12)
    said = said_by(path)
    assert (said.wavelengths, said.wavelength_unit) == ((450, 550, 650, 850), "nm")
    assert said.unit == "1"


def test_names_of_channels_and_any_order_of_axes(tmp_path: Path):
    xr = pytest.importorskip("xarray", reason="xarray is not installed")
    stack = stack_of("uint8", (4, 12, 9))
    data = xr.DataArray(stack, dims=("band", "y", "x"), coords={"band": ["B2", "B3", "B4", "B8"]})
    for form in (2, 3):
        path = tmp_path / f"{form}.zarr"
        turned = data.transpose("y", "x", "band").to_dataset(name="r")
        turned.to_zarr(path, zarr_format=form, consolidated=False)
        assert same_numbers(load(str(path)), stack)
        assert said_by(path).channels == ("B2", "B3", "B4", "B8")


def test_a_grid_mapping_and_even_coordinates(tmp_path: Path):
    data = dataset_of(grid_mapping="spatial_ref")
    data["spatial_ref"] = ((), 0, {"crs_wkt": 'PROJCS["of the test"]'})
    data.to_zarr(tmp_path / "x.zarr", zarr_format=2, consolidated=False)
    found = said_by(tmp_path / "x.zarr").georeference
    assert found == ((85.0, 30.0, 0.0, 915.0, 0.0, -30.0), 'PROJCS["of the test"]')


@pytest.mark.parametrize(
    ("form", "fill", "attributes", "expected"),
    [
        (3, 0, {}, ()),
        (2, 0, {}, ()),
        (2, 0, {"_ARRAY_DIMENSIONS": ["c", "y", "x"]}, ((0,),)),
        (2, None, {"_ARRAY_DIMENSIONS": ["c", "y", "x"]}, ()),
        (3, -7, {}, ((-7,),)),
        (2, -7, {}, ((-7,),)),
        (3, 0, {"_FillValue": -3}, ((-3,),)),
        (3, -7, {"missing_value": -3}, ((-3,),)),
    ],
)
def test_which_fill_value_marks_invalid_pixels(
    form: int, fill: Any, attributes: dict[str, Any], expected: Any, tmp_path: Path
):
    options = {"fill_value": fill, "attributes": attributes, "zarr_format": form}
    make(tmp_path / "x.zarr", stack_of("int16"), **options)
    assert said_by(tmp_path / "x.zarr").nodata == expected


# ----------------------------------------------------------------------------------- ours


@pytest.mark.parametrize("more", [(), ("--scale", "0,200")])
def test_our_output_means_the_same_to_xarray(more: tuple[str, ...], tmp_path: Path):
    xr = pytest.importorskip("xarray", reason="xarray is not installed")
    stack = stack_of("int16", (3, 20, 30))
    stack[1, 4, 5] = -9
    make(tmp_path / "x.zarr", stack, fill_value=-9)
    np.save(tmp_path / "w.npy", np.eye(3))
    words = ("apply", "x.zarr", "-w", "w.npy", "--dtype", "int16", *more, "-o", "y.zarr")
    done = onebyone(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with xr.open_zarr(tmp_path / "y.zarr", consolidated=False) as opened:
        assert opened["data"].dims == ("band", "y", "x")
        found = opened["data"].to_numpy()
    expected = np.where((stack == -9).any(axis=0), np.nan, stack.astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=200 / 65535)
    said = said_by(tmp_path / "y.zarr")
    assert said.nodata == ((-9,),)
    assert bool(said.scale) == bool(more)


@pytest.mark.parametrize("dtype", DTYPES)
def test_our_stores_are_read_by_zarr_python(dtype: str, tmp_path: Path):
    stack = stack_of(dtype, (2, 3, 11, 13))
    save(f"{tmp_path}/y.zarr:deep/er", stack)
    assert same_numbers(zarr.open_group(tmp_path / "y.zarr", mode="r")["deep/er"][:], stack)
    assert same_numbers(load(f"{tmp_path}/y.zarr"), stack)


# --------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize(
    "how", ["v3", "v3 plain", "v3 sharded", "v3 sharded, plain", "v2", "v2 gzip"]
)
def test_damaged_chunks_are_refused(how: str, tmp_path: Path):
    make(tmp_path / "x.zarr", stack_of(), **STORED[how])
    chunk = max(
        (
            path
            for path in (tmp_path / "x.zarr").rglob("*")
            if path.is_file() and path.suffix != ".json"
        ),
        key=lambda path: path.stat().st_size,
    )
    content = chunk.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        chunk.write_bytes(content[:length])
        with pytest.raises(OneByOneError) as caught:
            load(str(tmp_path / "x.zarr"))
        assert "x.zarr" in str(caught.value)
        assert "\n" not in str(caught.value)
    if "sharded" in how:
        broken = bytearray(content)
        broken[-20] ^= 1
        chunk.write_bytes(broken)
        with pytest.raises(DataError, match="its index is damaged"):
            load(str(tmp_path / "x.zarr"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"zarr_format": 3, "node_type": "array"}'])
@pytest.mark.parametrize("form", [2, 3])
def test_damaged_metadata_is_refused(form: int, content: str, tmp_path: Path):
    make(tmp_path / "x.zarr", stack_of(), zarr_format=form)
    (tmp_path / "x.zarr" / ("zarr.json" if form == 3 else ".zarray")).write_text(content)
    with pytest.raises(OneByOneError) as caught:
        load(str(tmp_path / "x.zarr"))
    assert "x.zarr" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", [2, 3])
def test_a_change_of_metadata_or_of_a_chunk_is_noticed(form: int, tmp_path: Path):
    path = tmp_path / "x.zarr"
    array = make(path, stack_of(), zarr_format=form, chunks=(1, 10, 10))
    with opening.open_input(str(path)) as reader:
        reader.check_unchanged()
        array[2, :10, :10] = 0
        with pytest.raises(ReadWriteError, match="was changed while"):
            reader.check_unchanged()
    with opening.open_input(str(path)) as reader:
        array.attrs["new"] = 1
        with pytest.raises(ReadWriteError, match="was changed while"):
            reader.check_unchanged()


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text(json.dumps({}))
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(DependencyMissingError, match=r"pip install 'onebyone-cli\[zarr\]'"):
        load(str(tmp_path / "x.zarr"))
    with pytest.raises(DependencyMissingError, match="pip install"):
        save(str(tmp_path / "y.zarr"), stack_of())
    assert not (tmp_path / "y.zarr").exists()


# -------------------------------------------------------------------- memory, and addresses


def test_memory_stays_inside_the_budget(tmp_path: Path):
    np.save(tmp_path / "w.npy", np.eye(8, 16))
    for name, side in (("small", 16), ("large", 1600)):
        array = zarr.create_array(
            tmp_path / f"{name}.zarr", shape=(16, side, side), dtype="f4", chunks=(4, 16, side)
        )
        for row in range(0, side, 16):
            array[:, row : row + 16] = np.ones((16, 16, side), np.float32)
    job = ["-w", "w.npy", "-o", "y.zarr", "-q", "-f", "--threads", "2", "--memory", "64M"]
    base = peak_memory("apply", "small.zarr", *job, cwd=tmp_path)
    used = peak_memory("apply", "large.zarr", *job, cwd=tmp_path)
    assert used - base < (64 * 1.1 + 16) * (1 << 20)


def test_a_web_server_that_lists_nothing(tmp_path: Path):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    group = zarr.create_group(tmp_path / "x.zarr")
    array = group.create_array(
        "data", shape=(5, 33, 47), dtype="f4", dimension_names=["band", "y", "x"]
    )
    array[:] = stack_of()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

        def list_directory(self, path: Any) -> None:
            del path
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/x.zarr"
            for name in (f"{url}/data", f"{url}:data"):
                done = onebyone("compare", name, f"{tmp_path}/x.zarr", cwd=tmp_path)
                assert done.returncode == 0, done.stderr
            assert onebyone("info", f"{url}:none", cwd=tmp_path).returncode == 65
        finally:
            server.shutdown()
            thread.join()
