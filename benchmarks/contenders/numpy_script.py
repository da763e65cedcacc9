"""The job as a scientist's three-line script: load everything, multiply, save."""

import sys

import numpy as np

stack, weights = np.load(sys.argv[1]), np.load(sys.argv[2])
result = np.tensordot(weights, stack, axes=1)
np.save(sys.argv[3], result)
