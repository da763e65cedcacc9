"""OME-Zarr: the axes of an image, its channels and its resolutions, of versions 0.1 to 0.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def image_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first image that the attributes of a group describe; empty if there is none."""
    images = _ome(attributes).get("multiscales")
    first = images[0] if isinstance(images, list) and images else None
    return first if isinstance(first, dict) else {}


def full_resolution(image: Mapping[str, Any]) -> str:
    """Return the path of the array of an image with the most pixels; empty if it has none."""
    return _first_path(image.get("datasets"))


def axis_names(image: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the axes of an image; empty if there are none, as in version 0.2."""
    axes = image.get("axes")
    if not isinstance(axes, list):
        return ()
    names: list[Any] = [axis.get("name") if isinstance(axis, dict) else axis for axis in axes]
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def channel_labels(attributes: Mapping[str, Any]) -> list[str]:
    """Return the labels of the channels of an image; empty if one has none."""
    omero = _ome(attributes).get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(channels, list):
        return []
    labels: list[Any] = [each.get("label") if isinstance(each, dict) else None for each in channels]
    return labels if all(isinstance(label, str) and label for label in labels) else []


def pixel_size(image: Mapping[str, Any]) -> list[float]:
    """Return the sizes of a step along the axes of an image; empty if they are not known."""
    datasets = image.get("datasets")
    first = datasets[0] if isinstance(datasets, list) and datasets else None
    sizes: list[float] = []
    for each in (first, image):
        steps = each.get("coordinateTransformations") if isinstance(each, dict) else None
        for step in steps if isinstance(steps, list) else ():
            scale = step.get("scale") if isinstance(step, dict) else None
            if isinstance(scale, list) and all(isinstance(one, int | float) for one in scale):
                sizes = [a * b for a, b in zip(sizes or [1.0] * len(scale), scale, strict=False)]
    return sizes


def _ome(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    found = attributes.get("ome", attributes)
    return found if isinstance(found, dict) else {}


def _first_path(datasets: Any) -> str:
    first = datasets[0] if isinstance(datasets, list) and datasets else None
    path = first.get("path") if isinstance(first, dict) else None
    return path.strip("/") if isinstance(path, str) else ""
