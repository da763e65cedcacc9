"""The order of axes that a dataset tells by the names of its axes.

A name is the label of a dimension, else that of the dimension scale attached to it, which in
netCDF-4 is the name of the dimension. Where a dataset has neither, NeXus names the axes in
attributes of the group or the dataset, and HyperSpy in groups beside the dataset.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from onebyone_cli.formats.contracts.axis_names import layout_of_labels
from onebyone_cli.formats.hdf5.attributes import UNREADABLE, plain_value
from onebyone_cli.formats.hdf5.dimensions import has_scales, has_texts
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.find import open_object

#: Longest name of an axis that is read.
_LONGEST = 100


def labelled_layout(root: Any, name: str, dataset: Any) -> tuple[str, tuple[str, ...]]:
    """Return a letter for each axis, and the names that tell it; both empty if they do not.

    `dataset` is the ``h5py.h5d.DatasetID`` of `name`. The letters are those of `axes.stored_axes`.
    """
    if has_labels(dataset):
        labels = tuple(label_of(dataset, axis) for axis in range(dataset.rank))
        layout = layout_of_labels(labels)
        return layout, labels if layout else ()
    path, _, last = name.rpartition("/")
    group = open_object(root, path)
    if dataset.rank < 2 or group is None:
        return "", ()
    labels = _of_nexus(group, last, dataset)
    if len(labels) == dataset.rank:
        layout = layout_of_labels(labels)
        return layout, labels if layout else ()
    return _of_hyperspy(group, dataset.rank)


def _of_nexus(group: Any, last: str, dataset: Any) -> tuple[str, ...]:
    """Return the names of axes by attributes of NeXus: ``axes`` of a group whose ``signal`` it is.

    Before 2014 it was an attribute of the dataset, ``"y:x:energy"``.
    """
    old = _attribute(dataset, "axes")
    said = _attribute(group, "axes") if _attribute(group, "signal") == last else old
    if isinstance(said, str):
        said = re.split("[:,]", said.strip("[]"))
    return tuple(str(each)[:_LONGEST] for each in said) if isinstance(said, list) else ()


def _of_hyperspy(group: Any, rank: int) -> tuple[str, tuple[str, ...]]:
    """Return the order of axes by the groups ``axis-0``, ``axis-1`` and so on of HyperSpy.

    Where names do not tell it, the axis of signals has the channels if there is one of them.
    """
    found = [_axis(group, at) for at in range(rank)]
    axes = [each for each in found if each is not None]
    if len(axes) != rank:
        return "", ()
    labels = tuple(_attribute(axis, "name") or f"axis-{at}" for at, axis in enumerate(axes))
    layout = layout_of_labels(labels)
    signals = [at for at, axis in enumerate(axes) if not _attribute(axis, "navigate")]
    if not layout and len(signals) == 1:
        pixels = "N" if rank == 2 else ("N" * rank + "HW")[1 - rank :]
        layout = pixels[: signals[0]] + "C" + pixels[signals[0] :]
    return layout, labels if layout else ()


def _axis(group: Any, at: int) -> Any:
    names = (f"axis-{at}", f"axis_{at}")
    return next(filter(None, (open_object(group, name) for name in names)), None)


def _attribute(owner: Any, name: str) -> Any:
    """Return an attribute of an object; None if it has none that can be read."""
    h5py = load_h5py()
    kind = h5py.Dataset if isinstance(owner, h5py.h5d.DatasetID) else h5py.Group
    with suppress(*UNREADABLE):
        if h5py.h5a.exists(owner, name.encode()):
            return plain_value(h5py.AttributeManager(kind(owner))[name])
    return None


def is_matlab(dataset: Any) -> bool:
    """Return whether MATLAB wrote a dataset, which has its axes in the opposite order."""
    return bool(load_h5py().h5a.exists(dataset, b"MATLAB_class"))


def has_labels(dataset: Any) -> bool:
    """Return whether a dataset may have names of axes."""
    return has_texts(dataset) or has_scales(dataset)


def label_of(dataset: Any, axis: int) -> str:
    """Return the label of an axis, else the name of its dimension scale; empty without both."""
    h5py = load_h5py()
    label = b""
    if has_texts(dataset):
        label = bytes(h5py.h5ds.get_label(dataset, axis))
    if not label and has_scales(dataset) and h5py.h5ds.get_num_scales(dataset, axis):
        names: list[bytes] = []

        def take(scale: Any) -> bool:
            names.append(h5py.h5i.get_name(scale) or b"")
            return True  # ends the iteration

        h5py.h5ds.iterate(dataset, axis, take, 0)
        label = b"".join(names).rpartition(b"/")[2]
    return label[:_LONGEST].decode("utf-8", "replace")
