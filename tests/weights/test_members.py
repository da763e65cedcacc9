"""The weight and the bias among the arrays of files of other programs."""

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import examples

from onebyone_cli.errors import DataError, DependencyMissingError, OneByOneError, PolicyError
from onebyone_cli.weights.load import load_bias, load_weights, network_layers, read_weights

W = np.random.default_rng(0).normal(size=(2, 5)).astype("f4")
BIAS = np.array([0.5, -1.0], "f4")
TORCH, KERAS = W[..., None, None], W.T[None, None]


def write(path: Path, arrays: dict[str, Any]) -> str:
    """Write arrays in the format of the suffix."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    else:
        path.write_bytes(safetensors(arrays))
    return str(path)


def safetensors(arrays: dict[str, Any]) -> bytes:
    codes = {"f4": "F32", "f8": "F64", "f2": "F16", "i4": "I32", "u1": "U8"}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array)
        header[name] = {
            "dtype": codes[raw.dtype.str[1:]],
            "shape": list(raw.shape),
            "data_offsets": [len(data), len(data) + raw.nbytes],
        }
        data += raw.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


#: Arrays, and the names of weight and bias among them.
PAIRS = {
    "PyTorch": ({"conv.weight": TORCH, "conv.bias": BIAS}, "conv.weight", "conv.bias"),
    "PyTorch, 1D": ({"a.b.weight": W[..., None], "a.b.bias": BIAS}, "a.b.weight", "a.b.bias"),
    "Keras 3": (
        {"layers/conv2d/vars/0": KERAS, "layers/conv2d/vars/1": BIAS},
        "layers/conv2d/vars/0",
        "layers/conv2d/vars/1",
    ),
    "Keras 2": (
        {
            "model_weights/c/c/kernel:0": KERAS,
            "model_weights/c/c/bias:0": BIAS,
            "optimizer_weights/m/kernel:0": KERAS,
        },
        "model_weights/c/c/kernel:0",
        "model_weights/c/c/bias:0",
    ),
    "Flax": ({"params/Dense_0/kernel": KERAS, "params/Dense_0/bias": BIAS},
             "params/Dense_0/kernel", "params/Dense_0/bias"),
    "no bias": ({"a/vars/0": KERAS, "seed": np.ones(3, "f4")}, "a/vars/0", ""),
    "a bias of another length": ({"c.weight": TORCH, "c.bias": np.ones(5, "f4")}, "c.weight", ""),
}  # fmt: skip

SUFFIXES = ("npz", "h5", "safetensors")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", PAIRS)
def test_the_only_pair_is_found_and_a_named_weight_has_its_bias(tmp_path, suffix, kind):
    arrays, weight, bias = PAIRS[kind]
    path = write(tmp_path / f"w.{suffix}", arrays)
    slash = "/" if suffix == "h5" else ""
    expected = BIAS.tolist() if bias else [0, 0]
    for name in (path, f"{path}:{slash}{weight}"):
        found, dtype, unread = read_weights(name)
        assert found.weight.tolist() == W.tolist()
        assert found.bias.tolist() == expected
        assert (dtype, found.source) == ("float32", name)
        others = {f"{slash}{each}" for each in arrays} - {f"{slash}{weight}", f"{slash}{bias}"}
        assert set(unread) == others
        assert any(f"the bias is '{slash}{bias}'" in note for note in found.notes) == bool(bias)
        told = any(f"the weight is '{slash}{weight}'" in note for note in found.notes)
        assert told == (name == path)
    if bias:
        assert load_bias(f"{path}:{slash}{bias}").tolist() == BIAS.tolist()
        assert load_bias(path).tolist() == BIAS.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_are_not_chosen_from(tmp_path, suffix):
    path = write(tmp_path / f"w.{suffix}", {"a.weight": TORCH, "b.weight": TORCH})
    with pytest.raises(DataError, match=r"name one of '/?a\.weight' \(2, 5, 1, 1\), '/?b\.weight'"):
        load_weights(path)
    path = write(tmp_path / f"v.{suffix}", {"a.weight": TORCH, "b.weight": np.ones((2, 2, 3, 3))})
    with pytest.raises(DataError, match=r"name one of '/?a\.weight'"):
        load_weights(path)
    path = write(tmp_path / f"u.{suffix}", {"covariance": np.ones((3, 3)), "mean": np.ones(3)})
    with pytest.raises(DataError, match=r"has no member 'weight' but '/?covariance', '/?mean'"):
        load_weights(path)
    with pytest.raises(DataError, match=r"has no member '/?no' but"):
        load_weights(f"{path}:no")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_apply(tmp_path, suffix):
    np.save(tmp_path / "x.npy", np.ones((5, 2, 2), "f4"))
    write(tmp_path / f"w.{suffix}", PAIRS["Keras 3"][0])
    slash, expected = "/" if suffix == "h5" else "", W.sum(axis=1) + BIAS
    for name in (f"w.{suffix}", f"w.{suffix}:{slash}layers/conv2d/vars/0"):
        done = onebyone("apply", "x.npy", "-w", name, "-f", "-o", "y.npy", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.load(tmp_path / "y.npy")[:, 0, 0], expected, rtol=1e-5)


def test_the_weight_of_a_model_can_be_had_without_its_bias(tmp_path):
    path = write(tmp_path / "w.npz", {"weight": W, "bias": BIAS})
    assert load_weights(path).has_bias
    assert not load_weights(f"{path}:weight").has_bias


@pytest.mark.parametrize(("code", "dtype"), [("F16", "f2"), ("I32", "i4"), ("U8", "u1")])
def test_types_of_safetensors(tmp_path, code, dtype):
    numbers = np.arange(6).reshape(2, 3).astype(dtype)
    path = write(tmp_path / "w.safetensors", {"weight": numbers})
    assert code.encode() in Path(path).read_bytes()
    assert load_weights(path).weight.tolist() == numbers.tolist()


def test_bfloat16(tmp_path):
    numbers = np.array([[1.5, -2.0, 0.375]], "f4")
    raw = write(tmp_path / "w.safetensors", {"weight": np.zeros((1, 3), "f2")})
    upper = (numbers.view("u4") >> 16).astype("u2").tobytes()
    content = Path(raw).read_bytes().replace(b'"F16"', b'"BF16"')
    length = int.from_bytes(content[:8], "little") + 1
    Path(raw).write_bytes(length.to_bytes(8, "little") + content[8:-6] + upper)
    found = read_weights(raw)
    assert found.weights.weight.tolist() == numbers.tolist()
    assert found.dtype == "bfloat16"


def altered(**fields: Any) -> bytes:
    entry = {"dtype": "F32", "shape": [2, 5], "data_offsets": [0, 40]} | fields
    text = json.dumps({"weight": entry}).encode()
    return len(text).to_bytes(8, "little") + text + W.tobytes()


@pytest.mark.parametrize(
    "content",
    [
        altered(data_offsets=[0, 44]),
        altered(data_offsets=[8, 40]),
        altered(data_offsets=[40, 0]),
        altered(data_offsets=[-40, 0]),
        altered(data_offsets=[0, 40.0]),
        altered(data_offsets=[0]),
        altered(shape=[2, True]),
        altered(shape=[2, -5]),
        altered(shape=[2**40, 2**40]),
        altered(shape=5),
        altered(dtype="F8_E4M3"),
        altered(dtype=None),
        altered()[:-1],
        (10**6).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (9).to_bytes(8, "little") + b'{"a": 12}',
        (20).to_bytes(8, "little") + b'{"a": {}, "a": {}}  ',
    ],
)
def test_hostile_safetensors(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(DataError):
        load_weights(str(tmp_path / "w.safetensors"))


def hostile(path: Path, kind: str) -> str:
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["weight"] = W
    other.with_suffix(".bin").write_bytes(W.tobytes())
    with h5py.File(path, "w") as file:
        if kind == "external link":
            file["weight"] = h5py.ExternalLink(str(other), "/weight")
        elif kind == "soft link to one":
            file["far"] = h5py.ExternalLink(str(other), "/weight")
            file["weight"] = h5py.SoftLink("/far")
        elif kind == "external storage":
            file.create_dataset(
                "weight", W.shape, "f4", external=[(str(other.with_suffix(".bin")), 0, 40)]
            )
        else:
            layout = h5py.VirtualLayout(W.shape, "f4")
            layout[:] = h5py.VirtualSource(str(other), "weight", W.shape)
            file.create_virtual_dataset("weight", layout)
    return str(path)


@pytest.mark.parametrize(
    "kind", ["external link", "soft link to one", "external storage", "virtual dataset"]
)
def test_numbers_of_other_files_are_refused(tmp_path, kind):
    path = hostile(tmp_path / "w.h5", kind)
    with pytest.raises(PolicyError):
        load_weights(f"{path}:/weight")
    if "link" not in kind:
        with pytest.raises(PolicyError):
            load_weights(path)
    np.save(tmp_path / "x.npy", np.ones((5, 2, 2), "f4"))
    done = onebyone("apply", "x.npy", "-w", f"{path}:/weight", "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 77


def test_links_within_the_file(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["deep/weight"] = W
        file["here"] = h5py.SoftLink("/deep/weight")
        file["a"] = h5py.SoftLink("/b")
        file["b"] = h5py.SoftLink("/a")
        file["loop"] = file["/"]
    assert load_weights(str(path)).weight.tolist() == W.tolist()
    assert load_weights(f"{path}:here").weight.tolist() == W.tolist()
    with pytest.raises(DataError, match="circular"):
        load_weights(f"{path}:a")


@pytest.mark.parametrize("shape", [(2**15, 2**15), (2**20, 2**20)])
def test_hdf5_that_claims_the_moon(tmp_path, shape):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("weight", shape, "f4", chunks=(64, 64))
        file.create_dataset(
            "small", (2, 5, 1), "f4", maxshape=(None,) * 3, chunks=(1024, 1024, 512)
        )
    for name in ("weight", "small"):
        with pytest.raises(DataError, match="claims"):
            load_weights(f"{tmp_path}/w.h5:{name}")


def seed_hdf5() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, array in PAIRS["Keras 3"][0].items():
            file.create_dataset(name, data=array, chunks=array.shape, compression="gzip")
    return out.getvalue()


SEEDS = {"h5": seed_hdf5(), "safetensors": safetensors(PAIRS["PyTorch"][0])}


@pytest.mark.parametrize("suffix", SEEDS)
@settings(deadline=None, max_examples=examples(60))
@given(data=st.data())
def test_damage_is_refused_or_harmless(tmp_path_factory, suffix, data):
    raw = bytearray(SEEDS[suffix])
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=6)):
        raw[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / f"w.{suffix}"
    path.write_bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw) // 2]))])
    with suppress(OneByOneError):
        assert load_weights(str(path), allow_nonfinite=True).weight.size


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [2, 5])
def test_dense_layers_of_keras_are_turned(tmp_path, suffix, size):
    matrix, bias = W[:, :size].copy(), np.arange(size, dtype="f4")
    slash = "/" if suffix == "h5" else ""
    for kernel, beside in (
        ("d/kernel", "d/bias"),
        ("d/kernel:0", "d/bias:0"),
        ("d/vars/0", "d/vars/1"),
    ):
        path = write(tmp_path / f"w.{suffix}", {kernel: matrix, beside: bias})
        found = load_weights(f"{path}:{slash}{kernel}")
        assert (found.weight.tolist(), found.bias.tolist()) == (matrix.T.tolist(), bias.tolist())
        assert "is read as (C, K)" in found.notes[0]
    path = write(tmp_path / f"w.{suffix}", {"d/kernel": matrix, "d/bias": bias, "e/weight": matrix})
    assert [(each.out_channels, each.in_channels) for each in network_layers(path)] == [
        (size, 2), (2, size)
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_numbers_of_8_bits(tmp_path, dtype, monkeypatch):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    save = pytest.importorskip("safetensors.numpy").save_file
    stored = W.astype(getattr(ml_dtypes, dtype))
    save({"weight": stored.view("u1")}, tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    code = {"float8_e4m3fn": b"F8_E4M3", "float8_e5m2": b"F8_E5M2"}[dtype]
    header = content[8 : -stored.nbytes].replace(b"U8", code)
    raw = len(header).to_bytes(8, "little") + header + content[-stored.nbytes :]
    (tmp_path / "w.safetensors").write_bytes(raw)
    found = read_weights(str(tmp_path / "w.safetensors"))
    assert found.weights.weight.tolist() == stored.astype(float).tolist()
    assert found.dtype == dtype
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(DependencyMissingError, match="pip install ml_dtypes"):
        read_weights(str(tmp_path / "w.safetensors"))
