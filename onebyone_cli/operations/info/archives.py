"""Describe weights files, models and moments."""

from __future__ import annotations

import os
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.formats.npz.archive import Contents, contents_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.weights.channel_map import ChannelMap

_ZIP = b"PK\x03\x04"


class WeightsFacts(NamedTuple):
    """Facts about the weights of one layer; empty or None where unknown.

    `explained` are the shares of the variance that the output channels explain, and `pixels` the
    number that the weights were learned from.
    """

    path: str
    out_channels: int
    in_channels: int
    has_bias: bool
    method: str
    explained: tuple[float, ...]
    channel_names: tuple[str, ...]
    inputs: tuple[str, ...]
    pixels: int | None
    file_bytes: int


class MomentsFacts(NamedTuple):
    """Facts about saved moments.

    `kinds` are such as ``"pixels"``, ``"differences.right"`` and ``"statistics"``. `classes` maps
    labels to numbers of pixels.
    """

    path: str
    channels: int
    pixels: int
    invalid_pixels: int
    kinds: tuple[str, ...]
    classes: Mapping[int, int]
    channel_names: tuple[str, ...]
    inputs: tuple[str, ...]
    file_bytes: int


def inspect_weights(path: str) -> WeightsFacts:
    """Describe a weights file; raises the errors of `load_weights`."""
    from onebyone_cli.weights.load import load_weights

    found = load_weights(path, allow_nonfinite=True)
    meta, count = found.meta, found.meta.get("count")
    method = meta.get("method")
    return WeightsFacts(
        path,
        found.out_channels,
        found.in_channels,
        bool(found.bias.any()),
        method if isinstance(method, str) else "",
        explained_shares(found),
        _names(meta, found.in_channels),
        _inputs(meta),
        count if type(count) is int else None,
        _bytes_of(path),
    )


def _bytes_of(text: str) -> int:
    """Return the size of the file of weights; 0 for a pipe."""
    from onebyone_cli.weights.formats import split_member

    try:
        return os.path.getsize(split_member(text)[0])
    except OSError:
        return 0


def inspect_moments(path: str) -> MomentsFacts:
    """Describe a file of moments; raises the errors of `load_moments`."""
    from onebyone_cli.learners.moments_file import load_moments

    statistics, meta = load_moments(path)
    kinds = sorted(meta["sets"], key=lambda name: name != "pixels")
    return MomentsFacts(
        path,
        statistics.channels,
        statistics.count,
        statistics.invalid,
        tuple(kind for kind in kinds if not kind.startswith("classes.")),
        {label: moments.count for label, moments in (statistics.classes or {}).items()},
        _names(meta, statistics.channels),
        _inputs(meta),
        os.path.getsize(path),
    )


def explained_shares(weights: ChannelMap) -> tuple[float, ...]:
    """Return the shares of the variance that output channels explain; empty if unknown."""
    shares: Any = weights.meta.get("explained_variance_ratio")
    shares = shares.tolist() if hasattr(shares, "tolist") else shares  # of an archive, or of JSON
    if not isinstance(shares, list) or len(shares) != weights.out_channels:
        return ()
    known = all(type(share) in (int, float) and isfinite(share) for share in shares)
    return tuple(map(float, shares)) if known else ()


def _names(meta: Mapping[str, Any], channels: int) -> tuple[str, ...]:
    names = meta.get("channels")
    if not isinstance(names, list) or len(names) != channels:
        return ()
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def _inputs(meta: Mapping[str, Any]) -> tuple[str, ...]:
    inputs = meta.get("inputs")
    entries = inputs if isinstance(inputs, list) else []
    named = [each.get("name") for each in entries if isinstance(each, dict)]
    return tuple(name for name in named if isinstance(name, str))


def kind_of_archive(path: str) -> Contents:
    """Return what a zip archive holds; nothing for another file, or one that can't be read."""
    try:
        with open(path, "rb") as file:
            is_zip = file.read(len(_ZIP)) == _ZIP
    except OSError:
        return Contents.NOTHING
    return contents_of(path) if is_zip else Contents.NOTHING
