"""Bytes of a file or a pipe, read from front to back."""

from __future__ import annotations

import os
import stat

from onebyone_cli.errors import InputMissingError, UsageError, open_error, read_write_error
from onebyone_cli.system.pipes import enlarge_pipe, wait_until_ready


class ByteSource:
    """An open file or pipe.

    Parameters
    ----------
    fd : int
        Descriptor open for reading.
    name : str
        As the user wrote it; ``-`` is standard input.

    Attributes
    ----------
    path : str
        Name for messages.
    is_file : bool
        Whether it is a regular file, not a pipe.
    owns_fd : bool
        Whether `close` closes the descriptor; standard input stays open.
    files : tuple of str
        Files that must not become an output.
    """

    def __init__(self, fd: int, name: str) -> None:
        self.fd = fd
        self.path = "standard input" if name == "-" else name
        self.owns_fd = name != "-"
        self.is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self.files = (name if self.owns_fd else "/dev/stdin",) if self.is_file else ()
        self._ahead = b""

    @property
    def position(self) -> int:
        """Offset of the next byte of a file; 0 for a pipe."""
        return os.lseek(self.fd, 0, os.SEEK_CUR) if self.is_file else 0

    @property
    def size(self) -> int:
        """Size of a file in bytes."""
        return os.fstat(self.fd).st_size

    def read(self, count: int) -> bytes:
        """Read exactly `count` bytes, or fewer at the end.

        Raises
        ------
        ReadWriteError
            If the system fails.
        """
        pieces, self._ahead = [self._ahead[:count]], self._ahead[count:]
        count -= len(pieces[0])
        while count and (piece := self._read_some(count)):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def read_into(self, piece: memoryview) -> int:
        """Read the available bytes that fit; return their number, 0 at the end.

        Raises
        ------
        ReadWriteError
            If the system fails.
        """
        if self._ahead:
            count = min(len(self._ahead), len(piece))
            piece[:count], self._ahead = self._ahead[:count], self._ahead[count:]
            return count
        while True:
            try:
                return os.readv(self.fd, [piece])
            except BlockingIOError:
                wait_until_ready(self.fd)
            except OSError as error:
                raise read_write_error("reading", self.path, error) from error

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes, or fewer at the end; they are still to be read.

        Raises
        ------
        ReadWriteError
            If the system fails.
        """
        if self.is_file:
            return os.pread(self.fd, count, self.position)
        while len(self._ahead) < count and (piece := self._read_some(count - len(self._ahead))):
            self._ahead += piece
        return self._ahead[:count]

    def at_end(self) -> bool:
        """Return whether nothing follows; waits for a pipe."""
        if self.is_file:
            return self.position >= self.size
        # One byte is enough, and a slow sender is not waited for.
        self._ahead = self._ahead or self._read_some(1)
        return not self._ahead

    def has_come(self, milliseconds: int) -> bool:
        """Wait for a pipe; return whether it has bytes or has ended."""
        import select

        waiting = select.poll()
        waiting.register(self.fd, select.POLLIN)
        return bool(self._ahead or waiting.poll(milliseconds))

    def close(self) -> None:
        """Close the descriptor if it is owned."""
        if self.owns_fd and self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def _read_some(self, count: int) -> bytes:
        while True:
            try:
                return os.read(self.fd, count)
            except BlockingIOError:
                wait_until_ready(self.fd)  # another program made it non-blocking
            except OSError as error:
                raise read_write_error("reading", self.path, error) from error


def open_bytes(name: str, kind: str = "") -> ByteSource:
    """Open a file or a pipe, or standard input for ``-``.

    Parameters
    ----------
    name : str
        As the user wrote it.
    kind : str
        Expected kind of file, for messages, with a blank after it; as in ``".npy "``.

    Raises
    ------
    InputMissingError
        If it can't be opened, or is neither file nor pipe.
    UsageError
        If standard input is a terminal.
    """
    path = "standard input" if name == "-" else name
    try:
        fd = 0 if name == "-" else os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        source = ByteSource(fd, name)
    except OSError as error:
        raise open_error(path, error) from error
    enlarge_pipe(fd)
    try:
        _check_kind(source, kind)
    except BaseException:
        source.close()
        raise
    return source


def _check_kind(source: ByteSource, kind: str) -> None:
    mode = os.fstat(source.fd).st_mode
    if os.isatty(source.fd):
        raise UsageError(f"standard input is a terminal; give a file, or pipe a {kind}stream in")
    if not (source.is_file or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        found = "folder" if stat.S_ISDIR(mode) else "device"
        raise InputMissingError(f"is a {found}; expected a {kind}file or a pipe", source.path)
