"""A child of a worker ends as the program does, tells why, and never outlives who runs it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from cluster.dask import wait_until
from command import environment

from onebyone_cli import errors
from onebyone_cli.cluster import child
from onebyone_cli.cluster.child import Children, NotWantedError


@pytest.fixture
def stack(tmp_path: Path) -> str:
    np.save(tmp_path / "x.npy", np.ones((2, 3, 4), np.float32))
    return str(tmp_path / "x.npy")


def run(*args: str) -> None:
    Children().run("job", args, lambda: True)


def test_a_child_does_what_the_program_does(stack: str) -> None:
    output = str(Path(stack).with_name("out.npy"))
    run("apply", stack, "--kernel", "1 1", "-o", output)
    assert (np.load(output) == 2).all()


@pytest.mark.parametrize(
    ("args", "error", "told"),
    [
        (("apply", "{}", "-o", "y.npy"), errors.UsageError, "no weights"),
        (("apply", "{}", "--kernel", "1", "-o", "y.npy"), errors.DataError, "x.npy has 2"),
        (("stats", "{}.npy"), errors.InputMissingError, "no such file .* all workers must see"),
        (("apply", "{}", "--kernel", "1 1", "-o", "{}"), errors.OutputRefusedError, "an input"),
    ],
)
def test_an_error_is_what_it_was(
    stack: str, args: tuple[str, ...], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        run(*(arg.replace("{}", stack) for arg in args))


def test_a_child_that_is_killed_is_an_error(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            self.kill()
            return super().wait()

    monkeypatch.setattr(child.subprocess, "Popen", Killed)
    with pytest.raises(errors.ReadWriteError, match=r"ended by SIGKILL; was there too little"):
        run("stats", stack)


def test_a_bug_is_told_as_one(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"exit status 1 on .*: it said nothing"):
        run("stats", stack)


def test_a_child_that_is_not_wanted_ends(tmp_path: Path) -> None:
    pipe = tmp_path / "never.npy"
    os.mkfifo(pipe)  # nobody writes: it would be read for ever
    children = Children()
    looks = iter([True, True, True])
    with pytest.raises(NotWantedError):
        children.run("job", ["stats", str(pipe)], lambda: next(looks, False))
    assert not children.are_running("job")


def test_all_children_of_a_job_end_and_none_begins(tmp_path: Path) -> None:
    pipe = tmp_path / "never.npy"
    os.mkfifo(pipe)
    children, ended = Children(), []

    def work() -> None:
        try:
            children.run("job", ["stats", str(pipe)], lambda: True)
        except NotWantedError:
            ended.append(True)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until("the children", lambda: children.are_running("job"))
    children.end("job")
    for thread in threads:
        thread.join()
    assert ended == [True, True]
    with pytest.raises(NotWantedError):
        children.run("job", ["stats", str(pipe)], lambda: True)


def test_the_program_stops_when_nobody_attends_to_it(tmp_path: Path) -> None:
    pipe = tmp_path / "never.npy"
    os.mkfifo(pipe)
    attended = [sys.executable, "-m", "onebyone_cli", "stats", str(pipe)]
    with subprocess.Popen(
        attended, stdin=subprocess.PIPE, env=environment() | {"ONEBYONE_ATTENDED": "1"}
    ) as process:
        assert process.stdin is not None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.stdin.close()
        assert process.wait() == -signal.SIGTERM
