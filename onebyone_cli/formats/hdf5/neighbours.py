"""What stands near a dataset: coordinates, tables of channels, attributes of its groups.

Wavelengths are often a dataset of their own, beside the cube or in a group of metadata. Only small
plain datasets of this file are read, and only if their name or place says what they are.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import OneByOneError
from onebyone_cli.formats.contracts.attributes import Near, field_of, normalised
from onebyone_cli.formats.contracts.cf import is_of_group, unit_of
from onebyone_cli.formats.hdf5 import coordinates
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.find import open_object
from onebyone_cli.formats.hdf5.reading import attributes_near, read_entries
from onebyone_cli.formats.hdf5.search import Link, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.hdf5.reading import Place

#: Fields whose values are texts.
_TEXTS = ("channels",)


def find_near(place: Place, attributes: dict[str, Any]) -> list[Near]:
    """Return what stands near a dataset, the nearest first.

    `attributes` are those of the dataset; a coordinate of the channels without a known name is
    added to them.
    """
    found = list(coordinates.of_channels(place, attributes))
    found += _of_datasets(place, attributes)
    found += _of_groups(place)
    found += coordinates.of_grid_mapping(place, attributes)
    return found


def _of_datasets(place: Place, attributes: dict[str, Any]) -> Iterator[Near]:
    """Read the datasets with an entry per channel whose name is that of a field.

    One with an entry per row or column instead tells that the order of axes may be another; it is
    added to the attributes.
    """
    h5py = load_h5py()
    by_name: dict[str, list[tuple[int, str]]] = {}
    beside: list[str] = []
    with suppress(OneByOneError):  # too many objects
        for name, _, _, kind in walk(place.root, ""):
            if isinstance(kind, Link) or kind != h5py.h5o.TYPE_DATASET:
                continue
            last, steps = name.rpartition("/")[2], _distance(place.name, name)
            if field_of(last):
                by_name.setdefault(normalised(last), []).append((steps, name))
            elif steps == 0:
                beside.append(name)
    found = list(_nearest(place, by_name))
    yield from found
    for entries in by_name.values() if not found else ():
        _, name = min(entries)
        dataset = open_object(place.root, name)
        for size in (place.spec.width, place.spec.height):
            value = read_entries(dataset, size)
            if value is not None:
                attributes.setdefault(name.rpartition("/")[2], value)
    lists = [each for each in (_texts(place, name) for name in beside) if each is not None]
    if len(lists) == 1 and place.spec.channels not in (place.spec.height, place.spec.width):
        yield lists[0]


def _texts(place: Place, name: str) -> Near | None:
    """Read a list of texts, whatever its name."""
    dataset = open_object(place.root, name)
    h5py = load_h5py()
    if not isinstance(dataset, h5py.h5d.DatasetID):
        return None
    is_text = dataset.get_type().get_class() == h5py.h5t.STRING
    value = read_entries(dataset, place.spec.channels) if is_text else None
    return Near("channels", value, name) if isinstance(value, list) else None


def _nearest(place: Place, by_name: dict[str, list[tuple[int, str]]]) -> Iterator[Near]:
    """Read the nearest dataset of each name; nothing where two as near differ."""
    for entries in by_name.values():
        near: dict[int, list[Near]] = {}
        for steps, name in sorted(entries):
            read = _named(place, name)
            if read is not None:
                near.setdefault(steps, []).append(read)
        equals = next(iter(near.values()), [])
        # Two tables as near as each other may be of two instruments.
        if equals and all(np.array_equal(each.value, equals[0].value) for each in equals):
            yield equals[0]


def _named(place: Place, name: str) -> Near | None:
    """Read a dataset of a known name; None if it has no entry per channel."""
    dataset = open_object(place.root, name)
    last = name.rpartition("/")[2]
    value = read_entries(dataset, place.spec.channels)
    if value is None or isinstance(value, list) != (field_of(last) in _TEXTS):
        return None
    return Near(last, value, name, unit_of(attributes_near(dataset)))


def _of_groups(place: Place) -> Iterator[Near]:
    """Read attributes of the groups that hold the dataset."""
    for path in place.groups:
        for name, value in attributes_near(open_object(place.root, path)).items():
            if is_of_group(name):
                yield Near(name, value, f"{name} of {path}")


def _distance(one: str, other: str) -> int:
    """Return the number of steps between two paths."""
    first, second = one.strip("/").split("/")[:-1], other.strip("/").split("/")[:-1]
    same = 0
    while same < min(len(first), len(second)) and first[same] == second[same]:
        same += 1
    return len(first) + len(second) - 2 * same
