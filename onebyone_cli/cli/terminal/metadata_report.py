"""Show the metadata of a file, as lines and for programs."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from onebyone_cli.formats.contracts.metadata import Metadata

#: Most names of attributes, and letters of a text, in a line.
_MOST_SHOWN = 8
_LONGEST_SHOWN = 60


def metadata_lines(said: Metadata) -> list[tuple[str, str]]:
    """Return (word, text) of each entry except channel names."""
    unit = f" {said.wavelength_unit}" if said.wavelength_unit else ""
    bad = [str(at) for at, good in enumerate(said.good) if not good]
    georeference = [
        f"corner {said.georeference.transform[0]:g}, {said.georeference.transform[3]:g}"
        if said.georeference.transform
        else "",
        _shortened(said.georeference.crs),
    ]
    found = [
        ("wavelengths", _span(said.wavelengths) + unit if said.wavelengths else ""),
        ("widths", _span(said.widths) + unit if said.widths else ""),
        ("bad channels", _listed(bad)),
        ("nodata", _entries(said.nodata)),
        ("valid range", _entries([each and _span(each) for each in said.valid_range])),
        ("scale", _entries(said.scale)),
        ("offset", _entries(said.offset)),
        ("unit", _shortened(said.unit)),
        ("georeference", ", ".join(filter(None, georeference))),
        ("history", _shortened(said.history)),
        ("attributes", _listed(list(said.attributes))),
    ]
    return [(name, text) for name, text in found if text]


def metadata_document(said: Metadata) -> dict[str, Any]:
    """Return the metadata in types of JSON."""
    return {
        "wavelengths": _plain(said.wavelengths),
        "wavelength_unit": said.wavelength_unit or None,
        "widths": _plain(said.widths),
        "good": list(said.good),
        "nodata": _plain(said.nodata),
        "valid_range": _plain(said.valid_range),
        "scale": _plain(said.scale),
        "offset": _plain(said.offset),
        "unit": said.unit or None,
        "transform": _plain(said.georeference.transform),
        "crs": said.georeference.crs or None,
        "history": said.history or None,
        "attributes": {name: _plain(each.value) for name, each in said.attributes.items()},
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
