"""The contract of a format of weights files."""

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
        ``"weight"`` or ``"bias"``: the array that is required.
    member : str
        Name of the only member to read, for `wanted`; empty for the usual names.
    allow_nonfinite : bool
        Whether NaN and infinity are allowed.
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
    """How a file stores numbers: the type of the weight, or ``text``, and names of its arrays."""

    dtype: str = "text"
    members: tuple[str, ...] = ()


class WeightsFormat(NamedTuple):
    """One format of weights files; each module of this package defines one as ``FORMAT``.

    Attributes
    ----------
    read : callable
        Reads a `WeightsFile` into fields by name: ``wanted``, float64, maybe with NaN and infinity;
        with a weight also the bias and other fields. Raises `DataError` if the file is malformed,
        and `PolicyError` if only pickle could load it.
    write : callable
        Returns the bytes of a file, given its fields and suffix. The first field is ``weight`` or
        ``bias``; `holds` accepts the others.
    holds : callable
        Returns whether the format stores a field, of this name and value, beside the weight;
        by default none.
    limit : int or None
        Largest file read, in bytes.
    look : callable or None
        Returns how an open file of this name stores its numbers; by default as text.
    """

    read: Callable[[WeightsFile], dict[str, Any]]
    write: Callable[[Mapping[str, Any], str], bytes]
    holds: Callable[[str, Any], bool] = lambda name, value: False
    limit: int | None = None
    look: Callable[[BinaryIO, str], Stored] | None = None
