"""Standardize channels: subtract the mean and divide by the standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def standardize(
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    source: str,
    names: Sequence[str] = (),
) -> ChannelMap:
    """Return the map whose output has mean 0 and standard deviation 1 in every channel.

    Parameters
    ----------
    mean, deviation : ndarray of float64, shape (C,)
    source : str
        Origin of the statistics, for messages.
    names : sequence of str
        Names of the channels; may be empty.

    Raises
    ------
    DataError
        If a channel is constant, or its standard deviation is unknown.
    """
    for channel, spread in enumerate(deviation.tolist()):
        if not 0 < spread < np.inf:
            found = "is constant" if spread == 0 else "has no standard deviation"
            raise DataError(f"channel {channel} {found}; leave the channel out", source)
    meta = {"title": "standardize", "mean": mean, "scale": deviation}
    if names:
        meta |= {"channels": list(names), "outputs": list(names)}
    return ChannelMap(np.diag(1 / deviation), -mean / deviation, source, meta)
