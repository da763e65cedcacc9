"""Convert results to the type of the output: scale, round, saturate, replace NaN.

Integers are rounded half to even and saturate, and saturated values are counted. Integer types
need a value that replaces NaN.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, UsageError, setting

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class CastCounts(NamedTuple):
    """Counts of saturated values, of replaced NaN, and of values moved off the nodata value."""

    saturated: int = 0
    replaced: int = 0
    moved: int = 0

    def plus(self, other: CastCounts) -> CastCounts:
        """Add the counts of other values."""
        return CastCounts(*map(add, self, other))


def limits(dtype: str) -> tuple[int, int]:
    """Return the smallest and largest value of an integer type; 0 and 1 for bool."""
    if dtype == "bool":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def is_integer(dtype: str) -> bool:
    """Whether a type holds whole numbers only."""
    return not dtype.startswith("float")


class Cast:
    """Convert tiles of arithmetic type to the output's type.

    Parameters
    ----------
    source, target : str
        Types of the arithmetic and of the output.
    fill : float, optional
        Value that replaces NaN.
    is_nodata : bool
        Whether no other value may be equal to `fill`. One that is becomes the next number towards
        zero, or 1 or the smallest positive number where `fill` is 0.
    scale : pair of array-like of shape (), (1,) or (K,), optional
        Both ends of the range that is mapped onto the whole range of an integer type: one range
        for all channels, or one for each.

    Raises
    ------
    UsageError
        If `fill` is not a value of the output's type, `scale` is not a range, or the output's type
        is not an integer type.
    """

    def __init__(
        self,
        source: str,
        target: str,
        *,
        fill: float | None = None,
        is_nodata: bool = False,
        scale: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> None:
        self.target = target
        self._integer = is_integer(target)
        self._fill, self._beside = fill, None
        self._ends: tuple[NDArray[Any], NDArray[Any]] | None = None
        if self._integer:
            self._low, self._high = limits(target)
            self._check_fill()
        else:
            self._check_float_fill()
        if fill is not None and is_nodata:
            self._beside = _next_to(fill, target)
        if scale is not None and not self._integer:
            raise UsageError(
                f"{setting('scale')} maps onto the whole range of an integer type, and {target} is "
                f"none; give {setting('dtype', 'uint8')} or uint16"
            )
        if scale is not None:
            self._ends = _ends_in(scale, source)
        #: Whether tiles pass unchanged, so that they may be computed in place.
        self.is_identity = source == target and fill is None and scale is None

    def packing(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return scales and offsets, K entries each, that give values back; None without `scale`.

        A value is ``scale * number + offset``, to half a step of the numbers.
        """
        if self._ends is None:
            return None
        low, high = (np.broadcast_to(end[:, 0], channels).astype(np.float64) for end in self._ends)
        with np.errstate(over="ignore"):
            step = (high - low) / (self._high - self._low)
        step[step == 0] = 1.0  # a constant result is the lowest number
        return tuple(step.tolist()), tuple((low - self._low * step).tolist())

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
            If there is NaN, an integer type and no `fill`.
        """
        values = y[:, :, :pixels]
        missing = np.isnan(values) if self._integer or self._fill is not None else None
        if missing is not None and not missing.any():
            missing = None
        if self._integer:
            saturated = self._to_integer(values, out, missing)
        else:
            saturated = self._to_float(values, out)
        moved = self._move_away(out, missing)
        if missing is None:
            return CastCounts(saturated, moved=moved)
        out[missing] = self._fill
        return CastCounts(saturated, int(np.count_nonzero(missing)), moved)

    def _move_away(self, out: NDArray[Any], missing: NDArray[np.bool_] | None) -> int:
        """Replace valid values that equal the nodata value; return their number."""
        if self._beside is None:
            return 0
        equal = out == self._beside[0]
        if missing is not None:
            equal &= ~missing
        count = int(np.count_nonzero(equal))
        if count:
            out[equal] = self._beside[1]
        return count

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
                    f"give {setting('nan_to', 'VALUE')}, or write a float type"
                )
            np.copyto(values, 0 if self._ends is None else self._ends[0], where=missing)
        if self._ends is None:
            np.rint(values, out=values)
            above, below = self._beyond(values)
        else:
            low, high = self._ends
            above, below = values > high, values < low
        saturated = int(np.count_nonzero(above)) + int(np.count_nonzero(below))
        if self._ends is not None:
            self._stretch(values, low, high)
            # A value that rounding moves past the end was within the range, and is not counted.
            over, under = self._beyond(values)
            above, below = above | over, below | under
        values[above] = 0
        values[below] = 0
        np.copyto(out, values, casting="unsafe")
        out[above] = self._high
        out[below] = self._low
        return saturated

    def _beyond(self, values: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        # high + 1 is a power of two, which every float type holds exactly; high may not be.
        return values >= self._high + 1, values < self._low

    def _stretch(self, values: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> None:
        """Map the range onto that of the integers, and round."""
        np.clip(values, low, high, out=values)
        too_wide = ~np.isfinite(high - low)
        if too_wide.any():  # the difference overflows; half of it does not
            half = np.where(too_wide, values.dtype.type(0.5), values.dtype.type(1))
            values *= half
            low, high = low * half, high * half
        values -= low
        span = high - low
        # A constant result is mapped to the lowest value, as a black image.
        values /= np.where(span == 0, values.dtype.type(1), span)
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
                f"before; give another {setting('nan_to')}, or another {setting('dtype')}"
            )

    def _check_fill(self) -> None:
        fill = self._fill
        if fill is None:
            return
        whole = np.isfinite(fill) and fill == int(fill)
        if not (whole and self._low <= fill <= self._high):
            raise UsageError(
                f"invalid pixels can't be {fill:g} in {self.target} output; give "
                f"{setting('nan_to')} a whole number from {self._low} to {self._high}, or another "
                f"{setting('dtype')}"
            )


def _next_to(fill: float, dtype: str) -> tuple[Any, Any]:
    """Return a value and the next number towards zero, both of type `dtype`."""
    with np.errstate(under="ignore"):
        value = np.array(fill).astype(dtype)[()]
        if is_integer(dtype):
            return value, np.array(int(fill) + (1 if fill <= 0 else -1)).astype(dtype)[()]
        towards = value.dtype.type(1 if value == 0 else 0)
        return value, np.nextafter(value, towards)


def _ends_in(scale: tuple[ArrayLike, ArrayLike], dtype: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Round both ends to the type of the arithmetic: shape (1, 1) or (K, 1)."""
    exact = [np.atleast_1d(np.asarray(end, np.float64))[:, None] for end in scale]
    with np.errstate(over="ignore"):
        low, high = (end.astype(dtype) for end in exact)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise UsageError(f"{setting('scale')} needs two values MIN,MAX that are finite in {dtype}")
    if (exact[1] < exact[0]).any():
        raise UsageError(
            f"{setting('scale', f'{low[0, 0]:g},{high[0, 0]:g}')} is upside down; give MIN,MAX"
        )
    return low, high
