"""What GDAL writes into two tags of its own: nodata, and text about the file and its bands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.contracts.attributes import metadata_of
from onebyone_cli.formats.contracts.metadata import Attribute, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from onebyone_cli.spec import StackSpec

#: What XML may hold that makes a parser read other files, or grow without bound.
DOCTYPE = re.compile(r"<!DOCTYPE|<!ENTITY", re.IGNORECASE)

#: The tags.
METADATA, NODATA = 42112, 42113

#: Names of `attributes.metadata_of` for items that have a role or a domain.
_ROLES = {
    "description": "band_names",
    "scale": "scale_factor",
    "offset": "add_offset",
    "unittype": "units",
}
_IMAGERY = {"CENTRAL_WAVELENGTH_UM": "wavelength", "FWHM_UM": "fwhm"}

#: What stands for a band that has none, where others have.
_DEFAULTS = {"band_names": "", "scale_factor": "1", "add_offset": "0", "units": ""}


def parse_nodata(text: str) -> float | None:
    """Return the number that marks invalid pixels; None if there is none."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def format_nodata(metadata: Metadata) -> str:
    """Return the number of all bands as GDAL writes it; empty if there is not one."""
    entries = metadata.nodata
    if len(entries) != 1 or len(entries[0]) != 1:
        return ""
    return repr(entries[0][0]).removesuffix(".0")


def parse_metadata(text: str, spec: StackSpec) -> Metadata:
    """Interpret the items of a GDAL_METADATA tag; empty if it is malformed."""
    from html import unescape
    from xml.etree.ElementTree import ParseError, fromstring

    if not text or DOCTYPE.search(text):
        return Metadata()
    try:
        items = list(fromstring(text))
    except ParseError:
        return Metadata()
    plain: dict[str, Any] = {}
    of_bands: dict[str, dict[int, str]] = {}
    for item in items:
        # GDAL escapes values twice.
        name, value = item.get("name", ""), unescape(item.text or "")
        domain = item.get("domain", "")
        if domain == "IMAGERY" and name in _IMAGERY:
            name = _IMAGERY[name]
            plain["wavelength_units"] = "µm"
        elif domain and domain != "IMAGERY":
            continue
        name = _ROLES.get(item.get("role", ""), name)
        sample = item.get("sample", "")
        if sample.isascii() and sample.isdigit():
            of_bands.setdefault(name, {})[int(sample)] = value
        elif name:
            plain[name] = value
    values = plain | dict(_lists(of_bands, spec.channels))
    said = metadata_of(values, spec)
    return said._replace(origins=dict.fromkeys(said.origins, "GDAL_METADATA"))


def _lists(of_bands: Mapping[str, Mapping[int, str]], bands: int) -> Iterator[tuple[str, Any]]:
    """Yield items of bands as lists with an entry for each band, or the one value of all."""
    for name, values in of_bands.items():
        default = _DEFAULTS.get(name)
        if default is None and len(values) < bands:
            continue
        found = [values.get(band, default or "") for band in range(bands)]
        if name == "units":
            if len(set(found)) == 1:
                yield name, found[0]
        elif name in ("scale_factor", "add_offset") and len(set(found)) == 1:
            yield name, found[0]
        else:
            yield name, found


def format_metadata(metadata: Metadata, bands: int) -> str:
    """Return the text of a GDAL_METADATA tag; empty if there is nothing to say."""
    items = [*_items_of_file(metadata), *_items_of_bands(metadata, bands)]
    if not items:
        return ""
    return "\n".join(["<GDALMetadata>", *(f"  {item}" for item in items), "</GDALMetadata>", ""])


def _items_of_file(metadata: Metadata) -> Iterator[str]:
    named = {"wavelength_units": metadata.wavelength_unit, "history": metadata.history}
    yield from (_item(name, value) for name, value in named.items() if value)
    if len(metadata.valid_range) == 1 and metadata.valid_range[0]:
        low, high = metadata.valid_range[0]
        yield _item("valid_min", _number(low))
        yield _item("valid_max", _number(high))
    for name, each in metadata.attributes.items():
        text = _text(each)
        if text is not None:
            yield _item(name, text)


def _items_of_bands(metadata: Metadata, bands: int) -> Iterator[str]:
    lists: dict[str, tuple[str, tuple[Any, ...]]] = {
        "wavelength": ("", metadata.wavelengths),
        "fwhm": ("", metadata.widths),
        "bbl": ("", tuple(map(int, metadata.good))),
        "OFFSET": ("offset", metadata.offset),
        "SCALE": ("scale", metadata.scale),
        "UNITTYPE": ("unittype", (metadata.unit,) if metadata.unit else ()),
        "DESCRIPTION": ("description", metadata.channels),
    }
    for name, each in metadata.attributes.items():
        if each.axis == "C" and len(each.value) == bands:
            lists[name] = ("", tuple(each.value))
    for name, (role, values) in lists.items():
        every = values * bands if len(values) == 1 else values
        for band, value in enumerate(every):
            text = value if isinstance(value, str) else _number(value)
            yield _item(name, text, band, role)


def _item(name: str, text: str, band: int | None = None, role: str = "") -> str:
    from html import escape

    sample = "" if band is None else f' sample="{band}"'
    role = f' role="{role}"' if role else ""
    value = escape(escape(_printed(text), quote=False), quote=False)
    return f'<Item name="{escape(name)}"{sample}{role}>{value}</Item>'


def _printed(text: str) -> str:
    """Leave out characters that XML can't hold."""
    return "".join(letter for letter in text if letter >= " " or letter in "\n\t")


def _text(attribute: Attribute) -> str | None:
    """Return an attribute of the whole file as text; None if it has one entry per channel."""
    value = attribute.value
    if attribute.axis:
        return None
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, list | tuple):
        return ", ".join(map(str, plain)) if not any(isinstance(x, list) for x in plain) else None
    return plain if isinstance(plain, str) else _number(plain)


def _number(value: Any) -> str:
    plain = value.item() if hasattr(value, "item") else value
    return repr(plain)
