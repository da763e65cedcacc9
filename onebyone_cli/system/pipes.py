"""Read and write pipes, which transfer fewer bytes than requested."""

import contextlib
import fcntl
import os

from onebyone_cli.errors import read_write_error

#: The largest pipe buffer that Linux gives unprivileged users.
_PIPE_BYTES = 1 << 20


def write_all(fd: int, data: memoryview, path: str) -> None:
    """Write all bytes to a descriptor.

    Raises
    ------
    BrokenPipeError
        If the reader of standard output has closed it.
    ReadWriteError
        If the system call fails otherwise.
    """
    try:
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                wait_until_ready(fd, writing=True)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and fd == 1:
            raise
        raise read_write_error("writing", path, error) from error


def enlarge_pipe(fd: int) -> None:
    """Request the largest buffer if the descriptor is a pipe.

    With it, 1 GiB from ``cat`` takes a third of the time that it takes with the usual 64 KiB.
    """
    with contextlib.suppress(OSError, AttributeError):  # not a pipe; a user limit; not Linux
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def wait_until_ready(fd: int, *, writing: bool = False) -> None:
    """Wait for a descriptor that is in non-blocking mode."""
    import select

    # select fails for descriptors of 1024 and more.
    waiting = select.poll()
    waiting.register(fd, select.POLLOUT if writing else select.POLLIN)
    waiting.poll()
