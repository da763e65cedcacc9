"""Describe files by their headers: stacks, weights and moments, outputs of stopped jobs.

============  ==============================================================================
`stacks`      shape, type and storage of an input, and what ``apply`` would need for it
`archives`    weights, models and moments
`unfinished`  progress of a stopped job, from its journals
============  ==============================================================================

Nothing here reads pixels. A ``.npy`` stack and a journal need no numpy.
"""
