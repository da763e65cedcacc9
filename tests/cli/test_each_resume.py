"""A stopped ``--each`` goes on with what is left when the same command is run again."""

import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from command import Completed, environment, files_in, onebyone, start

STACKS = 40
KILLS = int(os.environ.get("KILLS", "12")) // 2
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write stacks that take some milliseconds each, and weights."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng()
    for number in range(STACKS):
        np.save(folder / f"{number}.npy", rng.random((4, 200, 300), np.float32))
    np.save(folder / "w.npy", rng.random((2, 4)))
    return folder


@pytest.fixture(scope="module")
def expected(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("expected")
    done = onebyone(*command(inputs), cwd=folder)
    assert done.returncode == 0, done.stderr
    return content_of(folder / "out")


def command(inputs: Path, *more: str) -> list[str]:
    stacks = [str(inputs / f"{number}.npy") for number in range(STACKS)]
    return ["apply", *stacks, "--each", "-w", str(inputs / "w.npy"), "-o", "out", *more]


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stop(inputs: Path, folder: Path, number: int) -> int:
    """Run the command, and stop it when some outputs are there; say how many."""
    stopped(inputs, folder, number)
    return len(list(folder.glob("out/*.npy")))


def stopped(inputs: Path, folder: Path, number: int, *more: str) -> Completed:
    """Run the command, and stop it when some outputs are there."""
    process = start(*command(inputs, *more), cwd=folder, env=environment())
    wanted = random.randint(1, STACKS // 2)
    deadline = time.monotonic() + DEADLINE_S
    while len(list(folder.glob("out/*.npy"))) < wanted and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)
    return Completed(process.returncode, out, err.decode())


def test_random_kills_lose_nothing_and_do_nothing_twice(
    inputs: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    for attempt in range(KILLS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        number = random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        left = stop(inputs, folder, number)
        times = {path: path.stat().st_mtime_ns for path in folder.glob("out/*.npy")}
        done = onebyone(*command(inputs, "--json"), cwd=folder)
        assert done.returncode == 0, done.stderr
        passed = [each for each in json.loads(done.stdout)["outputs"] if each.get("done_before")]
        assert left == STACKS or len(passed) == left
        assert all(path.stat().st_mtime_ns == when for path, when in times.items())
        assert content_of(folder / "out") == expected


def test_what_was_done_is_told(inputs: Path, tmp_path: Path) -> None:
    assert 0 < stop(inputs, tmp_path, signal.SIGTERM) < STACKS
    done = onebyone(*command(inputs), cwd=tmp_path)
    assert "out/0.npy: done before" in done.stderr.splitlines()


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, 75),
        (signal.SIGUSR1, 75),
        (signal.SIGINT, -signal.SIGINT),
    ],
)
def test_a_batch_system_is_told_that_it_can_go_on(
    inputs: Path, tmp_path: Path, number: int, status: int
) -> None:
    done = stopped(inputs, tmp_path, number)
    assert done.returncode == status
    assert done.stderr.splitlines()[-1].endswith("or with --resume restart to begin anew")
    assert again(inputs, tmp_path).returncode == 0


def test_where_nothing_can_go_on_nothing_is_promised(inputs: Path, tmp_path: Path) -> None:
    done = stopped(inputs, tmp_path, signal.SIGTERM, "--resume", "off")
    assert (done.returncode, "to go on" in done.stderr) == (-signal.SIGTERM, False)
    assert not list(tmp_path.glob("out/.*"))


def again(inputs: Path, folder: Path, *more: str) -> Completed:
    return onebyone(*command(inputs, *more), cwd=folder)


@pytest.mark.parametrize(
    "more", [["--dtype", "float64"], ["--bias", "1 1"], ["--resume", "restart"]]
)
def test_outputs_of_another_command_are_refused(
    inputs: Path, tmp_path: Path, more: list[str]
) -> None:
    stop(inputs, tmp_path, signal.SIGTERM)
    before = content_of(tmp_path / "out")
    done = again(inputs, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (73, 1)
    assert "exists already" in done.stderr
    assert content_of(tmp_path / "out") == before


def test_outputs_of_inputs_that_have_changed_are_refused(inputs: Path, tmp_path: Path) -> None:
    stop(inputs, tmp_path, signal.SIGTERM)
    status = (inputs / "0.npy").stat()
    os.utime(inputs / "0.npy", ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
    assert again(inputs, tmp_path).returncode == 73
    os.utime(inputs / "0.npy", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert again(inputs, tmp_path, "--dry-run").returncode == 0
    assert again(inputs, tmp_path).returncode == 0


def test_outputs_that_were_there_before_are_not_taken_for_done(
    inputs: Path, tmp_path: Path
) -> None:
    assert again(inputs, tmp_path).returncode == 0
    assert ".onebyone-each.jsonl" not in files_in(tmp_path / "out")
    done = again(inputs, tmp_path)
    assert (done.returncode, done.stderr.count("exists already")) == (73, 1)
    assert again(inputs, tmp_path, "--force").returncode == 0


@pytest.mark.parametrize("line", [b'["0.np', b"7\n", b'["0.npy"]\n', b"\xff\xfe\n", b"[1, 2]\n"])
def test_damaged_notes_count_nothing(
    inputs: Path, expected: dict[str, bytes], tmp_path: Path, line: bytes
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".onebyone-each.jsonl").write_bytes(line)
    result = again(inputs, tmp_path)
    assert result.returncode == 0, result.stderr
    assert content_of(out) == expected
