"""The order of axes that a dataset tells by the names of its axes.

A name is the label of a dimension, else that of the dimension scale attached to it, which in
netCDF-4 is the name of the dimension.
"""

from __future__ import annotations

from typing import Any

from onebyone_cli.formats.contracts.axis_names import layout_of_labels
from onebyone_cli.formats.hdf5.dimensions import has_scales, has_texts
from onebyone_cli.formats.hdf5.file import load_h5py

#: Longest name of an axis that is read.
_LONGEST = 100


def labelled_layout(dataset: Any) -> tuple[str, tuple[str, ...]]:
    """Return a letter for each axis, and the names that tell it; both empty if they do not.

    `dataset` is a ``h5py.h5d.DatasetID``. The letters are those of `axes.stored_axes`.
    """
    if not any(
        load_h5py().h5a.exists(dataset, name) for name in (b"DIMENSION_LABELS", b"DIMENSION_LIST")
    ):
        return "", ()
    labels = tuple(_label(dataset, axis) for axis in range(dataset.rank))
    layout = layout_of_labels(labels)
    return layout, labels if layout else ()


def _label(dataset: Any, axis: int) -> str:
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
