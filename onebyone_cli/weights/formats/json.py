r"""Matrices in JSON: ``[[...], [...]]`` or ``{"weight": [[...]], "bias": [...]}``.

Stricter than :mod:`json`: a key may not be repeated, and ``true`` and ``"0.5"`` are not numbers.
"""

import json
from array import array
from collections.abc import Mapping
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import DataError
from onebyone_cli.units import count
from onebyone_cli.weights.formats.contract import WeightsFile, WeightsFormat
from onebyone_cli.weights.formats.sklearn_pca import attributes_of, with_weight
from onebyone_cli.weights.rules import SHAPES, quote, quote_names

#: Longer integers become floats at once: Python limits the conversion of very long ones.
_INTEGER_DIGITS = 19

_KINDS = {
    str: "text",
    bool: "true or false",
    type(None): "null",
    list: "a list",
    dict: "an object",
    int: "a number",
    float: "a number",
}


def _read(source: WeightsFile) -> dict[str, Any]:
    path, wanted = source.path, source.wanted
    document = _parse(source.file.read(), path)
    if isinstance(document, list):
        return {wanted: _array(document, wanted, path)}
    if not isinstance(document, dict):
        raise DataError(
            f"holds {_kind(document)}; expected [[...], [...]], one list per output channel", path
        )
    document = with_weight(document, path)
    if wanted not in document:
        raise DataError(
            f"has no {wanted!r} but {quote_names(document)}; "
            'expected {"weight": [[...]], "bias": [...]}',
            path,
        )
    if wanted == "bias":
        return {"bias": _array(document["bias"], "bias", path)}
    fields = flatten_meta(document)
    if fields.get("bias", ...) is None:  # PyTorch's for none
        del fields["bias"]
    for name in (name for name in SHAPES if name in fields):
        fields[name] = _array(fields[name], name, path)
    return fields


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    """Write a field on a line, and each row of a matrix on a line."""
    fields = {**fields, **(attributes_of(fields) if "weight" in fields else {})}
    plain = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in fields.items()}
    lines = [f"  {_dump(name)}: {_field(value)}" for name, value in plain.items()]
    # A lone surrogate, from the name of a file, becomes a JSON escape.
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode(errors="backslashreplace")


def _field(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        return "[\n    " + ",\n    ".join(map(_dump, value)) + "\n  ]"
    return _dump(value)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


#: Parsing takes about 20 times the size of the file.
FORMAT = WeightsFormat(
    read=_read, write=_write, holds=lambda _, value: is_finite(value), limit=64 * 2**20
)


def is_finite(value: Any) -> bool:
    """Return whether a value has no NaN or infinity, which JSON can't hold."""
    if isinstance(value, np.ndarray):
        return bool(np.isfinite(value).all())
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list):
        return all(map(is_finite, value))
    return not isinstance(value, float) or isfinite(value)


def flatten_meta(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace a field ``meta`` that is an object by its fields; the outer fields win."""
    if not isinstance(fields.get("meta"), dict):
        return fields
    outer = {name: value for name, value in fields.items() if name != "meta"}
    inner = {name: value for name, value in fields["meta"].items() if name not in SHAPES}
    return inner | outer


def holds_meta(name: str, value: Any) -> bool:
    """Return whether `dump_meta` or an array of its own can store a field."""
    is_matrix = isinstance(value, np.ndarray) and value.ndim > 1
    return is_finite(value) and (name in SHAPES or not is_matrix)


def dump_meta(fields: Mapping[str, Any]) -> str:
    """Write fields that are no matrices as a JSON object, which `parse_meta` reads."""
    return json.dumps(dict(fields), allow_nan=False, sort_keys=True, default=np.ndarray.tolist)


def parse_meta(raw: bytes) -> dict[str, Any]:
    """Read a ``meta`` document; anything but a JSON object counts as empty.

    It is for people only, so a damaged one is no reason to refuse the weights.
    """
    try:
        document = _parse(raw, "")
    except DataError:
        return {}
    return document if isinstance(document, dict) else {}


def _parse(raw: bytes, path: str) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8-sig"), parse_int=_integer, object_pairs_hook=partial(_object, path)
        )
    except UnicodeDecodeError as error:
        line_start = raw.rfind(b"\n", 0, error.start) + 1
        line = raw.count(b"\n", 0, line_start) + 1
        column = len(raw[line_start : error.start].decode()) + 1
        raise DataError(
            f"line {line}, column {column}: byte 0x{raw[error.start]:02x} is not UTF-8 text", path
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"line {error.lineno}, column {error.colno}: not JSON: {error.msg[:60]}", path
        ) from error
    except RecursionError as error:
        raise DataError("is nested too deeply; expected [[...], [...]]", path) from error


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else float(digits)


def _object(path: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise DataError(f"has the key {quote(key)} twice in one object; keep one of them", path)
        fields[key] = value
    return fields


def _array(value: Any, name: str, path: str) -> NDArray[np.float64]:
    if not isinstance(value, list):
        raise DataError(f"{name} is {_kind(value)}; expected a list", path)
    if name == "bias" and not any(isinstance(item, list) for item in value):
        _check_row(value, name, path)
        return np.array(value, dtype=np.float64)
    numbers = array("d")
    for index, row in enumerate(value):
        place = f"{name}[{index}]"
        _check_row(row, place, path)
        if len(row) != len(value[0]):
            raise DataError(
                f"{place} has {count(len(row), 'number')}, but the first row {len(value[0])}; "
                "expected one number per input channel in every row",
                path,
            )
        numbers.fromlist(row)
    columns = len(value[0]) if value else 0
    return np.array(numbers, dtype=np.float64).reshape(len(value), columns)


def _check_row(value: Any, name: str, path: str) -> None:
    if not isinstance(value, list):
        raise DataError(f"{name} is {_kind(value)}; expected a row, a list of numbers", path)
    if set(map(type, value)) <= {int, float}:
        return
    index, other = next((i, v) for i, v in enumerate(value) if type(v) not in (int, float))
    shown = f" ({quote(other)})" if isinstance(other, str) else ""
    raise DataError(f"{name}[{index}] is {_kind(other)}{shown}; expected a number", path)


def _kind(value: Any) -> str:
    return _KINDS[type(value)]
