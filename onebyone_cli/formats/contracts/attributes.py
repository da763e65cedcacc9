"""Convert between the named values of a file and `Metadata`.

The names are those of CF (netCDF, HDF5, Zarr), GDAL and ENVI. They are compared without case,
blanks and punctuation: ``data ignore value`` in ENVI is ``Data_Ignore_Value`` in HDF5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from onebyone_cli.formats.contracts.metadata import Attribute, Georeference, Metadata

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec

_T = TypeVar("_T")

#: Normalised names of each field, in order of precedence.
_NAMES = {
    "channels": ("bandnames", "channels", "channelnames"),
    "wavelengths": ("wavelength", "wavelengths"),
    "wavelength_unit": ("wavelengthunits", "wavelengthunit"),
    "widths": ("fwhm",),
    "good": ("bbl", "goodwavelengths"),
    "nodata": (
        *("fillvalue", "missingvalue", "dataignorevalue"),
        *("nodata", "nodatavalue", "nodatavalues"),
    ),
    "scale": ("scalefactor",),
    "offset": ("addoffset",),
    "unit": ("units", "unit"),
    "history": ("history",),
}
_RANGE, _SMALLEST, _LARGEST = "validrange", "validmin", "validmax"
_CRS = ("crswkt", "spatialref", "coordinatesystemstring")
_TRANSFORM = "geotransform"


def normalised(name: str) -> str:
    """Reduce a name to its letters and digits, lower case.

    >>> normalised("Data_Ignore_Value")
    'dataignorevalue'
    """
    return "".join(filter(str.isalnum, name)).casefold()


def names_channels(name: str) -> bool:
    """Return whether a value of this name has an entry for each channel."""
    short = normalised(name)
    return any(short in _NAMES[field] for field in ("channels", "wavelengths", "widths", "good"))


def metadata_of(values: Mapping[str, Any], spec: StackSpec) -> Metadata:
    """Interpret the named values of a file.

    Parameters
    ----------
    values : mapping
        Text, numbers, or lists or arrays of them, by name. Numbers may be written as text.
    spec : StackSpec
        A list that lacks the one entry per channel its field needs becomes an `Attribute`.
    """
    reading = _Reading(values, spec.channels)
    fields: dict[str, Any] = {
        "channels": reading.texts("channels"),
        "wavelengths": reading.numbers("wavelengths"),
        "wavelength_unit": reading.text("wavelength_unit"),
        "widths": reading.numbers("widths"),
        "good": tuple(number != 0 for number in reading.numbers("good")),
        "nodata": reading.nodata(),
        "scale": reading.numbers("scale", or_one=True),
        "offset": reading.numbers("offset", or_one=True),
        "valid_range": reading.valid_range(),
        "unit": reading.text("unit"),
        "history": reading.text("history"),
        "georeference": reading.georeference(),
    }
    rest = {
        name: Attribute(value, _axis(value, spec))
        for name, value in values.items()
        if name not in reading.used
    }
    return Metadata(**fields, attributes=rest, origins=reading.origins)


class _Reading:
    """The values of a file by normalised name, and the names that were understood."""

    def __init__(self, values: Mapping[str, Any], channels: int) -> None:
        self.used: set[str] = set()
        #: Names of the file by field of `Metadata`.
        self.origins: dict[str, str] = {}
        self._values = values
        self._channels = channels
        self._full: dict[str, list[str]] = {}
        for name in values:
            self._full.setdefault(normalised(name), []).append(name)

    def text(self, field: str) -> str:
        return "".join(self._first(field, _NAMES[field], _text, (1,)))

    def texts(self, field: str) -> tuple[str, ...]:
        return self._first(field, _NAMES[field], _texts, (self._channels,))

    def numbers(self, field: str, *, or_one: bool = False) -> tuple[float, ...]:
        lengths = (self._channels, 1) if or_one else (self._channels,)
        return self._first(field, _NAMES[field], _numbers, lengths)

    def nodata(self) -> tuple[tuple[float, ...], ...]:
        """Return the nodata values of each channel, or of all; a file may name several."""
        every: dict[str, tuple[float, ...]] = {}
        for name in (name for short in _NAMES["nodata"] for name in self._full.get(short, ())):
            found = _numbers(self._values[name])
            if len(found) in (1, self._channels):
                every[name] = found
        for name in every:
            self._understood("nodata", name)
        if all(len(found) == 1 for found in every.values()):
            one = tuple(dict.fromkeys(number for found in every.values() for number in found))
            return (one,) if one else ()
        rows = [found * self._channels if len(found) == 1 else found for found in every.values()]
        return tuple(tuple(dict.fromkeys(column)) for column in zip(*rows, strict=True))

    def valid_range(self) -> tuple[tuple[float, float], ...]:
        both = self._first("valid_range", (_RANGE,), _numbers, (2,))
        if both:
            return ((both[0], both[1]),)
        low = self._first("valid_range", (_SMALLEST,), _numbers, (1,)) or (float("-inf"),)
        high = self._first("valid_range", (_LARGEST,), _numbers, (1,)) or (float("inf"),)
        return () if low[0] == -high[0] == float("-inf") else ((low[0], high[0]),)

    def georeference(self) -> Georeference:
        crs = "".join(self._first("georeference", _CRS, _text, (1,)))
        return Georeference(self._first("georeference", (_TRANSFORM,), _words, (6,)), crs)

    def _first(
        self,
        field: str,
        names: tuple[str, ...],
        read: Callable[[Any], tuple[_T, ...]],
        lengths: tuple[int, ...],
    ) -> tuple[_T, ...]:
        """Return the first value with one of the lengths; empty if there is none."""
        for name in (name for short in names for name in self._full.get(short, ())):
            found = read(self._values[name])
            if len(found) in lengths:
                self._understood(field, name)
                return found
        return ()

    def _understood(self, field: str, name: str) -> None:
        self.used.add(name)
        before = self.origins.get(field)
        self.origins[field] = f"{before}, {name}" if before else name


def attributes_of(metadata: Metadata) -> dict[str, Any]:
    """Return metadata as the named values of an HDF5 or netCDF file.

    These files have one nodata, scale, offset and valid range: values that differ between channels
    are left out.
    """
    crs, transform = metadata.georeference.crs, metadata.georeference.transform
    limits = metadata.valid_range[0] if len(metadata.valid_range) == 1 else None
    ends = (float("-inf"), float("inf"))
    values = {
        **{name: each.value for name, each in metadata.attributes.items()},
        "channels": list(metadata.channels),
        "wavelength": [float(each) for each in metadata.wavelengths],
        "wavelength_units": metadata.wavelength_unit,
        "fwhm": [float(each) for each in metadata.widths],
        "bbl": [int(each) for each in metadata.good],
        "_FillValue": _single(_single(metadata.nodata) or ()),
        "scale_factor": _single(metadata.scale),
        "add_offset": _single(metadata.offset),
        "valid_range": list(limits) if limits and not set(limits) & set(ends) else None,
        "valid_min": limits[0] if limits and limits[1] == ends[1] else None,
        "valid_max": limits[1] if limits and limits[0] == ends[0] else None,
        "units": metadata.unit,
        "history": metadata.history,
        "crs_wkt": crs,
        "GeoTransform": " ".join(map(repr, transform)),
    }
    own = {name for name in values if name not in metadata.attributes}
    empty = [name for name in own if values[name] is None or values[name] in ("", [])]
    return {name: value for name, value in values.items() if name not in empty}


def _single(entries: tuple[Any, ...]) -> Any:
    return entries[0] if len(entries) == 1 else None


def _axis(value: Any, spec: StackSpec) -> str:
    """Return the axis that the value has one entry per step of; empty if there is none."""
    shape = getattr(value, "shape", None)
    sizes = (len(value),) if isinstance(value, (list, tuple)) else shape or ()
    for axis, size in (("C", spec.channels), ("H", spec.height), ("W", spec.width)):
        if size > 1 and size in sizes:
            return axis
    return ""


def _items(value: Any) -> list[Any]:
    """Return the entries of a list or array, or a single value as a list of one."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    return list(plain) if isinstance(plain, (list, tuple)) else [plain]


def _text(value: Any) -> tuple[str, ...]:
    """Return a single text as a tuple of one; empty if it is blank or another type."""
    found = _texts(value)
    return found if len(found) == 1 and found[0] else ()


def _texts(value: Any) -> tuple[str, ...]:
    items = _items(value)
    # A number of channels is not a list of names.
    if not all(isinstance(item, str) for item in items):
        return ()
    return tuple(item.strip() for item in items)


def _numbers(value: Any) -> tuple[float, ...]:
    try:
        return tuple(map(_number, _items(value)))
    except (TypeError, ValueError):
        return ()


def _words(value: Any) -> tuple[float, ...]:
    """Read numbers that may stand in one text, separated by blanks or commas."""
    return _numbers(value.replace(",", " ").split() if isinstance(value, str) else value)


def _number(item: Any) -> float:
    if isinstance(item, str):
        try:
            return int(item)
        except ValueError:
            return float(item)
    if isinstance(item, (int, float)):
        return item
    raise TypeError(item)
