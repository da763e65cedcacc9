"""Min/max autocorrelation factors: components in order of how smooth they are in space.

Switzer & Green, "Min/max autocorrelation factors for multivariate spatial imagery", Technical
Report 6, Department of Statistics, Stanford University, 1984; also in Green, Berman, Switzer &
Craig, "A transformation for ordering multispectral data in terms of image quality with
implications for noise removal", IEEE Transactions on Geoscience and Remote Sensing 26:1, 1988.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.learners.differences import difference_covariance
from onebyone_cli.learners.generalized import check_covariance, check_rank, covariance_of, whiten
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import (
    Model,
    check_components,
    choose_components,
    make_model,
    negligible,
)
from onebyone_cli.learners.pca import check_counted

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
    autocorrelation at that distance is 1 − d/2. The first factor is the smoothest there is. With
    the noise Σ_N = Σ_Δ/2, minimum noise fractions are the same factors: λ = 2/d.

    Constant channels get weight 0. Of linearly dependent channels, such as duplicates, there are
    as many factors as are independent.

    Parameters
    ----------
    moments : Moments
        Of the valid pixels, C channels; their covariance Σ is divided by count − 1.
    differences : ndarray of float64, shape (C, C)
        Σ_Δ: covariance of the differences of neighbours, not halved.
    k : int, optional
        Factors to keep; all of them if not given.
    source : str
        What the moments are of, for messages.

    Returns
    -------
    Model
        ``eigenvalues`` are d, ascending, R of them where R directions are independent; they have
        no unit and are no parts of a whole. The way back is Σ·Wᵀ.

    Raises
    ------
    UsageError
        If `k` is less than 1.
    DataError
        If there is no valid pixel, no channel varies, the numbers are too large for float64 to
        square, the differences are zero, not finite, or of other pixels, or `k` is more than R.
    ShapeMismatchError
        If the differences are of another number of channels.
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
    # The largest ratio is that of the roughest factor, and it comes last.
    eigenvalues, weight, back = eigenvalues[::-1].copy(), weight[::-1], back[:, ::-1]
    kept = choose_components(eigenvalues, k, source=source)
    return make_model(
        np.ascontiguousarray(weight[:kept]),
        method="maf",
        options={"k": k},
        source=source,
        count=moments.count,
        invalid=moments.invalid,
        mean=moments.mean,
        eigenvalues=eigenvalues,
        shares=False,
        inverse=np.ascontiguousarray(back[:, :kept]),
        warnings=[
            *whitening.warnings(),
            *_warn_close(eigenvalues, kept, moments.count),
        ],
    )


def _warn_close(eigenvalues: NDArray[np.float64], kept: int, pixels: int) -> list[str]:
    """Warn where the last factor kept can't be told from the first one that was not.

    The rule of `pca.warn_close`, from the other end: d is the variance of differences in units in
    which that of the pixels is 1, and its sampling error is d·√(2/N).
    """
    if kept == len(eigenvalues):
        return []
    last, next_one = float(eigenvalues[kept - 1]), float(eigenvalues[kept])
    if next_one - last > max(next_one * np.sqrt(2 / pixels), negligible(eigenvalues[::-1])):
        return []
    return [
        f"eigenvalues {kept - 1} and {kept} are nearly equal ({last:.6g} and {next_one:.6g}), so "
        "which factor is kept is a matter of chance; keep more factors or fewer"
    ]


def _learn(known: Statistics, source: str, options: Mapping[str, Any]) -> Model:
    check_counted(known.pixels, source)
    differences = difference_covariance(known.differences.values(), source)
    return fit_maf(known.pixels, differences, source=source, **options)


LEARNER = Learner(needs=frozenset({"pixels", "differences"}), options=("k",), learn=_learn)
