"""ENVI images against Spectral Python, which is another program's reading of the same format."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import Array, cuts, new_folder, numbers_of, read_all, same_numbers, seeds

from onebyone_cli.envi_header import parse_header
from onebyone_cli.errors import DataError, InputMissingError, UsageError
from onebyone_cli.formats import envi, of_input, opening
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.contracts.metadata import Attribute, Georeference, Metadata
from onebyone_cli.formats.contracts.reader import Source
from onebyone_cli.formats.envi.header import CODES
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import StackSpec

ORDERS = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}


def header(spec: StackSpec, **more: object) -> str:
    fields = {
        "samples": spec.width,
        "lines": spec.height,
        "bands": spec.channels,
        "data_type": CODES[spec.dtype],
        "interleave": "bsq",
        "byte_order": 0,
        "header_offset": 0,
        **more,
    }
    lines = [f"{key.replace('_', ' ')} = {value}" for key, value in fields.items()]
    return "\n".join(["ENVI", *lines, ""])


def save(
    folder: Path,
    stack: Array,
    *,
    name: str = "cube.img",
    head: str = "cube.hdr",
    interleave: str = "bsq",
    big: bool = False,
    offset: int = 0,
    text: str = "",
) -> Path:
    """Write an image of any order by hand; returns the name of its numbers."""
    spec = StackSpec(*stack.shape, stack.dtype.name)
    stored = stack.transpose(ORDERS[interleave]).astype(stack.dtype.newbyteorder("<>"[big]))
    (folder / name).write_bytes(b"\xaa" * offset + stored.tobytes())
    own = header(spec, interleave=interleave, byte_order=int(big), header_offset=offset)
    (folder / head).write_text(own + text)
    return folder / name


def load(path: Path | str) -> Array:
    with envi.read(Source(str(path))) as reader:
        assert isinstance(reader, ArrayReader)  # at full speed, in shards, with resume
        spec = reader.spec
        return read_all(reader, list(iter_slabs(spec, 1, spec.pixels)), spec.dtype)


STACK = np.arange(3 * 4 * 5, dtype="i2").reshape(3, 4, 5)


# ---------------------------------------------------------------------- as Spectral Python reads


@given(
    st.data(),
    seeds,
    st.sampled_from(sorted(CODES)),
    st.sampled_from(sorted(ORDERS)),
    st.booleans(),
    st.sampled_from([0, 1, 128, 513]),
)
def test_images_are_read_as_spectral_reads_them(
    data: st.DataObject, seed: int, dtype: str, interleave: str, big: bool, offset: int
) -> None:
    spectral = pytest.importorskip("spectral.io.envi")
    shape = [data.draw(st.integers(1, 9)) for _ in range(3)]
    spec = StackSpec(*shape, dtype)
    stack = numbers_of(seed, spec)
    with new_folder() as folder:
        path = save(folder, stack, interleave=interleave, big=big, offset=offset)
        theirs = spectral.open(str(folder / "cube.hdr"), str(path)).open_memmap()
        assert same_numbers(np.ascontiguousarray(theirs.transpose(2, 0, 1)), stack)
        with envi.read(Source(str(path))) as reader:
            read = read_all(reader, data.draw(cuts(spec)), dtype)
        assert same_numbers(read, stack)


@pytest.mark.parametrize("interleave", sorted(ORDERS))
def test_what_spectral_writes_is_read(tmp_path: Path, interleave: str) -> None:
    spectral = pytest.importorskip("spectral.io.envi")
    said = {
        "wavelength": [450.5, 550, 650],
        "wavelength units": "nm",
        "band names": ["blue", "green", "red"],
        "data ignore value": -9999,
        "fwhm": [10, 11, 12],
        "bbl": [1, 0, 1],
        "map info": ["UTM", 1, 1, 500000, 4000000, 30, 30, 11, "North", "WGS-84"],
        "description": "made by spectral",
    }
    image = STACK.transpose(1, 2, 0)
    spectral.save_image(str(tmp_path / "x.hdr"), image, metadata=said, interleave=interleave)
    assert same_numbers(load(tmp_path / "x.hdr"), STACK)
    with envi.read(Source(str(tmp_path / "x.hdr"))) as reader:
        found = reader.about.metadata
    assert found.channels == ("blue", "green", "red")
    assert (found.wavelengths, found.wavelength_unit) == ((450.5, 550, 650), "nm")
    assert (found.widths, found.good, found.nodata) == (
        (10, 11, 12),
        (True, False, True),
        ((-9999,),),
    )
    assert found.georeference.transform == (500000, 30, 0, 4000000, 0, -30)
    assert found.attributes["description"] == Attribute("made by spectral")


@pytest.mark.parametrize("dtype", sorted(CODES))
def test_outputs_are_read_by_spectral(tmp_path: Path, dtype: str) -> None:
    spectral = pytest.importorskip("spectral.io.envi")
    spec = StackSpec(3, 40, 50, dtype)
    stack = numbers_of(7, spec)
    np.save(tmp_path / "x.npy", stack)
    command = ("apply", "x.npy", "--kernel", "0 0 1;1 0 0", "--dtype", dtype, "--nan-to", "0")
    done = onebyone(*command, "-o", "y.hdr", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = onebyone(*command, "-o", "y.npy", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    theirs = spectral.open(str(tmp_path / "y.hdr")).open_memmap().transpose(2, 0, 1)
    assert same_numbers(np.ascontiguousarray(theirs), np.load(tmp_path / "y.npy"))


# ------------------------------------------------------------------------------- names of files


@pytest.mark.parametrize(
    ("name", "head"),
    [
        *((f"cube{suffix}", "cube.hdr") for suffix in (*envi._DATA_SUFFIXES, "")),
        ("cube.img", "cube.img.hdr"),
        ("cube.IMG", "cube.HDR"),
        ("cube.rfl", "cube.hdr"),
        ("cube.rfl", "cube.rfl.hdr"),
    ],
)
def test_either_file_names_the_image(tmp_path: Path, name: str, head: str) -> None:
    path = save(tmp_path, STACK, name=name, head=head)
    assert of_input(str(path)).name == "envi"
    assert same_numbers(load(path), STACK)
    if name != "cube.rfl" or head == "cube.rfl.hdr":
        assert same_numbers(load(tmp_path / head), STACK)
    with envi.read(Source(str(path))) as reader:
        assert sorted(reader.about.files) == sorted([str(path), str(tmp_path / head)])


def test_the_header_of_the_whole_name_is_the_likelier(tmp_path: Path) -> None:
    save(tmp_path, STACK[:1], name="cube.dat")
    save(tmp_path, STACK, head="cube.img.hdr")
    assert same_numbers(load(tmp_path / "cube.img"), STACK)
    assert same_numbers(load(tmp_path / "cube.hdr"), STACK[:1])


def test_a_header_of_two_files_that_fit_is_refused(tmp_path: Path) -> None:
    save(tmp_path, STACK, name="cube.img")
    save(tmp_path, STACK, name="cube.dat")
    with pytest.raises(DataError, match=r"may belong to .*cube\.img or .*cube\.dat"):
        load(tmp_path / "cube.hdr")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, STACK)
    path.unlink()
    with pytest.raises(InputMissingError, match=r"cube\.hdr: its numbers are missing"):
        load(tmp_path / "cube.hdr")
    (tmp_path / "alone.dat").write_bytes(b"12")
    with pytest.raises(DataError, match=r"alone\.dat: has no ENVI header .*alone\.dat\.hdr"):
        load(tmp_path / "alone.dat")
    (tmp_path / "alone.hdr").write_text("#?RADIANCE\n")
    (tmp_path / "other.xyz").write_bytes(b"12")
    (tmp_path / "other.hdr").write_text("ncols 3\n")
    with pytest.raises(DataError, match="has no known suffix"):
        of_input(str(tmp_path / "other.xyz"))
    with pytest.raises(DataError, match="its first line is not ENVI"):
        load(tmp_path / "alone.dat")


@pytest.mark.parametrize("change", [-1, 1, 100])
def test_files_of_other_sizes_are_refused(tmp_path: Path, change: int) -> None:
    path = save(tmp_path, STACK, offset=8)
    os.truncate(path, 128 + change)
    done = onebyone("info", "cube.hdr", cwd=tmp_path)
    assert done.returncode == 65
    assert f"cube.img: has {128 + change} bytes, and its header promises 128" in done.stderr


# ------------------------------------------------------------------------------------- headers


def test_headers_are_read_however_they_are_spaced(tmp_path: Path) -> None:
    path = save(tmp_path, STACK)
    (tmp_path / "cube.hdr").write_bytes(
        b"ENVI  \r\n; a comment = 3\r\n\r\nSAMPLES=5\r\n  Lines   =   4 \r\nbands = 3\r\n"
        b"Data  Type = 2\r\nBand Names = {\r\n first band,\r\n;second,\r\nsecond\r\n, third }\r\n"
        b"Wavelength = { 1 , 2.5 ,3 }\r\nwavelength units = Micrometers\r\n"
        b"data ignore value = 0\r\n"
        b"note = {a, b}\r\nempty =\r\nno field\r\nsensor type = caf\xe9\r\ngains = {1, 2, 3,}\r\n"
        b'coordinate system string = {PROJCS["x", "y"]}\r\n'
    )
    assert same_numbers(load(path), STACK)
    with envi.read(Source(str(path), layout="HWC")) as reader:
        assert reader.about.axes == "CHW"
        assert reader.about.metadata._replace(origins={}) == Metadata(
            channels=("first band", "second", "third"),
            wavelengths=(1, 2.5, 3),
            wavelength_unit="Micrometers",
            nodata=((0,),),
            georeference=Georeference(crs='PROJCS["x", "y"]'),
            attributes={
                "note": Attribute("{a, b}"),
                "sensor type": Attribute("café"),
                "gains": Attribute(["1", "2", "3"], "C"),
            },
        )


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("data type = 6", "complex numbers"),
        ("data type = 9", "complex numbers"),
        ("data type = 7", "data type = 7; expected 1, 2"),
        ("samples = -5", "samples = -5; expected a whole number"),
        ("samples = 0", "an axis of size 0"),
        ("lines = four", "lines = four; expected a whole number"),
        ("bands =", "bands = nothing; expected a whole number"),
        ("header offset = 1e3", "header offset = 1e3"),
        ("interleave = tiles", "interleave = tiles; expected bsq, bil, bip"),
        ("byte order = 2", "byte order = 2"),
        ("file compression = 1", "compress"),
        ("major frame offsets = {4, 4}", "major frame offsets"),
        ("band names = {a, b", "no closing brace for 'band names'"),
    ],
)
def test_headers_that_can_not_be_read(tmp_path: Path, line: str, match: str) -> None:
    save(tmp_path, STACK, text=line + "\n")
    with pytest.raises(DataError, match=match) as caught:
        load(tmp_path / "cube.img")
    assert str(tmp_path / "cube.hdr") in str(caught.value)


def refusal_of(path: str) -> DataError | None:
    try:
        load(path)
    except DataError as error:
        return error
    return None


@given(st.text(max_size=300), st.integers(0, 200))
def test_any_text_is_refused_or_read(text: str, keep: int) -> None:
    known = header(StackSpec(3, 4, 5, "int16"), band_names="{a, b, c}")
    with new_folder() as folder:
        path = save(folder, STACK)
        (folder / "cube.hdr").write_text(known[:keep] + text, "utf-8", "surrogatepass")
        with suppress(DataError):
            load(path)


# ------------------------------------------------------------------------------------- outputs


def test_names_of_outputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", STACK)
    for name, files in (
        ("a.hdr", ["a.hdr", "a.img"]),
        ("b.img", ["b.hdr", "b.img"]),
        ("c.bsq", ["c.bsq", "c.hdr"]),
    ):
        done = onebyone("apply", "x.npy", "--kernel", "1 1 1", "-o", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert sorted(p.name for p in tmp_path.glob(f"{name[0]}.*")) == files
    done = onebyone(
        *("apply", "x.npy", "--kernel", "1 1 1", "--format", "envi", "-o", "d"), cwd=tmp_path
    )
    assert (done.returncode, sorted(p.name for p in tmp_path.glob("d*"))) == (0, ["d", "d.hdr"])
    assert same_numbers(load(tmp_path / "d"), STACK.sum(0, keepdims=True).astype("f4"))
    for name in ("b.hdr", "b.img", "b.dat"):  # b.dat would have the header of b.img
        done = onebyone("apply", "x.npy", "--kernel", "1 1 1", "-o", name, cwd=tmp_path)
        assert (done.returncode, "exists already" in done.stderr) == (73, True), name


@pytest.mark.parametrize(
    ("name", "more", "interleave"),
    [
        ("x.img", [], "bsq"),
        ("x.bil", [], "bil"),
        ("x.BIP", [], "bip"),
        ("x.img", ["--layout-out", "HCW"], "bil"),
        ("x.hdr", ["--layout-out", "HWC"], "bip"),
        ("x.bsq", ["--layout-out", "CHW"], "bsq"),
    ],
)
def test_interleaves_are_written(
    tmp_path: Path, name: str, more: list[str], interleave: str
) -> None:
    np.save(tmp_path / "x.npy", STACK)
    same = ";".join(" ".join("01"[i == j] for i in range(len(STACK))) for j in range(len(STACK)))
    words = ["--kernel", same, "--dtype", STACK.dtype.name, *more]
    done = onebyone("apply", "x.npy", *words, "-o", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert parse_header((tmp_path / "x.hdr").read_text(), "x")["interleave"] == interleave
    data = tmp_path / name.replace(".hdr", ".img")
    assert data.read_bytes() == STACK.transpose(ORDERS[interleave]).tobytes()
    assert same_numbers(load(data), STACK)


def test_a_suffix_of_another_interleave_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.bil, which is HCW; leave out .*\.bip"):
        opening.make_target(str(tmp_path / "x.bil"), layout="HWC").make_writer(
            StackSpec(2, 2, 3, "uint8")
        )


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16"])
def test_types_that_envi_lacks_are_refused(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(UsageError, match=f"ENVI can't hold {dtype}"):
        opening.make_target(str(tmp_path / "x.img")).make_writer(StackSpec(1, 2, 3, dtype))


def test_an_input_is_no_output(tmp_path: Path) -> None:
    save(tmp_path, STACK)
    for name in ("cube.img", "cube.hdr", "cube.bsq"):
        done = onebyone("apply", "cube.img", "--kernel", "1 1 1", "-f", "-o", name, cwd=tmp_path)
        assert (done.returncode, "input" in done.stderr) == (73, True), (name, done.stderr)
    assert same_numbers(load(tmp_path / "cube.img"), STACK)


def test_shards_make_the_same_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", numbers_of(1, StackSpec(3, 30, 40, "float32")))
    command = ("apply", "x.npy", "--kernel", "1 1 1;0 0 1", "--nodata", "-9")
    assert onebyone(*command, "-o", "whole.hdr", cwd=tmp_path).returncode == 0
    for shard in range(3):
        done = onebyone(*command, "-o", "out.hdr", "--shard", f"{shard}/3", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = onebyone("merge", "out.hdr", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for suffix in (".hdr", ".img"):
        assert (tmp_path / f"out{suffix}").read_bytes() == (
            tmp_path / f"whole{suffix}"
        ).read_bytes()
    assert not list(tmp_path.glob("*.part*"))
    values = parse_header((tmp_path / "out.hdr").read_text(), "out.hdr")
    assert (values["data ignore value"], values["interleave"]) == ("-9.0", "bsq")


def test_names_go_to_hdf5_and_back(tmp_path: Path) -> None:
    said: dict[str, Any] = {
        "band names": "{blue, green, red}",
        "wavelength": "{450.5, 550, 650}",
        "wavelength units": "nm",
        "fwhm": "{9, 9, 12}",
        "bbl": "{1, 0, 1}",
        "map info": "{UTM, 1, 1, 500000, 4000000, 30, 30, 11, North, WGS-84}",
        "coordinate system string": '{PROJCS["x", "y"]}',
        "sensor type": "AVIRIS",
        "data ignore value": "-9999",
        "reflectance scale factor": "10000",
        "default bands": "{3, 2, 1}",
    }
    text = "".join(f"{key} = {value}\n" for key, value in said.items())
    save(tmp_path, STACK, text=text)
    one, two = ("--kernel", "0 0 1;1 0 0"), ("--kernel", "0 1;1 0")
    for step in ((*one, "cube.hdr", "-o", "y.h5"), (*two, "y.h5", "-o", "z.hdr")):
        done = onebyone("apply", *step, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    found = parse_header((tmp_path / "z.hdr").read_text(), "z.hdr")
    kept = {"wavelength units", "map info", "coordinate system string", "sensor type"}
    assert {key: found.get(key) for key in kept} == {key: said[key] for key in kept}
    assert found["band names"] == "{blue, red}"
    assert (found["wavelength"], found["fwhm"], found["bbl"]) == (
        *("{450.5, 650.0}", "{9.0, 12.0}", "{1, 1}"),
    )
    assert "data ignore value" not in found  # NaN marks them in floating-point numbers
    assert not {"reflectance scale factor", "default bands"} & found.keys()


def test_info_tells_what_a_header_says_and_what_is_done_with_it(tmp_path: Path) -> None:
    text = (
        "band names = {a, b, c}\nwavelength = {1, 2, 3}\nwavelength units = nm\nbbl = {1, 1, 0}\n"
        "data ignore value = -1\nreflectance scale factor = 10000\n"
        "data gain values = {0.5, 0.25, 2}\nvalid range = {0, 900}\nsensor type = AVIRIS\n"
        "map info = {UTM, 1, 1, 500000, 4000000, 30, 30, 11, North, WGS-84}\n"
    )
    save(tmp_path, STACK, interleave="bil", text=text)
    done = onebyone("info", "cube.hdr", cwd=tmp_path)
    shown = done.stdout.decode()
    assert max(map(len, shown.splitlines())) <= 80
    told = " ".join(shown.split())
    for line in (
        "ENVI BIL",
        "4×3×5 (H×C×W)",
        "3: a, b, c (band names)",
        "1 to 3 nm (wavelength)",
        "1 of 3: 2 (bbl); --channels good leaves them out",
        "nodata -1 (data ignore value): used",
        "valid range 0 to 900 (valid range): numbers outside are invalid",
        "reflectance scale factor 10000: a divisor of ENVI; not applied",
        "data gain values 0.5, 0.25, 2: radiance gains of ENVI; not applied",
        "corner 500000, 4000000, pixels of 30 × 30",
        "sensor type AVIRIS",
    ):
        assert line in told, shown


def test_spectral_hears_the_same(tmp_path: Path) -> None:
    text = (
        "wavelength = {450.5, 550, 650}\nfwhm = {9, 9.5, 12}\nband names = {a, b, c}\n"
        "data ignore value = -9999.0\nbbl = {1, 0, 1}\n"
    )
    save(tmp_path, STACK, text=text)
    spectral = pytest.importorskip("spectral")
    image = spectral.envi.open(str(tmp_path / "cube.hdr"))
    with opening.open_input(str(tmp_path / "cube.hdr")) as reader:
        found = reader.about.metadata
    assert found.wavelengths == tuple(image.bands.centers)
    assert found.widths == tuple(image.bands.bandwidths)
    assert list(found.channels) == image.metadata["band names"]
    assert found.nodata == ((float(image.metadata["data ignore value"]),),)
    assert list(found.good) == [bool(each) for each in image.metadata["bbl"]]
