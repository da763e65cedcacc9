"""Convert between the named values of a file and `Metadata`.

The names are those of CF (netCDF, HDF5, Zarr), GDAL and ENVI. They are compared without case,
blanks and punctuation: ``data ignore value`` in ENVI is ``Data_Ignore_Value`` in HDF5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from onebyone_cli.formats.contracts.metadata import Attribute, Georeference, Metadata
from onebyone_cli.formats.contracts.values import is_float, numbers, texts, words

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec

_T = TypeVar("_T")

#: Normalised names of each field, in order of precedence.
_NAMES = {
    "channels": ("bandnames", "channels", "channelnames", "bandname", "channelname"),
    "wavelengths": (
        *("wavelength", "wavelengths", "wavelengthnm", "wavelengthsnm", "wavelengthum"),
        *("centerwavelength", "centerwavelengths", "centrewavelength", "centrewavelengths"),
        *("centralwavelength", "centralwavelengths"),
    ),
    "wavelength_unit": ("wavelengthunits", "wavelengthunit"),
    "widths": ("fwhm", "fwhms", "bandwidth", "bandwidths"),
    "good": ("bbl", "goodwavelengths", "goodbands", "badbandlist", "badbandslist"),
    "nodata": (
        *("fillvalue", "missingvalue", "dataignorevalue", "nodata", "nodatavalue"),
        *("nodatavalues", "nodataval", "nodatavals", "fillval", "missingvalues", "ignorevalue"),
        *("novalue", "invalidvalue"),
    ),
    "unit": ("units", "unit", "dataunits", "dataunit"),
    "history": ("history",),
}
#: The names of CF, letter by letter: ``Scale_Factor`` is often a divisor.
_SCALE, _OFFSET = "scale_factor", "add_offset"
#: A list of these holds for all channels, whatever its length.
_MISSING = ("missingvalue", "missingvalues")
_RANGE, _SMALLEST, _LARGEST = "validrange", "validmin", "validmax"
_CRS = ("crswkt", "spatialref", "coordinatesystemstring", "epsgcode")
_TRANSFORM = "geotransform"

#: Fields that may stand near the numbers, not with them.
_NEAR = {"channels", "wavelengths", "widths", "good", "wavelength_unit", "history", "georeference"}

#: Units that a name of wavelengths ends in.
_UNITS = {"nm": "nm", "um": "um"}

#: Most nodata values of a list that is not one per channel.
_MOST_NODATA = 16

#: Relative distance at which a limit in physical values is that of a whole stored number.
_NEARLY = 1e-6

_NO_LIMITS = (float("-inf"), float("inf"))


class Near(NamedTuple):
    """A value that stands near the numbers, such as a coordinate or a neighbouring dataset.

    Attributes
    ----------
    name : str
        As an attribute would be called.
    value : Any
    origin : str
        Where it stands in the file, for users.
    unit : str
    """

    name: str
    value: Any
    origin: str
    unit: str = ""


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


def field_of(name: str) -> str:
    """Return the field with an entry for each channel that a name means; empty if there is none."""
    short = normalised(name)
    fields = ("channels", "wavelengths", "widths", "good")
    return next((field for field in fields if short in _NAMES[field]), "")


def metadata_of(values: Mapping[str, Any], spec: StackSpec, near: Sequence[Near] = ()) -> Metadata:
    """Interpret the named values of a file.

    Parameters
    ----------
    values : mapping
        Text, numbers, or lists or arrays of them, by name. Numbers may be written as text.
    spec : StackSpec
        A list that lacks the one entry per channel its field needs becomes an `Attribute`.
    near : sequence of Near
        Used where `values` say nothing; the first of a name counts.
    """
    reading = _Reading(values, spec, near)
    fields: dict[str, Any] = {
        "channels": reading.texts("channels"),
        "wavelengths": reading.numbers("wavelengths"),
        "wavelength_unit": reading.text("wavelength_unit") or reading.unit,
        "widths": reading.numbers("widths"),
        "good": tuple(number != 0 for number in reading.numbers("good")),
        "nodata": reading.nodata(),
        "scale": (scale := reading.packing("scale", _SCALE)),
        "offset": (offset := reading.packing("offset", _OFFSET)),
        "valid_range": reading.valid_range(scale, offset),
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

    def __init__(self, values: Mapping[str, Any], spec: StackSpec, near: Sequence[Near]) -> None:
        self.used: set[str] = set()
        #: Names of the file by field of `Metadata`.
        self.origins: dict[str, str] = {}
        #: Unit that stands with wavelengths near the numbers.
        self.unit = ""
        self._values = values
        self._spec = spec
        self._full: dict[str, list[str]] = {}
        for name in values:
            self._full.setdefault(normalised(name), []).append(name)
        self._near: dict[str, Near] = {}
        for each in near:
            self._near.setdefault(normalised(each.name), each)

    def text(self, field: str) -> str:
        return "".join(self._first(field, _NAMES[field], _text, (1,)))

    def texts(self, field: str) -> tuple[str, ...]:
        count = self._spec.channels
        return self._first(field, _NAMES[field], lambda value: texts(value, count), (count,))

    def numbers(self, field: str) -> tuple[float, ...]:
        read = words if self._spec.channels > 1 else numbers
        return self._first(field, _NAMES[field], read, (self._spec.channels,))

    def packing(self, field: str, name: str) -> tuple[float, ...]:
        """Return a scale or an offset; a scale of 0, or one that is not finite, is none."""
        found = numbers(self._values[name]) if name in self._values else ()
        is_scale = all(isfinite(each) and (each or name != _SCALE) for each in found)
        if not is_scale or len(found) not in (1, self._spec.channels):
            return ()
        self._understood(field, name)
        return found

    def nodata(self) -> tuple[tuple[float, ...], ...]:
        """Return the nodata values of each channel, or of all; a file may name several."""
        channels = self._spec.channels
        for_all: list[float] = []
        rows: list[tuple[float, ...]] = []
        for short in _NAMES["nodata"]:
            for name in self._full.get(short, ()):
                found = words(self._values[name])
                if len(found) == channels > 1 and short not in _MISSING:
                    rows.append(found)
                elif len(found) <= _MOST_NODATA:
                    for_all += found
                else:
                    continue
                if found:
                    self._understood("nodata", name)
        if not rows:
            return (tuple(dict.fromkeys(for_all)),) if for_all else ()
        return tuple(
            tuple(dict.fromkeys((*for_all, *column))) for column in zip(*rows, strict=True)
        )

    def valid_range(
        self, scale: tuple[float, ...], offset: tuple[float, ...]
    ) -> tuple[tuple[float, float], ...]:
        """Return the smallest and largest valid stored number of each channel, or of all.

        They are those of stored numbers, but where they have a floating-point type, stored numbers
        have none and there is a scale: by the netCDF User Guide they are physical values then.
        """
        both = self._first("valid_range", (_RANGE,), words, (2,))
        low = both[:1] or self._first("valid_range", (_SMALLEST,), numbers, (1,))
        high = both[1:] or self._first("valid_range", (_LARGEST,), numbers, (1,))
        if not low and not high:
            return ()
        limits = (
            low[0] if low and not isnan(low[0]) else _NO_LIMITS[0],
            high[0] if high and not isnan(high[0]) else _NO_LIMITS[1],
        )
        if limits == _NO_LIMITS:
            return ()
        names = self.origins["valid_range"].split(", ")
        is_whole = not self._spec.dtype.startswith("float")
        are_physical = is_whole and all(is_float(self._values[name]) for name in names)
        if not are_physical or not (scale or offset):
            return (limits,)
        self.origins["valid_range"] += ", in physical values"
        count = max(len(scale), len(offset))
        scale, offset = (scale or (1.0,)), (offset or (0.0,))
        factors = scale * (count // len(scale)), offset * (count // len(offset))
        return tuple(_stored(limits, each, plus) for each, plus in zip(*factors, strict=True))

    def georeference(self) -> Georeference:
        crs = "".join(self._first("georeference", _CRS, _text, (1,)))
        return Georeference(self._first("georeference", (_TRANSFORM,), words, (6,)), crs)

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
                self._take_unit(field, name, "")
                return found
        for short in names if field in _NEAR else ():
            near = self._near.get(short)
            found = read(near.value) if near else ()
            if near and len(found) in lengths:
                self._note(field, near.origin)
                self._take_unit(field, near.name, near.unit)
                return found
        return ()

    def _take_unit(self, field: str, name: str, unit: str) -> None:
        if field == "wavelengths":
            self.unit = unit or _UNITS.get(normalised(name)[-2:], "")

    def _understood(self, field: str, name: str) -> None:
        self.used.add(name)
        self._note(field, name)

    def _note(self, field: str, origin: str) -> None:
        before = self.origins.get(field)
        self.origins[field] = f"{before}, {origin}" if before else origin


def _stored(limits: tuple[float, float], scale: float, offset: float) -> tuple[float, float]:
    """Return limits of physical values as limits of stored numbers."""
    ends = []
    for limit in limits if scale > 0 else limits[::-1]:
        stored = (limit - offset) / scale
        near = float(round(stored)) if isfinite(stored) else stored
        ends.append(near if abs(stored - near) <= _NEARLY * max(1.0, abs(near)) else stored)
    return ends[0], ends[1]


def _text(value: Any) -> tuple[str, ...]:
    """Return a single text as a tuple of one; empty if it is blank or another type."""
    found = texts(value, 1)
    return found if len(found) == 1 and found[0] else ()


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
