"""The map itself: what it holds, and the checks on sizes."""

import numpy as np
import pytest

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.weights.channel_map import ChannelMap


def make(rows: int, columns: int) -> ChannelMap:
    return ChannelMap(np.ones((rows, columns)), np.zeros(rows), "w.npy")


def test_arrays_are_copied_float64_contiguous_and_read_only():
    weight = np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3))
    bias = np.array([1, 2], np.float32)
    channel_map = ChannelMap(weight, bias, "w.npy")
    weight[:] = bias[:] = 9
    assert channel_map.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert channel_map.bias.tolist() == [1, 2]
    for array in (channel_map.weight, channel_map.bias):
        assert array.dtype == np.float64
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        assert not array.flags.writeable


def test_sizes_and_bias():
    channel_map = make(2, 3)
    assert (channel_map.out_channels, channel_map.in_channels) == (2, 3)
    assert not channel_map.has_bias
    assert channel_map.with_bias(np.array([0.0, 1.0]), "--bias").has_bias


def test_meta_is_read_only():
    meta = {"method": "pca"}
    channel_map = ChannelMap(np.ones((1, 1)), np.zeros(1), "w.npz", meta)
    meta["method"] = "ica"
    assert dict(channel_map.meta) == {"method": "pca"}
    with pytest.raises(TypeError):
        channel_map.meta["method"] = "x"  # type: ignore[index]


def test_with_bias_keeps_the_rest():
    channel_map = ChannelMap(np.ones((1, 2)), np.zeros(1), "w.npz", {"a": 1})
    other = channel_map.with_bias(np.array([3.0]), "--bias")
    assert (other.source, dict(other.meta), other.bias.tolist()) == ("w.npz", {"a": 1}, [3.0])
    assert channel_map.bias.tolist() == [0.0]


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0), (2, 2, 2)])
def test_only_a_matrix_is_a_weight(shape: tuple[int, ...]):
    with pytest.raises(DataError, match="expected \\(K, C\\)"):
        ChannelMap(np.ones(shape), np.zeros(shape[:1]), "w.npy")


@pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
def test_a_bias_has_one_number_per_row(shape: tuple[int, ...]):
    with pytest.raises(ShapeMismatchError, match="weight has 2 rows; expected one number for each"):
        ChannelMap(np.ones((2, 4)), np.zeros(shape), "w.npy")


def test_with_bias_of_another_length():
    with pytest.raises(ShapeMismatchError) as caught:
        make(2, 3).with_bias(np.zeros(5), "b.csv")
    assert caught.value.path == "b.csv"
    assert "5 numbers" in caught.value.message
    assert "w.npy has 2 output channels" in caught.value.message


def test_channels_that_agree():
    make(2, 3).check_channels(3, "cube.npy")


def test_channels_that_differ():
    with pytest.raises(ShapeMismatchError) as caught:
        make(2, 3).check_channels(50, "cube.npy")
    assert caught.value.path == "w.npy"
    assert "take 3 channels, but cube.npy has 50" in caught.value.message
    assert "transposed" not in caught.value.message


def test_a_transposed_matrix_is_named_and_not_used():
    with pytest.raises(ShapeMismatchError, match="looks transposed") as caught:
        make(50, 20).check_channels(50, "cube.npy")
    assert "found (50, 20), expected one row per output channel, (K, C)" in caught.value.message
