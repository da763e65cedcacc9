"""Compare two stacks: statistics of the differences of a tile, and how tiles merge."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, log10, nan, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.system.buffers import empty_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]
    Bools = NDArray[np.bool_]


class Tolerance(NamedTuple):
    """The allowed difference of two numbers: absolute, or relative to the larger magnitude.

    A pair is within the tolerance if it is within either part, as in ``math.isclose``. With both
    at 0, only equal numbers are.
    """

    absolute: float = 0.0
    relative: float = 0.0


EXACTLY = Tolerance()

#: Spectra of smaller norm lose digits when they are squared.
_SHORT = 1e-140

#: Fields of `Differences` that describe the largest difference, that are sums, and their types.
_PLACE = ("largest", "item", "pixel", "a", "b")
_SUMS = ("count", "both", "only_a", "only_b", "different", "beyond", "squares")
_COUNTS = (*_SUMS[:-1], "item", "pixel")
_FLOATS = ("largest", "a", "b", "relative", "squares")


@dataclass(slots=True, eq=False)
class Differences:
    """Statistics of each channel, mergeable in the order of the stack.

    All arrays have shape (C,). Counts are int64, the others float64.

    Attributes
    ----------
    count : ndarray of int64
        Pairs of valid numbers.
    both, only_a, only_b : ndarray of int64
        Pairs that are invalid in both stacks, or in one of them only.
    different, beyond : ndarray of int64
        Valid pairs that are not equal; that are beyond the tolerance.
    largest : ndarray of float64
        Largest abs(a − b); infinite between an infinity and any other number.
    item, pixel : ndarray of int64
        First place of the largest difference.
    a, b : ndarray of float64
        The two numbers there.
    relative : ndarray of float64
        Largest abs(a − b) / max(abs(a), abs(b)): at most 2, or infinite.
    squares : ndarray of float64
        Σ (a − b)².
    low, high : ndarray of float64
        Range of the finite numbers of A.
    angles : Angles
    invalid_pixels : ndarray of int64, shape (2,)
        Pixels of A, and of B, that learning from it would leave out.
    """

    count: Counts
    both: Counts
    only_a: Counts
    only_b: Counts
    different: Counts
    beyond: Counts
    largest: Floats
    item: Counts
    pixel: Counts
    a: Floats
    b: Floats
    relative: Floats
    squares: Floats
    low: Floats
    high: Floats
    angles: Angles
    invalid_pixels: Counts

    def merge(self, other: Differences) -> None:
        """Add the statistics of a later part of the stack."""
        further = other.largest > self.largest
        for name in _PLACE:
            np.copyto(getattr(self, name), getattr(other, name), where=further)
        with np.errstate(over="ignore"):
            for name in _SUMS:
                np.add(getattr(self, name), getattr(other, name), out=getattr(self, name))
        np.maximum(self.relative, other.relative, out=self.relative)
        np.minimum(self.low, other.low, out=self.low)
        np.maximum(self.high, other.high, out=self.high)
        self.angles.merge(other.angles)
        self.invalid_pixels += other.invalid_pixels

    @property
    def are_equal(self) -> bool:
        """Whether every pair is equal, or invalid in both."""
        return not (self.different.any() or self.only_a.any() or self.only_b.any())

    @property
    def are_close(self) -> bool:
        """Whether every pair is within the tolerance, or invalid in both."""
        return not (self.beyond.any() or self.only_a.any() or self.only_b.any())

    def together(self) -> Differences:
        """Merge all channels into one. Of equal largest differences the first channel's is kept."""
        first = slice(int(self.largest.argmax()), int(self.largest.argmax()) + 1)
        whole = {name: getattr(self, name)[first] for name in _PLACE}
        whole |= {name: getattr(self, name).sum(keepdims=True) for name in _SUMS}
        whole |= {name: getattr(self, name).max(keepdims=True) for name in ("relative", "high")}
        whole |= {"low": self.low.min(keepdims=True), "angles": self.angles}
        return Differences(**whole, invalid_pixels=self.invalid_pixels)


@dataclass(slots=True)
class Angles:
    """Spectral angles between the spectra of a pixel in both stacks, in radians.

    They are independent of the norms, so they separate changes of material from changes of
    illumination (Kruse et al. 1993, "The spectral image processing system (SIPS)", Remote Sensing
    of Environment 44).

    Attributes
    ----------
    count : int
        Pixels with an angle: valid, finite and not all zeros.
    total, largest : float
    """

    count: int = 0
    total: float = 0.0
    largest: float = 0.0

    def merge(self, other: Angles) -> None:
        """Add the angles of other pixels."""
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)


def no_differences(channels: int) -> Differences:
    """Return empty statistics."""
    counts: dict[str, Any] = {name: np.zeros(channels, np.int64) for name in _COUNTS}
    floats: dict[str, Any] = {name: np.zeros(channels) for name in _FLOATS}
    low, high = np.full(channels, inf), np.full(channels, -inf)
    invalid = np.zeros(2, np.int64)
    return Differences(
        **counts, **floats, low=low, high=high, angles=Angles(), invalid_pixels=invalid
    )


