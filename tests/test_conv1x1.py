"""The kernel: sums within rounding, activations, chains, argmax, and what layers go together."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, dot_bound, numbers, seeds

from onebyone_cli.arithmetic.conv1x1 import (
    ACTIVATIONS,
    Convolution,
    Layer,
    argmax,
    argmax_dtype,
    make_layers,
)
from onebyone_cli.errors import ShapeMismatchError, UsageError
from onebyone_cli.spec import arithmetic_dtype
from onebyone_cli.weights.channel_map import ChannelMap

Array = npt.NDArray[Any]

types = st.sampled_from(["float32", "float64"])
sizes = st.integers(1, 12)
tiles = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 256, 1000]))


def eps_of(dtype: str) -> float:
    return float(np.finfo(dtype).eps)


def channel_map(seed: int, k: int, c: int, *, bias: bool = True) -> ChannelMap:
    offset = numbers(seed + 1, (k,), "float64") if bias else np.zeros(k)
    return ChannelMap(numbers(seed, (k, c), "float64"), offset, f"w{seed}")


def plain_map(weight: Any, bias: Any = None) -> ChannelMap:
    matrix = np.array(weight, float)
    return ChannelMap(matrix, np.zeros(len(matrix)) if bias is None else np.array(bias), "typed")


def applied(layers: Sequence[Layer], x: Array) -> Array:
    """Apply a chain to (n, C, T) in the type of `x`."""
    convolution = Convolution(layers, x.dtype.name)
    y = np.full((x.shape[0], convolution.out_channels, x.shape[2]), np.nan, x.dtype)
    with np.errstate(all="ignore"):
        convolution.apply(x, y, convolution.hidden_buffers(x.shape[0], x.shape[2]))
    return y


def reference(layer: ChannelMap, x: Array) -> Array:
    return np.einsum("kc,ncp->nkp", layer.weight, x.astype(np.float64)) + layer.bias[:, None]


def activated(name: str, y: Array) -> Array:
    """Activations in float64, as they are written in books."""
    if name == "relu":
        return np.where(y > 0, y, 0)
    with np.errstate(over="ignore"):
        if name == "sigmoid":
            return 1 / (1 + np.exp(-y))
        if name == "softmax":
            shifted = np.exp(y - y.max(axis=1, keepdims=True))
            return shifted / shifted.sum(axis=1, keepdims=True)
    return y


# ---------------------------------------------------------------------------------- sums


@given(seeds, types, sizes, sizes, tiles, st.integers(1, 3), st.booleans())
def test_sums_are_within_rounding(
    seed: int, dtype: str, k: int, c: int, pixels: int, items: int, bias: bool
):
    layer = channel_map(seed, k, c, bias=bias)
    x = numbers(seed + 2, (items, c, pixels), dtype)
    y = applied([Layer(layer)], x)
    bound = dot_bound(layer.weight, x, layer.bias, eps_of(dtype))
    assert (np.abs(y - reference(layer, x)) <= bound).all()


@given(seeds, types, st.integers(1, 5), st.integers(100, 400))
def test_sums_of_many_channels_are_within_rounding(seed: int, dtype: str, k: int, c: int):
    layer = channel_map(seed, k, c)
    x = numbers(seed + 2, (1, c, 33), dtype)
    bound = dot_bound(layer.weight, x, layer.bias, eps_of(dtype))
    assert (np.abs(applied([Layer(layer)], x) - reference(layer, x)) <= bound).all()


@given(seeds, types, sizes, tiles, st.data())
def test_picking_channels_is_exact(seed: int, dtype: str, c: int, pixels: int, data: st.DataObject):
    picked = data.draw(st.lists(st.integers(0, c - 1), min_size=1, max_size=12))
    x = numbers(seed, (2, c, pixels), dtype)
    y = applied([Layer(plain_map(np.eye(c)[picked]))], x)
    assert np.array_equal(y, x[:, picked])


@given(seeds, types, sizes, sizes, tiles, st.integers(-20, 20))
def test_powers_of_two_pass_through_exactly(
    seed: int, dtype: str, k: int, c: int, pixels: int, power: int
):
    layer = channel_map(seed, k, c)
    x = numbers(seed + 2, (1, c, pixels), dtype)
    factor = 2.0**power
    scaled = ChannelMap(layer.weight * factor, layer.bias * factor, "scaled")
    assert np.array_equal(applied([Layer(scaled)], x), applied([Layer(layer)], x) * factor)


@given(seeds, types, sizes, sizes, tiles)
def test_whole_numbers_are_summed_exactly(seed: int, dtype: str, k: int, c: int, pixels: int):
    """As long as every sum fits the mantissa: so results for 8-bit images are exact."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-100, 101, (k, c))
    bias = rng.integers(-1000, 1001, k).astype(float)
    x = rng.integers(0, 256, (1, c, pixels)).astype(dtype)
    y = applied([Layer(plain_map(weight, bias))], x)
    expected = np.einsum("kc,ncp->nkp", weight, x.astype(np.int64)) + bias[:, None]
    assert np.array_equal(y, expected)


