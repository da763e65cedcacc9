"""Run the installed ``onebyone`` as a shell would, in surroundings that are always the same."""

import contextlib
import functools
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from fork import request
from fork.process import Forked, ForkServer

#: Where ``onebyone`` lies beside the Python that runs the tests.
BIN = Path(sys.executable).parent
PROGRAM = str(BIN / "onebyone")

#: Long enough for the slowest machine, short enough for a test that hangs to be noticed.
TIMEOUT_S = 60.0

#: What differs from run to run: the end of a closing line, and how far a slow run has come.
TAKEN = re.compile(
    r" in [0-9]+\.[0-9]{2,3} s(, [0-9.]+ ([KMGTP]i)?B/s)?, peak [0-9.]+ [KMG]iB"
    r"|^[a-z]+: [0-9]+ % of .* left\n",
    re.MULTILINE,
)

#: What the surroundings of the tests may hand on: Python can need it to start at all.
_HANDED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "OPENBLAS_CORETYPE")


class Completed(NamedTuple):
    """How a run ended: standard output is data, standard error is text for people."""

    returncode: int
    stdout: bytes
    stderr: str


def environment(**more: str) -> dict[str, str]:
    """Make an environment without anything that would change what ``onebyone`` says or does.

    None of ``ONEBYONE_*``, ``SLURM_*``, ``NO_COLOR``, ``PYTHON*`` and the user's locale get in.
    """
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    fixed = {"PATH": path, "LC_ALL": "C.UTF-8", "TERM": "dumb", "COLUMNS": "80"}
    handed_on = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    return {**handed_on, **fixed, **more}


@functools.cache
def fork_server() -> ForkServer:
    """Start what forks the program, in place of starting it anew each time; once."""
    return ForkServer(PROGRAM, environment())


def serves_forks(process: subprocess.Popen[bytes]) -> bool:
    """Whether this is the server: it lives as long as the tests."""
    return bool(fork_server.cache_info().currsize) and process is fork_server().process


def close_fork_server() -> None:
    """End the server, if there is one."""
    if fork_server.cache_info().currsize:
        fork_server().close()


def for_shells(env: Mapping[str, str]) -> dict[str, str]:
    """Give an environment in which ``onebyone`` is forked where that comes to the same."""
    server = fork_server()
    path = os.pathsep.join([str(server.bin), env["PATH"]])
    return {**env, "PATH": path, request.SOCKET: server.socket}


def onebyone(
    *args: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    input: bytes = b"",
) -> Completed:
    """Run ``onebyone`` to its end, with `input` on its standard input."""
    return _ended(start(*args, cwd=cwd, env=env, stdin=subprocess.PIPE), input)


def _ended(process: subprocess.Popen[bytes], input: bytes | None) -> Completed:
    with process:
        try:
            out, err = process.communicate(input, TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    return Completed(process.returncode, out, err.decode(errors="backslashreplace"))


def shell(
    line: str,
    *args: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    input: bytes = b"",
) -> Completed:
    """Run a command line in bash, where ``"$0" "$@"`` is ``onebyone`` with `args`."""
    env = for_shells(environment() if env is None else env)
    program = str(fork_server().bin / "onebyone")
    return run(["bash", "-c", line, program, *map(str, args)], cwd=cwd, env=env, input=input)


def run(
    command: list[str], *, cwd: Path, env: Mapping[str, str] | None = None, input: bytes = b""
) -> Completed:
    """Run any command to its end."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment() if env is None else env,
        input=input,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Completed(done.returncode, done.stdout, done.stderr.decode(errors="backslashreplace"))


def start(
    *args: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    really: bool = False,
) -> subprocess.Popen[bytes]:
    """Start ``onebyone`` and leave it running.

    It is forked where that comes to the same (see `fork.request.is_equivalent`), unless it is to
    be `really` started, with all imports.
    """
    words = [PROGRAM, *map(str, args)]
    env = environment() if env is None else env
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    if not really and request.is_equivalent(words[1:], env):
        return Forked(fork_server(), words, cwd=cwd, env=env, **streams)
    return subprocess.Popen(words, cwd=cwd, env=env, **streams)


def start_python(
    code: str, *args: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start Python code that runs the program in some way of its own; forked if that is the same.

    It finds `args` in ``sys.argv``. What else it is to know goes into variables of the environment
    whose names begin with ``TEST_OF_RUN_``.
    """
    words = ["-c", *map(str, args)]
    env = environment() if env is None else env
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if request.is_equivalent(words[1:], env):
        return Forked(fork_server(), words, code, cwd=cwd, env=env, **streams)
    python = [sys.executable, "-c", code, *words[1:]]
    return subprocess.Popen(python, cwd=cwd, env=env, **streams)


def run_python(
    code: str, *args: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> Completed:
    """Run such code to its end."""
    return _ended(start_python(code, *args, cwd=cwd, env=env), None)


# What the system reports of a child is never below what its parent held, and pytest holds a lot:
# the program itself reads its own high-water mark, on its way out.
_REPORTING = """
import os, sys
leave = os._exit
def report(status):
    with open("/proc/self/status") as file:
        print(next(line.split()[1] for line in file if line.startswith("VmHWM")), flush=True)
    leave(status)
os._exit = report
from onebyone_cli.__main__ import main
main()
"""


def peak_memory(
    *args: str | Path, cwd: Path, stdin: int | IO[bytes] = subprocess.DEVNULL, **env: str
) -> int:
    """Largest resident memory of a run that must succeed, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _REPORTING, *map(str, args)],
        cwd=cwd,
        env=environment(**env),
        stdin=stdin,
        capture_output=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    return int(done.stdout) * 1024


class Terminal:
    """The far end of a terminal: collects what a program shows on it.

    Attributes
    ----------
    near : int
        Descriptor of the terminal itself, for a program to read from or write to.
    """

    def __init__(self) -> None:
        self._far, self.near = pty.openpty()
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # nobody has it open any more
            while piece := os.read(self._far, 65536):
                self._shown += piece

    def so_far(self) -> bytes:
        """What has been shown until now."""
        return bytes(self._shown)

    def shown(self) -> bytes:
        """Everything that was shown; for when no program uses the terminal any more."""
        self.close()
        return bytes(self._shown)

    def close(self) -> None:
        if self._far >= 0:
            os.close(self.near)
            self._reader.join()
            os.close(self._far)
            self._far = -1

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def files_in(folder: Path) -> list[str]:
    """All files under a folder, hidden ones included, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
