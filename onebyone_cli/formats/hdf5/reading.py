"""Read small datasets and attributes near a dataset: whatever can't be read is left out."""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.formats.hdf5.attributes import UNREADABLE, plain_value, read_attributes
from onebyone_cli.formats.hdf5.dimensions import has_scales
from onebyone_cli.formats.hdf5.file import load_h5py

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec

#: Largest dataset that is read, and largest chunk of one.
_MOST_BYTES = 1 << 20


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

    @property
    def groups(self) -> list[str]:
        """Paths of the groups that hold the dataset, the nearest first."""
        parts = self.name.strip("/").split("/")[:-1]
        return ["/" + "/".join(parts[:count]) for count in range(len(parts), -1, -1)]

    def coordinates(self, at: int) -> list[tuple[str, Any]]:
        """Return the names and datasets of the dimension scales of a stored axis."""
        h5py = load_h5py()
        found: list[tuple[str, Any]] = []

        def take(scale: Any) -> None:
            name = (h5py.h5i.get_name(scale) or b"").decode("utf-8", "replace")
            # The handle is closed after the call.
            found.append((name, h5py.h5o.open(self.root, name.encode())))

        if 0 <= at < self.dataset.rank == len(self.axes) and has_scales(self.dataset):
            with suppress(*UNREADABLE):
                h5py.h5ds.iterate(self.dataset, at, take, 0)
        return found


def read_entries(dataset: Any, count: int) -> Any:
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


def attributes_near(target: Any) -> dict[str, Any]:
    """Read the attributes of an object; none if they can't be read."""
    with suppress(*UNREADABLE):
        return read_attributes(target)
    return {}
