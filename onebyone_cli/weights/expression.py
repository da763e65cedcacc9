"""Read weights from sums of named channels: ``"B08 - B04; 0.3*B03 + 0.7*B02 - 100"``.

::

    rows = row (";" row)* [";"]
    row  = [sign] term (sign term)*
    term = factor ("*" factor)*              one name at most
    factor = number | name                   a name with other signs stands in quotes
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.rules import NOT_FINITE, quote

#: A quoted name, a number, a word (a name, with digits, points and brackets), or one character.
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')"""
    r"""|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.\[])"""
    r"""|(?P<word>[\w.\[\]]+)|(?P<sign>[-+*;])|(?P<other>\S))"""
)

#: Words that other programs take for numbers.
_NUMERAL = re.compile(r"nan|inf(?:inity)?|0x[0-9a-f]+", re.IGNORECASE)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def has_names(text: str) -> bool:
    """Whether a text names channels; numbers apart by blanks or commas do not."""
    return any(
        token.kind == "quoted" or (token.kind == "word" and _is_name(token.text))
        for token in _tokens(text)
    )


def parse_expression(text: str, source: str, *, allow_nonfinite: bool = False) -> ChannelMap:
    """Read rows of sums.

    The columns are the names in order of appearance, as ``channels`` of `ChannelMap.meta`, with
    ``by_name`` to say that they must be matched. Constants are the bias.

    Raises
    ------
    DataError
        With the character, from 1.
    """
    parser = _Parser(text, source)
    rows = parser.rows()
    names = list(dict.fromkeys(name for row in rows for name in row if name))
    if not names:
        raise DataError("names no channel", source)
    with np.errstate(over="ignore"):
        weight = np.array([[row.get(name, 0.0) for name in names] for row in rows])
        bias = np.array([row.get("", 0.0) for row in rows])
    if not (allow_nonfinite or (np.isfinite(weight).all() and np.isfinite(bias).all())):
        raise DataError(f"a number overflows to infinity{NOT_FINITE}", source)
    return ChannelMap(weight, bias, source, {"channels": names, "by_name": True})


class _Parser:
    """Reads tokens from the first to the last."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._tokens = [*_tokens(text), _Token("end", "", len(text))]
        self._at = 0

    def rows(self) -> list[dict[str, float]]:
        """Return the factor of each name in each row; that of no name is the constant."""
        found = [self._row()]
        while self._take(";"):
            if self._next.kind == "end":
                break
            found.append(self._row())
        if self._next.kind != "end":
            raise self._fault("+, -, * or ;")
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, signs: str) -> str:
        token = self._next
        if token.kind != "sign" or token.text not in signs:
            return ""
        self._at += 1
        return token.text

    def _row(self) -> dict[str, float]:
        found: dict[str, float] = {}
        sign = 1.0
        while True:
            while taken := self._take("+-"):
                sign = -sign if taken == "-" else sign
            name, factor = self._term()
            found[name] = found.get(name, 0.0) + sign * factor
            taken = self._take("+-")
            if not taken:
                return found
            sign = -1.0 if taken == "-" else 1.0

    def _term(self) -> tuple[str, float]:
        names, factor = [], 1.0
        while True:
            token = self._next
            if token.kind == "number":
                factor *= float(token.text)
            elif token.kind == "word" and _is_name(token.text):
                names.append(token.text)
            elif token.kind == "quoted" and len(token.text) > 2:
                names.append(token.text[1:-1])
            else:
                raise self._fault("a number or the name of a channel")
            if len(names) > 1:
                raise self._fault("a number: a channel can't be multiplied by another")
            self._at += 1
            if not self._take("*"):
                return "".join(names), factor

    def _fault(self, expected: str) -> DataError:
        token = self._next
        found = "the end" if token.kind == "end" else quote(token.text)
        return DataError(
            f"character {token.start + 1}: found {found}; expected {expected}", self._source
        )


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind)))
    return found


def _is_name(word: str) -> bool:
    """Whether a word can be a name: it has a letter, and is no number such as nan or 0x10."""
    return any(map(str.isalpha, word)) and not _NUMERAL.fullmatch(word)
