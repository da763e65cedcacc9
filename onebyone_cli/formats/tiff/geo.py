"""The georeference of a TIFF file: GeoTIFF's tags and GDAL's order of a transform."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.contracts.metadata import Attribute, Georeference
from onebyone_cli.formats.tiff.compound import split_compound
from onebyone_cli.formats.tiff.tags import Tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.formats.tiff.directory import Directory

#: Keys of the key directory.
_MODEL, _RASTER, _CITATION, _GEOGRAPHIC, _PROJECTED, _PROJECTED_CITATION = (
    1024,
    1025,
    1026,
    2048,
    3072,
    3073,
)
_GEOGRAPHIC_CITATION, _VERTICAL = 2049, 4096

#: Values of the keys: models, pixels that are points, codes that are not in EPSG's list.
_IS_PROJECTED, _IS_GEOGRAPHIC, _POINT, _USER_DEFINED = 1, 2, 2, 32767

#: How programs of Esri, and GDAL, write the text of a reference system into a citation.
_AS_TEXT = "ESRI PE String = "

#: Tags that are carried as they are where they can't be expressed otherwise, by name.
CARRIED = {
    "ModelTiepointTag": Tag.TIE_POINTS,
    "GeoKeyDirectoryTag": Tag.GEO_KEYS,
    "GeoDoubleParamsTag": Tag.GEO_DOUBLES,
    "GeoAsciiParamsTag": Tag.GEO_ASCII,
}

_BEGINS_GEOGRAPHIC = ("GEOGCS", "GEOGCRS", "GEODCRS", "GEOGRAPHIC")

_EPSG = re.compile(
    r'^EPSG:([0-9]{4,5})$|AUTHORITY\["EPSG", ?"?([0-9]{4,5})"?\]\]\s*$'
    r'|ID\["EPSG", ?([0-9]{4,5})\]\]\s*$'
)


def read_georeference(page: Directory) -> tuple[Georeference, dict[str, Attribute]]:
    """Return the georeference of a page, and tags that it can't express."""
    keys = _keys(page)
    crs, carried = _crs(keys), {}
    if keys and not crs:
        carried = {
            name: Attribute(_value(page, tag))
            for name, tag in CARRIED.items()
            if tag in page and name != "ModelTiepointTag"
        }
    transform = _transform(page, is_point=keys.get(_RASTER) == _POINT)
    if not transform and page.count(Tag.TIE_POINTS) > 6:
        carried["ModelTiepointTag"] = Attribute(_value(page, Tag.TIE_POINTS))
    return Georeference(transform, crs), carried


def _value(page: Directory, tag: Tag) -> Any:
    return page.text(tag) if tag == Tag.GEO_ASCII else list(page.values(tag))


def _keys(page: Directory) -> dict[int, int | str]:
    """Return the keys with a number or a text."""
    try:
        found, text = page.integers(Tag.GEO_KEYS), page.data(Tag.GEO_ASCII)
    except ValueError:
        return {}
    keys: dict[int, int | str] = {}
    for at in range(4, len(found) - 3, 4):
        key, location, count, value = found[at : at + 4]
        if location == 0:
            keys[key] = value
        elif location == Tag.GEO_ASCII:
            keys[key] = text[value : value + count].decode("utf-8", "replace").rstrip("|\0")
    return keys


def _crs(keys: Mapping[int, int | str]) -> str:
    for key in (_PROJECTED_CITATION, _CITATION, _GEOGRAPHIC_CITATION):
        text = keys.get(key, "")
        if isinstance(text, str) and text.startswith(_AS_TEXT):
            return text.removeprefix(_AS_TEXT)
    for key in (_PROJECTED, _GEOGRAPHIC):
        code = keys.get(key)
        if code == _USER_DEFINED:
            return ""
        if isinstance(code, int) and 1024 <= code < _USER_DEFINED:
            height = keys.get(_VERTICAL, 0)
            is_known = isinstance(height, int) and 1024 <= height < _USER_DEFINED
            return f"EPSG:{code}+{height}" if is_known else f"EPSG:{code}"
    return ""


def _transform(page: Directory, *, is_point: bool) -> tuple[float, ...]:
    """Return the six numbers of `Georeference.transform`; empty if there are none."""
    matrix, scale = page.values(Tag.TRANSFORMATION), page.values(Tag.PIXEL_SCALE)
    ties = page.values(Tag.TIE_POINTS)
    if len(matrix) == 16:
        a, b, _, d, e, f, _, h = map(float, matrix[:8])
        found = (d, a, b, h, e, f)
    elif len(scale) >= 2 and len(ties) == 6 and scale[0] and scale[1]:
        column, row, _, x, y, _ = ties
        found = (x - column * scale[0], scale[0], 0.0, y + row * scale[1], 0.0, -scale[1])
    else:
        return ()
    if is_point:
        # The point is the centre of its pixel.
        x, dx, rx, y, ry, dy = found
        found = (x - (dx + rx) / 2, dx, rx, y - (ry + dy) / 2, ry, dy)
    return tuple(map(float, found))


