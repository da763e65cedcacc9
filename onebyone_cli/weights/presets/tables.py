"""A kernel that somebody has published, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import ShapeMismatchError, UsageError, setting
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.weights.channel_map import ChannelMap


class Published(NamedTuple):
    """Coefficients with their source.

    Attributes
    ----------
    name : str
        What it is asked for by.
    title : str
        What it is, and of which numbers.
    source : str
        Where the coefficients stand.
    channels : tuple of str
        Names of the input channels (bands), in order.
    outputs : tuple of str
        Names of the output channels, one for each row.
    weight : tuple of rows
        One row of coefficients for each output channel.
    usual : int
        Rows that are meant unless all are asked for.
    bias : tuple of float
        One number for each row; empty for none.
    """

    name: str
    title: str
    source: str
    channels: tuple[str, ...]
    outputs: tuple[str, ...]
    weight: tuple[tuple[float, ...], ...]
    usual: int
    bias: tuple[float, ...] = ()


def published_map(
    kernel: Published,
    *,
    channels: Sequence[int] = (),
    in_channels: int | None = None,
    all_rows: bool = False,
) -> ChannelMap:
    """Make a map of a published kernel.

    Parameters
    ----------
    kernel : Published
        The coefficients.
    channels : sequence of int
        Which channels of the stack are its own, in its order; empty where the stack has no others.
    in_channels : int or None
        Channels of the stack; needed with `channels`.
    all_rows : bool
        Whether to take all output channels, or the usual ones.

    Raises
    ------
    ShapeMismatchError
        If there are more channels than it takes, or fewer.
    UsageError
        If there are several of one channel, or more than the stack has.
    """
    import numpy as np

    from onebyone_cli.weights.channel_map import ChannelMap

    own = len(kernel.channels)
    if channels and len(channels) != own:
        raise ShapeMismatchError(
            f"{kernel.name} takes {count(own, 'channel')} ({', '.join(kernel.channels)}), and "
            f"{setting('channels')} names {len(channels)}; name its own, in this order"
        )
    if not channels and in_channels not in (None, own):
        raise ShapeMismatchError(
            f"{kernel.name} takes {count(own, 'channel')} ({', '.join(kernel.channels)}), and "
            f"{setting('c')} says {in_channels}; say with "
            f"{setting('channels')} which of them are its own, in this order"
        )
    if len(set(channels)) < len(channels):
        raise UsageError(f"{setting('channels')} names a channel twice; give each of them once")
    places = list(channels) or list(range(own))
    whole = in_channels or own
    rows = len(kernel.weight) if all_rows else kernel.usual
    weight = np.zeros((rows, whole))
    weight[:, places] = kernel.weight[:rows]
    names = [f"channel {channel}" for channel in range(whole)]
    for place, name in zip(places, kernel.channels, strict=True):
        names[place] = name
    meta = {
        "channels": names,
        "outputs": list(kernel.outputs[:rows]),
        "title": kernel.title,
        "reference": kernel.source,
    }
    return ChannelMap(weight, np.array(kernel.bias or [0.0] * rows)[:rows], kernel.name, meta)
