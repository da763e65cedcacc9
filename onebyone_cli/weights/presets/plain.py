"""Weights that depend on the number of channels only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def identity(channels: int) -> ChannelMap:
    """Return the weight (C, C) that keeps every channel."""
    return _map(np.eye(channels), "identity", [f"channel {c}" for c in range(channels)])


def mean(channels: int) -> ChannelMap:
    """Return the weight (1, C) of the mean of all channels."""
    return _map(np.full((1, channels), 1 / channels), "mean", ["mean"])


def select(channels: int, chosen: Sequence[int]) -> ChannelMap:
    """Return the weight (len(chosen), C) that selects channels, in the given order."""
    weight = np.zeros((len(chosen), channels))
    weight[np.arange(len(chosen)), list(chosen)] = 1.0
    return _map(weight, "select", [f"channel {channel}" for channel in chosen])


def difference(channels: int, one: int, other: int) -> ChannelMap:
    """Return the weight (1, C) of channel `one` minus channel `other`."""
    weight = np.zeros((1, channels))
    weight[0, one] += 1.0
    weight[0, other] -= 1.0
    return _map(weight, "difference", [f"channel {one} - channel {other}"])


def _map(weight: NDArray[np.float64], name: str, outputs: list[str]) -> ChannelMap:
    return ChannelMap(weight, np.zeros(len(weight)), name, {"title": name, "outputs": outputs})