def georeference_tags(
    reference: Georeference, attributes: Mapping[str, Attribute]
) -> dict[int, tuple[str, bytes]]:
    """Return the tags of a georeference: code of the type in `struct`, and little-endian bytes."""
    tags = {}
    carried = {tag: attributes[name].value for name, tag in CARRIED.items() if name in attributes}
    for tag, value in carried.items():
        tags[int(tag)] = _packed(tag, value)
    is_point = _raster_of(carried.get(Tag.GEO_KEYS, ())) == _POINT
    if len(reference.transform) == 6:
        tags |= _transform_tags(reference.transform, is_point=is_point)
    if reference.crs:
        tags |= _crs_tags(reference.crs)
    elif reference.transform and Tag.GEO_KEYS not in tags:
        tags[Tag.GEO_KEYS] = _packed(Tag.GEO_KEYS, (1, 1, 0, 1, _RASTER, 0, 1, 1))
    return tags


def _packed(tag: int, value: Any) -> tuple[str, bytes]:
    if tag == Tag.GEO_ASCII:
        return "s", str(value).encode() + b"\0"
    code = "H" if tag == Tag.GEO_KEYS else "d"
    numbers = [int(each) if code == "H" else float(each) for each in value]
    return code, struct.pack(f"<{len(numbers)}{code}", *numbers)


def _raster_of(keys: Any) -> int:
    numbers = [int(each) for each in keys]
    pairs = zip(numbers[4::4], numbers[7::4], strict=False)
    return dict(pairs).get(_RASTER, 0)


def _transform_tags(
    transform: tuple[float, ...], *, is_point: bool
) -> dict[int, tuple[str, bytes]]:
    x, dx, rx, y, ry, dy = transform
    if is_point:
        x, y = x + (dx + rx) / 2, y + (ry + dy) / 2
    if not rx and not ry and dx > 0 > dy:
        return {
            Tag.PIXEL_SCALE: ("d", struct.pack("<3d", dx, -dy, 0)),
            Tag.TIE_POINTS: ("d", struct.pack("<6d", 0, 0, 0, x, y, 0)),
        }
    matrix = (dx, rx, 0, x, ry, dy, 0, y, 0, 0, 0, 0, 0, 0, 0, 1)
    return {Tag.TRANSFORMATION: ("d", struct.pack("<16d", *matrix))}


def _code(crs: str) -> int:
    """Return the code of EPSG that a reference system has; 0 if it has none."""
    found = _EPSG.search(crs)
    return next((int(each) for each in found.groups() if each), 0) if found else 0


def _crs_tags(crs: str) -> dict[int, tuple[str, bytes]]:
    """Return the keys of a reference system: its code where it has one, else its text."""
    horizontal, vertical = split_compound(crs) or (crs, "")
    code, height = _code(horizontal), _code(vertical)
    if vertical and not height:
        code = 0  # the text keeps both
    is_geographic = horizontal.lstrip().upper().startswith(_BEGINS_GEOGRAPHIC)
    # Codes of geographic systems are those from 4000 on, with few exceptions.
    is_geographic |= horizontal.startswith("EPSG:") and 4000 <= code < 5000
    model, key = (_IS_GEOGRAPHIC, _GEOGRAPHIC) if is_geographic else (_IS_PROJECTED, _PROJECTED)
    tags = {}
    if 1024 <= code < _USER_DEFINED:
        keys = [(_MODEL, 0, 1, model), (_RASTER, 0, 1, 1), (key, 0, 1, code)]
        keys += [(_VERTICAL, 0, 1, height)] * bool(height)
    else:
        # GDAL looks for a text only where the model, too, is of the user.
        text = f"{_AS_TEXT}{crs}|".encode()
        keys = [
            *((_MODEL, 0, 1, _USER_DEFINED), (_RASTER, 0, 1, 1), (_PROJECTED, 0, 1, _USER_DEFINED)),
            (_PROJECTED_CITATION, int(Tag.GEO_ASCII), len(text), 0),
        ]
        tags[int(Tag.GEO_ASCII)] = ("s", text + b"\0")
    # GDAL reports heights of GeoTIFF 1.1, not of 1.0.
    numbers = [1, 1, int(bool(height)), len(keys), *(number for each in keys for number in each)]
    return tags | {int(Tag.GEO_KEYS): ("H", struct.pack(f"<{len(numbers)}H", *numbers))}
