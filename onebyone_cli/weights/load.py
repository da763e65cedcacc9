"""Opening a weights file and picking its reader by suffix."""

import os
import stat
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    PolicyError,
    open_error,
    read_write_error,
)
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.rules import SHAPES, check_finite, quote

_TEXT = (".csv", ".tsv", ".txt")

#: Largest files read, so that a wrong one can't fill the memory. Text takes up to 4 times its size
#: while it is read and JSON, which is made of Python objects, about 20 times.
MAX_TEXT_BYTES = 256 * 2**20
MAX_JSON_BYTES = 64 * 2**20

SUFFIXES = (".npy", ".npz", *_TEXT, ".json")

#: Files that only pickle can load, or that are loaded with it as a rule.
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")

_EXPECTED = ", ".join(SUFFIXES[:-1]) + f" or {SUFFIXES[-1]}"


def load_weights(path: str, *, allow_nonfinite: bool = False) -> ChannelMap:
    """Load the weights of one 1×1 convolution, and its bias if the file has one.

    Parameters
    ----------
    path : str
        ``.npy``, ``.npz``, ``.csv``, ``.tsv``, ``.txt`` or ``.json``, by suffix.
    allow_nonfinite : bool
        Whether NaN and infinity are taken.

    Returns
    -------
    ChannelMap
        In float64, whatever the type in the file; integers beyond 2**53 are rounded.

    Raises
    ------
    InputMissingError
        If there is no such file, or it is a folder, a pipe or a device.
    DataError
        If it is malformed; the message says where.
    PolicyError
        If only pickle could load it. Files known for that by their suffix are never opened.
    """
    fields = _load(path, "weight", allow_nonfinite=allow_nonfinite)
    weight = fields.pop("weight")
    bias = fields.pop("bias", None)
    if "inverse" in fields and fields["inverse"].shape != weight.T.shape:
        raise DataError(
            f"the inverse has shape {fields['inverse'].shape} and the weight {weight.shape}; "
            "expected (C, K) and (K, C)",
            path,
        )
    return ChannelMap(weight, np.zeros(len(weight)) if bias is None else bias, path, fields)


def load_bias(path: str, *, allow_nonfinite: bool = False) -> NDArray[np.float64]:
    """Load a bias alone.

    Parameters
    ----------
    path : str
        A file as in `load_weights`, of one row or one column; in ``.npz`` and in JSON objects
        the field ``bias``.
    allow_nonfinite : bool
        Whether NaN and infinity are taken.

    Returns
    -------
    ndarray of float64, shape (K,)

    Raises
    ------
    InputMissingError, DataError, PolicyError
        As in `load_weights`.
    """
    bias: NDArray[np.float64] = _load(path, "bias", allow_nonfinite=allow_nonfinite)["bias"]
    return bias


def is_weights_path(text: str) -> bool:
    """Say whether a text has the suffix of a weights file, one that is refused included."""
    return _suffix(text) in (*SUFFIXES, *_PICKLES)


def _load(path: str, wanted: str, *, allow_nonfinite: bool) -> dict[str, Any]:
    suffix = _suffix(path)
    if suffix in _PICKLES:
        raise PolicyError(
            f"{suffix} files are loaded with pickle, which can run code, so it was not opened; "
            "export the weights to .npy, .npz, .csv or .json",
            path,
        )
    with _open_regular(path) as file:
        try:
            fields = _read(file, suffix, path, wanted, allow_nonfinite=allow_nonfinite)
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("reading", path, error) from error
    for name in (name for name in SHAPES if name in fields):
        array = fields[name].reshape(SHAPES[name](fields[name].shape, path))
        if not allow_nonfinite:
            check_finite(array, name, path)
        fields[name] = array
    return fields


def _read(
    file: BinaryIO, suffix: str, path: str, wanted: str, *, allow_nonfinite: bool
) -> dict[str, Any]:
    size = os.fstat(file.fileno()).st_size
    # Each reader is imported for its own files only: start-up is counted in milliseconds.
    if suffix == ".npy":
        from onebyone_cli.weights.formats.npy import read_npy

        return read_npy(file, size, path, wanted)
    if suffix == ".npz":
        from onebyone_cli.weights.formats.npz import read_npz

        return read_npz(file, path, wanted)
    if suffix == ".json":
        from onebyone_cli.weights.formats.json import read_json

        _check_size(size, MAX_JSON_BYTES, path)
        return read_json(file, path, wanted)
    if suffix in _TEXT:
        from onebyone_cli.weights.formats.text import COMMAS, TABS, read_rows

        _check_size(size, MAX_TEXT_BYTES, path)
        delimiter = {".csv": COMMAS, ".tsv": TABS}.get(suffix)  # in .txt the first row tells
        return {wanted: read_rows(file, path, delimiter, allow_nonfinite=allow_nonfinite)}
    found = f"the suffix {quote(suffix)} is not that of a weights file" if suffix else "no suffix"
    raise DataError(f"{found}; expected {_EXPECTED}", path)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _open_regular(path: str) -> BinaryIO:
    """Open a file that is one. A look comes first, since opening a pipe waits for its writer."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except OSError as error:
        raise open_error(path, error) from error
    except ValueError as error:  # a NUL, or a character that file names can't hold
        raise InputMissingError("is not a possible file name", path) from error
    found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
    raise InputMissingError(f"is {found}; expected a weights file", path)


def _check_size(size: int, limit: int, path: str) -> None:
    if size > limit:
        raise DataError(
            f"has {size} bytes; text of up to {limit} is read: save large matrices as .npy", path
        )
