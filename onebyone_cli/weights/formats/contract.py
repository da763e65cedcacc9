"""What a kind of weights file provides."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class WeightsFile(NamedTuple):
    """A weights file to read.

    Attributes
    ----------
    file : binary file
        Open, at its beginning, seekable.
    path : str
        Its name for messages.
    wanted : str
        ``"weight"`` or ``"bias"``: the array that must be there, and the name of a nameless one.
    member : str
        Name of the array to take for `wanted` and nothing else; empty for the usual names.
    allow_nonfinite : bool
        Whether NaN and infinity are taken.
    """

    file: BinaryIO
    path: str
    wanted: str
    member: str
    allow_nonfinite: bool

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self.file.fileno()).st_size


class Stored(NamedTuple):
    """How a file stores its numbers.

    Attributes
    ----------
    dtype : str
        Type of the weight, or ``text``.
    members : tuple of str
        Names of the arrays in the file; empty where they have none.
    """

    dtype: str = "text"
    members: tuple[str, ...] = ()


class WeightsFormat(NamedTuple):
    """One kind of weights file; each module of this package defines one as ``FORMAT``.

    Attributes
    ----------
    read : callable
        Read a `WeightsFile` into fields by name: ``wanted``, float64, maybe with NaN and infinity;
        with a weight also the bias if there is one, and what else the file says. Raises `DataError`
        if the file is malformed, and `PolicyError` if only pickle could load it.
    write : callable
        Return the bytes of a file of these fields, given its suffix. The first one is ``weight`` or
        ``bias``; all of them are what `holds` accepts.
    holds : callable
        Say whether there is a place for a field, given name and value, beside the weight.
    limit : int or None
        Largest file read, in bytes, so that a wrong one can't fill the memory.
    look : callable or None
        Look at how an open file of this name stores its numbers; without it, they are text.
    """

    read: Callable[[WeightsFile], dict[str, Any]]
    write: Callable[[Mapping[str, Any], str], bytes]
    holds: Callable[[str, Any], bool]
    limit: int | None = None
    look: Callable[[BinaryIO, str], Stored] | None = None


def holds_nothing_else(name: str, value: object) -> bool:
    """Have no place beside the weight; see `WeightsFormat.holds`."""
    return False