@given(seeds, types, sizes, sizes, tiles, st.data())
def test_the_order_of_channels_does_not_matter(
    seed: int, dtype: str, k: int, c: int, pixels: int, data: st.DataObject
):
    layer = channel_map(seed, k, c)
    x = numbers(seed + 2, (1, c, pixels), dtype)
    order = data.draw(st.permutations(range(c)))
    other = ChannelMap(layer.weight[:, order], layer.bias, "permuted")
    bound = dot_bound(layer.weight, x, layer.bias, eps_of(dtype))
    difference = applied([Layer(layer)], x) - applied([Layer(other)], x[:, order])
    assert (np.abs(difference) <= 2 * bound).all()


@given(seeds, types, sizes, sizes, st.one_of(tiles, st.integers(1, 4)), st.integers(2, 4))
def test_an_item_has_the_same_bits_alone_and_in_a_batch(
    seed: int, dtype: str, k: int, c: int, pixels: int, items: int
):
    layers = [Layer(channel_map(seed, k, c), "sigmoid")]
    x = numbers(seed + 2, (items, c, pixels), dtype)
    together = applied(layers, x)
    for item in range(items):
        assert applied(layers, x[item : item + 1].copy()).tobytes() == together[item].tobytes()


@given(seeds, types, sizes, sizes, st.sampled_from([256, 300, 1000, 4096]), st.integers(0, 100))
def test_a_tile_has_the_same_bits_wherever_it_lies_in_a_slab(
    seed: int, dtype: str, k: int, c: int, pixels: int, offset: int
):
    """From 256 pixels on, which is where planes are larger than a tile and slabs have several.

    It does not hold for narrow tiles: OpenBLAS takes another way through one to three columns
    that do not lie side by side.
    """
    convolution = Convolution([Layer(channel_map(seed, k, c), "sigmoid")], dtype)
    x = numbers(seed + 2, (1, c, pixels), dtype)
    expected, y = np.empty((2, 1, k, pixels), dtype)
    room_x = np.full((1, c, offset + 2 * pixels + 77), np.nan, dtype)
    room_y = np.full((1, k, offset + 2 * pixels + 77), np.nan, dtype)
    apart_x, apart_y = (room[:, :, offset : offset + pixels] for room in (room_x, room_y))
    apart_x[:] = x
    with np.errstate(all="ignore"):
        convolution.apply(x, expected, [])
        convolution.apply(apart_x, y, [])
        convolution.apply(apart_x, apart_y, [])
    assert y.tobytes() == apart_y.tobytes() == expected.tobytes()


@pytest.mark.parametrize("where", ["weight", "bias"])
def test_weights_beyond_the_arithmetic_are_refused(where: str):
    """Finite in the file, they would be infinite in float32, and nobody would know."""
    big = plain_map([[1, 1e39 if where == "weight" else 1]], [-1e39 if where == "bias" else 0.0])
    Convolution([Layer(big)], "float64")
    with pytest.raises(UsageError, match=r"typed: .*1e\+39.*float32.*compute=float64"):
        Convolution([Layer(big)], "float32")
    Convolution([Layer(plain_map([[np.inf, np.nan]]))], "float32")  # asked for by an option


