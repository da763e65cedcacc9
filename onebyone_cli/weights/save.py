"""Writing weights in any format they are read from, and saying what a format has no room for.

``.npz`` and ``.json`` hold all there is. ``.npy`` and text hold one matrix: a bias needs a file of
its own, and what else is known of the weights has no place. Numbers in text have as many digits as
it takes to read the same float64 again.
"""

from __future__ import annotations

import io
import json
import os
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.weights.archive import model_bytes, publish
from onebyone_cli.weights.formats.npy import MAX_ARRAY_BYTES
from onebyone_cli.weights.load import MAX_JSON_BYTES, MAX_TEXT_BYTES, SUFFIXES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.weights.channel_map import ChannelMap

#: What stands between numbers of a row.
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": " "}

_WHOLE = (".npz", ".json")

#: Most bytes of text that are read.
_TEXT_LIMITS = {".json": MAX_JSON_BYTES, **dict.fromkeys(_DELIMITERS, MAX_TEXT_BYTES)}


def check_suffix(path: str) -> None:
    """Raise `UsageError` unless the name of a file says a format of weights."""
    if _suffix(path) not in SUFFIXES:
        expected = ", ".join(SUFFIXES[:-1]) + f" or {SUFFIXES[-1]}"
        raise UsageError(
            f"'{path}' has no suffix that says a format of weights; expected {expected}"
        )


def check_size(path: str, rows: int, columns: int) -> None:
    """Raise `UsageError` for a matrix so large that nothing here would read it again."""
    if 8 * rows * columns > MAX_ARRAY_BYTES:
        raise UsageError(
            f"'{path}' would hold {rows}×{columns} weights, and a weights file may hold up to "
            f"{MAX_ARRAY_BYTES // 8}; give fewer channels"
        )


def holds_bias(path: str) -> bool:
    """Say whether a format has a place for a bias."""
    return _suffix(path) in _WHOLE


def left_out(path: str, weights: ChannelMap) -> list[str]:
    """Name what the format of a file has no place for, but for the bias."""
    if _suffix(path) not in _WHOLE:
        return sorted(weights.meta)
    if _suffix(path) == ".npz":
        return sorted(
            name
            for name, value in weights.meta.items()
            if not isinstance(value, np.ndarray) and not _is_finite(value)
        )
    return sorted(name for name, value in weights.meta.items() if not _is_finite(value))


def save_weights(path: str, weights: ChannelMap, *, force: bool = False) -> None:
    """Save weights in the format that the name of the file says.

    Parameters
    ----------
    path : str
        A file as `check_suffix` has passed.
    weights : ChannelMap
        Without a bias if `holds_bias` is false: it is not written then.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        If the weights are more than such a file may hold.
    OutputRefusedError
        If the file exists and `force` is off, or it can't be created.
    ReadWriteError
        If the system fails; an existing file is untouched.
    """
    check_size(path, *weights.weight.shape)
    data = weights_bytes(path, weights)
    limit = _TEXT_LIMITS.get(_suffix(path), len(data))
    if len(data) > limit:
        raise UsageError(
            f"'{path}' would have {len(data)} bytes, and text of up to {limit} is read; "
            "write a .npy or .npz file"
        )
    publish(path, data, Publication(force))


def save_bias(path: str, bias: NDArray[np.float64], *, force: bool = False) -> None:
    """Save a bias alone: one number in each row of text, the field ``bias`` elsewhere.

    Parameters
    ----------
    path : str
        A file as `check_suffix` has passed.
    bias : ndarray of float64, shape (K,)
        The bias.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputRefusedError, ReadWriteError
        As in `save_weights`.
    """
    suffix = _suffix(path)
    if suffix == ".npz":
        data = model_bytes({"bias": bias}, {})
    elif suffix == ".json":
        data = _json_bytes({"bias": bias.tolist()})
    else:
        data = _npy_bytes(bias) if suffix == ".npy" else _text_bytes(bias[:, np.newaxis], suffix)
    publish(path, data, Publication(force))


def weights_bytes(path: str, weights: ChannelMap) -> bytes:
    """Return the bytes of the file that `save_weights` writes."""
    suffix = _suffix(path)
    if suffix == ".npz":
        return _npz_bytes(weights)
    if suffix == ".json":
        plain = {name: _plain(value) for name, value in weights.meta.items() if _is_finite(value)}
        own = {"weight": weights.weight.tolist(), "bias": weights.bias.tolist()}
        return _json_bytes(own | plain)
    if suffix == ".npy":
        return _npy_bytes(weights.weight)
    return _text_bytes(weights.weight, suffix)


def _npz_bytes(weights: ChannelMap) -> bytes:
    """Arrays and lists of texts become members, as a learner writes them; the rest is ``meta``."""
    arrays: dict[str, Any] = {"weight": weights.weight, "bias": weights.bias}
    meta: dict[str, Any] = {}
    for name, value in weights.meta.items():
        is_texts = isinstance(value, list) and value and all(isinstance(v, str) for v in value)
        (arrays if isinstance(value, np.ndarray) or is_texts else meta)[name] = value
    return model_bytes(arrays, {name: value for name, value in meta.items() if _is_finite(value)})


def _json_bytes(fields: dict[str, Any]) -> bytes:
    """Write a field on a line, and a matrix with a row on a line: people look at these files."""
    lines = [f"  {_dump(name)}: {_field(value)}" for name, value in fields.items()]
    # Half a surrogate, as in the name of a file that is no text, becomes an escape of JSON.
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode(errors="backslashreplace")


def _field(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        return "[\n    " + ",\n    ".join(map(_dump, value)) + "\n  ]"
    return _dump(value)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _npy_bytes(array: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _text_bytes(matrix: NDArray[np.float64], suffix: str) -> bytes:
    delimiter = _DELIMITERS[suffix]
    rows = (delimiter.join(map(repr, row)) for row in matrix.tolist())
    return ("\n".join(rows) + "\n").encode()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _is_finite(value: Any) -> bool:
    """Say whether JSON can hold a value: it knows neither NaN nor infinity."""
    if isinstance(value, np.ndarray):
        return bool(np.isfinite(value).all())
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or isfinite(value)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
