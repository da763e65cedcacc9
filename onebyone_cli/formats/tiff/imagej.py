"""The axes that ImageJ and tifffile write into the description of the first page."""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING

from onebyone_cli.formats.tiff.labels import Labels, without_ones
from onebyone_cli.formats.tiff.tags import Tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.formats.tiff.directory import Directory

#: Most planes that a description may promise.
_MOST_PLANES = 1 << 24


def imagej_labels(first: Directory, text: str, pages: int) -> Labels | None:
    """Read what ImageJ writes: lines such as ``channels=2``."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def number(name: str) -> int:
        return (
            int(said[name]) if said.get(name, "").isascii() and said.get(name, "").isdigit() else 1
        )

    images = number("images")
    sizes = number("frames"), number("slices"), number("channels")
    together = images if pages == 1 and 1 < images < _MOST_PLANES else 0
    # ImageJ calls any stack slices, channels too, until someone makes it a hyperstack.
    if prod(sizes) != images or (said.get("hyperstack") != "true" and sizes[2] == 1):
        sizes = (1, 1, images)
    if images not in (pages, together) or images == 1:
        return None
    labels = Labels("ImageJ", *without_ones("TZC", sizes), together=together)
    return labels._replace(channels=_imagej_names(first, images, labels))


def _imagej_names(first: Directory, images: int, labels: Labels) -> tuple[str, ...]:
    """Return the labels of the slices of an ImageJ stack, if they are those of channels."""
    channels = dict(zip(labels.axes, labels.sizes, strict=True)).get("C", 1)
    found = imagej_slice_labels(first)
    if len(found) != images or labels.axes[-1:] != "C":
        return ()
    names = found[:channels]
    repeated = all(found[at] == names[at % channels] for at in range(images))
    return names if repeated and all(names) and len(set(names)) == channels else ()


def imagej_slice_labels(first: Directory) -> tuple[str, ...]:
    """Return the labels that ImageJ gives to slices; empty if there are none."""
    counts, data = first.integers(Tag.IMAGEJ_COUNTS), first.data(Tag.IMAGEJ_DATA)
    order = first.file.order
    if len(counts) < 2 or counts[0] < 12 or data[:4] not in (b"IJIJ", b"JIJI"):
        return ()
    kinds = []
    for at in range(4, counts[0], 8):
        kind = data[at : at + 4]
        kind = kind if order == ">" else kind[::-1]
        kinds.append(
            (kind, int.from_bytes(data[at + 4 : at + 8], "big" if order == ">" else "little"))
        )
    start, sizes = counts[0], iter(counts[1:])
    found: list[str] = []
    for kind, number in kinds:
        for _, size in zip(range(number), sizes, strict=False):
            if kind == b"labl":
                code = "utf-16-be" if order == ">" else "utf-16-le"
                found.append(data[start : start + size].decode(code, "replace"))
            start += size
    return tuple(found)


def shaped_labels(text: str, pages: int) -> Labels | None:
    """Read what tifffile writes: ``{"shape": [4, 2, 32, 40], "axes": "ZCYX"}``."""
    try:
        said = json.loads(text)
        shape = [int(size) for size in said["shape"]]
        axes = str(said.get("axes", ""))
        truncated = bool(said.get("truncated"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if any(size < 1 for size in shape) or len(shape) < 3:
        return None
    names = _texts(said)
    if len(axes) != len(shape):
        axes = "N" * (len(shape) - 3) + "CYX" if len(shape) > 2 else ""
    # The axes before a page are those whose sizes are the number of pages.
    before, found = 0, 1
    total = pages if pages > 1 or not truncated else _planes(shape, axes)
    while before < len(shape) and found < total:
        found *= shape[before]
        before += 1
    if found != total or total >= _MOST_PLANES or total == 1:
        return None
    return Labels(
        "tifffile",
        *without_ones(axes[:before].upper().replace("I", "C").replace("Q", "N"), shape[:before]),
        channels=names,
        together=total if pages == 1 else 0,
    )


def _planes(shape: list[int], axes: str) -> int:
    return prod(size for size, axis in zip(shape, axes.upper(), strict=True) if axis not in "YXS")


def _texts(said: Mapping[str, object]) -> tuple[str, ...]:
    channel = said.get("Channel")
    names = channel.get("Name") if isinstance(channel, dict) else said.get("channels")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return ()
