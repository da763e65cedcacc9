"""Inputs named in a list: what a command line can't hold."""

import os
from pathlib import Path

import numpy as np
import pytest
from command import Completed, onebyone, shell
from hypothesis import given
from hypothesis import strategies as st
from strategies import new_folder

from onebyone_cli.cli.options.name_list import read_names

NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)


@given(st.lists(NAMES, min_size=1), st.booleans())
def test_names_between_nul_are_taken_as_they_are(names: list[bytes], ended: bool):
    with new_folder() as folder:
        content = b"\0".join(names) + b"\0" * (ended or len(names) == 1)
        (folder / "list").write_bytes(content)
        assert [os.fsencode(name) for name in read_names(str(folder / "list"))] == names


@given(st.lists(NAMES.filter(lambda name: b"\n" not in name), min_size=1), st.booleans())
def test_blank_lines_are_passed_over(names: list[bytes], ended: bool):
    with new_folder() as folder:
        (folder / "list").write_bytes(b"first\n" + b"\n".join(names) + b"\n" * ended)
        found = [os.fsencode(name) for name in read_names(str(folder / "list"))]
        assert found == [b"first", *(name for name in names if name.strip())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three stacks, each of one channel of 2×2, the first with a name that has to be quoted."""
    for index, name in enumerate(["a 'b'\n.npy", "b.npy", "c.npy"]):
        np.save(tmp_path / name, np.full((1, 2, 2), 10**index, np.float32))
    return tmp_path


def total(folder: Path, *args: str, input: bytes = b"") -> float:
    """Weigh all inputs in their order, and give what a pixel became."""
    done = onebyone(
        "apply", *args, "--kernel", "1 2 3", "-o", "out.npy", "-f", cwd=folder, input=input
    )
    assert done.returncode == 0, done.stderr
    return float(np.load(folder / "out.npy")[0, 0, 0])


def test_the_names_come_after_those_of_the_command_line(folder: Path) -> None:
    (folder / "list").write_bytes(b"\nb.npy\n  \na 'b'\\n.npy\n")
    (folder / "a 'b'\n.npy").rename(folder / "a 'b'\\n.npy")
    assert total(folder, "c.npy", "--inputs-from", "list") == 100 + 20 + 3


def test_the_list_can_be_standard_input(folder: Path) -> None:
    names = b"a 'b'\n.npy\0b.npy\0c.npy\0"
    assert total(folder, "--inputs-from", "-", input=names) == 1 + 20 + 300
    (folder / "list").write_bytes(names)
    assert total(folder, "--inputs-from", "/dev/stdin", input=names) == 1 + 20 + 300


def test_a_list_can_name_standard_input(folder: Path) -> None:
    (folder / "list").write_bytes(b"-\nb.npy\nc.npy")
    first = (folder / "a 'b'\n.npy").read_bytes()
    assert total(folder, "--inputs-from", "list", input=first) == 1 + 20 + 300


def run(folder: Path, *args: str) -> Completed:
    done = onebyone(*args, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done


def test_every_command_takes_a_list(folder: Path) -> None:
    for name in ("b.npy", "c.npy"):
        np.save(folder / name, np.random.default_rng(len(name)).random((2, 3, 4)))
    (folder / "list").write_bytes(b"b.npy\nc.npy\n")
    assert run(folder, "stats", "--inputs-from", "list").stdout.count(b"\n") == 5
    run(folder, "fit", "--inputs-from", "list", "-k", "2", "-o", "m.npz", "--depfile", "m.d")
    assert (folder / "m.d").read_text().startswith("m.npz: b.npy c.npy list\n")
    run(folder, "reduce", "--inputs-from", "list", "-k", "2", "-o", "r.npy")
    run(folder, "stats", "b.npy", "-o", "b.npz")
    run(folder, "stats", "c.npy", "-o", "c.npz")
    (folder / "list").write_bytes(b"b.npz\nc.npz\n")
    assert "from 2 parts" in run(folder, "merge", "--inputs-from", "list", "-o", "all.npz").stderr


@pytest.mark.parametrize(
    ("args", "input", "status", "said"),
    [
        ([], b"", 2, "onebyone: no input; name one, or a list of them with --inputs-from FILE\n"),
        (["--inputs-from", "-"], b"", 65, "standard input: names no file; expected one name a"),
        (["--inputs-from", "-"], b"\n \n", 65, "standard input: names no file"),
        (["--inputs-from", "-"], b"a\0\0b", 65, "standard input: has an empty name"),
        (["--inputs-from", "no\nlist"], b"", 66, "no\\nlist: no such file or folder\n"),
        (["--inputs-from", "."], b"", 66, ".: can't be read: Is a directory\n"),
        (["--inputs-from", "huge"], b"", 65, "huge: is larger than 64 MiB"),
        (["--inputs-from", ""], b"", 2, "--inputs-from is empty"),
        (["-", "--inputs-from", "-"], b"", 2, "standard input is named as an input and as the"),
        (["--inputs-from", "-"], b"b.npy\n-\n", 2, "the list of --inputs-from is standard input"),
        (["-", "--inputs-from", "dash"], b"", 2, "standard input is named twice"),
        (["--inputs-from", "c.npy"], b"", 65, "c.npy: has an empty name; expected a name before"),
    ],
)
def test_refusals(folder: Path, args: list[str], input: bytes, status: int, said: str) -> None:
    (folder / "dash").write_bytes(b"-\n")
    with (folder / "huge").open("wb") as huge:
        huge.truncate(65 << 20)
    done = onebyone("apply", *args, "--kernel", "1", "-o", "out.npy", cwd=folder, input=input)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
    assert said in done.stderr
    assert not (folder / "out.npy").exists()


def test_the_list_is_not_written_to(folder: Path) -> None:
    (folder / "list.npy").write_bytes(b"b.npy\n")
    command = ["apply", "--inputs-from", "list.npy", "--kernel", "1", "-o", "list.npy", "-f"]
    done = onebyone(*command, cwd=folder)
    assert done.returncode == 73
    assert "is an input" in done.stderr
    assert (folder / "list.npy").read_bytes() == b"b.npy\n"


@pytest.mark.parametrize(("limit", "status"), [("-S", 0), ("-H", 66)])
def test_more_inputs_than_files_may_be_open(tmp_path: Path, limit: str, status: int):
    """A soft limit is raised; of a hard one people are told."""
    names = [f"{index}.npy" for index in range(60)]
    for name in names:
        np.save(tmp_path / name, np.ones((1, 2, 2), np.float32))
    (tmp_path / "list").write_text("\n".join(names))
    kernel = " ".join(["1"] * 60)
    line = f'ulimit -Sn 40; ulimit {limit}n 40; exec "$0" "$@"'
    job = ("apply", "--inputs-from", "list", "--kernel", kernel, "-o", "out.npy")
    done = shell(line, *job, cwd=tmp_path)
    assert (done.returncode, "ulimit -n" in done.stderr) == (status, bool(status)), done.stderr
    assert (tmp_path / "out.npy").exists() == (not status)
