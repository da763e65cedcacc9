"""`--dtype-in` among several inputs, and stacks in archives in every command."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from command import onebyone

NAMES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """The same numbers as .npy, in archives, without a header, and as float32."""
    name = str(request.param)
    stack = np.random.default_rng(0).normal(size=(3, 8, 9))
    stack = stack.astype(getattr(ml_dtypes, name))
    np.save(tmp_path / "x.npy", stack)
    np.savez(tmp_path / "x.npz", features=stack, labels=np.arange(5))
    np.savez_compressed(tmp_path / "packed.npz", features=stack)
    stack.tofile(tmp_path / "x.raw")
    np.save(tmp_path / "same.npy", stack.astype(np.float32))
    return tmp_path, name


@pytest.mark.parametrize("name", ["x.npy", "x.npz:features", "packed.npz"])
def test_a_pair_of_which_one_names_its_type(folder: tuple[Path, str], name: str):
    for pair in ([name, "same.npy"], ["same.npy", name]):
        done = onebyone("compare", *pair, "--dtype-in", folder[1], cwd=folder[0])
        assert done.returncode == 0, done.stderr


def test_inputs_of_which_some_name_their_type(folder: tuple[Path, str]):
    words = ["--kernel", "1 0 0 -1 0 0", "--dtype-in", folder[1], "-o", "y.npy"]
    done = onebyone("apply", "x.npy", "same.npy", *words, cwd=folder[0])
    assert done.returncode == 0, done.stderr
    assert not np.load(folder[0] / "y.npy").any()


def test_one_that_names_its_type(folder: tuple[Path, str]):
    done = onebyone("stats", "same.npy", "--dtype-in", folder[1], cwd=folder[0])
    assert done.returncode == 2
    assert "says that its numbers are float32; leave out --dtype-in" in done.stderr
    done = onebyone("stats", "x.npz:labels", "--dtype-in", folder[1], cwd=folder[0])
    assert done.returncode == 2
    assert "x.npz:labels" in done.stderr


def test_numbers_without_a_header(folder: tuple[Path, str]):
    words = ["--raw", "--shape", "3,8,9", "--dtype-in", folder[1]]
    done = onebyone(
        "apply", "x.raw", *words, "--kernel", "1 0 0;0 1 0;0 0 1", "-o", "y.npy", cwd=folder[0]
    )
    assert done.returncode == 0, done.stderr
    assert (folder[0] / "y.npy").read_bytes() == (folder[0] / "same.npy").read_bytes()


@pytest.mark.parametrize("name", ["f.npz:features", "f.npz", "packed.npz:features"])
@pytest.mark.parametrize(
    "words",
    ["info", "stats", "stats --each", "view", "fit -k 2 -o m.npz", "reduce -k 1 -o r.npy"],
)
def test_archives_in_every_command(tmp_path: Path, name: str, words: str):
    stack = np.random.default_rng(1).normal(size=(3, 8, 9)).astype(np.float32)
    np.savez(tmp_path / "f.npz", features=stack, labels=np.arange(5))
    np.savez_compressed(tmp_path / "packed.npz", features=stack)
    np.save(tmp_path / "f.npy", stack)
    command, *options = words.split()
    done = onebyone(command, name, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if command in ("stats", "fit"):
        again = [word if word != "m.npz" else "n.npz" for word in options]
        assert onebyone(command, "f.npy", *again, cwd=tmp_path).stdout == done.stdout


def test_each_archive_becomes_an_array(tmp_path: Path):
    stack = np.random.default_rng(1).normal(size=(3, 8, 9)).astype(np.float32)
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", features=stack)
    names = ["a.npz:features", "b.npz"]
    done = onebyone("apply", *names, "--each", "--kernel", "1 1 1", "-o", "out/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("a", "b"):
        assert np.load(tmp_path / f"out/{name}.npy").shape == (1, 8, 9)
