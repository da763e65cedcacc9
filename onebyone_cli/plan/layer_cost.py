"""What a convolution costs: parameters, multiply-adds and bytes, in exact integers.

A layer with kernels of k×k from C channels to K has k²·C·K weights and K biases, and at stride 1,
with zeros around the border so that H×W stays, each weight is multiplied once for every pixel:
k²·C·K·H·W multiply-adds (twice that in floating-point operations). A 1×1 layer is k²-times smaller
than one of k×k and of the same depth; that it still combines channels is the argument of

* M. Lin, Q. Chen, S. Yan: Network In Network (2013), arXiv:1312.4400;
* C. Szegedy et al.: Going Deeper with Convolutions (2014), arXiv:1409.4842, which puts a 1×1
  layer in front of the 3×3 and 5×5 ones, so that these see R channels in place of C.

Plain integers: no arrays, no files.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from onebyone_cli.npy_header import format_header
from onebyone_cli.spec import ITEM_BYTES, StackSpec

#: Type of parameters and feature maps, in which networks are usually counted.
DTYPE = "float32"
_NUMBER_BYTES = ITEM_BYTES[DTYPE]

#: Sides of the kernels that a 1×1 layer is compared with: those of an Inception module.
LARGER_KERNELS = (3, 5)


class Layer(NamedTuple):
    """One convolution with square kernels, stride 1 and a bias; H×W stays.

    Attributes
    ----------
    side : int
        k of its k×k kernels.
    in_channels, out_channels : int
        C and K.
    """

    side: int
    in_channels: int
    out_channels: int

    @property
    def weights(self) -> int:
        """Numbers in the kernels."""
        return self.side**2 * self.in_channels * self.out_channels

    @property
    def biases(self) -> int:
        """One for each output channel."""
        return self.out_channels


class Design(NamedTuple):
    """Layers one after another on maps of H×W pixels.

    Attributes
    ----------
    layers : tuple of Layer
        Each takes what the one before it gives.
    height, width : int
        H and W.
    """

    layers: tuple[Layer, ...]
    height: int
    width: int

    @property
    def name(self) -> str:
        """The design for people, as in ``1×1 to 16, 5×5``."""
        words = [f"{layer.side}×{layer.side}" for layer in self.layers]
        for index, (before, _) in enumerate(pairwise(self.layers)):
            words[index] += f" to {before.out_channels}"
        return ", ".join(words)

    @property
    def weights(self) -> int:
        """Numbers in all kernels."""
        return sum(layer.weights for layer in self.layers)

    @property
    def biases(self) -> int:
        """Biases of all layers."""
        return sum(layer.biases for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    @property
    def multiply_adds(self) -> int:
        """Products that are summed, those with the zeros around the border included."""
        return self.weights * self.height * self.width

    @property
    def parameter_bytes(self) -> int:
        """Parameters as float32."""
        return self.parameters * _NUMBER_BYTES

    @property
    def memory_bytes(self) -> int:
        """Parameters, and the input and output of the widest layer, as float32.

        That is what lives at once where layers run one after another; training keeps all maps.
        """
        widest = max(layer.in_channels + layer.out_channels for layer in self.layers)
        return self.parameter_bytes + widest * self.height * self.width * _NUMBER_BYTES


class Saving(NamedTuple):
    """How much fewer multiply-adds one design takes than another.

    Attributes
    ----------
    design, than : Design
        The one, and the other it stands in for.
    """

    design: Design
    than: Design

    @property
    def times(self) -> float:
        """How many times as many the other takes; below 1 where nothing is saved."""
        return self.than.multiply_adds / self.design.multiply_adds

    @property
    def saved(self) -> float:
        """Part of the other's that is saved; negative where nothing is."""
        return (self.than.multiply_adds - self.design.multiply_adds) / self.than.multiply_adds


class Comparison(NamedTuple):
    """A 1×1 layer beside what could stand in its place.

    Attributes
    ----------
    designs : tuple of Design
        The 1×1 layer, larger kernels of the same depth, then bottlenecks if there are any.
    savings : tuple of Saving
        Of the 1×1 layer over larger kernels, and of each bottleneck over the same kernel alone.
    """

    designs: tuple[Design, ...]
    savings: tuple[Saving, ...]


def compare(
    in_channels: int, out_channels: int, height: int, width: int, reduce: int = 0
) -> Comparison:
    """Compare a 1×1 layer with larger kernels, and those with what a bottleneck makes of them.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    height, width : int
        H and W.
    reduce : int
        R, the channels that a bottleneck's 1×1 layer leaves; 0 for no bottleneck.
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
    """Size of maps as a float32 ``.npy`` file, header included."""
    spec = StackSpec(channels, height, width, DTYPE)
    return len(format_header(spec.shape, DTYPE)) + spec.data_bytes
