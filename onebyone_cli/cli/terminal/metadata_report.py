"""Show the metadata of a file and what commands do with it, as lines and for programs."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from onebyone_cli.formats.contracts.attributes import normalised
from onebyone_cli.formats.contracts.metadata import Attribute, Metadata
from onebyone_cli.spec import StackSpec

#: Most entries of a list, attributes, and letters of a text, in a line.
_MOST_SHOWN = 8
_MOST_ATTRIBUTES = 20
_LONGEST_SHOWN = 60

#: Normalised names of scales and offsets that are not those of CF, and what is known of them.
_NOT_APPLIED = {
    "reflectancescalefactor": "a divisor of ENVI",
    "datagainvalues": "radiance gains of ENVI",
    "dataoffsetvalues": "radiance offsets of ENVI",
    "datareflectancegainvalues": "reflectance gains of ENVI",
    "datareflectanceoffsetvalues": "reflectance offsets of ENVI",
    **dict.fromkeys(
        ("scalefactor", "datascale", "scale", "scaling", "scalingfactor", "datascalefactor"), ""
    ),
    **dict.fromkeys(
        ("addoffset", "dataoffset", "offset", "gain", "gains", "slope", "intercept"), ""
    ),
}


def metadata_lines(found: Metadata, spec: StackSpec) -> list[tuple[str, str]]:
    """Return (word, text) of each entry except channel names."""
    unit = f" {found.wavelength_unit}" if found.wavelength_unit else ""
    entries = [
        ("wavelengths", _span(found.wavelengths, unit) + _from(found, "wavelengths")),
        ("widths", _span(found.widths, unit) + _from(found, "widths")),
        ("bad channels", _bad(found)),
        ("nodata", _nodata(found, spec)),
        ("valid range", _valid_range(found)),
        ("scale", _scale(found)),
        *((name, _not_applied(name, each)) for name, each in not_applied(found).items()),
        ("unit", _shortened(found.unit)),
        ("position", _position(found)),
        ("history", _history(found.history)),
        ("attributes", _attributes(found)),
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
        "origins": dict(found.origins),
        "not_applied": list(not_applied(found)),
    }


def not_applied(found: Metadata) -> dict[str, Attribute]:
    """Return the attributes that look like a scale or offset and are not applied."""
    return {
        name: each for name, each in found.attributes.items() if normalised(name) in _NOT_APPLIED
    }


def ranges(indices: Sequence[int]) -> str:
    """Write indices as ``--channels`` takes them.

    >>> ranges([3, 6, 7, 8])
    '3, 6:9'
    """
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([index, index + 1])
    return ", ".join(str(a) if b == a + 1 else f"{a}:{b}" for a, b in runs)


def bad_channels(found: Metadata) -> list[int]:
    """Return the indices of the channels that the bad band list names."""
    return [at for at, good in enumerate(found.good) if not good]


def _bad(found: Metadata) -> str:
    bad = bad_channels(found)
    if not found.good:
        return ""
    text = f"{len(bad)} of {len(found.good)}" + (f": {ranges(bad)}" if bad else "")
    return f"{text}{_from(found, 'good')}; --channels good leaves them out" if bad else text


def _nodata(found: Metadata, spec: StackSpec) -> str:
    if not any(found.nodata):
        return ""
    from onebyone_cli.operations.meaning import holds

    each = [" or ".join(map(_number, values)) or "none" for values in found.nodata]
    values = [value for entry in found.nodata for value in entry]
    is_held = any(holds(spec.dtype, value) for value in values)
    use = "used" if is_held else f"not used, since {spec.dtype} can't hold it"
    return f"{_listed(each)}{_from(found, 'nodata')}: {use}"


def _valid_range(found: Metadata) -> str:
    if not found.valid_range:
        return ""
    from onebyone_cli.operations.meaning import range_text

    each = ["any" if pair is None else range_text(*pair) for pair in found.valid_range]
    return f"{_listed(each)}{_from(found, 'valid_range')}: numbers outside are invalid"


def _scale(found: Metadata) -> str:
    scale = _listed(list(map(_number, found.scale))) or "1"
    offset = _listed(list(map(_number, found.offset))) or "0"
    if not (found.scale or found.offset):
        return ""
    origins = dict.fromkeys(
        found.origins[each] for each in ("scale", "offset") if each in found.origins
    )
    source = f" ({', '.join(origins)})" if origins else ""
    return f"{scale}, offset {offset}{source}: applied"


def _not_applied(name: str, attribute: Attribute) -> str:
    numbers = _plain(attribute.value)
    listed = numbers if isinstance(numbers, list) else [numbers]
    known = _NOT_APPLIED[normalised(name)]
    is_divisor = all(isinstance(each, (int, float)) and each > 1 for each in listed)
    what = known or f"a {'divisor' if is_divisor else 'number'} that no convention defines"
    return f"{_value(attribute.value)}: {what}; not applied"


def _position(found: Metadata) -> str:
    transform, crs = found.georeference
    texts = []
    if transform:
        x, dx, sheared, y, turned, dy = transform
        texts.append(f"corner {_number(x)}, {_number(y)}")
        texts.append(
            "rotated" if sheared or turned else f"pixels of {_number(abs(dx))} × {_number(abs(dy))}"
        )
    if crs:
        texts.append(_shortened(crs))
    return ", ".join(texts) + (_from(found, "georeference") if texts else "")


def _history(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    more = f"; {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{_shortened(lines[-1])}{more}" if lines else ""


def _attributes(found: Metadata) -> str:
    told = not_applied(found)
    rest = [(name, each.value) for name, each in found.attributes.items() if name not in told]
    shown = [f"{_shortened(name)} {_value(value)}" for name, value in rest[:_MOST_ATTRIBUTES]]
    more = len(rest) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _from(found: Metadata, field: str) -> str:
    """Return where the file says it, in brackets; nothing for a field that is not set."""
    origin = found.origins.get(field, "")
    return f" ({_shortened(origin)})" if origin and getattr(found, field) else ""


def _span(numbers: Sequence[float], unit: str) -> str:
    if not numbers:
        return ""
    first, last = numbers[0], numbers[-1]
    low, high = min(numbers), max(numbers)
    text = f"{first:g}" if low == high else f"{first:g} to {last:g}"
    outside = (low, high) not in ((first, last), (last, first))
    return f"{text}{unit}" + (f", from {low:g} to {high:g} in another order" if outside else "")


def _number(number: float) -> str:
    return f"{number:.10g}" if isinstance(number, float) else str(number)


def _listed(texts: Sequence[str]) -> str:
    different = dict.fromkeys(texts)
    if len(texts) > 1 and len(different) == 1:
        return f"{texts[0]} in all channels"
    more = len(texts) - _MOST_SHOWN
    shown = ", ".join(map(_shortened, texts[:_MOST_SHOWN]))
    return f"{shown} and {more} more" if more > 0 else shown


def _value(value: Any) -> str:
    """Write the value of an attribute, shortened."""
    plain = _plain(value)
    items = plain if isinstance(plain, list) else [plain]
    return _listed([_number(each) if isinstance(each, float) else str(each) for each in items])


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def _plain(value: Any) -> Any:
    """Convert a value to types of JSON; NaN and infinity become text."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, (list, tuple)):
        return [_plain(each) for each in plain]
    return str(plain) if isinstance(plain, float) and not isfinite(plain) else plain
