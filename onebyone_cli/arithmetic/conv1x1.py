"""The 1×1 convolution of tiles of pixels: ``Y[k, p] = bias[k] + Σ_c weight[k, c] · X[c, p]``.

A chain of layers with activations between them is the ``mlpconv`` block of Lin, Chen & Yan,
"Network in Network" (arXiv:1312.4400), section 3.1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.arithmetic.first_layer import first_layer
from onebyone_cli.errors import UsageError, setting
from onebyone_cli.system.buffers import empty_rows
from onebyone_cli.units import count
from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.arithmetic.first_layer import Packing

ACTIVATIONS = ("none", "relu", "sigmoid", "softmax")


class Layer(NamedTuple):
    """A 1×1 convolution and its activation, one of `ACTIVATIONS`."""

    map: ChannelMap
    activation: str = "none"


def make_layers(maps: Sequence[ChannelMap], activations: Sequence[str]) -> tuple[Layer, ...]:
    """Join weights and activations into a chain.

    Parameters
    ----------
    maps : sequence of ChannelMap
        In the order of application.
    activations : sequence of str
        One per layer, or one for all layers, or none. A single softmax (over the output
        channels) applies to the last layer only.

    Raises
    ------
    UsageError
        If an activation is unknown, or there are too few or too many.
    ShapeMismatchError
        If the channels of two consecutive layers differ.
    """
    unknown = next((name for name in activations if name not in ACTIVATIONS), None)
    if unknown is not None:
        known = ", ".join(ACTIVATIONS)
        raise UsageError(f"{setting('activation', unknown)} is unknown; choose from {known}")
    for before, after in pairwise(maps):
        after.check_channels(before.out_channels, f"the layer before it ({before.source})")
    if not activations:
        activations = ["none"]
    if len(activations) == 1:
        hidden = "none" if activations[0] == "softmax" else activations[0]
        activations = [hidden] * (len(maps) - 1) + [activations[0]]
    if len(activations) != len(maps):
        raise UsageError(
            f"{setting('activation')} is given {count(len(activations), 'time')} for "
            f"{count(len(maps), 'layer')}; give it once for all, or once for each"
        )
    return tuple(Layer(m, a) for m, a in zip(maps, activations, strict=True))


class Convolution:
    """A chain of layers that is applied to tiles, in arithmetic of type `dtype`.

    `packing` are the scale and the offset of the stored numbers, shape (C,) each, if they have
    some; the result is that for the numbers they stand for.

    Attributes
    ----------
    in_channels, out_channels : int
        C of the first layer, K of the last.
    hidden_channels : tuple of int
        Channels between the layers.
    """

    def __init__(self, layers: Sequence[Layer], dtype: str, packing: Packing | None = None) -> None:
        self.dtype = dtype
        self.in_channels = layers[0].map.in_channels
        self.out_channels = layers[-1].map.out_channels
        self.hidden_channels = tuple(layer.map.out_channels for layer in layers[:-1])
        first = first_layer(layers[0].map, dtype, packing)
        self._centre = None if first.centre is None else first.centre.astype(dtype)[:, None]
        numbers = [first[:2], *((layer.map.weight, layer.map.bias) for layer in layers[1:])]
        self._steps = [
            (
                _in_arithmetic(weight, dtype, layer.map.source),
                _in_arithmetic(bias, dtype, layer.map.source)[:, None] if bias.any() else None,
                layer.activation,
            )
            for (weight, bias), layer in zip(numbers, layers, strict=True)
        ]

    @property
    def widest(self) -> int:
        """Largest number of channels anywhere in the chain."""
        return max(self.in_channels, self.out_channels, *self.hidden_channels)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds per pixel."""
        return sum(weight.size for weight, _, _ in self._steps)

    def hidden_buffers(self, items: int, pixels: int) -> list[NDArray[Any]]:
        """Allocate the buffers between layers for `apply`."""
        return [empty_rows((items, k, pixels), self.dtype) for k in self.hidden_channels]

    def apply(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        hidden: Sequence[NDArray[Any]],
        *,
        look: bool = False,
    ) -> bool:
        """Apply the chain to one tile.

        The bits of `y` depend on the shapes and the numbers alone, so callers use a single shape.
        NaN or an infinity in any channel makes a number that is not finite in every output channel
        of the first layer, before its activation. So one of them shows whether `x` has some.

        Parameters
        ----------
        x : ndarray of shape (n, C, T)
            Stored numbers; overwritten if the layer is centred.
        y : ndarray of shape (n, K, T)
            Output, overwritten.
        hidden : sequence of ndarray
            Buffers of `hidden_buffers` for at least n items and T pixels.
        look : bool
            Whether to look at the first output channel of the first layer.

        Returns
        -------
        bool
            Whether a number is not finite there; False if nobody looked.
        """
        found = False
        if self._centre is not None:
            np.subtract(x, self._centre, out=x)
        buffers = [*(each[: x.shape[0], :, : x.shape[2]] for each in hidden), y]
        for at, ((weight, bias, activation), out) in enumerate(
            zip(self._steps, buffers, strict=True)
        ):
            _convolve(weight, bias, x, out)
            if look and at == 0:
                found = not np.isfinite(out[:, 0]).all()
            _activate(activation, out)
            x = out
        return found


