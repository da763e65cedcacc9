"""Make the fingerprint of a job: everything that the bytes of its output depend on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit.journal import UNKNOWN
from onebyone_cli.names import is_url
from onebyone_cli.operations.meaning import meaning_of
from onebyone_cli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.arithmetic.scale import Scale
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.operations.apply.settings import ApplySettings
    from onebyone_cli.operations.meaning import Packing
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.pixel_map import PixelMap
    from onebyone_cli.stack.validity import Range


def fingerprint_of(
    inputs: Sequence[Reader | StreamReader],
    layers: Sequence[Layer] | None,
    settings: ApplySettings,
    *,
    mask: PixelMap | None,
    source: StackSpec,
    used: Sequence[int],
    output: StackSpec,
    container: str,
    tile_pixels: int,
) -> Callable[[], dict[str, Any]]:
    """Return a function that describes a job by everything that its output depends on.

    Files count by name, size and time of change: comparing a terabyte would take as long as the
    job. Files are examined now; the rest is computed on demand, because most jobs are short and
    never need it.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        In channel order.
    layers : sequence of Layer or None
        The chain, with a column for each channel that is used; None if it is unknown yet, and with
        it the shape of the output.
    settings : ApplySettings
        The choices.
    mask : PixelMap or None
        What leaves out pixels.
    source : StackSpec
        The stack in the type of the arithmetic.
    used : sequence of int
        The channels of the stack that are read.
    output : StackSpec
        The result.
    container : str
        The writer's description of the output's container.
    tile_pixels : int
        Width of the grid of tiles.

    Returns
    -------
    callable
        Returns a dict for JSON. It is equal for two jobs exactly if one can resume the other. Its
        keys are shown to users where two jobs differ.
    """
    files = [_file(path) for reader in inputs for path in reader.about.files]
    # Nothing tells cheaply whether what is at an address has changed.
    files += [reader.about.path for reader in inputs if is_url(reader.about.path)]
    masks = [] if mask is None else [_file(path) for path in mask.files]

    def describe() -> dict[str, Any]:
        known, meaning = layers is not None, meaning_of(inputs, settings.asked)
        return {
            "the version of onebyone": __version__,
            "the version of numpy": np.__version__,
            "the input": files,
            "the dataset": [reader.about.inner or reader.about.identity for reader in inputs],
            "the shape of the input": list(source.shape),
            "layout": [reader.about.axes for reader in inputs],
            "channels": [list(reader.about.selected) or None for reader in inputs],
            "the channels that are used": _runs(used) if known else UNKNOWN,
            "dtype_in": [_raw_type(reader) for reader in inputs],
            "the type of the arithmetic": source.dtype,
            "the digest of the weights": UNKNOWN if layers is None else digest_of(layers),
            "what is subtracted first": _centre(layers, source.dtype, meaning.packing),
            "the output": container,
            "the shape of the output": list(output.shape) if known else UNKNOWN,
            "the type of the output": output.dtype,
            "nodata": _ranges(meaning.validity.nodata),
            "the valid range": _ranges([(each,) for each in meaning.validity.valid]),
            "invalid": meaning.validity.rule,
            "the scale and the offset": _packing(meaning.packing),
            "mask": masks,
            "nan_to": _number(settings.nan_to),
            "scale": _scale(settings.scale),
            "what is written": settings.collapse or "the channels",
            "the tile": tile_pixels if known else UNKNOWN,
        }

    return describe


def _file(path: str) -> str:
    status = os.stat(path)
    seconds, fraction = divmod(status.st_mtime_ns, 10**9)
    changed = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{os.path.realpath(path)} of {status.st_size} bytes at {changed}.{fraction:09d} UTC"


def _raw_type(reader: Reader | StreamReader) -> list[Any] | None:
    raw = reader.about.raw
    return None if raw is None else [raw.dtype, raw.big_endian, raw.offset]


def digest_of(layers: Sequence[Layer]) -> str:
    """Return the SHA-256 of a chain: its numbers, its activations and the names of its outputs."""
    import hashlib

    digest = hashlib.sha256()
    for layer in layers:
        names = layer.map.meta.get("outputs")
        named = None if names is None else list(map(str, names))
        digest.update(repr((layer.map.weight.shape, layer.activation, named)).encode())
        digest.update(layer.map.weight.tobytes())
        digest.update(layer.map.bias.tobytes())
        digest.update(np.asarray(layer.map.meta.get("mean", 0.0), np.float64).tobytes())
    return digest.hexdigest()


def _centre(layers: Sequence[Layer] | None, dtype: str, packing: Packing | None) -> str | None:
    """Return a digest of the centre of the pixels; statistics of a model decide on it."""
    import hashlib

    from onebyone_cli.arithmetic.first_layer import first_layer

    if layers is None:
        return UNKNOWN
    folded = None if packing is None else (np.array(packing.scale), np.array(packing.offset))
    centre = first_layer(layers[0].map, dtype, folded).centre
    return None if centre is None else hashlib.sha256(centre.tobytes()).hexdigest()[:12]


def _ranges(entries: Sequence[Sequence[Range]]) -> str | None:
    """Write ranges of numbers, one entry for each channel; a digest where they differ."""
    texts = [
        ", ".join(repr(low) if low == high else f"{low!r}:{high!r}" for low, high in entry)
        for entry in entries
    ]
    return _one_or_digest(texts)


def _packing(packing: Packing | None) -> str | None:
    if packing is None:
        return None
    pairs = zip(packing.scale, packing.offset, strict=True)
    return _one_or_digest([f"{scale!r} and {offset!r}" for scale, offset in pairs])


def _one_or_digest(texts: Sequence[str]) -> str | None:
    if len(set(texts)) < 2:
        return texts[0] if texts else None
    import hashlib

    return f"that of {len(texts)} channels, {hashlib.sha256(repr(texts).encode()).hexdigest()[:12]}"


def _runs(channels: Sequence[int]) -> str:
    """Write ascending channels as half-open ranges."""
    known = set(channels)
    starts = [at for at in channels if at - 1 not in known]
    ends = [at + 1 for at in channels if at + 1 not in known]
    return ",".join(f"{start}:{end}" for start, end in zip(starts, ends, strict=True))


def _number(value: float | None) -> str | None:
    return None if value is None else repr(float(value))  # JSON has no NaN


def _scale(scale: Scale | None) -> str | None:
    if scale is None:
        return None
    ends = "" if scale.kind in ("auto", "each") else f" {scale.low!r} {scale.high!r}"
    return f"{scale.kind}{ends}{' of each channel' * scale.each}"
