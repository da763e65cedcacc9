"""Metadata of a file: names, wavelengths, nodata, units, georeference.

Values per channel are tuples of C entries, or empty. Anything without a field of its own is an
`Attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import basename, normpath, splitext
from types import MappingProxyType
from typing import Any, NamedTuple

from onebyone_cli.formats.contracts.dimensions import (
    Dimension,
    joined_dimensions,
    with_channels,
)

#: Fields of `Metadata` that can have one entry per channel.
_PER_CHANNEL = {
    *("channels", "wavelengths", "widths", "good", "nodata", "valid_range", "scale", "offset")
}


class Attribute(NamedTuple):
    """A named value without a field of its own.

    Attributes
    ----------
    value : str, number, ndarray, or list of str
    axis : str
        Axis with one entry per step: ``"C"``, ``"H"`` or ``"W"``; empty for the whole file.
    """

    value: Any
    axis: str = ""


class Georeference(NamedTuple):
    """Position of the pixels on the ground.

    Attributes
    ----------
    transform : tuple of float
        Six numbers in GDAL order: x of the upper left corner, x per column, x per row, y of the
        corner, y per column, y per row. Empty if unknown.
    crs : str
        Coordinate reference system, such as WKT; empty if unknown.
    """

    transform: tuple[float, ...] = ()
    crs: str = ""


class Metadata(NamedTuple):
    """Metadata of a stack.

    Attributes
    ----------
    channels : tuple of str
        Channel names.
    wavelengths, widths : tuple of float
        Centre and full width at half maximum per channel.
    wavelength_unit : str
        As the file writes it.
    good : tuple of bool
        False for channels of a bad band list.
    nodata : tuple of tuple of float
        Stored numbers that mark invalid values: one entry for all channels or one per channel. An
        entry has all numbers of a channel; it may be empty.
    valid_range : tuple of (float, float) or None
        Smallest and largest valid stored number; entries as in `nodata`.
    scale, offset : tuple of float
        The physical value is ``scale * stored + offset``; entries as in `nodata`.
    unit : str
        Unit of the physical values.
    history : str
        One line per processing step.
    attributes : mapping of str to Attribute
        Everything else.
    dimensions : tuple of Dimension
        The axes ``(*batch, C, H, W)``; empty if the file names none. One whose size is not that of
        the axis says nothing about it.
    grid_mapping : mapping of str to str, number or list
        Attributes of a grid mapping of CF but for those that `georeference` has.
    origins : mapping of str to str
        What the file calls a field, such as ``"Data_Ignore_Value"`` for `nodata`; no entry where
        it is not known.
    """

    channels: tuple[str, ...] = ()
    wavelengths: tuple[float, ...] = ()
    wavelength_unit: str = ""
    widths: tuple[float, ...] = ()
    good: tuple[bool, ...] = ()
    nodata: tuple[tuple[float, ...], ...] = ()
    valid_range: tuple[tuple[float, float] | None, ...] = ()
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    unit: str = ""
    georeference: Georeference = Georeference()
    history: str = ""
    attributes: Mapping[str, Attribute] = MappingProxyType({})
    dimensions: tuple[Dimension, ...] = ()
    grid_mapping: Mapping[str, Any] = MappingProxyType({})
    origins: Mapping[str, str] = MappingProxyType({})

    @property
    def said(self) -> tuple[str, ...]:
        """Names of the fields of `FIELDS` that are set."""
        empty = Metadata()
        pairs = zip(FIELDS, self, empty, strict=False)
        return tuple(name for name, value, nothing in pairs if value != nothing)


#: Fields that a file can hold besides axes and grid mapping, which are for netCDF and its like.
FIELDS = Metadata._fields[:-3]


class Part(NamedTuple):
    """Metadata of one of several inputs that are stacked along the channels.

    Attributes
    ----------
    path : str
        As the user wrote it.
    channels : int
        Number of channels.
    metadata : Metadata
    file : str
        The file or folder, which names channels that have no name; empty for an array or a pipe.
    inner : str
        Dataset inside the file, or empty.
    """

    path: str
    channels: int
    metadata: Metadata
    file: str = ""
    inner: str = ""


def joined_metadata(parts: Sequence[Part]) -> Metadata:
    """Join the metadata of inputs that are stacked along the channels.

    Values per channel are concatenated. Values of a whole file are kept where no two inputs
    disagree.

    Parameters
    ----------
    parts : sequence of Part
        In channel order; one or more.
    """
    if len(parts) == 1:
        return parts[0].metadata
    all_said = [part.metadata for part in parts]
    unit = _agreed([each.wavelength_unit for each in all_said])
    # Wavelengths in nanometres and micrometres can't be joined.
    same_unit = len({each.wavelength_unit for each in all_said}) == 1
    return Metadata(
        channels=joined_names(parts),
        wavelengths=_put_together([each.wavelengths for each in all_said]) if same_unit else (),
        wavelength_unit=unit if same_unit else "",
        widths=_put_together([each.widths for each in all_said]) if same_unit else (),
        good=_put_together([each.good for each in all_said]),
        nodata=_spread(parts, "nodata", ()),
        valid_range=_spread(parts, "valid_range", None),
        scale=_spread(parts, "scale", 1.0),
        offset=_spread(parts, "offset", 0.0),
        unit=_agreed([each.unit for each in all_said]),
        georeference=_agreed([each.georeference for each in all_said], Georeference()),
        history=_agreed([each.history for each in all_said]),
        attributes=_agreed_attributes(all_said),
        dimensions=joined_dimensions([each.dimensions for each in all_said]),
        grid_mapping=_agreed([each.grid_mapping for each in all_said], {}),
        origins={name: text for each in reversed(all_said) for name, text in each.origins.items()},
    )


def selected_metadata(metadata: Metadata, channels: Sequence[int], total: int) -> Metadata:
    """Return the metadata of some of the `total` channels of a file, in the order of `channels`."""

    def selected(entries: Any) -> Any:
        if isinstance(entries, list | tuple):
            return type(entries)(entries[at] for at in channels)
        return entries.take(list(channels), axis=entries.shape.index(total))

    fields = {name: getattr(metadata, name) for name in _PER_CHANNEL}
    attributes = {
        name: each._replace(value=selected(each.value)) if each.axis == "C" else each
        for name, each in metadata.attributes.items()
    }
    some = {name: selected(value) for name, value in fields.items() if len(value) == total}
    dimensions = with_channels(metadata.dimensions, channels)
    return metadata._replace(**some, attributes=attributes, dimensions=dimensions)


def joined_names(parts: Sequence[Part]) -> tuple[str, ...]:
    """Name the channels of several inputs.

    Channels without a name are named after their file, as those of a folder are. There are no names
    if no input has any and one of them is not a file.
    """
    if len(parts) == 1:
        return parts[0].metadata.channels
    if not any(part.metadata.channels for part in parts) and not all(part.file for part in parts):
        return ()
    names: list[str] = []
    for part, name in zip(parts, _input_names(parts), strict=True):
        numbered = [f"{name}[{channel}]" for channel in range(part.channels)]
        names += part.metadata.channels or (numbered if part.channels > 1 else [name])
    return tuple(names)


def _input_names(parts: Sequence[Part]) -> list[str]:
    """Name inputs after their files, with as much of the names as tells them apart."""
    stems = [
        splitext(basename(normpath(part.file)))[0] if part.file else part.path for part in parts
    ]
    inner = [basename(part.inner) or stem for part, stem in zip(parts, stems, strict=True)]
    paths = [part.path for part in parts]
    return next((names for names in (stems, inner) if len(set(names)) == len(names)), paths)


def _put_together(lists: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    return tuple(entry for each in lists for entry in each) if all(lists) else ()


def _spread(parts: Sequence[Part], field: str, missing: Any) -> tuple[Any, ...]:
    """Return one entry per channel, or a single one if all are equal."""
    entries: list[Any] = []
    for part in parts:
        said = getattr(part.metadata, field) or (missing,)
        entries += said * part.channels if len(said) == 1 else said
    if all(entry == missing for entry in entries):
        return ()
    return tuple(entries[:1] if all(entry == entries[0] for entry in entries) else entries)


def _agreed(values: Sequence[Any], nothing: Any = "") -> Any:
    """Return the value of the inputs that have one, or `nothing` if they disagree."""
    said = [value for value in values if value != nothing]
    return said[0] if said and all(value == said[0] for value in said) else nothing


def _agreed_attributes(all_said: Sequence[Metadata]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    names = dict.fromkeys(name for each in all_said for name in each.attributes)
    for name in names:
        values = [each.attributes[name] for each in all_said if name in each.attributes]
        # Comparing arrays by == gives an array; their representations compare as one value.
        agree = all(repr(value) == repr(values[0]) for value in values)
        if agree and values[0].axis != "C":
            found[name] = values[0]
    return found
