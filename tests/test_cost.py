"""Costs against counting, one product at a time."""

from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.plan.layer_cost import Design, Layer, compare, npy_bytes

few = st.integers(1, 3)
any_size = st.integers(1, 10**9)


def count(layer: Layer, height: int, width: int) -> tuple[int, int, int]:
    """Convolve as a loop over everything does, and count weights, biases and products."""
    weights, biases, products = set(), set(), 0
    half = layer.side // 2
    for k in range(layer.out_channels):
        biases.add(k)
        for _ in range(height * width):
            for c in range(layer.in_channels):
                for dy in range(-half, half + 1):
                    for dx in range(-half, half + 1):
                        weights.add((k, c, dy, dx))
                        products += 1
    return len(weights), len(biases), products


@given(st.sampled_from([1, 3, 5]), few, few, few, few)
def test_layers_cost_what_a_loop_counts(side: int, c: int, k: int, height: int, width: int) -> None:
    layer = Layer(side, c, k)
    design = Design((layer,), height, width)
    assert (design.weights, design.biases, design.multiply_adds) == count(layer, height, width)


@given(few, few, few, few, few)
def test_bottlenecks_cost_what_their_layers_do(c: int, k: int, h: int, w: int, r: int) -> None:
    *_, narrow3, narrow5 = compare(c, k, h, w, r).designs
    for design, side in ((narrow3, 3), (narrow5, 5)):
        parts = [count(Layer(1, c, r), h, w), count(Layer(side, r, k), h, w)]
        found = (design.weights, design.biases, design.multiply_adds)
        assert found == tuple(map(sum, zip(*parts, strict=True)))


@given(any_size, any_size, any_size, any_size, any_size)
def test_ratios_are_exact(c: int, k: int, h: int, w: int, r: int) -> None:
    result = compare(c, k, h, w, r)
    assert [saving.times for saving in result.savings[:2]] == [9, 25]
    for saving in result.savings:
        exact = Fraction(saving.than.multiply_adds, saving.design.multiply_adds)
        assert saving.times == float(exact)
        assert saving.saved == float(1 - 1 / exact)
    for saving, side in zip(result.savings[2:], (3, 5), strict=True):
        assert saving.times == float(Fraction(side**2 * c * k, c * r + side**2 * r * k))


@given(few, few, few, few, few)
def test_bytes_are_those_of_arrays(c: int, k: int, h: int, w: int, r: int) -> None:
    def of(*shape: int) -> int:
        return np.zeros(shape, np.float32).nbytes

    pointwise, *_, narrow = compare(c, k, h, w, r).designs
    parameters = of(k, c) + of(k)
    assert pointwise.parameter_bytes == parameters
    assert pointwise.memory_bytes == parameters + of(c, h, w) + of(k, h, w)
    parameters = of(r, c) + of(r) + of(k, r, 5, 5) + of(k)
    steps = (of(c, h, w) + of(r, h, w), of(r, h, w) + of(k, h, w))
    assert narrow.memory_bytes == parameters + max(steps)
    file = BytesIO()
    np.save(file, np.zeros((c, h, w), np.float32))
    assert npy_bytes(c, h, w) == len(file.getvalue())


def test_figures_of_the_paper() -> None:
    # Inception 3a of GoogLeNet (Szegedy et al., table 1): 192 channels of 28×28, 16, then 32.
    result = compare(192, 32, 28, 28, 16)
    by_name = {design.name: design.multiply_adds for design in result.designs}
    assert by_name["5×5"] == 120_422_400
    assert by_name["1×1 to 16, 5×5"] == 192 * 16 * 784 + 25 * 16 * 32 * 784 == 12_443_648


@pytest.mark.parametrize("reduce", [0, 3])
def test_designs_are_named_once(reduce: int) -> None:
    result = compare(4, 5, 6, 7, reduce)
    names = [design.name for design in result.designs]
    assert len(set(names)) == len(names) == (5 if reduce else 3)
    assert {s.than.name for s in result.savings} == {"3×3", "5×5"}
