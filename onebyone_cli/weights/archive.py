"""Saving learned weights: a ``.npz`` that plain numpy reads, without pickle."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit import atomic, targets
from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.system.pipes import write_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

#: In this order in the file; other members follow by name, and ``meta`` is the last.
_MEMBERS = (
    "weight",
    "bias",
    "mean",
    "scale",
    "eigenvalues",
    "explained_variance",
    "explained_variance_ratio",
    "channels",
)

#: The oldest time that zip knows: when a model was saved is no part of it.
_TIME = (1980, 1, 1, 0, 0, 0)

_UNIX, _READABLE = 3, 0o644 << 16


def save_model(
    path: str,
    arrays: Mapping[str, ArrayLike],
    meta: Mapping[str, Any],
    publication: Publication = NEW,
) -> bool:
    """Save weights and all that belongs to them; the same input gives the same bytes.

    Parameters
    ----------
    path : str
        A ``.npz`` file to be, or a device or pipe.
    arrays : mapping
        Numbers or texts by member name: ``weight`` at least; ``channels`` are the channels' names.
    meta : mapping
        What a JSON document can hold, numpy numbers included. It becomes the member ``meta``, a
        text of no axes.
    publication : Publication
        How it is published.

    Returns
    -------
    bool
        Whether anything has changed: False where an equal file was kept.

    Raises
    ------
    OutputRefusedError
        If the file exists and `force` is off, or it can't be created.
    ReadWriteError
        If the system fails; an existing file is untouched.
    ValueError
        If an array would need pickle, or `meta` holds NaN or infinity.
    """
    return publish(path, model_bytes(arrays, meta), publication)


def publish(path: str, data: bytes, publication: Publication) -> bool:
    """Write a small file whole or not at all, or into a device or pipe; see `save_model`."""
    targets.check_target(path, force=publication.may_replace)
    if targets.is_special(path):  # never renamed over
        with open(path, "wb", buffering=0) as stream:
            write_all(stream.fileno(), memoryview(data), path)
        return True
    return atomic.write_file(path, data, publication)


def model_bytes(arrays: Mapping[str, ArrayLike], meta: Mapping[str, Any]) -> bytes:
    """Return the bytes of the file that `save_model` writes."""
    others = sorted(arrays.keys() - set(_MEMBERS))
    members = {name: arrays[name] for name in (*_MEMBERS, *others) if name in arrays}
    members["meta"] = json.dumps(
        dict(meta), ensure_ascii=False, sort_keys=True, allow_nan=False, default=_plain
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, values in members.items():
            info = zipfile.ZipInfo(f"{name}.npy", _TIME)
            info.create_system, info.external_attr = _UNIX, _READABLE
            archive.writestr(info, _npy(values))
    return buffer.getvalue()


def _npy(values: ArrayLike) -> bytes:
    array = np.asarray(values, order="C")
    # Little-endian wherever it was made.
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be kept in JSON")
