"""The order of axes that their names tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.contracts.attributes import normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Normalised names of the axes of a stack.
_NAMES = {
    "C": (
        *("c", "ch", "channel", "channels", "band", "bands", "spectral", "feature", "features"),
        *("wavelength", "wavelengths", "wave", "wavenumber", "lambda", "energy"),
    ),
    "H": (
        *("y", "h", "yc", "ydim", "row", "rows", "nrows", "line", "lines", "scanline", "height"),
        *("lat", "latitude", "northing", "rlat", "downtrack", "alongtrack", "numberoflines"),
    ),
    "W": (
        *("x", "w", "xc", "xdim", "col", "cols", "ncols", "column", "columns", "width", "sample"),
        *("samples", "lon", "longitude", "easting", "rlon", "crosstrack", "acrosstrack"),
    ),
    "N": (
        *("n", "z", "t", "time", "times", "batch", "frame", "frames", "slice", "slices", "depth"),
        *("level", "lev", "plev", "position", "date", "series"),
    ),
}
_ROLES = {name: axis for axis, names in _NAMES.items() for name in names}


def layout_of_labels(labels: Sequence[str]) -> str:
    """Return a letter for each axis by its name; empty if the names do not tell the order.

    They tell it if they name rows and columns, or the channels. An axis that the names leave open
    is found by elimination: the last one, and without rows and columns the last two.

    Examples
    --------
    >>> layout_of_labels(["y", "x", "wavelength"]), layout_of_labels(["time", "lat", "lon"])
    ('HWC', 'CHW')
    """
    roles = [_ROLES.get(normalised(label), "") for label in labels]
    twice = any(roles.count(axis) > 1 for axis in "CHW")
    if twice or len(roles) < 2 or not ("C" in roles or {"H", "W"} <= set(roles)):
        return ""
    if len(roles) == 2:
        return (
            "".join(axis if axis == "C" else "N" for axis in roles)
            if "C" in roles
            else "".join(roles)
        )
    for axis in "WHC":
        if axis in roles:
            continue
        # Channels may also be the steps of a series, where nothing else is.
        open_axes = _places(roles, "") or (_places(roles, "N") if axis == "C" else [])
        if not open_axes:
            return ""
        roles[open_axes[-1]] = axis
    letters = zip(roles, labels, strict=True)
    return "".join(axis if axis in ("C", "H", "W") else _letter(label) for axis, label in letters)


def _places(roles: Sequence[str], wanted: str) -> list[int]:
    return [at for at, axis in enumerate(roles) if axis == wanted]


def _letter(label: str) -> str:
    """Return the letter of an axis of a batch: the first of its name, where it means no other."""
    first = label[:1].upper()
    return first if first.isascii() and first.isalpha() and first not in "CHWYX" else "N"
