"""MATLAB files: those of scipy, of versions 5 to 7.2, and HDF5 as MATLAB writes it (7.3)."""

import contextlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import new_folder, read_all, same_numbers, seeds

from onebyone_cli.errors import OneByOneError
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.spec import Slab
from onebyone_cli.stack.spool import Spool

H, W, C = 5, 6, 4

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def load(path: str) -> Any:
    """Read a whole input, through a spool where it can be read only once."""
    with opening.open_input(path) as reader:
        spec = reader.spec
        slabs = [Slab(item, 1, 0, spec.pixels) for item in range(spec.items)]
        if isinstance(reader, Reader):
            return read_all(reader, slabs, spec.dtype)
        with Spool(spec.data_bytes, in_memory=True) as spool:
            reader.drain(spool.append)
            return read_all(spool.reader(reader.stored), slabs, spec.dtype)


def savemat(path: Path, arrays: dict[str, Any], *, compressed: bool = False) -> None:
    pytest.importorskip("scipy.io").savemat(path, arrays, do_compression=compressed)


def save73(path: Path, arrays: dict[str, Any], **classes: str) -> None:
    """Write HDF5 behind 512 bytes of MATLAB, axes in the opposite order."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name] = np.atleast_2d(values).T
            file[name].attrs["MATLAB_class"] = np.bytes_(classes.get(name, "double"))
    content = bytearray(path.read_bytes())
    content[:19] = b"MATLAB 7.3 MAT-file"
    path.write_bytes(content)


def numbers(seed: int, shape: tuple[int, ...], dtype: str = "float64") -> Any:
    return (np.random.default_rng(seed).normal(size=shape) * 50).astype(dtype)


@given(
    st.sampled_from([*DTYPES, "float32", "float64"]), st.booleans(), st.sampled_from([5, 73]), seeds
)
def test_rows_columns_channels(dtype: str, compressed: bool, version: int, seed: int) -> None:
    """The order of MATLAB; a batch is behind it, and a user may name another."""
    cube, batch = numbers(seed, (H, W, C), dtype), numbers(seed, (H, W, C, 3), dtype)
    flat = numbers(seed, (H, W), dtype)
    with new_folder() as folder:
        arrays = {"cube": cube, "batch": batch, "flat": flat, "line": np.arange(9.0)}
        if version == 5:
            savemat(folder / "x.mat", arrays, compressed=compressed)
        else:
            save73(folder / "x.mat", arrays)
        shapes = {each.shape for each in opening.list_datasets(f"{folder}/x.mat")}
        assert shapes == {cube.shape, batch.shape, flat.shape}
        assert same_numbers(load(f"{folder}/x.mat:cube"), cube.transpose(2, 0, 1))
        assert same_numbers(load(f"{folder}/x.mat:batch"), batch.transpose(3, 2, 0, 1))
        assert same_numbers(load(f"{folder}/x.mat:flat"), flat[np.newaxis])


@pytest.mark.parametrize("version", ["5", "compressed", "73"])
def test_what_commands_do_with_it(tmp_path: Path, version: str) -> None:
    """The same bytes as from `.npy`; a mask, a layout and wavelengths beside the cube."""
    cube, mask = numbers(1, (H, W, C)), np.arange(H * W).reshape(H, W) % 3 > 0
    lines = {"wavelength": np.linspace(400, 700, C)}
    named = {"cube": cube, **lines, "note": "some text"}
    if version == "73":
        save73(tmp_path / "x.mat", {"cube": cube, **lines})
        save73(tmp_path / "m.mat", {"keep": mask.astype("u1")}, keep="logical")
    else:
        savemat(tmp_path / "x.mat", named, compressed=version == "compressed")
        savemat(tmp_path / "m.mat", {"keep": mask}, compressed=version == "compressed")
    np.save(tmp_path / "x.npy", cube)
    np.save(tmp_path / "m.npy", mask)
    kernel = ("--kernel", "1 2 .5 .25; 0 0 1 -1")
    for name, layout in (("npy", ("--layout", "HWC")), ("mat", ())):
        more = ("--mask", f"m.{name}", "-o", f"{name}.npy")
        done = onebyone("apply", f"x.{name}", *kernel, *layout, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "mat.npy").read_bytes() == (tmp_path / "npy.npy").read_bytes()
    done = onebyone("info", "x.mat", cwd=tmp_path)
    assert f"{H}×{W}×{C} (H×W×C)" in done.stdout.decode()
    assert "400 to 700" in done.stdout.decode()
    turned = ("stats", "x.mat", "--layout", "CHW", "--json")
    assert f'"shape": [{H}, {W}, {C}]' in onebyone(*turned, cwd=tmp_path).stdout.decode()


def test_an_output_is_not_in_the_order_of_matlab(tmp_path: Path) -> None:
    cube = numbers(1, (H, W, C))
    save73(tmp_path / "x.mat", {"cube": cube})
    done = onebyone("apply", "x.mat", "--kernel", "1 1 1 1", "-o", "y.h5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "y.h5") as file:
        assert not {*file["cube"].attrs} & {"MATLAB_class", "H5PATH"}
        assert np.allclose(file["cube"], cube.sum(axis=2)[np.newaxis])


def test_what_is_no_array_of_numbers(tmp_path: Path) -> None:
    other = {"text": "word", "cell": np.array([1, "a"], object), "z": np.ones((2, 2)) * 1j}
    savemat(tmp_path / "x.mat", {**other, "s": {"a": np.ones((3, 3))}})
    done = onebyone("stats", "x.mat", cwd=tmp_path)
    assert done.returncode == 65
    assert "has no array to read but text (text), cell (a cell array)" in done.stderr
    assert "z (complex numbers), s (a struct)" in done.stderr
    done = onebyone("stats", "x.mat:z", cwd=tmp_path)
    assert "'z' holds complex numbers; expected an array of real numbers" in done.stderr
    save73(tmp_path / "y.mat", {"a": np.ones((3, 4)), "c": np.ones((2, 9), "u2")}, c="char")
    assert [each.name for each in opening.list_datasets(f"{tmp_path}/y.mat")] == ["/a"]


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files(tmp_path: Path, compressed: bool) -> None:
    """Cut short or with other bytes: an error of ours, or numbers."""
    cube = numbers(2, (H, W, C))
    savemat(tmp_path / "x.mat", {"cube": cube}, compressed=compressed)
    content, path = (tmp_path / "x.mat").read_bytes(), tmp_path / "y.mat"
    for length in range(0, len(content), 11):
        path.write_bytes(content[:length])
        with pytest.raises(OneByOneError) as caught:
            load(str(path))
        assert str(path) in str(caught.value)
    rng = np.random.default_rng()
    for _ in range(300):
        damaged = bytearray(content)
        for at in rng.integers(126, 260, 2):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(OneByOneError):
            load(str(path))
    # The checksum of a compressed array is compared.
    damaged = bytearray(content)
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    if compressed:
        with pytest.raises(OneByOneError, match="damaged array"):
            load(str(path))
