"""Decide which numbers and pixels of a stack are invalid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from onebyone_cli.errors import UsageError, setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

#: Two numbers, both included.
Range = tuple[float, float]


class Nodata(NamedTuple):
    """Numbers that mark invalid values, as the user gave them.

    Attributes
    ----------
    text : str
        As typed, for messages.
    ranges : tuple of (float, float)
        Both ends included; a single number is a range from itself to itself. Empty if nothing that
        a file says is to be used either.
    """

    text: str
    ranges: tuple[Range, ...]

    @property
    def first(self) -> float | None:
        """The first number, which marks invalid pixels in the output; None if there is none."""
        return self.ranges[0][0] if self.ranges else None


def parse_nodata(texts: Sequence[str]) -> Nodata | None:
    """Read values and ranges, separated by commas; None if nothing is given.

    ``none`` alone stands for no value. Raises `UsageError`.

    Examples
    --------
    >>> parse_nodata(["-9999,65533:65535"]).ranges
    ((-9999.0, -9999.0), (65533.0, 65535.0))
    """
    if not texts:
        return None
    text = ",".join(texts)
    if text == "none":
        return Nodata(text, ())
    return Nodata(text, tuple(_range(word, text) for word in text.split(",")))


def _range(word: str, text: str) -> Range:
    first, colon, last = word.partition(":")
    try:
        low, high = _number(first), _number(last if colon else first)
    except ValueError:
        raise UsageError(
            f"{setting('nodata', text)} is not a list of numbers; write values and ranges, "
            "as in -9999,65533:65535, or none"
        ) from None
    if low > high:
        raise UsageError(f"{setting('nodata', text)}: the range {word} is empty; write FIRST:LAST")
    return low, high


def _number(word: str) -> float:
    """Read a number; an integer that a float does not hold stays one."""
    number = float(word)
    try:
        exact = int(word)
    except ValueError:
        return number
    is_lost = exact != number and abs(exact) < 1 << 64
    return exact if is_lost else number


class Validity(NamedTuple):
    """What makes numbers and pixels of a stack invalid, besides NaN and infinity.

    Attributes
    ----------
    nodata : tuple of tuple of (float, float)
        Ranges of invalid stored numbers, both ends included: one entry per channel, or empty.
    valid : tuple of (float, float)
        Smallest and largest valid stored number: one entry per channel, infinite where there is no
        limit; or empty.
    rule : {"any", "all"}
        Whether a pixel is invalid if any of its channels is, or only if all are. NaN and infinity
        in any channel make a pixel invalid by both rules, since nothing can be computed from them.
    """

    nodata: tuple[tuple[Range, ...], ...] = ()
    valid: tuple[Range, ...] = ()
    rule: Literal["any", "all"] = "any"

    @property
    def is_needed(self) -> bool:
        """Whether finite numbers can be invalid."""
        return any(self.nodata) or any(np.isfinite(ends).any() for ends in self.valid)

    def selected(self, channels: Sequence[int]) -> Validity:
        """Return the validity of some channels."""
        nodata = tuple(self.nodata[at] for at in channels) if self.nodata else ()
        valid = tuple(self.valid[at] for at in channels) if self.valid else ()
        return Validity(nodata, valid, self.rule)


class Marks:
    """Find invalid numbers and pixels of the tiles of a stack.

    Parameters
    ----------
    validity : Validity
    stored : sequence of str
        Type of each channel in its file. Values are rounded to it: what a file stores as float32
        equals the decimal number that was meant.
    dtype : str
        Type in which tiles are read.

    Attributes
    ----------
    are_needed : bool
        Whether finite numbers can be invalid. If not, only floating-point numbers have to be
        searched, for NaN and infinity.
    """

    def __init__(self, validity: Validity, stored: Sequence[str], dtype: str) -> None:
        self._rule = validity.rule
        # Integers that are read as floats are finite, too.
        self._finite_only = not any(each.startswith("float") for each in stored)
        nodata = validity.nodata or ((),) * len(stored)
        most = max(map(len, nodata), default=0)
        self._singles: list[NDArray[Any]] = []
        self._ranges: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for at in range(most):
            ends = [each[at] if at < len(each) else None for each in nodata]
            singles = [pair[0] if pair and pair[0] == pair[1] else None for pair in ends]
            wide = [pair if pair and pair[0] != pair[1] else None for pair in ends]
            if any(each is not None for each in singles):
                self._singles.append(_column(singles, stored, dtype, in_type))
            if any(each is not None for each in wide):
                self._ranges.append(_columns(wide, stored, dtype))
        limits = [pair if np.isfinite(pair).any() else None for pair in validity.valid]
        self._valid = _columns(limits, stored, dtype) if any(limits) else None
        self.are_needed = bool(self._singles or self._ranges or self._valid)

    def numbers(self, x: NDArray[Any]) -> Bools:
        """Mark invalid numbers: NaN, infinite, nodata, or out of the valid range.

        Parameters
        ----------
        x : ndarray of shape (..., C, n)
            In the type in which tiles are read.

        Returns
        -------
        ndarray of bool, of the shape of `x`
        """
        if self._finite_only:
            return self.marked(x)
        invalid: Bools = ~np.isfinite(x)
        return invalid | self.marked(x) if self.are_needed else invalid

    def pixels(self, x: NDArray[Any]) -> Bools:
        """Mark invalid pixels, shape (..., n), by the rule; `x` is as in `numbers`."""
        if self._rule == "any":
            return np.asarray(self.numbers(x).any(axis=-2))
        invalid = np.asarray(self.marked(x).all(axis=-2))
        if not self._finite_only:
            invalid |= ~np.isfinite(x).all(axis=-2)
        return invalid

    def marked(self, x: NDArray[Any]) -> Bools:
        """Mark numbers that are nodata or out of the valid range; `x` is as in `numbers`."""
        if not self._singles:
            invalid = np.zeros(x.shape, np.bool_)
        for at, column in enumerate(self._singles):
            invalid = x == column if at == 0 else invalid | (x == column)
        for low, high in self._ranges:
            invalid |= (x >= low) & (x <= high)
        if self._valid is not None:
            low, high = self._valid
            invalid |= (x < low) | (x > high)
        return invalid


def _column(entries: Sequence[float | None], stored: Sequence[str], dtype: str, cast: Any) -> Any:
    """Return numbers as a column (C, 1); NaN, which is neither equal nor more nor less, for None.

    It has the type of the tiles; float64 where that is an integer type and can't hold them.
    """
    with np.errstate(over="ignore"):
        numbers = [
            np.nan if each is None else cast(each, own)
            for each, own in zip(entries, stored, strict=True)
        ]
    is_float = dtype.startswith("float")
    has_nan = any(np.isnan(number) for number in numbers)
    column = np.empty((len(numbers), 1), dtype if is_float or not has_nan else "float64")
    with np.errstate(over="ignore"):  # beyond the type of the tiles, where it is infinite as well
        for at, number in enumerate(numbers):
            column[at] = number
    return column


def _columns(
    pairs: Sequence[Range | None], stored: Sequence[str], dtype: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both ends of ranges as columns of a floating-point type."""
    kind = dtype if dtype.startswith("float") else "float64"
    low = [None if pair is None else pair[0] for pair in pairs]
    high = [None if pair is None else pair[1] for pair in pairs]
    return _column(low, stored, kind, _rounded), _column(high, stored, kind, _rounded)


def _rounded(value: float, dtype: str) -> Any:
    """Round an end of a range to a floating-point type of a file."""
    return np.dtype(dtype).type(value) if dtype.startswith("float") else np.float64(value)


def in_type(value: float, dtype: str) -> Any:
    """Round a number to a type of a file; NaN if the type does not hold it."""
    if dtype.startswith("float"):
        rounded = np.dtype(dtype).type(value)
        # Too large for the type, or so small that it would mark zeros.
        is_lost = (np.isinf(rounded) and not np.isinf(value)) or (rounded == 0 and value != 0)
        return np.nan if is_lost else rounded
    if dtype == "bool":  # numpy takes any number but 0 for true
        return bool(value) if value in (0, 1) else np.nan
    largest = np.iinfo(dtype).max
    if value == float(largest):  # of 64 bits, which float64 rounds to the next number
        return np.array(largest, dtype)
    try:
        return np.array(int(value), dtype) if value == int(value) else np.nan
    except (OverflowError, ValueError):  # too large, infinite, or NaN
        return np.nan
