"""Files that GDAL writes, read through rasterio; the reference is rasterio's own read."""

import io
import json
import os
import re
import sys
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from command import onebyone
from strategies import numbers_of, read_all, read_grid

from onebyone_cli.errors import (
    DataError,
    DependencyMissingError,
    ReadWriteError,
    UsageError,
)
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.metadata import Georeference
from onebyone_cli.formats.gdal.names import absolute, is_remote, stored_file
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import StackSpec

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")

#: rasterio's, of any file without a georeference, when the reference is read or a file is made.
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GROUND = {"crs": "EPSG:32612", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 4e6)}

#: Drivers and options that give back the numbers that they are given.
LOSSLESS = {
    "a.jp2": {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"},
    "a.img": {"driver": "HFA", "COMPRESSED": "YES"},
    "a.tif": {"driver": "GTiff", "tiled": True, "blockxsize": 64, "blockysize": 32},
    "a.pix": {"driver": "PCIDSK"},
    "a.rst": {"driver": "RST"},
}


def make(path, stack, driver="GTiff", **more):
    """Write a stack with GDAL, in the format of `driver`."""
    count, height, width = stack.shape
    shape = {"count": count, "height": height, "width": width, "dtype": stack.dtype.name}
    with rasterio.open(path, "w", driver=driver, **shape, **GROUND, **more) as file:
        file.write(stack)
    return str(path)


def own_read(name):
    with rasterio.open(name) as file:
        return file.read()


def load(name, memory=1 << 26):
    with opening.open_input(str(name), memory=memory) as reader:
        return read_all(reader, list(iter_slabs(reader.spec, 1, 700)), reader.spec.dtype)


def about(name):
    with opening.open_input(str(name)) as reader:
        return reader.about


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_numbers_are_those_that_rasterio_reads(tmp_path, name, dtype):
    channels = 1 if name == "a.rst" else 3
    stack = numbers_of(1, StackSpec(channels, 150, 211, dtype))
    if name == "a.rst" and dtype == "uint16":
        stack = (stack // 2).astype("int16")
    path = make(tmp_path / name, stack, **LOSSLESS[name])
    assert np.array_equal(own_read(path), stack)
    assert np.array_equal(load(f"gdal:{path}"), stack)
    grid = (0, [channels - 1, 0], range(3, 150, 17), range(2, 211, 40))
    with opening.open_input(f"gdal:{path}") as reader:
        found = read_grid(reader, grid, dtype)
    assert np.array_equal(found, stack[[channels - 1, 0]][:, 3:150:17, 2:211:40])


@pytest.mark.parametrize("name", ["a.jp2", "a.img", "a.pix"])
def test_a_file_that_only_gdal_reads_needs_no_prefix(tmp_path, name):
    stack = numbers_of(2, StackSpec(3, 70, 80, "uint8"))
    path = make(tmp_path / name, stack, **LOSSLESS[name])
    (tmp_path / "unnamed").write_bytes((tmp_path / name).read_bytes())
    assert np.array_equal(load(path), stack)
    assert np.array_equal(load(tmp_path / "unnamed"), stack)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint64", "float32", "float64"])
def test_types_and_interleaves(tmp_path, interleave, dtype):
    stack = numbers_of(3, StackSpec(4, 90, 100, dtype))
    path = make(tmp_path / "a.tif", stack, interleave=interleave, compress="deflate")
    assert np.array_equal(load(f"gdal:{path}"), stack, equal_nan=dtype.startswith("float"))


#: Two bands of one source, packed apart; the second has a nodata value of its own.
VRT = """<VRTDataset rasterXSize="80" rasterYSize="70">
  <SRS>EPSG:32612</SRS><GeoTransform>500000, 30, 0, 4000000, 0, -30</GeoTransform>
  <VRTRasterBand dataType="Int16" band="1">
    <Description>red</Description><Scale>0.5</Scale><Offset>2</Offset><UnitType>K</UnitType>
    <Metadata><MDI key="wavelength">650</MDI><MDI key="STATISTICS_MEAN">7</MDI></Metadata>
    <SimpleSource><SourceFilename relativeToVRT="1">s.tif</SourceFilename>
      <SourceBand>2</SourceBand></SimpleSource>
  </VRTRasterBand>
  <VRTRasterBand dataType="Int16" band="2">
    <NoDataValue>-7</NoDataValue><UnitType>K</UnitType>
    <Metadata><MDI key="wavelength">550</MDI><MDI key="STATISTICS_MEAN">9</MDI></Metadata>
    <SimpleSource><SourceFilename relativeToVRT="1">s.tif</SourceFilename>
      <SourceBand>1</SourceBand></SimpleSource>
  </VRTRasterBand>
</VRTDataset>
"""


@pytest.fixture
def vrt(tmp_path):
    stack = numbers_of(4, StackSpec(2, 70, 80, "int16"))
    stack[0, :5] = -7
    make(tmp_path / "s.tif", stack, tiled=True, blockxsize=16, blockysize=16)
    path = tmp_path / "a.vrt"
    path.write_text(VRT)
    return path


def test_a_vrt_says_what_its_bands_are(vrt):
    said = about(vrt).metadata
    assert np.array_equal(load(vrt), own_read(vrt))
    assert said.channels == ("red", "band 2")
    assert (said.scale, said.offset, said.unit) == ((0.5, 1.0), (2.0, 0.0), "K")
    assert said.nodata == ((), (-7.0,))
    assert said.wavelengths == (650, 550)
    assert said.attributes == {}
    assert said.georeference.transform == (5e5, 30.0, 0.0, 4e6, 0.0, -30.0)
    assert rasterio.CRS.from_wkt(said.georeference.crs) == rasterio.CRS.from_epsg(32612)
    assert set(about(vrt).files) == {str(vrt), str(vrt.with_name("s.tif"))}


def test_packed_bands_are_applied_as_rasterio_masks_and_scales_them(vrt, tmp_path):
    job = ("apply", vrt, "--kernel", "2 -1", "--dtype", "float64", "-o", "y.tif")
    assert onebyone(*job, cwd=tmp_path).returncode == 0
    with rasterio.open(vrt) as file:
        values = file.read(masked=True).astype("float64")
        values = values * np.reshape(file.scales, (2, 1, 1)) + np.reshape(file.offsets, (2, 1, 1))
    expected = 2 * values[0] - values[1]
    with rasterio.open(tmp_path / "y.tif") as file:
        found = file.read(1)
        assert file.crs == rasterio.CRS.from_epsg(32612)
        assert file.transform == GROUND["transform"]
    assert np.array_equal(np.isnan(found), expected.mask)
    assert np.allclose(found, expected.filled(np.nan), rtol=1e-12, equal_nan=True)


def test_bytes_do_not_depend_on_container_memory_or_threads(vrt, tmp_path):
    np.save(tmp_path / "x.npy", own_read(vrt))
    jobs = [("x.npy", "64M", 1), ("a.vrt", "64M", 2), ("gdal:a.vrt", "3M", 3)]
    outputs = []
    for name, memory, threads in jobs:
        options = ("--stored", "--nodata", "none", "--memory", memory, "--threads", str(threads))
        job = ("apply", name, "--kernel", "0.3 0.7; 1 -2", *options, "-o", "-")
        outputs.append(onebyone(*job, cwd=tmp_path))
    assert outputs[0].returncode == 0, outputs[0].stderr
    assert outputs[0].stdout == outputs[1].stdout == outputs[2].stdout


@pytest.mark.parametrize("internal", ["YES", "NO"])
def test_the_mask_of_a_dataset_is_used(tmp_path, internal):
    stack = numbers_of(5, StackSpec(2, 40, 50, "uint8"))
    mask = np.full((40, 50), 255, "uint8")
    mask[10:20, 5:30] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal):
        path = make(tmp_path / "a.tif", stack)
        with rasterio.open(path, "r+") as file:
            file.write_mask(mask)
    job = ("stats", f"gdal:{path}", "--json")
    ended = onebyone(*job, cwd=tmp_path)
    assert [each["valid"] for each in json.loads(ended.stdout)["channels"]] == [1750, 1750]


def test_alpha_and_palette(tmp_path):
    stack = numbers_of(6, StackSpec(4, 20, 30, "uint8"))
    path = make(tmp_path / "a.tif", stack, photometric="RGB", alpha="YES")
    assert about(f"gdal:{path}").notes == ("band 4 is marked as alpha; it is a channel",)
    assert about(f"gdal:{path}").masks == ()
    path = make(tmp_path / "p.tif", stack[:1])
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {0: (255, 0, 0, 255), 1: (0, 0, 255, 255)})
    with pytest.raises(DataError, match="has a palette"):
        opening.open_input(f"gdal:{tmp_path}/p.tif")
    with opening.open_input(f"gdal:{tmp_path}/p.tif", indices=True) as reader:
        assert reader.spec.shape == (1, 20, 30)


