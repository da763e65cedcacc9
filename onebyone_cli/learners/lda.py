"""Linear discriminants: directions that separate classes best for their spread.

Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7, 1936, for
two classes; Rao, "The utilization of multiple measurements in problems of biological
classification", Journal of the Royal Statistical Society B 10, 1948, for any number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError, setting
from onebyone_cli.learners.generalized import Whitening, whiten
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import Model, check_components, make_model, negligible
from onebyone_cli.learners.moments import no_moments
from onebyone_cli.learners.pca import check_counted
from onebyone_cli.units import count, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments


def fit_lda(
    classes: Mapping[int, Moments],
    *,
    k: int | None = None,
    invalid: int = 0,
    source: str = "",
) -> Model:
    """Learn linear discriminants.

    With n_c the pixels of class c, N those of all, and sums over all pixels and all classes,
    S_w = Σ (x − mean_c)(x − mean_c)ᵀ / N is the covariance within the classes, and
    S_b = Σ n_c (mean_c − mean)(mean_c − mean)ᵀ / N that between them. Components w solve
    S_b·w = λ·S_w·w. S_b = BᵀB is neither multiplied out nor computed as a difference of
    covariances, which would cost digits: with the channels whitened within the classes, the λ are
    the squared singular values of B.

    Parameters
    ----------
    classes : mapping of int to Moments
        Of the valid pixels of each class by its label, C channels each; not changed.
    k : int, optional
        Components to keep. All min(C, classes − 1) by default, where only independent channels
        and classes with pixels count.
    invalid : int
        Pixels left out besides those of the moments, such as those of no class.

    Returns
    -------
    Model
        W·S_w·Wᵀ = 1 and W·S_b·Wᵀ = diag(λ). ``eigenvalues`` are all min(C, classes − 1) λ,
        descending, without unit; ``mean`` is that of all pixels; the inverse is S_w·Wᵀ. Constant
        channels have weight 0.

    Raises
    ------
    UsageError
        If `k` is less than 1.
    DataError
        If fewer than two classes have pixels, no channel varies, all classes have the same mean or
        some combination of channels separates them perfectly, the numbers are too large for
        float64 to square, or `k` is more than there are components.
    """
    if k is not None:
        check_components(k)
    # The last bits depend on the order.
    ordered = {label: classes[label] for label in sorted(classes)}
    groups = _with_pixels(ordered, source)
    total = no_moments(groups[0].channels)
    for moments in ordered.values():
        total.merge(moments)
    total.invalid += invalid
    check_counted(total, source)
    if total.constant.all():
        raise DataError("no channel varies, so nothing tells the classes apart", source)
    spread = np.sum([group.comoment for group in groups], axis=0) / total.count
    within = whiten(spread, total.channels, "the covariance within classes", source)
    between = _between(groups, total, within, source)
    _check_spread(within, between, total, source)
    possible = min(within.rank, len(groups) - 1)
    kept = _choose(k, possible, len(groups), source)
    white = within.vectors / np.sqrt(within.values)
    _, singular, turn = np.linalg.svd(between @ white, full_matrices=False)
    differing = _count_differing(singular[:possible], within, source)
    rows = (turn[:kept] / np.sqrt(within.values)) @ within.vectors.T
    weight, back = within.in_channels(rows, turn[:kept])
    return make_model(
        weight,
        method="lda",
        options={"k": k, "classes": {str(label): of.count for label, of in ordered.items()}},
        source=source,
        moments=total,
        eigenvalues=singular[:possible] ** 2,
        inverse=back,
        warnings=[*within.warnings(), *_warn_empty(ordered), *_warn_same(kept, differing)],
    )


def _with_pixels(classes: Mapping[int, Moments], source: str) -> list[Moments]:
    found = {label: moments for label, moments in classes.items() if moments.count}
    if len(found) >= 2:
        return list(found.values())
    which = "".join(f"only class {label}" for label in found) or "no class"
    raise DataError(
        f"{which} has valid pixels; expected two classes or more, or there is nothing to "
        "separate: check labels, NaN, nodata and mask",
        source,
    )


def _between(
    groups: Sequence[Moments], total: Moments, within: Whitening, source: str
) -> NDArray[np.float64]:
    """Return B, shape (classes, C), with BᵀB = S_b, in the units in which S_w was whitened.

    A row is the class mean less the mean, times the root of the class's share of the pixels.
    """
    shifts = [(group.mean - total.mean) + (group.rest - total.rest) for group in groups]
    roots = np.sqrt([[group.count / total.count] for group in groups])
    with np.errstate(over="ignore"):
        between: NDArray[np.float64] = np.ldexp(shifts * roots, -within.power)
        # Whitening divides by eigenvalues of ε or more, so no λ is larger than this.
        bound = np.square(between).sum() / np.finfo(np.float64).eps
    if not np.isfinite(bound):
        raise DataError(
            "the classes lie too far apart for float64, compared with how far they spread; "
            "leave out the channels that separate them",
            source,
        )
    return between


def _check_spread(
    within: Whitening, between: NDArray[np.float64], total: Moments, source: str
) -> None:
    """Refuse classes that differ in a direction in which none spreads: λ is infinite."""
    silent = np.flatnonzero(within.still & ~total.constant)
    if len(silent):
        what = f"channel {silent[0]}"
    elif _differs(within, between):
        apart = between @ within.null
        furthest = apart[np.abs(apart).max(axis=1).argmax()]
        largest = np.abs(within.null @ furthest).argmax()
        what = f"a combination of channels, of which channel {largest} is the largest part,"
    else:
        return
    varying = int((~total.constant).sum())
    # S_w has one independent term for each pixel, less one for each mean.
    if total.count - len(between) < varying:
        raise DataError(
            f"has {count(total.count, 'valid pixel')} in {len(between)} classes, so few that some "
            f"combination of the {count(varying, 'channel')} that vary tells the classes apart by "
            f"chance; expected {varying + len(between)} or more: give more pixels, or fewer "
            "channels, such as the first components of pca",
            source,
        )
    raise DataError(
        f"{what} has one value all over each class and differs between classes, which tells them "
        "apart perfectly and leaves no best component; leave that channel out",
        source,
    )


def _differs(within: Whitening, between: NDArray[np.float64]) -> bool:
    """Return whether classes differ in a combination of channels that cancels within each.

    `Whitening.misses` would compare with the variance between classes. Here that within them is
    the measure, so that one channel with classes far apart does not hide the others.
    """
    if not within.null.shape[1]:
        return False
    # Rounding turns the null space towards eigenvector i by up to rounding / eigenvalue i.
    rounding = negligible(within.values[::-1])
    blurred = (between @ within.vectors) * (rounding / within.values)
    apart = np.square(between @ within.null).sum()
    return bool(apart > rounding + np.square(blurred).sum())


def _choose(k: int | None, possible: int, classes: int, source: str) -> int:
    if k is None or k <= possible:
        return k or possible
    limit = (
        f"one fewer than the {classes} classes with pixels"
        if possible == classes - 1
        else "as many as independent channels"
    )
    raise DataError(
        f"has {count(possible, 'discriminant')}, {limit}, and {k} were asked for; "
        f"ask for {setting('k', possible)} or fewer",
        source,
    )


def _count_differing(singular: NDArray[np.float64], within: Whitening, source: str) -> int:
    """Count the components in which class means differ by more than rounding."""
    rounding = 8 * within.channels * float(np.finfo(np.float64).eps)
    largest = max(singular[0], 1 / np.sqrt(within.values[0]))
    differing = int((singular > rounding * largest).sum())
    if not differing:
        raise DataError("all classes have the same mean, so nothing tells them apart", source)
    return differing


def _warn_empty(classes: Mapping[int, Moments]) -> list[str]:
    empty = [str(label) for label, moments in classes.items() if not moments.count]
    if not empty:
        return []
    return [f"{listed('class {} has', 'classes {} have', empty)} no valid pixel: left out"]


def _warn_same(kept: int, differing: int) -> list[str]:
    if kept <= differing:
        return []
    return [
        f"the classes differ in {count(differing, 'component')}, and {kept} were kept; the last "
        "ones are arbitrary directions in which all classes have the same mean"
    ]


LEARNER = Learner(
    needs=frozenset({"classes"}),
    options=("k",),
    learn=lambda known, source, options: fit_lda(
        known.classes or {}, invalid=known.invalid, source=source, **options
    ),
)
