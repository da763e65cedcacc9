"""From the arithmetic to the type of the output: scaling, rounding, saturating, NaN.

Integer output rounds half to even and saturates, and how many values did is counted. NaN has no
place among integers: it needs a stand-in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CastCounts(NamedTuple):
    """What happened to values on their way to the output's type."""

    saturated: int = 0
    replaced: int = 0

    def plus(self, other: CastCounts) -> CastCounts:
        """Add the counts of other values."""
        return CastCounts(self.saturated + other.saturated, self.replaced + other.replaced)


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
        else:
            self._check_float_fill()
        if scale is not None and not self._integer:
            raise UsageError(
                f"--scale maps onto the whole range of an integer type, and {target} is none; "
                "give --dtype uint8 or uint16"
            )
        if scale is not None:
            _check_range(*scale, source)
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
        missing = np.isnan(values) if self._integer or self._fill is not None else None
        if missing is not None and not missing.any():
            missing = None
        if self._integer:
            saturated = self._to_integer(values, out, missing)
        else:
            saturated = self._to_float(values, out)
        if missing is None:
            return CastCounts(saturated)
        out[missing] = self._fill
        return CastCounts(saturated, int(np.count_nonzero(missing)))

    def _to_float(self, values: NDArray[Any], out: NDArray[Any]) -> int:
        """Write floats; return how many are beyond the range of the output's type."""
        np.copyto(out, values, casting="unsafe")
        if out.dtype.itemsize >= values.dtype.itemsize:
            return 0
        return int(np.count_nonzero(np.isinf(out) & np.isfinite(values)))

    def _to_integer(
        self, values: NDArray[Any], out: NDArray[Any], missing: NDArray[np.bool_] | None
    ) -> int:
        """Write integers; return how many values are beyond their range."""
        if missing is not None:
            if self._fill is None:
                raise DataError(
                    f"the result has NaN, which {self.target} can't hold; "
                    "give --nan-to VALUE, or write a float type"
                )
            values[missing] = 0 if self._scale is None else self._scale[0]
        if self._scale is None:
            np.rint(values, out=values)
            above, below = self._beyond(values)
        else:
            low, high = (values.dtype.type(end) for end in self._scale)
            above, below = values > high, values < low
        saturated = int(np.count_nonzero(above)) + int(np.count_nonzero(below))
        if self._scale is not None:
            self._stretch(values, low, high)
            # What rounding carries past the end was within the range, and is not counted.
            over, under = self._beyond(values)
            above, below = above | over, below | under
        values[above] = 0
        values[below] = 0
        np.copyto(out, values, casting="unsafe")
        out[above] = self._high
        out[below] = self._low
        return saturated

    def _beyond(self, values: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        # high + 1 is a power of two, so the comparison is exact in every float type; high itself
        # may not be.
        return values >= self._high + 1, values < self._low

    def _stretch(self, values: NDArray[Any], low: Any, high: Any) -> None:
        """Map the range onto that of the integers, and round."""
        np.clip(values, low, high, out=values)
        if not np.isfinite(high - low):  # wider than the type: at half the size it is not
            values *= values.dtype.type(0.5)
            low, high = low / 2, high / 2
        values -= low
        # A constant result has no range to map: it goes to the bottom, as a black image.
        values /= (high - low) or values.dtype.type(1)
        values *= self._high - self._low
        values += self._low
        np.rint(values, out=values)

    def _check_float_fill(self) -> None:
        if self._fill is None:
            return
        with np.errstate(over="ignore"):
            rounded = np.dtype(self.target).type(self._fill)
        if np.isinf(rounded) and not np.isinf(self._fill):
            raise UsageError(
                f"invalid pixels can't be {self._fill:g} in {self.target} output, which ends "
                "before; give another --nan-to, or another --dtype"
            )

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


def _check_range(low: float, high: float, dtype: str) -> None:
    with np.errstate(over="ignore"):
        ends = np.array([low, high]).astype(dtype)
    if not np.isfinite(ends).all():
        raise UsageError(f"--scale needs two values MIN,MAX that are finite in {dtype}")
    if high < low:
        raise UsageError(f"--scale {low:g},{high:g} is upside down; give MIN,MAX")