def test_bands_of_several_types(tmp_path, vrt):
    mixed = VRT.replace('"Int16" band="2"', '"UInt16" band="2"').replace(">-7<", ">7<")
    vrt.write_text(mixed)
    with opening.open_input(str(vrt)) as reader:
        assert reader.spec.dtype == "int32"
        assert "bands of int16 and uint16, read as int32" in reader.about.notes
    vrt.write_text(VRT.replace('"Int16" band="2"', '"CFloat32" band="2"'))
    with pytest.raises(DataError, match="holds complex numbers"):
        opening.open_input(str(vrt))
    vrt.write_text(VRT.replace('"Int16"', '"Int64"', 1).replace('"Int16"', '"UInt64"'))
    with pytest.raises(DataError, match="bands of int64 and uint64, which no one type holds"):
        opening.open_input(str(vrt))


def test_archives_and_subdatasets(tmp_path):
    import h5py

    stack = numbers_of(7, StackSpec(1, 20, 30, "uint8"))
    path = make(tmp_path / "a.tif", stack)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "in/a.tif")
    inside = f"/vsizip/{tmp_path}/a.zip/in/a.tif"
    for name in (inside, f"gdal:{inside}", f"gdal:/vsizip/{{{tmp_path}/a.zip}}/in/a.tif"):
        assert np.array_equal(load(name), stack)
        assert about(name).files == (f"{tmp_path}/a.zip",)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"], file["two"] = stack[0], stack[0] + 1
    with pytest.raises(DataError, match=r"has 2 subdatasets; name one: gdal:HDF5:.*//one, .*//two"):
        opening.open_input(f"gdal:{tmp_path}/a.h5")
    named = f'gdal:HDF5:"{tmp_path}/a.h5"://two'
    assert np.array_equal(load(named), stack + 1)
    assert about(named).files == (f"{tmp_path}/a.h5",)


