"""A forked run gives what a real start gives, and nothing of it outlives who asked for it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import (
    PROGRAM,
    TAKEN,
    Completed,
    environment,
    for_shells,
    fork_server,
    onebyone,
    run,
    shell,
    start,
)
from fork.process import Forked
from fork.request import is_equivalent

DEADLINE_S = 20.0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    return tmp_path


def plain(done: Completed) -> Completed:
    return done._replace(stderr=TAKEN.sub("", done.stderr))


@pytest.mark.parametrize(
    "line",
    [
        "apply x.npy --kernel=1,2 -o y.npy --force",
        "apply x.npy --kernel=1,2 -o -",
        "apply - --kernel=1,2 -o y.npy",
        "apply none.npy --kernel=1 -o y.npy",
        "stats x.npy",
        "view x.npy --channel 0 -o y.png --json --force",
        "nothing of the kind",
        "apply --help",
        "",
    ],
)
def test_a_forked_run_is_a_real_one(line: str, work: Path) -> None:
    words = line.split()
    assert is_equivalent(words, environment())
    forked = plain(onebyone(*words, cwd=work, input=b"none"))
    assert forked == plain(run([PROGRAM, *words], cwd=work, input=b"none"))
    assert forked == plain(shell('"$0" "$@"', *words, cwd=work, input=b"none"))


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"ANY_OTHER": ""}])
def test_what_imports_may_read_means_a_real_start(env: dict[str, str], work: Path) -> None:
    process = start("--version", cwd=work, env=environment(**env))
    assert not isinstance(process, Forked)
    assert process.communicate()[0].startswith(b"onebyone ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_right_after_the_start_is_not_lost(number: int, work: Path) -> None:
    process = start("apply", "-", "--kernel=1", "-o", "y.npy", cwd=work, stdin=subprocess.PIPE)
    process.send_signal(number)
    assert process.wait(DEADLINE_S) == -number
    assert b"Traceback" not in process.communicate()[1]


def test_a_shell_sees_the_signal_and_hands_one_on(work: Path) -> None:
    line = 'ulimit -f 0; "$0" apply x.npy --kernel=1,1 -o y.npy; echo $?; '
    line += 'exec "$0" apply - --kernel=1 -o z.npy'
    shown = str(fork_server().bin / "onebyone")
    process = subprocess.Popen(
        ["bash", "-c", line, shown],
        cwd=work,
        env=for_shells(environment()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"74\n"
    time.sleep(0.5)
    process.terminate()
    assert process.wait(DEADLINE_S) == -signal.SIGTERM
    process.communicate()


def test_the_server_ends_with_its_owner(work: Path) -> None:
    """However that ends, and what was forked for it as well."""
    owner = f"""
import os, sys
sys.path[:0] = {[path for path in sys.path if path]!r}
from pathlib import Path
from command import fork_server, start
job = start("apply", "-", "--kernel=1", "-o", "y.npy", cwd=Path("."), stdin=-1)
print(fork_server().process.pid, job.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = run([sys.executable, "-c", owner], cwd=work)
    assert done.returncode == -signal.SIGKILL, done.stderr
    deadline = time.monotonic() + DEADLINE_S
    for pid in map(int, done.stdout.split()):
        while is_running(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # one that nobody has collected yet has ended all the same
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
