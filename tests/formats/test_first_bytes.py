"""Files are what their first bytes say, whatever their name and the way to them."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import onebyone, shell

from onebyone_cli import formats
from onebyone_cli.errors import DataError, InputMissingError
from onebyone_cli.formats import opening

STACK = np.arange(60, dtype="f4").reshape(3, 4, 5)

ENDINGS = (
    *(".nc", ".mat", ".nxs", ".hspy", ".emd", ".ims", ".cxi", ".he5", ".hdf", ".nexus"),
    *(".npy", ".png", ".img", ".npz"),
)


def make_h5(path: Path, userblock: int = 0) -> Path:
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file["entry/cube"] = STACK
    return path


@pytest.mark.parametrize("name", ["x" + ending for ending in ENDINGS] + ["x", "x:y", "x.h5.bak"])
@pytest.mark.parametrize("userblock", [0, 512, 2048])
def test_hdf5_under_any_name(tmp_path: Path, name: str, userblock: int) -> None:
    path = make_h5(tmp_path / name, userblock)
    for text in (f"{path}", f"{path}:/entry/cube", f"{path}:entry/cube"):
        with opening.open_input(text) as reader:
            assert reader.about.inner == "/entry/cube"
            assert reader.spec.shape == STACK.shape
    with pytest.raises(DataError, match="no dataset '/wrong'"):
        opening.open_input(f"{path}:/wrong")


@pytest.mark.parametrize("name", ["x", "x.dat", "x.tmp", "x.h5", "x.csv", "x.tif"])
def test_npy_under_any_name(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        np.save(file, STACK)
    with opening.open_input(f"{tmp_path}/{name}") as reader:
        assert reader.spec.shape == STACK.shape
        has_other_suffix = name.endswith((".dat", ".h5", ".tif"))
        assert [
            note.endswith("is a .npy file, whatever its name") for note in reader.about.notes
        ] == [True] * has_other_suffix


def test_a_header_beside_it_makes_an_envi_image(tmp_path: Path) -> None:
    """Numbers of an image can begin like any file; those of a file that is known do not."""
    text = "ENVI\nsamples = 4\nlines = 1\nbands = 1\ndata type = 4\ninterleave = bsq\n"
    (tmp_path / "a.hdr").write_text(text)
    (tmp_path / "a.img").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(8))
    assert formats.of_input(f"{tmp_path}/a.img").name == "envi"
    make_h5(tmp_path / "a.nc")
    assert formats.of_input(f"{tmp_path}/a.nc").name == "hdf5"
    (tmp_path / "a.xyz").write_bytes(bytes(16))
    assert formats.of_input(f"{tmp_path}/a.xyz").name == "envi"


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\x1f\x8b\x08", "is gzip data; unpack it"),
        (b"\x80\x04\x95", "is a Python pickle; it could run code"),
        (bytes(128) + b"DICM", "is a DICOM file"),
        (b"hello", r"has no known suffix; expected \.npy, |has no header; describe its numbers"),
    ],
)
@pytest.mark.parametrize("name", ["x.bin", "x.xyz"])
def test_files_of_other_programs_are_named(
    tmp_path: Path, start: bytes, message: str, name: str
) -> None:
    (tmp_path / name).write_bytes(start + bytes(400))
    with pytest.raises(DataError, match=message):
        opening.open_input(f"{tmp_path}/{name}")


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("manifest.safe", "is a SAFE product; name the images"),
    ],
)
def test_folders_of_other_programs_are_named(tmp_path: Path, inside: str, message: str) -> None:
    (tmp_path / inside).write_text("{}")
    with pytest.raises(DataError, match=message):
        opening.open_input(str(tmp_path))


def test_only_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", STACK)
    for text in ("x.npy:/data", "x.npy:a:b"):
        with pytest.raises(
            DataError, match=r"x\.npy: is a \.npy file, which has no datasets; leave"
        ):
            opening.open_input(f"{tmp_path}/{text}")
    for text in ("none.nc:/data", "none", "none.h5:/data"):
        with pytest.raises(InputMissingError, match="no such file or folder"):
            opening.open_input(f"{tmp_path}/{text}")


@pytest.mark.parametrize("path", ["/dev/stdin", "/dev/fd/3", "/proc/self/fd/3"])
@pytest.mark.parametrize("name", ["x.npy", "x.h5", "x.npz"])
def test_files_behind_descriptors(tmp_path: Path, name: str, path: str) -> None:
    np.save(tmp_path / "x.npy", STACK)
    np.save(tmp_path / "mask.npy", STACK[0] > 5)
    np.savez(tmp_path / "x.npz", STACK)
    make_h5(tmp_path / "x.h5")
    line = f'"$0" "$@" {"" if path == "/dev/stdin" else "3"}< {name}'
    done = shell(line, "stats", path, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [each["valid"] for each in json.loads(done.stdout)["channels"]] == [20] * 3
    line = f'"$0" "$@" {"" if path == "/dev/stdin" else "3"}< mask.npy'
    done = shell(line, "fit", name, "--mask", path, "-k", "1", "-o", "m.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "m.npz") as model:
        assert json.loads(str(model["meta"]))["count"] == 14


def test_a_pipe_of_a_shell(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", STACK)
    make_h5(tmp_path / "x.h5")
    done = shell('"$0" "$@" <(cat x.npy)', "stats", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = shell('"$0" "$@" <(cat x.h5)', "stats", cwd=tmp_path)
    assert done.returncode == 65
    assert "an HDF5 file; give it by its name, not through a pipe" in done.stderr


def test_links_are_followed_to_what_they_are(tmp_path: Path) -> None:
    make_h5(tmp_path / "cube.mat", 512)
    os.symlink("cube.mat", tmp_path / "link.h5")
    shutil.copy(tmp_path / "cube.mat", tmp_path / "copy.npy")
    done = onebyone("info", "link.h5", "copy.npy", cwd=tmp_path)
    assert done.stdout.count(b"HDF5 dataset") == 2, done
