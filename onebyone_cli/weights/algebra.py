"""Linear algebra of weights: norms, rank, condition, and composition of layers."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.units import count
from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Smaller side of the largest matrix whose singular values are computed: a few seconds.
_MOST_SINGULAR_VALUES = 2048


class Facts(NamedTuple):
    """Facts of a matrix W of K rows and C columns.

    Attributes
    ----------
    frobenius : float
        Frobenius norm.
    spectral : float or None
        Largest singular value. None, like the next two, where the matrix is too large.
    rank : int or None
        Number of singular values above rounding, max(K, C)·eps·spectral.
    condition : float or None
        Largest over smallest singular value; infinite if the rank is not min(K, C).
    orthonormality : float
        Largest deviation of W·Wᵀ from the identity; infinite or NaN beyond float64.
    """

    frobenius: float
    spectral: float | None
    rank: int | None
    condition: float | None
    orthonormality: float


def facts_of(weight: Floats) -> Facts:
    """Compute the facts of a weight of shape (K, C)."""
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = weight @ weight.T - np.eye(len(weight))
        orthonormality = float(np.abs(deviation).max())
    frobenius = float(row_norms(weight.reshape(1, -1))[0])
    if min(weight.shape) > _MOST_SINGULAR_VALUES:
        return Facts(frobenius, None, None, None, orthonormality)
    power = int(np.frexp(np.abs(weight).max())[1])  # as in `row_norms`
    values = np.linalg.svd(np.ldexp(weight, -power), compute_uv=False)
    threshold = max(weight.shape) * np.finfo(np.float64).eps * values[0]
    rank = int(np.count_nonzero(values > threshold))
    condition = float(values[0] / values[-1]) if rank == len(values) else inf
    with np.errstate(over="ignore"):
        spectral = float(np.ldexp(values[0], power))
    return Facts(frobenius, spectral, rank, condition, orthonormality)


def row_norms(weight: Floats) -> Floats:
    """Return the Euclidean norms of the rows of a weight of shape (K, C): shape (K,)."""
    # Scaling by a power of two changes no digit and keeps squares within float64.
    power = np.frexp(np.abs(weight).max(axis=1, keepdims=True))[1]
    with np.errstate(over="ignore"):
        norms: Floats = np.ldexp(np.linalg.norm(np.ldexp(weight, -power), axis=1), power[:, 0])
    return norms


def channel_shares(weight: Floats) -> Floats:
    """Return each input channel's share of the sum of squared weights, shape (C,).

    The shares of a weight of zeros, shape (K, C), are zeros.
    """
    largest = np.abs(weight).max()
    squares = np.square(weight / largest if largest else weight).sum(axis=0)
    shares: Floats = squares / (squares.sum() or 1.0)
    return shares


def compose(layers: Sequence[ChannelMap]) -> ChannelMap:
    """Compose a chain of layers, the first applied first, into one, in float64.

    ``B(A(x)) = W_B·(W_A·x + b_A) + b_B``, so the weight is ``W_B·W_A`` and the bias
    ``W_B·b_A + b_B``. The result has names and wavelengths of channels, and no other metadata.

    Raises
    ------
    ShapeMismatchError
        If a layer takes another number of channels than the one before it gives.
    DataError
        If the numbers overflow float64.
    """
    first, last = layers[0], layers[-1]
    weight, bias = first.weight, first.bias
    with np.errstate(over="ignore", invalid="ignore"):
        for before, layer in pairwise(layers):
            if layer.in_channels != before.out_channels:
                raise ShapeMismatchError(
                    f"takes {count(layer.in_channels, 'channel')}, but {before.source} before it "
                    f"gives {before.out_channels}; the layer that is applied first comes first",
                    layer.source,
                )
            bias = layer.weight @ bias + layer.bias
            weight = layer.weight @ weight
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise DataError("the composed layers overflow float64; keep them apart", last.source)
    kept = {name: first.meta.get(name) for name in ("channels", "wavelengths", "wavelength_unit")}
    kept["outputs"] = last.meta.get("outputs")
    meta = {name: value for name, value in kept.items() if value is not None}
    return ChannelMap(weight, bias, " ".join(layer.source for layer in layers), meta)


def strongest(weight: Floats, most: int) -> list[list[tuple[int, float]]]:
    """List the `most` strongest input channels of each row, with their weights.

    The largest magnitude comes first, and of equal ones the first; weights of 0 are left out.
    """
    order = np.argsort(-np.abs(weight), axis=1, kind="stable")[:, :most]
    values = np.take_along_axis(weight, order, axis=1)
    return [
        [(channel, value) for channel, value in zip(channels, numbers, strict=True) if value]
        for channels, numbers in zip(order.tolist(), values.tolist(), strict=True)
    ]
