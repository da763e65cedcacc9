"""OME-XML: which page is which plane of the first image, and the names of its channels."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

from onebyone_cli.formats.tiff.labels import DOCTYPE, Labels

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    placed = _placed(pixels, order, sizes, pages)
    places = [placed.get(place, -1) for place in product(*(range(size) for size in shape))]
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


def _placed(
    pixels: Element, order: str, sizes: dict[str, int], pages: int
) -> dict[tuple[int, ...], int]:
    """Return the page of each plane, by its place along the axes in `order`."""
    found: dict[tuple[int, ...], int] = {}
    total = 0
    datas = [each for each in pixels if _name(each) == "TiffData"]
    for data in datas:
        if any(each.get("FileName") for each in data) and len(datas) > pages:
            return {}  # planes of other files
        first = {axis: int(data.get(f"First{axis}", "0")) for axis in "ZCT"}
        page = int(data.get("IFD", "0"))
        given = data.get("PlaneCount")
        # Without a number it is one plane if a page is named, and else all of them.
        count = int(given) if given else (1 if "IFD" in data.attrib else pages)
        total += max(1, count)
        if total > 4 * pages + len(datas):
            return {}
        for place, at in zip(_from(first, order, sizes), range(page, page + count), strict=False):
            found[place] = at
    return found if datas else dict(zip(_from({}, order, sizes), range(pages), strict=False))


def _from(first: dict[str, int], order: str, sizes: dict[str, int]) -> Iterator[tuple[int, ...]]:
    """Yield the places along the axes in `order`, from the given one on."""
    start = 0
    for axis in order:
        start = start * sizes[axis] + first.get(axis, 0)
    for number in range(start, prod(sizes.values())):
        place, left = [], number
        for axis in reversed(order):
            left, at = divmod(left, sizes[axis])
            place.append(at)
        yield tuple(reversed(place))
