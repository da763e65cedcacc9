"""What stands near a dataset: coordinates, tables of channels, attributes of its groups.

Wavelengths are often a dataset of their own, beside the cube or in a group of metadata. Only small
plain datasets of this file are read, and only if their name or place says what they are.
"""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import OneByOneError
from onebyone_cli.formats.contracts.attributes import Near, field_of, normalised
from onebyone_cli.formats.contracts.coordinates import even_transform
from onebyone_cli.formats.hdf5.attributes import UNREADABLE, plain_value, read_attributes
from onebyone_cli.formats.hdf5.dimensions import has_scales
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.find import open_object
from onebyone_cli.formats.hdf5.search import Link, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.spec import StackSpec

#: Largest dataset that is read, and largest chunk of one.
_MOST_BYTES = 1 << 20

#: Group attributes that may describe the channels of a dataset in the group.
_OF_GROUPS = ("wavelengthunits", "wavelengthunit", "history")

#: Fields whose values are texts.
_TEXTS = ("channels",)

#: Begins the name of a dimension of netCDF without numbers.
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"


class Place(NamedTuple):
    """A dataset and how its axes are read.

    Attributes
    ----------
    root : h5py.h5g.GroupID
    name : str
        Path in the file.
    dataset : h5py.h5d.DatasetID
    axes : str
        A letter for each axis as stored; see `axes.stored_axes`.
    spec : StackSpec
    """

    root: Any
    name: str
    dataset: Any
    axes: str
    spec: StackSpec

    def coordinates(self, axis: str) -> list[tuple[str, Any]]:
        """Return the names and datasets of the dimension scales of an axis of the stack."""
        h5py = load_h5py()
        found: list[tuple[str, Any]] = []

        def take(scale: Any) -> None:
            name = (h5py.h5i.get_name(scale) or b"").decode("utf-8", "replace")
            # The handle is closed after the call.
            found.append((name, h5py.h5o.open(self.root, name.encode())))

        has_axes = axis in self.axes and self.dataset.rank == len(self.axes)
        if has_axes and has_scales(self.dataset):
            with suppress(*UNREADABLE):
                h5py.h5ds.iterate(self.dataset, self.axes.index(axis), take, 0)
        return found


def find_near(place: Place, attributes: dict[str, Any]) -> list[Near]:
    """Return what stands near a dataset, the nearest first.

    `attributes` are those of the dataset; a coordinate of the channels without a known name is
    added to them.
    """
    found = list(_of_coordinates(place, attributes))
    found += _of_datasets(place, attributes)
    found += _of_groups(place)
    found += _of_grid_mapping(place, attributes)
    return found


def _of_coordinates(place: Place, attributes: dict[str, Any]) -> Iterator[Near]:
    """Read the coordinates of the axis of channels."""
    h5py = load_h5py()
    for name, dataset in place.coordinates("C"):
        value = _read(dataset, place.spec.channels)
        if value is None or h5py.h5ds.get_scale_name(dataset).startswith(_NO_VARIABLE):
            continue
        said = _attributes(dataset)
        last, unit = name.rpartition("/")[2], _unit(said)
        is_length = str(said.get("standard_name", "")).endswith("wavelength")
        if isinstance(value, list):
            yield Near("channels", value, name)
        elif field_of(last) or is_length:
            yield Near(last if field_of(last) else "wavelength", value, name, unit)
        else:
            attributes.setdefault(last, value)


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
            value = _read(dataset, size)
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
    value = _read(dataset, place.spec.channels) if is_text else None
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
    value = _read(dataset, place.spec.channels)
    if value is None or isinstance(value, list) != (field_of(last) in _TEXTS):
        return None
    return Near(last, value, name, _unit(_attributes(dataset)))


def _of_groups(place: Place) -> Iterator[Near]:
    """Read attributes of the groups that hold the dataset."""
    parts = place.name.strip("/").split("/")[:-1]
    for count in range(len(parts), -1, -1):
        group = open_object(place.root, "/".join(parts[:count]))
        path = "/" + "/".join(parts[:count])
        for name, value in _attributes(group).items():
            if field_of(name) or normalised(name) in _OF_GROUPS:
                yield Near(name, value, f"{name} of {path}")


def _of_grid_mapping(place: Place, attributes: dict[str, Any]) -> Iterator[Near]:
    """Read the attributes of the variable that ``grid_mapping`` names, and even coordinates."""
    said = attributes.get("grid_mapping")
    if not isinstance(said, str) or not said.strip():
        return
    name = said.split()[0].rstrip(":")
    parts = place.name.strip("/").split("/")[:-1]
    for count in range(len(parts), -1, -1):
        path = "/" + "/".join((*parts[:count], name))
        variable = open_object(place.root, path)
        if variable is None:
            continue
        for each, value in _attributes(variable).items():
            yield Near(each, value, f"{each} of {path}")
        transform = _transform(place)
        if transform:
            yield Near("GeoTransform", transform, "coordinates of rows and columns")
        return


def _transform(place: Place) -> list[float]:
    """Return the transform of even coordinates of rows and columns; empty if there is none."""
    lines = []
    for axis, size in (("W", place.spec.width), ("H", place.spec.height)):
        values = [_read(dataset, size) for _, dataset in place.coordinates(axis)]
        lines.append(next((each for each in values if isinstance(each, np.ndarray)), None))
    return even_transform(*lines)


def _distance(one: str, other: str) -> int:
    """Return the number of steps between two paths."""
    first, second = one.strip("/").split("/")[:-1], other.strip("/").split("/")[:-1]
    same = 0
    while same < min(len(first), len(second)) and first[same] == second[same]:
        same += 1
    return len(first) + len(second) - 2 * same


def _read(dataset: Any, count: int) -> Any:
    """Read numbers or texts of `count` entries along one axis; None if that is something else."""
    h5py = load_h5py()
    with suppress(*UNREADABLE):
        if not isinstance(dataset, h5py.h5d.DatasetID) or not _is_small(dataset):
            return None
        shape, dtype = tuple(dataset.shape), dataset.dtype
        if len(shape) == 2 and shape[0] == count and dtype == np.dtype("S1"):
            rows = h5py.Dataset(dataset)[()]  # NC_CHAR: a row of characters for each text
            return plain_value([b"".join(row).rstrip(b"\0 ") for row in rows])
        if prod(shape) != count or max(shape, default=1) != count:
            return None
        value = plain_value(h5py.Dataset(dataset)[()])
        if isinstance(value, np.ndarray | np.generic):
            return np.asarray(value).ravel()
        return [value] if isinstance(value, str) else value
    return None


def _is_small(dataset: Any) -> bool:
    """Whether reading a dataset takes little memory and no other file."""
    h5d = load_h5py().h5d
    plist = dataset.get_create_plist()
    kind, item = plist.get_layout(), dataset.get_type().get_size()
    if kind == h5d.VIRTUAL or plist.get_external_count():
        return False
    chunk = prod(plist.get_chunk()) * item if kind == h5d.CHUNKED else 0
    return prod(dataset.shape) * item <= _MOST_BYTES and chunk <= _MOST_BYTES


def _attributes(target: Any) -> dict[str, Any]:
    with suppress(*UNREADABLE):
        return read_attributes(target)
    return {}


def _unit(said: dict[str, Any]) -> str:
    found = next(
        (value for name, value in said.items() if normalised(name) in ("units", "unit")), ""
    )
    return found if isinstance(found, str) else ""
