"""Weights of 1×1 convolutions: in memory (``channel_map``), in files and as text.

``load`` and ``save`` read and write the files of ``formats``, ``typed`` reads text, ``rules``
checks weights from anywhere, ``algebra`` has norms, rank and composition, ``presets`` has kernels.
"""
