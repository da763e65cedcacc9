"""What files are, from their headers: stacks, weights and moments, outputs of stopped jobs.

============  ==============================================================================
`stacks`      shape, type and storage of an input, and what ``apply`` would need for it
`archives`    weights and models, and moments
`unfinished`  how far a stopped job has got, from its journals
============  ==============================================================================

Nothing here reads a pixel. A ``.npy`` stack and a journal need no numpy.
"""
