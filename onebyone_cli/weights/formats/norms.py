"""Find batch normalizations among the named arrays of a file, and the one that follows a layer.

Names are those of PyTorch (``bn1.running_mean``), Keras (``bn/moving_mean``) and Keras 3
(``layers/batch_normalization/vars/2``). A layer and its batch normalization have names that differ
in the words for them alone (``conv1`` and ``bn1``), or follow each other in a sequence
(``downsample.0`` and ``downsample.1``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError, setting
from onebyone_cli.units import count, printable
from onebyone_cli.weights.batch_norm import BETA, GAMMA, MEAN, VARIANCE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from onebyone_cli.weights.orders import Shape

#: ε where a file does not have it: the default of the framework.
_TORCH, _KERAS = 1e-5, 1e-3

#: Names in a message.
_MOST = 10

#: The mean of a batch normalization, how its other arrays are called, and ε.
_KINDS = (
    (
        re.compile(r"(?P<name>(?:.*[./])?)running_mean"),
        {GAMMA: "weight", BETA: "bias", MEAN: "running_mean", VARIANCE: "running_var"},
        _TORCH,
    ),
    (
        re.compile(r"(?P<name>.*/)moving_mean(?P<end>(?::0)?)"),
        {GAMMA: "gamma", BETA: "beta", MEAN: "moving_mean", VARIANCE: "moving_variance"},
        _KERAS,
    ),
    (
        re.compile(r"(?P<name>(?:.*/)?vars/)2"),
        {GAMMA: "0", BETA: "1", MEAN: "2", VARIANCE: "3"},
        _KERAS,
    ),
)

#: Words for a layer or a batch normalization in a name.
_WORDS = re.compile(
    r"conv(?:olution)?(?:[123]d)?|batch_?norm(?:ali[sz]ation)?(?:[123]d)?|bn|norm(?:alization)?",
    re.IGNORECASE,
)

#: Names that Keras gives itself, which count each kind of layer for itself.
_COUNTED = re.compile(r"(?:conv2d|batch_normalization)(?:_[0-9]+)?")

#: The batch normalization of a layer of timm's inverted residuals, with the layer beside it that
#: shows the kind of block.
_TIMM = (
    ("conv_pwl", "", "bn3"),
    ("conv_pw", "conv_pwl", "bn1"),
    ("conv_pw", "", "bn2"),
    ("conv_stem", "", "bn1"),
    ("conv_head", "", "bn2"),
)


class Norm(NamedTuple):
    """A batch normalization of K channels: its name, its arrays by their fields, and ε."""

    name: str
    channels: int
    arrays: dict[str, str]
    epsilon: float


def norms_in(shapes: Mapping[str, Shape]) -> dict[str, Norm]:
    """Return the batch normalizations among arrays, by their names."""
    found: dict[str, Norm] = {}
    for array, shape in shapes.items():
        for pattern, parts, epsilon in _KINDS:
            match = pattern.fullmatch(array)
            if not match or len(shape) != 1:
                continue
            prefix, end = match["name"], match.groupdict().get("end") or ""
            arrays = {
                field: f"{prefix}{part}{end}"
                for field, part in parts.items()
                if shapes.get(f"{prefix}{part}{end}") == shape
            }
            # A layer of Keras 3 with three arrays is not known to be one.
            needed = 4 if parts[MEAN] == "2" else 0
            if VARIANCE in arrays and len(arrays) >= needed:
                name = prefix.removesuffix("vars/").rstrip("./")
                found[name] = Norm(name, shape[0], arrays, epsilon)
    return found


def layer_of(weight: str) -> str:
    """Return the name of the layer of a weight: ``layer1.0.conv1`` of ``layer1.0.conv1.weight``."""
    return re.sub(r"(?:^|[./])(?:weight|kernel(?::0)?|vars/0)$", "", weight)


def norm_named(name: str, norms: Mapping[str, Norm], path: str) -> Norm:
    """Return the batch normalization that the user names; raises `DataError` if there is none."""
    found = norms.get(name) or norms.get(f"/{name.strip('/')}")
    if found is None:
        raise DataError(f"has no batch norm {printable(name)!r} but {_some(norms)}", path)
    return found


def norm_after(weight: str, rows: Collection[int], shapes: Mapping[str, Shape], path: str) -> Norm:
    """Return the batch normalization that follows the layer of a weight.

    `rows` are the numbers of output channels that the weight can have.

    Raises
    ------
    DataError
        If none has a name that belongs to the layer, or several have.
    """
    norms = norms_in(shapes)
    beside = norm_beside(weight, rows, shapes, norms)
    if beside:
        return norms[beside]
    fit = [norms[name] for name in _followers(weight, shapes, norms)]
    fit = [norm for norm in fit if norm.channels in rows]
    others = [name for name, norm in norms.items() if norm.channels in rows]
    number = count(min(rows), "channel")
    if not others:
        raise DataError(
            f"has no batch norm of {number} to fold into {printable(weight)!r}; "
            f"leave out {setting('fold_bn')}",
            path,
        )
    what = "no batch norm has a name that belongs to"
    if len(fit) > 1:
        others, what = [norm.name for norm in fit], "several batch norms could follow"
    elif fit:
        what = f"the batch norm {printable(fit[0].name)!r} may stand before or after"
    raise DataError(
        f"{what} {printable(weight)!r}; those of {number} are {_some(others)}: name one with "
        f"{setting('bn_name', printable(others[0]))}",
        path,
    )


def norm_beside(
    weight: str,
    rows: Collection[int],
    shapes: Mapping[str, Shape],
    norms: Mapping[str, Norm],
) -> str:
    """Return the name of the batch normalization that surely follows a layer; empty if none."""
    fit = [name for name in _followers(weight, shapes, norms) if norms[name].channels in rows]
    is_sure = len(fit) == 1 and not _may_precede(weight, norms[fit[0]], shapes, norms)
    return fit[0] if is_sure else ""


def _some(names: Collection[str]) -> str:
    listed = ", ".join(repr(printable(name)) for name in list(names)[:_MOST])
    more = len(names) - _MOST
    return (listed + (f" and {more} more" if more > 0 else "")) or "none at all"


def _followers(weight: str, shapes: Mapping[str, Shape], norms: Mapping[str, Norm]) -> list[str]:
    """Return the names of the batch normalizations that the name of a layer leads to."""
    layer = layer_of(weight)
    parent, last = _split(layer)
    if last.isdigit():
        after = f"{parent}{int(last) + 1}"
        return [after] if after in norms else []
    for name, beside, norm in _TIMM:
        there = not beside or f"{parent}{beside}.weight" in shapes
        if last == name and there and f"{parent}{norm}" in norms:
            return [f"{parent}{norm}"]
    skeleton = _skeleton(layer)
    return [name for name in norms if _skeleton(name) == skeleton]


def _split(layer: str) -> tuple[str, str]:
    """Split a name at its last dot or slash, which stays with the first part."""
    at = max(layer.rfind("."), layer.rfind("/")) + 1
    return layer[:at], layer[at:]


def _skeleton(name: str) -> str:
    """Return a name without the words for layers, to compare."""
    parts = [re.sub(r"_+", "_", _WORDS.sub("", part)).strip("_") for part in re.split("[./]", name)]
    return ".".join(parts).strip(".").lower()


def _may_precede(
    weight: str, norm: Norm, shapes: Mapping[str, Shape], norms: Mapping[str, Norm]
) -> bool:
    """Return whether a batch normalization may stand before its layer, or belong to another.

    Some networks normalize first. Sizes show it where a layer changes the number of channels. Names
    that Keras counts belong together only if there are as many of both kinds.
    """
    if _split(layer_of(weight))[1].isdigit():  # a sequence has an order
        return False
    layers = [name for name in shapes if len(shapes[name]) > 2 and layer_of(name) != name]
    if _is_counted(norm.name):
        counted = sum(map(_is_counted, map(layer_of, layers)))
        if counted != sum(map(_is_counted, norms)):
            return True
    rows, columns = _sizes(weight, shapes)
    if rows != columns:
        return False
    for name in layers:
        rows, columns = _sizes(name, shapes)
        for other in _followers(name, shapes, norms):
            if rows != columns == norms[other].channels:
                return True
    return False


def _is_counted(name: str) -> bool:
    return bool(_COUNTED.fullmatch(_split(name)[1]))


def _sizes(weight: str, shapes: Mapping[str, Shape]) -> tuple[int, int]:
    """Return K and C of a kernel: first in PyTorch, last in Keras."""
    shape = shapes[weight]
    is_torch = weight.endswith("weight")
    return (shape[0], shape[1]) if is_torch else (shape[-1], shape[-2])
