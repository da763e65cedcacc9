"""Open an HDF5 file safely, and report errors of HDF5 in one line."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    ReadWriteError,
    open_error,
    read_write_error,
)
from onebyone_cli.file_kinds import LOOK_BYTES, look
from onebyone_cli.formats.arrays.file_state import file_state
from onebyone_cli.system import hdf5
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.file_state import FileState

_SIGNATURE = b"\x89HDF\r\n\x1a\n"

#: Errors of h5py for a malformed file, besides OSError.
_H5PY_ERRORS = (RuntimeError, LookupError, ValueError, TypeError, OverflowError, MemoryError)

#: Error number of NFS without locks, on some cluster file systems.
_ENOTSUPP = 524

#: HDF5's own cache of chunks. `cells` caches them, but HDF5 reads a chunk that does not fit its
#: cache number by number: tiny ones took 4 to 10 times as long without this.
_CACHE_BYTES = 1 << 16

#: Longest reason of HDF5 in a message.
_REASON_LENGTH = 160


#: Import h5py; the files of this format take it from here.
load_h5py = hdf5.load_h5py


class InputFile:
    """An HDF5 file open for reading.

    Attributes
    ----------
    fd : int
        A separate descriptor of the same file.
    state : FileState
        To detect changes.
    size : int
        Size of the file in bytes.
    root : h5py.h5g.GroupID
        Root group.

    Raises
    ------
    InputMissingError
        If it does not exist, or is not a regular file.
    DataError
        If it is not an HDF5 file, or damaged.
    ReadWriteError
        If it is locked.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._h5: Any = None
        try:
            # Opening a named pipe must not wait for a writer.
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise open_error(path, error) from error
        try:
            self._check_regular()
            self.state = file_state(self.fd)
            self.size = self.state.size
            self._check_signature()
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def is_netcdf(self) -> bool:
        """Whether it was written as netCDF-4."""
        return bool(load_h5py().h5a.exists(self.root, b"_NCProperties"))

    def check_unchanged(self, state: FileState | None = None) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened, or since `state`."""
        (state or self.state).check(self.fd, self.path)

    def close(self) -> None:
        """Close the file. May be called twice."""
        h5, self._h5 = self._h5, None
        if h5 is not None:
            with one_line_errors("can't be closed", self.path):
                h5.close()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _check_regular(self) -> None:
        mode = os.fstat(self.fd).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise InputMissingError(f"is {kind}; expected an HDF5 file", self.path)

    def _check_signature(self) -> None:
        """Raise `DataError` if the signature is missing."""
        try:
            if has_signature(self.fd, self.size):
                return
            start = os.pread(self.fd, LOOK_BYTES, 0)
        except OSError as error:
            raise read_write_error("reading", self.path, error) from error
        if not start:
            raise DataError("is empty; expected an HDF5 file", self.path)
        seen = look(start)
        found = f"; it looks like {seen.text}" if seen else ": it does not begin with \\x89HDF"
        raise DataError(f"is not an HDF5 file{found}", self.path)

    def _open(self) -> None:
        h5py = load_h5py()
        try:
            self._h5 = h5py.File(self.path, "r", rdcc_nbytes=_CACHE_BYTES)
        except (OSError, *_H5PY_ERRORS) as error:
            raise _open_trouble(error, self.path) from error
        with one_line_errors("can't be understood by HDF5", self.path):
            seen = os.fstat(self._h5.id.get_vfd_handle())
            self.root = h5py.h5g.open(self._h5.id, b"/")
        own = os.fstat(self.fd)
        if (seen.st_dev, seen.st_ino) != (own.st_dev, own.st_ino):
            raise ReadWriteError("was replaced while it was being opened; run again", self.path)


def has_signature(fd: int, size: int) -> bool:
    """Look for the signature where HDF5 does: at 0, 512, 1024, 2048 and so on.

    MATLAB and others leave room for bytes of their own in front. Raises `OSError`.
    """
    offset = 0
    while offset + len(_SIGNATURE) <= size:
        if os.pread(fd, len(_SIGNATURE), offset) == _SIGNATURE:
            return True
        offset = 2 * offset or 512
    return False


@contextmanager
def one_line_errors(what: str, path: str) -> Iterator[None]:
    """Turn errors of h5py into one-line errors of this package.

    Parameters
    ----------
    what : str
        What failed, as in ``"can't be understood by HDF5"``.
    path : str
        The input, for the message.

    Raises
    ------
    ReadWriteError
        If the system failed.
    DataError
        If HDF5 or h5py failed.
    """
    try:
        yield
    except OneByOneError:
        raise
    except OSError as error:
        if error.errno:
            raise read_write_error("reading", path, error) from error
        raise DataError(f"{what}: {short_reason(error)}", path) from error
    except _H5PY_ERRORS as error:
        raise DataError(f"{what}: {short_reason(error)}", path) from error


def short_reason(error: BaseException) -> str:
    """Return the most specific part of an error of h5py, on one line.

    h5py writes what it was doing and, in brackets, the first error of HDF5.
    """
    text = str(error) or type(error).__name__
    inner = re.search(r"\((.+)\)\s*$", text, re.DOTALL)
    words = " ".join((inner[1] if inner else text).split())
    shown = printable(words)
    return shown if len(shown) <= _REASON_LENGTH else shown[: _REASON_LENGTH - 1] + "…"


def _open_trouble(error: BaseException, path: str) -> OneByOneError:
    text = str(error)
    number = getattr(error, "errno", None)
    if "unable to lock file" in text or number in (errno.EAGAIN, errno.ENOLCK, _ENOTSUPP):
        return ReadWriteError(
            "can't be locked: another program is writing it, or its file system has no locks; "
            "if nothing writes to it, set HDF5_USE_FILE_LOCKING=FALSE",
            path,
        )
    if number:
        return read_write_error("opening", path, OSError(number, ""))
    ends = re.search(r"truncated file: eof = (\d+), .*stored_eof = (\d+)", text)
    if ends:
        return DataError(
            f"is truncated: has {ends[1]} bytes, its header promises {ends[2]}; "
            "copy or make it again",
            path,
        )
    if "already open for write" in text:
        return DataError(
            "was left open by a program that was writing it, so it may be incomplete; "
            "if that program has ended, clear the mark with h5clear -s",
            path,
        )
    return DataError(f"can't be understood by HDF5: {short_reason(error)}", path)
