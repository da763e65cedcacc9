"""Weights of one 1×1 convolution, in memory, in files and as text.

``channel_map`` is the weights in memory. ``load`` and ``save`` read and write the files of
``formats``, and ``typed`` reads weights from text. ``rules``
holds for weights from anywhere. ``algebra`` has norms, rank and composition, and ``presets``
kernels that need no learning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onebyone_cli.weights.channel_map import ChannelMap
    from onebyone_cli.weights.load import load_weights

__all__ = ["ChannelMap", "load_weights"]

_HOMES = {"ChannelMap": "channel_map", "load_weights": "load"}


def __getattr__(name: str) -> Any:
    # At first use: help lists the suffixes and the presets of this package without numpy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
