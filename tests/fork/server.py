"""Fork a process for each run of the program, from one that has imported all that it may need.

Importing is most of what a short run takes. A forked process is one of its own all the same, with
its own signals, umask, limits, open files and exit status. It calls what the command calls.
"""

import contextlib
import gc
import io
import marshal
import os
import resource
import select
import signal
import socket
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

_HEAD = 8
_LOWEST_SAVED = 512


def main(listening: int, lifeline: int) -> NoReturn:
    """Serve until nobody holds the other end of `lifeline`."""
    sys.path[0] = str(Path(sys.executable).parent)  # as for the program itself
    preload()
    gc.collect()
    gc.freeze()
    threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    if threads != 1:
        sys.exit(f"the fork server has {threads} threads, and only one would be in its children")
    Server(socket.socket(fileno=listening), lifeline).run()


def preload() -> None:
    """Import the program and the libraries that it imports when it needs them."""
    package = Path(import_module("onebyone_cli").__file__ or "").parent
    names = sorted(
        ".".join(["onebyone_cli", *path.relative_to(package).with_suffix("").parts])
        for path in package.rglob("*.py")
        if path.name != "__main__.py"
    )
    names = [name.removesuffix(".__init__") for name in names]
    blas = next(name for name in names if name.endswith(".blas"))
    import_module(blas).set_up()
    modules = [import_module(name) for name in names]
    for module in modules:
        if hasattr(module, "load_h5py"):
            module.load_h5py()
    for name in _LIBRARIES:
        import_module(name)
    import_module("onebyone_cli.__main__")
    started = {"distributed", "matplotlib", "sklearn"} & sys.modules.keys()
    if started:
        sys.exit(f"importing the package imports {', '.join(started)}")


#: What is imported inside functions.
_LIBRARIES = (
    "numpy.random",
    "numpy.linalg",
    "PIL.Image",
    "rich.console",
    "rich.progress",
    "rich.table",
)


class Server:
    """Answers requests one at a time, and tells each who asked how the process ended."""

    def __init__(self, listener: socket.socket, lifeline: int) -> None:
        self.listener, self.lifeline = listener, lifeline
        self.asked: dict[int, socket.socket] = {}  # by process id
        self.wake, ended = os.pipe()
        for end in (self.wake, ended):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(ended, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked is interrupted too, and lets go
        self.poll = select.poll()
        for fd in (self.listener.fileno(), self.lifeline, self.wake):
            self.poll.register(fd, select.POLLIN)

    def run(self) -> NoReturn:
        while True:
            ready = {fd for fd, _ in self.poll.poll()}
            if self.lifeline in ready:
                self._end()
            if self.wake in ready:
                self._collect()
            for pid, connection in [*self.asked.items()]:
                if connection.fileno() in ready:  # nobody waits for it any more
                    self._let_go(connection)
                    del self.asked[pid]
                    os.kill(pid, signal.SIGKILL)
            if self.listener.fileno() in ready:
                self._accept()

    def _end(self) -> NoReturn:
        for pid in self.asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os._exit(0)

    def _collect(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if connection := self.asked.pop(pid, None):
                    with contextlib.suppress(OSError):
                        connection.sendall(status.to_bytes(4, "little"))
                    self._let_go(connection)

    def _let_go(self, connection: socket.socket) -> None:
        self.poll.unregister(connection)
        connection.close()

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        try:
            content, descriptors = _receive(connection)
        except OSError:
            connection.close()
            return
        # Signals that come at once find the child ready for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        else:
            _be_the_program(content, descriptors)
        for fd in descriptors:
            os.close(fd)
        self.asked[pid] = connection
        self.poll.register(connection, select.POLLIN)
        with contextlib.suppress(OSError):
            connection.sendall(pid.to_bytes(4, "little"))


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, descriptors, _, _ = socket.recv_fds(connection, _HEAD, 253)
    while len(head) < _HEAD:
        head += _some(connection, _HEAD - len(head))
    length = int.from_bytes(head[:4], "little")
    text = bytearray()
    while len(text) < length:
        text += _some(connection, length - len(text))
    return marshal.loads(text), list(descriptors)


def _some(connection: socket.socket, most: int) -> bytes:
    piece = connection.recv(most)
    if not piece:
        raise ConnectionError
    return piece


def _be_the_program(content: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Take on what the request says, and run. The caller's objects live on, and their numbers."""
    try:
        _place(descriptors, content["places"])
        _reset_signals(content["ignored"])
        os.umask(content["umask"])
        for kind, soft, hard in content["limits"]:
            if resource.getrlimit(kind) != (soft, hard):
                resource.setrlimit(kind, (soft, hard))
        os.environ.clear()
        os.environ.update(content["env"])
        sys.argv = list(content["argv"])
        _open_streams()
        tempfile.tempdir = None
        gc.enable()
        exec(content["code"], {"__name__": "__main__"})
    except BaseException:
        import traceback

        traceback.print_exc()
        with contextlib.suppress(Exception):
            sys.stderr.flush()
    finally:
        os._exit(1)


def _place(descriptors: list[int], places: list[int]) -> None:
    """Go to the folder that came first, and give the other files their numbers."""
    import fcntl

    folder, *files = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LOWEST_SAVED) for fd in descriptors]
    signal.set_wakeup_fd(-1)
    os.closerange(0, _LOWEST_SAVED)
    os.fchdir(folder)
    for fd, place in zip(files, places, strict=True):
        os.dup2(fd, place)
    for fd in (folder, *files):
        os.close(fd)


def _reset_signals(ignored: list[int]) -> None:
    """Handle signals as Python does at its start, but for Ctrl-C: that is left as it began."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, *ignored):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _open_streams() -> None:
    """Make the three streams as Python does at its start; the encoding is that of the server."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        old = getattr(sys, f"__{name}__")
        stream = None
        with contextlib.suppress(OSError):
            os.fstat(fd)
            binary = open(fd, f"{mode}b", closefd=False)  # noqa: SIM115 (for good)
            raw = getattr(binary, "raw", binary)
            raw.name = f"<{name}>"
            stream = io.TextIOWrapper(
                binary,
                old.encoding,
                old.errors,
                newline="\n",
                line_buffering=fd == 2 or os.isatty(fd),
            )
            stream.mode = mode
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
