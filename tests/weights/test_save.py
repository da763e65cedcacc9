"""Weights written in every format and read again: to the last bit, or told what is left out."""

import os
from pathlib import Path

import numpy as np
import pytest
from command import onebyone
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from strategies import new_folder

from onebyone_cli.errors import OutputRefusedError, UsageError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.formats import SUFFIXES, json, table
from onebyone_cli.weights.load import load_bias, load_weights, read_weights
from onebyone_cli.weights.save import check_suffix, holds_bias, left_out, save_bias, save_weights

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
matrices = npst.arrays(np.float64, npst.array_shapes(min_dims=2, max_dims=2), elements=finite)


def bits(array: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    return array.shape, array.tobytes()


#: Formats that round, or that are not read.
ROUNDED = (".onnx", ".vrt")
EXACT = tuple(suffix for suffix in SUFFIXES if suffix not in ROUNDED)


@pytest.mark.parametrize("suffix", EXACT)
@given(weight=matrices)
@example(weight=np.array([[100.0, 101.0, 1e308], [1e308, 1e308, 1e308]]))  # near a header
def test_every_bit_comes_back(suffix: str, weight: np.ndarray):
    bias = np.linspace(-1, 1, len(weight)) / 3
    with new_folder() as folder:
        path = str(folder / f"w{suffix}")
        save_weights(path, ChannelMap(weight, bias, "w"))
        back = load_weights(path)
        save_bias(str(folder / f"b{suffix}"), bias)
        assert bits(load_bias(str(folder / f"b{suffix}"))) == bits(bias)
    assert bits(back.weight) == bits(np.array(weight, order="C"))
    assert bits(back.bias) == bits(bias if holds_bias(path) else np.zeros(len(bias)))


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_names_that_are_no_text_come_back(suffix: str, tmp_path: Path):
    names = ["b\udcffnd", "\x1b[31m", "\ud800"]
    path = str(tmp_path / f"w{suffix}")
    save_weights(path, ChannelMap(np.ones((1, 3)), np.zeros(1), "w", {"channels": names}))
    assert load_weights(path).meta["channels"] == names


@pytest.mark.parametrize("suffix", EXACT)
def test_a_pipe_takes_them_and_stays(suffix: str, tmp_path: Path):
    pipe, weights = tmp_path / f"pipe{suffix}", ChannelMap(np.eye(2), np.zeros(2), "w")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for save in (save_weights, lambda path, each: save_bias(path, each.bias)):
        save(str(pipe), weights)
        assert os.read(reader, 1 << 16)
    assert pipe.is_fifo()
    os.close(reader)


META = {
    "method": "pca",
    "options": {"k": 2},
    "count": 12,
    "channels": ["röd", "grön"],
    "mean": np.array([0.1, 1 / 3]),
    "scale": np.array([1.0, 2.0]),
    "inverse": np.array([[1.0], [0.5]]),
}


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_what_else_is_known_comes_back(suffix: str, tmp_path: Path):
    path = str(tmp_path / f"w{suffix}")
    weights = ChannelMap(np.array([[0.25, -1 / 3]]), np.array([0.7]), "w", META)
    save_weights(path, weights)
    assert left_out(path, weights) == []
    back = load_weights(path)
    assert back.meta.keys() == META.keys()
    for name, value in META.items():
        np.testing.assert_array_equal(back.meta[name], value)


def test_what_has_no_place_is_named():
    weights = ChannelMap(np.eye(2), np.zeros(2), "w", META)
    assert left_out("w.csv", weights) == sorted(META.keys() - {"channels"})
    assert left_out("w.mat", weights) == sorted(META)
    assert left_out("w.onnx", weights) == ["inverse"]
    unknown = ChannelMap(np.eye(2), np.zeros(2), "w", {"condition": np.array([np.inf])})
    assert left_out("w.json", unknown) == ["condition"]
    assert left_out("w.npz", unknown) == []


def test_members_that_are_not_read_are_named(tmp_path: Path):
    path = str(tmp_path / "w.npz")
    np.savez(path, weight=np.eye(2, dtype="float32"), noise=np.eye(2), mean=np.zeros(2))
    assert read_weights(path).unread == ["noise"]
    assert read_weights(path).dtype == "float32"


@pytest.mark.parametrize("suffix", [".json", ".csv", ".tsv", ".txt"])
def test_what_could_not_be_read_again_is_not_written(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / f"w{suffix}"
    weights = ChannelMap(np.eye(20), np.zeros(20), "w")
    module = {".json": json}.get(suffix, table)
    monkeypatch.setattr(module, "FORMAT", module.FORMAT._replace(limit=100))
    with pytest.raises(UsageError, match="bytes, and text of up to 100 is read"):
        save_weights(str(path), weights)
    assert not path.exists()


def test_more_weights_than_are_read_are_not_made(tmp_path: Path):
    for kind in ("identity -c 12000", "mean -c 200000000", "select --channels 0,1 -c 999999999"):
        done = onebyone("weights", "new", *kind.split(), "-o", "w.npz", cwd=tmp_path)
        assert done.returncode == 2
        assert "a weights file may hold up to 134217728" in done.stderr
    chosen = ("select", "--channels", "9,0", "-c", "99999")
    done = onebyone("weights", "new", *chosen, "-o", "w.npz", cwd=tmp_path)
    assert done.returncode == 0
    weight = load_weights(str(tmp_path / "w.npz")).weight
    assert (weight.shape, np.argwhere(weight).tolist()) == ((2, 99999), [[0, 9], [1, 0]])


@pytest.mark.parametrize("name", ["w", "w.h5", "w.csv.gz"])
def test_other_names_are_refused(name: str):
    with pytest.raises(UsageError, match="no suffix of a weights file"):
        check_suffix(name)


def test_an_existing_file_stays(tmp_path: Path):
    path = tmp_path / "w.csv"
    path.write_text("mine")
    with pytest.raises(OutputRefusedError, match="exists already"):
        save_weights(str(path), ChannelMap(np.eye(2), np.zeros(2), "w"))
    assert path.read_text() == "mine"
    save_weights(str(path), ChannelMap(np.eye(2), np.zeros(2), "w"), force=True)
    assert path.read_text() == "1.0,0.0\n0.0,1.0\n"
