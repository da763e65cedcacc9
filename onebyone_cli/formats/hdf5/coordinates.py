"""Coordinates of the axes of a dataset, and the grid mapping of CF."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.axes import places_of
from onebyone_cli.formats.contracts import cf
from onebyone_cli.formats.contracts.attributes import Near
from onebyone_cli.formats.contracts.coordinates import even_transform
from onebyone_cli.formats.contracts.dimensions import Dimension, described
from onebyone_cli.formats.hdf5.attributes import UNREADABLE
from onebyone_cli.formats.hdf5.axes import has_labels, label_of
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.find import open_object
from onebyone_cli.formats.hdf5.reading import attributes_near, read_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.hdf5.reading import Place

#: Begins the name of a dimension of netCDF without numbers.
NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"


class _Coordinate(NamedTuple):
    """A coordinate of an axis: path in the file, entries, and attributes."""

    name: str
    value: Any
    said: dict[str, Any]


def of_channels(place: Place, attributes: dict[str, Any]) -> Iterator[Near]:
    """Read the coordinates of the axis of channels.

    One without a known name is added to `attributes`.
    """
    for each in _coordinates(place, place.axes.find("C"), place.spec.channels):
        found = cf.of_channels(*each)
        if found is not None:
            yield found
        else:
            attributes.setdefault(each.name.rpartition("/")[2], each.value)


def read_dimensions(place: Place) -> tuple[Dimension, ...]:
    """Return the names and coordinates of the axes of a stack; empty if the file names none."""
    if not has_labels(place.dataset) or place.dataset.rank != len(place.axes):
        return ()
    places, shape = places_of(place.axes), place.spec.shape
    found = [Dimension()] * len(shape)
    for at, to in enumerate(places):
        name = ""
        with suppress(*UNREADABLE):
            name = label_of(place.dataset, at)
        size = shape[to]
        own = _coordinates(place, at, size)
        line = next((each for each in own if each.name.rpartition("/")[2] == name), None)
        found[to] = Dimension(name, size)
        if line is not None and not (isinstance(line.value, list) and place.axes[at] == "C"):
            values = line.value if isinstance(line.value, list) else line.value.tolist()
            found[to] = Dimension(name, size, tuple(values), described(line.said))
    return tuple(found) if any(each.name for each in found) else ()


def of_grid_mapping(place: Place, attributes: dict[str, Any]) -> Iterator[Near]:
    """Read the attributes of the variable that ``grid_mapping`` names, and even coordinates."""
    path = _mapping_path(place, attributes)
    if path:
        for each, value in attributes_near(open_object(place.root, path)).items():
            yield Near(each, value, f"{each} of {path}")
    transform = _transform(place, is_mapped=bool(path))
    if transform:
        yield Near("GeoTransform", transform, "coordinates of rows and columns")


def grid_mapping(place: Place, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of the grid mapping but for transform and reference system."""
    path = _mapping_path(place, attributes)
    if not path:
        return {}
    return described(cf.parameters_of(attributes_near(open_object(place.root, path))))


def _mapping_path(place: Place, attributes: dict[str, Any]) -> str:
    said = attributes.get("grid_mapping")
    if not isinstance(said, str) or not said.strip():
        return ""
    name = said.split()[0].rstrip(":")
    paths = (f"{group.rstrip('/')}/{name}" for group in place.groups)
    return next((path for path in paths if open_object(place.root, path) is not None), "")


def _transform(place: Place, *, is_mapped: bool) -> list[float]:
    """Return the transform of even coordinates, which are those of the centres of pixels."""
    lines = []
    for axis, size in (("W", place.spec.width), ("H", place.spec.height)):
        found = _coordinates(place, place.axes.find(axis), size)
        line = next((each for each in found if not isinstance(each.value, list)), None)
        if line is None or not (is_mapped or cf.are_on_a_map(line.said)):
            return []
        lines.append(line.value)
    return even_transform(*lines)


def _coordinates(place: Place, at: int, count: int) -> list[_Coordinate]:
    """Read the coordinates of a stored axis with an entry for each of its `count` steps."""
    h5ds = load_h5py().h5ds
    found = []
    for name, dataset in place.coordinates(at):
        value = read_entries(dataset, count)
        if value is not None and not h5ds.get_scale_name(dataset).startswith(NO_VARIABLE):
            said = attributes_near(dataset)
            found.append(_Coordinate(name, cf.unpacked(value, said), said))
    return found
