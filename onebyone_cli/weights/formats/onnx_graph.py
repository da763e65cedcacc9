"""Read the graph of an ONNX model: its pointwise layers and the batch normalizations after them.

A node counts as a layer if it is, at every pixel, a matrix times the channels:

- Conv with one group, a kernel of size 1, strides 1 and no padding. A dilation changes nothing;
- Gemm with a constant B, and MatMul with a constant matrix on either side.

An addition of a constant for each channel right behind Conv or MatMul is its bias.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, setting
from onebyone_cli.units import printable
from onebyone_cli.weights.batch_norm import BETA, EPSILON, GAMMA, MEAN, VARIANCE
from onebyone_cli.weights.formats.onnx_library import parse_model
from onebyone_cli.weights.formats.onnx_tensors import Tensors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from numpy.typing import NDArray

#: Names in a message.
_MOST = 10

_LAYERS = ("Conv", "Gemm", "MatMul")

#: ε of BatchNormalization by the standard, and where its constants stand among its inputs.
_EPSILON, _NORM_INPUTS = 1e-5, {GAMMA: 1, BETA: 2, MEAN: 3, VARIANCE: 4}

#: Key of what this program writes beside its own layer.
META = "onebyone"


class Layer(NamedTuple):
    """A pointwise layer of a graph.

    Attributes
    ----------
    name : str
        The node, or the initializer of a node that can't be named.
    kind : str
        The operator.
    shape : tuple of int
        (K, C).
    weight, bias : str
        Names of constants; the second may be empty.
    turned : bool
        Whether the weight is (C, K).
    alpha, beta : float
        Factors of weight and bias.
    output : str
        Where the result with its bias is.
    stride : str
        Strides that are not 1, for messages; else empty.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    weight: str
    bias: str
    turned: bool
    output: str
    alpha: float = 1.0
    beta: float = 1.0
    stride: str = ""


class _RefusedError(Exception):
    """Why a node is no pointwise layer."""


def open_graph(file: BinaryIO, path: str) -> Graph:
    """Return the graph of the model in a file; raises `DataError` if it is damaged."""
    folder = getattr(file, "name", None)
    return Graph(parse_model(file, path), path, folder if isinstance(folder, str) else "")


