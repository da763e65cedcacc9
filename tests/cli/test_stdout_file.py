"""Standard output that is a file: ``onebyone apply ... -o - > out.npy``."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from command import environment, shell, start

ARGS = ("apply", "stack.npy", "--kernel", "1 2 3; 4 5 6", "-q", "-o", "-")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a stack of several tiles, and the expected output."""
    rng = np.random.default_rng()
    np.save(tmp_path / "stack.npy", rng.random((3, 130, 170), np.float32))
    done = shell('"$0" "$@" expected.npy', *ARGS[:-1], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def expected(work: Path) -> bytes:
    return (work / "expected.npy").read_bytes()


def test_the_bytes_are_those_of_a_named_file(work: Path) -> None:
    done = shell('"$0" "$@" > out.npy', *ARGS, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert (work / "out.npy").read_bytes() == expected(work)


def test_what_comes_before_and_after_stays(work: Path) -> None:
    done = shell('{ printf before; "$0" "$@"; "$0" "$@"; printf after; } > out', *ARGS, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert (work / "out").read_bytes() == b"before" + 2 * expected(work) + b"after"


def test_appending_appends(work: Path) -> None:
    done = shell('printf before > out; "$0" "$@" >> out; "$0" "$@" >> out', *ARGS, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert (work / "out").read_bytes() == b"before" + 2 * expected(work)


def test_a_file_that_was_not_emptied_keeps_its_end(work: Path) -> None:
    size = len(expected(work))
    (work / "out").write_bytes(b"x" * (size + 10))
    done = shell('"$0" "$@" 1<> out', *ARGS, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert (work / "out").read_bytes() == expected(work) + b"x" * 10


def test_several_results_follow_each_other(work: Path) -> None:
    done = shell('"$0" "$@" --each > out', "apply", "stack.npy", *ARGS[1:], cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert (work / "out").read_bytes() == 2 * expected(work)


def test_what_failed_is_cut_off(work: Path) -> None:
    stack = np.ones((3, 200, 200), np.float32)
    stack[0, 199, 199] = np.nan
    np.save(work / "stack.npy", stack)
    line = 'printf before > out; { cat out; "$0" "$@" --dtype uint8; } > more'
    done = shell(line, *ARGS, cwd=work)
    assert (done.returncode, done.stderr.count("\n")) == (65, 1)
    assert (work / "more").read_bytes() == b"before"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_stopped_is_cut_off(work: Path, number: int) -> None:
    np.lib.format.open_memmap(work / "stack.npy", "w+", "uint8", (3, 9000, 9000)).flush()
    with (work / "out").open("wb") as file:
        args = (*ARGS, "--threads", "1", "--memory", "4M")
        process = start(*args, cwd=work, env=environment(), stdout=file)
        while not os.path.getsize(work / "out") and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == -number
    assert os.path.getsize(work / "out") == 0


def test_a_full_disk_is_told(work: Path) -> None:
    line = 'ulimit -f 100; trap "" XFSZ; "$0" "$@" > out'
    done = shell(line, *ARGS, cwd=work)
    assert (done.returncode, done.stderr.count("\n")) == (74, 1)
    assert os.path.getsize(work / "out") == 0
