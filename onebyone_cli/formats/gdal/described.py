"""What a dataset of GDAL says about its numbers, besides their size and type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.contracts.attributes import metadata_of, names_channels, normalised
from onebyone_cli.formats.contracts.metadata import Georeference, Metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.spec import StackSpec

#: Items that describe the file, not its numbers, or that are no longer true of an output.
_OF_FILE = ("AREA_OR_POINT", "INTERLEAVE", "OVR_RESAMPLING_ALG")
_OF_FILES = ("TIFFTAG_", "STATISTICS_", "INTERNAL_MASK_FLAGS", "NODATA_VALUES", "JPEG_QUALITY")

#: Names of `attributes.metadata_of` for items of the domain IMAGERY.
_IMAGERY = {"CENTRAL_WAVELENGTH_UM": "wavelength", "FWHM_UM": "fwhm"}

#: Fields of an ENVI header that its driver says in no other way.
_OF_ENVI = ("wavelength", "wavelength_units", "fwhm", "bbl", "data_ignore_value", "band_names")

_IDENTITY = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

_BY_GDAL = "GDAL"


def describe(dataset: Any, spec: StackSpec) -> Metadata:
    """Return the metadata of a ``rasterio.DatasetReader``; each band is a channel."""
    said = metadata_of(_items(dataset, spec), spec)
    nodata = tuple(() if each is None else (each,) for each in dataset.nodatavals)
    fields: dict[str, Any] = {
        "channels": _names(dataset.descriptions),
        "nodata": _once(nodata) if any(nodata) else (),
        "scale": _once(dataset.scales) if set(dataset.scales) - {1.0} else (),
        "offset": _once(dataset.offsets) if set(dataset.offsets) - {0.0} else (),
        "unit": "" if len(set(dataset.units)) > 1 else dataset.units[0] or "",
        "georeference": _georeference(dataset),
    }
    known = {name: value for name, value in fields.items() if value and value != Georeference()}
    return said._replace(**known, origins={**said.origins, **dict.fromkeys(known, _BY_GDAL)})


def _names(descriptions: tuple[str | None, ...]) -> tuple[str, ...]:
    named = tuple(name or f"band {at + 1}" for at, name in enumerate(descriptions))
    return named if any(descriptions) else ()


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return one entry where those of all bands are equal; NaN equals NaN."""
    return values[:1] if len({repr(each) for each in values}) == 1 else values


def _items(dataset: Any, spec: StackSpec) -> dict[str, Any]:
    """Return the items of the file and, as lists, those that all its bands have."""
    values: dict[str, Any] = {
        name: text for name, text in dataset.tags().items() if not _is_of_file(name)
    }
    of_envi = dataset.tags(ns="ENVI")
    values |= {name: _listed(of_envi[name]) for name in _OF_ENVI if name in of_envi}
    bands = [_items_of_band(dataset, band) for band in dataset.indexes]
    for name in bands[0]:
        found = [each[name] for each in bands if name in each]
        if len(found) < spec.channels:
            continue
        values[name] = found if names_channels(name) or len(set(found)) > 1 else found[0]
    return values


def _items_of_band(dataset: Any, band: int) -> dict[str, str]:
    imagery: Mapping[str, str] = dataset.tags(band, ns="IMAGERY")
    named = {name: imagery[old] for old, name in _IMAGERY.items() if old in imagery}
    if named:
        named["wavelength_units"] = "µm"
    own: Mapping[str, str] = dataset.tags(band)
    return named | {name: text for name, text in own.items() if not _is_of_file(name)}


def _is_of_file(name: str) -> bool:
    # GDAL's driver of ENVI repeats the names of bands as items of the file.
    repeated = normalised(name.rstrip("0123456789")) == "band"
    return name in _OF_FILE or name.startswith(_OF_FILES) or repeated


def _listed(text: str) -> Any:
    """Return a value of an ENVI header in braces as a list."""
    return text[1:-1].split(",") if text.startswith("{") else text


def _georeference(dataset: Any) -> Georeference:
    """Return transform and reference system; a file without either has GDAL's identity."""
    transform = tuple(map(float, dataset.transform.to_gdal()))
    crs = "" if dataset.crs is None else dataset.crs.to_wkt()
    return Georeference(() if transform == _IDENTITY else transform, crs)
