"""Parse and write the header of an ENVI image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.envi_header import TYPES, entries, inner, shown
from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.contracts.attributes import attributes_of, metadata_of, normalised
from onebyone_cli.formats.contracts.metadata import Georeference, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import StackSpec

CODES = {name: code for code, name in TYPES.items()}
_COMPLEX = ("6", "9")

#: Axes as stored, by interleave.
AXES = {"bsq": "CHW", "bil": "HCW", "bip": "HWC"}
_SIZES = {"C": "bands", "H": "lines", "W": "samples"}

#: Keys of the layout, which are not copied to other files.
_OWN_KEYS = {
    *("samples", "lines", "bands", "headeroffset", "filetype", "datatype", "interleave"),
    *("byteorder", "filecompression"),
}
#: Values in braces that are one text, with commas.
_TEXTS = {"description", "coordinatesystemstring", "history"}
#: Values in braces that are lists of any length.
_LISTS = {"bandnames", "wavelength", "fwhm", "bbl", "dataignorevalue", "validrange"}

#: ENVI keys of attributes of HDF5 and netCDF.
_KEYS = {
    "channels": "band names",
    "wavelength_units": "wavelength units",
    "_FillValue": "data ignore value",
    "crs_wkt": "coordinate system string",
}


def layout_of(values: dict[str, str], path: str) -> ArrayLayout:
    """Return the layout of the numbers.

    Parameters
    ----------
    values : dict of str to str
        From `parse_header`.
    path : str
        The header, for messages.

    Raises
    ------
    DataError
        If a field is missing or has an unsupported value.
    """
    code = values.get("data type", "")
    if code in _COMPLEX:
        raise DataError(
            "holds complex numbers (data type = " + code + "), which have no order", path
        )
    if code not in TYPES:
        raise DataError(f"has data type = {shown(code)}; expected {', '.join(TYPES)}", path)
    if values.get("file compression", "0") != "0":
        raise DataError("is of a compressed image (file compression); unpack it first", path)
    for key in ("major frame offsets", "minor frame offsets"):
        if set(inner(values.get(key, "")).replace(",", " ").split()) - {"0"}:
            raise DataError(f"has {key}, which can't be read; write the image without them", path)
    order = values.get("byte order", "0")
    if order not in ("0", "1"):
        raise DataError(f"has byte order = {shown(order)}; expected 0 (little-endian) or 1", path)
    axes = AXES.get(interleave_of(values))
    if axes is None:
        raise DataError(
            f"has interleave = {shown(values['interleave'])}; expected {', '.join(AXES)}", path
        )
    sizes = tuple(_size(values, _SIZES[axis], path) for axis in axes)
    return array_layout(
        sizes,
        TYPES[code],
        path,
        layout=axes,
        big_endian=order == "1" and code != "1",
        offset=_size(values, "header offset", path, default="0"),
    )


def interleave_of(values: dict[str, str]) -> str:
    """Return the interleave; the default is BSQ."""
    return values.get("interleave", "bsq").lower()


def _size(values: dict[str, str], key: str, path: str, default: str = "") -> int:
    text = values.get(key, default)
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise DataError(f"has {key} = {shown(text)}; expected a whole number", path)
    return int(text)


def header_metadata(values: dict[str, str], spec: StackSpec) -> Metadata:
    """Return the metadata of a header; see `attributes.metadata_of`."""
    rest = {
        key: _value(key, text, spec.channels)
        for key, text in values.items()
        if normalised(key) not in _OWN_KEYS and text
    }
    map_info = inner(values.get("map info", ""))
    transform = _transform(map_info)
    if transform and _map_info(transform) == "{" + map_info + "}":
        del rest["map info"]  # equivalent to the transform
    said = metadata_of(rest, spec)
    origins = dict(said.origins)
    if transform:
        names = ("map info", said.origins.get("georeference", ""))
        origins["georeference"] = ", ".join(filter(None, names))
    return said._replace(
        georeference=Georeference(transform, said.georeference.crs), origins=origins
    )


def _value(key: str, text: str, channels: int) -> Any:
    """Return a value in braces as a list or a text."""
    if not text.startswith("{"):
        return text
    found, short = entries(text), normalised(key)
    if short in _TEXTS:
        return inner(text)
    return found if short in _LISTS or len(found) == channels > 1 else " ".join(text.split())


def _transform(map_info: str) -> tuple[float, ...]:
    """Read ``map info``: a name, a pixel, its coordinates, the size of a pixel, and more."""
    parts = [part.strip() for part in map_info.split(",")]
    if len(parts) < 7 or any(part.lower().startswith("rotation") for part in parts):
        return ()
    try:
        column, row, x, y, width, height = map(float, parts[1:7])
    except ValueError:
        return ()
    return x - (column - 1) * width, width, 0.0, y + (row - 1) * height, 0.0, -height


def format_header(spec: StackSpec, metadata: Metadata, interleave: str = "bsq") -> str:
    """Write the header of a little-endian image without an offset; its dtype is in `CODES`."""
    lines = [
        "ENVI",
        f"samples = {spec.width}",
        f"lines = {spec.height}",
        f"bands = {spec.channels}",
        "header offset = 0",
        "file type = ENVI Standard",
        f"data type = {CODES[spec.dtype]}",
        f"interleave = {interleave}",
        "byte order = 0",
    ]
    values = attributes_of(metadata)
    values.pop("GeoTransform", None)
    values.setdefault("map info", _map_info(metadata.georeference.transform))
    for name, value in values.items():
        key = _KEYS.get(name, " ".join(_cleaned(name, "={}").split()))
        text = _as_text(value, is_text=normalised(key) in _TEXTS)
        if key and text and normalised(key) not in _OWN_KEYS:
            lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def _map_info(transform: tuple[float, ...]) -> str:
    """Write the position of the upper left pixel; empty for a rotated or unknown image."""
    if not transform or transform[2] or transform[4]:
        return ""
    x, width, _, y, _, height = transform
    return "{" + f"Arbitrary, 1, 1, {x!r}, {y!r}, {width!r}, {-height!r}" + "}"


def _as_text(value: Any, *, is_text: bool) -> str:
    """Write a value or a list; empty if the header can't hold it."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, (list, tuple)):
        if any(isinstance(each, (list, tuple)) for each in plain):
            return ""
        return "{" + ", ".join(_entries(plain)) + "}"
    if not isinstance(plain, str):
        return str(plain)
    text = "\n".join(plain.splitlines())
    if text.startswith("{") and text.endswith("}"):
        return "{" + _cleaned(text[1:-1], "{}") + "}"
    text = _cleaned(text, "{}")
    return "{" + text + "}" if is_text or "\n" in text else text


def _entries(values: Iterable[Any]) -> list[str]:
    return [" ".join(_cleaned(str(each), ",{}").split()) for each in values]


def _cleaned(text: str, without: str) -> str:
    return "".join("_" if character in without else character for character in text)
