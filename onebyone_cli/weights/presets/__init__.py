"""Kernels that need no learning: plain ones, and those that papers and standards give.

``tables`` is what a published kernel is; ``tasselled_cap`` and ``colour`` hold such tables, each
with its source beside it; ``plain`` makes those that depend on the number of channels alone, and
``standardize`` those that depend on statistics. The listing in `PUBLISHED` is what ``weights new``
offers; tables are plain data, so that help needs no numpy.
"""

from onebyone_cli.weights.presets import colour, tasselled_cap
from onebyone_cli.weights.presets.tables import Published

#: Every published kernel, by the name it is asked for by.
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
