r"""Matrices as text: ``.csv``, ``.tsv``, ``.txt``, and typed ones.

The grammar is strict, since a misread number gives a wrong picture that looks right::

    file      = [BOM] line*                  UTF-8, lines ended by LF or CRLF
    line      = blank | "#" anything | row
    row       = number (delimiter number)*   the same count in every row
    number    = [+-] digits [. digits] [e [+-] digits]  |  [+-] (inf | nan)

There is no quoting, no header and no locale. One regular expression matches a whole row, which is
converted at once; fields are examined one by one only to report a fault and its place.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import DataError
from onebyone_cli.names import suffix_of
from onebyone_cli.units import count
from onebyone_cli.weights.formats.contract import WeightsFile, WeightsFormat
from onebyone_cli.weights.rules import NOT_FINITE, quote

# Possessive (*+, ++): a row of 100 MiB is matched in linear time and without a backtracking stack.
_FINITE = r"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+"
_NUMBER = rf"(?:{_FINITE}|[+-]?+(?i:inf(?:inity)?+|nan))"


@dataclass(frozen=True)
class Delimiter:
    """A delimiter of numbers.

    ``name`` is for messages. ``between`` is a regular expression of one delimiter with the blanks
    around it. ``pad`` are the characters ignored at the ends of a row.
    """

    name: str
    between: str
    pad: str = " \t"

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

    @cached_property
    def _row(self) -> re.Pattern[str]:
        return re.compile(rf"{_NUMBER}(?:{self.between}{_NUMBER})*+")

    @cached_property
    def _between(self) -> re.Pattern[str]:
        return re.compile(self.between)


COMMAS = Delimiter("commas", r"[ \t]*+,[ \t]*+")
TABS = Delimiter("tabs", r"\ *+\t\ *+", pad=" ")
BLANKS = Delimiter("blanks", r"[ \t]++")
BLANKS_OR_COMMAS = Delimiter("blanks or single commas", r"(?:[ \t]*+,[ \t]*+|[ \t]++)")

#: Characters of a row or a field that are examined to describe a fault.
_GLANCE = 1000

#: Names the place of a field, given its index and its position in the text, both from 0.
Place = Callable[[int, int], str]


class RowCollector:
    """Collects rows of text into one matrix.

    Parameters
    ----------
    path : str
        File or option for messages.
    delimiter : Delimiter or None
        None: commas if the first row has one, else blanks.
    allow_nonfinite : bool
        Whether NaN and infinity are allowed.
    """

    def __init__(self, path: str, delimiter: Delimiter | None, *, allow_nonfinite: bool) -> None:
        self._path = path
        self._delimiter = delimiter
        self._allow_nonfinite = allow_nonfinite
        self._numbers = array("d")
        self.rows = 0

    def add(self, row: str, place: Place) -> None:
        """Append one row; `place` names the place of a field for messages.

        Raises `DataError` if it is not numbers, not finite, or not as long as the rows before it.
        """
        if self._delimiter is None:
            self._delimiter = COMMAS if "," in row else BLANKS
        body = row.strip(self._delimiter.pad)
        if not self._delimiter.matches(body):
            raise self._fault(row, place, self._delimiter)
        # Unlike split() and float(), this makes no object per number.
        values = np.fromstring(body.replace(",", " "), dtype=np.float64, sep=" ")
        finite = np.isfinite(values)
        if not (self._allow_nonfinite or finite.all()):
            raise self._nonfinite(row, place, self._delimiter, int(np.argmin(finite)))
        if self.rows and len(values) != self._columns:
            raise self._ragged(row, place, self._delimiter, len(values))
        self._numbers.frombytes(values.tobytes())
        self.rows += 1

    def matrix(self) -> NDArray[np.float64]:
        """Return the matrix, shape (rows, columns); raise `DataError` if it is empty."""
        if not self.rows:
            raise DataError("holds no numbers; expected one row of them at least", self._path)
        return np.frombuffer(self._numbers, dtype=np.float64).reshape(self.rows, -1)

    @property
    def _columns(self) -> int:
        return len(self._numbers) // self.rows

    def _fault(self, row: str, place: Place, delimiter: Delimiter) -> DataError:
        for index, (start, text) in enumerate(delimiter.fields(row)):
            if not re.fullmatch(_NUMBER, text):
                what = _describe_fault(text, delimiter.name)
                return DataError(f"{place(index, start)}: {what}", self._path)
        raise AssertionError("a row of numbers matches its delimiter")

    def _nonfinite(self, row: str, place: Place, delimiter: Delimiter, index: int) -> DataError:
        start, text = _nth(delimiter.fields(row), index)
        what = "overflows to infinity" if re.fullmatch(_FINITE, text) else "is not finite"
        return DataError(f"{place(index, start)}: {quote(text)} {what}{NOT_FINITE}", self._path)

    def _ragged(self, row: str, place: Place, delimiter: Delimiter, found: int) -> DataError:
        # The first extra number, or the last one of a short row.
        index = min(self._columns, found - 1)
        start, _ = _nth(delimiter.fields(row), index)
        numbers = count(found, "number")
        return DataError(
            f"{place(index, start)}: found {numbers} in this row, but {self._columns} in the "
            "first; expected one per input channel in every row",
            self._path,
        )


def _read(source: WeightsFile) -> dict[str, Any]:
    """Read rows; errors have line and column (in characters), both from 1."""
    path = source.path
    # In .txt the first row shows the delimiter.
    delimiter = {".csv": COMMAS, ".tsv": TABS}.get(suffix_of(path))
    collector = RowCollector(path, delimiter, allow_nonfinite=source.allow_nonfinite)
    for number, raw in enumerate(source.file, 1):
        row = _decode(raw, number, path)
        body = row.strip(" \t")
        if not body or body.startswith("#"):
            continue
        if not collector.rows and _is_header(body):
            raise DataError(
                f"line {number}, column 1: {quote(body)} looks like a header; "
                "remove it or begin it with #",
                path,
            )
        collector.add(row, _in_line(number))
    return {source.wanted: collector.matrix()}


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    """Write each row, or each number of a bias, on a line, with all digits of float64."""
    delimiter = {".csv": ",", ".tsv": "\t", ".txt": " "}[suffix]
    matrix = next(iter(fields.values()))
    matrix = matrix if matrix.ndim == 2 else matrix[:, np.newaxis]
    rows = (delimiter.join(map(repr, row)) for row in matrix.tolist())
    return ("\n".join(rows) + "\n").encode()


#: Reading takes up to 4 times the size of the file.
FORMAT = WeightsFormat(read=_read, write=_write, limit=256 * 2**20)


def _in_line(number: int) -> Place:
    return lambda _, start: f"line {number}, column {start + 1}"


def _decode(raw: bytes, number: int, path: str) -> str:
    if number == 1:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError("line 1, column 1: is UTF-16 text; save it as UTF-8", path)
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode()) + 1
        raise DataError(
            f"line {number}, column {column}: byte 0x{raw[error.start]:02x} is not UTF-8 text", path
        ) from error


def _is_header(row: str) -> bool:
    """Return whether all fields are words, a nameless column (an index) apart."""
    start = row[:_GLANCE]
    fields = re.split(r"[,;\t]", start) if re.search(r"[,;\t]", start) else start.split()
    words = [word for field in fields if (word := field.strip("\"' "))]
    return bool(words) and all(
        (word[0].isalpha() or word[0] == "_") and not re.fullmatch(_NUMBER, word) for word in words
    )


def _nth(fields: Iterator[tuple[int, str]], index: int) -> tuple[int, str]:
    return next(islice(fields, index, None))


_BETWEEN = "expected {delimiter} between numbers and '.' as the decimal point"

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


def _describe_fault(field: str, delimiter: str) -> str:
    """Describe a field that is not a number; `delimiter` is the name of the expected one."""
    if not field:
        return "the field is empty; expected a number"
    field = field[:_GLANCE]
    text = next(
        text for pattern, text in _FAULTS.items() if re.fullmatch(pattern, field, re.DOTALL)
    )
    return f"{quote(field)} {text.format(delimiter=delimiter)}"
