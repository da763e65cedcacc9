"""Byte sizes and counts, as people write them and read them."""

import re

_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]?)(i?B?)", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Read a size such as ``256M``, ``1.5GiB`` or ``4096``.

    ``K``, ``KiB`` and so on count in 1024s, ``KB`` in 1000s, as in GNU tools.

    Raises
    ------
    ValueError
        If `text` is not a size or is less than one byte.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a size; write it like 256M, 2G or 65536")
    number, power, ending = match.groups()
    base = 1000 if power and ending.upper() == "B" else 1024
    value = int(float(number) * base ** _POWERS[power.upper()])
    if value < 1:
        raise ValueError(f"'{text}' is less than one byte")
    return value


def format_bytes(count: int) -> str:
    """Write a size for people: ``72.0 MB``-like figures in powers of 1024.

    >>> format_bytes(72_000_000)
    '68.7 MiB'
    >>> format_bytes(512)
    '512 B'
    """
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PiB"


def count(number: int, noun: str) -> str:
    """Say how many, as in ``1 row`` and ``2 rows``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
