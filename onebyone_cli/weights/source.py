"""Open a weights file: a regular file, or a pipe that the user hands over.

A pipe is read to its end into memory, within a limit. Only one that is open already is read:
opening a named pipe would wait for whoever writes it.
"""

from __future__ import annotations

import io
import os
import re
import stat
from typing import TYPE_CHECKING, BinaryIO

from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    open_error,
    read_write_error,
)
from onebyone_cli.system.pipes import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable

_DESCRIPTOR = re.compile(r"/dev/(?:stdin|fd/([0-9]{1,9}))|/proc/self/fd/([0-9]{1,9})")

#: Bytes that are read from a pipe at once.
_PIECE = 1 << 20


def open_source(path: str, limit_of: Callable[[bytes], int]) -> BinaryIO:
    """Open a weights file, at its beginning and seekable.

    Parameters
    ----------
    path : str
        A file, ``-``, or a descriptor such as ``/dev/fd/63``.
    limit_of : callable
        Returns the most bytes of a pipe that begins with the given bytes.

    Raises
    ------
    InputMissingError
        If there is no such file, or it is a folder, a named pipe or a device.
    DataError
        If a pipe brings more than the limit.
    """
    descriptor = _descriptor_of(path)
    try:
        mode = os.stat(path).st_mode if path != "-" else os.fstat(0).st_mode
        is_pipe = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        if descriptor is not None and (is_pipe or (path == "-" and stat.S_ISREG(mode))):
            return io.BytesIO(_read_all(descriptor, path, limit_of))
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except OneByOneError:
        raise
    except OSError as error:
        raise _missing(path, error) from error
    except ValueError as error:  # a NUL, or a character that file names can't have
        raise InputMissingError("is not a possible file name", path) from error
    found = "a folder" if stat.S_ISDIR(mode) else "a device"
    if is_pipe:
        found = "a pipe with a name, which is not waited for: give <(cat NAME), or"
        raise InputMissingError(f"is {found} - for standard input", path)
    if path == "-":
        found = "a terminal or a device"
    raise InputMissingError(f"is {found}; expected a weights file", path)


def _descriptor_of(path: str) -> int | None:
    """Return the descriptor that a name stands for; None for other names."""
    if path == "-":
        return 0
    found = _DESCRIPTOR.fullmatch(path)
    return int(found[1] or found[2] or 0) if found else None


def _missing(path: str, error: OSError) -> InputMissingError:
    before, colon, after = path.rpartition(":")
    is_absent = isinstance(error, FileNotFoundError | NotADirectoryError)
    if is_absent and colon and os.path.isfile(before):
        return InputMissingError(
            f"no file has this name, and {before} holds one array: leave out ':{after}'", path
        )
    return open_error(path, error)


def _read_all(descriptor: int, path: str, limit_of: Callable[[bytes], int]) -> bytes:
    pieces: list[bytes] = []
    total, limit = 0, 0
    try:
        while piece := _read_some(descriptor):
            pieces.append(piece)
            total += len(piece)
            if not limit or total < _PIECE:
                limit = limit_of(b"".join(pieces)[:_PIECE])
            if total > limit:
                raise DataError(f"brings more than {limit} bytes; expected a weights file", path)
    except OSError as error:
        raise read_write_error("reading", path, error) from error
    return b"".join(pieces)


def _read_some(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, _PIECE)
        except BlockingIOError:
            wait_until_ready(descriptor)
