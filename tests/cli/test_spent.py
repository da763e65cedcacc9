"""The end of a closing line: time, rate and peak memory."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import TAKEN, onebyone

from onebyone_cli.cli.terminal.resources import Spent, peak_memory

MIB = 1 << 20

COMMANDS = {
    "apply": ["apply", "x.npy", "--kernel", "1 2 3", "-o", "y.npy"],
    "fit": ["fit", "x.npy", "-k", "2", "-o", "m.npz"],
    "reduce": ["reduce", "x.npy", "-k", "2", "-o", "y.npy"],
    "stats": ["stats", "x.npy", "-o", "s.npz"],
}
every_command = pytest.mark.parametrize("name", COMMANDS)


@pytest.mark.parametrize(
    ("spent", "said"),
    [
        (Spent(0.1234, 100 * MIB, 44 * MIB), " in 0.12 s, 810.4 MiB/s, peak 44.0 MiB"),
        (Spent(0.0041, 0, 44 * MIB), " in 0.004 s, peak 44.0 MiB"),
        (Spent(3600.0, 1 << 43, 0), " in 3600.00 s, 2.3 GiB/s"),
        (Spent(0.0, 0, 0), " in 0.000 s"),
    ],
)
def test_what_is_not_known_is_not_said(spent: Spent, said: str) -> None:
    assert str(spent) == said


@pytest.fixture
def work(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.random.default_rng(3).standard_normal((3, 40, 50)))
    return tmp_path


@every_command
def test_a_closing_line_says_what_was_taken(name: str, work: Path) -> None:
    said = onebyone(*COMMANDS[name], cwd=work).stderr.splitlines()
    assert sum(1 for line in said if TAKEN.search(line)) == 1
    found = TAKEN.search(said[-1])
    assert found
    assert "B/s" in found[0]


@every_command
def test_nothing_is_said_to_those_who_want_quiet(name: str, work: Path) -> None:
    assert onebyone(*COMMANDS[name], "-q", cwd=work).stderr == ""


@every_command
def test_programs_get_numbers(name: str, work: Path) -> None:
    done = onebyone(*COMMANDS[name], "--json", cwd=work)
    found = json.loads(done.stdout)
    assert 0 < found["seconds"] < 60
    moved = round(found["bytes_per_second"] * found["seconds"])
    assert moved >= 3 * 40 * 50 * 8 * 0.99
    assert 10 * MIB < found["peak_bytes"] < 150 * MIB


def test_no_rate_where_not_all_pixels_were_read(work: Path) -> None:
    random = ["fit", "x.npy", "-k", "2", "--method", "random", "-o", "r.npz", "--json"]
    sample = [*COMMANDS["fit"], "--sample", "100", "--json"]
    for args in (random, sample):
        assert json.loads(onebyone(*args, cwd=work).stdout)["bytes_per_second"] is None


def test_statistics_in_a_pipe_come_alone(work: Path) -> None:
    assert onebyone("stats", "x.npy", cwd=work).stderr == ""
    assert TAKEN.search(onebyone("stats", "x.npy", "-v", cwd=work).stderr)


def test_a_large_parent_is_not_counted(work: Path) -> None:
    """Whoever starts the program by fork and exec may be large; getrusage would tell of that."""
    ballast = np.ones(300 * MIB, np.uint8)
    assert peak_memory() > ballast.nbytes
    found = json.loads(onebyone(*COMMANDS["apply"], "--json", cwd=work).stdout)
    assert found["peak_bytes"] < 150 * MIB
