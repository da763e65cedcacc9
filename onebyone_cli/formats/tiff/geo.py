"""The georeference of a TIFF file: GeoTIFF's tags and GDAL's order of a transform."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.contracts.metadata import Attribute, Georeference
from onebyone_cli.formats.tiff.compound import split_compound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tifffile import TiffPage

    #: Code, type, count and value of a tag, and whether only the first page has it.
    Extra = tuple[int, int, int, Any, bool]

_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION = 33550, 33922, 34264
_KEYS, _DOUBLES, _ASCII = 34735, 34736, 34737

#: Tags that are carried as they are where they can't be expressed otherwise, by name.
_CARRIED = {
    "ModelTiepointTag": _TIE_POINTS,
    "GeoKeyDirectoryTag": _KEYS,
    "GeoDoubleParamsTag": _DOUBLES,
    "GeoAsciiParamsTag": _ASCII,
}

#: Keys of the key directory, and values of them: pixels that are points, codes that EPSG lacks.
_MODEL, _RASTER, _GEOGRAPHIC, _PROJECTED, _PROJECTED_CITATION = 1024, 1025, 2048, 3072, 3073
_VERTICAL, _POINT, _USER_DEFINED = 4096, 2, 32767

#: Most numbers of the key directory, which tifffile reads slowly.
_MOST_KEYS = 1 << 12

#: How programs of Esri, and GDAL, write the text of a reference system into a citation.
_AS_TEXT = "ESRI PE String = "

_BEGINS_GEOGRAPHIC = ("GEOGCS", "GEOGCRS", "GEODCRS", "GEOGRAPHIC")

_EPSG = re.compile(
    r'^EPSG:([0-9]{4,5})$|AUTHORITY\["EPSG", ?"?([0-9]{4,5})"?\]\]\s*$'
    r'|ID\["EPSG", ?([0-9]{4,5})\]\]\s*$'
)


def read_georeference(page: TiffPage) -> tuple[Georeference, dict[str, Attribute]]:
    """Return the georeference of a page, and tags that it can't express."""
    keys, listed = {}, page.tags.get(_KEYS)
    if listed is not None and listed.count <= _MOST_KEYS:
        with suppress(Exception):  # of keys that contradict each other
            keys = page.geotiff_tags or {}
    crs, carried = _crs(keys), {}
    numbers = {tag: _numbers(page, tag) for tag in _CARRIED.values()}
    if keys and not crs:
        numbers[_ASCII] = page.tags.valueof(_ASCII)
        carried = {
            name: Attribute(numbers[tag])
            for name, tag in _CARRIED.items()
            if numbers[tag] and tag != _TIE_POINTS
        }
    transform = _transform(page, is_point=keys.get("GTRasterTypeGeoKey") == _POINT)
    if not transform and len(numbers[_TIE_POINTS]) > 6:
        carried["ModelTiepointTag"] = Attribute(numbers[_TIE_POINTS])
    return Georeference(transform, crs), carried


def _numbers(page: TiffPage, tag: int) -> list[Any]:
    """Return the values of a tag; empty if there is none, or it is no list of numbers."""
    import numpy as np

    found = np.atleast_1d(page.tags.valueof(tag, default=[]))
    return found.tolist() if found.dtype.kind in "iuf" else []


def _crs(keys: Mapping[Any, Any]) -> str:
    for key in ("PCSCitationGeoKey", "GTCitationGeoKey", "GeogCitationGeoKey"):
        text = keys.get(key, "")
        if isinstance(text, str) and text.startswith(_AS_TEXT):
            return text.removeprefix(_AS_TEXT)
    for key in ("ProjectedCSTypeGeoKey", "GeographicTypeGeoKey"):
        code = keys.get(key)
        if code == _USER_DEFINED:
            return ""
        if isinstance(code, int) and 1024 <= code < _USER_DEFINED:
            height = keys.get("VerticalCSTypeGeoKey", 0)
            is_known = isinstance(height, int) and 1024 <= height < _USER_DEFINED
            return f"EPSG:{int(code)}+{int(height)}" if is_known else f"EPSG:{int(code)}"
    return ""


