"""A command line in a child process, which never outlives its parent."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

from onebyone_cli import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Seconds between checks whether a child is still wanted.
_LOOK_S = 0.1

#: Errors of a worker that does not see the files of the client.
_NOT_SHARED = (errors.InputMissingError, errors.OutputRefusedError)


class NotWantedError(Exception):
    """The task was cancelled."""


class Children:
    """The children of this process, by job; several threads may run one each.

    They get no signals of the terminal, and end when their standard input is closed.
    """

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def end(self, job: str) -> None:
        """End all children of a job, and start no more."""
        self._ended.add(job)

    def are_running(self, job: str) -> bool:
        """Return whether any child of a job runs."""
        with self._lock:
            return bool(self._running[job])

    def run(self, job: str, args: Sequence[str], is_wanted: Callable[[], bool]) -> None:
        """Run ``onebyone`` with these arguments, while `is_wanted` returns true.

        Raises the `OneByOneError` of the child, or `NotWantedError`.
        """
        with self._lock:
            self._running[job] += 1
        try:
            with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
                status = self._wait(job, args, is_wanted, out, err)
                if status:
                    raise _error_of(status, out, err)
        finally:
            with self._lock:
                self._running[job] -= 1

    def _wait(
        self,
        job: str,
        args: Sequence[str],
        is_wanted: Callable[[], bool],
        out: IO[bytes],
        err: IO[bytes],
    ) -> int:
        # -P: import no module from the current folder.
        command = [sys.executable, "-P", "-m", "onebyone_cli", *args, "--json"]
        environment = os.environ | {"ONEBYONE_ATTENDED": "1"}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=err, process_group=0, env=environment
        ) as child:
            while True:
                if job in self._ended or not is_wanted():
                    raise NotWantedError
                try:
                    return child.wait(_LOOK_S)
                except subprocess.TimeoutExpired:
                    continue


def _error_of(status: int, out: IO[bytes], err: IO[bytes]) -> Exception:
    """Recreate the error that a child ended with."""
    host = platform.node()
    if status < 0:
        name = signal.Signals(-status).name
        hint = "; was there too little memory?" if -status == signal.SIGKILL else ""
        return errors.ReadWriteError(f"a process on {host} was ended by {name}{hint}")
    told = _told(out)
    cls = errors.class_of(status)
    if cls is None:
        err.seek(0)
        lines = err.read().decode(errors="backslashreplace").strip().splitlines()
        found = told.get("message") or (lines or ["it said nothing"])[-1]
        return RuntimeError(f"exit status {status} on {host}: {found}")
    message = str(told.get("message", f"exit status {status}"))
    if cls in _NOT_SHARED:
        message += f" (on the worker {host}; all workers must see the files of this machine)"
    return cls(message, str(told.get("path", "")))


def _told(out: IO[bytes]) -> dict[str, Any]:
    out.seek(0)
    try:
        error = json.loads(out.read())["error"]
    except (ValueError, LookupError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


#: Children of this process.
CHILDREN = Children()
