"""Notice that a nodata value of the user occurs nowhere, and which number was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import setting, spelled
from onebyone_cli.stack.validity import Marks, Validity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.stack.validity import Nodata, Range


#: Fewer digits are those of ordinary numbers: many read as 1.
_FEWEST_DIGITS = 3

#: Relative size of the steps of float16, the coarsest type.
_ROUNDING = 1e-3


class _Wanted(NamedTuple):
    """A number or a range, and the digits of a number as the user typed it."""

    text: str
    ends: Range
    digits: int

    def near(self, x: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the numbers of `x` that may read the same; None if all may."""
        if self.digits < _FEWEST_DIGITS:
            return None
        value = self.ends[0]
        reach = abs(value) * max(10.0 ** (1 - self.digits), _ROUNDING)
        return x[(x >= value - reach) & (x <= value + reach)].astype(np.float64)

    def alike(self, near: NDArray[np.float64]) -> float | None:
        """Return the nearest of these numbers, if it reads the same with as many digits."""
        value = self.ends[0]
        nearest = float(near[np.abs(near - value).argmin()])
        same = f"{nearest:.{self.digits}g}" == f"{value:.{self.digits}g}"
        return nearest if same else None


class NodataWatch:
    """Look for each nodata value of the user until it is found.

    Several threads may look at once.

    Parameters
    ----------
    nodata : Nodata or None
        As the user gave it; None for nothing to look for.
    """

    def __init__(self, nodata: Nodata | None) -> None:
        self._missing = dict.fromkeys(() if nodata is None else _wanted(nodata))
        self._alike: dict[_Wanted, float] = {}

    def looker(self, stored: Sequence[str], dtype: str) -> Callable[[NDArray[Any]], None]:
        """Return a function that looks at tiles of a stack, of shape (..., C, n).

        `stored` and `dtype` are as in `Marks`.
        """
        marks = {
            each: Marks(Validity(((each.ends,),) * len(stored)), stored, dtype)
            for each in self._missing
        }
        has_digits = any(each.startswith("float") for each in stored)

        def look(x: NDArray[Any]) -> None:
            for wanted in [*self._missing]:
                near = wanted.near(x) if has_digits else None
                if near is not None and not len(near):
                    continue
                if wanted in marks and marks[wanted].marked(x).any():
                    self._missing.pop(wanted, None)
                elif near is not None and wanted not in self._alike:
                    found = wanted.alike(near)
                    if found is not None:
                        self._alike[wanted] = found

        return look

    def warnings(self) -> Iterator[str]:
        """Describe the values that were not found, a line each."""
        for wanted in self._missing:
            line = f"warning: {spelled(setting('nodata', wanted.text))} occurs nowhere in the input"
            if wanted in self._alike:
                line += f", but {self._alike[wanted]!r} does: give it with all its digits"
            yield line


def _wanted(nodata: Nodata) -> Iterator[_Wanted]:
    """List numbers and ranges that can be looked for, as typed."""
    words = nodata.text.split(",")
    words = words if len(words) == len(nodata.ranges) else []
    for at, (low, high) in enumerate(nodata.ranges):
        text = words[at] if words else f"{low:.17g}"
        if not np.isnan(low) and not (np.isinf(low) and low == high):
            yield _Wanted(text, (low, high), _digits(text) if low == high else 0)


def _digits(text: str) -> int:
    """Count the significant digits of a number as typed; those of 100 are three."""
    mantissa = text.strip().lower().lstrip("+-").partition("e")[0]
    return len(mantissa.replace(".", "").lstrip("0")) if mantissa else 0
