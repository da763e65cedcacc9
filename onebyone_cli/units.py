"""Parse and format byte sizes and counts."""

import re
from collections.abc import Sequence

_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
#: Bounds the time of the conversion.
_MAX_DIGITS = 40
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]?)(i?B?)", re.IGNORECASE | re.ASCII)


def parse_bytes(text: str) -> int:
    """Parse a size such as ``256M``, ``1.5GiB`` or ``4096``.

    ``K``, ``KiB`` and so on are powers of 1024, ``KB`` of 1000, as in GNU tools.

    Raises `ValueError` if `text` is not a size, or is less than one byte.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a size; write it like 256M, 2G or 65536")
    number, power, ending = match.groups()
    base = 1000 if power and ending.upper() == "B" else 1024
    # Exact decimal arithmetic: a float can't represent 1.005 or 2**53 + 1.
    whole, _, fraction = number.partition(".")
    if len(number) > _MAX_DIGITS:
        raise ValueError(f"'{number[:20]}...' has too many digits for a size")
    digits = int(whole + fraction)
    value: int = digits * base ** _POWERS[power.upper()] // 10 ** len(fraction)
    if value < 1:
        raise ValueError(f"'{text}' is less than one byte")
    return value


def format_bytes(count: int) -> str:
    """Format a size in powers of 1024.

    >>> format_bytes(72_000_000)
    '68.7 MiB'
    >>> format_bytes(512)
    '512 B'
    """
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.95:  # rounds to 1024.0
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} PiB"


def printable(text: str) -> str:
    r"""Escape control characters and undecodable bytes.

    >>> printable("a\x1b[31m.npy")
    'a\\x1b[31m.npy'
    """
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    # Python stands U+DC80 to U+DCFF for bytes that are no text.
    byte = ord(character) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(character)[1:-1]


def count(number: int, noun: str) -> str:
    """Format a count, as in ``1 row`` and ``2 rows``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def listed(one: str, several: str, names: Sequence[object]) -> str:
    """Name up to ten things in a sentence, ``channel {} is`` or ``channels {} are``."""
    shown = ", ".join(map(str, names[:10])) + (", …" if len(names) > 10 else "")
    return (one if len(names) == 1 else several).format(shown)
