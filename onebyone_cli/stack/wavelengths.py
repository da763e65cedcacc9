"""Find channels by their wavelengths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.contracts.metadata import Metadata

#: Nanometres in a unit, by its name in lower case.
_NANOMETRES = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1.0),
    # The sign of micro has two code points.
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns"), 1e3),
    **dict.fromkeys(("micrometer", "micrometers", "micrometre", "micrometres"), 1e3),
    **dict.fromkeys(("\u00e5", "angstrom", "angstroms"), 0.1),
    **dict.fromkeys(("mm", "millimeter", "millimeters"), 1e6),
}

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{0,9})?"
_UNIT = r"nm|um|\u00b5m|\u03bcm|micrometers?|micrometres?|nanometers?|nanometres?"
_ONE = re.compile(rf"({_NUMBER}) ?({_UNIT})", re.IGNORECASE)
_RANGE = re.compile(rf"(?:({_NUMBER}) ?({_UNIT})?)?:(?:({_NUMBER}) ?({_UNIT}))?", re.IGNORECASE)

#: Wavelengths without a unit are nanometres from here on, and micrometres below.
_LEAST_NANOMETRES = 100.0

#: Relative difference up to which two wavelengths are the same.
SAME = 1e-3


class Wavelengths(NamedTuple):
    """A wavelength, or a range of them with both ends, in nanometres."""

    low: float
    high: float

    @property
    def is_one(self) -> bool:
        """Whether this is a single wavelength."""
        return self.low == self.high


def parse_wavelengths(text: str) -> Wavelengths | None:
    """Read ``650nm``, ``450nm:900nm`` or ``0.45:0.9um``; None for anything else.

    An end that is left out has no limit.
    """
    one = _ONE.fullmatch(text)
    if one:
        at = float(one[1]) * _NANOMETRES[one[2].lower()]
        return Wavelengths(at, at)
    ends = _RANGE.fullmatch(text)
    if not ends or not (ends[2] or ends[4]):
        return None
    low, low_unit, high, high_unit = ends.groups()
    unit = high_unit or low_unit
    return Wavelengths(
        0.0 if low is None else float(low) * _NANOMETRES[(low_unit or unit).lower()],
        float("inf") if high is None else float(high) * _NANOMETRES[unit.lower()],
    )


def in_nanometres(said: Metadata) -> list[float]:
    """Return the wavelengths of channels in nanometres; empty if they are unknown."""
    return to_nanometres(said.wavelengths, said.wavelength_unit)


def to_nanometres(values: Sequence[float], unit: str) -> list[float]:
    """Convert wavelengths to nanometres; empty if the unit is unknown.

    Without a unit, the size of the numbers decides between nanometres and micrometres.
    """
    name = unit.strip().lower()
    factor = _NANOMETRES.get(name)
    if not name and values:
        factor = 1.0 if max(values) >= _LEAST_NANOMETRES else 1e3
    return [] if factor is None else [value * factor for value in values]


def symbol_of(unit: str) -> str:
    """Return the symbol of nanometres and micrometres; any other unit as it is."""
    factor = _NANOMETRES.get(unit.strip().lower())
    return {1.0: "nm", 1e3: "µm"}.get(factor or 0.0, unit)


def nearest_of_each(wanted: Sequence[float], known: Sequence[float]) -> list[int | None]:
    """Find each wanted wavelength among known ones, in one unit.

    None stands for a wavelength that is not known, or that would be found twice.
    """
    import numpy as np

    rows = np.abs(np.subtract.outer(np.asarray(wanted), known)).argmin(axis=1)
    same = np.isclose(np.take(known, rows), wanted, rtol=SAME, atol=0.0)
    times = np.bincount(rows[same], minlength=len(known))
    return [
        int(row) if is_same and times[row] == 1 else None
        for row, is_same in zip(rows, same, strict=True)
    ]


def find(wanted: Wavelengths, known: Sequence[float]) -> list[int]:
    """List the channels of a range of wavelengths, or the nearest one.

    A wavelength that is farther outside all others than these are apart has no nearest one.
    """
    if not wanted.is_one:
        return [at for at, value in enumerate(known) if wanted.low <= value <= wanted.high]
    away = [abs(value - wanted.low) for value in known]
    nearest = min(range(len(known)), key=away.__getitem__, default=0)
    apart = max(
        (second - first for first, second in zip(sorted(known), sorted(known)[1:], strict=False)),
        default=0.0,
    )
    is_inside = bool(known) and min(known) - apart <= wanted.low <= max(known) + apart
    return [nearest] if is_inside else []
