"""What a netCDF-3 file says about a variable: attributes, coordinates, and what lies near."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from onebyone_cli.axes import places_of
from onebyone_cli.formats.contracts import cf
from onebyone_cli.formats.contracts.attributes import Near, field_of, metadata_of
from onebyone_cli.formats.contracts.coordinates import even_transform
from onebyone_cli.formats.contracts.dimensions import Dimension, described
from onebyone_cli.formats.netcdf3.header import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.netcdf3.header import Header, Variable

#: Largest coordinate that is read, and most records of one.
_MOST_BYTES = 1 << 20
_MOST_RECORDS = 1 << 16

#: What the netCDF library puts where nothing was written, by type; none for bytes.
_FILL = {
    ">i2": -32767,
    ">i4": -2147483647,
    ">f4": 9.969209968386869e36,
    ">f8": 9.969209968386869e36,
    ">u2": 65535,
    ">u4": 4294967295,
    ">i8": -9223372036854775806,
    ">u8": 18446744073709551614,
}


class Place(NamedTuple):
    """A variable in its open file, and how its axes are read."""

    file: BinaryIO
    header: Header
    variable: Variable
    layout: ArrayLayout

    @property
    def axes(self) -> dict[str, str]:
        """Names of the dimensions of channels, rows and columns by their letters."""
        pairs = zip(self.layout.axes, self.variable.dimensions, strict=True)
        return {axis: name for axis, name in pairs if axis in "CHW"}


def read_metadata(place: Place) -> Metadata:
    """Read all that a file says about a variable."""
    spec, variable = place.layout.spec, place.variable
    values = dict(variable.attributes)
    cf.made_unsigned(values, spec.dtype)
    near = [*_of_channels(place, values), *_of_file(place), *_of_grid(place, values)]
    found = metadata_of(values, spec, near)
    mapping = place.header.variables.get(_mapping_of(values))
    found = found._replace(
        dimensions=_dimensions(place),
        grid_mapping=described(cf.parameters_of(mapping.attributes)) if mapping else {},
    )
    found = found._replace(attributes=cf.without_structure(found))
    fill = None if {"_FillValue", "missing_value"} & values.keys() else _FILL.get(variable.dtype)
    if fill is None or found.nodata:
        return found
    if spec.dtype.startswith("uint"):
        fill %= 1 << 8 * spec.item_bytes
    origins = {**found.origins, "nodata": "the fill value of netCDF"}
    return found._replace(nodata=((fill,),), origins=origins)


def _of_channels(place: Place, values: dict[str, Any]) -> Iterator[Near]:
    """Read the coordinate of the channels, and other lists with an entry for each of them."""
    name = place.axes.get("C", "")
    for each in place.header.variables.values():
        is_line = each.dimensions[:1] == (name,) and (
            len(each.dimensions) == 1 or (each.dtype == TEXT and len(each.dimensions) == 2)
        )
        is_known = each.name == name or field_of(each.name) or each.dtype == TEXT
        value = _read(place.file, each) if name and is_line and is_known else None
        if value is None:
            continue
        found = cf.of_channels(each.name, value, each.attributes)
        if found is not None:
            yield found
        else:
            values.setdefault(each.name, value)


def _of_file(place: Place) -> Iterator[Near]:
    for name, value in place.header.attributes.items():
        if cf.is_of_group(name):
            yield Near(name, value, f"{name} of the file")


def _mapping_of(values: dict[str, Any]) -> str:
    said = values.get("grid_mapping")
    return said.split()[0].rstrip(":") if isinstance(said, str) and said.strip() else ""


def _of_grid(place: Place, values: dict[str, Any]) -> Iterator[Near]:
    """Read the grid mapping, and even coordinates of rows and columns."""
    name = _mapping_of(values)
    mapping = place.header.variables.get(name)
    for each, value in mapping.attributes.items() if mapping else ():
        yield Near(each, value, f"{each} of {name}")
    lines = [place.header.variables.get(place.axes.get(axis, "")) for axis in "WH"]
    found = [
        _read(place.file, line)
        for line in lines
        if line is not None and (mapping or cf.are_on_a_map(line.attributes))
    ]
    transform = even_transform(*found) if len(found) == 2 else []
    if transform:
        yield Near("GeoTransform", transform, "coordinates of rows and columns")


def _dimensions(place: Place) -> tuple[Dimension, ...]:
    shape = place.layout.spec.shape
    found = [Dimension()] * len(shape)
    for name, to in zip(place.variable.dimensions, places_of(place.layout.axes), strict=True):
        found[to] = Dimension(name, shape[to])
        line = place.header.variables.get(name)
        if line is None or line.dtype == TEXT or line.dimensions != (name,):
            continue
        value = _read(place.file, line)
        if value is not None:
            found[to] = Dimension(
                name, shape[to], tuple(value.tolist()), described(line.attributes)
            )
    return tuple(found)


def _read(file: BinaryIO, variable: Variable) -> Any:
    """Read a small variable: an array in native order, or a list of texts; None if it is large."""
    records = variable.shape[0] if variable.step else 1
    size = int(np.prod(variable.shape, dtype=object)) * variable.item_bytes
    if not 0 < size <= _MOST_BYTES or records > _MOST_RECORDS:
        return None
    each = size // records
    raw = b"".join(
        os.pread(file.fileno(), each, variable.offset + at * variable.step) for at in range(records)
    )
    if len(raw) != size:
        return None
    array = np.frombuffer(raw, variable.dtype).reshape(variable.shape)
    if variable.dtype != TEXT:
        return cf.unpacked(array.astype(array.dtype.newbyteorder("=")), variable.attributes)
    rows = array.reshape(len(array), -1)
    return [row.tobytes().decode("utf-8", "replace").rstrip("\0 ") for row in rows]
