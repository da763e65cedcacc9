r"""Matrices in text files, with the names of their rows and columns: ``.csv``, ``.tsv``, ``.txt``.

::

    file      = [BOM] line*                  UTF-8, lines ended by LF or CRLF
    line      = blank | "#" anything | header | row
    header    = [corner] (delimiter name)*   before the first row, or the last comment before it
    row       = [label delimiter] numbers    see `formats.text`

The delimiter is a semicolon, a tab, a comma or blanks, whichever the first row has. Names may be in
double quotes. What is a header although it is a number is decided by `formats.axes`.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.names import suffix_of
from onebyone_cli.weights.formats import axes
from onebyone_cli.weights.formats.contract import WeightsFile, WeightsFormat
from onebyone_cli.weights.formats.text import (
    BLANKS,
    COMMAS,
    SEMICOLONS,
    SEMICOLONS_AND_DECIMAL_COMMAS,
    TABS,
    Delimiter,
    Place,
    read_rows,
)
from onebyone_cli.weights.rules import quote

#: Longest row, in characters, that is searched for names; longer ones hold numbers.
_LONGEST_NAMES = 1 << 22

#: Stands before a first number that is no header, although it looks like one.
_SIGN = "+"

#: A text in double quotes, in which a double quote stands twice.
_QUOTED = re.compile(r'"(?:[^"]|"")*"')

#: A name that only counts.
_NUMBERED = re.compile(r"channel [0-9]+")

#: A name that needs no quotes.
_BARE = re.compile(r"[^\W\d][\w.:/()-]*")


class Row(NamedTuple):
    """A row of text and the number of its line, from 1."""

    line: int
    text: str


def _read(source: WeightsFile) -> dict[str, Any]:
    """Read the matrix and what names its rows and columns.

    Errors have line and column (in characters), both from 1.
    """
    rows = _Rows(source)
    first_two = list(islice(rows, 2))
    delimiter = _delimiter(source, first_two)
    shape = _Layout(first_two, delimiter, rows.comment)
    labels: list[str] = []
    counting = _Counting(delimiter.point)
    body = chain(first_two[shape.has_header :], rows)
    matrix = read_rows(
        _numbers(body, source.path, delimiter, labels if shape.has_labels else None, counting),
        source.path,
        delimiter,
        allow_nonfinite=source.allow_nonfinite,
    )
    table = axes.with_labels(axes.Table(matrix, counts_rows=counting.holds), labels)
    first = first_two[0].text
    is_signed = _is_signed(
        first_two[-1 if shape.has_header else 0].text, delimiter, labelled=shape.has_labels
    )
    if shape.names:
        table = axes.with_header(table, shape.names, f"line {shape.line}", source.path)
    elif not is_signed:
        whole = count_is_written(first, table.matrix.shape[1], delimiter, labelled=bool(labels))
        table = axes.without_numeric_row(table, counts=whole)
    if not is_signed:
        table = axes.without_numeric_column(table)
    if delimiter.point == ",":
        source.notes.append("commas between semicolons are decimal points")
    source.notes.extend(table.notes)
    fields = {source.wanted: table.matrix} | axes.fields_of(table)
    if len(table.matrix) > 1 and not (is_signed or table.columns or table.column_positions):
        fields["may_have_header"] = True
    return fields


class _Rows:
    """Rows of a file, without comments and blank lines.

    `comment` is the last comment before the first row.
    """

    def __init__(self, source: WeightsFile) -> None:
        self.comment = ""
        self._started = False
        self._rows = self._read(source)

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def _read(self, source: WeightsFile) -> Iterator[Row]:
        for number, raw in enumerate(source.file, 1):
            text = _decode(raw, number, source.path)
            body = text.strip(" \t")
            if body.startswith("#"):
                if not self._started and len(body) < _LONGEST_NAMES:
                    self.comment = body.lstrip("#")
            elif body:
                self._started = True
                yield Row(number, text)


class _Layout:
    """Where the names of a table stand, as its first two rows show it.

    Attributes
    ----------
    names : list of str
        The header, its corner included; empty without one.
    line : int
        Line of the header, or of the first row.
    has_header : bool
        Whether the first row is the header; a comment before it can be as well.
    has_labels : bool
        Whether each row begins with a name.
    """

    def __init__(self, rows: list[Row], delimiter: Delimiter, comment: str) -> None:
        self.names: list[str] = []
        self.line = rows[0].line if rows else 0
        found = [_fields(row.text, delimiter) for row in rows]
        self.has_header = len(found) == 2 and _is_header(found[0], found[1], delimiter)
        body = found[self.has_header :]
        self.has_labels = bool(body) and _is_labelled(body[0], delimiter)
        if self.has_header:
            self.names = [_name(field, delimiter) for _, field in found[0] or []]
        elif body and comment:
            self.names = _names_in(comment, delimiter, body[0], rows[0].text)


class _Counting:
    """Whether rows begin with 0, 1, 2 and so on, written as whole numbers."""

    def __init__(self, point: str) -> None:
        self.holds = True
        self._next = 0
        self._rest = rf"(?![0-9eE{point}])"

    def add(self, row: str) -> None:
        """Look at the next row."""
        if self.holds:
            self.holds = bool(re.match(rf"\s*{self._next}{self._rest}", row))
            self._next += 1


def count_is_written(row: str, columns: int, delimiter: Delimiter, *, labelled: bool) -> bool:
    """Return whether a row is 0, 1, 2 and so on, written as whole numbers."""
    if len(row) > 20 * (columns + 1) + _LONGEST_NAMES * labelled:
        return False
    numbers = list(islice(delimiter.fields(row), int(labelled), None))
    return [text for _, text in numbers] == [str(index) for index in range(columns)]


def _delimiter(source: WeightsFile, rows: list[Row]) -> Delimiter:
    """Return the delimiter that the first row shows, or that of the suffix."""
    suffix = suffix_of(source.path)
    row = rows[0].text if rows else ""
    seen = _QUOTED.sub("", row)
    if ";" in seen:
        return _with_point(source)
    if "\t" in seen.strip():
        others = [] if suffix == ".tsv" else [COMMAS, BLANKS]
        return next((each for each in others if each.matches(row.strip())), TABS)
    if suffix == ".tsv":  # a comma may be a decimal point
        return BLANKS if " " in seen.strip() else TABS
    if "," in seen:
        return COMMAS
    return BLANKS if suffix != ".csv" or " " in seen.strip() else COMMAS


def _with_point(source: WeightsFile) -> Delimiter:
    """Return semicolons, with the decimal point of the first number that has one."""
    begin = source.file.tell()
    source.file.seek(0)
    for raw in source.file:
        if raw.lstrip().startswith(b"#"):
            continue
        for field in raw.split(b";"):
            digits = re.fullmatch(rb"[+-]?[0-9]*([.,])[0-9]*(?:[eE][+-]?[0-9]+)?", field.strip())
            if digits:
                source.file.seek(begin)
                return SEMICOLONS_AND_DECIMAL_COMMAS if digits[1] == b"," else SEMICOLONS
    source.file.seek(begin)
    return SEMICOLONS


def _is_signed(row: str, delimiter: Delimiter, *, labelled: bool) -> bool:
    """Return whether the first number of a row has a sign that says it is no header."""
    fields = delimiter.fields(_QUOTED.sub("x", row[:_LONGEST_NAMES]))
    return any(text.startswith(_SIGN) for _, text in islice(fields, int(labelled), labelled + 1))


def _fields(row: str, delimiter: Delimiter) -> list[tuple[int, str]] | None:
    """Split a row into fields, each with its position; None if it is nothing but numbers."""
    if delimiter.matches(row.strip(delimiter.pad)) or len(row) > _LONGEST_NAMES:
        return None
    masked = _QUOTED.sub(lambda found: "x" * len(found[0]), row)
    return [(start, row[start : start + len(text)]) for start, text in delimiter.fields(masked)]


def _is_header(
    first: list[tuple[int, str]] | None,
    second: list[tuple[int, str]] | None,
    delimiter: Delimiter,
) -> bool:
    """Return whether the first of two rows is names, or numbers behind a corner."""
    if first is None:
        return False
    corner, *others = [text for _, text in first]
    if others and all(_is_quoted_number(text, delimiter) for text in others):
        return second is None or all(delimiter.is_number(text) for _, text in second[1:])
    if others and all(map(delimiter.is_number, others)):
        return not _plain(corner) or axes.names_an_axis(_plain(corner))
    return all(_is_word(text, delimiter) for text in others) and (
        _is_word(corner, delimiter) or (not _plain(corner) and bool(others))
    )


def _is_labelled(fields: list[tuple[int, str]] | None, delimiter: Delimiter) -> bool:
    """Return whether a row is a name and numbers."""
    if fields is None or len(fields) < 2:
        return False
    label, *others = [text for _, text in fields]
    is_label = _is_word(label, delimiter) or _is_quoted_number(label, delimiter)
    return is_label and all(map(delimiter.is_number, others))


def _is_word(field: str, delimiter: Delimiter) -> bool:
    return (
        any(letter.isalpha() for letter in field)
        and field.isprintable()
        and not delimiter.is_number(field)
    )


def _is_quoted_number(field: str, delimiter: Delimiter) -> bool:
    return bool(_QUOTED.fullmatch(field)) and delimiter.is_number(_plain(field))


def _names_in(
    comment: str, delimiter: Delimiter, body: list[tuple[int, str]] | None, row: str
) -> list[str]:
    """Return the names that a comment before a row has, one for each of its fields."""
    fields = _fields(comment, delimiter)
    columns = sum(1 for _ in delimiter.fields(row)) if body is None else len(body)
    names = [text for _, text in fields or []]
    fits = columns > 1 and len(names) == columns
    return list(map(_plain, names)) if fits and all(_is_word(n, delimiter) for n in names) else []


def _plain(field: str) -> str:
    """Return a name without its quotes."""
    if _QUOTED.fullmatch(field):
        return field[1:-1].replace('""', '"').strip()
    return field.strip()


def _name(field: str, delimiter: Delimiter) -> str:
    """Return a name of a header; one that is a number with a decimal point."""
    name = _plain(field)
    return name.replace(delimiter.point, ".") if delimiter.is_number(name) else name


def _numbers(
    rows: Iterator[Row],
    path: str,
    delimiter: Delimiter,
    labels: list[str] | None,
    counting: _Counting,
) -> Iterator[tuple[str, Place]]:
    """Yield the numbers of each row; put its name into `labels`, if rows have names."""
    for line, text in rows:
        if labels is None:
            counting.add(text)
            yield text, _in_line(line, 0)
            continue
        counting.holds = False
        fields = _fields(text, delimiter) or list(islice(delimiter.fields(text), 2))
        if not (_is_word(fields[0][1], delimiter) or _QUOTED.fullmatch(fields[0][1])):
            raise DataError(
                f"line {line}, column {fields[0][0] + 1}: {quote(fields[0][1])} is no name; rows "
                "before it begin with one",
                path,
            )
        labels.append(_plain(fields[0][1]))
        start = fields[1][0] if len(fields) > 1 else len(text)
        yield text[start:], _in_line(line, start)


def _in_line(number: int, offset: int) -> Place:
    return lambda _, start: f"line {number}, column {offset + start + 1}"


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


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    """Write each row, or each number of a bias, on a line, with all digits of float64.

    Names of channels are a header, and names of outputs a first column. A sign stands before a
    first number that would be taken for a header.
    """
    delimiter = {".csv": ",", ".tsv": "\t", ".txt": " "}[suffix]
    matrix = next(iter(fields.values()))
    matrix = matrix if matrix.ndim == 2 else matrix[:, np.newaxis]
    channels, labels = fields.get("channels"), fields.get("outputs")
    rows = [delimiter.join(map(repr, row)) for row in matrix.tolist()]
    if axes.without_numeric_column(axes.without_numeric_row(axes.Table(matrix))).notes:
        rows[0] = f"{_SIGN}{rows[0]}"
    if labels:
        rows = [f"{_written(name)}{delimiter}{row}" for name, row in zip(labels, rows, strict=True)]
    if channels:
        corner = ["" if suffix == ".csv" else '""'] if labels else []
        rows = [delimiter.join([*corner, *map(_written, channels)]), *rows]
    return ("\n".join(rows) + "\n").encode()


def _holds(name: str, value: Any) -> bool:
    """Return whether a table has these names: words, none of which names an axis.

    Names that only count are left out: others read a table of plain numbers with less trouble.
    """
    if name not in ("channels", "outputs") or not isinstance(value, list):
        return False
    return all(map(_is_plain_word, value)) and not all(map(_NUMBERED.fullmatch, value))


def _is_plain_word(name: Any) -> bool:
    return (
        isinstance(name, str)
        and name == name.strip()
        and _is_word(_written(name), COMMAS)
        and not COMMAS.is_number(name)
        and not axes.names_an_axis(name)
    )


def _written(name: str) -> str:
    """Return a name in quotes if it needs them."""
    return name if _BARE.fullmatch(name) else '"' + name.replace('"', '""') + '"'


#: Reading takes up to 4 times the size of the file.
FORMAT = WeightsFormat(read=_read, write=_write, holds=_holds, limit=256 * 2**20)
