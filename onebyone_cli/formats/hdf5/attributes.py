"""Attributes of a dataset: units, scales, names of channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.contracts.cf import STORED, UNSIGNED
from onebyone_cli.formats.hdf5.file import load_h5py

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Internal attributes of HDF5, netCDF and MATLAB, which would be wrong in the output.
_RESERVED = {
    "CLASS",
    "DIMENSION_LABELS",
    "DIMENSION_LIST",
    "H5PATH",
    "MATLAB_class",
    "MATLAB_empty",
    "MATLAB_fields",
    "MATLAB_global",
    "MATLAB_int_decode",
    "MATLAB_sparse",
    "NAME",
    "REFERENCE_LIST",
    "_NCProperties",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
    "_nc3_strict",
}

#: Fill values that netCDF sets for signed and unsigned bytes.
_NETCDF_BYTES = (-127, 255)

#: HDF5 itself meant attributes to stay below this size.
_MAX_BYTES = 65536
_MAX_COUNT = 1000

#: Errors of a single attribute, which is skipped then.
UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError)


def read_attributes(owner: Any) -> dict[str, Any]:
    """Read the attributes of a dataset or a group, by its identifier, that an output can copy.

    Returns
    -------
    dict
        Numbers, text, and arrays and lists of them. Skips other types (references, compounds),
        unreadable attributes and those that describe the dataset's place in its file.
    """
    manager = _manager(owner)
    values = {}
    for name in _carried(owner):
        with suppress(*UNREADABLE):
            value = plain_value(manager[name])
            if value is not None:
                values[name] = value
    return values


def unsigned_mark(dataset: Any) -> Any:
    """Return the attribute ``_Unsigned`` of a dataset; None if there is none."""
    h5py = load_h5py()
    with suppress(*UNREADABLE):
        if h5py.h5a.exists(dataset, UNSIGNED.encode()):
            return plain_value(_manager(dataset)[UNSIGNED])
    return None


def fill_value(dataset: Any) -> Any:
    """Return the number that HDF5 puts where nothing was written; None if no program chose one.

    Zero is no choice: it is a valid number nearly everywhere. Neither is the number that netCDF
    sets for bytes, of which each is valid.
    """
    h5py = load_h5py()
    with suppress(*UNREADABLE):
        plist, dtype = dataset.get_create_plist(), dataset.dtype
        is_chosen = plist.fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
        if not is_chosen or dtype.kind not in "iuf":
            return None
        value = np.zeros((), dtype)
        plist.get_fill_value(value)
        number = value.item()
        is_netcdf = h5py.h5a.exists(dataset, b"_Netcdf4Dimid") or h5py.h5a.exists(
            dataset, b"DIMENSION_LIST"
        )
        is_byte = is_netcdf and dtype.itemsize == 1 and number in _NETCDF_BYTES
        return None if not number or isnan(number) or is_byte else number
    return None


def _carried(dataset: Any) -> Iterator[str]:
    h5a = load_h5py().h5a
    for index in range(min(h5a.get_num_attrs(dataset), _MAX_COUNT)):
        with suppress(*UNREADABLE):
            one = h5a.open(dataset, index=index)
            name = one.name.decode() if isinstance(one.name, bytes) else one.name
            if name not in _RESERVED and _is_small(one):
                yield name


def write_attributes(
    owner: Any, attributes: Mapping[str, Any], dtype: str = "", *, is_netcdf: bool = False
) -> None:
    """Write the attributes that HDF5 can hold, in the order of their names.

    Parameters
    ----------
    owner : h5py.h5d.DatasetID or h5py.h5g.GroupID
    attributes : mapping
        Values by name, from any format.
    dtype : str
        Type of the dataset, also used for values that are stored numbers.
    is_netcdf : bool
        Whether to use the types of netCDF alone: texts are arrays of characters.
    """
    manager = _manager(owner)
    for name in sorted(attributes):
        value = plain_value(attributes[name])
        if name in STORED and value is not None:
            value = np.asarray(value).astype(dtype)
        if value is None or not _is_name(name) or name in _RESERVED:
            continue
        manager.create(name, _of_netcdf(value) if is_netcdf else value)


def _manager(owner: Any) -> Any:
    h5py = load_h5py()
    kind = h5py.Dataset if isinstance(owner, h5py.h5d.DatasetID) else h5py.Group
    return h5py.AttributeManager(kind(owner))


def _of_netcdf(value: Any) -> Any:
    """Return a value in a type of netCDF, which has no bool and no float16."""
    if isinstance(value, str) and value:
        raw = value.encode()
        return np.array(raw, load_h5py().string_dtype("utf-8", len(raw)))
    dtype = str(getattr(value, "dtype", ""))
    return (
        value.astype({"bool": "int8", "float16": "float32"}.get(dtype, dtype)) if dtype else value
    )


def plain_value(value: Any) -> Any:
    """Convert a value to one that can be copied; None if there is none.

    Returns
    -------
    str, list of str, numpy scalar, ndarray or None
        Text without null characters, or numbers of at most 64 bits; not empty, not large.
    """
    if isinstance(value, (str, bytes)):
        return _text(value)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        return None
    if not 0 < array.nbytes <= _MAX_BYTES:
        return None
    if array.dtype.kind in "OSU":
        texts = [_text(one) for one in array.ravel().tolist()]
        return None if None in texts else (texts if array.ndim else texts[0])
    return _plain_numbers(array)


def _plain_numbers(array: NDArray[Any]) -> Any:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        return None
    # h5py keeps the members of an enumeration in the dtype.
    plain = array.astype(np.dtype(array.dtype.str))
    return plain if array.ndim else plain[()]


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    value = value.rstrip("\0")
    holdable = "\0" not in value and len(value) <= _MAX_BYTES and _is_unicode(value)
    return value if holdable else None


def _is_name(name: str) -> bool:
    return bool(name) and "\0" not in name and len(name) <= _MAX_BYTES // 8 and _is_unicode(name)


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold it: a lone surrogate stands for an undecodable byte."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_small(attribute: Any) -> bool:
    h5t = load_h5py().h5t
    kind = attribute.get_type()
    if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM):
        return False
    space = attribute.get_space()
    return bool(space.get_simple_extent_npoints() * kind.get_size() <= _MAX_BYTES)
