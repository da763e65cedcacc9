"""Weights in ``.safetensors`` files.

A file is the length of a header in 8 bytes, the header in JSON, and the numbers. The header has the
type, the shape and the first and last byte of each array.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeGuard

import numpy as np

from onebyone_cli.errors import DataError, DependencyMissingError
from onebyone_cli.weights.formats.contract import NetworkLayer, Stored, WeightsFile, WeightsFormat
from onebyone_cli.weights.formats.json import dump_meta, flatten_meta, holds_meta, parse_meta
from onebyone_cli.weights.formats.members import choose, choose_for, layers_in
from onebyone_cli.weights.rules import MAX_ARRAY_BYTES, SHAPES, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onebyone_cli.weights.orders import Shape

#: Longest header that is read, in bytes.
_MAX_HEADER = 1 << 24

_MOST_AXES = 64

#: Key of what this program writes beside its own layer.
_META = "onebyone"

#: Types by their names in the header: numpy's codes, and ours for messages.
_TYPES = {
    "BOOL": ("?", "bool"),
    "U8": ("u1", "uint8"),
    "I8": ("i1", "int8"),
    "U16": ("<u2", "uint16"),
    "I16": ("<i2", "int16"),
    "U32": ("<u4", "uint32"),
    "I32": ("<i4", "int32"),
    "U64": ("<u8", "uint64"),
    "I64": ("<i8", "int64"),
    "F16": ("<f2", "float16"),
    "BF16": ("<u2", "bfloat16"),
    "F32": ("<f4", "float32"),
    "F64": ("<f8", "float64"),
    "F8_E4M3": ("float8_e4m3fn", "float8_e4m3fn"),
    "F8_E5M2": ("float8_e5m2", "float8_e5m2"),
}


class _Entry(NamedTuple):
    """An array of a file: where it stands, counted from the start of the file."""

    dtype: str
    shape: Shape
    begin: int
    end: int


def _read(source: WeightsFile) -> dict[str, Any]:
    entries, said = _entries(source.file, source.size, source.path)
    shapes = {name: entry.shape for name, entry in entries.items()}
    chosen = choose_for(source, shapes)
    fields = chosen.fields(lambda name, field: _array(source, name, entries[name], field))
    if chosen.names.get("weight") != "weight" or source.member:
        return fields
    if "inverse" in entries:
        fields["inverse"] = _array(source, "inverse", entries["inverse"], "inverse")
    return flatten_meta(parse_meta(said.encode(errors="replace"))) | fields


def _array(source: WeightsFile, name: str, entry: _Entry, field: str) -> NDArray[np.float64]:
    path = source.path
    shape = SHAPES[field](entry.shape, path)
    if entry.dtype not in _TYPES:
        raise DataError(
            f"member {quote(name)} has the type {quote(entry.dtype)}; expected {', '.join(_TYPES)}",
            path,
        )
    if 8 * prod(shape) > MAX_ARRAY_BYTES:
        raise DataError(
            f"member {quote(name)} claims {prod(shape)} numbers; a weights file may hold up to "
            f"{MAX_ARRAY_BYTES // 8}",
            path,
        )
    dtype = _numpy_type(_TYPES[entry.dtype][0], path)
    if entry.end - entry.begin != prod(shape) * dtype.itemsize:
        raise DataError(
            f"member {quote(name)} has {entry.end - entry.begin} bytes for shape {entry.shape} of "
            f"{entry.dtype}; was the file altered?",
            path,
        )
    source.file.seek(entry.begin)
    stored = np.frombuffer(source.file.read(entry.end - entry.begin), dtype=dtype)
    if entry.dtype == "BF16":  # the upper half of float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return stored.astype(np.float64).reshape(shape)


def _numpy_type(code: str, path: str) -> np.dtype[Any]:
    """Return a type of numpy, or one of 8 bits that a library adds."""
    if not code.startswith("float8"):
        return np.dtype(code)
    try:
        import ml_dtypes
    except ImportError as error:
        raise DependencyMissingError(
            f"numbers of type {code} need ml_dtypes, which is not installed; install it with: "
            "pip install ml_dtypes",
            path,
        ) from error
    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, code))
    return found


def _entries(file: BinaryIO, size: int, path: str) -> tuple[dict[str, _Entry], str]:
    """Read the header: the arrays, and what this program writes beside them.

    Raises `DataError` if it is damaged.
    """
    length = int.from_bytes(file.read(8), "little")
    if length > min(_MAX_HEADER, size - 8):
        raise DataError(
            f"the header claims {length} bytes of {size}; expected up to {_MAX_HEADER}: was the "
            "file cut short?",
            path,
        )
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise DataError("the header is not JSON; was the file altered?", path) from error
    if not isinstance(header, dict):
        raise _damaged("", path)
    said = header.pop("__metadata__", {})
    beside = said.get(_META, "") if isinstance(said, dict) else ""
    entries = {n: _entry(n, value, 8 + length, size, path) for n, value in header.items()}
    return entries, beside if isinstance(beside, str) else ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields


def _entry(name: str, value: Any, offset: int, size: int, path: str) -> _Entry:
    value = value if isinstance(value, dict) else {}
    shape, places = value.get("shape"), value.get("data_offsets")
    if isinstance(value.get("dtype"), str) and _are_sizes(shape) and _are_sizes(places):
        within = len(places) == 2 and places[0] <= places[1] <= size - offset
        if within and len(shape) <= _MOST_AXES:
            return _Entry(value["dtype"], tuple(shape), offset + places[0], offset + places[1])
    raise _damaged(name, path)


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item < 2**63 for item in value
    )


def _damaged(name: str, path: str) -> DataError:
    where = f" of {quote(name)}" if name else ""
    return DataError(f"the header{where} is damaged; was the file altered or cut short?", path)


def _shapes_of(file: BinaryIO, path: str) -> tuple[dict[str, _Entry], dict[str, Shape]]:
    size = file.seek(0, 2)
    file.seek(0)
    entries, _ = _entries(file, size, path)
    return entries, {name: entry.shape for name, entry in entries.items()}


def _look(file: BinaryIO, member: str, path: str) -> Stored:
    entries, shapes = _shapes_of(file, path)
    names = choose(shapes, "weight", member, path).names
    return Stored(_type_of(entries[names["weight"]]), tuple(entries), tuple(names.values()))


def _layers(file: BinaryIO, path: str) -> list[NetworkLayer]:
    entries, shapes = _shapes_of(file, path)
    return [each._replace(dtype=_type_of(entries[each.name])) for each in layers_in(shapes)]


def _type_of(entry: _Entry) -> str:
    return _TYPES[entry.dtype][1] if entry.dtype in _TYPES else entry.dtype


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    """Write the weight as PyTorch does, (K, C, 1, 1), in float64; what is no matrix as JSON."""
    arrays = {n: np.asarray(v, "<f8") for n, v in fields.items() if n in SHAPES}
    if "weight" in arrays:
        arrays["weight"] = arrays["weight"][:, :, np.newaxis, np.newaxis]
    header: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": "F64",
            "shape": array.shape,
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    others = {name: value for name, value in fields.items() if name not in arrays}
    header["__metadata__"] = {"format": "pt"} | ({_META: dump_meta(others)} if others else {})
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(a.tobytes() for a in arrays.values())


FORMAT = WeightsFormat(read=_read, write=_write, holds=holds_meta, look=_look, layers=_layers)
