"""One 1×1 convolution as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ChannelMap:
    """A map from C channels to K: ``Y = weight @ X + bias`` at every pixel.

    The arrays are copies: C-contiguous, float64 and read-only. Maps compare by identity.

    Attributes
    ----------
    weight : ndarray of float64, shape (K, C)
        One row per output channel.
    bias : ndarray of float64, shape (K,)
        Added to each output channel; zeros by default.
    source : str
        Its origin for messages: a path as typed, or an option.
    meta : mapping
        Other fields of the file, by name: those of its ``meta`` document and other small arrays,
        such as ``eigenvalues``. Read-only.
    notes : tuple of str
        How a file was understood, where that is not plain: sentences for the user.
    is_either : bool
        Whether the one row of the weight can as well be one column; see `taking`.
    may_have_header : bool
        Whether the first row can as well be a header: that of a table of numbers alone.

    Raises
    ------
    DataError
        If the weight is not a matrix with at least one row and one column.
    ShapeMismatchError
        If the bias has not K numbers.
    """

    def __init__(
        self,
        weight: NDArray[np.float64],
        bias: NDArray[np.float64],
        source: str,
        meta: Mapping[str, Any] | None = None,
        *,
        notes: Sequence[str] = (),
        is_either: bool = False,
        may_have_header: bool = False,
    ) -> None:
        weight, bias = _frozen(weight), _frozen(bias)
        if weight.ndim != 2 or weight.size == 0:
            raise DataError(
                f"the weight has shape {weight.shape}; expected (K, C), both of them 1 or more",
                source,
            )
        if bias.shape != weight.shape[:1]:
            raise ShapeMismatchError(
                f"the bias has shape {bias.shape}, but the weight has "
                f"{count(len(weight), 'row')}; expected one number for each",
                source,
            )
        self.weight, self.bias, self.source = weight, bias, source
        self.meta = MappingProxyType(dict(meta or {}))
        self.notes, self.is_either = tuple(notes), is_either
        self.may_have_header = may_have_header

    @property
    def out_channels(self) -> int:
        """Number of output channels, K."""
        return len(self.weight)

    @property
    def in_channels(self) -> int:
        """Number of input channels, C."""
        return int(self.weight.shape[1])

    @property
    def has_bias(self) -> bool:
        """Whether any number of the bias differs from zero."""
        return bool(self.bias.any())

    def taking(self, channels: int) -> ChannelMap:
        """Return this map, or for one channel the column that its row may be."""
        if not self.is_either or channels != 1 or self.has_bias:
            return self
        column = self.weight.T
        return ChannelMap(column, np.zeros(len(column)), self.source, self.meta, notes=self.notes)

    def check_channels(self, channels: int, stack: str) -> None:
        """Raise `ShapeMismatchError` unless a stack has the channels that this map takes.

        The orientation is never guessed: for a square matrix it can't be known.
        """
        if channels == self.in_channels:
            return
        shape = f"({self.out_channels}, {self.in_channels})"
        message = (
            f"the weights have shape {shape} and take {count(self.in_channels, 'channel')}, "
            f"but {stack} has {channels}"
        )
        if channels == self.out_channels:
            message += (
                f"; looks transposed: found {shape}, expected one row per output channel, "
                f"(K, C) = ({self.in_channels}, {self.out_channels}); transpose the matrix"
            )
        else:
            message += f"; expected one column per input channel, (K, C) = (K, {channels})"
        raise ShapeMismatchError(message, self.source)

    def with_bias(self, bias: NDArray[np.float64], source: str) -> ChannelMap:
        """Return the same map with another bias, shape (K,), from `source`.

        Raises `ShapeMismatchError` if the bias has not K numbers.
        """
        if self.is_either and bias.shape == (self.in_channels,):
            return self.taking(1).with_bias(bias, source)
        if bias.shape != (self.out_channels,):
            raise ShapeMismatchError(
                f"the bias has {count(bias.size, 'number')}, but {self.source} has "
                f"{count(self.out_channels, 'output channel')}; expected one number for each",
                source,
            )
        return ChannelMap(self.weight, bias, self.source, self.meta, notes=self.notes)


def zero_map(out_channels: int, in_channels: int, source: str) -> ChannelMap:
    """Make a map of zeros, (K, C): a stand-in for weights of which only the shape is known."""
    return ChannelMap(np.zeros((out_channels, in_channels)), np.zeros(out_channels), source)


def _frozen(array: NDArray[np.float64]) -> NDArray[np.float64]:
    # Always a copy, so that no writable view exists.
    frozen = np.array(array, dtype=np.float64, order="C")
    frozen.setflags(write=False)
    return frozen
