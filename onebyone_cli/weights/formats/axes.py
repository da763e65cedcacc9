"""Tell what names the rows and columns of a table from its numbers.

A header of words is never numbers. A numeric first row or column is a header if

- it is 0, 1, 2 and so on, written as whole numbers, as pandas writes it, and three or more, and
  other numbers are not whole; or
- it rises or falls strictly, as wavelengths in nanometres do: three numbers or more, all 100 or
  more, and all others are smaller than a tenth of the smallest; or
- a word in the header says so, such as ``wavelength``, and it rises or falls strictly.

Everything else is weights. What was taken for a header is told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Fewest numbers that can be a header without a word.
_FEWEST = 3

#: Smallest number of a header without a word, and how much larger than weights it is.
_SMALLEST, _TIMES = 100.0, 10.0

#: Names of a first column that holds positions along an axis, and of one that counts.
_POSITIONS = re.compile(
    r"(?:wave ?(?:length|number)s?|wl|lambda|λ|nm|nanomet(?:er|re)s?|[uµμ]m|microns?"
    r"|micromet(?:er|re)s?|energy|frequency|m/?z)(?:[^a-z].*)?",
    re.IGNORECASE,
)
_COUNTS = re.compile(
    r"(?:index|idx|id|unnamed: 0|band|channel|row|number|no|nr|#)s?", re.IGNORECASE
)
_NAMES = re.compile(r"(?:name|label|class|material|endmember|spectrum|marker)s?", re.IGNORECASE)


_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


class Table(NamedTuple):
    """A matrix with what is known of its rows and columns.

    Attributes
    ----------
    matrix : ndarray of float64, shape (R, N)
    rows, columns : tuple of str
        Their names; empty if they have none.
    row_positions, column_positions : tuple of float
        Their positions along an axis, such as wavelengths; empty if unknown.
    counts_rows : bool
        Whether the first column is written as 0, 1, 2 and so on.
    notes : tuple of str
        What was taken for a header without a word that says so.
    """

    matrix: NDArray[np.float64]
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    row_positions: tuple[float, ...] = ()
    column_positions: tuple[float, ...] = ()
    counts_rows: bool = False
    notes: tuple[str, ...] = ()


def names_an_axis(word: str) -> bool:
    """Return whether the word in the corner of a table names its rows or columns."""
    return any(each.fullmatch(word) for each in (_POSITIONS, _COUNTS, _NAMES))


def with_labels(table: Table, labels: Sequence[str]) -> Table:
    """Add the names of rows, or their numbers."""
    numbers = _numbers_of(labels) if labels else None
    if numbers is None or not (_is_counting(numbers) or _is_monotonic(numbers)):
        return table._replace(rows=tuple(labels))
    return table if _is_counting(numbers) else table._replace(row_positions=tuple(numbers.tolist()))


def with_header(table: Table, names: Sequence[str], place: str, path: str) -> Table:
    """Add a header, which may have a corner above the names or numbers of rows.

    Raises `DataError` if it has another number of names than rows have numbers.
    """
    columns, corner = table.matrix.shape[1], ""
    has_rows = bool(table.rows)
    if len(names) == columns + has_rows and len(names) > 1:
        corner = names[0] if has_rows or _heads_column(names[0], table) else ""
        if has_rows:
            names = names[1:]
        elif corner or not names[0]:
            table, names = _take_column(table, corner), names[1:]
    elif len(names) == columns - 1 and not has_rows and _numbers_rows(table):
        table = _take_column(table, "")  # R writes no corner
    if len(names) != table.matrix.shape[1]:
        raise DataError(
            f"{place}: the header has {count(len(names), 'name')}, and rows have "
            f"{count(columns, 'number')}; expected a name for each column",
            path,
        )
    numbers = _numbers_of(names)
    if numbers is None or not (_is_counting(numbers) or _is_monotonic(numbers)):
        return table._replace(columns=tuple(names))
    if _is_counting(numbers):
        return table
    return table._replace(column_positions=tuple(numbers.tolist()))


def _heads_column(word: str, table: Table) -> bool:
    """Return whether a word says that the first column is no weights, and the numbers agree."""
    first = table.matrix[:, 0]
    if _POSITIONS.fullmatch(word):
        return _is_monotonic(first)
    return bool(_COUNTS.fullmatch(word)) and _is_counting(first)


def _numbers_rows(table: Table) -> bool:
    return len(table.matrix) > 1 and _is_counting(table.matrix[:, 0])


def _take_column(table: Table, word: str) -> Table:
    """Take the first column for what names or numbers rows."""
    first, rest = table.matrix[:, 0], np.ascontiguousarray(table.matrix[:, 1:])
    table = table._replace(matrix=rest, counts_rows=False)
    if word:
        table = _noted(table, _TAKEN.format("column", f"'{word}'"))
    if _is_counting(first):
        return table
    if not _is_monotonic(first):
        return table._replace(rows=tuple(f"{number:.15g}" for number in first.tolist()))
    return table._replace(row_positions=tuple(first.tolist()))


def without_numeric_row(table: Table, *, counts: bool = False) -> Table:
    """Take the first row for a header if its numbers are one.

    `counts` tells whether it is written as 0, 1, 2 and so on.
    """
    first, rest = table.matrix[0], table.matrix[1:]
    if not rest.size:
        return table
    found = _is_header(first, rest, counts=counts)
    if not found:
        unsure = counts and len(first) > 1 and not _are_whole(rest)
        return _noted(table, _UNSURE.format("row", _range(first))) if unsure else table
    table = table._replace(matrix=np.ascontiguousarray(rest), rows=table.rows[1:])
    if not counts:
        table = table._replace(column_positions=tuple(first.tolist()))
    return _noted(table, _TAKEN.format("row", _range(first)))


def without_numeric_column(table: Table) -> Table:
    """Take the first column for a header if its numbers are one, and rows have none yet."""
    first, rest = table.matrix[:, 0], table.matrix[:, 1:]
    if table.rows or table.row_positions or not rest.size:
        return table
    counts = table.counts_rows and _is_counting(first) and first[0] == 0
    if not _is_header(first, rest, counts=counts):
        return table
    table = table._replace(matrix=np.ascontiguousarray(rest), columns=table.columns[1:])
    if not counts:
        table = table._replace(row_positions=tuple(first.tolist()))
    return _noted(table, _TAKEN.format("column", _range(first)))


_TAKEN = "the first {} ({}) is taken for a header, not for numbers of the matrix"
_UNSURE = "the first {} ({}) is read as numbers of the matrix; if it is a header, begin it with #"


def fields_of(table: Table) -> dict[str, Any]:
    """Return names and positions as fields of a weights file.

    ``channels`` and ``wavelengths`` are those of columns, ``outputs`` and ``output_wavelengths``
    those of rows.
    """
    found: dict[str, Any] = {
        "channels": list(table.columns),
        "outputs": list(table.rows),
        "wavelengths": list(table.column_positions),
        "output_wavelengths": list(table.row_positions),
    }
    return {name: values for name, values in found.items() if values}


def _noted(table: Table, note: str) -> Table:
    return table._replace(notes=(*table.notes, note))


def _range(numbers: NDArray[np.float64]) -> str:
    return f"{numbers[0]:g} to {numbers[-1]:g}"


def _is_header(numbers: NDArray[np.float64], rest: NDArray[np.float64], *, counts: bool) -> bool:
    if len(numbers) < _FEWEST:
        return False
    if counts:
        return not _are_whole(rest)
    smallest = float(numbers.min())
    return (
        smallest >= _SMALLEST
        and _is_monotonic(numbers)
        and bool((np.abs(rest) < smallest / _TIMES).all())  # the other way round overflows
    )


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool((numbers == np.round(numbers)).all())


def _is_counting(numbers: NDArray[np.float64]) -> bool:
    """Return whether numbers are 0, 1, 2 and so on, or 1, 2, 3."""
    return numbers[0] in (0, 1) and bool((numbers == numbers[0] + np.arange(len(numbers))).all())


def _is_monotonic(numbers: NDArray[np.float64]) -> bool:
    """Return whether finite numbers rise or fall strictly."""
    if not np.isfinite(numbers).all():
        return False
    rises = numbers[1:] > numbers[:-1]
    falls = numbers[1:] < numbers[:-1]
    return bool(rises.all() or falls.all())


def _numbers_of(names: Sequence[str]) -> NDArray[np.float64] | None:
    """Return names that are numbers, such as ``650.5``; None if one is a word."""
    if not all(map(_NUMBER.fullmatch, names)):
        return None
    numbers = np.array([float(name) for name in names])
    return numbers if np.isfinite(numbers).all() else None
