"""What a TIFF file says about its numbers, besides their size and type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.folders.naming import stem_of, wavelengths_in
from onebyone_cli.formats.tiff.gdal import METADATA, NODATA, parse_metadata, parse_nodata
from onebyone_cli.formats.tiff.geo import read_georeference
from onebyone_cli.formats.tiff.page import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffPage

    from onebyone_cli.formats.tiff.frames import Frames, Labels
    from onebyone_cli.formats.tiff.page import Page
    from onebyone_cli.spec import StackSpec


def describe(
    first: TiffPage,
    pages: Sequence[Page],
    frames: Frames,
    labels: Labels | None,
    spec: StackSpec,
    path: str,
) -> Metadata:
    """Return the metadata of a stack.

    Parameters
    ----------
    first : TiffPage
        It speaks for all.
    pages : sequence of Page
        All full pages of the file.
    frames : Frames
    labels : Labels or None
    spec : StackSpec
    path : str
        Of the file.
    """
    said = parse_metadata(text(first, METADATA), spec)
    origins = dict(said.origins)
    nodata = parse_nodata(text(first, NODATA))
    if nodata is not None:
        said = said._replace(nodata=((nodata,),))
        origins["nodata"] = "GDAL_NODATA"
    names, source = _names(pages, frames, labels, spec)
    if names and not any(said.channels):
        said = said._replace(channels=names)
        origins["channels"] = source
    elif said.channels and not all(said.channels):
        named = [name or f"band {at + 1}" for at, name in enumerate(said.channels)]
        said = said._replace(channels=tuple(named) if any(said.channels) else ())
    if spec.channels == 1 and not said.wavelengths:
        said = _named_by_file(said, path)
    reference, carried = read_georeference(first)
    if reference.transform or reference.crs:
        origins["georeference"] = "GeoTIFF"
    return said._replace(
        georeference=reference, attributes={**said.attributes, **carried}, origins=origins
    )


def _names(
    pages: Sequence[Page], frames: Frames, labels: Labels | None, spec: StackSpec
) -> tuple[tuple[str, ...], str]:
    """Return names of channels that GDAL does not give, and who gives them."""
    if labels is not None and len(labels.channels) == spec.channels > 1:
        return labels.channels, labels.source
    own = frames.pages[0]
    if len(own) == spec.channels > 1 and own[-1] < len(pages):
        found = [pages[at].name for at in own]
        if all(found) and len(set(found)) == len(found):
            return tuple(found), "PageName"
    return (), ""


def _named_by_file(said: Metadata, path: str) -> Metadata:
    """Add the wavelength that the name of a file of one channel contains."""
    found = wavelengths_in([stem_of(path)])
    return said._replace(wavelengths=found, wavelength_unit="nm") if found else said
