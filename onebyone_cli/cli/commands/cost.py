"""``onebyone cost``: count what a 1×1 layer costs, beside 3×3 and 5×5."""

import re
from typing import Any, NamedTuple

from onebyone_cli.cli.options.compute import LayerSize
from onebyone_cli.cli.options.inputs import Stacks
from onebyone_cli.cli.options.messages import Printing
from onebyone_cli.cli.options.weights import CostWeights
from onebyone_cli.cli.terminal.console import Console, print_out, print_table
from onebyone_cli.errors import UsageError
from onebyone_cli.plan.layer_cost import DTYPE, Comparison, Design, Saving, compare, npy_bytes
from onebyone_cli.units import format_bytes

EXAMPLES = """
onebyone cost -c 50 -k 20 -s 600x600
onebyone cost -c 10 -k 4 -s 32x32
onebyone cost -c 192 -k 32 -s 28x28 --reduce 16
onebyone cost stack.npy -w weights.npy
"""

#: Most digits of a size.
_DIGITS = 12

_SIZE = re.compile(rf"([0-9]{{1,{_DIGITS}}})[x×,]([0-9]{{1,{_DIGITS}}})", re.ASCII)


class _Shape(NamedTuple):
    in_channels: int
    out_channels: int
    height: int
    width: int


def cost(weights: CostWeights, layer: LayerSize, input: Stacks, messages: Printing) -> None:
    """Count what a 1×1 layer costs, beside 3×3 and 5×5.

    All three turn the same C maps into the same K. For each: parameters (weights, and one bias for
    each output channel), multiply-adds (each of them two floating-point operations) and bytes as
    float32, in exact integers, for one stack of a batch. The stride is 1, and zeros around the
    border keep the size of the maps. Memory is that of the parameters, and of the input and output
    of the widest layer.

    The argument is that of Lin, Chen and Yan, Network In Network (arXiv:1312.4400), and of Szegedy
    and others, Going Deeper with Convolutions (arXiv:1409.4842), whose Inception modules put a
    1×1 layer in front of 3×3 and 5×5 (--reduce).
    """
    shape = _shape(layer, weights.weights, input)
    bottleneck = layer.reduce or 0
    _check_size("R", bottleneck)
    comparison = compare(*shape, bottleneck)
    if messages.json:
        Console(json=True).document(_document(shape, comparison))
    else:
        _print(shape, comparison)


def _shape(layer: LayerSize, weights: str, input: Stacks) -> _Shape:
    """Combine the sizes from the command line and from files, which must agree."""
    given: dict[str, dict[str, int]] = {}

    def add(source: str, **numbers: int | None) -> None:
        for name, number in numbers.items():
            if number is not None:
                given.setdefault(name, {})[source] = number

    height, width = _size_of(layer.size)
    add("the command line", C=layer.channels, K=layer.out_channels, H=height, W=width)
    if input.inputs:
        from onebyone_cli.operations.info.stacks import shape_of

        spec = shape_of(input.inputs, input.reading())
        add(" ".join(input.inputs), C=spec.channels, H=spec.height, W=spec.width)
    if weights:
        from onebyone_cli.operations.info.archives import inspect_weights

        found = inspect_weights(weights)
        add(weights, C=found.in_channels, K=found.out_channels)
    ways = {"C": "-c or INPUT", "K": "-k or -w", "H": "-s or INPUT", "W": "-s or INPUT"}
    return _Shape(*(_agreed(name, given.get(name, {}), way) for name, way in ways.items()))


def _agreed(name: str, given: dict[str, int], way: str) -> int:
    if not given:
        raise UsageError(f"{name} is not known; give {way}")
    (first, number), *others = given.items()
    for source, other in others:
        if other != number:
            raise UsageError(
                f"{name} is {number} by {first} and {other} by {source}; they must agree"
            )
    _check_size(name, number)
    return number


def _check_size(name: str, number: int) -> None:
    if number >= 10**_DIGITS:
        raise UsageError(f"{name} is {number}; give less than {10**_DIGITS}")


def _size_of(text: str) -> tuple[int | None, int | None]:
    if not text:
        return None, None
    found = _SIZE.fullmatch(text.lower())
    if not found or 0 in map(int, found.groups()):
        raise UsageError(f"--size {text} is not a size; write HxW, as in 600x600")
    return int(found[1]), int(found[2])


def _print(shape: _Shape, comparison: Comparison) -> None:
    c, k, height, width = shape
    maps = f"{c}×{height}×{width} → {k}×{height}×{width}, {DTYPE}"
    before, after = (format_bytes(npy_bytes(n, height, width)) for n in (c, k))
    print_out(f"{maps}; as .npy files {before} and {after}\n")
    header = ("layers", "parameters", "biases", "multiply-adds", "weights file", "memory")
    print_table(header, [_row(design) for design in comparison.designs], ("layers",))
    print_out("")
    rows = list(map(_saving, comparison.savings))
    print_table(("", "multiply-adds", "saved"), rows, ("",))


def _row(design: Design) -> list[str]:
    numbers = (design.parameters, design.biases, design.multiply_adds)
    sizes = (design.parameter_bytes, design.memory_bytes)
    return [design.name, *(f"{n:,}" for n in numbers), *map(format_bytes, sizes)]


def _saving(saving: Saving) -> list[str]:
    words = f"{saving.design.name} in place of {saving.than.name}"
    if saving.saved < 0:
        return [words, f"{1 / saving.times:.4g} × more", "-"]
    return [words, f"{saving.times:.4g} × fewer", f"{saving.saved:.2%}"]


def _document(shape: _Shape, comparison: Comparison) -> dict[str, Any]:
    c, k, height, width = shape
    return {
        "channels": c,
        "out_channels": k,
        "height": height,
        "width": width,
        "dtype": DTYPE,
        "input_file_bytes": npy_bytes(c, height, width),
        "output_file_bytes": npy_bytes(k, height, width),
        "designs": [
            {
                "name": design.name,
                "layers": [
                    {
                        "kernel": layer.side,
                        "channels": layer.in_channels,
                        "out_channels": layer.out_channels,
                    }
                    for layer in design.layers
                ],
                "weights": design.weights,
                "biases": design.biases,
                "parameters": design.parameters,
                "multiply_adds": design.multiply_adds,
                "parameter_bytes": design.parameter_bytes,
                "memory_bytes": design.memory_bytes,
            }
            for design in comparison.designs
        ],
        "savings": [
            {
                "design": saving.design.name,
                "than": saving.than.name,
                "times": saving.times,
                "saved": saving.saved,
            }
            for saving in comparison.savings
        ],
    }
