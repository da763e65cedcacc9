"""The axes of the pages of a file, as ImageJ, tifffile or MetaMorph write them.

Those of OME-XML are in `ome`.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Any

from onebyone_cli.formats.tiff.frames import Labels
from onebyone_cli.formats.tiff.ome import ome_labels
from onebyone_cli.formats.tiff.page import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffPage

#: Most planes that a description may promise.
_MOST_PLANES = 1 << 24

_DESCRIPTION, _STK_PLANES, _IMAGEJ = 270, 33629, 50839


def labels_of(first: TiffPage, pages: int) -> Labels | None:
    """Return what a file tells about the axes of its pages; None if that is nothing.

    Parameters
    ----------
    first : TiffPage
    pages : int
        Number of full pages.
    """
    stack = first.tags.get(_STK_PLANES)
    if stack is not None and stack.count > 1 and pages == 1:
        return Labels("MetaMorph", "C", (stack.count,), together=stack.count)
    said = text(first, _DESCRIPTION)
    if said.startswith("ImageJ="):
        return _imagej_labels(first, said, pages)
    if said.startswith("{"):
        return _shaped_labels(said, pages)
    if said[-10:].endswith("OME>"):
        return ome_labels(said, pages)
    return None


def _labels(source: str, axes: str, sizes: Sequence[int], **more: Any) -> Labels:
    """Return labels without axes of size 1."""
    kept = [(axis, size) for axis, size in zip(axes, sizes, strict=True) if size > 1]
    return Labels(
        source, "".join(axis for axis, _ in kept), tuple(size for _, size in kept), **more
    )


def _imagej_labels(first: TiffPage, said: str, pages: int) -> Labels | None:
    """Read what ImageJ writes: lines such as ``channels=2``."""
    from tifffile.tifffile import imagej_description_metadata

    found = imagej_description_metadata(said)
    images, *sizes = (
        value if type(value := found.get(name)) is int and value > 0 else 1
        for name in ("images", "frames", "slices", "channels")
    )
    together = images if pages == 1 and 1 < images < _MOST_PLANES else 0
    # ImageJ calls any stack slices, channels too, until someone makes it a hyperstack.
    if prod(sizes) != images or (found.get("hyperstack") is not True and sizes[2] == 1):
        sizes = [1, 1, images]
    if images not in (pages, together) or images == 1:
        return None
    names = _imagej_names(first, images, sizes[2])
    return _labels("ImageJ", "TZC", sizes, together=together, channels=names)


def _imagej_names(first: TiffPage, images: int, channels: int) -> tuple[str, ...]:
    """Return the labels of the slices of an ImageJ stack, if they are those of channels."""
    said = first.tags.valueof(_IMAGEJ)
    found = said.get("Labels") if isinstance(said, dict) else None
    if not isinstance(found, list) or len(found) != images or channels == 1:
        return ()
    names = tuple(found[:channels])
    repeated = all(found[at] == names[at % channels] for at in range(images))
    return names if repeated and all(names) and len(set(names)) == channels else ()


def _shaped_labels(said: str, pages: int) -> Labels | None:
    """Read what tifffile writes: ``{"shape": [4, 2, 32, 40], "axes": "ZCYX"}``."""
    try:
        found = json.loads(said)
        shape = [int(size) for size in found["shape"]]
        axes = str(found.get("axes", "")).upper()
        truncated = bool(found.get("truncated"))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    if len(shape) < 3 or min(shape) < 1:
        return None
    if len(axes) != len(shape):
        axes = "N" * (len(shape) - 3) + "CYX"
    # The axes before a page are those whose sizes are the number of pages.
    before, count = 0, 1
    planes = (size for size, axis in zip(shape, axes, strict=True) if axis not in "YXS")
    total = pages if pages > 1 or not truncated else prod(planes)
    while before < len(shape) and count < total:
        count *= shape[before]
        before += 1
    if count != total or total >= _MOST_PLANES or total == 1:
        return None
    letters = axes[:before].replace("I", "C").replace("Q", "N")
    channel = found.get("Channel")
    names = channel.get("Name") if isinstance(channel, dict) else found.get("channels")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = []
    return _labels(
        "tifffile",
        letters,
        shape[:before],
        channels=tuple(names),
        together=total if pages == 1 else 0,
    )
