"""Read lists of names in files, for more inputs than a command line can hold."""

import os
import sys
from typing import BinaryIO

from onebyone_cli.errors import DataError, InputMissingError, OneByOneError, open_error

#: About the names of a million files.
_MOST_BYTES = 64 << 20


def read_names(path: str) -> list[str]:
    """Read names of files: one per line, or each ended by NUL if there is any NUL.

    A name is the bytes in the file, without quoting. Blank lines are skipped. The path ``-`` is
    standard input.

    Raises
    ------
    InputMissingError
        If the list can't be read.
    DataError
        If it is empty, or too large to be a list.
    """
    content = _read(path)
    shown = "standard input" if path == "-" else path
    if len(content) > _MOST_BYTES:
        raise DataError("is larger than 64 MiB; expected a list of names of files", shown)
    if b"\0" in content:
        names = content.removesuffix(b"\0").split(b"\0")
        if b"" in names:
            raise DataError("has an empty name; expected a name before every NUL", shown)
    else:
        names = [line for line in content.split(b"\n") if line.strip()]
    if not names:
        raise DataError("names no file; expected one name a line, or each ended by NUL", shown)
    return [os.fsdecode(name) for name in names]


def _read(path: str) -> bytes:
    """Read a list, or enough of it to see that it is too long."""
    try:
        if path != "-":
            with open(path, "rb") as file:
                return file.read(_MOST_BYTES + 1)
        return _standard_input().read(_MOST_BYTES + 1)
    except OneByOneError:
        raise
    except OSError as error:
        raise open_error("standard input" if path == "-" else path, error) from error


def _standard_input() -> BinaryIO:
    if sys.stdin is None:  # closed at the start
        raise InputMissingError("is closed; expected a list of names of files", "standard input")
    return sys.stdin.buffer
