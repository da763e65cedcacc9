"""Principal components, of the covariance or of the correlation matrix.

Hotelling, "Analysis of a complex of statistical variables into principal components", Journal of
Educational Psychology 24, 1933; as in Jolliffe, "Principal Component Analysis", 2nd ed., 2002,
sections 2.1 (covariance), 2.3 (correlation) and 3.4 (equal eigenvalues).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError, setting
from onebyone_cli.learners.distinct import Distinct, distinct_channels
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import (
    Model,
    all_finite,
    choose_components,
    fix_signs,
    make_model,
    negligible,
    rank_of,
)
from onebyone_cli.units import count, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments

#: Ratio of standard deviations above which plain PCA shows little but channels of large numbers.
_WILD_RATIO = 100.0


def fit_pca(
    moments: Moments,
    *,
    k: int | None = None,
    variance: float | None = None,
    standardize: bool = False,
    whiten: bool = False,
    source: str = "",
) -> Model:
    """Learn principal components.

    The covariance is divided by count − 1. With fewer pixels than channels, at most count − 1
    eigenvalues differ from zero, and the rest are exactly 0. Components of eigenvalue 0 complete
    the basis and are arbitrary; the model warns where some are kept. In all others constant
    channels have weight 0, and duplicated channels the same weight.

    Parameters
    ----------
    moments : Moments
        Of the valid pixels, C channels.
    variance : float, optional
        Keep the fewest components that explain this fraction of the variance. All C by default.
    standardize : bool
        Divide each channel by its standard deviation first; constant channels by 1.
    whiten : bool
        Divide each component by its standard deviation.

    Returns
    -------
    Model
        ``weight`` = Λ^-½·Vᵀ·D⁻¹ with D = diag(scale), Λ only when whitened; ``eigenvalues`` in
        squared units of the channels, or without unit when standardized.

    Raises
    ------
    UsageError
        If `k` or `variance` is out of range, or both are given.
    DataError
        If there are fewer than two valid pixels, no channel varies, the numbers are too large for
        float64 to square, `k` is more than C, or whitening is asked for more components than vary.
    """
    check_counted(moments, source)
    if moments.count == 1:
        raise DataError(
            "has 1 valid pixel, and with one nothing varies; expected 2 or more", source
        )
    constant = moments.constant
    if constant.all():
        raise DataError("no channel varies, so there are no components to learn", source)
    distinct = distinct_channels(moments.comoment, constant)
    deviation = np.sqrt(np.where(constant, 0.0, moments.comoment.diagonal()))[distinct.leading]
    degrees = moments.count - 1
    scale = np.ones(moments.channels)
    if standardize:
        scale = np.where(constant, 1.0, deviation / np.sqrt(degrees))
        eigenvalues, vectors = _of_correlation(moments, distinct, deviation)
    else:
        eigenvalues, vectors = _of_covariance(moments, distinct, deviation)
        if not np.isfinite(eigenvalues).all():
            raise DataError("has variances beyond the range of float64; scale it down", source)
    kept = choose_components(eigenvalues, k, variance, source)
    rank = rank_of(eigenvalues)
    rows = vectors[:kept] / scale
    if whiten:
        if kept > rank:
            raise DataError(
                f"can't be whitened to {count(kept, 'component')}: {rank} of them vary, and the "
                f"others would be divided by zero; ask for "
                f"{setting('k', rank)} or fewer",
                source,
            )
        rows /= np.sqrt(eigenvalues[:kept, np.newaxis])
    warnings = [
        *_warn_constant(constant, standardize=standardize),
        *([] if standardize else _warn_wild(deviation, constant)),
        *warn_rank(kept, rank),
        *warn_close(eigenvalues, kept, rank, moments.count),
    ]
    return make_model(
        fix_signs(rows),
        method="pca",
        options={"k": k, "variance": variance, "standardize": standardize, "whiten": whiten},
        source=source,
        moments=moments,
        scale=scale,
        eigenvalues=eigenvalues,
        warnings=warnings,
    )


def check_counted(moments: Moments, source: str) -> None:
    """Raise `DataError` unless there is a valid pixel and all moments are finite."""
    if not moments.count:
        left_out = f": all {moments.invalid} were left out" if moments.invalid else ""
        raise DataError(f"has no valid pixel{left_out}; check NaN, nodata and mask", source)
    with np.errstate(over="ignore"):
        total = np.atleast_1d(moments.comoment.trace())
    if not all_finite(moments.mean, moments.comoment, total):
        raise DataError(
            "has numbers that are infinite or too large to be squared; "
            "rescale them, or leave them out with a mask",
            source,
        )


def _of_correlation(
    moments: Moments, distinct: Distinct, deviation: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    divisor = np.where(deviation > 0, deviation, 1.0)
    matrix = distinct.reduce(moments.comoment / divisor / divisor[:, np.newaxis])
    np.fill_diagonal(matrix, distinct.members)
    return _eigen(matrix, distinct, moments.count - 1)


def _of_covariance(
    moments: Moments, distinct: Distinct, deviation: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # A power of two changes no digit, and keeps LAPACK far from overflow and underflow.
    power = int(np.frexp(deviation.max())[1])
    unit, degrees = float(np.ldexp(1.0, power)), moments.count - 1
    matrix = distinct.reduce(moments.comoment / unit / unit)
    eigenvalues, vectors = _eigen(matrix, distinct, degrees)
    with np.errstate(over="ignore"):  # the caller refuses infinities
        return np.ldexp(eigenvalues / degrees, 2 * power), vectors


def _eigen(
    matrix: NDArray[np.float64], distinct: Distinct, degrees: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues of all channels, descending and none negative, and vectors in rows.

    The directions in which duplicates cancel and the constant channels come last, of eigenvalue 0.
    """
    found, vectors = np.linalg.eigh(matrix)
    eigenvalues = np.zeros(distinct.channels)
    eigenvalues[: len(found)] = np.maximum(found[::-1], 0.0)
    eigenvalues[degrees:] = 0.0
    return eigenvalues, distinct.restore_basis(np.ascontiguousarray(vectors[:, ::-1].T))


