"""Rules for weights from any file or text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.errors import DataError, setting
from onebyone_cli.weights.batch_norm import BETA, GAMMA, MEAN, VARIANCE
from onebyone_cli.weights.orders import Shape, orders_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Largest array accepted, in bytes as float64, which bounds zip bombs: 11585 × 11585 channels.
MAX_ARRAY_BYTES = 2**30

#: How to make a file that is read of one that PyTorch has written; ends a message.
TORCH = (
    '. In Python: weights = torch.load("model.pt", map_location="cpu", weights_only=True); '
    'safetensors.torch.save_file(weights, "model.safetensors")'
)

#: Longest piece of a file that a message repeats.
_QUOTED = 20

#: Returns the shape to give an array, from that in a file and the name of the file.
#: Raises `DataError`.
ShapeRule = Callable[[Shape, str], Shape]


def _weight_shape(shape: Shape, path: str) -> Shape:
    """Return the shape of a matrix, or of a kernel in any order of `orders_of`."""
    found = f"the weight has shape {shape}"
    if len(shape) == 1:
        raise DataError(
            f"{found}; expected (K, C): reshape it to (1, {shape[0]}) for one output channel, "
            f"to ({shape[0]}, 1) for one input channel",
            path,
        )
    if len(shape) != 2 and not orders_of(shape):
        what = "; expected"
        if len(shape) == 4:
            what = f": a {shape[2]}×{shape[3]} kernel; expected 1×1,"
        raise DataError(f"{found}{what} (K, C) or (K, C, 1, 1)", path)
    if prod(shape) == 0:
        raise DataError(f"{found}; expected one output and one input channel at least", path)
    return shape


def _bias_shape(shape: Shape, path: str) -> Shape:
    """Return (K,) for (K,), (K, 1) or (1, K)."""
    found = f"the bias has shape {shape}"
    if len(shape) not in (1, 2) or (len(shape) == 2 and 1 not in shape):
        raise DataError(
            f"{found}; expected one number per output channel: (K,), (K, 1) or (1, K)", path
        )
    if prod(shape) == 0:
        raise DataError(f"{found}; expected one number at least", path)
    return (prod(shape),)


def _inverse_shape(shape: Shape, path: str) -> Shape:
    """Return (C, K) for any matrix."""
    if len(shape) != 2 or prod(shape) == 0:
        raise DataError(f"the inverse has shape {shape}; expected (C, K)", path)
    return shape


def _norm_shape(shape: Shape, path: str) -> Shape:
    """Return (K,)."""
    if len(shape) != 1 or prod(shape) == 0:
        raise DataError(f"the batch norm has shape {shape}; expected (K,)", path)
    return shape


#: Rules of the named arrays of a weights file.
SHAPES: dict[str, ShapeRule] = {
    "weight": _weight_shape,
    "bias": _bias_shape,
    "inverse": _inverse_shape,
    **dict.fromkeys((GAMMA, BETA, MEAN, VARIANCE), _norm_shape),
}


def check_finite(array: NDArray[np.float64], name: str, path: str) -> None:
    """Raise `DataError` naming the first NaN or infinity, as in ``weight[2][1]``.

    Rows and columns count from 0, as output and input channels do.
    """
    finite = np.isfinite(array)
    if finite.all():
        return
    first = np.unravel_index(int(np.argmin(finite)), array.shape)
    place = name + "".join(f"[{index}]" for index in first)
    row_column = f" (row {first[0]}, column {first[1]}, from 0)" if len(first) == 2 else ""
    raise DataError(f"{place}{row_column} is {array[first]}{NOT_FINITE}", path)


#: End of messages about numbers that are not finite.
NOT_FINITE = f"; expected finite numbers, or pass {setting('allow_nonfinite')} to use it as it is"


def quote(text: str) -> str:
    """Quote a piece of a file: short, on one line, without control characters."""
    return repr(text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…")


def quote_names(names: Iterable[str]) -> str:
    """Quote up to ten names of fields."""
    return ", ".join(map(quote, list(names)[:10])) or "nothing at all"
