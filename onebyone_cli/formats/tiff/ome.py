"""OME-XML: which page is which plane of the first image, and the names of its channels.

The series of tifffile open other files that the text names, and allocate the planes that it claims.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

from onebyone_cli.formats.tiff.frames import Labels
from onebyone_cli.formats.tiff.gdal import DOCTYPE

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def ome_labels(text: str, pages: int) -> Labels | None:
    """Return the axes that OME-XML tells; None if it does not fit the `pages` of the file."""
    from xml.etree.ElementTree import ParseError, fromstring

    if DOCTYPE.search(text):
        return None
    try:
        pixels = next(each for each in fromstring(text).iter() if _name(each) == "Pixels")
        return _labels(pixels, pages)
    except (ParseError, StopIteration, ValueError, LookupError):
        return None


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _labels(pixels: Element, pages: int) -> Labels | None:
    channels = [each for each in pixels if _name(each) == "Channel"]
    samples = max((int(each.get("SamplesPerPixel", "1")) for each in channels), default=1)
    order = pixels.attrib["DimensionOrder"][2:][::-1]
    sizes = {axis: int(pixels.attrib[f"Size{axis}"]) for axis in "ZCT"}
    sizes["C"] //= samples
    shape = tuple(sizes[axis] for axis in order)
    if min(shape) < 1 or prod(shape) > pages:
        return None
    places = _places(pixels, order, shape, pages)
    if not all(0 <= at < pages for at in places):
        return None
    named = tuple(each.get("Name", "") for each in channels)
    names = named if all(named) and len(set(named)) == len(named) == sizes["C"] * samples else ()
    kept = [axis for axis in order if sizes[axis] > 1]
    return Labels(
        "OME-XML",
        "".join(kept),
        tuple(sizes[axis] for axis in kept),
        names,
        () if places == list(range(pages)) else tuple(places),
    )


def _places(pixels: Element, order: str, shape: tuple[int, ...], pages: int) -> list[int]:
    """Return the page of each plane, by its place along the axes in `order`; -1 for none."""
    planes = list(product(*map(range, shape)))
    number_of = {place: number for number, place in enumerate(planes)}
    datas = [each for each in pixels if _name(each) == "TiffData"]
    if not datas:
        return list(range(len(planes)))
    found = dict.fromkeys(planes, -1)
    total = 0
    for data in datas:
        if any(each.get("FileName") for each in data) and len(datas) > pages:
            return [-1]  # planes of other files
        page, given = int(data.get("IFD", "0")), data.get("PlaneCount")
        # Without a number it is one plane if a page is named, and else all of them.
        count = int(given) if given else (1 if "IFD" in data.attrib else pages)
        total += max(1, count)
        if total > 4 * pages + len(datas):
            return [-1]
        start = number_of[tuple(int(data.get(f"First{axis}", "0")) for axis in order)]
        for place, at in zip(planes[start:], range(page, page + count), strict=False):
            found[place] = at
    return list(found.values())
