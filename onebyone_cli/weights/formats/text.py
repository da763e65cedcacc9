r"""Rows of numbers as text, in files and typed.

The grammar is strict, since a misread number gives a wrong picture that looks right::

    row       = number (delimiter number)*   the same count in every row
    number    = [+-] digits [. digits] [e [+-] digits]  |  [+-] (inf | nan)

Between semicolons, the decimal point may be a comma. One regular expression matches a whole row,
which is converted at once; fields are examined one by one only to report a fault and its place.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import DataError
from onebyone_cli.units import count
from onebyone_cli.weights.rules import NOT_FINITE, quote

# Possessive (*+, ++): a row of 100 MiB is matched in linear time and without a backtracking stack.
_FINITE = r"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+"
_NUMBER = rf"(?:{_FINITE}|[+-]?+(?i:inf(?:inity)?+|nan))"
_COMMA_NUMBER = _NUMBER.replace(r"\.", ",")


@dataclass(frozen=True)
class Delimiter:
    """A delimiter of numbers.

    ``name`` is for messages. ``between`` is a regular expression of one delimiter with the blanks
    around it. ``pad`` are the characters ignored at the ends of a row. ``number`` is a regular
    expression of a number, whose decimal point is ``point``.
    """

    name: str
    between: str
    pad: str = " \t"
    number: str = _NUMBER
    point: str = "."

    def matches(self, row: str) -> bool:
        """Return whether a whole row, stripped of its pad, is numbers with this delimiter."""
        return self._row.fullmatch(row) is not None

    def fields(self, row: str) -> Iterator[tuple[int, str]]:
        """Split a row, valid or not, into fields, each with its position in the row."""
        end = len(row.rstrip(self.pad))
        start = min(len(row) - len(row.lstrip(self.pad)), end)
        for match in self._between.finditer(row, start, end):
            yield start, row[start : match.start()]
            start = match.end()
        yield start, row[start:end]

    def is_number(self, field: str) -> bool:
        """Return whether a field is a number, or would be one but for its size."""
        return re.fullmatch(self.number, field) is not None

    def plain(self, row: str) -> str:
        """Return a row that matches with points and blanks in place of its own signs."""
        if self.point == ",":
            row = row.replace(",", ".")
        return row.replace(",", " ").replace(";", " ")

    @cached_property
    def _row(self) -> re.Pattern[str]:
        return re.compile(rf"{self.number}(?:{self.between}{self.number})*+")

    @cached_property
    def _between(self) -> re.Pattern[str]:
        return re.compile(self.between)


COMMAS = Delimiter("commas", r"[ \t]*+,[ \t]*+")
TABS = Delimiter("tabs", r"\ *+\t\ *+", pad=" ")
BLANKS = Delimiter("blanks", r"[ \t]++")
SEMICOLONS = Delimiter("semicolons", r"[ \t]*+;[ \t]*+")
SEMICOLONS_AND_DECIMAL_COMMAS = Delimiter(
    "semicolons", r"[ \t]*+;[ \t]*+", number=_COMMA_NUMBER, point=","
)
BLANKS_OR_COMMAS = Delimiter("blanks or single commas", r"(?:[ \t]*+,[ \t]*+|[ \t]++)")

#: Characters of a row or a field that are examined to describe a fault.
_GLANCE = 1000

#: Names the place of a field, given its index and its position in the text, both from 0.
Place = Callable[[int, int], str]


def read_rows(
    rows: Iterable[tuple[str, Place]],
    path: str,
    delimiter: Delimiter | None,
    *,
    allow_nonfinite: bool,
) -> NDArray[np.float64]:
    """Read rows of text, each with the place of its fields for messages, into one matrix.

    The default delimiter is commas if the first row has one, else blanks. Raises `DataError` if
    there is no row, or one is not numbers, not finite, or not as long as the first.
    """
    numbers, count_of_rows, columns = array("d"), 0, 0
    for row, place in rows:
        delimiter = delimiter or (COMMAS if "," in row else BLANKS)
        body = row.strip(delimiter.pad)
        if not delimiter.matches(body):
            start, index, text = next(
                (start, index, text)
                for index, (start, text) in enumerate(delimiter.fields(row))
                if not delimiter.is_number(text)
            )
            what = _describe_fault(text, delimiter)
            raise DataError(f"{place(index, start)}: {what}", path)
        # Unlike split() and float(), this makes no object per number.
        values = np.fromstring(delimiter.plain(body), dtype=np.float64, sep=" ")
        finite = np.isfinite(values)
        if not (allow_nonfinite or finite.all()):
            index = int(np.argmin(finite))
            start, text = _nth(delimiter.fields(row), index)
            overflows = any(letter.isdigit() for letter in text)
            what = "overflows to infinity" if overflows else "is not finite"
            raise DataError(f"{place(index, start)}: {quote(text)} {what}{NOT_FINITE}", path)
        columns = columns or len(values)
        if len(values) != columns:
            # The first extra number, or the last one of a short row.
            index = min(columns, len(values) - 1)
            start, _ = _nth(delimiter.fields(row), index)
            raise DataError(
                f"{place(index, start)}: found {count(len(values), 'number')} in this row, but "
                f"{columns} in the first; expected one per input channel in every row",
                path,
            )
        numbers.frombytes(values.tobytes())
        count_of_rows += 1
    if not count_of_rows:
        raise DataError("holds no numbers; expected one row of them at least", path)
    return np.frombuffer(numbers, dtype=np.float64).reshape(count_of_rows, columns)


def _nth(fields: Iterator[tuple[int, str]], index: int) -> tuple[int, str]:
    return next(islice(fields, index, None))


_BETWEEN = "expected {delimiter} between numbers and '{point}' as the decimal point"

#: Patterns of fields that are not numbers, and messages; the first that matches counts.
_FAULTS = {
    r".*[\r\n].*": "holds a line break; rows of a typed matrix are apart by ';'",
    r"[+-]?0[xX].*": "is hexadecimal; write it in decimal",
    r".*;.*": f"holds a ';'; {_BETWEEN}",
    r"[+-]?[0-9]+,[0-9]+": "holds a comma; write '.' as the decimal point, no thousands separators",
    r"[+-]?[0-9]{1,3}(?:['_.\u00a0\u202f][0-9]{3})+(?:[.,][0-9]*)?": (
        "holds thousands separators; remove them"
    ),
    rf"{_NUMBER}(?:[ \t,]+{_NUMBER})+": f"holds several numbers; {_BETWEEN}",
    r"[\"'].*": "is in quotes; write numbers without them",
    r"[\u2212\u2013].*": "begins with a typographic minus; write an ordinary '-'",
    r".*": "is not a number; expected one such as 0.25 or -1e-3",
}


def _describe_fault(field: str, delimiter: Delimiter) -> str:
    """Describe a field that is not a number with the delimiter that is expected."""
    if not field:
        return "the field is empty; expected a number"
    field = field[:_GLANCE]
    text = next(
        text for pattern, text in _FAULTS.items() if re.fullmatch(pattern, field, re.DOTALL)
    )
    return f"{quote(field)} {text.format(delimiter=delimiter.name, point=delimiter.point)}"
