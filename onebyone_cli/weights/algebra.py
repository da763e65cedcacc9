"""What linear algebra says of weights: size, rank, condition, and chains folded into one."""

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

#: Smaller side of the largest matrix whose singular values are looked for: a few seconds.
_MOST_SINGULAR_VALUES = 2048


class Facts(NamedTuple):
    """Facts of a matrix W of K rows and C columns.

    Attributes
    ----------
    frobenius : float
        Frobenius norm: the root of the sum of all squares.
    spectral : float or None
        Spectral norm, the largest singular value: by how much W can lengthen a spectrum. None
        where the matrix is too large to look for it, as in the two that follow.
    rank : int or None
        Singular values above rounding, max(K, C)·eps·spectral.
    condition : float or None
        Largest over smallest singular value; infinite if the rank is not min(K, C).
    orthonormality : float
        Largest deviation of W·Wᵀ from the identity; 0 says that the rows are orthonormal. Infinite
        or NaN where that outgrows float64.
    """

    frobenius: float
    spectral: float | None
    rank: int | None
    condition: float | None
    orthonormality: float


def facts_of(weight: Floats) -> Facts:
    """Look at a weight of shape (K, C)."""
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
    """Euclidean length of each row of a weight of shape (K, C): shape (K,)."""
    # By a power of two, which changes no digit, or squares could be beyond float64.
    power = np.frexp(np.abs(weight).max(axis=1, keepdims=True))[1]
    with np.errstate(over="ignore"):
        norms: Floats = np.ldexp(np.linalg.norm(np.ldexp(weight, -power), axis=1), power[:, 0])
    return norms


def channel_shares(weight: Floats) -> Floats:
    """Share of each input channel in the sum of all squared weights.

    Parameters
    ----------
    weight : ndarray of float64, shape (K, C)
        If it is all zeros, so are the shares.

    Returns
    -------
    ndarray of float64, shape (C,)
    """
    largest = np.abs(weight).max()
    squares = np.square(weight / largest if largest else weight).sum(axis=0)
    shares: Floats = squares / (squares.sum() or 1.0)
    return shares


def compose(layers: Sequence[ChannelMap]) -> ChannelMap:
    """Fold a chain of linear layers into one.

    ``B(A(x)) = W_B·(W_A·x + b_A) + b_B``, so the weight is ``W_B·W_A`` and the bias
    ``W_B·b_A + b_B``, computed in float64.

    Parameters
    ----------
    layers : sequence of ChannelMap
        One at least; the first is applied first.

    Returns
    -------
    ChannelMap
        Equal to the chain up to rounding; it has no more to say of itself than names of channels.

    Raises
    ------
    ShapeMismatchError
        If a layer does not take what the one before it gives.
    DataError
        If the numbers outgrow float64.
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
        raise DataError("the layers folded into one outgrow float64; keep them apart", last.source)
    names = {"channels": first.meta.get("channels"), "outputs": last.meta.get("outputs")}
    meta = {name: value for name, value in names.items() if value is not None}
    return ChannelMap(weight, bias, " ".join(layer.source for layer in layers), meta)


def strongest(weight: Floats, most: int) -> list[list[tuple[int, float]]]:
    """Find the input channels that matter most to each output channel.

    Parameters
    ----------
    weight : ndarray of float64, shape (K, C)
        The weight.
    most : int
        Channels to name for each.

    Returns
    -------
    list of lists
        For each row channels with their weights, the largest magnitude first, of equal ones the
        first; those of weight 0 are left out.
    """
    order = np.argsort(-np.abs(weight), axis=1, kind="stable")[:, :most]
    values = np.take_along_axis(weight, order, axis=1)
    return [
        [(channel, value) for channel, value in zip(channels, numbers, strict=True) if value]
        for channels, numbers in zip(order.tolist(), values.tolist(), strict=True)
    ]
