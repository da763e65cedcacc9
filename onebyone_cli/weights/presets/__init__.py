"""Weights that need no learning: simple ones, and published ones.

``tables`` defines what a published kernel is. ``tasselled_cap`` and ``colour`` are tables with
their sources. ``plain`` makes weights from the number of channels, ``standardize`` from statistics.
Tables are plain data, so that help needs no numpy.
"""

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
    "select": "some channels in another order: --channels 3,1,2",
    "difference": "one channel minus another: --channels 3,1",
    "standardize": "minus mean, divided by standard deviation: --stats FILE",
}
