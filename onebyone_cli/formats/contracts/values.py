"""Values of files as texts and numbers: arrays, lists, or text that lists them."""

from __future__ import annotations

import re
from typing import Any

_SEPARATORS = re.compile(r"[,;\n]")
_BETWEEN_NUMBERS = re.compile(r"[\s,;]+")


def texts(value: Any, count: int) -> tuple[str, ...]:
    """Return texts; a single one that lists `count` of them is split.

    Empty if an entry is something else: a number of channels is not a list of names.

    Examples
    --------
    >>> texts(["red", " nir "], 2), texts("red, nir", 2), texts(4, 1)
    (('red', 'nir'), ('red', 'nir'), ())
    """
    items = _items(value)
    if not all(isinstance(item, str) for item in items):
        return ()
    if len(items) == 1 and count > 1:
        parts = _SEPARATORS.split(items[0])
        items = parts if len(parts) == count else items
    return tuple(item.strip() for item in items)


def numbers(value: Any) -> tuple[float, ...]:
    """Return numbers, which may be written as text; empty if an entry is something else.

    Examples
    --------
    >>> numbers("-9999"), numbers(["1", "2.5"]), numbers("none")
    ((-9999,), (1, 2.5), ())
    """
    try:
        return tuple(map(_number, _items(value)))
    except (TypeError, ValueError):
        return ()


def words(value: Any) -> tuple[float, ...]:
    """Return numbers, which may stand in one text, separated by blanks or commas.

    Examples
    --------
    >>> words("500000 30, 0"), words([1, 2])
    ((500000, 30, 0), (1, 2))
    """
    items = _items(value)
    if len(items) == 1 and isinstance(items[0], str):
        return numbers(_BETWEEN_NUMBERS.split(items[0].strip("[](){} ")))
    return numbers(items)


def is_float(value: Any) -> bool:
    """Return whether a value has a floating-point type of numpy."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _items(value: Any) -> list[Any]:
    """Return the entries of a list or array, or a single value as a list of one."""
    plain = value.ravel().tolist() if hasattr(value, "ravel") else value
    return list(plain) if isinstance(plain, (list, tuple)) else [plain]


def _number(item: Any) -> float:
    if isinstance(item, str):
        try:
            return int(item)
        except ValueError:
            return float(item)
    if isinstance(item, (int, float)):
        return item
    raise TypeError(item)
