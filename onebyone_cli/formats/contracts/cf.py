"""Conventions of netCDF and CF, for netCDF-3 and for HDF5: coordinates, grid mappings, signs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.contracts.attributes import Near, field_of, normalised
from onebyone_cli.formats.contracts.values import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.formats.contracts.metadata import Attribute, Metadata

#: Beginnings of the units of longitudes and latitudes, and standard names of map coordinates.
_DEGREES = ("degree_", "degrees_")
_ON_MAPS = {
    *("projection_x_coordinate", "projection_y_coordinate", "longitude", "latitude"),
    *("grid_longitude", "grid_latitude"),
}

#: Stored numbers: CF requires the type of the variable.
STORED = {"_FillValue", "valid_min", "valid_max", "valid_range"}

#: Whether integers are to be read as unsigned.
UNSIGNED = "_Unsigned"

#: Attributes that name variables which describe others, and so are no stacks themselves.
NAMING = ("bounds", "climatology", "coordinates", "ancillary_variables", "grid_mapping")

#: Attributes of groups and files that may describe the channels.
OF_GROUPS = ("wavelengthunits", "wavelengthunit", "history")

#: Codes of EPSG: WGS 84, and its UTM zones north and south with their false northing.
_WGS84, _UTM, _ZONES = 4326, {326: 0.0, 327: 1e7}, 60
_ELLIPSOID = {
    "semi_major_axis": 6378137.0,
    "inverse_flattening": 298.257223563,
    "horizontal_datum_name": "World Geodetic System 1984",
}

#: Attributes of a grid mapping that `Georeference` has fields for.
_OWN = {"crswkt", "spatialref", "epsgcode", "geotransform"}


def unit_of(said: Mapping[str, Any]) -> str:
    """Return the unit that attributes tell; empty if there is none."""
    names = (name for name in said if normalised(name) in ("units", "unit"))
    found = next((said[name] for name in names), "")
    return found if isinstance(found, str) else ""


def of_channels(name: str, value: Any, said: Mapping[str, Any]) -> Near | None:
    """Return what a coordinate of the channels means; None if it is none of the known fields.

    Parameters
    ----------
    name : str
        Path of the variable in the file.
    value : list of str or ndarray of shape (C,)
    said : mapping
        Its attributes.
    """
    last = name.rpartition("/")[2]
    if isinstance(value, list):
        return Near("channels", value, name)
    is_length = str(said.get("standard_name", "")).endswith("wavelength")
    if field_of(last) or is_length:
        return Near(last if field_of(last) else "wavelength", value, name, unit_of(said))
    return None


def unpacked(value: Any, said: Mapping[str, Any]) -> Any:
    """Return the numbers of a coordinate with its scale and offset applied; texts as they are."""
    scale, offset = (numbers(said.get(name)) for name in ("scale_factor", "add_offset"))
    if isinstance(value, list) or not (scale or offset):
        return value
    return value * (scale or (1.0,))[0] + (offset or (0.0,))[0]


def are_on_a_map(said: Mapping[str, Any]) -> bool:
    """Return whether the attributes of a coordinate tell that it is one on the ground."""
    is_named = str(said.get("standard_name", "")) in _ON_MAPS
    return is_named or unit_of(said).casefold().startswith(_DEGREES)


def parameters_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a grid mapping without its transform and its reference system."""
    return {name: value for name, value in said.items() if normalised(name) not in _OWN}


def without_structure(found: Metadata) -> dict[str, Attribute]:
    """Return attributes without those that name other variables, if those were understood."""
    heard = {origin.rpartition("/")[2] for origin in found.origins.values()}
    heard |= {each.name for each in found.dimensions}
    said = found.attributes.get("grid_mapping")
    heard |= {str(said.value)} if said else set()
    drop = {"grid_mapping"} if found.georeference.crs or found.grid_mapping else set()
    listed = found.attributes.get("coordinates")
    if listed is not None and isinstance(listed.value, str) and {*listed.value.split()} <= heard:
        drop.add("coordinates")
    return {name: each for name, each in found.attributes.items() if name not in drop}


def mapping_of(crs: str) -> dict[str, Any]:
    """Return the attributes of a grid mapping for the text of a reference system.

    Of codes of EPSG, those of WGS 84 and its UTM zones are written in the words of CF, too, for
    programs that know no codes.
    """
    if not crs:
        return {}
    if "[" in crs:
        return {"crs_wkt": crs, "spatial_ref": crs}
    # GDAL looks no further where a spatial_ref is, and takes only WKT from it.
    said: dict[str, Any] = {"epsg_code": crs}
    authority, _, code = crs.partition(":")
    number = int(code) if authority.upper() == "EPSG" and code.isdecimal() else 0
    zone = number % 100
    if number == _WGS84:
        return {"grid_mapping_name": "latitude_longitude", **_ELLIPSOID, **said}
    if number // 100 in _UTM and 1 <= zone <= _ZONES:
        utm = {
            "grid_mapping_name": "transverse_mercator",
            "longitude_of_central_meridian": 6.0 * zone - 183,
            "latitude_of_projection_origin": 0.0,
            "scale_factor_at_central_meridian": 0.9996,
            "false_easting": 500000.0,
            "false_northing": _UTM[number // 100],
        }
        return {**utm, **_ELLIPSOID, **said}
    return {"spatial_ref": crs}


def is_of_group(name: str) -> bool:
    """Return whether an attribute of a group or a file may describe the stacks in it."""
    return bool(field_of(name)) or normalised(name) in OF_GROUPS


def made_unsigned(values: dict[str, Any], dtype: str) -> None:
    """Write the stored numbers among some values as the unsigned numbers that they stand for.

    netCDF marks signed integers that are to be read as unsigned by ``_Unsigned``, which is removed.
    """
    import numpy as np

    mark = values.pop(UNSIGNED, None)
    if not isinstance(mark, str) or not dtype.startswith("uint"):
        return
    for name in STORED | {"missing_value"}:
        value = np.asarray(values.get(name, 0))
        if name in values and value.dtype.kind == "i":
            values[name] = value.astype(dtype)[()]


def type_of(dtype: str, mark: Any) -> str:
    """Return the type that a variable is read as, by its own and by its attribute ``_Unsigned``."""
    said = mark.strip().casefold() if isinstance(mark, str) else ""
    if dtype.startswith("int") and said == "true":
        return f"u{dtype}"
    return dtype[1:] if dtype.startswith("uint") and said == "false" else dtype
