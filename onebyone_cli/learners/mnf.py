"""Minimum noise fraction: the components with the highest signal-to-noise ratio.

Green, Berman, Switzer & Craig, "A transformation for ordering multispectral data in terms of image
quality with implications for noise removal", IEEE Transactions on Geoscience and Remote Sensing
26:1, 1988. Lee, Woodyatt & Berman, "Enhancement of high spectral resolution remote-sensing data by
a noise-adjusted principal components transform", same journal, 28:3, 1990, get the same in two
steps: whiten the noise, then take principal components.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError, UsageError, setting
from onebyone_cli.learners.differences import difference_covariance
from onebyone_cli.learners.generalized import Whitening, check_rank, covariance_of, whiten
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import (
    Model,
    check_components,
    choose_components,
    make_model,
    rank_of,
)
from onebyone_cli.learners.pca import check_counted, warn_close, warn_rank
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments
    from onebyone_cli.learners.statistics import Statistics


def fit_mnf(
    moments: Moments,
    noise: NDArray[np.float64],
    *,
    k: int | None = None,
    variance: float | None = None,
    snr: float | None = None,
    noise_pixels: int = 0,
    source: str = "",
) -> Model:
    """Learn minimum noise fractions: Σ·w = λ·Σ_N·w with wᵀ·Σ_N·w = 1.

    Scores have uncorrelated noise of variance 1, λ is their whole variance and λ − 1 their
    signal-to-noise ratio. An invertible linear map of the channels, such as other units, changes
    neither. The inverse Σ_N·Wᵀ is the first K columns of the inverse of all C components. Constant
    channels get weight 0; of linearly dependent channels there are as many components as are
    independent.

    Parameters
    ----------
    moments : Moments
        Of the valid pixels, C channels; their covariance Σ is divided by count − 1.
    noise : ndarray of float64, shape (C, C)
        Σ_N: covariance of the noise, such as half that of the differences of neighbours.
    k, variance, snr : optional
        Keep that many components, the fewest that reach this fraction of the sum of λ, or those of
        this signal-to-noise ratio (of variances) or more. All by default.
    noise_pixels : int
        Number of pixels or differences behind `noise`, for warnings; 0 if unknown.

    Returns
    -------
    Model
        ``eigenvalues`` are λ, R of them where R directions are independent, without unit.
        ``noise`` is Σ_N.

    Raises
    ------
    UsageError
        If more than one of `k`, `variance` and `snr` is given, or one is out of range.
    DataError
        If there is no valid pixel, no channel varies, the numbers are too large for float64 to
        square, the noise is not finite, the pixels vary in a direction in which the noise does not,
        `k` is more than R, or no component reaches `snr`.
    ShapeMismatchError
        If the noise has another number of channels.
    """
    _check_options(k, variance, snr)
    covariance = covariance_of(moments, source)
    whitening = whiten(noise, moments.channels, "the noise covariance", source)
    _check_noise(whitening, covariance, noise_pixels, source)
    eigenvalues, weight, back = whitening.ratios(covariance, source)
    eigenvalues[moments.count - 1 :] = 0.0
    check_rank(k, whitening.rank, moments.channels, source)
    if snr is None:
        kept = choose_components(eigenvalues, k, variance, source)
    else:
        kept = _reaching(eigenvalues, snr, source)
    rank = rank_of(eigenvalues)
    return make_model(
        np.ascontiguousarray(weight[:kept]),
        method="mnf",
        options={"k": k, "variance": variance, "snr": snr},
        source=source,
        moments=moments,
        eigenvalues=eigenvalues,
        inverse=np.ascontiguousarray(back[:, :kept]),
        noise=noise.copy(),
        warnings=[
            *whitening.warnings(),
            *_warn_few(noise_pixels, whitening.rank),
            *warn_rank(kept, rank),
            *warn_close(eigenvalues, kept, rank, _together(moments.count, noise_pixels)),
        ],
    )


def _check_options(k: int | None, variance: float | None, snr: float | None) -> None:
    if sum(option is not None for option in (k, variance, snr)) > 1:
        raise UsageError(
            f"{setting('k')}, {setting('variance')} and {setting('snr')} all set the number of "
            "components; give one"
        )
    if k is not None:
        check_components(k)
    if snr is not None:
        check_snr(snr)


def check_snr(ratio: float) -> None:
    """Raise `UsageError` unless `ratio` is 0 or more."""
    if not ratio >= 0:
        given = setting("snr", f"{ratio:g}")
        raise UsageError(f"{given} is not a signal-to-noise ratio; give 0 or more")


def _check_noise(
    whitening: Whitening, covariance: NDArray[np.float64], pixels: int, source: str
) -> None:
    """Refuse noise that is zero where the pixels vary: the ratio would be infinite."""
    if not whitening.misses(covariance, covariance.diagonal()):
        return
    remedy = "estimate the noise from other pixels, or from more of them, or leave out channels"
    silent = np.flatnonzero(whitening.still & (covariance.diagonal() > 0))
    if len(silent) == int((covariance.diagonal() > 0).sum()):
        raise DataError(
            f"the noise is zero in every channel, and nothing can be compared with it; {remedy}",
            source,
        )
    if len(silent):
        raise DataError(
            f"the noise of channel {silent[0]} is zero though the channel varies, so its "
            f"signal-to-noise ratio is infinite; {remedy}",
            source,
        )
    known = f" from {count(pixels, 'pixel')}" if pixels else ""
    raise DataError(
        f"the noise covariance{known} has rank {whitening.rank} of {whitening.channels}, so there "
        f"are combinations of channels that vary and have no noise; {remedy}",
        source,
    )


def _reaching(eigenvalues: NDArray[np.float64], snr: float, source: str) -> int:
    """Count the components that reach a signal-to-noise ratio λ − 1."""
    ratios = eigenvalues - 1.0
    kept = int((ratios >= snr).sum())
    if not kept:
        raise DataError(
            f"has no component of signal-to-noise ratio {snr:g} or more: the best has "
            f"{ratios[0]:.6g}; give a lower {setting('snr')}",
            source,
        )
    return kept


def _warn_few(pixels: int, channels: int) -> list[str]:
    """Warn if the noise covariance is of too few pixels to divide by.

    The inverse of a covariance of N samples is N / (N − C − 1) times too large on average, which
    is 2 where N is about 2·C: Anderson, "An Introduction to Multivariate Statistical Analysis",
    3rd ed., 2003, lemma 7.7.1.
    """
    if not pixels or pixels >= 2 * channels:
        return []
    return [
        f"the noise of {count(channels, 'independent channel')} was estimated from "
        f"{count(pixels, 'pixel')}, so signal-to-noise ratios look twice as high as they are, "
        f"or more; use {2 * channels} pixels at least"
    ]


def _together(pixels: int, noise_pixels: int) -> int:
    """Return N for which √(2/N) is the error of a ratio of variances of so many pixels."""
    if not noise_pixels:
        return pixels
    return max(1, round(1 / (1 / pixels + 1 / noise_pixels)))


def _learn(known: Statistics, source: str, options: Mapping[str, Any]) -> Model:
    check_counted(known.pixels, source)
    if known.noise is not None:
        noise, pixels = known.noise.covariance, known.noise.count
    else:
        differences = known.differences.values()
        noise = difference_covariance(differences, source) / 2
        pixels = min(each.count for each in differences)
    return fit_mnf(known.pixels, noise, noise_pixels=pixels, source=source, **options)


LEARNER = Learner(
    needs=frozenset({"pixels", "differences", "noise"}),
    options=("k", "variance", "snr"),
    learn=_learn,
)
