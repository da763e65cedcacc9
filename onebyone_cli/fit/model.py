"""What a learner gives: weights, what they were learned from, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.units import count
from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Entries of a row this close to its largest are as large: what separates them is rounding, which
#: differs between machines, and the sign of a component must not.
_TIE = 1e-9

#: Rows whose products are this close to those of an orthonormal basis are one.
_ORTHONORMAL = 1e-12


@dataclass(frozen=True, eq=False)
class Model:
    """Learned weights, with all that is saved beside them.

    Attributes
    ----------
    map : ChannelMap
        Weight (K, C) and bias (K,) = −weight · mean: ``apply`` needs nothing else.
    mean : ndarray of float64, shape (C,)
        What is subtracted from each channel, in its unit; zeros where nothing is.
    scale : ndarray of float64, shape (C,)
        What each channel is divided by, already part of the weight; ones unless standardized.
    eigenvalues : ndarray of float64, shape (C,) or (0,)
        All of them, descending, also those of components that were not kept; empty where the
        method has none.
    explained_variance : ndarray of float64, shape (K,) or (0,)
        Eigenvalues of the components kept.
    explained_variance_ratio : ndarray of float64, shape (K,) or (0,)
        Their shares of the sum of all eigenvalues.
    meta : mapping
        What a JSON document can hold: ``method``, ``options``, ``count``, ``invalid``,
        ``warnings`` (a list of sentences) and ``version``.
    """

    map: ChannelMap
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    explained_variance: NDArray[np.float64]
    explained_variance_ratio: NDArray[np.float64]
    meta: Mapping[str, Any]

    @property
    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Every array by the name under which it is saved."""
        return {
            "weight": self.map.weight,
            "bias": self.map.bias,
            "mean": self.mean,
            "scale": self.scale,
            "eigenvalues": self.eigenvalues,
            "explained_variance": self.explained_variance,
            "explained_variance_ratio": self.explained_variance_ratio,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about this result, a sentence each."""
        return tuple(self.meta["warnings"])

    def inverse(self) -> ChannelMap:
        """Return the map back, from K channels to C; see `inverse_map`."""
        return inverse_map(self.map, self.mean, self.scale)


def make_model(
    weight: NDArray[np.float64],
    *,
    source: str,
    meta: Mapping[str, Any],
    mean: NDArray[np.float64] | None = None,
    scale: NDArray[np.float64] | None = None,
    eigenvalues: NDArray[np.float64] | None = None,
) -> Model:
    """Put a model together; the bias and the shares follow from the rest.

    Parameters
    ----------
    weight : ndarray of float64, shape (K, C)
        One row per component.
    source : str
        What it was learned from, for messages.
    meta : mapping
        See `Model`.
    mean, scale : ndarray of float64, shape (C,), optional
        Zeros and ones unless given.
    eigenvalues : ndarray of float64, shape (C,), optional
        All of them, descending; those of the K components first.
    """
    channels = weight.shape[1]
    centred = mean is not None
    mean = np.zeros(channels) if mean is None else mean.copy()
    values = np.zeros(0) if eigenvalues is None else eigenvalues
    kept = values[: len(weight)]
    total = float(values.sum())
    return Model(
        ChannelMap(weight, -(weight @ mean) if centred else np.zeros(len(weight)), source, meta),
        mean,
        np.ones(channels) if scale is None else scale,
        values,
        kept.copy(),
        kept / total if total > 0 else np.zeros(len(kept)),
        meta,
    )


def inverse_map(
    forward: ChannelMap,
    mean: NDArray[np.float64] | None = None,
    scale: NDArray[np.float64] | None = None,
) -> ChannelMap:
    """Make the map that takes K output channels back to C input channels.

    With W = weight, D = diag(scale) and r the norms of the rows of W·D, the weight of the inverse
    is A = D · (r⁻¹·W·D)⁺ · r⁻¹, where ⁺ is the Moore-Penrose inverse, and

        x̂ = A·(y − bias) + (1 − A·W)·mean

    which for learned weights, where bias = −W·mean, is x̂ = A·y + mean. The rows of PCA are
    orthogonal once the scale is taken off, whitened or not, so (r⁻¹·W·D)⁺ is the transpose and
    nothing is inverted: A = Wᵀ for plain PCA. Forward and back is the projection onto the
    components; back and forward is the identity where the rows are independent.

    Parameters
    ----------
    forward : ChannelMap
        Weight (K, C) and bias (K,).
    mean, scale : ndarray of float64, shape (C,), optional
        As in `Model`; zeros and ones unless given.

    Returns
    -------
    ChannelMap
        Weight (C, K) and bias (C,).
    """
    weight = forward.weight
    mean = np.zeros(forward.in_channels) if mean is None else mean
    scale = np.ones(forward.in_channels) if scale is None else scale
    rows = weight * scale
    norms = np.linalg.norm(rows, axis=1)
    norms[norms == 0] = 1.0  # a row of zeros tells nothing, and its inverse is zeros
    rows /= norms[:, np.newaxis]
    gram = rows @ rows.T
    orthonormal = np.abs(gram - np.eye(len(rows))).max() <= _ORTHONORMAL
    back = rows.T if orthonormal else np.linalg.pinv(rows)
    inverse = back * scale[:, np.newaxis] / norms
    # Zero for learned weights; a bias from elsewhere is taken off before the way back.
    rest = -forward.bias - weight @ mean
    rest[np.abs(rest) <= _ORTHONORMAL * (np.abs(weight) @ np.abs(mean))] = 0.0
    return ChannelMap(inverse, mean + inverse @ rest, forward.source, forward.meta)


def choose_components(
    eigenvalues: NDArray[np.float64],
    k: int | None = None,
    variance: float | None = None,
    source: str = "",
) -> int:
    """Say how many components to keep.

    Parameters
    ----------
    eigenvalues : ndarray of float64, shape (C,)
        Descending, none negative.
    k : int, optional
        That many.
    variance : float, optional
        The smallest number whose eigenvalues together reach this fraction of their sum.
    source : str
        What they were learned from, for messages.

    Returns
    -------
    int
        K; all C if neither is given.

    Raises
    ------
    UsageError
        If both are given, `k` is less than 1, or `variance` is not within (0, 1].
    DataError
        If `k` is more than C.
    """
    channels = len(eigenvalues)
    if k is not None and variance is not None:
        raise UsageError("-k and --variance both say how many components to keep; give one of them")
    if k is not None:
        check_components(k)
        if k > channels:
            raise DataError(
                f"has {count(channels, 'channel')}, and {k} components were asked for; "
                f"ask for -k {channels} or fewer",
                source,
            )
        return k
    if variance is None:
        return channels
    if not 0 < variance <= 1:
        raise UsageError(f"--variance {variance} is not a fraction; give more than 0, up to 1")
    reached = np.cumsum(eigenvalues)
    # Sums are rounded: 0.7 + 0.2 of 1.0 does reach 0.9.
    target = variance * reached[-1] * (1 - channels * np.finfo(np.float64).eps)
    return min(int(np.searchsorted(reached, target)) + 1, channels)


def check_components(k: int) -> None:
    """Raise `UsageError` unless `k` is 1 or more."""
    if k < 1:
        raise UsageError(f"-k {k} asks for no component; give 1 or more")


def fix_signs(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn rows so that the entry of largest magnitude is positive; ties go to the lowest index.

    Entries that differ by rounding only count as tied.

    Parameters
    ----------
    rows : ndarray of float64, shape (K, C)
        Components.
    """
    magnitude = np.abs(rows)
    largest = magnitude.max(axis=1, keepdims=True)
    first = (magnitude >= largest * (1 - _TIE)).argmax(axis=1)
    signs = np.where(rows[np.arange(len(rows)), first] < 0, -1.0, 1.0)
    turned: NDArray[np.float64] = rows * signs[:, np.newaxis]
    return turned


def negligible(eigenvalues: NDArray[np.float64]) -> float:
    """Return the size up to which an eigenvalue is rounding: 8·C·ε of the largest.

    LAPACK finds the eigenvalues of a symmetric matrix to a modest multiple of ε times the largest
    (LAPACK Users' Guide, 3rd ed., section 4.7).
    """
    return 8 * len(eigenvalues) * float(np.finfo(np.float64).eps) * float(eigenvalues[0])


def all_finite(*arrays: NDArray[np.float64]) -> bool:
    """Say whether every number of every array is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)