def rmse(squares: float, count: int) -> float:
    """Return the root mean square of differences; NaN if there are none."""
    return sqrt(squares / count) if count else nan


def psnr(error: float, peak: float) -> float:
    """Return the peak signal-to-noise ratio in decibels, of a root mean square error.

    Infinite without an error; NaN if undefined.
    """
    if isnan(error) or not 0 < peak < inf:
        return nan
    if error == 0:
        return inf
    return -inf if error == inf else 20 * (log10(peak) - log10(error))


def in_digits_of(dtype: str, number: float) -> str:
    """Format a number with the digits of its type: 0.1 for the nearest float32."""
    if "int" in dtype and abs(number) >= 2**53:  # rounded, maybe beyond the range of the type
        return repr(number)
    return str(np.dtype(dtype).type(number))


class Side(NamedTuple):
    """What the stored numbers of one of the stacks mean.

    Attributes
    ----------
    numbers : callable or None
        Marks numbers of a tile (C, n) that are invalid besides NaN; None if there are none.
    pixels : callable or None
        Marks its invalid pixels, (n,); None if they are those with a number that is not finite.
    scale, offset : ndarray of float64, shape (C, 1), or None
        How stored numbers become values.
    """

    numbers: Callable[[NDArray[Any]], Bools] | None = None
    pixels: Callable[[NDArray[Any]], Bools] | None = None
    scale: Floats | None = None
    offset: Floats | None = None

    def values(self, stored: NDArray[Any], out: Floats) -> None:
        """Turn stored numbers into values."""
        np.copyto(out, stored)
        if self.scale is not None and self.offset is not None:
            out *= self.scale
            out += self.offset

    def invalid(self, stored: NDArray[Any], values: Floats, masked: Bools | None) -> Bools:
        """Mark invalid numbers, (C, n); infinities are compared."""
        invalid: Bools = np.isnan(values)
        if self.numbers is not None:
            invalid |= self.numbers(stored)
        return invalid if masked is None else invalid | masked

    def count_invalid(self, stored: NDArray[Any], values: Floats, masked: Bools | None) -> int:
        """Count invalid pixels."""
        invalid = ~np.isfinite(values).all(axis=0) if self.pixels is None else self.pixels(stored)
        return int(np.count_nonzero(invalid if masked is None else invalid | masked))


class TileComparer:
    """Compare tiles, in buffers for C channels and at most `pixels` pixels."""

    def __init__(
        self,
        channels: int,
        pixels: int,
        *,
        sides: tuple[Side, Side] = (Side(), Side()),
        tolerance: Tolerance = EXACTLY,
    ) -> None:
        self._sides = sides
        self._are_stored = all(side.scale is None for side in sides)
        self._tolerance = tolerance
        self._blocks = empty_rows((4, channels, pixels), np.float64)

    def compare(
        self,
        a: NDArray[Any],
        b: NDArray[Any],
        item: int,
        start: int,
        masked: Sequence[Bools | None] = (None, None),
    ) -> tuple[Differences, Floats]:
        """Compare a tile of two arrays of shape (C, n) and any types.

        Parameters
        ----------
        item, start : int
            Item of the batch, and the tile's first pixel.
        masked : pair of ndarray of bool, shape (n,), or None
            Pixels that are invalid in each.

        Returns
        -------
        found : Differences
        highest : ndarray of float64, shape (n,)
            Largest difference of each pixel over its channels; infinite where a number is invalid
            in one stack only.
        """
        found = no_differences(len(a))
        x, y, apart, scale = self._blocks[:, :, : a.shape[1]]
        with np.errstate(all="ignore"):
            self._sides[0].values(a, x)
            self._sides[1].values(b, y)
            if self._are_stored:
                _differences(a, b, x, y, apart)
            else:
                np.abs(np.subtract(x, y, out=apart), out=apart)
            found.count[:] = a.shape[1]
            invalid = self._drop(a, b, masked, found)
            highest = apart.max(axis=0)
            if invalid is not None:
                highest[invalid] = inf
            _look_at_range(x, found, careful=invalid is not None)
            if apart.any():
                self._measure(a.shape[1], item, start, found)
            if len(a) > 1:
                found.angles = _angles(x, y, apart, scale)
        return found, highest

    def _drop(
        self,
        a: NDArray[Any],
        b: NDArray[Any],
        masked: Sequence[Bools | None],
        found: Differences,
    ) -> Bools | None:
        """Count and exclude invalid pairs; return which pixels are invalid in one stack only.

        Returns None for a tile that is all finite and valid, which most are.
        """
        x, y, apart, _ = self._blocks[:, :, : a.shape[1]]
        all_count = all(side.numbers is None for side in self._sides) and not any(
            each is not None for each in masked
        )
        if all_count and np.isfinite(apart.sum()):
            return None
        both = list(zip(self._sides, (a, b), (x, y), masked, strict=True))
        found.invalid_pixels[:] = [
            side.count_invalid(stored, values, out) for side, stored, values, out in both
        ]
        bad_a, bad_b = (side.invalid(stored, values, out) for side, stored, values, out in both)
        apart[bad_a | bad_b | np.isnan(apart)] = 0.0  # inf − inf is NaN
        x[bad_a] = nan
        y[bad_b] = nan
        found.both[:] = np.count_nonzero(bad_a & bad_b, axis=1)
        found.only_a[:] = np.count_nonzero(bad_a, axis=1) - found.both
        found.only_b[:] = np.count_nonzero(bad_b, axis=1) - found.both
        found.count -= found.both + found.only_a + found.only_b
        return np.asarray((bad_a ^ bad_b).any(axis=0))

    def _measure(self, pixels: int, item: int, start: int, found: Differences) -> None:
        x, y, apart, scale = self._blocks[:, :, :pixels]
        channels = np.arange(len(x))
        where = apart.argmax(axis=1)
        found.item[:], found.pixel[:] = item, start + where
        found.largest[:] = apart[channels, where]
        found.a[:], found.b[:] = x[channels, where], y[channels, where]
        found.squares[:] = np.einsum("ct,ct->c", apart, apart)
        found.different[:] = np.count_nonzero(apart, axis=1)
        np.maximum(np.abs(x, out=scale), np.abs(y), out=scale)
        found.beyond[:] = np.count_nonzero(self._is_beyond(apart, scale), axis=1)
        np.divide(apart, scale, out=scale)
        scale[apart == 0] = 0.0
        scale[np.isinf(apart)] = inf
        found.relative[:] = scale.max(axis=1)

    def _is_beyond(self, apart: Floats, scale: Floats) -> Bools:
        beyond = apart > self._tolerance.absolute
        if self._tolerance.relative:
            beyond &= apart > self._tolerance.relative * scale
        # An infinity is within the tolerance of itself only.
        return np.asarray(beyond | np.isinf(apart))


