"""Write a 1×1 convolution as an ONNX model.

The model has one Conv node, from ``input`` (batch, C, height, width) to ``output`` (batch, K,
height, width). Numbers are float32, since runtimes have no convolution in float64. What else is
known, such as names of channels, is JSON in the metadata of the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.version import __version__
from onebyone_cli.weights.formats.json import dump_meta, holds_meta
from onebyone_cli.weights.formats.onnx_graph import META
from onebyone_cli.weights.formats.onnx_library import load_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Versions of operators and of the file that runtimes have read since 2021.
_OPERATORS, _VERSION = 13, 8

_AXES = ("batch", "height", "width")


def holds(name: str, value: Any) -> bool:
    """Return whether the model has a place for a field: a bias, texts and up to one axis."""
    return name != "inverse" and holds_meta(name, value)


def model_of(fields: Mapping[str, Any], suffix: str) -> bytes:
    """Return the bytes of a model; the same fields give the same bytes.

    Raises `DataError` if a number is too large for float32.
    """
    onnx = load_onnx("")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    if "weight" not in fields:
        raise DataError("a model needs a weight; write the bias with it")
    weight = _float32(fields["weight"])[:, :, np.newaxis, np.newaxis]
    bias = _float32(fields.get("bias", np.zeros(len(weight))))
    rows, columns = weight.shape[:2]
    graph = helper.make_graph(
        [
            helper.make_node(
                "Conv", ["input", "weight", "bias"], ["output"], "conv", kernel_shape=[1, 1]
            )
        ],
        "onebyone",
        [_stack("input", columns, helper)],
        [_stack("output", rows, helper)],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPERATORS)],
        ir_version=_VERSION,
        producer_name="onebyone",
        producer_version=__version__,
    )
    known = {name: value for name, value in fields.items() if name not in ("weight", "bias")}
    helper.set_model_props(model, {META: dump_meta(known)})
    raw: bytes = model.SerializeToString(deterministic=True)
    return raw


def _stack(name: str, channels: int, helper: Any) -> Any:
    batch, height, width = _AXES
    return helper.make_tensor_value_info(name, 1, [batch, channels, height, width])  # 1 is float32


def _float32(numbers: Any) -> Any:
    with np.errstate(over="ignore"):
        found = np.asarray(numbers, np.float32)
    if not (np.isfinite(found) | ~np.isfinite(numbers)).all():
        raise DataError("has a number too large for float32, the type of ONNX models that run")
    return found
