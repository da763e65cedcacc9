"""Min/max autocorrelation factors: components ordered by spatial smoothness.

Switzer & Green, "Min/max autocorrelation factors for multivariate spatial imagery", Technical
Report 6, Department of Statistics, Stanford University, 1984; also in Green, Berman, Switzer &
Craig, the paper of `mnf`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.learners.differences import difference_covariance
from onebyone_cli.learners.generalized import check_covariance, check_rank, covariance_of, whiten
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import Model, check_components, choose_components, make_model
from onebyone_cli.learners.pca import check_counted, warn_close

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments
    from onebyone_cli.learners.statistics import Statistics


def fit_maf(
    moments: Moments,
    differences: NDArray[np.float64],
    *,
    k: int | None = None,
    source: str = "",
) -> Model:
    """Learn factors of extreme autocorrelation: Σ_Δ·w = d·Σ·w with wᵀ·Σ·w = 1, d ascending.

    A factor has variance 1, its differences from neighbour to neighbour have variance d, and its
    autocorrelation at that distance is 1 − d/2. The first factor is the smoothest. With the noise
    Σ_N = Σ_Δ/2, minimum noise fractions are the same factors: λ = 2/d. Constant channels get weight
    0; of linearly dependent channels there are as many factors as are independent.

    Parameters
    ----------
    moments : Moments
        Of the valid pixels, C channels; their covariance Σ is divided by count − 1.
    differences : ndarray of float64, shape (C, C)
        Σ_Δ: covariance of the differences of neighbours, not halved.
    k : int, optional
        Factors to keep; all by default.

    Returns
    -------
    Model
        ``eigenvalues`` are d, ascending, R of them where R directions are independent, without
        unit; they have no meaningful sum. The inverse is Σ·Wᵀ.

    Raises
    ------
    UsageError
        If `k` is less than 1.
    DataError
        If there is no valid pixel, no channel varies, the numbers are too large for float64 to
        square, the differences are zero, not finite, or of other pixels, or `k` is more than R.
    ShapeMismatchError
        If the differences have another number of channels.
    """
    if k is not None:
        check_components(k)
    covariance = covariance_of(moments, source)
    check_covariance(differences, moments.channels, "the covariance of differences", source)
    if not differences.diagonal().any():
        raise DataError(
            "no pixel differs from its neighbours, so every factor is as smooth as any other; "
            "compare other neighbours",
            source,
        )
    whitening = whiten(covariance, moments.channels, "the covariance", source)
    if whitening.misses(differences, covariance.diagonal()):
        raise DataError(
            "the differences vary in a direction in which the pixels don't; "
            "take both of the same pixels",
            source,
        )
    check_rank(k, whitening.rank, moments.channels, source)
    eigenvalues, weight, back = whitening.ratios(differences, source)
    # The roughest factor, of the largest ratio, comes last.
    eigenvalues, weight, back = eigenvalues[::-1].copy(), weight[::-1], back[:, ::-1]
    kept = choose_components(eigenvalues, k, source=source)
    return make_model(
        np.ascontiguousarray(weight[:kept]),
        method="maf",
        options={"k": k},
        source=source,
        moments=moments,
        eigenvalues=eigenvalues,
        shares=False,
        inverse=np.ascontiguousarray(back[:, :kept]),
        warnings=[
            *whitening.warnings(),
            *warn_close(eigenvalues, kept, len(eigenvalues), moments.count),
        ],
    )


def _learn(known: Statistics, source: str, options: Mapping[str, Any]) -> Model:
    check_counted(known.pixels, source)
    differences = difference_covariance(known.differences.values(), source)
    return fit_maf(known.pixels, differences, source=source, **options)


LEARNER = Learner(needs=frozenset({"pixels", "differences"}), options=("k",), learn=_learn)
