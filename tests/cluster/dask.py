"""A real Dask cluster for tests: a scheduler and workers on 127.0.0.1, in one folder."""

import contextlib
import importlib.util
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from command import BIN, environment

#: Long enough for a busy machine; it starts in three seconds.
_START_S = 60.0
#: How long whatever was asked to end may take, before it is killed.
_GRACE_S = 20.0
#: How often we look whether what we wait for has happened.
_POLL_S = 0.02


def missing_for_dask() -> str:
    """Say why `Dask` cannot run here; empty if it can."""
    if importlib.util.find_spec("distributed") is None:
        return "Dask is not installed: pip install 'onebyone-cli[dask]'"
    if not Path("/proc/self/environ").exists():
        return "whose child a process is, is looked up in /proc, and there is none"
    return ""


def wait_until(what: str, happened: Callable[[], object], timeout: float = _START_S) -> None:
    """Wait until something has happened.

    Raises
    ------
    TimeoutError
        After `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(_POLL_S)


def processes_with(mark: str) -> dict[int, str]:
    """Find the processes that run with `mark` in their environment, and their command lines.

    Whoever they start inherits it, however far away it has got.
    """
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                found[int(folder.name)] = b" ".join(words).decode(errors="replace")
    return found


class Dask:
    """A scheduler and its workers, from `with` to the end of its block.

    Parameters
    ----------
    folder : Path
        Where its files and logs go; made here.
    workers : int
        How many processes there are, with a thread each.
    settings : str
        Settings of Dask, by the names of their environment variables.

    Attributes
    ----------
    scheduler_file : Path
        Where the scheduler has left its address.
    workers : list of Popen
        Their processes.
    """

    def __init__(self, folder: Path, workers: int = 2, **settings: str) -> None:
        self.folder = folder
        self.scheduler_file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._count, self._settings = workers, settings
        self._undo = contextlib.ExitStack()

    @property
    def address(self) -> str:
        """The scheduler's."""
        return str(json.loads(self.scheduler_file.read_text())["address"])

    def __enter__(self) -> Self:
        self.folder.mkdir()
        with contextlib.ExitStack() as undo:
            options = ["--host", "127.0.0.1", "--port", "0"]
            self._scheduler = self._start(undo, "scheduler", *options)
            wait_until("the scheduler", self.scheduler_file.exists)
            self._undo = undo.pop_all()
        try:
            for _ in range(self._count):
                self.add_worker()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._undo.close()

    def stop_scheduler(self) -> None:
        """End the scheduler."""
        _stop(self._scheduler)

    def add_worker(self) -> subprocess.Popen[bytes]:
        """Start one more worker, and wait until it takes work."""
        name = f"worker-{len(self.workers)}"
        options = ["--no-nanny", "--nthreads", "1", "--local-directory", name]
        worker = self._start(self._undo, "worker", *options, log=name)
        self.workers.append(worker)
        log = self.folder / f"{name}.log"
        wait_until(name, lambda: "Starting established connection" in log.read_text())
        return worker

    def children(self) -> dict[int, str]:
        """Find what workers have started for us."""
        found = processes_with(f"TEST_DASK={self.folder}")
        return {pid: line for pid, line in found.items() if "-P" in line and "onebyone_cli" in line}

    def children_of(self, worker: subprocess.Popen[bytes]) -> set[int]:
        """Find those of one worker."""
        return {pid for pid in self.children() if _parent_of(pid) == worker.pid}

    def _start(
        self, undo: contextlib.ExitStack, part: str, *options: str, log: str = ""
    ) -> subprocess.Popen[bytes]:
        command = [BIN / "dask", part, *options]
        with (self.folder / f"{log or part}.log").open("wb") as out:
            process = subprocess.Popen(
                [*command, "--no-dashboard", "--scheduler-file", self.scheduler_file],
                cwd=self.folder,
                env=environment(TEST_DASK=str(self.folder), **self._settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # Control-C ends pytest, which then ends these.
                process_group=0,
            )
        undo.callback(_stop, process)
        return process


def _parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])
    return 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
