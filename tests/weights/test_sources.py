"""Weights are known by their first bytes, in files of any name and in pipes."""

import io
import json
import os
import pickle
import subprocess
import zipfile

import h5py
import numpy as np
import pytest
from command import onebyone, shell

from onebyone_cli.errors import DataError, InputMissingError, PolicyError
from onebyone_cli.weights import load as loading
from onebyone_cli.weights.formats import table
from onebyone_cli.weights.load import load_bias, load_weights

W = [[1.0, 2.0, 3.0]]


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, W)
    return out.getvalue()


def npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, weight=W, bias=[0.0])
    return out.getvalue()


def hdf5() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["weight"], file["bias"] = W, [0.0]
    return out.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"weight": {"dtype": "F64", "shape": [1, 3], "data_offsets": [0, 24]}})
    return len(header).to_bytes(8, "little") + header.encode() + np.array(W).tobytes()


CONTENTS = {
    "npy": npy(),
    "npz": npz(),
    "hdf5": hdf5(),
    "safetensors": safetensors(),
    "json": b'\xef\xbb\xbf {"weight": [[1, 2, 3]]}',
    "json list": b"[[1, 2, 3]]",
    "commas": b"1,2,3\n",
    "blanks": b"a b c\n1 2 3\n",
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", ["w", "w.dat", "w.nxs", "1", "a:b"])
def test_no_name_is_needed(tmp_path, kind, name):
    (tmp_path / name).write_bytes(CONTENTS[kind])
    assert load_weights(str(tmp_path / name)).weight.tolist() == W


@pytest.mark.parametrize("kind", ["npy", "npz", "hdf5", "safetensors"])
def test_a_wrong_name_does_not_count(tmp_path, kind):
    for name in ("w.csv", "w.json", "w.npz", "w.npy", "w.h5"):
        (tmp_path / name).write_bytes(CONTENTS[kind])
        assert load_weights(str(tmp_path / name)).weight.tolist() == W


@pytest.mark.parametrize("kind", CONTENTS)
def test_pipes(tmp_path, kind):
    content = CONTENTS[kind]
    np.save(tmp_path / "x.npy", np.ones((3, 2, 2)))
    (tmp_path / "w.bin").write_bytes(content)
    for name in ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
        args = ("apply", "x.npy", "-w", name, "-o", "-")
        done = onebyone(*args, cwd=tmp_path, input=content)
        assert np.load(io.BytesIO(done.stdout)).ravel().tolist() == [6.0] * 4
        again = shell(f'"$0" apply x.npy -w {name} -o - < w.bin', cwd=tmp_path)
        assert again.stdout == done.stdout


def test_process_substitution_for_weights_and_bias(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2, 2)))
    (tmp_path / "w").write_bytes(CONTENTS["npy"])
    done = shell('"$0" apply x.npy -w <(cat w) --bias <(echo 5) -o y.npy', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (np.load(tmp_path / "y.npy") == 11).all()


@pytest.mark.parametrize(
    "args",
    [
        ("apply", "-", "-w", "-", "-o", "y.npy"),
        ("apply", "-", "-w", "/dev/stdin", "-o", "y.npy"),
        ("apply", "x.npy", "-w", "-", "-w", "-", "-o", "y.npy"),
        ("apply", "x.npy", "-w", "w", "--bias", "-", "-w", "-", "--bias", "1", "-o", "y.npy"),
        ("fit", "-", "--method", "unmix", "--endmembers", "-", "-o", "y.npz"),
        ("weights", "compose", "-", "-", "-o", "y.npz"),
    ],
)
def test_standard_input_is_read_once(tmp_path, args):
    done = onebyone(*args, cwd=tmp_path, input=b"1")
    assert done.returncode == 2
    assert "standard input is named twice" in done.stderr


def test_bias_from_standard_input(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 2, 2)))
    args = ("apply", "x.npy", "--kernel", "1", "--bias", "-", "-o", "y.npy")
    assert onebyone(*args, cwd=tmp_path, input=b"5\n").returncode == 0
    assert (np.load(tmp_path / "y.npy") == 6).all()


def test_other_commands_take_pipes(tmp_path):
    content = CONTENTS["npz"]
    for args in (
        ("weights", "show", "-"),
        ("weights", "convert", "-", "w.csv"),
        ("cost", "-w", "-", "-s", "2x2"),
    ):
        done = onebyone(*args, cwd=tmp_path, input=content)
        assert done.returncode == 0, done.stderr


def torch_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
    return out.getvalue()


@pytest.mark.parametrize("name", ["w", "w.npy", "w.csv", "w.npz"])
@pytest.mark.parametrize("content", [*(pickle.dumps(W, n) for n in range(2, 6)), torch_file()])
def test_a_pickle_is_refused_whatever_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PolicyError, match=r"pickle, which can run code|pickle and can run code"):
        load_weights(str(tmp_path / name))


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02\x03", b"\x1f\x8b\x08\x00", b"\xff\xd8\xff\xe0", b"1\x00,2"]
)
def test_bytes_of_no_kind_are_refused(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(DataError, match=r"no weights file by its first bytes.* expected \.npy"):
        load_weights(str(tmp_path / "w"))


def test_an_endless_pipe_ends(monkeypatch):
    monkeypatch.setattr(loading, "_MOST_BYTES", 1 << 21)
    monkeypatch.setattr(table, "FORMAT", table.FORMAT._replace(limit=1 << 20))
    for line, limit in ((b"1,2,3", 1 << 20), (b"\x93NUMPY", 1 << 21)):
        with subprocess.Popen(["yes", line], stdout=subprocess.PIPE) as endless:
            assert endless.stdout
            name = f"/dev/fd/{endless.stdout.fileno()}"
            with pytest.raises(DataError, match=f"brings more than {limit} bytes"):
                load_weights(name)
            endless.kill()


def test_names_of_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "w")
    for read in (load_weights, load_bias):
        with pytest.raises(InputMissingError, match="a pipe with a name, which is not waited for"):
            read(str(tmp_path / "w"))


def test_a_member_of_a_file_without_members(tmp_path):
    (tmp_path / "w.npy").write_bytes(npy())
    with pytest.raises(InputMissingError, match="holds one array: leave out ':weight'"):
        load_weights(f"{tmp_path}/w.npy:weight")
