"""Stand in for ``onebyone`` in command lines that bash runs: a forked process does the work.

It has the open files, working folder, environment, umask, limits and ignored signals that bash
gave to this one. This one hands signals on, and ends as that one does.
"""

import sys

sys.path.insert(0, __file__.rpartition("/")[0])
import _signal as signal
import posix

import request

#: What a shell may have opened for the program.
_MOST_DESCRIPTORS = 64

_HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU)
#: Python itself has us ignore these.
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)


def main(program: str, args: list[str]) -> None:
    env = {
        posix_name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for posix_name, value in posix.environ.items()
    }
    socket = env.pop(request.SOCKET, "")
    if not socket or not request.is_equivalent(args, env):
        posix.execve(program, [program, *args], env)
    numbers = _open_descriptors()
    folder = posix.open(".", posix.O_RDONLY | posix.O_CLOEXEC)
    content = {
        "argv": [program, *args],
        "env": env,
        "umask": request.own_umask(),
        "limits": _limits(),
        "ignored": _ignored(),
        "places": numbers,
        "code": request.PROGRAM,
    }
    connection, child = request.send(socket, content, [folder, *numbers])
    for number in _HANDED_ON:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: posix.kill(child, number))
    status = request.receive_number(connection)
    if posix.WIFSIGNALED(status):
        signal.signal(posix.WTERMSIG(status), signal.SIG_DFL)
        posix.kill(posix.getpid(), posix.WTERMSIG(status))
    posix._exit(posix.WEXITSTATUS(status))


def _open_descriptors() -> list[int]:
    found = []
    for number in range(_MOST_DESCRIPTORS):
        try:
            posix.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def _limits() -> list[tuple[int, int, int]]:
    import resource

    kinds = (value for name, value in vars(resource).items() if name.startswith("RLIMIT_"))
    return [(kind, *resource.getrlimit(kind)) for kind in {*kinds}]


def _ignored() -> list[int]:
    return [
        int(number)
        for number in range(1, 32)
        if number not in _PYTHON_IGNORES and signal.getsignal(number) == signal.SIG_IGN
    ]


main(sys.argv[1], sys.argv[2:])
