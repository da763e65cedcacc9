"""The exceptions of the package, and their exit statuses.

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

Most are also the matching built-in exception: `ValueError` for the first three,
`FileNotFoundError`, `ImportError`, `OSError` and `PermissionError`. So ``except OSError`` around
code of this package needs ``except OneByOneError: raise`` before it.

A message states what was found, what was expected and what to do, after the path. It names a
setting with `setting`, which is an option on the command line and an argument in Python. Only
``cli.exit_status`` prints errors and exits.
"""

from __future__ import annotations

import errno
import os
import re
from enum import IntEnum, unique
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

#: A setting in a message, between two noncharacters of Unicode, which no text contains.
_SETTING = re.compile("\ufdd0([a-z0-9_]+)(?:=([^\ufdd1]*))?\ufdd1")


def setting(name: str, value: object = "") -> str:
    """Name a setting in a message: ``--memory 1M`` on the command line, ``memory=1M`` in Python.

    Parameters
    ----------
    name : str
        As an argument of Python: letters and underscores.
    value : object
        The value it has, or should have; empty to name the setting alone.

    Returns
    -------
    str
        A marker; see `spelled`.
    """
    return f"\ufdd0{name}={value}\ufdd1" if value != "" else f"\ufdd0{name}\ufdd1"


def as_argument(name: str, value: str) -> str:
    """Spell a setting as Python does."""
    return f"{name}={value}"


def spell_settings(spell: Callable[[str, str], str]) -> None:
    """Set how this process spells a setting, given its name and its value."""
    OneByOneError.spell = staticmethod(spell)


def spelled(text: str) -> str:
    """Return a text with its settings spelled."""
    return _SETTING.sub(lambda found: OneByOneError.spell(found[1], found[2] or ""), text)


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
    advice : str
        What resumes the job beside the same command, as in `` with --skip-existing``.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.checkpoint = ""
        self.advice = ""


class OneByOneError(Exception):
    """Base of all errors that this program raises on purpose.

    Parameters
    ----------
    message : str
        What was found, what was expected, what to do. One line.
    path : str, optional
        The file it is about, as the user wrote it.
    """

    spell: ClassVar[Callable[[str, str], str]] = staticmethod(as_argument)

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path

    @property
    def message(self) -> str:
        """The message, with its settings spelled."""
        return spelled(self.args[0])

    @property
    def setting(self) -> str:
        """Name of the first setting in the message; empty if there is none."""
        found = _SETTING.search(self.args[0])
        return found[1] if found else ""

    def advise(self, advice: str) -> None:
        """Append to the message."""
        self.args = (self.args[0] + advice,)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class OneByOneWarning(UserWarning):
    """Something in the files is probably not what was meant."""


class UsageError(OneByOneError, ValueError):
    """The command line, or an argument, is wrong."""


class DataError(OneByOneError, ValueError):
    """An input or weights file is malformed."""


class ShapeMismatchError(DataError):
    """Sizes that must agree do not."""


class InputMissingError(OneByOneError, FileNotFoundError):
    """An input is missing or unreadable."""


class DependencyMissingError(OneByOneError, ImportError):
    """An optional library or HDF5 filter is missing."""

    path: str


class ClusterError(OneByOneError):
    """A cluster can't be reached, or was lost."""


class OutputRefusedError(OneByOneError, OSError):
    """The output exists, is an input, or can't be created."""


class ReadWriteError(OneByOneError, OSError):
    """Reading or writing failed: disk full, quota, I/O error, input changed meanwhile."""


class PolicyError(OneByOneError, PermissionError):
    """Refused on policy: pickle, external HDF5 storage or links."""


@unique
class ExitStatus(IntEnum):
    """Exit statuses; those from 64 on are those of sysexits.h.

    ``compare`` also has 1, which is not an error: the stacks differ.
    """

    DONE = 0
    USAGE = 2
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    BUG = 70
    CANT_CREATE = 73
    IO = 74
    STOPPED = 75
    POLICY = 77


#: `class_of` returns the first class of a status.
STATUSES: dict[type[OneByOneError], ExitStatus] = {
    UsageError: ExitStatus.USAGE,
    DataError: ExitStatus.DATA,
    InputMissingError: ExitStatus.NO_INPUT,
    DependencyMissingError: ExitStatus.UNAVAILABLE,
    ClusterError: ExitStatus.UNAVAILABLE,
    OutputRefusedError: ExitStatus.CANT_CREATE,
    ReadWriteError: ExitStatus.IO,
    PolicyError: ExitStatus.POLICY,
}


def status_of(error: OneByOneError) -> ExitStatus:
    """Return the status of an error: that of its class, or of the nearest class above it."""
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)


def class_of(status: int) -> type[OneByOneError] | None:
    """Return the class of errors with an exit status."""
    return next((cls for cls, own in STATUSES.items() if own == status), None)


_REMEDIES = {
    errno.ENOSPC: "free some space or write somewhere else",
    errno.EDQUOT: "your disk quota is used up",
    errno.EFBIG: "the file size limit (ulimit -f) is too low, raise it",
    errno.EMFILE: "the limit of open files (ulimit -n) is too low, raise it",
    errno.ESTALE: "the network file system dropped the file; run again",
}


def read_write_error(action: str, path: str, error: OSError) -> ReadWriteError:
    """Describe a failed system call, with a remedy if one is known.

    `action` is a word such as ``"writing"``.
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
    remedy = _REMEDIES.get(error.errno or 0, "")
    return f"; {remedy}" if remedy else ""
