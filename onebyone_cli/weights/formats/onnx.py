"""Layers of networks in ``.onnx`` files.

The graph shows the layers: nodes Conv with a 1×1 kernel, and Gemm and MatMul with a constant
matrix. A layer has the name of its node, or of the initializer that is its weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError
from onebyone_cli.units import printable
from onebyone_cli.weights.batch_norm import EPSILON
from onebyone_cli.weights.formats.contract import (
    NetworkLayer,
    Stored,
    WeightsFile,
    WeightsFormat,
)
from onebyone_cli.weights.formats.json import flatten_meta, parse_meta
from onebyone_cli.weights.formats.onnx_graph import Graph, open_graph
from onebyone_cli.weights.formats.onnx_model import holds, model_of
from onebyone_cli.weights.rules import quote

if TYPE_CHECKING:
    from typing import BinaryIO

    from onebyone_cli.weights.formats.onnx_graph import Layer

#: Names in a message.
_MOST = 10


def _read(source: WeightsFile) -> dict[str, Any]:
    graph = open_graph(source.file, source.path)
    layer = _chosen(graph, source.member, source.path)
    if source.wanted == "bias":
        if not layer.bias:
            raise DataError(f"the layer {quote(layer.name)} has no bias", source.path)
        return {"bias": graph.bias_of(layer)}
    is_other = graph.meta is None
    told = [f"the weight is that of {printable(layer.name)!r}"] * (is_other and not source.member)
    told += [f"the bias is {printable(layer.bias)!r}"] * (is_other and bool(layer.bias))
    if layer.stride:
        told.append(f"it has strides {layer.stride} in the network and is applied to every pixel")
    fields: dict[str, Any] = {"weight": graph.weight_of(layer)}
    if layer.bias:
        fields["bias"] = graph.bias_of(layer)
    if source.folding is not None:
        norm = graph.norm_of(layer, source.folding.name)
        fields |= graph.norm_fields(norm, source.folding.epsilon)
        told.append(
            f"the batch norm {printable(norm.name or norm.output[0])!r} is folded in, with epsilon "
            f"{fields[EPSILON]:g}"
        )
    source.notes.extend(filter(None, [", ".join(told)]))
    return _with_meta(graph, fields, is_whole=not source.member)


def _with_meta(graph: Graph, fields: dict[str, Any], *, is_whole: bool) -> dict[str, Any]:
    """Add what this program has written beside its own layer."""
    if not is_whole or graph.meta is None:
        return fields
    return flatten_meta(parse_meta(graph.meta.encode())) | fields


def _chosen(graph: Graph, member: str, path: str) -> Layer:
    """Return the layer that the user names, or the only one."""
    if member:
        return graph.layer(member)
    layers, refused = graph.layers()
    if len(layers) == 1 and not refused:
        return layers[0]
    if layers:
        listed = ", ".join(f"{layer.name!r} {layer.shape}" for layer in layers[:_MOST])
        more = ""
        if len(layers) > _MOST:
            more = f" and {len(layers) - _MOST} more, which onebyone weights show lists"
        raise DataError(
            f"has {len(layers)} 1×1 layers; name one of {printable(listed)}{more}, as in "
            f"{path}:{printable(layers[0].name)}",
            path,
        )
    why = f": {refused[0]}" if refused else ""
    raise DataError(f"has no 1×1 layer with constant weights{why}", path)


def _look(file: BinaryIO, member: str, path: str) -> Stored:
    graph = open_graph(file, path)
    return Stored(graph.dtype_of(_chosen(graph, member, path)))


def _layers(file: BinaryIO, path: str) -> list[NetworkLayer]:
    graph = open_graph(file, path)
    return [
        NetworkLayer(
            layer.name,
            "conv" if layer.kind == "Conv" else "linear",
            *layer.shape,
            layer.bias,
            graph.norm_name(layer),
            graph.dtype_of(layer),
        )
        for layer in graph.layers()[0]
    ]


FORMAT = WeightsFormat(
    read=_read, write=model_of, holds=holds, look=_look, layers=_layers, dtype="float32"
)