def test_a_server(tmp_path):
    stack = numbers_of(8, StackSpec(2, 70, 80, "uint16"))
    make(tmp_path / "a.tif", stack, tiled=True, blockxsize=16, blockysize=16)
    handler = partial(_Ranges, tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            name = f"/vsicurl/http://127.0.0.1:{server.server_port}/a.tif"
            # Another process asks: GDAL opens files while no other thread of Python runs.
            job = ("--kernel", "1 0; 0 1", "--dtype", "uint16", "-o", "-")
            ended = onebyone("apply", name, *job, cwd=tmp_path)
            gone = onebyone("apply", name.replace("a.tif", "b.tif"), *job, cwd=tmp_path)
        finally:
            server.shutdown()
            thread.join()
    assert np.array_equal(np.load(io.BytesIO(ended.stdout)), stack)
    assert gone.returncode == 66
    assert "can't be opened by GDAL" in gone.stderr


class _Ranges(BaseHTTPRequestHandler):
    """Serve parts of the files of a folder, as GDAL asks for them."""

    protocol_version = "HTTP/1.0"

    def __init__(self, folder, *given):
        self.folder = folder
        super().__init__(*given)

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, *, with_body):
        path = self.folder / self.path.strip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data, part = path.read_bytes(), self.headers.get("Range", "")
        first, last = re.match(r"bytes=(\d+)-(\d+)", part).groups() if part else (0, len(data))
        body = data[int(first) : int(last) + 1]
        self.send_response(206 if part else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        if part:
            end = int(first) + len(body) - 1
            self.send_header("Content-Range", f"bytes {first}-{end}/{len(data)}")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        """Print nothing."""


def test_what_is_wrong_is_refused_in_one_line(tmp_path, vrt):
    (tmp_path / "text.txt").write_text("no raster")
    vrt.with_name("s.tif").unlink()
    cases = {
        "gdal:none.tif": (66, "no such file or folder"),
        "gdal:text.txt": (65, "can't be opened by GDAL: not recognized as being in a supported"),
        "/vsizip/none.zip/a.tif": (65, "can't be opened by GDAL: does not exist in the file"),
        "gdal:a.vrt": (65, "can't be read by GDAL: .*s.tif: No such file"),
    }
    for name, (status, message) in cases.items():
        ended = onebyone("stats", name, cwd=tmp_path)
        assert ended.returncode == status
        last = ended.stderr.splitlines()[-1]
        assert last.startswith(f"onebyone: {name}: ")
        assert re.search(message, last)
        assert "Warning" not in ended.stderr


def test_damage_is_found_and_nothing_is_left(tmp_path):
    stack = numbers_of(9, StackSpec(1, 200, 200, "uint16"))
    path = make(tmp_path / "a.tif", stack, compress="deflate", tiled=True)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[len(data) // 2 :] = bytes([7]) * (len(data) - len(data) // 2)
    (tmp_path / "a.tif").write_bytes(data)
    ended = onebyone("apply", f"gdal:{path}", "--kernel", "1", "-o", "y.npy", cwd=tmp_path)
    assert ended.returncode == 65
    assert "can't be read by GDAL: " in ended.stderr
    assert len(ended.stderr.splitlines()) == 2  # the first is about the georeference
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_a_missing_driver_and_a_missing_library_tell_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.hdf").write_bytes(b"\x0e\x03\x13\x01" + bytes(100))
    with rasterio.Env() as env:
        if "HDF4" not in env.drivers():
            with pytest.raises(DependencyMissingError, match=r"conda install .*libgdal-hdf4"):
                opening.open_input(str(tmp_path / "a.hdf"))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(DependencyMissingError, match=r"pip install 'onebyone-cli\[gdal\]'"):
        opening.open_input("gdal:a.tif")


def test_a_file_that_changes_is_noticed(tmp_path):
    path = make(tmp_path / "a.tif", numbers_of(1, StackSpec(1, 20, 30, "uint8")))
    with opening.open_input(f"gdal:{path}") as reader:
        reader.check_unchanged()
        make(tmp_path / "a.tif", numbers_of(2, StackSpec(1, 20, 30, "uint8")))
        with pytest.raises(ReadWriteError, match="was changed"):
            reader.check_unchanged()


def test_no_output_is_named_like_an_input_of_gdal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("gdal:y.tif", "/vsizip/y.zip/y.tif", "y.jp2"):
        with pytest.raises(UsageError, match="can be read, not written"):
            opening.make_target(name)


#: A band that a function in the file computes.
DERIVED = """ subClass="VRTDerivedRasterBand">
    <PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>
    <PixelFunctionCode>def f(*given, **named): open('ran', 'w')</PixelFunctionCode>"""


def test_code_in_a_file_is_not_run(vrt):
    vrt.write_text(VRT.replace('band="1">', f'band="1"{DERIVED}'))
    ended = onebyone("stats", "a.vrt", cwd=vrt.parent)
    assert ended.returncode == 65
    assert not (vrt.parent / "ran").exists()


def test_shards_of_one_job_read_one_subdataset(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"] = numbers_of(1, StackSpec(1, 600, 1000, "float32"))[0]
        file["two"] = file["one"][...] + 1
        expected = 2 * file["one"][...]
    job = ("--kernel", "2", "-o", "y.npy", "--shard")
    one, two = 'gdal:HDF5:"a.h5"://one', 'gdal:HDF5:"a.h5"://two'
    assert onebyone("apply", one, *job, "0/2", cwd=tmp_path).returncode == 0
    assert onebyone("apply", two, *job, "1/2", cwd=tmp_path).returncode == 0
    merged = onebyone("merge", "y.npy", cwd=tmp_path)
    assert merged.returncode != 0
    assert "dataset" in merged.stderr
    again = onebyone("apply", one, *job, "1/2", "--resume", "restart", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert onebyone("merge", "y.npy", cwd=tmp_path).returncode == 0
    assert np.array_equal(np.load(tmp_path / "y.npy")[0], expected)


def test_a_forked_process_opens_the_dataset_again(tmp_path):
    stack = numbers_of(1, StackSpec(2, 70, 80, "uint8"))
    path = make(tmp_path / "a.tif", stack, compress="deflate")
    with opening.open_input(f"gdal:{path}") as reader:
        slabs = list(iter_slabs(reader.spec, 1, 700))
        child = os.fork()
        if not child:
            os._exit(not np.array_equal(read_all(reader, slabs, "uint8"), stack))
        assert np.array_equal(read_all(reader, slabs, "uint8"), stack)
        assert os.waitpid(child, 0)[1] == 0


def test_names(tmp_path):
    assert absolute("gdal:none.tif") == "gdal:none.tif"
    (tmp_path / "a.h5").touch()
    name = f'HDF5:"{tmp_path}/a.h5"://b'
    assert absolute(f"gdal:{name}") == f"gdal:{name}"
    assert stored_file(f"{tmp_path}/a.h5") == f"{tmp_path}/a.h5"
    assert stored_file("/vsicurl/https://host/a.tif") == ""
    assert is_remote("/vsis3/bucket/a.tif")
    assert not is_remote("/vsimem/a.tif")


def test_georeference_of_a_file_without_one(tmp_path):
    shape = {"count": 1, "height": 3, "width": 4, "dtype": "uint8"}
    rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **shape).close()
    assert about(f"gdal:{tmp_path}/a.tif").metadata.georeference == Georeference()
