"""Known spectra for unmixing, from files and arrays.

A file has one endmember in each column and one channel in each row, or the other way round: the
number of channels decides, else wavelengths along one side, else that there are no more endmembers
than channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.units import count
from onebyone_cli.weights.load import load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Relative difference up to which wavelengths are the same.
_SAME = 1e-3

#: Units of wavelengths in each other: the same, micrometres in nanometres and back.
_UNITS = (1.0, 1e3, 1e-3)

#: Fewest wavelengths that are recognized without a word.
_FEWEST = 3


class Endmembers(NamedTuple):
    """Known spectra.

    Attributes
    ----------
    matrix : ndarray of float64, shape (C, K)
        One column for each endmember.
    names, channels : tuple of str
        Names of the endmembers and of the channels; empty if unknown.
    wavelengths : tuple of float
        Of the channels, in the unit of the file; empty if unknown.
    notes : tuple of str
        How the file was understood, where that is not plain.
    """

    matrix: NDArray[np.float64]
    names: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    wavelengths: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()


class _Side(NamedTuple):
    """What is known along one axis of a matrix."""

    names: tuple[str, ...] = ()
    wavelengths: tuple[float, ...] = ()


def load_endmembers(
    path: str, channels: int | None = None, wavelengths: Sequence[float] = ()
) -> Endmembers:
    """Load endmembers from a weights file of any format; NaN and infinities are kept.

    Parameters
    ----------
    channels : int, optional
        Number of channels of the stack.
    wavelengths : sequence of float
        Of the stack. A first column or row that equals them is no endmember.

    Raises
    ------
    ShapeMismatchError
        If neither side of the matrix has so many channels.
    OneByOneError
        As in `load_weights`.
    """
    found = load_weights(path, allow_nonfinite=True)
    matrix, notes = found.weight, list(found.notes)
    rows = _Side(_texts(found.meta, "outputs"), _numbers(found.meta, "output_wavelengths"))
    columns = _Side(_texts(found.meta, "channels"), _numbers(found.meta, "wavelengths"))
    if equal_wavelengths(matrix[:, 0], wavelengths) and matrix.shape[1] > 1:
        rows = rows._replace(wavelengths=tuple(matrix[:, 0].tolist()))
        matrix, columns = matrix[:, 1:], columns._replace(names=columns.names[1:])
        notes.append("the first column equals the wavelengths of the stack: no endmember")
    elif equal_wavelengths(matrix[0], wavelengths) and len(matrix) > 1:
        columns = columns._replace(wavelengths=tuple(matrix[0].tolist()))
        matrix, rows = matrix[1:], rows._replace(names=rows.names[1:])
        notes.append("the first row equals the wavelengths of the stack: no endmember")
    if _are_rows(matrix, rows, columns, channels):
        if not (rows.names or columns.wavelengths):
            notes.append("each row is read as an endmember, each column as a channel")
        matrix, rows, columns = matrix.T, columns, rows
    elif (
        len(matrix) == matrix.shape[1] > 1 and rows.names and set(rows.names) == set(columns.names)
    ):
        notes.append("each column is read as an endmember, each row as a channel")
    is_known = rows.names or (rows.wavelengths and wavelengths)
    if channels is not None and len(matrix) != channels and not is_known:
        raise _misfit(matrix, channels, path)
    return Endmembers(
        np.ascontiguousarray(matrix),
        _fitting(columns.names, matrix.shape[1]),
        _fitting(rows.names, len(matrix)),
        _fitting(rows.wavelengths, len(matrix)),
        tuple(notes),
    )


def endmembers_of(given: Any, channels: int | None = None) -> Endmembers:
    """Check endmembers that are an array, shape (C, K).

    Raises `DataError` if they are not, and `ShapeMismatchError` for another number of channels.
    """
    try:
        matrix = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"is not an array of real numbers: {error}", "endmembers") from error
    if matrix.ndim != 2:
        raise ShapeMismatchError(
            f"has shape {matrix.shape}; expected one row per channel, one column per endmember",
            "endmembers",
        )
    if channels is not None and len(matrix) != channels:
        raise _misfit(matrix, channels, "endmembers")
    return Endmembers(matrix)


def _are_rows(
    matrix: NDArray[np.float64], rows: _Side, columns: _Side, channels: int | None
) -> bool:
    """Return whether each row is an endmember."""
    number, length = matrix.shape
    if channels is not None and channels in (number, length) and number != length:
        return bool(length == channels)
    if bool(rows.wavelengths) != bool(columns.wavelengths):
        return bool(columns.wavelengths)
    return bool(number < length)


def _misfit(matrix: NDArray[np.float64], channels: int, source: str) -> ShapeMismatchError:
    turned = "; maybe transpose it" if matrix.shape[1] == channels else ""
    return ShapeMismatchError(
        f"has {count(len(matrix), 'row')} and the stack has {count(channels, 'channel')}; "
        f"expected one row per channel, one column per endmember{turned}",
        source,
    )


def equal_wavelengths(numbers: NDArray[np.float64], wavelengths: Sequence[float]) -> bool:
    """Return whether numbers are the wavelengths of a stack, in its unit or another."""
    if len(numbers) != len(wavelengths) or len(numbers) < _FEWEST:
        return False
    known = np.asarray(wavelengths, np.float64)
    near = (np.isclose(numbers, unit * known, rtol=_SAME, atol=0.0) for unit in _UNITS)
    return any(bool(each.all()) for each in near)


def _texts(meta: Any, field: str) -> tuple[str, ...]:
    found = meta.get(field)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _numbers(meta: Any, field: str) -> tuple[float, ...]:
    found = meta.get(field)
    found = found.tolist() if isinstance(found, np.ndarray) else found
    if not isinstance(found, list) or not all(type(each) in (int, float) for each in found):
        return ()
    return tuple(map(float, found))


def _fitting(values: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    return values if len(values) == number else ()
