"""The table of a published kernel, as plain data."""

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
        The name on the command line.
    title : str
        The transformation, and the numbers that it is for.
    source : str
        Paper or standard with the coefficients.
    channels, outputs : tuple of str
        Names of the input channels (bands) and of the output channels, in order.
    weight : tuple of tuple of float
        One row of coefficients per output channel.
    usual : int
        Number of rows that are used by default.
    bias : tuple of float
        One number per row; empty for none.
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
    """Make the weights of a published kernel.

    Parameters
    ----------
    kernel : Published
    channels : sequence of int
        Indices in the stack of the kernel's channels; empty if the stack has no others.
    in_channels : int or None
        Channels of the stack; required with `channels`.
    all_rows : bool
        Whether to use all output channels.

    Raises
    ------
    ShapeMismatchError
        If the number of channels is not the kernel's.
    UsageError
        If a channel occurs twice, or the stack has fewer.
    """
    import numpy as np

    from onebyone_cli.weights.channel_map import ChannelMap

    own = len(kernel.channels)
    if channels and len(channels) != own:
        raise ShapeMismatchError(
            f"{kernel.name} takes {count(own, 'channel')} ({', '.join(kernel.channels)}), and "
            f"{setting('channels')} names {len(channels)}; name these channels, in this order"
        )
    if not channels and in_channels not in (None, own):
        raise ShapeMismatchError(
            f"{kernel.name} takes {count(own, 'channel')} ({', '.join(kernel.channels)}), and "
            f"{setting('c')} is {in_channels}; name these channels with "
            f"{setting('channels')}, in this order"
        )
    if len(set(channels)) < len(channels):
        raise UsageError(f"{setting('channels')} names a channel twice; name each once")
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