def _in_arithmetic(numbers: NDArray[np.float64], dtype: str, source: str) -> NDArray[Any]:
    """Round weights to the type of the arithmetic.

    Raises `UsageError` if a finite weight becomes infinite.
    """
    with np.errstate(over="ignore"):
        rounded = numbers.astype(dtype)
    beyond = np.isinf(rounded) & np.isfinite(numbers)
    if beyond.any():
        raise UsageError(
            f"{source}: {numbers[beyond][0]:g} is beyond {dtype}; "
            f"give {setting('compute', 'float64')}"
        )
    return rounded


def _convolve(
    weight: NDArray[Any], bias: NDArray[Any] | None, x: NDArray[Any], out: NDArray[Any]
) -> None:
    np.matmul(weight, x, out=out)
    if bias is not None:
        out += bias


def _activate(name: str, y: NDArray[Any]) -> None:
    """Apply an activation in place.

    Exponentials are computed row by row: numpy may use another code path at the end of an array,
    and rows of a tile always have the same length, whatever the memory layout.
    """
    if name == "relu":
        np.maximum(y, 0, out=y)
    elif name == "sigmoid":
        for item in y:
            for row in item:
                _sigmoid(row)
    elif name == "softmax":
        for item in y:
            _softmax(item)


def _sigmoid(row: NDArray[Any]) -> None:
    np.negative(row, out=row)
    np.exp(row, out=row)
    row += 1
    np.reciprocal(row, out=row)


def _softmax(rows: NDArray[Any]) -> None:
    rows -= rows.max(axis=0)
    total = np.zeros_like(rows[0])
    for row in rows:
        np.exp(row, out=row)
        total += row
    rows /= total


def argmax(y: NDArray[Any], out: NDArray[Any]) -> None:
    """Store the index of the largest output channel of each pixel; the lowest of equal ones.

    `y` has shape (n, K, T). `out` has shape (n, 1, T) and a float type: NaN where any channel is.
    """
    # Both before any write: `out` may be a view of `y`.
    missing, index = np.isnan(y).any(axis=1), y.argmax(axis=1)
    out[:, 0] = index
    out[:, 0][missing] = np.nan


def rms(y: NDArray[Any], out: NDArray[Any]) -> None:
    """Store the root mean square of the output channels of each pixel; overwrites `y`.

    `y` has shape (n, K, T), `out` (n, 1, T), of the same type: NaN where any channel is.
    """
    np.multiply(y, y, out=y)
    out[:, 0] = np.sqrt(y.mean(axis=1))


def argmax_dtype(channels: int) -> str:
    """Return the smallest unsigned type for the indices of `channels` channels."""
    return "uint8" if channels <= 1 << 8 else "uint16" if channels <= 1 << 16 else "uint32"
