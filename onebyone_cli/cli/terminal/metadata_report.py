"""Show the metadata of a file, as lines and for programs."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from onebyone_cli.formats.contracts.metadata import Metadata

#: Most names of attributes, and letters of a text, in a line.
_MOST_SHOWN = 8
_LONGEST_SHOWN = 60


def metadata_lines(found: Metadata) -> list[tuple[str, str]]:
    """Return (word, text) of each entry except channel names."""
    unit = f" {found.wavelength_unit}" if found.wavelength_unit else ""
    bad = [str(at) for at, good in enumerate(found.good) if not good]
    georeference = [
        f"corner {found.georeference.transform[0]:g}, {found.georeference.transform[3]:g}"
        if found.georeference.transform
        else "",
        _shortened(found.georeference.crs),
    ]
    entries = [
        ("wavelengths", _span(found.wavelengths) + unit if found.wavelengths else ""),
        ("widths", _span(found.widths) + unit if found.widths else ""),
        ("bad channels", _listed(bad)),
        ("nodata", _entries([" or ".join(map(str, each)) for each in found.nodata])),
        ("valid range", _entries([each and _span(each) for each in found.valid_range])),
        ("scale", _entries(found.scale)),
        ("offset", _entries(found.offset)),
        ("unit", _shortened(found.unit)),
        ("georeference", ", ".join(filter(None, georeference))),
        ("history", _shortened(found.history)),
        ("attributes", _listed(list(found.attributes))),
    ]
    return [(name, text) for name, text in entries if text]


def metadata_document(found: Metadata) -> dict[str, Any]:
    """Return the metadata in types of JSON."""
    return {
        "wavelengths": _plain(found.wavelengths),
        "wavelength_unit": found.wavelength_unit or None,
        "widths": _plain(found.widths),
        "good": list(found.good),
        "nodata": _plain(found.nodata),
        "valid_range": _plain(found.valid_range),
        "scale": _plain(found.scale),
        "offset": _plain(found.offset),
        "unit": found.unit or None,
        "transform": _plain(found.georeference.transform),
        "crs": found.georeference.crs or None,
        "history": found.history or None,
        "attributes": {name: _plain(each.value) for name, each in found.attributes.items()},
    }


def _span(numbers: Sequence[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _entries(entries: Sequence[Any]) -> str:
    """Write one entry, or those of all channels."""
    return _listed(["none" if each is None else str(each) for each in entries])


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_SHOWN
    shown = ", ".join(map(_shortened, texts[:_MOST_SHOWN]))
    return f"{shown} and {more} more" if more > 0 else shown


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def _plain(value: Any) -> Any:
    """Convert a value to types of JSON; NaN and infinity become text."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, (list, tuple)):
        return [_plain(each) for each in plain]
    return str(plain) if isinstance(plain, float) and not isfinite(plain) else plain
