"""What a store says about an array: its attributes, coordinates in its group, OME-Zarr."""

from __future__ import annotations

import base64
import binascii
import struct
from contextlib import suppress
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.contracts.attributes import Near, field_of, metadata_of, normalised
from onebyone_cli.formats.contracts.coordinates import even_transform
from onebyone_cli.formats.zarr import ome
from onebyone_cli.formats.zarr.header import DIMENSIONS, UNSIGNED, dimension_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.zarr.find import Found

#: The attribute of netCDF, in which xarray writes floating-point numbers of version 3 as base64.
FILL = "_FillValue"

#: Attributes that describe the place of an array in its store.
_RESERVED = {DIMENSIONS, UNSIGNED, "coordinates"}

#: Group attributes that may describe the channels of an array in the group.
_OF_GROUPS = ("wavelengthunits", "wavelengthunit", "history")

#: Largest array that is read as a coordinate.
_MOST_BYTES = 1 << 20


def read_metadata(found: Found, layout: ArrayLayout) -> Metadata:
    """Put together what a store says about an array."""
    array, spec = found.array, layout.spec
    said = array.attrs.asdict()
    values = _plain_values(said)
    if FILL in said and spec.dtype.startswith("float"):
        values[FILL] = _decoded(said[FILL])
    elif said.get(UNSIGNED) == "true":
        for name in (FILL, "missing_value"):
            if isinstance(values.get(name), int):
                values[name] = int(np.array(values[name]).astype(spec.dtype))
    near = [*_of_image(found, values), *_of_group(found, layout, values)]
    metadata = metadata_of(values, spec, near)
    if metadata.georeference.crs:
        # What it names does not go to other files.
        rest = {name: each for name, each in metadata.attributes.items() if name != "grid_mapping"}
        metadata = metadata._replace(attributes=rest)
    fill = None if metadata.nodata else _chosen_fill(array, spec.dtype)
    if fill is None:
        return metadata
    origins = {**metadata.origins, "nodata": "fill_value of the array"}
    return metadata._replace(nodata=((fill,),), origins=origins)


def _chosen_fill(array: Any, dtype: str) -> Any:
    """Return the number that stands where nothing was written, if it marks invalid pixels.

    Zero is the default, and marks none. But in version 2, xarray writes the ``_FillValue`` of an
    array with named axes there, and no fill value for an array without one.
    """
    fill = array.fill_value
    if fill is None or dtype == "bool":
        return None
    number = np.asarray(fill).astype(dtype).item() if dtype.startswith("uint") else fill.item()
    if isnan(number):
        return None
    is_of_xarray = array.metadata.zarr_format == 2 and DIMENSIONS in array.attrs.asdict()
    return number if number or is_of_xarray else None


def _decoded(value: Any) -> Any:
    """Return a floating-point number that xarray or JSON writes as text."""
    if isinstance(value, str):
        with suppress(ValueError, binascii.Error, struct.error):
            return struct.unpack("<d", base64.b64decode(value, validate=True))[0]
        with suppress(ValueError):
            return float(value)
    return value


