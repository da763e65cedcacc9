"""Save weights in any format they are read from.

``.npz`` and ``.json`` hold everything. ``.npy`` and text hold one matrix, and no bias and no other
fields. Numbers in text have enough digits to read the same float64 again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from onebyone_cli.commit import atomic, targets
from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.names import suffix_of
from onebyone_cli.system.pipes import write_all
from onebyone_cli.weights import formats
from onebyone_cli.weights.formats.npz import model_bytes
from onebyone_cli.weights.rules import MAX_ARRAY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from onebyone_cli.weights.channel_map import ChannelMap
    from onebyone_cli.weights.formats.contract import WeightsFormat


def save_model(
    path: str,
    arrays: Mapping[str, ArrayLike],
    meta: Mapping[str, Any],
    publication: Publication = NEW,
) -> bool:
    """Save learned weights as ``.npz``; plain numpy reads it without pickle.

    `path` may be a device or a pipe. The same input gives the same bytes: `model_bytes` of
    `arrays`, with ``weight`` at least, and `meta`. Returns whether anything has changed: False
    where an equal file was kept.

    Raises
    ------
    OutputRefusedError
        If the file exists and may not be overwritten, or it can't be created.
    ReadWriteError
        If the system fails; an existing file is untouched.
    ValueError
        If an array would need pickle, or `meta` holds NaN or infinity.
    """
    return publish(path, model_bytes(arrays, meta), publication)


def publish(path: str, data: bytes, publication: Publication) -> bool:
    """Write a small file as a whole, or into a device or pipe; see `save_model`."""
    targets.check_target(path, force=publication.may_replace)
    if targets.is_special(path):  # never renamed over
        with open(path, "wb", buffering=0) as stream:
            write_all(stream.fileno(), memoryview(data), path)
        return True
    return atomic.write_file(path, data, publication)


def check_suffix(path: str) -> None:
    """Raise `UsageError` unless the suffix is that of a format of weights."""
    _format_of(path)


def check_size(path: str, rows: int, columns: int) -> None:
    """Raise `UsageError` for a matrix too large to be read again."""
    if 8 * rows * columns > MAX_ARRAY_BYTES:
        raise UsageError(
            f"'{path}' would hold {rows}×{columns} weights, and a weights file may hold up to "
            f"{MAX_ARRAY_BYTES // 8}; give fewer channels"
        )


def holds_bias(path: str) -> bool:
    """Return whether a format stores a bias."""
    return _format_of(path).holds("bias", 0.0)


def is_sourced(path: str) -> bool:
    """Return whether a format names the raster that the weights are for."""
    return _format_of(path).sourced


def rounding(path: str, weights: ChannelMap) -> str:
    """Return the type to which a format rounds these weights; empty if it keeps them exactly."""
    dtype = _format_of(path).dtype
    is_exact = all(
        (each.astype(dtype).astype(each.dtype) == each).all()
        for each in (weights.weight, weights.bias)
    )
    return "" if is_exact else dtype


def left_out(path: str, weights: ChannelMap) -> list[str]:
    """Name the fields that the format of a file does not store, besides the bias."""
    return sorted(weights.meta.keys() - _held(_format_of(path), weights).keys())


def _held(kind: WeightsFormat, weights: ChannelMap) -> dict[str, Any]:
    """Return the other fields that a format stores; not names of another number than channels."""
    numbers = {"channels": weights.in_channels, "outputs": weights.out_channels}

    def fits(name: str, value: Any) -> bool:
        return name not in numbers or not hasattr(value, "__len__") or len(value) == numbers[name]

    return {n: v for n, v in weights.meta.items() if kind.holds(n, v) and fits(n, v)}


def save_weights(path: str, weights: ChannelMap, *, force: bool = False, source: str = "") -> None:
    """Save weights in the format of the file's suffix; some formats store no bias.

    `source` is the raster that they are for, in formats that name it.

    Raises
    ------
    UsageError
        If the weights are more than such a file may hold.
    OutputRefusedError, ReadWriteError
        As in `save_model`.
    """
    check_size(path, *weights.weight.shape)
    kind = _format_of(path)
    fields: dict[str, Any] = {"weight": weights.weight}
    if holds_bias(path):
        fields["bias"] = weights.bias
    others = _held(kind, weights)
    if kind.sourced:
        others["source"] = _beside(source, path)
    data = _writer_of(path)(fields | others, suffix_of(path))
    if kind.limit is not None and len(data) > kind.limit:
        raise UsageError(
            f"'{path}' would have {len(data)} bytes, and text of up to {kind.limit} is read; "
            "write a .npy or .npz file"
        )
    publish(path, data, Publication(force))


def _beside(source: str, path: str) -> str:
    """Return a file as seen from the folder of another; absolute names and URLs stay."""
    if os.path.isabs(source) or "://" in source:
        return source
    return os.path.relpath(source, os.path.dirname(path) or ".")


def save_bias(path: str, bias: NDArray[np.float64], *, force: bool = False) -> None:
    """Save a bias, shape (K,): one number in each row of text, the field ``bias`` elsewhere.

    Raises the errors of `save_model`.
    """
    publish(path, _writer_of(path)({"bias": bias}, suffix_of(path)), Publication(force))


def _format_of(path: str) -> WeightsFormat:
    found = formats.of_path(path)
    if found is None:
        raise UsageError(f"'{path}' has no suffix of a weights file; expected {formats.describe()}")
    return found


def _writer_of(path: str) -> Callable[[Mapping[str, Any], str], bytes]:
    write = _format_of(path).write
    assert write is not None, "formats of outputs are written"
    return write
