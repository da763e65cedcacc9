"""Import the library of ONNX, and read a model with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError, DependencyMissingError

if TYPE_CHECKING:
    from typing import BinaryIO

#: Most bytes of a message of protobuf.
_MOST = 2**31 - 1


def load_onnx(path: str) -> Any:
    """Import the library; raises `DependencyMissingError` if it is missing."""
    try:
        import onnx
    except ImportError as error:
        raise DependencyMissingError(
            "ONNX models need the library onnx, which is not installed; install it with: "
            "pip install 'onebyone-cli[onnx]'",
            path,
        ) from error
    return onnx


def parse_model(file: BinaryIO, path: str) -> Any:
    """Return the model in a file, without the numbers that lie in other files.

    Raises `DataError` if it is damaged.
    """
    from google.protobuf.message import DecodeError

    onnx = load_onnx(path)
    raw = file.read(_MOST + 1)
    if len(raw) > _MOST:
        raise DataError(f"has more than {_MOST} bytes; expected a model of ONNX", path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(raw)
    except (DecodeError, ValueError, UnicodeDecodeError) as error:
        raise DataError("is not a whole model of ONNX; was it cut short?", path) from error
    if not model.HasField("graph") or not model.opset_import:
        raise DataError("is no model of ONNX: it has no graph", path)
    # Names that are no text come as bytes.
    names = [tensor.name for tensor in model.graph.initializer]
    for node in model.graph.node:
        names += [node.name, node.op_type, *node.input, *node.output]
    if not all(isinstance(name, str) for name in names):
        raise DataError("has names that are no text; was it altered?", path)
    return model
