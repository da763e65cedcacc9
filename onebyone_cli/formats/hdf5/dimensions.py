"""Check the attributes of dimensions before HDF5 reads them.

HDF5 takes their types for granted: it reads pointers where others have text or numbers, and the
process crashes.
"""

from __future__ import annotations

from typing import Any

from onebyone_cli.formats.hdf5.file import load_h5py


def has_texts(dataset: Any) -> bool:
    """Return whether a ``h5py.h5d.DatasetID`` has labels that can be read."""
    h5t = load_h5py().h5t
    kind = _type_of(dataset, b"DIMENSION_LABELS")
    return isinstance(kind, h5t.TypeStringID) and bool(kind.is_variable_str())


def has_scales(dataset: Any) -> bool:
    """Return whether a ``h5py.h5d.DatasetID`` has a list of dimension scales that can be read."""
    h5t = load_h5py().h5t
    kind = _type_of(dataset, b"DIMENSION_LIST")
    if not isinstance(kind, h5t.TypeVlenID):
        return False
    return bool(kind.get_super().get_class() == h5t.REFERENCE)


def _type_of(dataset: Any, name: bytes) -> Any:
    """Return the type of an attribute with an entry for each axis; None if there is none."""
    h5a = load_h5py().h5a
    if not h5a.exists(dataset, name):
        return None
    attribute = h5a.open(dataset, name)
    return attribute.get_type() if attribute.shape == (dataset.rank,) else None
