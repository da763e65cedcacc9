"""Say how far two outputs of the same job differ; exit with 1 when it is more than rounding."""

import sys

import numpy as np

# float32 sums of fifty products of numbers below 1 stay well within this of one another.
TOLERANCE = 1e-4
ROWS = 64

ours, theirs = (np.load(path, mmap_mode="r") for path in sys.argv[1:])
if isinstance(ours, np.lib.npyio.NpzFile):  # models: their eigenvalues, as a stack of one row
    ours, theirs = (model["eigenvalues"].reshape(1, 1, -1) for model in (ours, theirs))
if ours.shape != theirs.shape:
    sys.exit(f"shapes differ: {ours.shape} and {theirs.shape}")
largest = 0.0
for top in range(0, ours.shape[1], ROWS):
    rows = slice(top, top + ROWS)
    # NaN anywhere makes the largest difference NaN, which the test below does not let pass.
    largest = np.maximum(largest, np.abs(ours[:, rows] - theirs[:, rows]).max())
print(f"largest difference from the reference script: {largest:.2g}")
sys.exit(not largest <= TOLERANCE)