def _plain_values(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that an output can copy: text, numbers and lists of either."""
    found: dict[str, Any] = {}
    for name, value in said.items():
        if name in _RESERVED:
            continue
        if isinstance(value, str | int | float):
            found[name] = value
        elif isinstance(value, list) and value:
            if all(isinstance(each, str) for each in value):
                found[name] = value
            elif all(isinstance(each, int | float) for each in value):
                with suppress(OverflowError):
                    found[name] = np.array(value)
    for name in ("valid_range", "valid_min", "valid_max"):
        if isinstance(found.get(name), float):
            found[name] = np.float64(found[name])
    return found


def _of_image(found: Found, values: dict[str, Any]) -> Iterator[Near]:
    """Read what OME-Zarr says of the image, and add its pixel size to the attributes."""
    if not found.image or found.group is None:
        return
    said = found.group.attrs.asdict()
    labels = ome.channel_labels(said)
    if labels:
        yield Near("channels", labels, "the labels of omero")
    sizes, names = ome.pixel_size(found.image), ome.axis_names(found.image)
    level = found.inner.rpartition("/")[2]
    if sizes and level == ome.full_resolution(found.image).rpartition("/")[2]:
        for name, size in zip(names, sizes, strict=False):
            if name in ("x", "y", "z"):
                values.setdefault(f"pixel_size_{name}", size)


def _of_group(found: Found, layout: ArrayLayout, values: dict[str, Any]) -> Iterator[Near]:
    """Read the coordinates of the axes, and arrays and attributes of the group."""
    if found.group is None:
        return
    spec, names = layout.spec, dimension_names(found.array)
    named = dict(zip(layout.axes, names, strict=False))
    beside = _Beside(found)
    along = named.get("C", "")
    value = beside.read(along, spec.channels) if along else None
    if value is not None:
        said, origin = beside.attributes(along), f"/{along}"
        is_length = str(said.get("standard_name", "")).endswith("wavelength")
        if isinstance(value, list):
            yield Near("channels", value, origin)
        elif field_of(along) or is_length:
            field = along if field_of(along) else "wavelength"
            yield Near(field, value, origin, _unit(said))
        else:
            values.setdefault(along, value)
    for name in beside.names():
        if name != along and field_of(name):
            value = beside.read(name, spec.channels)
            if value is not None and isinstance(value, list) == (field_of(name) == "channels"):
                yield Near(name, value, f"/{name}", _unit(beside.attributes(name)))
    yield from _of_grid_mapping(values, beside, named, layout)
    for name, value in _plain_values(found.group.attrs.asdict()).items():
        if field_of(name) or normalised(name) in _OF_GROUPS:
            yield Near(name, value, f"{name} of the group")


def _of_grid_mapping(
    values: dict[str, Any], beside: _Beside, named: dict[str, str], layout: ArrayLayout
) -> Iterator[Near]:
    """Read the attributes of the variable that ``grid_mapping`` names, and even coordinates."""
    mapping = values.get("grid_mapping")
    said = beside.attributes("spatial_ref")
    if isinstance(mapping, str) and mapping.strip():
        said = beside.attributes(mapping.split()[0].rstrip(":"))
    for name, value in _plain_values(said).items():
        yield Near(name, value, f"{name} of the grid mapping")
    spec = layout.spec
    x = beside.read(named.get("W", ""), spec.width) if said else None
    y = beside.read(named.get("H", ""), spec.height) if said else None
    transform = even_transform(x, y)
    if transform:
        yield Near("GeoTransform", transform, "coordinates of rows and columns")


class _Beside:
    """The small arrays of the group that holds an array."""

    def __init__(self, found: Found) -> None:
        self._group = found.group
        self._own = found.inner.rpartition("/")[2]

    def names(self) -> list[str]:
        """Return the names of the arrays; none if the store can't list them."""
        with suppress(Exception):  # stores have errors of their own
            return sorted(name for name in self._group.array_keys() if name != self._own)
        return []

    def attributes(self, name: str) -> dict[str, Any]:
        """Return the attributes of an array; empty if there is no such array."""
        with suppress(Exception):
            return dict(self._group[name].attrs.asdict())
        return {}

    def read(self, name: str, count: int) -> Any:
        """Read numbers as an ndarray, or texts as a list; None if there are not `count`."""
        if not name or name == self._own:
            return None
        with suppress(Exception):
            array = self._group[name]
            if array.shape != (count,) or array.nbytes > _MOST_BYTES:
                return None
            value = np.asarray(array[:])
            if value.dtype.kind in "iufb":
                return value
            texts = [each.decode() if isinstance(each, bytes) else each for each in value.tolist()]
            return texts if all(isinstance(each, str) for each in texts) else None
        return None


def _unit(said: Mapping[str, Any]) -> str:
    unit = said.get("units", said.get("unit", ""))
    return unit if isinstance(unit, str) else ""
