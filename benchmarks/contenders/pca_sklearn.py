"""Principal components with scikit-learn: pca_sklearn.py STACK.npy MODEL.npz."""

import sys

import numpy as np
from sklearn.decomposition import PCA

x = np.load(sys.argv[1])
pca = PCA(n_components=20).fit(x.reshape(len(x), -1).T)
np.savez(
    sys.argv[2],
    weight=pca.components_,
    mean=pca.mean_,
    eigenvalues=pca.explained_variance_,
)
