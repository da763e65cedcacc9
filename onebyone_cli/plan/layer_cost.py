"""Count parameters, multiply-adds and bytes of convolutions, in exact integers.

A layer with k×k kernels from C channels to K has k²·C·K weights and K biases. At stride 1 with
zero padding it takes k²·C·K·H·W multiply-adds (twice that in floating-point operations). A 1×1
layer takes 1/k² of them and still combines channels, which is the argument of

* M. Lin, Q. Chen, S. Yan: Network In Network (2013), arXiv:1312.4400;
* C. Szegedy et al.: Going Deeper with Convolutions (2014), arXiv:1409.4842, where a 1×1 layer
  before the 3×3 and 5×5 layers reduces C channels to R.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from onebyone_cli.npy_header import format_header
from onebyone_cli.spec import ITEM_BYTES, StackSpec

#: Type of parameters and feature maps, the usual one of networks.
DTYPE = "float32"
_NUMBER_BYTES = ITEM_BYTES[DTYPE]

#: Sides of the kernels of an Inception module.
LARGER_KERNELS = (3, 5)


class Layer(NamedTuple):
    """A convolution with square kernels of k×k (`side`), stride 1, zero padding and a bias."""

    side: int
    in_channels: int
    out_channels: int

    @property
    def weights(self) -> int:
        """Number of weights, k²·C·K."""
        return self.side**2 * self.in_channels * self.out_channels

    @property
    def biases(self) -> int:
        """Number of biases, K."""
        return self.out_channels


class Design(NamedTuple):
    """A chain of layers on maps of H×W pixels."""

    layers: tuple[Layer, ...]
    height: int
    width: int

    @property
    def name(self) -> str:
        """The design as in ``1×1 to 16, 5×5``."""
        words = [f"{layer.side}×{layer.side}" for layer in self.layers]
        for index, (before, _) in enumerate(pairwise(self.layers)):
            words[index] += f" to {before.out_channels}"
        return ", ".join(words)

    @property
    def weights(self) -> int:
        """Number of weights of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def biases(self) -> int:
        """Number of biases of all layers."""
        return sum(layer.biases for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return self.weights + self.biases

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds, those with padding zeros included."""
        return self.weights * self.height * self.width

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the parameters in float32."""
        return self.parameters * _NUMBER_BYTES

    @property
    def memory_bytes(self) -> int:
        """Bytes in float32 of the parameters and of the input and output of the widest layer.

        That is the memory of inference, layer by layer. Training keeps all maps.
        """
        widest = max(layer.in_channels + layer.out_channels for layer in self.layers)
        return self.parameter_bytes + widest * self.height * self.width * _NUMBER_BYTES


class Saving(NamedTuple):
    """The multiply-adds that `design` saves in comparison with `than`."""

    design: Design
    than: Design

    @property
    def times(self) -> float:
        """Multiply-adds of the other design per multiply-add of this; below 1 if it has fewer."""
        return self.than.multiply_adds / self.design.multiply_adds

    @property
    def saved(self) -> float:
        """Saved fraction of the other design's multiply-adds; negative without a saving."""
        return (self.than.multiply_adds - self.design.multiply_adds) / self.than.multiply_adds


class Comparison(NamedTuple):
    """A 1×1 layer and its alternatives.

    Attributes
    ----------
    designs : tuple of Design
        The 1×1 layer, larger kernels of the same depth, then bottlenecks if there are any.
    savings : tuple of Saving
        Of the 1×1 layer over each larger kernel, and of each bottleneck over its kernel alone.
    """

    designs: tuple[Design, ...]
    savings: tuple[Saving, ...]


def compare(
    in_channels: int, out_channels: int, height: int, width: int, reduce: int = 0
) -> Comparison:
    """Compare a 1×1 layer (C to K channels) with larger kernels, with and without a bottleneck.

    `reduce` is R, the output channels of the bottleneck's 1×1 layer; 0 for no bottleneck.
    """

    def design(*layers: Layer) -> Design:
        return Design(layers, height, width)

    pointwise = design(Layer(1, in_channels, out_channels))
    larger = [design(Layer(side, in_channels, out_channels)) for side in LARGER_KERNELS]
    narrow = [
        design(Layer(1, in_channels, reduce), Layer(side, reduce, out_channels))
        for side in LARGER_KERNELS
        if reduce
    ]
    savings = [Saving(pointwise, each) for each in larger]
    savings += [Saving(one, other) for one, other in zip(narrow, larger, strict=False)]
    return Comparison((pointwise, *larger, *narrow), tuple(savings))


def npy_bytes(channels: int, height: int, width: int) -> int:
    """Return the bytes of maps as a float32 ``.npy`` file, header included."""
    spec = StackSpec(channels, height, width, DTYPE)
    return len(format_header(spec.shape, DTYPE)) + spec.data_bytes
