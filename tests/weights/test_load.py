"""What is opened, what is not, and which arrays are refused."""

import os

import numpy as np
import pytest
from command import onebyone

from onebyone_cli.errors import DataError, InputMissingError, PolicyError
from onebyone_cli.weights import formats
from onebyone_cli.weights.load import load_weights, read_weights
from onebyone_cli.weights.typed import parse_bias


@pytest.mark.parametrize("suffix", ["pt", "pth", "pkl", "pickle", "ckpt", "joblib", "PT"])
def test_pickles_are_never_opened(tmp_path, suffix):
    # There is no such file: opening it would have said so.
    path = str(tmp_path / f"w.{suffix}")
    with pytest.raises(PolicyError, match=r"export the weights to \.npy, \.npz, \.csv or \.json"):
        load_weights(path)
    with pytest.raises(PolicyError):
        parse_bias(path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.onnx", "w.csv.gz", "w"])
def test_other_suffixes(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"is empty; expected \.npy, .*, \.json, .* or \.sli"):
        load_weights(str(tmp_path / name))


@pytest.mark.parametrize("name", ["w.npy", "w.npz", "w.csv", "w.json", "w"])
def test_missing(tmp_path, name):
    with pytest.raises(InputMissingError, match="no such file"):
        load_weights(str(tmp_path / name))


def test_missing_bias_file():
    with pytest.raises(InputMissingError, match="no such file"):
        parse_bias("nosuch.csv")


def test_unreadable_name():
    with pytest.raises(InputMissingError, match="not a possible file name"):
        load_weights("\0.csv")


def test_folder(tmp_path):
    (tmp_path / "w.npy").mkdir()
    with pytest.raises(InputMissingError, match="is a folder"):
        load_weights(str(tmp_path / "w.npy"))


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "json"])
def test_pipe_does_not_hang(tmp_path, suffix):
    path = tmp_path / f"w.{suffix}"
    os.mkfifo(path)
    with pytest.raises(InputMissingError, match="is a pipe"):
        load_weights(str(path))


def test_device(tmp_path):
    (tmp_path / "w.csv").symlink_to("/dev/zero")
    with pytest.raises(InputMissingError, match="device"):
        load_weights(str(tmp_path / "w.csv"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = tmp_path / "w.csv"
    path.touch(0)
    with pytest.raises(InputMissingError, match="Permission denied"):
        load_weights(str(path))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "json"])
def test_text_files_have_a_limit(tmp_path, suffix):
    path = tmp_path / f"w.{suffix}"
    limit = formats.of_path(str(path)).limit
    assert 2**24 < limit < 2**30
    with path.open("wb") as file:
        file.truncate(limit + 1)
    with pytest.raises(DataError, match=r"save large matrices as \.npy"):
        load_weights(str(path))


SHAPES = [
    ((3,), "reshape it to (1, 3)"),
    ((), "expected (K, C)"),
    ((2, 3, 4), "expected (K, C) or (K, C, 1, 1)"),
    ((2, 3, 3, 3), "a 3×3 kernel"),
    ((0, 3), "one output and one input channel at least"),
    ((3, 0, 1, 1), "one output and one input channel at least"),
]


@pytest.mark.parametrize(("shape", "what"), SHAPES)
def test_shapes(tmp_path, shape, what):
    path = tmp_path / "w.npy"
    np.save(path, np.ones(shape))
    with pytest.raises(DataError) as caught:
        load_weights(str(path))
    assert what in caught.value.message
    assert str(shape) in caught.value.message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_npy(tmp_path, value):
    path = str(tmp_path / "w.npy")
    np.save(path, np.array([[1, 2], [3, value]], np.float32))
    with pytest.raises(DataError, match=r"weight\[1\]\[1\] \(row 1, column 1, from 0\)") as caught:
        load_weights(path)
    assert "allow_nonfinite=" in caught.value.message
    assert not np.isfinite(load_weights(path, allow_nonfinite=True).weight[1, 1])


def test_signalling_nan_makes_no_warning(tmp_path):
    np.save(tmp_path / "w.npy", np.array([[0x7FA00000]], np.uint32).view(np.float32))
    assert np.isnan(load_weights(str(tmp_path / "w.npy"), allow_nonfinite=True).weight).all()


def test_objects_in_npy(tmp_path):
    np.save(tmp_path / "w.npy", np.array([[None]]))
    with pytest.raises(PolicyError, match="Python objects"):
        load_weights(str(tmp_path / "w.npy"))


@pytest.mark.parametrize("change", [-1, 1, 8])
def test_npy_of_another_size_than_promised(tmp_path, change):
    path = tmp_path / "w.npy"
    np.save(path, np.ones((2, 2)))
    raw = path.read_bytes()
    path.write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    what = "was it cut short" if change < 0 else "bytes follow the array"
    with pytest.raises(DataError, match=what) as caught:
        load_weights(str(path))
    assert f"has {len(raw) + change} bytes" in caught.value.message


def test_npy_that_claims_the_moon(tmp_path):
    path = tmp_path / "w.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**40)}
        )
    with pytest.raises(DataError, match="claims"):
        load_weights(str(path))


def test_a_member_of_an_archive_is_the_weight_or_the_bias(tmp_path):
    path = str(tmp_path / "net.npz")
    first, bias = np.arange(6.0).reshape(2, 3), np.array([0.5, -1.0])
    np.savez(path, **{"conv.weight": first.reshape(2, 3, 1, 1), "conv.bias": bias, "mean": bias})
    weights, dtype, unread = read_weights(f"{path}:conv.weight")
    assert weights.weight.tolist() == first.tolist()
    assert weights.source == f"{path}:conv.weight"
    assert weights.bias.tolist() == bias.tolist()
    assert weights.notes == ("the bias is 'conv.bias'",)
    assert not weights.meta
    assert parse_bias(f"{path}:conv.bias").tolist() == bias.tolist()
    assert dtype == "float64"
    assert unread == ["mean"]
    with pytest.raises(DataError, match=r"has no member 'fc' but 'conv\.weight', 'conv\.bias'"):
        load_weights(f"{path}:fc")
    with pytest.raises(DataError, match=r"the weight has shape \(2,\)"):
        load_weights(f"{path}:mean")


def test_a_whole_name_with_a_colon_is_a_file(tmp_path):
    path = str(tmp_path / "a.npz:weight.csv")
    np.savetxt(path, np.eye(2), delimiter=",")
    assert load_weights(path).weight.tolist() == np.eye(2).tolist()


def test_the_archive_of_a_member_is_an_input(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 3, 4)))
    np.savez(tmp_path / "w.npz", a=np.eye(2))
    before = (tmp_path / "w.npz").read_bytes()
    for args in (
        ("apply", "x.npy", "-w", "w.npz:a", "-o", "w.npz", "--format", "npy"),
        ("weights", "convert", "w.npz:a", "w.npz"),
        ("weights", "compose", "w.npz:a", "w.npz:a", "-o", "w.npz"),
    ):
        done = onebyone(*args, "--force", cwd=tmp_path)
        assert done.returncode == 73
        assert "is an input" in done.stderr
    assert (tmp_path / "w.npz").read_bytes() == before
    assert onebyone("apply", "x.npy", "-w", "w.npz:a", "-o", "y.npy", cwd=tmp_path).returncode == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.ones((2, 3, 4)))


@pytest.mark.parametrize("suffix", formats.SUFFIXES)
def test_every_suffix_has_a_format(suffix):
    assert formats.of_path(f"W{suffix.upper()}") is not None
    assert suffix in formats.describe()