# --------------------------------------------------------------------------- not a number


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pixels", [1, 2, 17, 256, 300])
def test_nan_in_any_channel_reaches_every_output_channel(dtype: str, pixels: int):
    """Even through a weight of zero: 0 · NaN is NaN, and no BLAS may skip it."""
    counts = (1, 2, 3, 4, 8, 17)
    for k, c in itertools.product(counts, counts):
        x = np.ones((1, c, pixels), dtype)
        hit = np.zeros(pixels, bool)
        hit[[0, pixels // 2, pixels - 1]] = True
        x[0, c - 1, hit] = np.nan
        for weight in (np.zeros((k, c)), np.eye(k, c), np.ones((k, c))):
            y = applied([Layer(plain_map(weight))], x)
            assert np.isnan(y[:, :, hit]).all()
            assert not np.isnan(y[:, :, ~hit]).any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_keep_nan(activation: str):
    x = np.array([[[np.nan, 1, 2], [0, 1, np.nan]]], np.float32)
    y = applied(make_layers([plain_map(np.eye(2))] * 2, [activation]), x)
    assert np.isnan(y[0, :, [0, 2]]).all()
    assert not np.isnan(y[0, :, 1]).any()


# ---------------------------------------------------------------------------- activations


@given(seeds, types, sizes, tiles, st.sampled_from(ACTIVATIONS), st.floats(0.1, 200))
def test_activations_against_float64(
    seed: int, dtype: str, k: int, pixels: int, name: str, size: float
):
    x = (np.random.default_rng(seed).standard_normal((2, k, pixels)) * size).astype(dtype)
    y = applied([Layer(plain_map(np.eye(k)), name)], x)
    exact = activated(name, x.astype(np.float64))
    eps = eps_of(dtype)
    tiny = float(np.finfo(dtype).tiny)
    # An argument that is off by its last bit moves an exponential by that times its size.
    steps = {"none": 0.0, "relu": 0.0, "sigmoid": 8.0}.get(name, k + 8 + 2 * np.abs(x).max())
    assert (np.abs(y - exact) <= steps * eps * np.abs(exact) + (4 * tiny if steps else 0)).all()


@given(seeds, types, sizes, st.floats(0.1, 1e30))
def test_softmax_is_a_share(seed: int, dtype: str, k: int, size: float):
    x = (np.random.default_rng(seed).standard_normal((1, k, 50)) * size).astype(dtype)
    y = applied([Layer(plain_map(np.eye(k)), "softmax")], x)
    assert ((y >= 0) & (y <= 1)).all()
    assert np.abs(y.astype(np.float64).sum(axis=1) - 1).max() <= 2 * k * eps_of(dtype)
    assert np.array_equal(y.argmax(axis=1), y.argmax(axis=1))
    largest = np.take_along_axis(y, x.argmax(axis=1, keepdims=True), axis=1)
    assert (largest == y.max(axis=1, keepdims=True)).all()


@given(st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=1, max_size=40))
def test_sigmoid_is_monotone_and_within_0_and_1(values: list[float]):
    x = np.array(sorted(values), np.float32)[None, None]
    y = applied([Layer(plain_map([[1]]), "sigmoid")], x)[0, 0]
    assert ((y >= 0) & (y <= 1)).all()
    # Up to its last bit: exponentials of neighbours may be rounded apart.
    assert (np.diff(y) >= -eps_of("float32")).all()


def test_activations_of_infinities():
    x = np.array([[[np.inf, -np.inf, 0.0]]], np.float32)
    one = plain_map([[1]])
    assert applied([Layer(one, "sigmoid")], x)[0, 0].tolist() == [1, 0, 0.5]
    assert applied([Layer(one, "relu")], x)[0, 0].tolist() == [np.inf, 0, 0]


# --------------------------------------------------------------------------------- chains


@given(seeds, types, st.lists(st.integers(1, 7), min_size=2, max_size=5), tiles)
def test_a_chain_is_one_layer_after_the_other(
    seed: int, dtype: str, widths: list[int], pixels: int
):
    rng = np.random.default_rng(seed)
    layers = [
        Layer(channel_map(seed + 5 * i, k, c), str(rng.choice(ACTIVATIONS)))
        for i, (c, k) in enumerate(itertools.pairwise(widths))
    ]
    x = numbers(seed + 2, (2, widths[0], pixels), dtype, spread=1)
    step = x
    for layer in layers:
        step = applied([layer], step)
    chain = Convolution(layers, dtype)
    assert applied(layers, x).tobytes() == step.tobytes()
    assert (chain.in_channels, chain.out_channels) == (widths[0], widths[-1])
    assert chain.hidden_channels == tuple(widths[1:-1])
    assert chain.widest == max(widths)
    assert chain.multiply_adds == sum(c * k for c, k in itertools.pairwise(widths))


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_a_linear_chain_is_the_product(seed: int, c: int, m: int, k: int):
    first, second = channel_map(seed, m, c), channel_map(seed + 9, k, m)
    whole = ChannelMap(
        second.weight @ first.weight, second.weight @ first.bias + second.bias, "product"
    )
    x = numbers(seed + 2, (1, c, 20), "float64")
    hidden_bound = dot_bound(first.weight, x, first.bias, eps_of("float64"))
    size = np.abs(second.weight) @ np.abs(first.weight)
    bound = np.einsum("km,nmp->nkp", np.abs(second.weight), hidden_bound)
    bound += dot_bound(size, x, np.abs(second.weight) @ np.abs(first.bias), (m + c) * 2.0**-52)
    bound += dot_bound(second.weight, reference(first, x), second.bias, 2.0**-52)
    difference = applied([Layer(first), Layer(second)], x) - reference(whole, x)
    assert (np.abs(difference) <= 2 * bound).all()


@given(seeds, st.integers(1, 3), st.integers(1, 20), st.integers(1, 20))
def test_hidden_buffers_may_be_larger_than_the_tile(seed: int, items: int, pixels: int, more: int):
    layers = [Layer(channel_map(seed, 4, 3), "relu"), Layer(channel_map(seed, 2, 4))]
    x = numbers(seed, (items, 3, pixels), "float32")
    convolution = Convolution(layers, "float32")
    y = np.empty((items, 2, pixels), np.float32)
    convolution.apply(x, y, convolution.hidden_buffers(items + 1, pixels + more))
    assert y.tobytes() == applied(layers, x).tobytes()


# --------------------------------------------------------------------------------- argmax


@given(seeds, types, st.integers(1, 9), st.integers(1, 50), st.booleans())
def test_argmax_is_the_first_of_the_largest(
    seed: int, dtype: str, k: int, pixels: int, missing: bool
):
    rng = np.random.default_rng(seed)
    # Few different values, so that there are ties.
    y = rng.integers(-2, 3, (2, k, pixels)).astype(dtype)
    if missing:
        y[rng.random(y.shape) < 0.1] = np.nan
    out = np.empty((2, 1, pixels), dtype)
    argmax(y.copy(), out)
    for item, pixel in itertools.product(range(2), range(pixels)):
        column = y[item, :, pixel].tolist()
        if any(map(math.isnan, column)):
            assert np.isnan(out[item, 0, pixel])
        else:
            assert out[item, 0, pixel] == column.index(max(column))


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("where", ["first", "last", "all"])
def test_argmax_may_overwrite_the_channel_it_reads(k: int, where: str):
    """The pipeline writes the index over the first channel; a NaN there must not get lost."""
    y = np.arange(3 * k, dtype=np.float32).reshape(1, k, 3)
    y[0, {"first": 0, "last": k - 1, "all": slice(None)}[where], 1] = np.nan
    argmax(y, y[:, :1])
    assert y[0, 0, [0, 2]].tolist() == [k - 1, k - 1]
    assert np.isnan(y[0, 0, 1])


@given(st.integers(1, 1 << 32))
def test_the_type_of_indices_is_the_smallest_that_holds_them(channels: int):
    name = argmax_dtype(channels)
    assert np.iinfo(name).max >= channels - 1
    smaller = {"uint8": 0, "uint16": 1 << 8, "uint32": 1 << 16}[name]
    assert channels > smaller


# ---------------------------------------------------------------------- types and layers


@given(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=4))
def test_arithmetic_holds_every_value_or_is_the_widest(dtypes: list[str]):
    found = arithmetic_dtype(dtypes)
    exact = all(np.can_cast(dtype, "float32") for dtype in dtypes)
    assert found == ("float32" if exact else "float64")
    for asked in ("float32", "float64"):
        assert arithmetic_dtype(dtypes, asked) == asked


