"""Stopped by a signal, the program dies of that very signal and leaves nothing behind.

The jobs read stacks that are holes in a file, so they cost time but no disk, and write to a folder
of their own, where whatever is left over shows. Signals come at random times.
"""

import io
import os
import random
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
    Terminal,
    environment,
    files_in,
    onebyone,
    run,
    run_python,
    start,
)

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
OLD = b"what was there before"

#: For a process that was told to stop; it takes some hundredths of a second.
DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a stack that takes many seconds to read: 64 channels of 49 million pixels."""
    return make_stack(tmp_path_factory.mktemp("endless") / "endless.npy", 64, 7000)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a stack that takes about half a second."""
    return make_stack(tmp_path_factory.mktemp("short") / "short.npy", 8, 6000)


def make_stack(path: Path, channels: int, size: int) -> Path:
    np.lib.format.open_memmap(path, "w+", "uint8", (channels, size, size)).flush()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where outputs go; beside it is a ``$TMPDIR`` that is looked into as well."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def sum_of(stack: Path, output: str, *more: str) -> list[str]:
    """Arguments that add all channels up, with little memory and therefore in many steps."""
    with stack.open("rb") as file:
        np.lib.format.read_magic(file)
        (channels, _, _), _, _ = np.lib.format.read_array_header_1_0(file)
    kernel = " ".join(["1"] * channels)
    small = ["--threads", "1", "--memory", "4M", "--dtype", "uint8"]
    return ["apply", str(stack), "--kernel", kernel, *small, "-o", output, *more]


def begin(folder: Path, args: list[str]) -> subprocess.Popen[bytes]:
    """Start a job and wait until it has begun to write."""
    process = start(*args, cwd=folder, env=surroundings(folder))
    wait_for_part(process, folder)
    return process


def surroundings(folder: Path) -> dict[str, str]:
    return environment(TMPDIR=str(folder.parent / "tmp"))


