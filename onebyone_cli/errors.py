"""What can go wrong, as one tree.

::

    OneByOneError
    ├── UsageError              the command line is wrong
    ├── DataError               an input or weights file is malformed
    │   └── ShapeMismatchError  sizes that must agree do not
    ├── InputMissingError       an input is missing or unreadable
    ├── DependencyMissingError  an optional library or HDF5 filter is missing
    ├── ClusterError            a cluster can't be reached, or was lost
    ├── OutputRefusedError      the output exists, is an input, or can't be created
    ├── ReadWriteError          reading or writing failed
    └── PolicyError             refused on policy: pickle, links to other files

A message says what was found, what was expected and what to do; the path comes first when it is
printed. Nothing here prints or exits: ``cli.exit_status`` maps each class to its status.
"""

import errno
import os


class Stopped(BaseException):
    """A signal asked us to stop.

    Parameters
    ----------
    number : int
        Of the signal.

    Attributes
    ----------
    checkpoint : str
        The output of which a checkpoint was kept; empty if there is none.
    status : int or None
        Exit status that the user wants then; None for the usual one.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.checkpoint = ""
        self.status: int | None = None


class OneByOneError(Exception):
    """Base of every error this program raises on purpose.

    Parameters
    ----------
    message : str
        What was found, what was expected, what to do. One line.
    path : str, optional
        The file it is about, as the user wrote it.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class UsageError(OneByOneError):
    """The command line is wrong."""


class DataError(OneByOneError, ValueError):
    """An input or weights file is malformed."""


class ShapeMismatchError(DataError):
    """Sizes that must agree do not."""


class InputMissingError(OneByOneError):
    """An input is missing or unreadable."""


class DependencyMissingError(OneByOneError):
    """An optional library or HDF5 filter is missing."""


class ClusterError(OneByOneError):
    """A cluster can't be reached, or was lost."""


class OutputRefusedError(OneByOneError):
    """The output exists, is an input, or can't be created."""


class ReadWriteError(OneByOneError):
    """Reading or writing failed: disk full, quota, I/O error, input changed underneath."""


class PolicyError(OneByOneError):
    """Refused on policy: pickle, external HDF5 storage or links."""


_REMEDIES = {
    errno.ENOSPC: "free some space or write somewhere else",
    errno.EDQUOT: "your disk quota is used up",
    errno.EFBIG: "the file size limit (ulimit -f) is too low, raise it",
    errno.EMFILE: "the limit of open files (ulimit -n) is too low, raise it",
    errno.ESTALE: "the network file system dropped the file; run again",
}


def read_write_error(action: str, path: str, error: OSError) -> ReadWriteError:
    """Describe a failed system call, with a remedy where one is known.

    Parameters
    ----------
    action : str
        What was being done, as in ``"writing"``.
    path : str
        The file.
    error : OSError
        What the system said.
    """
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ReadWriteError(f"{action} failed: {reason}{_remedy(error)}", path)


def open_error(path: str, error: OSError) -> InputMissingError:
    """Describe why an input could not be opened."""
    if isinstance(error, FileNotFoundError):
        return InputMissingError("no such file or folder", path)
    reason = os.strerror(error.errno) if error.errno else str(error)
    return InputMissingError(f"can't be read: {reason}{_remedy(error)}", path)


def _remedy(error: OSError) -> str:
    """Say what to do about it, where that is known."""
    remedy = _REMEDIES.get(error.errno or 0, "")
    return f"; {remedy}" if remedy else ""
