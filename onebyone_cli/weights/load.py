"""Load weights from files, known by their first bytes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, OneByOneError, PolicyError, read_write_error, setting
from onebyone_cli.names import suffix_of
from onebyone_cli.weights import formats
from onebyone_cli.weights.batch_norm import EPSILON, FIELDS, VARIANCE, Folding, fold
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.formats.contract import NetworkLayer, Stored, WeightsFile, WeightsFormat
from onebyone_cli.weights.orders import as_matrix
from onebyone_cli.weights.rules import SHAPES, TORCH, check_finite, quote
from onebyone_cli.weights.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Most bytes of a pipe that brings no text: the largest array with its header.
_MOST_BYTES = 2**30 + 2**20

_PICKLE = (
    "{} loaded with pickle, which can run code, so it was not opened; "
    "export the weights to .npy, .npz, .csv or .json{}"
)

#: Suffixes of PyTorch.
_TORCH = (".pt", ".pth", ".ckpt")


class Loaded(NamedTuple):
    """Weights, and what their file has beside them.

    Attributes
    ----------
    weights : ChannelMap
    dtype : str
        Type of the numbers in the file, or ``text``.
    unread : list of str
        Members of an archive that were not read, such as matrices.
    """

    weights: ChannelMap
    dtype: str
    unread: list[str]


class _Fields(NamedTuple):
    """Fields of a file by name, how it was understood, and how it stores numbers."""

    values: dict[str, Any]
    notes: list[str]
    stored: Stored
    is_either: bool


def load_weights(
    path: str, *, allow_nonfinite: bool = False, folding: Folding | None = None
) -> ChannelMap:
    """Load the weights of one 1×1 convolution, and its bias if the file has one.

    ``file.npz:name`` takes that member for the weight, and a bias beside it. Numbers become
    float64; integers beyond 2**53 are rounded. With `folding`, the batch normalization that follows
    is folded into them.

    Raises
    ------
    InputMissingError
        If there is no such file, or it is a folder, a named pipe or a device.
    DataError
        If it is malformed; the message has the place.
    PolicyError
        If only pickle could load it, or its numbers are in another file. Files with a suffix for
        pickle are never opened.
    """
    return read_weights(path, allow_nonfinite=allow_nonfinite, folding=folding).weights


def read_weights(
    path: str, *, allow_nonfinite: bool = False, folding: Folding | None = None
) -> Loaded:
    """Load weights with a description of their file; see `load_weights`."""
    fields, notes, stored, is_either = _load(path, "weight", allow_nonfinite, folding)
    norm = {name: fields.pop(name) for name in FIELDS if name in fields}
    if folding is not None and not (VARIANCE in norm and EPSILON in norm):
        raise DataError(
            f"has no batch norm to fold; leave out {setting('fold_bn')}, or name a file of a "
            "network",
            path,
        )
    weight, bias = fields.pop("weight"), fields.pop("bias", None)
    if is_either and bias is not None and len(bias) == weight.size > 1:
        weight, is_either = weight.T, False
    if "inverse" in fields and fields["inverse"].shape != weight.T.shape:
        raise DataError(
            f"the inverse has shape {fields['inverse'].shape} and the weight {weight.shape}; "
            "expected (C, K) and (K, C)",
            path,
        )
    bias = np.zeros(len(weight)) if bias is None else bias
    if norm:
        weight, bias = fold(weight, bias, norm, path)
    _name_outputs(fields, len(weight))
    found = ChannelMap(
        weight,
        bias,
        path,
        fields,
        notes=notes,
        is_either=is_either,
        may_have_header=bool(fields.pop("may_have_header", False)),
    )
    known = {*stored.used, *fields, "meta"}
    return Loaded(found, stored.dtype, sorted(set(stored.members) - known))


def load_bias(path: str, *, allow_nonfinite: bool = False) -> NDArray[np.float64]:
    """Load a bias alone, shape (K,).

    The file has one row or one column; in ``.npz`` and in JSON objects it is the field ``bias``.
    Raises the errors of `load_weights`.
    """
    fields = _load(path, "bias", allow_nonfinite).values
    bias: NDArray[np.float64] = fields["bias"]
    return bias


def network_layers(path: str) -> list[NetworkLayer]:
    """List the 1×1 layers of the network in a file.

    Empty for a file of one layer, one whose arrays have no names, and where the name of a member
    follows that of the file. Raises the errors of `load_weights`.
    """
    name, member = formats.split_member(path)
    if member or suffix_of(name) in formats.PICKLES:
        return []
    with open_source(name, lambda head: _limit_of(name, head)) as file, _reading(name):
        kind = _kind_of(name, file.read(formats.HEAD_BYTES))
        file.seek(0)
        return kind.layers(file, name) if kind.layers is not None else []


def _name_outputs(fields: dict[str, Any], rows: int) -> None:
    """Take the field ``names`` for the names of outputs, if these have no field of their own."""
    names = fields.get("names")
    if "outputs" not in fields and isinstance(names, list) and len(names) == rows:
        fields["outputs"] = fields.pop("names")


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn errors of the system into `ReadWriteError`."""
    try:
        yield
    except OneByOneError:
        raise
    except OSError as error:
        raise read_write_error("reading", path, error) from error


