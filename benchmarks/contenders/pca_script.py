"""Principal components with NumPy alone: pca_script.py STACK.npy MODEL.npz."""

import sys

import numpy as np

FILTERS = 20

x = np.load(sys.argv[1]).reshape(50, -1)
values, vectors = np.linalg.eigh(np.cov(x))
values, vectors = values[::-1], vectors[:, ::-1]
np.savez(sys.argv[2], weight=vectors[:, :FILTERS].T, mean=x.mean(axis=1), eigenvalues=values)