class Graph:
    """The layers of a model. `meta` is what this program has written beside its own."""

    def __init__(self, model: Any, path: str, file: str) -> None:
        self._path = path
        self._nodes = list(model.graph.node)
        self._tensors = Tensors(model.graph, path, file)
        self._users: dict[str, list[Any]] = {}
        for node in self._nodes:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self.meta: str | None = next(
            (
                entry.value
                for entry in model.metadata_props
                if entry.key == META and isinstance(entry.value, str)  # bytes if it is no text
            ),
            None,
        )

    def layers(self) -> tuple[list[Layer], list[str]]:
        """Return all pointwise layers, and why other layers with constant weights are none."""
        found, refused = [], []
        for node in self._nodes:
            if node.op_type not in (*_LAYERS, "ConvTranspose"):
                continue
            try:
                found.append(self._layer_of(node))
            except _RefusedError as error:
                if any(self._tensors.shape(name) for name in node.input):
                    refused.append(f"{_title(node)!r} {error}")
        return found, refused

    def layer(self, name: str) -> Layer:
        """Return the layer of a node, or of the initializer that is its weight.

        Raises
        ------
        DataError
            If nothing has the name, or it is no pointwise layer.
        """
        nodes = [node for node in self._nodes if _title(node) == name or name in node.output]
        is_weight = not nodes and self._tensors.shape(name) is not None
        if is_weight:
            users = self._users.get(name, [])
            nodes = [node for node in users if node.op_type in _LAYERS]
        what = printable(name)
        if not nodes:
            known = [layer.name for layer in self.layers()[0]]
            raise DataError(
                f"has no 1×1 layer {what!r}; expected one of {_some(known)}", self._path
            )
        if len(nodes) > 1:
            names = _some([_title(node) for node in nodes])
            raise DataError(f"{what!r} belongs to several nodes: {names}; name one", self._path)
        try:
            layer = self._layer_of(nodes[0])
        except _RefusedError as error:
            raise DataError(f"{what!r} {error}", self._path) from error
        if layer.stride and not is_weight:
            raise DataError(
                f"{what!r} has strides {layer.stride}; expected 1. The name of its weight, "
                f"{printable(layer.weight)!r}, applies it to every pixel",
                self._path,
            )
        return layer

    def weight_of(self, layer: Layer) -> NDArray[np.float64]:
        """Return the weight of a layer, shape (K, C)."""
        weight = self._tensors.numbers(layer.weight).reshape(
            layer.shape[::-1] if layer.turned else layer.shape
        )
        return layer.alpha * (weight.T if layer.turned else weight)

    def bias_of(self, layer: Layer) -> NDArray[np.float64]:
        """Return the bias of a layer, shape (K,); it must have one."""
        bias = self._tensors.numbers(layer.bias).reshape(-1)
        return layer.beta * np.broadcast_to(bias, layer.shape[:1])

    def dtype_of(self, layer: Layer) -> str:
        """Return the type in which the weight is stored."""
        return self._tensors.dtype(layer.weight)

    def norm_name(self, layer: Layer) -> str:
        """Return the name of the batch normalization after a layer; empty if there is not one."""
        after = self._norms_after(layer)
        return _title(after[0]) if len(after) == 1 else ""

    def norm_of(self, layer: Layer, name: str = "") -> Any:
        """Return the node of the batch normalization after a layer, or of a name.

        Raises `DataError` if there is none, or several follow.
        """
        every = [node for node in self._nodes if node.op_type == "BatchNormalization"]
        known = _some([_title(node) for node in every])
        if name:
            named = [node for node in every if _title(node) == name or name in node.output]
            if len(named) != 1:
                raise DataError(f"has no batch norm {printable(name)!r} but {known}", self._path)
            return named[0]
        after = self._norms_after(layer)
        if len(after) == 1:
            return after[0]
        how = "several batch norms follow" if after else "no batch norm follows"
        raise DataError(
            f"{how} {printable(layer.name)!r}, and there is {known}; leave out "
            f"{setting('fold_bn')}, or name one with {setting('bn_name', 'NAME')}",
            self._path,
        )

    def norm_fields(self, node: Any, epsilon: float | None) -> dict[str, Any]:
        """Return the arrays of a batch normalization, and ε: the model has it, or its default."""
        attributes = _attributes(node)
        what = printable(_title(node))
        if any(attributes.get("training_mode", ())):
            raise DataError(f"the batch norm {what!r} is in training mode", self._path)
        names = list(node.input)
        if len(names) < 5 or not all(self._tensors.shape(name) for name in names[1:5]):
            raise DataError(f"the batch norm {what!r} has no constant statistics", self._path)
        found: dict[str, Any] = {
            field: self._tensors.numbers(names[at]) for field, at in _NORM_INPUTS.items()
        }
        own = prod(attributes.get("epsilon", (_EPSILON,)))
        # The attribute is a float32: its shortest digits are those that were meant.
        return found | {EPSILON: float(str(np.float32(own))) if epsilon is None else epsilon}

    def _norms_after(self, layer: Layer) -> list[Any]:
        return [
            node
            for node in self._users.get(layer.output, [])
            if node.op_type == "BatchNormalization" and node.input[0] == layer.output
        ]

    def _layer_of(self, node: Any) -> Layer:
        if not node.output:
            raise _RefusedError("has no output")
        if node.op_type == "Conv" and len(node.input) > 1:
            return self._conv(node)
        if node.op_type == "Gemm" and len(node.input) > 1:
            return self._gemm(node)
        if node.op_type == "MatMul" and len(node.input) == 2:
            return self._matmul(node)
        raise _RefusedError(f"is a {printable(node.op_type)}; expected Conv, Gemm or MatMul")

    def _conv(self, node: Any) -> Layer:
        attributes, weight = _attributes(node), node.input[1]
        shape = self._constant(weight)
        groups, strides = attributes.get("group", (1,)), attributes.get("strides", ())
        if len(shape) < 3:
            raise _RefusedError(f"has a weight of shape {shape}; expected (K, C, 1, 1)")
        if prod(shape[2:]) != 1:
            raise _RefusedError(f"has a kernel of size {_listed(shape[2:])}; expected 1×1")
        if prod(groups) != 1:
            raise _RefusedError(f"is a convolution of {_listed(groups)} groups; expected one")
        if any(attributes.get("pads", ())):
            raise _RefusedError("pads the borders; expected no padding")
        bias, output = node.input[2] if len(node.input) > 2 else "", node.output[0]
        if bias and self._constant(bias) != shape[:1]:
            raise _RefusedError("has a bias of another number of channels")
        if not bias:
            ones = (1,) * (len(shape) - 2)
            bias, output = self._added(output, ((shape[0], *ones), (1, shape[0], *ones)))
        stride = _listed(strides) if any(step != 1 for step in strides) else ""
        name = weight if stride and self._tensors.is_initializer(weight) else _title(node)
        return Layer(name, "Conv", (shape[0], shape[1]), weight, bias, False, output, stride=stride)

    def _gemm(self, node: Any) -> Layer:
        attributes, weight = _attributes(node), node.input[1]
        shape = self._constant(weight)
        if len(shape) != 2 or any(attributes.get("transA", ())):
            raise _RefusedError("is no matrix times the channels")
        turned = not any(attributes.get("transB", ()))
        rows, columns = shape[::-1] if turned else shape
        bias = node.input[2] if len(node.input) > 2 else ""
        if bias and self._constant(bias) not in ((rows,), (1, rows), (1,), (1, 1), ()):
            raise _RefusedError("adds something else than a number for each output channel")
        factors = [prod(attributes.get(name, ())) for name in ("alpha", "beta")]
        made = (weight, bias, turned, node.output[0], *map(float, factors))
        return Layer(_title(node), "Gemm", (rows, columns), *made)

    def _matmul(self, node: Any) -> Layer:
        shapes = [self._tensors.shape(name) for name in node.input]
        matrices = [at for at in (0, 1) if shapes[at] is not None]
        if len(matrices) != 1 or len(shapes[matrices[0]] or ()) != 2:
            raise _RefusedError("is no constant matrix times the channels")
        weight, turned = node.input[matrices[0]], matrices[0] == 1
        shape = self._constant(weight)
        rows, columns = shape[::-1] if turned else shape
        fits = ((rows,), (1, rows), (1, 1, rows)) if turned else ((rows, 1), (1, rows, 1))
        bias, output = self._added(node.output[0], fits)
        return Layer(_title(node), "MatMul", (rows, columns), weight, bias, turned, output)

    def _constant(self, name: str) -> tuple[int, ...]:
        """Return the shape of a constant."""
        shape = self._tensors.shape(name)
        if shape is None:
            raise _RefusedError("has weights that the network computes; expected constants")
        return shape

    def _added(self, output: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[str, str]:
        """Return the constant of one of these shapes that is added next, and where the sum is.

        The first is empty if there is none.
        """
        users = self._users.get(output, [])
        if len(users) == 1 and users[0].op_type == "Add":
            others = [name for name in users[0].input if name != output]
            if len(others) == 1 and self._tensors.shape(others[0]) in shapes:
                return others[0], users[0].output[0]
        return "", output


def _title(node: Any) -> str:
    name: str = node.name or (node.output[0] if node.output else "")
    return name


def _listed(sizes: Iterable[float]) -> str:
    return "×".join(map(str, sizes))


def _attributes(node: Any) -> dict[str, tuple[float, ...]]:
    """Return the attributes that are numbers; those that are not are empty."""
    found: dict[str, tuple[float, ...]] = {}
    for each in node.attribute:
        if each.type in (each.INT, each.FLOAT):
            found[each.name] = (each.i if each.type == each.INT else each.f,)
        else:
            found[each.name] = (*each.ints, *each.floats)
    return found


def _some(names: list[str]) -> str:
    listed = ", ".join(repr(printable(name)) for name in names[:_MOST])
    more = len(names) - _MOST
    return (listed + (f" and {more} more" if more > 0 else "")) or "none"
