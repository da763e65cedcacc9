"""Weights that need no learning: simple ones, and published ones.

``tables`` defines what a published kernel is. ``tasselled_cap`` and ``colour`` are tables with
their sources. ``plain`` makes weights from the number of channels, ``standardize`` from statistics.
Tables are plain data, so that help needs no numpy.
"""

from onebyone_cli.errors import setting
from onebyone_cli.weights.presets import colour, tasselled_cap
from onebyone_cli.weights.presets.tables import Published

#: All published kernels by name.
PUBLISHED: dict[str, Published] = {
    kernel.name: kernel for kernel in (*colour.KERNELS, *tasselled_cap.KERNELS)
}

#: Kinds that are computed, not looked up.
MADE = {
    "identity": "every channel as it is",
    "mean": "the mean of all channels",
    "select": f"some channels in another order: {setting('channels', '3,1,2')}",
    "difference": f"one channel minus another: {setting('channels', '3,1')}",
    "standardize": f"minus mean, divided by standard deviation: {setting('stats', 'FILE')}",
}