ACTIVATION_LISTS = st.lists(st.sampled_from(ACTIVATIONS), max_size=4)


@given(st.integers(1, 4), ACTIVATION_LISTS)
def test_activations_follow_every_layer_or_each_its_own(count: int, names: list[str]):
    maps = [plain_map(np.eye(2))] * count
    if len(names) not in (0, 1, count):
        with pytest.raises(UsageError, match=f"given {len(names)} times for {count} layer"):
            make_layers(maps, names)
        return
    found = [layer.activation for layer in make_layers(maps, names)]
    if not names:
        assert found == ["none"] * count
    elif len(names) == count:
        assert found == names
    else:
        # A share among the output channels makes sense only at the end.
        hidden = "none" if names == ["softmax"] else names[0]
        assert found == [hidden] * (count - 1) + names


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4))
def test_a_layer_takes_what_the_one_before_gives(shapes: list[tuple[int, int]]):
    maps = [ChannelMap(np.ones(s), np.zeros(s[0]), f"w{i}.csv") for i, s in enumerate(shapes)]
    wrong = [i for i in range(1, len(maps)) if shapes[i][1] != shapes[i - 1][0]]
    if not wrong:
        assert [layer.map for layer in make_layers(maps, [])] == maps
        return
    with pytest.raises(ShapeMismatchError) as caught:
        make_layers(maps, [])
    message = str(caught.value)
    assert message.startswith(f"w{wrong[0]}.csv: ")
    assert f"w{wrong[0] - 1}.csv" in message


@given(st.text(max_size=10))
def test_unknown_activations_are_named(name: str):
    if name in ACTIVATIONS:
        make_layers([plain_map([[1]])], [name])
    else:
        with pytest.raises(UsageError, match="choose from none, relu, sigmoid, softmax"):
            make_layers([plain_map([[1]])], [name])
