"""The job as a plain NumPy loop over blocks of rows, with input and output mapped into memory."""

import sys

import numpy as np

ROWS = 64

stack = np.lib.format.open_memmap(sys.argv[1], mode="r")
weights = np.load(sys.argv[2])
_, height, width = stack.shape
shape = (len(weights), height, width)
result = np.lib.format.open_memmap(sys.argv[3], mode="w+", dtype=stack.dtype, shape=shape)
for top in range(0, height, ROWS):
    rows = slice(top, top + ROWS)
    result[:, rows] = np.tensordot(weights, stack[:, rows], axes=1)
result.flush()
