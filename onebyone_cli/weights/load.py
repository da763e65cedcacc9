"""Load weights from files, by suffix."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    PolicyError,
    open_error,
    read_write_error,
)
from onebyone_cli.names import suffix_of
from onebyone_cli.weights import formats
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.formats.contract import Stored, WeightsFile
from onebyone_cli.weights.rules import SHAPES, check_finite, quote

if TYPE_CHECKING:
    from numpy.typing import NDArray


def load_weights(path: str, *, allow_nonfinite: bool = False) -> ChannelMap:
    """Load the weights of one 1×1 convolution, and its bias if the file has one.

    ``file.npz:name`` takes that member for the weight, and nothing else. Numbers become float64;
    integers beyond 2**53 are rounded.

    Raises
    ------
    InputMissingError
        If there is no such file, or it is a folder, a pipe or a device.
    DataError
        If it is malformed; the message has the place.
    PolicyError
        If only pickle could load it. Files with a suffix for pickle are never opened.
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
    """Load a bias alone, shape (K,).

    The file has one row or one column; in ``.npz`` and in JSON objects it is the field ``bias``.
    Raises the errors of `load_weights`.
    """
    bias: NDArray[np.float64] = _load(path, "bias", allow_nonfinite=allow_nonfinite)["bias"]
    return bias


def is_weights_path(text: str) -> bool:
    """Return whether a text has the suffix of a weights file, or of a pickle."""
    return suffix_of(formats.split_member(text)[0]) in (*formats.SUFFIXES, *formats.PICKLES)


def stored_type(path: str) -> str:
    """Return the type of the numbers in a file that `load_weights` has read, or ``text``."""
    return _look(path).dtype


def unread_members(path: str, weights: ChannelMap) -> list[str]:
    """Name the members of an archive that `load_weights` did not read, such as matrices."""
    _, member = formats.split_member(path)
    known = {member} if member else {*SHAPES, *weights.meta, "meta"}
    return sorted(set(_look(path).members) - known)


def _look(text: str) -> Stored:
    path, _ = formats.split_member(text)
    kind = formats.of_path(path)
    if kind is None or kind.look is None:
        return Stored()
    with open(path, "rb") as file:
        return kind.look(file, text)


def _load(text: str, wanted: str, *, allow_nonfinite: bool) -> dict[str, Any]:
    path, member = formats.split_member(text)
    suffix = suffix_of(path)
    if suffix in formats.PICKLES:
        raise PolicyError(
            f"{suffix} files are loaded with pickle, which can run code, so it was not opened; "
            "export the weights to .npy, .npz, .csv or .json",
            path,
        )
    with _open_regular(path) as file:
        try:
            fields = _read(WeightsFile(file, text, wanted, member, allow_nonfinite), path)
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("reading", path, error) from error
    for name in (name for name in SHAPES if name in fields):
        array = fields[name].reshape(SHAPES[name](fields[name].shape, text))
        if not allow_nonfinite:
            check_finite(array, name, text)
        fields[name] = array
    return fields


def _read(source: WeightsFile, path: str) -> dict[str, Any]:
    kind = formats.of_path(path)
    if kind is None:
        suffix = suffix_of(path)
        found = (
            f"the suffix {quote(suffix)} is not that of a weights file" if suffix else "no suffix"
        )
        raise DataError(f"{found}; expected {formats.describe()}", path)
    if kind.limit is not None and source.size > kind.limit:
        raise DataError(
            f"has {source.size} bytes; text of up to {kind.limit} is read: save large matrices as "
            ".npy",
            path,
        )
    return kind.read(source)


def _open_regular(path: str) -> BinaryIO:
    """Open a regular file. The type is checked first: opening a pipe would wait."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except OSError as error:
        raise open_error(path, error) from error
    except ValueError as error:  # a NUL, or a character that file names can't have
        raise InputMissingError("is not a possible file name", path) from error
    found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
    raise InputMissingError(f"is {found}; expected a weights file", path)
