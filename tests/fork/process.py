"""Start the program through the fork server; what comes back is used as any `subprocess.Popen`."""

import atexit
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fork import request

_HERE = Path(__file__).parent


class ForkServer:
    """The server of this process, which ends with it.

    Attributes
    ----------
    socket : str
        Where it is reached.
    bin : pathlib.Path
        A folder with an ``onebyone`` for command lines, which asks it.
    """

    def __init__(self, program: str, env: Mapping[str, str]) -> None:
        folder = tempfile.mkdtemp(prefix="onebyone-fork-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.owner = os.getpid()
        self.socket = f"{folder}/socket"
        self.bin = Path(folder, "bin")
        self.bin.mkdir()
        client = self.bin / "onebyone"
        words = (sys.executable, "-IS", str(_HERE / "client.py"), program)
        client.write_text(f'#!/bin/sh\nexec {" ".join(map(_quoted, words))} "$@"\n')
        client.chmod(0o755)
        reading, self._lifeline = os.pipe()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.socket)
            listener.listen(64)
            numbers = (listener.fileno(), reading)
            self.process = subprocess.Popen(
                [sys.executable, str(_HERE / "server.py"), *map(str, numbers)],
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
                env=dict(env),
            )
        os.close(reading)
        atexit.register(self.close)

    def close(self) -> None:
        """End it, and whatever it has started and nobody has waited for."""
        if self._lifeline >= 0 and os.getpid() == self.owner:
            os.close(self._lifeline)
            self._lifeline = -1
            self.process.wait()


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


class Forked(subprocess.Popen[bytes]):
    """A process that the server has forked: only how it starts and is waited for differs.

    Parameters
    ----------
    server : ForkServer
        Who forks it.
    args : list of str
        What becomes ``sys.argv``.
    code : str
        What it runs.
    **options
        As for `subprocess.Popen`: ``cwd``, ``env`` and the streams.
    """

    def __init__(
        self, server: ForkServer, args: list[str], code: str = request.PROGRAM, **options: Any
    ) -> None:
        self._server, self._code = server, code
        super().__init__(args, **options)

    def _execute_child(self, args: list[str], *rest: Any) -> None:
        (_, _, _, _, cwd, env, _, _, _, *pipes) = rest[:15]
        p2cread, _, _, c2pwrite, _, errwrite = pipes
        files = [fd if fd >= 0 else own for own, fd in enumerate((p2cread, c2pwrite, errwrite))]
        content = {
            "argv": list(args),
            "env": dict(env),
            "umask": request.own_umask(),
            "limits": [],
            "ignored": [],
            "places": [0, 1, 2],
            "code": self._code,
        }
        folder = os.open(cwd, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._talk, self.pid = request.send(self._server.socket, content, [folder, *files])
            self._child_created = True
        finally:
            os.close(folder)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        return self._look(0)

    def _wait(self, timeout: float | None) -> int:
        status = self._look(timeout)
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return status

    def _look(self, timeout: float | None) -> int | None:
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None:
                poll = select.poll()
                poll.register(self._talk, select.POLLIN)
                if poll.poll(None if timeout is None else max(timeout, 0) * 1000):
                    status = request.receive_number(self._talk)
                    self.returncode = os.waitstatus_to_exitcode(status)
                    self._talk.close()
            return self.returncode
