"""Read the constants of an ONNX graph.

Large models keep numbers in a file beside them. It is read only if it lies in the folder of the
model and is reached without links, so that a model can't read what the user did not name.
"""

from __future__ import annotations

import os
import stat
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, InputMissingError, PolicyError, open_error
from onebyone_cli.units import printable
from onebyone_cli.weights.rules import MAX_ARRAY_BYTES, quote

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Longest chain of Identity nodes.
_MOST_HOPS = 16


class Tensors:
    """The constants of a graph by name: initializers, and the values of Constant nodes.

    Parameters
    ----------
    graph : onnx.GraphProto
    path : str
        The model, for messages.
    file : str
        Name of its file; empty for a pipe.
    """

    def __init__(self, graph: Any, path: str, file: str) -> None:
        self._path, self._file = path, file
        self._found = {tensor.name: tensor for tensor in graph.initializer}
        self._initializers = set(self._found)
        self._same: dict[str, str] = {}
        for node in graph.node:
            if node.op_type == "Constant" and len(node.output) == 1:
                value = [each.t for each in node.attribute if each.name == "value"]
                self._found |= dict.fromkeys(node.output, value[0]) if value else {}
            elif node.op_type == "Identity" and len(node.input) == len(node.output) == 1:
                self._same[node.output[0]] = node.input[0]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a constant; None if it is none."""
        tensor = self._tensor(name)
        return None if tensor is None else tuple(tensor.dims)

    def is_initializer(self, name: str) -> bool:
        """Return whether a name is that of an initializer."""
        return name in self._initializers

    def dtype(self, name: str) -> str:
        """Return the type in which a constant is stored."""
        return self._dtype(name).name

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a constant as float64.

        Raises
        ------
        DataError
            If it is damaged, too large or of another type.
        PolicyError
            If its numbers are in a file outside the folder of the model.
        """
        from onnx.numpy_helper import to_array

        tensor, shape = self._tensor(name), self.shape(name)
        assert tensor is not None
        assert shape is not None
        dtype = self._dtype(name)
        if any(size < 0 for size in shape) or 8 * prod(shape) > MAX_ARRAY_BYTES:
            raise DataError(
                f"{quote(name)} claims shape {shape}; a weights file may hold up to "
                f"{MAX_ARRAY_BYTES // 8} numbers",
                self._path,
            )
        if tensor.data_location == tensor.EXTERNAL:
            tensor = self._with_numbers(tensor)
        try:
            with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
                found: NDArray[np.float64] = np.asarray(to_array(tensor)).astype(np.float64)
        except (ValueError, TypeError, LookupError) as error:
            raise self._damaged(name, shape, dtype) from error
        if found.shape != shape:
            raise self._damaged(name, shape, dtype)
        return found

    def _damaged(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DataError:
        return DataError(
            f"{quote(name)} has not the numbers of its shape {shape} of {dtype.name}; was the file "
            "cut short or altered?",
            self._path,
        )

    def _tensor(self, name: str) -> Any:
        for _ in range(_MOST_HOPS):
            if name not in self._same:
                break
            name = self._same[name]
        return self._found.get(name)

    def _dtype(self, name: str) -> np.dtype[Any]:
        from onnx.helper import tensor_dtype_to_np_dtype

        code = self._tensor(name).data_type
        try:
            dtype: np.dtype[Any] = np.dtype(tensor_dtype_to_np_dtype(code))
        except (KeyError, ValueError, TypeError):
            dtype = np.dtype(object)
        if dtype.kind in "OSUc":
            raise DataError(f"{quote(name)} is of type {code}; expected real numbers", self._path)
        return dtype

    def _with_numbers(self, tensor: Any) -> Any:
        """Return a tensor with its numbers from the file beside the model."""
        said = {entry.key: entry.value for entry in tensor.external_data}
        place = said.get("location", "")
        path = self._beside(place)
        try:
            start, length = int(said.get("offset", 0)), int(said.get("length", -1))
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except ValueError as error:  # a NUL in the name counts, too
            raise DataError(f"{quote(tensor.name)} has no place in {quote(place)}", path) from error
        except FileNotFoundError as error:
            raise InputMissingError(
                f"keeps numbers in {printable(place)}, which is not beside it; copy both files",
                self._path,
            ) from error
        except OSError as error:
            raise open_error(path, error) from error
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise PolicyError(f"{quote(place)} is no regular file", self._path)
            length = status.st_size - start if length < 0 else length
            if start < 0 or length > min(MAX_ARRAY_BYTES, status.st_size - start):
                raise DataError(
                    f"has {status.st_size} bytes, and {quote(tensor.name)} needs {length} from "
                    f"{start}: was it cut short?",
                    path,
                )
            file.seek(start)
            raw = file.read(length)
        whole = type(tensor)(name=tensor.name, data_type=tensor.data_type, raw_data=raw)
        whole.dims.extend(tensor.dims)
        return whole

    def _beside(self, place: str) -> str:
        if not self._file:
            raise PolicyError("comes through a pipe and keeps its numbers in a file", self._path)
        folder = os.path.dirname(os.path.abspath(self._file))
        path = os.path.normpath(os.path.join(folder, place))
        is_inside = os.path.commonpath([folder, path]) == folder != path
        if (
            os.path.isabs(place)
            or not is_inside
            or os.path.realpath(path)
            != os.path.join(os.path.realpath(folder), os.path.relpath(path, folder))
        ):
            raise PolicyError(
                f"keeps its numbers in {quote(place)}, which is not in the folder of the model",
                self._path,
            )
        return path
