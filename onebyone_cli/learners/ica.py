"""Independent components, by the FastICA of scikit-learn.

Hyvärinen & Oja, "Independent component analysis: algorithms and applications", Neural Networks 13,
2000: sections 2.2 (what can't be known), 5.2 (whitening), 6.1 and 6.2 (the algorithm; here with
tanh, and all components at once).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, DependencyMissingError, UsageError, setting
from onebyone_cli.learners.distinct import distinct_columns
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import Model, fix_signs, make_model, rank_of
from onebyone_cli.learners.pca import fit_pca
from onebyone_cli.units import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments

#: The search ends when a step turns no component by more than √(2 · this), 1.4e-4.
_TOLERANCE = 1e-8

#: Where there are independent components to find, a few dozen steps find them.
_STEPS = 1000


def fit_ica(
    moments: Moments,
    sample: NDArray[np.float64],
    *,
    k: int | None = None,
    seed: int = 0,
    source: str = "",
) -> Model:
    """Learn independent components.

    All pixels are whitened to their first K principal components, and a rotation R is sought that
    makes the scores of a sample as far from normally distributed as possible. W = R·Λ^-½·Vᵀ, and
    the inverse is the mixing matrix V·Λ^½·Rᵀ. Independent components have no order and no sign of
    their own: they are sorted by the variance of the channels that each explains, the squared
    length of its column of the mixing matrix, and signed by `fix_signs`.

    Parameters
    ----------
    moments : Moments
        Of all valid pixels, C channels.
    sample : ndarray of float64, shape (C, n)
        Some or all valid pixels.
    k : int, optional
        Components to learn; as many as vary by default.
    seed : int
        Seed of the PCG64 generator that draws the first rotation, 0 or more.

    Returns
    -------
    Model
        The scores of all pixels are uncorrelated and have variance 1. There are no eigenvalues.
        Forward and inverse is the projection onto the first K principal components.

    Raises
    ------
    DependencyMissingError
        If scikit-learn is not installed.
    UsageError
        If `k` or `seed` is out of range.
    DataError
        If the pixels can't be whitened to `k` components (see `fit_pca`), or the sample is too
        small or varies in fewer.
    """
    fast_ica = _load_fast_ica()
    if seed < 0:
        raise UsageError(f"{setting('seed', seed)} is negative; give 0 or more")
    kept = k
    if kept is None:
        kept = rank_of(fit_pca(moments, source=source).eigenvalues)
    white = fit_pca(moments, k=kept, whiten=True, source=source)
    scores = _scores(white, moments, sample, source)
    rotation, converged = _rotate(fast_ica, scores, seed)
    varying = int((~moments.constant).sum())
    distinct = distinct_columns(white.map.weight)
    weight, mixing = _in_order(
        distinct.settle(rotation @ white.map.weight),
        distinct.settle((white.inverse().weight @ rotation.T).T).T,
    )
    return make_model(
        weight,
        method="ica",
        options={"k": k, "seed": seed, "sample": sample.shape[1]},
        source=source,
        moments=moments,
        inverse=mixing,
        warnings=[
            *(white.warnings if kept < varying else ()),  # of how they were chosen
            *_warn_fewer(kept, varying, k),
            *_warn_spikes(sample.shape[1], kept),
            *_warn_moving(converged=converged),
        ],
    )


def _load_fast_ica() -> Any:
    try:
        from sklearn.decomposition import FastICA
    except ImportError as error:
        raise DependencyMissingError(
            "independent components need scikit-learn, which is not installed; "
            "install it with: pip install 'onebyone-cli[ica]'"
        ) from error
    return FastICA


def _scores(
    white: Model, moments: Moments, sample: NDArray[np.float64], source: str
) -> NDArray[np.float64]:
    """Return the whitened sample, shape (K, n); refuse one that determines no rotation."""
    k, n = white.map.out_channels, sample.shape[1]
    if n <= k:
        raise DataError(
            f"the sample has {count(n, 'pixel')}, too few for {count(k, 'component')}; expected "
            f"{k + 1} at the very least; draw more, or ask for fewer components",
            source,
        )
    # Without centring first, the bias would round a mean of 1e6 to 1e-10.
    scores: NDArray[np.float64] = white.map.weight @ (
        (sample - moments.mean[:, np.newaxis]) - moments.rest[:, np.newaxis]
    )
    centred = scores - scores.mean(axis=1, keepdims=True)
    rounding = 8 * k * float(np.finfo(np.float64).eps) * np.square(scores).sum()
    rank = int((np.linalg.eigvalsh(centred @ centred.T) > rounding).sum())
    if rank < k:
        raise DataError(
            f"the {n} pixels of the sample vary in {count(rank, 'component')}, fewer than the {k} "
            "to be learned; draw more pixels, or ask for fewer components",
            source,
        )
    return scores


def _rotate(
    fast_ica: Any, scores: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], bool]:
    """Return the rotation, shape (K, K), and whether the search converged."""
    from sklearn.exceptions import ConvergenceWarning

    # Drawn here, because scikit-learn takes seeds of 32 bits only.
    generator = np.random.Generator(np.random.PCG64(seed))
    start = generator.standard_normal((len(scores), len(scores)))
    search = fast_ica(
        algorithm="parallel",
        whiten=False,
        fun="logcosh",
        tol=_TOLERANCE,
        max_iter=_STEPS,
        w_init=start,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(scores.T)
    converged = not any(issubclass(one.category, ConvergenceWarning) for one in caught)
    # The closest orthogonal matrix: differs by rounding.
    left, _, right = np.linalg.svd(search.components_)
    return left @ right, converged


def _in_order(
    weight: NDArray[np.float64], mixing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sort components by the length of their column of the mixing matrix, and fix signs."""
    order = np.argsort(-np.linalg.norm(mixing, axis=0), kind="stable")
    turned = fix_signs(weight[order])
    signs = np.where((turned == weight[order]).all(axis=1), 1.0, -1.0)
    return turned, mixing[:, order] * signs


def _warn_fewer(kept: int, varying: int, k: int | None) -> list[str]:
    if k is not None or kept == varying:
        return []
    return [
        f"{varying} channels vary and have {count(kept, 'principal component')} that "
        f"{'does' if kept == 1 else 'do'}, so no more independent components were learned"
    ]


def _warn_spikes(n: int, k: int) -> list[str]:
    """Warn if the sample has fewer pixels than the rotation has numbers.

    The scores farthest from normal are then zero but for a few pixels: Särelä & Vigário,
    "Overlearning in marginal distribution-based ICA: analysis and solutions", Journal of Machine
    Learning Research 4, 2003.
    """
    if n >= k * k:
        return []
    return [
        f"{n} pixels are few to learn {k} independent components from: some may be chance, "
        f"large in a few pixels and small in all others; draw {k * k} at least, better many more"
    ]


def _warn_moving(*, converged: bool) -> list[str]:
    if converged:
        return []
    return [
        f"the independent components did not settle within {_STEPS} steps, so they depend on the "
        "seed; two or more may be normally distributed, which can't be separated: "
        "try another seed, or fewer components"
    ]


LEARNER = Learner(
    needs=frozenset({"pixels", "sample"}),
    options=("k", "seed"),
    learn=lambda known, source, options: fit_ica(
        known.pixels, known.sampled, source=source, **options
    ),
    eigenvalues=False,
    prepare=_load_fast_ica,
)
