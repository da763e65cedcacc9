"""Weights: what one 1×1 convolution is, and reading it from small files and from typed text.

The listing is the map: ``channel_map`` is the thing itself; ``files`` opens a file and picks its
reader by suffix; ``npy_matrix``, ``npz_matrix``, ``json_matrix`` and ``text_matrix`` are the
readers; ``typed`` reads ``--kernel`` and ``--bias``; ``rules`` holds what is true of weights
whatever they came from.
"""

from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.load import load_weights

__all__ = ["ChannelMap", "load_weights"]