def _warn_constant(constant: NDArray[np.bool_], *, standardize: bool) -> list[str]:
    if not standardize or not constant.any():
        return []
    names = listed("channel {} is", "channels {} are", np.flatnonzero(constant).tolist())
    return [f"{names} constant: divided by 1 instead of a standard deviation of 0"]


def _warn_wild(deviation: NDArray[np.float64], constant: NDArray[np.bool_]) -> list[str]:
    varying = np.flatnonzero(~constant)
    largest = int(varying[deviation[varying].argmax()])
    smallest = int(varying[deviation[varying].argmin()])
    ratio = float(deviation[largest]) / float(deviation[smallest])  # infinite without a warning
    if ratio <= _WILD_RATIO:
        return []
    return [
        f"the standard deviation of channel {largest} is {ratio:.3g} times that of channel "
        f"{smallest}, so a few channels decide the components; standardize to give all the same "
        "weight"
    ]


def warn_rank(kept: int, rank: int) -> list[str]:
    """Warn if more components are kept than there are eigenvalues above rounding."""
    if kept <= rank:
        return []
    return [
        f"the data has {count(rank, 'independent component')}, and {kept} were kept; "
        "the last ones are arbitrary directions in which nothing varies"
    ]


def warn_close(eigenvalues: NDArray[np.float64], kept: int, rank: int, pixels: int) -> list[str]:
    """Warn if the last component kept can't be told from the first one that was not.

    Eigenvalues within the sampling error λ·√(2/N) of each other mix their components: the rule of
    thumb of North, Bell, Cahalan & Moeng, "Sampling errors in the estimation of empirical
    orthogonal functions", Monthly Weather Review 110, 1982, equation 24. For a ratio d of
    variances, as of MAF, the error is d·√(2/N) too.
    """
    if kept >= min(rank, len(eigenvalues)):
        return []
    last, next_one = float(eigenvalues[kept - 1]), float(eigenvalues[kept])
    error = max(last, next_one) * np.sqrt(2 / pixels)
    if abs(last - next_one) > max(error, negligible(eigenvalues)):
        return []
    return [
        f"eigenvalues {kept - 1} and {kept} are nearly equal ({last:.6g} and {next_one:.6g}), so "
        "which direction is kept is a matter of chance; keep more components or fewer"
    ]


LEARNER = Learner(
    needs=frozenset({"pixels"}),
    options=("k", "variance", "standardize", "whiten"),
    learn=lambda known, source, options: fit_pca(known.pixels, source=source, **options),
)