def _transform(page: TiffPage, *, is_point: bool) -> tuple[float, ...]:
    """Return the six numbers of `Georeference.transform`; empty if there are none."""
    matrix, scale = _numbers(page, _TRANSFORMATION), _numbers(page, _PIXEL_SCALE)
    ties = _numbers(page, _TIE_POINTS)
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
) -> Iterator[Extra]:
    """Yield the tags of a georeference, as tifffile writes them."""
    tags = {tag: attributes[name].value for name, tag in _CARRIED.items() if name in attributes}
    keys = [int(each) for each in tags.get(_KEYS, ())]
    is_point = dict(zip(keys[4::4], keys[7::4], strict=False)).get(_RASTER) == _POINT
    if len(reference.transform) == 6:
        tags |= _transform_tags(reference.transform, is_point=is_point)
    if reference.crs:
        tags |= _crs_tags(reference.crs)
    elif reference.transform and _KEYS not in tags:
        tags[_KEYS] = (1, 1, 0, 1, _RASTER, 0, 1, 1)
    for tag, value in tags.items():
        if tag == _ASCII:
            yield tag, 2, 0, f"{value}\0".encode(), False
        else:
            kind, number = (3, int) if tag == _KEYS else (12, float)
            yield tag, kind, len(value), tuple(map(number, value)), False


def _transform_tags(transform: tuple[float, ...], *, is_point: bool) -> dict[int, Any]:
    x, dx, rx, y, ry, dy = transform
    if is_point:
        x, y = x + (dx + rx) / 2, y + (ry + dy) / 2
    if not rx and not ry and dx > 0 > dy:
        return {_PIXEL_SCALE: (dx, -dy, 0), _TIE_POINTS: (0, 0, 0, x, y, 0)}
    return {_TRANSFORMATION: (dx, rx, 0, x, ry, dy, 0, y, 0, 0, 0, 0, 0, 0, 0, 1)}


def _code(crs: str) -> int:
    """Return the code of EPSG that a reference system has; 0 if it has none."""
    found = _EPSG.search(crs)
    return next((int(each) for each in found.groups() if each), 0) if found else 0


def _crs_tags(crs: str) -> dict[int, Any]:
    """Return the keys of a reference system: its code where it has one, else its text."""
    horizontal, vertical = split_compound(crs) or (crs, "")
    code, height = _code(horizontal), _code(vertical)
    if vertical and not height:
        code = 0  # the text keeps both
    is_geographic = horizontal.lstrip().upper().startswith(_BEGINS_GEOGRAPHIC)
    # Codes of geographic systems are those from 4000 on, with few exceptions.
    is_geographic |= horizontal.startswith("EPSG:") and 4000 <= code < 5000
    model, key = (2, _GEOGRAPHIC) if is_geographic else (1, _PROJECTED)
    tags: dict[int, Any] = {}
    if 1024 <= code < _USER_DEFINED:
        keys = [(_MODEL, 0, 1, model), (_RASTER, 0, 1, 1), (key, 0, 1, code)]
        keys += [(_VERTICAL, 0, 1, height)] * bool(height)
    else:
        # GDAL looks for a text only where the model, too, is of the user.
        tags[_ASCII] = text = f"{_AS_TEXT}{crs}|"
        keys = [
            *((_MODEL, 0, 1, _USER_DEFINED), (_RASTER, 0, 1, 1), (_PROJECTED, 0, 1, _USER_DEFINED)),
            (_PROJECTED_CITATION, _ASCII, len(text.encode()), 0),
        ]
    # GDAL reports heights of GeoTIFF 1.1, not of 1.0.
    numbers = (number for each in keys for number in each)
    return {_KEYS: (1, 1, int(bool(height)), len(keys), *numbers), **tags}
