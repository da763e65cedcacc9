"""The contract of a format of weights files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onebyone_cli.weights.batch_norm import Folding


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
    notes : list of str
        Takes what the user should know of how the file was understood.
    folding : Folding or None
        Which batch normalization to read with the weight; None for none.
    """

    file: BinaryIO
    path: str
    wanted: str
    member: str
    allow_nonfinite: bool
    notes: list[str]
    folding: Folding | None = None

    @property
    def size(self) -> int:
        """Bytes of the file."""
        here = self.file.tell()
        size = self.file.seek(0, io.SEEK_END)
        self.file.seek(here)
        return size


class Stored(NamedTuple):
    """How a file stores numbers.

    `dtype` is the type of the weight, or ``text``; `members` are the names of all arrays, and
    `used` of those that are the weight and its bias.
    """

    dtype: str = "text"
    members: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


class NetworkLayer(NamedTuple):
    """A layer of a network that is a 1×1 convolution.

    Attributes
    ----------
    name : str
        The member to read.
    kind : str
        ``"conv"`` for a kernel with axes of size 1, ``"linear"`` for a matrix.
    out_channels, in_channels : int
        K and C.
    bias, norm : str
        Names of its bias and of the batch normalization that follows; empty if there is none.
    dtype : str
        Type of the weight.
    """

    name: str
    kind: str
    out_channels: int
    in_channels: int
    bias: str = ""
    norm: str = ""
    dtype: str = ""


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
        ``bias``; `holds` accepts the others. None for a format that is only read.
    holds : callable
        Returns whether the format stores a field, of this name and value, beside the weight;
        by default none.
    limit : int or None
        Largest file read, in bytes.
    look : callable or None
        Returns how an open file stores its numbers, given the member that the user names and the
        name of the file; by default as text.
    sourced : bool
        Whether the file names the raster that the weights are for, in the field ``source``.
    dtype : str
        Type to which numbers are rounded.
    layers : callable or None
        Returns the 1×1 layers of the network in a file, given the open file and its name.
    """

    read: Callable[[WeightsFile], dict[str, Any]]
    write: Callable[[Mapping[str, Any], str], bytes] | None
    holds: Callable[[str, Any], bool] = lambda name, value: False
    limit: int | None = None
    look: Callable[[BinaryIO, str, str], Stored] | None = None
    layers: Callable[[BinaryIO, str], list[NetworkLayer]] | None = None
    sourced: bool = False
    dtype: str = "float64"
