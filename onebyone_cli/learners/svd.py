"""Singular vectors of the pixels as they are, without centring.

Eckart & Young, "The approximation of one matrix by another of lower rank", Psychometrika 1, 1936:
the map of rank K through zero that leaves the least squared error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.learners.distinct import Distinct, distinct_channels
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import (
    Model,
    all_finite,
    choose_components,
    fix_signs,
    make_model,
    rank_of,
)
from onebyone_cli.learners.pca import check_counted, warn_close, warn_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments


def fit_svd(
    moments: Moments,
    *,
    k: int | None = None,
    variance: float | None = None,
    source: str = "",
) -> Model:
    """Learn the right singular vectors of the pixels X (N×C).

    XᵀX = comoment + N·mean·meanᵀ is never added up: a large mean would cost the digits of the
    comoment. A factor of the comoment with √N·meanᵀ as one more row has the same singular values
    and right vectors as X.

    Parameters
    ----------
    moments : Moments
        Of the N valid pixels, C channels.
    variance : float, optional
        Keep the fewest components that reach this fraction of the mean square. All C by default.

    Returns
    -------
    Model
        ``weight`` has orthonormal rows, bias and mean are 0. ``eigenvalues`` are s²/N for the
        singular values s: the mean square of each score.

    Raises
    ------
    UsageError
        If `k` or `variance` is out of range, or both are given.
    DataError
        If there is no valid pixel, all are zero, the numbers are too large for float64 to square,
        or `k` is more than C.
    """
    check_counted(moments, source)
    means = np.sqrt(moments.count) * moments.mean
    distinct = distinct_channels(moments.comoment, moments.constant & (moments.mean == 0), means)
    if not len(distinct.first):
        raise DataError("is zero everywhere, so there are no components to learn", source)
    factor = _factor(moments, means, distinct)
    unit = float(np.ldexp(1.0, int(np.frexp(np.abs(factor).max())[1])))
    _, found, vectors = np.linalg.svd(factor / unit, full_matrices=False)
    singular = np.zeros(moments.channels)
    singular[: len(found)] = found
    rows = distinct.restore_basis(vectors)
    with np.errstate(over="ignore"):
        eigenvalues = (singular * (unit / np.sqrt(moments.count))) ** 2
    if not all_finite(eigenvalues):
        raise DataError("has numbers that are too large to be squared; rescale them", source)
    eigenvalues[moments.count :] = 0.0
    kept = choose_components(eigenvalues, k, variance, source)
    rank = rank_of(eigenvalues)
    return make_model(
        fix_signs(rows[:kept]),
        method="svd",
        options={"k": k, "variance": variance},
        source=source,
        moments=moments,
        centred=False,
        eigenvalues=eigenvalues,
        warnings=warn_rank(kept, rank) + warn_close(eigenvalues, kept, rank, moments.count),
    )


def _factor(
    moments: Moments, means: NDArray[np.float64], distinct: Distinct
) -> NDArray[np.float64]:
    """Return B of the G distinct channels, shape (G + 1, G), with BᵀB = comoment + meansᵀ·means."""
    comoment = distinct.reduce(moments.comoment)
    varying = np.flatnonzero(comoment.diagonal() > 0)
    if len(varying) < len(comoment):
        comoment = comoment[np.ix_(varying, varying)]
    power = int(np.frexp(np.sqrt(comoment.diagonal().max(initial=0.0)))[1])
    unit = float(np.ldexp(1.0, power))
    eigenvalues, vectors = np.linalg.eigh(comoment / unit / unit)
    factor = np.zeros((len(distinct.first) + 1, len(distinct.first)))
    spread = np.sqrt(np.maximum(eigenvalues, 0.0))[:, np.newaxis] * vectors.T * unit
    factor[np.ix_(varying, varying)] = spread
    factor[-1] = distinct.reduce_rows(means[np.newaxis])[0]
    return factor


LEARNER = Learner(
    needs=frozenset({"pixels"}),
    options=("k", "variance"),
    learn=lambda known, source, options: fit_svd(known.pixels, source=source, **options),
)
