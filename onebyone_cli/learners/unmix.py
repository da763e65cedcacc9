"""Least-squares unmixing: the amount of each endmember in a pixel.

Keshava & Mustard, "Spectral unmixing", IEEE Signal Processing Magazine 19:1, 2002, the section on
inversion: the unconstrained solution. In fluorescence microscopy M is the spillover matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.learners.distinct import distinct_columns
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import Model, all_finite, make_model
from onebyone_cli.units import count
from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onebyone_cli.learners.statistics import Statistics

#: Condition number above which amounts are mostly noise: two spectra 0.1° apart have 1100.
_ILL = 1e3


def fit_unmix(
    endmembers: NDArray[np.float64], *, source: str = "", meta: Mapping[str, Any] | None = None
) -> Model:
    """Make the map from pixels x ≈ M·y to amounts y: W = M⁺, the Moore-Penrose inverse.

    Parameters
    ----------
    endmembers : ndarray of float64, shape (C, K)
        M: one column per endmember.
    meta : mapping, optional
        More fields of the model, such as ``outputs``, the names of the endmembers.

    Returns
    -------
    Model
        Bias and mean are 0; there are no eigenvalues. The inverse is M itself.

    Raises
    ------
    DataError
        If M is not a matrix of finite numbers, has more columns than rows, or its columns are
        linearly dependent.
    """
    _check(endmembers, source)
    channels, k = endmembers.shape
    # Columns of length 1: brightness does not make an endmember distinct.
    peaks = np.abs(endmembers).max(axis=0)
    if not peaks.all():
        zero = int(np.argmin(peaks))
        raise DataError(f"endmember {zero} is zero in every channel; leave it out", source)
    with np.errstate(over="ignore"):
        lengths = peaks * np.linalg.norm(endmembers / peaks, axis=0)
    if not all_finite(lengths):
        raise DataError("the endmembers are too large for float64; rescale them", source)
    distinct = distinct_columns(endmembers.T)
    reduced = distinct.reduce_rows((endmembers / lengths).T).T
    left, singular, right = np.linalg.svd(reduced, full_matrices=False)
    rank = int((singular > channels * np.finfo(np.float64).eps * singular[0]).sum())
    if rank < k:
        raise DataError(
            f"the {k} endmembers are linearly dependent (rank {rank}), so their amounts can't be "
            "separated; leave out those that are mixtures of others",
            source,
        )
    condition = float(singular[0] / singular[-1])
    warnings = []
    if condition > _ILL:
        warnings.append(
            f"the endmembers are nearly dependent (condition number {condition:.3g}), so noise "
            "in the channels is amplified up to that much in the amounts"
        )
    weight = distinct.restore((right.T / singular) @ left.T / lengths[:, np.newaxis])
    model = make_model(
        weight,
        method="unmix",
        options={"endmembers": k},
        source=source,
        inverse=np.array(endmembers),
        warnings=warnings,
    )
    fields = {**model.meta, **(meta or {})}
    known = {**fields, "inverse": model.inverse_weight}
    named = ChannelMap(model.map.weight, model.map.bias, source, known)
    # Names of channels are saved as an array, as for every method.
    kept = {name: value for name, value in fields.items() if name != "channels"}
    return model._replace(map=named, meta=kept)


def _check(endmembers: NDArray[np.float64], source: str) -> None:
    if endmembers.ndim != 2 or endmembers.size == 0:
        raise DataError(
            f"the endmembers have shape {endmembers.shape}; expected (C, K): one row per channel, "
            "one column per endmember",
            source,
        )
    if not all_finite(endmembers):
        raise DataError("the endmembers hold NaN or infinity; expected finite numbers", source)
    channels, k = endmembers.shape
    if k > channels:
        raise DataError(
            f"has {count(k, 'endmember')} for {count(channels, 'channel')}; expected as many "
            "channels or more: one row per channel, one column per endmember; maybe transpose it",
            source,
        )


def _learn(known: Statistics, source: str) -> Model:
    found = known.endmembers
    assert found is not None
    fields = {
        "outputs": found.names,
        "channels": found.channels,
    }
    meta = {name: list(values) for name, values in fields.items() if values}
    return fit_unmix(found.matrix, source=source, meta=meta)


LEARNER = Learner(
    needs=frozenset({"endmembers"}),
    options=(),
    learn=lambda known, source, options: _learn(known, source),
    eigenvalues=False,
)