def _differences(a: NDArray[Any], b: NDArray[Any], x: Floats, y: Floats, out: Floats) -> None:
    """Compute abs(a − b), exact in float64 even if x and y are rounded copies."""
    common = np.result_type(a, b)
    if common.kind in "iu" and common.itemsize == 8:
        a, b = a.astype(common), b.astype(common)
        # Overflow wraps to the right unsigned number.
        np.copyto(out, np.where(a > b, a - b, b - a).view(np.uint64))
        return
    np.abs(np.subtract(x, y, out=out), out=out)
    if {a.dtype.kind, b.dtype.kind} == {"i", "u"} and common.kind == "f":
        # No integer type holds both; where neither is negative, uint64 does.
        a, b = a.astype(np.uint64), b.astype(np.uint64)
        np.copyto(out, np.where(a > b, a - b, b - a), where=(x >= 0) & (y >= 0))


def _look_at_range(x: Floats, found: Differences, *, careful: bool) -> None:
    where: Any = np.isfinite(x) if careful else True
    np.min(x, axis=1, initial=inf, where=where, out=found.low)
    np.max(x, axis=1, initial=-inf, where=where, out=found.high)


def _angles(x: Floats, y: Floats, one: Floats, other: Floats) -> Angles:
    """Return the spectral angles; overwrites all four blocks.

    Twice the angle whose tangent is abs(u − v) / abs(u + v), for unit vectors u and v. It is
    accurate for small angles, unlike the arc cosine of the inner product (Kahan, "How futile are
    mindless assessments of roundoff", 2006).
    """
    _make_unit(x)
    _make_unit(y)
    angle = 2 * np.arctan2(_lengths(np.subtract(x, y, out=one)), _lengths(np.add(x, y, out=other)))
    angle = angle[np.isfinite(angle)]
    if not len(angle):
        return Angles()
    return Angles(len(angle), float(angle.sum()), float(angle.max()))


def _make_unit(spectra: Floats) -> None:
    """Divide spectra by their norms; NaN where a norm is zero or not finite."""
    lengths = _lengths(spectra)
    # Where squares overflow or underflow, divide by the largest magnitude first.
    odd = np.flatnonzero(~((lengths > _SHORT) & (lengths < inf)))
    if len(odd):
        parts = spectra[:, odd]
        parts /= np.abs(parts).max(axis=0)
        spectra[:, odd], lengths[odd] = parts, _lengths(parts)
    np.divide(spectra, lengths, out=spectra)


def _lengths(spectra: Floats) -> Floats:
    lengths: Floats = np.sqrt(np.einsum("ct,ct->t", spectra, spectra))
    return lengths
