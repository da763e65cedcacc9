"""Learned weights, and what is saved with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, UsageError, setting
from onebyone_cli.learners.distinct import distinct_channels, distinct_columns
from onebyone_cli.units import count
from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments

#: Relative difference of entries that is rounding, which differs between machines.
_TIE = 1e-9

#: Largest deviation of W·Wᵀ from the identity for orthonormal rows.
_ORTHONORMAL = 1e-12


class Model(NamedTuple):
    """Learned weights, with all that is saved beside them.

    Attributes
    ----------
    map : ChannelMap
        Weight (K, C) and bias (K,) = −weight · mean: ``apply`` needs nothing else.
    mean : ndarray of float64, shape (C,)
        Subtracted from each channel, in its unit; zeros for methods that do not centre.
    scale : ndarray of float64, shape (C,)
        Divisor of each channel, already part of the weight; ones unless standardized.
    eigenvalues : ndarray of float64, shape (C,) or (0,)
        All of them, descending; empty where the method has none.
    explained_variance, explained_variance_ratio : ndarray of float64, shape (K,) or (0,)
        Eigenvalues of the components kept, and their shares of the sum of all.
    inverse_weight : ndarray of float64, shape (C, K), or None
        Weight of the inverse, for methods with one of their own; see `inverse_map`.
    noise : ndarray of float64, shape (C, C), or None
        Covariance of the noise, for methods that need one.
    meta : mapping
        JSON values: ``method``, ``options``, ``count``, ``invalid`` and ``warnings`` (sentences).
    """

    map: ChannelMap
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    explained_variance: NDArray[np.float64]
    explained_variance_ratio: NDArray[np.float64]
    inverse_weight: NDArray[np.float64] | None
    noise: NDArray[np.float64] | None
    meta: Mapping[str, Any]

    @property
    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Every array by the name under which it is saved."""
        arrays = {
            "weight": self.map.weight,
            "bias": self.map.bias,
            "mean": self.mean,
            "scale": self.scale,
            "eigenvalues": self.eigenvalues,
            "explained_variance": self.explained_variance,
            "explained_variance_ratio": self.explained_variance_ratio,
        }
        if self.inverse_weight is not None:
            arrays["inverse"] = self.inverse_weight
        if self.noise is not None:
            arrays["noise"] = self.noise
        return arrays

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about this result, a sentence each."""
        return tuple(self.meta["warnings"])

    def inverse(self) -> ChannelMap:
        """Return the inverse, from K channels to C; see `inverse_map`."""
        return inverse_map(self.map, self.mean, self.scale, self.inverse_weight)

    def residual(self) -> ChannelMap:
        """Return the map from C channels to what reconstruction misses of each."""
        there, back = self.map, self.inverse()
        weight = np.eye(there.in_channels) - back.weight @ there.weight
        return ChannelMap(weight, -(back.weight @ there.bias + back.bias), there.source)

    def channel_errors(self, moments: Moments) -> NDArray[np.float64]:
        """Return the root mean square reconstruction error of each channel, shape (C,).

        With R = 1 − A·W the mean square is the diagonal of R·Σ·Rᵀ, Σ divided by the count here,
        plus the squared mean of the error. R is multiplied by a factor of Σ, so only rounding of
        the channels remains. Errors are NaN where the moments are not finite.
        """
        residual = self.residual()
        covariance = moments.comoment / max(moments.count, 1)
        if not all_finite(moments.mean, covariance):
            return np.full(moments.channels, np.nan)
        # LAPACK finds eigenvalues to a share of the largest, so variances are made about equal; a
        # power of two changes no digit.
        distinct = distinct_channels(covariance, moments.constant)
        power = np.frexp(np.sqrt(np.maximum(covariance.diagonal(), 0.0)))[1][distinct.leading]
        scaled = distinct.reduce(np.ldexp(covariance, -np.add.outer(power, power)))
        values, vectors = np.linalg.eigh(scaled)
        parts = distinct.restore((vectors * np.sqrt(np.maximum(values, 0.0))).T).T
        factor = np.ldexp(parts, power[:, np.newaxis])
        spread = np.linalg.norm(residual.weight @ factor, axis=1)
        shift = residual.weight @ moments.mean + residual.bias
        rounding = 4 * np.finfo(np.float64).eps * np.abs(moments.mean)
        shift[np.abs(shift) <= rounding * moments.channels] = 0.0
        errors: NDArray[np.float64] = np.hypot(spread, shift)  # a mean may be too large to square
        return errors


def make_model(
    weight: NDArray[np.float64],
    *,
    method: str,
    options: Mapping[str, Any],
    source: str = "",
    moments: Moments | None = None,
    centred: bool = True,
    scale: NDArray[np.float64] | None = None,
    eigenvalues: NDArray[np.float64] | None = None,
    shares: bool = True,
    inverse: NDArray[np.float64] | None = None,
    noise: NDArray[np.float64] | None = None,
    warnings: Sequence[str] = (),
) -> Model:
    """Put a model together; the bias and the shares follow from the rest.

    Parameters
    ----------
    weight : ndarray of float64, shape (K, C)
        One row per component.
    moments : Moments, optional
        Of the pixels: their mean and their counts.
    centred : bool
        Whether the weights apply to pixels less their mean.
    shares : bool
        Whether the eigenvalues have a meaningful sum.
    scale, eigenvalues, inverse, noise, warnings
        As in `Model`.
    """
    channels = weight.shape[1]
    mean, bias = np.zeros(channels), np.zeros(len(weight))
    if moments is not None and centred:
        mean, bias = moments.mean.copy(), -(weight @ moments.mean)
    values = np.zeros(0) if eigenvalues is None else eigenvalues
    kept = values[: len(weight)] if shares else np.zeros(0)
    total = float(values.sum())
    meta = {
        "method": method,
        "options": dict(options),
        "count": moments.count if moments is not None else 0,
        "invalid": moments.invalid if moments is not None else 0,
        "warnings": list(warnings),
    }
    return Model(
        # What a file of the model says: `apply` has the same from either.
        map=ChannelMap(
            weight,
            bias,
            source,
            {**meta, "mean": mean, "eigenvalues": values, "explained_variance": kept.copy()},
        ),
        mean=mean,
        scale=np.ones(channels) if scale is None else scale,
        eigenvalues=values,
        explained_variance=kept.copy(),
        explained_variance_ratio=kept / total if total > 0 else np.zeros(len(kept)),
        inverse_weight=inverse,
        noise=noise,
        meta=meta,
    )


def inverse_map(
    forward: ChannelMap,
    mean: NDArray[np.float64] | None = None,
    scale: NDArray[np.float64] | None = None,
    inverse: NDArray[np.float64] | None = None,
) -> ChannelMap:
    """Make the inverse, from K output channels to C input channels.

    With W = weight, D = diag(scale) and r the norms of the rows of W·D, the weight of the inverse
    is A = D · (r⁻¹·W·D)⁺ · r⁻¹, where ⁺ is the Moore-Penrose inverse, and

        x̂ = A·(y − bias) + (1 − A·W)·mean

    which for learned weights, where bias = −W·mean, is x̂ = A·y + mean. The rows of PCA are
    orthogonal without the scale, so (r⁻¹·W·D)⁺ is the transpose: A = Wᵀ for plain PCA. Forward and
    inverse is the projection onto the components; inverse and forward is the identity where the
    rows are independent.

    Parameters
    ----------
    mean, scale : ndarray of float64, shape (C,), optional
        As in `Model`; zeros and ones by default.
    inverse : ndarray of float64, shape (C, K), optional
        A, for methods with one of their own.
    """
    weight = forward.weight
    mean = np.zeros(forward.in_channels) if mean is None else mean
    back = _pseudo_inverse(weight, scale) if inverse is None else inverse
    # Zero for learned weights, whose bias is −W·mean.
    rest = -forward.bias - weight @ mean
    rest[np.abs(rest) <= _ORTHONORMAL * (np.abs(weight) @ np.abs(mean))] = 0.0
    meta = {**forward.meta, "outputs": forward.meta.get("channels"), "restores": True}
    meta["channels"] = forward.meta.get("outputs")
    meta["output_wavelengths"] = meta.pop("wavelengths", None)
    return ChannelMap(back, mean + back @ rest, forward.source, meta)


def _pseudo_inverse(
    weight: NDArray[np.float64], scale: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    scale = np.ones(weight.shape[1]) if scale is None else scale
    rows = weight * scale
    norms = np.linalg.norm(rows, axis=1)
    norms[norms == 0] = 1.0  # the inverse of a row of zeros is zeros
    rows /= norms[:, np.newaxis]
    gram = rows @ rows.T
    if np.abs(gram - np.eye(len(rows))).max() <= _ORTHONORMAL:
        back: NDArray[np.float64] = rows.T
    else:
        distinct = distinct_columns(rows)
        found = np.linalg.pinv(distinct.reduce_rows(rows)).astype(np.float64, copy=False)
        back = distinct.restore(found.T).T
    whole: NDArray[np.float64] = back * scale[:, np.newaxis] / norms
    return whole


def choose_components(
    eigenvalues: NDArray[np.float64],
    k: int | None = None,
    variance: float | None = None,
    source: str = "",
) -> int:
    """Return the number K of components to keep; all by default.

    Parameters
    ----------
    eigenvalues : ndarray of float64, shape (C,)
        Descending, none negative.
    variance : float, optional
        Keep the fewest whose eigenvalues reach this fraction of the sum.

    Raises
    ------
    UsageError
        If `k` and `variance` are both given, or one is out of range.
    DataError
        If `k` is more than C.
    """
    channels = len(eigenvalues)
    if k is not None and variance is not None:
        raise UsageError(
            f"{setting('k')} and {setting('variance')} both set the number of components; give one"
        )
    if k is not None:
        check_components(k)
        if k > channels:
            raise DataError(
                f"has {count(channels, 'channel')}, and {k} components were asked for; "
                f"ask for {setting('k', channels)} or fewer",
                source,
            )
        return k
    if variance is None:
        return channels
    check_variance(variance)
    reached = np.cumsum(eigenvalues)
    # Sums are rounded: 0.7 + 0.2 of 1.0 does reach 0.9.
    target = variance * reached[-1] * (1 - channels * np.finfo(np.float64).eps)
    return min(int(np.searchsorted(reached, target)) + 1, channels)


def check_components(k: int) -> None:
    """Raise `UsageError` unless `k` is 1 or more."""
    if k < 1:
        raise UsageError(f"{setting('k', k)} asks for no component; give 1 or more")


def check_variance(fraction: float) -> None:
    """Raise `UsageError` unless `fraction` is more than 0, and 1 or less."""
    if not 0 < fraction <= 1:
        given = setting("variance", f"{fraction:g}")
        raise UsageError(f"{given} is not a fraction; give more than 0, up to 1")


def fix_signs(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows, shape (K, C), whose entry of largest magnitude is positive.

    Of entries that differ only by rounding, the first decides.
    """
    magnitude = np.abs(rows)
    largest = magnitude.max(axis=1, keepdims=True)
    first = (magnitude >= largest * (1 - _TIE)).argmax(axis=1)
    signs = np.where(rows[np.arange(len(rows)), first] < 0, -1.0, 1.0)
    turned: NDArray[np.float64] = rows * signs[:, np.newaxis]
    return turned + 0.0  # no weight of -0


def negligible(eigenvalues: NDArray[np.float64]) -> float:
    """Return the size up to which an eigenvalue is rounding: 8·C·ε of the largest.

    LAPACK finds the eigenvalues of a symmetric matrix to a modest multiple of ε times the largest
    (LAPACK Users' Guide, 3rd ed., section 4.7).
    """
    return 8 * len(eigenvalues) * float(np.finfo(np.float64).eps) * float(eigenvalues.max())


def rank_of(eigenvalues: NDArray[np.float64]) -> int:
    """Count the eigenvalues above rounding."""
    return int((eigenvalues > negligible(eigenvalues)).sum())


def all_finite(*arrays: NDArray[np.float64]) -> bool:
    """Return whether every number of every array is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)
