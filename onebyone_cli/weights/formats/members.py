"""Choose the weights among the named arrays of a file of another program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.units import printable
from onebyone_cli.weights.orders import orders_of
from onebyone_cli.weights.rules import quote, quote_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.weights.orders import Shape

#: Most names in a message, and letters of a name.
_MOST, _LETTERS = 10, 100

#: Names of a weight, and of the bias beside it.
_PAIRS = (
    (re.compile(r"((?:.*[./])?)weight"), r"\1bias"),
    (re.compile(r"((?:.*[./])?)kernel((?::0)?)"), r"\1bias\2"),
    (re.compile(r"((?:.*/)?vars/)0"), r"\g<1>1"),
)

#: Names that `numpy.savez` gives a single array.
_NAMELESS = "arr_0"

#: Names of what an optimizer keeps for each weight.
_OPTIMIZER = re.compile(r"/?optimizer")


class Choice(NamedTuple):
    """Names of arrays by the fields that they are, and what the user should know of the choice."""

    names: dict[str, str]
    note: str = ""


def choose(shapes: Mapping[str, Shape], wanted: str, member: str, path: str) -> Choice:
    """Choose the array of the field `wanted`, and with a weight the bias that stands beside it.

    `member` is the name that the user gives, or empty. Without it, the only array with two or more
    axes is the weight if its shape is that of a 1×1 kernel; a matrix only if it is called so, since
    those called kernels are (C, K) in Keras.

    Raises
    ------
    DataError
        If no array has the name, or not exactly one can be the field.
    """
    if member and member not in shapes:
        raise DataError(f"has no member {quote(member)} but {quote_names(shapes)}", path)
    if wanted == "bias":
        return Choice({"bias": member or _only_bias(shapes, path)})
    weight = member or _only_weight(shapes, path)
    # The weight of a model is named to have it without the bias.
    bias = bias_beside(weight, shapes) if member != "weight" else ""
    told = [] if member else [f"the weight is {_whole(weight)}"]
    told += [f"the bias is {_whole(bias)}"] if bias else []
    return Choice({"weight": weight} | ({"bias": bias} if bias else {}), ", ".join(told))


def _only_weight(shapes: Mapping[str, Shape], path: str) -> str:
    kernels = [name for name in shapes if len(shapes[name]) > 1 and not _OPTIMIZER.match(name)]
    fit = [name for name in kernels if _can_be_weight(name, shapes[name])]
    if len(kernels) == 1 and fit:
        return fit[0]
    if not fit:
        other = f", or name another, as in {path}:{printable(kernels[0])}" if kernels else ""
        raise DataError(
            f"has no member 'weight' but {quote_names(shapes)}; expected a matrix (K, C) of this "
            f"name{other}",
            path,
        )
    listed = ", ".join(f"{_whole(name)} {shapes[name]}" for name in fit[:_MOST])
    raise DataError(
        f"has no member 'weight'; name one of {listed}, as in {path}:{printable(fit[0])}", path
    )


def _whole(name: str) -> str:
    """Quote a name in full, if it is of a usual length."""
    return repr(name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…")


def _only_bias(shapes: Mapping[str, Shape], path: str) -> str:
    if "bias" in shapes:
        return "bias"
    biases = [name for name in shapes if re.fullmatch(r"(?:.*[./])?bias(?::0)?", name)]
    if not biases:
        biases = [bias for name in shapes if (bias := bias_beside(name, shapes))]
    if len(biases) == 1:
        return biases[0]
    raise DataError(f"has no member 'bias' but {quote_names(shapes)}; name the one to use", path)


def bias_beside(weight: str, shapes: Mapping[str, Shape]) -> str:
    """Return the name of the bias beside a weight: of the same prefix, one number for each row.

    Empty if there is none.
    """
    for pattern, beside in _PAIRS:
        found = pattern.fullmatch(weight)
        if found:
            name = found.expand(beside)
            return name if shapes.get(name) in _bias_shapes(shapes[weight]) else ""
    return ""


def _bias_shapes(weight: Shape) -> list[Shape]:
    if len(weight) == 2:
        return [(weight[0],)]
    return [(weight[-1] if order.turned else weight[0],) for order in orders_of(weight)]


def _can_be_weight(name: str, shape: Shape) -> bool:
    if len(shape) == 2:
        return name == _NAMELESS or bool(_PAIRS[0][0].fullmatch(name))
    return bool(orders_of(shape))