def is_weights_path(text: str) -> bool:
    """Return whether a text is standard input, or has the suffix of a weights file or a pickle."""
    known = (*formats.SUFFIXES, *sum(formats.READ_ONLY.values(), ()), *formats.PICKLES)
    return text == "-" or suffix_of(formats.split_member(text)[0]) in known


def _load(text: str, wanted: str, allow_nonfinite: bool, folding: Folding | None = None) -> _Fields:
    path, member = formats.split_member(text)
    suffix = suffix_of(path)
    if suffix in formats.PICKLES:
        way = TORCH if suffix in _TORCH else ""
        raise PolicyError(_PICKLE.format(f"{suffix} files are", way), path)
    notes: list[str] = []
    with open_source(path, lambda head: _limit_of(path, head)) as file, _reading(path):
        kind = _kind_of(path, file.read(formats.HEAD_BYTES))
        file.seek(0)
        source = WeightsFile(file, text, wanted, member, allow_nonfinite, notes, folding)
        _check_size(source, kind, path)
        fields = kind.read(source)
        stored = Stored()
        if kind.look is not None and wanted == "weight":
            file.seek(0)
            stored = kind.look(file, member, text)
    is_either = False
    for name in (name for name in SHAPES if name in fields):
        array = fields[name].reshape(SHAPES[name](fields[name].shape, text))
        if name == "weight":
            array, note, is_either = as_matrix(array, text)
            notes += [note] if note else []
        if not allow_nonfinite:
            check_finite(array, name, text)
        fields[name] = array
    return _Fields(fields, notes, stored, is_either)


def _kind_of(path: str, head: bytes) -> WeightsFormat:
    name = formats.of_file(path, head)
    if name in formats.BINARY and not head:
        name = ""
    if name == "pickle":
        raise PolicyError(_PICKLE.format("is a pickle,", ""), path)
    if name:
        return formats.load(name)
    expected = f"expected {formats.describe_read()}"
    if not head:
        raise DataError(f"is empty; {expected}", path)
    suffix = suffix_of(path)
    found = f"the suffix {quote(suffix)} is not that of a weights file" if suffix else "no suffix"
    raise DataError(f"is no weights file by its first bytes, and {found}; {expected}", path)


def _limit_of(path: str, head: bytes) -> int:
    """Return the most bytes of a pipe that begins with `head`."""
    name = formats.of_file(path, head)
    limit = formats.load(name).limit if name not in ("", "pickle") else None
    return limit or _MOST_BYTES


def _check_size(source: WeightsFile, kind: WeightsFormat, path: str) -> None:
    if kind.limit is not None and source.size > kind.limit:
        raise DataError(
            f"has {source.size} bytes; text of up to {kind.limit} is read: save large matrices as "
            ".npy",
            path,
        )
