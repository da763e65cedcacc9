"""Parse the header of a ``.safetensors`` file.

A file is the length of the header in 8 bytes, the header in JSON, and the numbers. The header has
the type, the shape, and the first and last byte of each array, counted from its own end.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from onebyone_cli.errors import DataError
from onebyone_cli.spec import CODED_BYTES, ITEM_BYTES
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Callable

#: Longest header that is read, in bytes.
_MAX_HEADER = 1 << 24

_MOST_AXES = 64

#: Our types by their names in the header.
_TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


class Entry(NamedTuple):
    """An array of a file.

    Attributes
    ----------
    dtype : str
        A key of `spec.ITEM_BYTES` or `spec.CODED_BYTES`; empty for a type that is not read.
    named : str
        The type as the header names it.
    shape : tuple of int
    begin : int
        Bytes from the start of the file to the first number.
    """

    dtype: str
    named: str
    shape: tuple[int, ...]
    begin: int


def read_entries(read: Callable[[int], bytes], size: int, path: str) -> dict[str, Entry]:
    """Read the arrays of a file of `size` bytes, by name.

    Raises
    ------
    DataError
        If the header is damaged, or an array is not of the size that it promises.
    """
    length = int.from_bytes(read(8), "little")
    if not 2 <= length <= min(_MAX_HEADER, size - 8):
        raise DataError(
            f"its header claims {length} bytes of {size}; expected up to {_MAX_HEADER}: was the "
            "file cut short?",
            path,
        )
    try:
        header = json.loads(read(length).decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise DataError("its header is not JSON; was the file altered?", path) from error
    if not isinstance(header, dict):
        raise _damaged("", path)
    return {
        name: _entry(name, value, 8 + length, size, path)
        for name, value in header.items()
        if name != "__metadata__"
    }


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields


def _entry(name: str, value: Any, offset: int, size: int, path: str) -> Entry:
    value = value if isinstance(value, dict) else {}
    named, shape, places = (value.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (isinstance(named, str) and _are_sizes(shape) and _are_sizes(places)):
        raise _damaged(name, path)
    if not (len(places) == 2 and places[1] <= size - offset and len(shape) <= _MOST_AXES):
        raise _damaged(name, path)
    dtype = _TYPES.get(named, "")
    if dtype and places[1] - places[0] != prod(shape) * (ITEM_BYTES | CODED_BYTES)[dtype]:
        raise _damaged(name, path)
    return Entry(dtype, named, tuple(shape), offset + places[0])


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item < 2**63 for item in value
    )


def _damaged(name: str, path: str) -> DataError:
    where = f" of '{printable(name[:40])}'" if name else ""
    return DataError(f"its header{where} is damaged; was the file altered or cut short?", path)
