"""From the arithmetic to the type of the output: scaling, rounding, saturating, NaN.

Integer output rounds half to even and saturates, and how many values did is counted. NaN has no
place among integers: it needs a stand-in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class CastCounts:
    """What happened to values on their way to the output's type."""

    saturated: int = 0
    replaced: int = 0

    def add(self, other: CastCounts) -> None:
        """Add the counts of another worker."""
        self.saturated += other.saturated
        self.replaced += other.replaced


def limits(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of an integer type; False and True count as 0 and 1."""
    if dtype == "bool":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def is_integer(dtype: str) -> bool:
    """Whether a type holds whole numbers only."""
    return not dtype.startswith("float")


class Cast:
    """Turn tiles of arithmetic type into tiles of the output's type.

    Parameters
    ----------
    source, target : str
        Types of the arithmetic and of the output.
    fill : float, optional
        What NaN becomes; None leaves it, which integers can't.
    scale : (float, float), optional
        A range that is mapped onto the whole range of an integer type.

    Raises
    ------
    UsageError
        If `fill` is not a value of the output's type, or `scale` is no range or has no integers
        to map onto.
    """

    def __init__(
        self,
        source: str,
        target: str,
        *,
        fill: float | None = None,
        scale: tuple[float, float] | None = None,
    ) -> None:
        self.target = target
        self._integer = is_integer(target)
        self._fill = fill
        self._scale = scale
        if self._integer:
            self._low, self._high = limits(target)
            self._check_fill()
        elif scale is not None:
            raise UsageError(
                f"--scale maps onto the whole range of an integer type, and {target} is none; "
                "give --dtype uint8 or uint16"
            )
        if scale is not None:
            _check_range(*scale)
        #: Whether tiles pass unchanged, so that they may be computed in place.
        self.is_identity = source == target and fill is None and scale is None

    def apply(self, y: NDArray[Any], out: NDArray[Any], pixels: int) -> CastCounts:
        """Convert one tile.

        Parameters
        ----------
        y : ndarray of shape (n, K, T)
            Values in the arithmetic's type; overwritten.
        out : ndarray of shape (n, K, pixels)
            Filled with the first `pixels` pixels.
        pixels : int
            Pixels of the tile that belong to the stack.

        Raises
        ------
        DataError
            If NaN meets an integer type without a stand-in.
        """
        values = y[:, :, :pixels]
        counts = CastCounts()
        if self._scale is not None:
            self._rescale(values, *self._scale)
        missing = np.isnan(values) if self._integer or self._fill is not None else None
        if missing is not None and not missing.any():
            missing = None
        if self._integer:
            self._to_integer(values, out, missing, counts)
        else:
            self._to_float(values, out, counts)
        if missing is not None:
            out[missing] = self._fill
            counts.replaced = int(np.count_nonzero(missing))
        return counts

    def _rescale(self, values: NDArray[Any], low: float, high: float) -> None:
        number = values.dtype.type
        values -= number(low)
        # A constant result has no range to map: it goes to the bottom, as a black image.
        values *= number((self._high - self._low) / (high - low) if high > low else 0)
        values += number(self._low)

    def _to_float(self, values: NDArray[Any], out: NDArray[Any], counts: CastCounts) -> None:
        np.copyto(out, values, casting="unsafe")
        if out.dtype.itemsize < values.dtype.itemsize:
            overflowed = np.isinf(out) & np.isfinite(values)
            counts.saturated = int(np.count_nonzero(overflowed))

    def _to_integer(
        self,
        values: NDArray[Any],
        out: NDArray[Any],
        missing: NDArray[np.bool_] | None,
        counts: CastCounts,
    ) -> None:
        if missing is not None:
            if self._fill is None:
                raise DataError(
                    f"the result has NaN, which {self.target} can't hold; "
                    "give --nan-to VALUE, or write a float type"
                )
            values[missing] = 0
        np.rint(values, out=values)
        # high + 1 is a power of two, so the comparison is exact in every float type; high itself
        # may not be.
        above = values >= self._high + 1
        below = values < self._low
        counts.saturated = int(np.count_nonzero(above)) + int(np.count_nonzero(below))
        values[above] = 0
        values[below] = 0
        np.copyto(out, values, casting="unsafe")
        out[above] = self._high
        out[below] = self._low

    def _check_fill(self) -> None:
        fill = self._fill
        if fill is None:
            return
        whole = np.isfinite(fill) and fill == int(fill)
        if not (whole and self._low <= fill <= self._high):
            raise UsageError(
                f"invalid pixels can't be {fill:g} in {self.target} output; give --nan-to a "
                f"whole number from {self._low} to {self._high}, or another --dtype"
            )


def _check_range(low: float, high: float) -> None:
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UsageError("--scale needs two finite values MIN,MAX")
    if high < low:
        raise UsageError(f"--scale {low:g},{high:g} is upside down; give MIN,MAX")
