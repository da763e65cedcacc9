"""What weights files, models and moments hold."""

from __future__ import annotations

import os
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.weights.channel_map import ChannelMap


class WeightsFacts(NamedTuple):
    """What is known of the weights of one layer.

    Attributes
    ----------
    path : str
        The file as the user wrote it.
    out_channels, in_channels : int
        K and C.
    has_bias : bool
        Whether any bias is not 0.
    method : str
        How they were learned; empty where the file does not say.
    explained : tuple of float
        Shares of the variance that the output channels explain; empty where there are none.
    channel_names, inputs : tuple of str
        Names of the input channels; what it was learned from.
    pixels : int or None
        From how many pixels.
    file_bytes : int
        Size of the file.
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
    """What is known of moments that were saved.

    Attributes
    ----------
    path : str
        The file as the user wrote it.
    channels, pixels, invalid_pixels : int
        Of what they are; how many pixels were counted and left out.
    kinds : tuple of str
        What was gathered, such as ``"pixels"``, ``"differences.right"`` and ``"statistics"``.
    classes : dict of int
        Pixels of each class by its label; empty without labels.
    channel_names, inputs : tuple of str
        Names of the channels; what they were gathered from.
    file_bytes : int
        Size of the file.
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
    """Look at a weights file.

    Parameters
    ----------
    path : str
        As in `weights.files.load_weights`, which raises the same errors.
    """
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
        os.path.getsize(path),
    )


def inspect_moments(path: str) -> MomentsFacts:
    """Look at moments.

    Parameters
    ----------
    path : str
        As in `moments_file.load_moments`, which raises the same errors.
    """
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
    """Shares of the variance that output channels explain; empty where no file says it of each."""
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
    told = inputs if isinstance(inputs, list) else []
    named = [each.get("name") for each in told if isinstance(each, dict)]
    return tuple(name for name in named if isinstance(name, str))


def holds_moments(path: str) -> bool:
    """Say whether an archive holds moments, by the names of its members.

    What can't be read as an archive holds none; whoever reads it on says what is wrong.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return "pixels.comoment.npy" in archive.namelist()
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        return False
