"""Natural order of file names: text as text, numbers by their value.

What counts as one number is decided from all names that agree in the text before it:

- A dot or a comma between digits is a decimal mark: ``450nm``, ``450.25nm``, ``450.5nm``. It is a
  separator, as in version numbers, where a number has several (``1.2.10``), or where the digits
  behind it differ in count and end in 0 (``img1.9``, ``img1.10``).
- ``-`` and ``+`` before a number are its sign at the beginning of a name, after a sign of
  punctuation (``t_-5``), and where another name has none or the other (``z-5``, ``z0``, ``z+5``).
  Else ``-`` is a separator: ``img-5``, ``img-10``, and after a digit ``2024-01-05``.
- ``e`` is the exponent of ten where one of the exponents has a sign: ``1e-3``, ``1e0``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

#: A number in lower case: sign, digits with marks between them, power of ten.
_NUMBER = re.compile(
    r"(?P<sign>(?<![0-9])[+\-\N{MINUS SIGN}])?"
    r"(?P<digits>(?:(?<![0-9a-z])[.,])?[0-9]+(?:[.,][0-9]+)*)"
    r"(?:e(?P<power>[+-]?[0-9]{1,4})(?![0-9]))?"
)
_MARK = re.compile("[.,]")
_MINUS = ("-", "\N{MINUS SIGN}")


@dataclass(slots=True)
class _Name:
    """A name that is being taken apart: its key so far, and where the rest begins."""

    name: str
    text: str
    suffix: str
    at: int = 0
    key: list[Any] = field(default_factory=list)

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts between the numbers so far."""
        return tuple(self.key[::2])


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort file names in natural order.

    Text compares without case. The suffix comes last, so that ``map`` is before ``map1``. Names
    that are equal so far (``a01``, ``A1``) compare by their characters. The order is total, and
    independent of the locale and of the order of `names`.

    >>> natural_order(["img10.png", "IMG2.png", "img.png", "img1.png"])
    ['img.png', 'img1.png', 'IMG2.png', 'img10.png']
    >>> natural_order(["450.5nm.png", "450nm.png", "450.25nm.png"])
    ['450nm.png', '450.25nm.png', '450.5nm.png']
    """
    whole = [_Name(name, *_stem_and_suffix(name)) for name in names]
    ahead = whole
    while ahead:
        ahead = list(_with_next_number(ahead))
    return [each.name for each in sorted(whole, key=lambda n: (n.key, n.suffix, n.name))]


def _stem_and_suffix(name: str) -> tuple[str, str]:
    stem, suffix = os.path.splitext(name)
    return stem.casefold(), suffix.casefold()


def _with_next_number(names: Sequence[_Name]) -> Iterator[_Name]:
    """Add text and the number after it to the keys; yield the names that had a number."""
    found = [(each, _NUMBER.search(each.text, each.at)) for each in names]
    alike: dict[tuple[str, ...], list[tuple[_Name, re.Match[str]]]] = {}
    spelled = set()  # the texts before digits, a sign of minus included
    for each, number in found:
        if number is None:
            each.key.append(each.text[each.at :])
            continue
        texts = (*each.texts, each.text[each.at : number.start()])
        alike.setdefault(texts, []).append((each, number))
        minus = number["sign"] if number["sign"] in _MINUS else ""
        spelled.add((*texts[:-1], texts[-1] + minus))
    for texts, group in alike.items():
        numbers = [number for _, number in group]
        mixed = texts in spelled or any(number["sign"] == "+" for number in numbers)
        signed = mixed or _takes_sign(texts)
        decimal = _are_decimals([number["digits"] for number in numbers])
        power = decimal and any((number["power"] or "")[:1] in ("+", "-") for number in numbers)
        for each, number in group:
            sign = number["sign"] or ""
            each.key.append(texts[-1] + ("" if signed else sign))
            each.key.append(_value(number, signed=signed, decimal=decimal, power=power))
            each.at = number.end() if power else number.end("digits")
            yield each


def _takes_sign(texts: Sequence[str]) -> bool:
    """Whether a sign after these texts is that of a number, in whatever names."""
    before = texts[-1]
    return not before or not (before[-1].isalnum() or before[-1] in _MINUS)


def _are_decimals(numbers: Sequence[str]) -> bool:
    """Whether marks between digits are decimal marks; see the module."""
    parts = [_MARK.split(number) for number in numbers]
    if any(len(part) > 2 for part in parts):
        return False
    fractions = [part[1] for part in parts if len(part) == 2]
    ends_in_zero = any(len(each) > 1 and each.endswith("0") for each in fractions)
    return len({len(each) for each in fractions}) <= 1 or not ends_in_zero


def _value(
    number: re.Match[str], *, signed: bool, decimal: bool, power: bool
) -> tuple[Decimal, ...]:
    # A Decimal made of text is exact, of whatever length.
    from decimal import Decimal

    sign = "-" if signed and number["sign"] in _MINUS else ""
    if not decimal:
        return tuple(Decimal(sign + part) for part in _MARK.split(number["digits"]) if part)
    ten = f"e{number['power']}" if power and number["power"] else ""
    return (Decimal(sign + number["digits"].replace(",", ".") + ten),)