def wait_for_part(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not any(name.endswith(".part") for name in os.listdir(folder)):
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def end(process: subprocess.Popen[bytes]) -> str:
    """Wait for the end and give what was said."""
    _, said = process.communicate(timeout=DEADLINE_S)
    return said.decode()


def left_in(folder: Path) -> list[str]:
    return files_in(folder) + files_in(folder.parent / "tmp")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("_time", range(2))
def test_a_signal_at_any_time_leaves_nothing(
    number: signal.Signals, _time: int, endless: Path, folder: Path
) -> None:
    process = begin(folder, sum_of(endless, "out.npy"))
    time.sleep(random.uniform(0, 0.3))
    process.send_signal(number)
    assert (end(process), process.returncode) == ("", -number)
    assert left_in(folder) == []
    assert os.listdir(folder) == []


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("_time", range(2))
def test_a_signal_while_starting_leaves_nothing(
    number: signal.Signals, _time: int, endless: Path, folder: Path
) -> None:
    args = sum_of(endless, "out.npy")
    process = start(*args, cwd=folder, env=surroundings(folder), really=True)
    time.sleep(random.uniform(0, 0.3))
    process.send_signal(number)
    said = end(process)
    # Until the program has begun, Ctrl-C is Python's own affair, which site.py turns into 1.
    if "KeyboardInterrupt" not in said:
        assert (said, process.returncode) == ("", -number)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_the_old_output_stays_as_it_was(
    number: signal.Signals, endless: Path, folder: Path
) -> None:
    (folder / "out.npy").write_bytes(OLD)
    process = begin(folder, sum_of(endless, "out.npy", "--force"))
    time.sleep(random.uniform(0, 0.3))
    process.send_signal(number)
    assert (end(process), process.returncode) == ("", -number)
    assert left_in(folder) == ["out.npy"]
    assert (folder / "out.npy").read_bytes() == OLD


@pytest.mark.parametrize(
    "output",
    [
        ["out.npy", "--threads", "4", "--memory", "16M"],
        ["out.h5"],
        ["out.h5", "--compression", "gzip", "--memory", "64M"],
        ["out.png", "--memory", "256M"],
        ["out/", "--memory", "256M"],
    ],
    ids=["threads", "h5", "gzip", "image", "folder"],
)
def test_every_kind_of_output_is_cleared_up(output: list[str], endless: Path, folder: Path) -> None:
    process = begin(folder, sum_of(endless, *output))
    time.sleep(random.uniform(0, 0.3))
    process.terminate()
    assert (end(process), process.returncode) == ("", -signal.SIGTERM)
    assert os.listdir(folder) == []
    assert left_in(folder) == []


def test_the_folder_of_each_is_cleared_up(endless: Path, folder: Path) -> None:
    args = [*sum_of(endless, "results", "--each")]
    process = start(*args, cwd=folder, env=surroundings(folder))
    deadline = time.monotonic() + DEADLINE_S
    while not list(folder.glob("results/*.part")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.terminate()
    assert (end(process), process.returncode) == ("", -signal.SIGTERM)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("number", "sent"), [(signal.SIGINT, 0), (signal.SIGTERM, 128), (signal.SIGHUP, 3000)]
)
def test_a_signal_while_waiting_for_a_pipe(number: signal.Signals, sent: int, folder: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 30, 40), np.float32))
    args = ["apply", "-", "--kernel", "1 1", "-o", "out.npy"]
    process = start(*args, cwd=folder, env=surroundings(folder), stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(file.getvalue()[:sent])
    process.stdin.flush()
    time.sleep(random.uniform(0.3, 0.5))
    process.send_signal(number)
    # Not `communicate`: it would close the pipe first.
    process.wait(DEADLINE_S)
    assert (end(process), process.returncode) == ("", -number)
    assert left_in(folder) == []


def test_impatience_changes_nothing(endless: Path, folder: Path) -> None:
    process = begin(folder, sum_of(endless, "out.npy"))
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    end(process)
    assert -process.returncode in {signal.SIGINT, signal.SIGTERM}
    assert os.listdir(folder) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_stays_ignored(
    number: signal.Signals, short: Path, folder: Path
) -> None:
    # What nohup does with SIGHUP, and & in a script with SIGINT.
    line = f'trap \'\' {number.name}; exec "$0" "$@"'
    process = subprocess.Popen(
        ["bash", "-c", line, PROGRAM, *sum_of(short, "out.npy")],
        cwd=folder,
        env=surroundings(folder),
        stderr=subprocess.PIPE,
    )
    wait_for_part(process, folder)
    process.send_signal(number)
    assert TAKEN.sub("", end(process)) == "out.npy: 1×6000×6000 uint8\n"
    assert process.returncode == 0
    assert left_in(folder) == ["out.npy"]


def test_nohup(short: Path, folder: Path) -> None:
    process = subprocess.Popen(
        ["nohup", PROGRAM, *sum_of(short, "out.npy")],
        cwd=folder,
        env=surroundings(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_for_part(process, folder)
    process.send_signal(signal.SIGHUP)
    end(process)
    assert process.returncode == 0
    assert left_in(folder) == ["out.npy"]


def test_a_script_stops_with_the_program(endless: Path, folder: Path) -> None:
    # Ctrl-C goes to all processes of a terminal. A shell that waits for a program goes on with the
    # next line unless the program died of the signal.
    process = subprocess.Popen(
        ["bash", "-c", '"$0" "$@"; echo and on it goes', PROGRAM, *sum_of(endless, "out.npy")],
        cwd=folder,
        env=surroundings(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for_part(process, folder)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert out == b""
    assert process.returncode == -signal.SIGINT
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("resume", "left_over"), [("auto", "out.npy.part"), ("off", ".out.npy.onebyone-")]
)
def test_kill_leaves_one_file_at_most(
    resume: str, left_over: str, endless: Path, short: Path, folder: Path
) -> None:
    (folder / "out.npy").write_bytes(OLD)
    process = begin(folder, sum_of(endless, "out.npy", "--force", "--resume", resume))
    time.sleep(random.uniform(0, 0.3))
    process.kill()
    end(process)
    left = left_in(folder)
    assert (folder / "out.npy").read_bytes() == OLD
    left.remove("out.npy")
    assert len(left) == 1
    assert left[0].startswith(left_over)
    assert left[0].endswith(".part")
    # It is in nobody's way, and the one with a name of its own is cleared.
    assert onebyone(*sum_of(short, "out.npy", "--force"), cwd=folder).returncode == 0
    assert left_in(folder) == (["out.npy"] if resume == "auto" else sorted([*left, "out.npy"]))


def test_the_cursor_of_the_terminal_comes_back(endless: Path, folder: Path) -> None:
    env = {**surroundings(folder), "TERM": "xterm"}
    with Terminal() as terminal:
        with open(os.dup(terminal.near), "wb") as stderr:
            process = start(*sum_of(endless, "out.npy"), cwd=folder, env=env, stderr=stderr)
        deadline = time.monotonic() + DEADLINE_S
        while b"\x1b[?25l" not in terminal.so_far() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == -signal.SIGINT
        process.communicate()
        shown = terminal.shown()
    assert b"\x1b[?25l" in shown
    assert shown.rfind(b"\x1b[?25l") < shown.rfind(b"\x1b[?25h")
    assert b"Traceback" not in shown
    assert os.listdir(folder) == []


#: Starts the program, and has a signal arrive right after some system call.
_SIGNAL_AFTER_CALL = """
import os, signal
from onebyone_cli.__main__ import main

name, wanted = os.environ["TEST_OF_RUN_CALL"].split()
real, count = getattr(os, name), 0

def call(*args, **options):
    global count
    result = real(*args, **options)
    count += 1
    if count == int(wanted):
        os.kill(os.getpid(), signal.SIGTERM)
    return result

setattr(os, name, call)
main()
"""

#: Calls after which an output is half made, half published or half replaced.
_CALLS = ["open 1", "open 2", "open 3", "mkdir 1", "rename 1", "rename 2", "unlink 1", "rmdir 1"]


@pytest.mark.parametrize("call", _CALLS)
@pytest.mark.parametrize("output", ["out.npy", "out.png", "out/"])
def test_old_or_new_whatever_is_interrupted(output: str, call: str, folder: Path) -> None:
    stack = folder.parent / "stack.npy"
    np.save(stack, np.ones((1, 3, 4), np.uint8))
    lay_out_old(folder / output)
    old = contents(folder)
    args = ["apply", stack, "--kernel", "1", "--dtype", "uint8", "-o", output, "--force"]
    env = {**surroundings(folder), "TEST_OF_RUN_CALL": call}
    done = run_python(_SIGNAL_AFTER_CALL, *args, cwd=folder, env=env)
    assert done.returncode in (0, -signal.SIGTERM)
    found = contents(folder)
    if found != old or done.returncode == 0:
        (folder.parent / "new").mkdir()
        assert onebyone(*args, cwd=folder.parent / "new").returncode == 0
        assert found == contents(folder.parent / "new")


def lay_out_old(path: Path) -> None:
    from PIL import Image

    array = np.zeros((1, 3, 4), np.uint8)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".png":
        Image.fromarray(array[0]).save(path)
    else:
        path.mkdir()
        Image.fromarray(array[0]).save(path / "0.png")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_in(folder)}


#: Starts the program, and has a signal arrive at the very moment when a module is imported.
_SIGNAL_AT_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPTED"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from onebyone_cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "module",
    [
        "onebyone_cli.cli.direct",
        "onebyone_cli.cli.commands.apply",
        "numpy",
        "onebyone_cli.formats.npy",
    ],
)
def test_an_interrupted_import_says_nothing(module: str, short: Path, folder: Path) -> None:
    command = [sys.executable, "-c", _SIGNAL_AT_IMPORT, *sum_of(short, "out.npy")]
    done = run(command, cwd=folder, env={**surroundings(folder), "INTERRUPTED": module})
    assert (done.stderr, done.returncode) == ("", -signal.SIGINT)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    "moment",
    [
        "class Callback:\n    def __del__(self): stop()\nCallback()",
        "class Name:\n    def __set_name__(self, *_): stop()\nclass Owner:\n    name = Name()",
        "try:\n    stop()\nexcept BaseException as error:\n    raise DataError('odd') from error",
    ],
)
def test_a_signal_in_a_bad_moment_is_heard_all_the_same(moment: str, folder: Path) -> None:
    """Where nothing can be raised, and where what is raised is taken for something else."""
    program = f"""
import os, signal, time
from onebyone_cli.cli import exit_status
from onebyone_cli.errors import DataError

def stop():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)

def program():
    exec({moment!r}, globals())
    time.sleep(5)
    print("went on")

exit_status.run(program)
"""
    done = run([sys.executable, "-c", program], cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, b"", "")
