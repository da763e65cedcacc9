"""Choose the weights among the named arrays of a file of another program."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.units import printable
from onebyone_cli.weights.batch_norm import EPSILON
from onebyone_cli.weights.formats.contract import NetworkLayer
from onebyone_cli.weights.formats.norms import norm_after, norm_beside, norm_named, norms_in
from onebyone_cli.weights.orders import orders_of
from onebyone_cli.weights.rules import SHAPES, quote, quote_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onebyone_cli.weights.batch_norm import Folding
    from onebyone_cli.weights.formats.contract import WeightsFile
    from onebyone_cli.weights.orders import Shape

#: Most names in a message, and letters of a name.
_MOST, _LETTERS = 10, 100

#: Names of a weight, and of the bias beside it.
_PAIRS = (
    (re.compile(r"((?:.*[./])?)weight"), r"\1bias"),
    (re.compile(r"((?:.*[./])?)kernel((?::0)?)"), r"\1bias\2"),
    (re.compile(r"((?:.*/)?vars/)0"), r"\g<1>1"),
)

#: Names of the matrix of a dense layer that is (C, K): those of Keras and Flax, and Keras 3.
_KERNEL = re.compile(r".+[./]kernel(?::0)?")
_DENSE = re.compile(rf"{_KERNEL.pattern}|(?:.*/)?vars/0")

#: Names that `numpy.savez` gives a single array.
_NAMELESS = "arr_0"

#: Names of what an optimizer keeps for each weight.
_OPTIMIZER = re.compile(r"/?optimizer")


class Choice(NamedTuple):
    """Names of arrays by the fields that they are, and what the user should know of the choice.

    `epsilon` is that of the batch normalization among the arrays, if there is one. `turned` tells
    that the weight is a matrix (C, K).
    """

    names: dict[str, str]
    note: str = ""
    epsilon: float | None = None
    turned: bool = False

    def fields(self, read: Callable[[str, str], Any]) -> dict[str, Any]:
        """Return the fields of a file; `read` returns an array by its name and its field."""
        found = {field: read(name, field) for field, name in self.names.items()}
        if self.turned:
            found["weight"] = found["weight"].T
        return found if self.epsilon is None else found | {EPSILON: self.epsilon}


def choose_for(source: WeightsFile, shapes: Mapping[str, Shape], member: str = "") -> Choice:
    """Choose the arrays that a file is to be read for, and note the choice; see `choose`.

    `member` is the name of the weight as the format spells it. If a batch normalization is to be
    folded, its arrays are among those chosen.
    """
    path, folding = source.path, source.folding
    chosen = choose(shapes, source.wanted, member or source.member, path)
    if folding is not None and source.wanted == "weight":
        chosen = _with_norm(chosen, shapes, folding, path)
    source.notes.extend(filter(None, [chosen.note]))
    return chosen


def _with_norm(chosen: Choice, shapes: Mapping[str, Shape], folding: Folding, path: str) -> Choice:
    weight = chosen.names["weight"]
    SHAPES["weight"](shapes[weight], path)  # only a 1×1 kernel has its number of outputs
    norm = (
        norm_named(folding.name, norms_in(shapes), path)
        if folding.name
        else norm_after(weight, rows_of(weight, shapes[weight]), shapes, path)
    )
    epsilon = norm.epsilon if folding.epsilon is None else folding.epsilon
    where = "" if folding.epsilon is not None else ", which the file does not have"
    note = f"the batch norm {_whole(norm.name)} is folded in, with epsilon {epsilon:g}{where}"
    told = ", ".join(filter(None, [chosen.note, note]))
    return Choice(chosen.names | norm.arrays, told, epsilon, chosen.turned)


def choose(shapes: Mapping[str, Shape], wanted: str, member: str, path: str) -> Choice:
    """Choose the array of the field `wanted`, and with a weight the bias that stands beside it.

    `member` is the name that the user gives, or empty. Without it, the array ``weight`` is the
    weight. If there is none, it is the only array with two or more axes, if its shape is that of a
    1×1 kernel; a matrix only if it is called so, since those called kernels are (C, K) in Keras.

    Raises
    ------
    DataError
        If no array has the name, or not exactly one can be the field.
    """
    if member and member not in shapes:
        raise DataError(f"has no member {quote(member)} but {quote_names(shapes)}", path)
    if wanted == "bias":
        return Choice({"bias": member or _only_bias(shapes, path)})
    weight = member or ("weight" if "weight" in shapes else _only_weight(shapes, path))
    # The weight of a model is named to have it without the bias.
    bias = bias_beside(weight, shapes) if member != "weight" else ""
    told = [] if member or weight == "weight" else [f"the weight is {_whole(weight)}"]
    told += [f"the bias is {_whole(bias)}"] if bias and bias != "bias" else []
    turned = _is_dense(weight, shapes[weight])
    told += ["a matrix of this name is read as (C, K), as in Keras and Flax"] if turned else []
    names = {"weight": weight} | ({"bias": bias} if bias else {})
    return Choice(names, ", ".join(told), turned=turned)


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
    if len(fit) > _MOST:
        listed += f" and {len(fit) - _MOST} more, which onebyone weights show lists"
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
            return (
                name if shapes.get(name) in [(n,) for n in rows_of(weight, shapes[weight])] else ""
            )
    return ""


def rows_of(name: str, shape: Shape) -> list[int]:
    """Return the numbers of output channels that a weight of this name and shape can have."""
    if len(shape) == 2:
        return [shape[1] if _is_dense(name, shape) else shape[0]]
    return [shape[-1] if order.turned else shape[0] for order in orders_of(shape)]


def _is_dense(name: str, shape: Shape) -> bool:
    """Return whether a matrix is that of a dense layer of Keras or Flax, (C, K)."""
    return len(shape) == 2 and bool(_DENSE.fullmatch(name))


def layers_in(shapes: Mapping[str, Shape]) -> list[NetworkLayer]:
    """Return all 1×1 layers of a network, in the order of the file.

    A matrix is a layer if it is called a weight or a kernel.
    """
    norms, found = norms_in(shapes), []
    for name, shape in shapes.items():
        can_be = _can_be_weight(name, shape) or _KERNEL.fullmatch(name)
        rows = next(iter(rows_of(name, shape)), 0) if len(shape) > 1 and can_be else 0
        if not rows or _OPTIMIZER.match(name):
            continue
        bias, norm = bias_beside(name, shapes), norm_beside(name, [rows], shapes, norms)
        kind = "linear" if len(shape) == 2 else "conv"
        found.append(NetworkLayer(name, kind, rows, prod(shape) // rows, bias, norm))
    return found


def _can_be_weight(name: str, shape: Shape) -> bool:
    if len(shape) == 2:
        return name == _NAMELESS or bool(_PAIRS[0][0].fullmatch(name))
    return bool(orders_of(shape))
