"""Fold the batch normalization that follows a convolution into its weight and bias.

At inference a batch normalization is a fixed scale and shift of each output channel (Ioffe &
Szegedy 2015, algorithm 2)::

    y = γ · (x − mean) / √(variance + ε) + β
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Fields of a weights file that are a batch normalization. The last is one number, the others have
#: one for each output channel; γ and β may be missing.
GAMMA, BETA, MEAN, VARIANCE, EPSILON = (
    *("norm.gamma", "norm.beta", "norm.mean", "norm.variance"),
    "norm.epsilon",
)
FIELDS = (GAMMA, BETA, MEAN, VARIANCE, EPSILON)


class Folding(NamedTuple):
    """That a batch normalization is to be folded.

    Attributes
    ----------
    name : str
        The one to fold; empty for the one that follows the layer.
    epsilon : float or None
        ε, where the file does not have it; None for that of the framework.
    """

    name: str = ""
    epsilon: float | None = None


class Folded(NamedTuple):
    """Weight (K, C) and bias (K,) with the batch normalization in them, float64."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]


def fold(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    norm: Mapping[str, Any],
    path: str,
) -> Folded:
    """Fold a batch normalization into weight and bias.

    Parameters
    ----------
    weight : ndarray of float64, shape (K, C)
    bias : ndarray of float64, shape (K,)
    norm : mapping
        Arrays of shape (K,) and ε, by the names in `FIELDS`.
    path : str
        For messages.

    Raises
    ------
    DataError
        If it has another number of channels, or a variance + ε that is not positive.
    """
    rows = len(weight)
    for name in (GAMMA, BETA, MEAN, VARIANCE):
        if name in norm and norm[name].shape != (rows,):
            raise DataError(
                f"the batch norm has {count(norm[name].size, 'channel')}, and the layer "
                f"{count(rows, 'output channel')}; expected equal numbers",
                path,
            )
    variance = norm[VARIANCE] + norm[EPSILON]
    if not (variance > 0).all():
        at = int(np.argmin(variance > 0))
        raise DataError(
            f"the batch norm has variance {norm[VARIANCE][at]:g} and epsilon {norm[EPSILON]:g} in "
            f"channel {at}; expected a positive sum",
            path,
        )
    scale = norm.get(GAMMA, np.ones(rows)) / np.sqrt(variance)
    shift = norm.get(BETA, np.zeros(rows))
    return Folded(scale[:, np.newaxis] * weight, (bias - norm[MEAN]) * scale + shift)
