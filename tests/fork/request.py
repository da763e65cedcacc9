"""Ask the fork server for a process, in as few imports as possible: shells start this often.

A request is a length, a number of descriptors and the text of a dictionary; descriptors travel
beside it. The answers are the process id, and at the end the status as `os.wait` gives it.
"""

import _socket
import marshal
import posix
from collections.abc import Mapping

#: Names the socket of the server to commands that a shell starts.
SOCKET = "FORK_SERVER_OF_TESTS"

#: What the program and its libraries read when they run. Anything else might be read when modules
#: are imported, which the server has done before: such a run must be a real start.
_KERNEL = "OPENBLAS_CORETYPE"
_READ_LATE = {
    _KERNEL,
    *("PATH", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"),
    *("LC_ALL", "TERM", "COLUMNS", "LINES", "NO_COLOR", "COLORTERM"),
    *("PAGER", "MANPAGER", "MANWIDTH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
}
_READ_LATE_PREFIXES = ("ONEBYONE_", "SLURM_", "PBS_", "SGE_", "LSB_", "TEST_OF_RUN_")
#: What must be as it was for the server.
_FIXED = {"LC_ALL": "C.UTF-8"}
#: The option of runs that start processes of their own, and take seconds anyway.
_CLUSTER = "--workers"

#: What the command runs.
PROGRAM = "from onebyone_cli.__main__ import main; main()"

_SOL_SOCKET, _SCM_RIGHTS = _socket.SOL_SOCKET, _socket.SCM_RIGHTS
_LENGTH = 4


def is_equivalent(args: list[str], env: Mapping[str, str]) -> bool:
    """Whether a forked process would do what a process does that is really started."""
    import os

    return (
        # numpy has chosen its kernel in the server.
        env.get(_KERNEL) == os.environ.get(_KERNEL)
        and all(name in _READ_LATE or name.startswith(_READ_LATE_PREFIXES) for name in env)
        and all(env.get(name) == value for name, value in _FIXED.items())
        and not any(arg.startswith(_CLUSTER) for arg in args)
    )


def send(path: str, content: dict[str, object], descriptors: list[int]) -> tuple[object, int]:
    """Have a process started; give the connection and the process id.

    Parameters
    ----------
    path : str
        Socket of the server.
    content : dict
        What `fork.server` needs to know; of types that `marshal` knows.
    descriptors : list of int
        Open files to hand over.
    """
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(path)
    text = marshal.dumps(content)
    head = len(text).to_bytes(_LENGTH, "little") + len(descriptors).to_bytes(_LENGTH, "little")
    files = b"".join(number.to_bytes(4, _byte_order()) for number in descriptors)
    connection.sendmsg([head], [(_SOL_SOCKET, _SCM_RIGHTS, files)])
    connection.sendall(text)
    return connection, receive_number(connection)


def receive_number(connection) -> int:  # type: ignore[no-untyped-def]
    """Receive one answer.

    Raises
    ------
    EOFError
        If the server is gone.
    """
    got = b""
    while len(got) < _LENGTH:
        piece = connection.recv(_LENGTH - len(got))
        if not piece:
            raise EOFError("the fork server of the tests has ended")
        got += piece
    return int.from_bytes(got, "little")


def _byte_order() -> str:
    import sys

    return sys.byteorder


def own_umask() -> int:
    """Read the umask of this process."""
    try:
        with open("/proc/self/status") as file:
            return int(next(line.split()[1] for line in file if line.startswith("Umask:")), 8)
    except (OSError, StopIteration):
        mask = posix.umask(0o077)
        posix.umask(mask)
        return mask
