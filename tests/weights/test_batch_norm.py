"""Batch normalizations of networks, found by their names and folded into the layer before."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from strategies import examples

from onebyone_cli.errors import DataError
from onebyone_cli.weights.batch_norm import EPSILON, GAMMA, MEAN, VARIANCE, Folding, fold
from onebyone_cli.weights.load import load_weights, network_layers

RANDOM = np.random.default_rng(7)
K, C = 4, 3


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype("f4")


def conv(name: str, rows: int = K, columns: int = C, size: int = 1) -> dict[str, np.ndarray]:
    return {f"{name}.weight": numbers(rows, columns, size, size)}


def norm(name: str, rows: int = K) -> dict[str, np.ndarray]:
    return {
        f"{name}.weight": numbers(rows),
        f"{name}.bias": numbers(rows),
        f"{name}.running_mean": numbers(rows),
        f"{name}.running_var": np.abs(numbers(rows)) + np.float32(0.1),
        f"{name}.num_batches_tracked": np.array(9),
    }


def keras(name: str, norm_name: str, rows: int = K, end: str = "") -> dict[str, np.ndarray]:
    return {
        f"{name}/kernel{end}": numbers(1, 1, C, rows),
        f"{name}/bias{end}": numbers(rows),
        f"{norm_name}/gamma{end}": numbers(rows),
        f"{norm_name}/beta{end}": numbers(rows),
        f"{norm_name}/moving_mean{end}": numbers(rows),
        f"{norm_name}/moving_variance{end}": np.abs(numbers(rows)) + np.float32(0.1),
    }


def write(path: Path, arrays: dict[str, Any]) -> str:
    """Write arrays in the format of the suffix, with the library of the format."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    else:
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    return str(path)


def by_hand(arrays: dict[str, Any], layer: str, after: str, epsilon: float) -> list[np.ndarray]:
    """Fold in float64: weight and bias of the layer with the batch normalization behind it."""
    found = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    if f"{after}.running_mean" in found:
        parts = [f"{after}.{n}" for n in ("weight", "bias", "running_mean", "running_var")]
        weight, bias = found[f"{layer}.weight"], found.get(f"{layer}.bias", np.zeros(K))
        weight = weight.reshape(weight.shape[:2])
    else:
        end = ":0" if f"{after}/gamma:0" in found else ""
        parts = [f"{after}/{n}{end}" for n in ("gamma", "beta", "moving_mean", "moving_variance")]
        weight, bias = found[f"{layer}/kernel{end}"][0, 0].T, found[f"{layer}/bias{end}"]
    gamma, beta, mean, variance = (found[name] for name in parts)
    scale = gamma / np.sqrt(variance + epsilon)
    return [weight * scale[:, None], (bias - mean) * scale + beta]


#: A layer, the batch normalization that follows, and others beside them that do not.
TORCH = {
    "conv1 and bn1": ("layer1.0.conv1", "layer1.0.bn1", ["layer1.0.bn2", "bn1"]),
    "conv and bn": ("stem.conv", "stem.bn", ["head.bn"]),
    "at the root": ("conv1", "bn1", ["bn2"]),
    "a sequence": ("layer1.0.downsample.0", "layer1.0.downsample.1", ["layer1.0.bn1"]),
    "conv and norm": ("cv1.conv", "cv1.norm", ["cv2.norm"]),
    "a norm within": ("res2.0.conv1", "res2.0.conv1.norm", ["res2.0.conv2.norm"]),
    "whole words": ("layer.0.convolution", "layer.0.normalization", ["layer.1.normalization"]),
    "timm, separable": ("blocks.0.0.conv_pw", "blocks.0.0.bn2", ["blocks.0.0.bn1"]),
    "timm, projection": ("blocks.1.0.conv_pwl", "blocks.1.0.bn3", ["blocks.1.0.bn1"]),
    "timm, head": ("conv_head", "bn2", ["bn1"]),
}


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
@pytest.mark.parametrize("kind", TORCH)
def test_names_of_pytorch(tmp_path, kind, suffix):
    layer, after, others = TORCH[kind]
    arrays = conv(layer) | norm(after)
    for name in others:
        arrays |= norm(name)
    path = write(tmp_path / f"m.{suffix}", arrays)
    found = load_weights(f"{path}:{layer}.weight", folding=Folding())
    weight, bias = by_hand(arrays, layer, after, 1e-5)
    np.testing.assert_allclose(found.weight, weight, rtol=1e-15)
    np.testing.assert_allclose(found.bias, bias, rtol=1e-12)
    assert f"'{after}' is folded in, with epsilon 1e-05, which the file" in found.notes[0]
    assert [each.norm for each in network_layers(path)] == [after]


def test_the_expansion_of_timm(tmp_path):
    block = "blocks.1.0."
    arrays = conv(f"{block}conv_pw") | conv(f"{block}conv_pwl", 2, K) | norm(f"{block}bn3", 2)
    path = write(tmp_path / "m.safetensors", arrays | norm(f"{block}bn1") | norm(f"{block}bn2"))
    found = {each.name: each.norm for each in network_layers(path)}
    assert found == {
        f"{block}conv_pw.weight": f"{block}bn1",
        f"{block}conv_pwl.weight": f"{block}bn3",
    }


KERAS = {
    "Keras applications": ("c2_block1_1_conv", "c2_block1_1_bn", ""),
    "Keras 2": ("block_1_expand/block_1_expand", "block_1_expand_BN/block_1_expand_BN", ":0"),
    "counted": ("conv2d_3/conv2d_3", "batch_normalization_3/batch_normalization_3", ":0"),
}


@pytest.mark.parametrize("kind", KERAS)
def test_names_of_keras(tmp_path, kind):
    layer, after, end = KERAS[kind]
    arrays = keras(layer, after, end=end)
    path = write(tmp_path / "m.h5", arrays)
    for epsilon in (None, 1e-2):
        found = load_weights(path, folding=Folding(epsilon=epsilon))
        weight, bias = by_hand(arrays, layer, after, 1e-3 if epsilon is None else epsilon)
        np.testing.assert_allclose(found.weight, weight, rtol=1e-15)
        np.testing.assert_allclose(found.bias, bias, rtol=1e-12)
    assert "with epsilon 0.01" in found.notes[0]
    assert "which the file does not have" not in found.notes[0]


def test_keras_3(tmp_path):
    kernel, parts = numbers(1, 1, C, K), [numbers(K), numbers(K), numbers(K), np.ones(K, "f4")]
    arrays = {"layers/conv2d/vars/0": kernel}
    arrays |= {f"layers/batch_normalization/vars/{at}": each for at, each in enumerate(parts)}
    found = load_weights(write(tmp_path / "m.weights.h5", arrays), folding=Folding())
    scale = parts[0].astype(float) / np.sqrt(1 + 1e-3)
    np.testing.assert_allclose(found.weight, kernel[0, 0].T * scale[:, None], rtol=1e-15)
    np.testing.assert_allclose(found.bias, parts[1] - parts[2] * scale, rtol=1e-6)


def refusal(path: str, folding: Folding | None = None) -> str:
    with pytest.raises(DataError) as caught:
        load_weights(path, folding=folding or Folding())
    assert "\n" not in str(caught.value)
    return caught.value.message


def test_one_that_is_not_found_is_named_by_the_user(tmp_path):
    arrays = conv("project") | norm("after") | norm("other")
    path = write(tmp_path / "m.safetensors", arrays)
    said = refusal(path)
    assert "no batch norm has a name that belongs to 'project.weight'" in said
    assert "those of 4 channels are 'after', 'other'" in said
    assert "bn_name=after" in said
    found = load_weights(path, folding=Folding("after"))
    np.testing.assert_allclose(found.weight, by_hand(arrays, "project", "after", 1e-5)[0])
    assert "has no batch norm 'nix' but 'after', 'other'" in refusal(path, Folding("nix"))


def test_several_that_could_follow(tmp_path):
    path = write(tmp_path / "m.npz", conv("conv1") | norm("bn1") | norm("norm1"))
    assert "several batch norms could follow 'conv1.weight'" in refusal(path)


def test_one_of_another_size(tmp_path):
    path = write(tmp_path / "m.npz", conv("conv1") | norm("bn1", C))
    assert "has no batch norm of 4 channels" in refusal(path)
    message = "the batch norm has 3 channels, and the layer 4 output channels"
    assert message in refusal(path, Folding("bn1"))


def test_networks_that_normalize_first(tmp_path):
    """Where bn1 stands before conv1, its size is that of the inputs."""
    first = conv("b1.conv1", 8, 8) | norm("b1.bn1", 8)
    path = write(tmp_path / "m.npz", first | conv("b2.conv1", 4, 8, 3) | norm("b2.bn1", 8))
    assert "'b1.bn1' may stand before or after 'b1.conv1.weight'" in refusal(
        f"{path}:b1.conv1.weight"
    )
    assert network_layers(path)[0].norm == ""
    path = write(tmp_path / "n.npz", first | conv("b2.conv1", 4, 8, 3) | norm("b2.bn1", 4))
    assert network_layers(path)[0].norm == "b1.bn1"


def test_counted_names_that_do_not_count_the_same(tmp_path):
    layers = keras("conv2d", "batch_normalization") | {"conv2d_1/kernel": numbers(1, 1, C, K)}
    path = write(tmp_path / "m.h5", layers)
    assert "may stand before or after" in refusal(f"{path}:/conv2d/kernel")


@pytest.mark.parametrize("suffix", ["npz", "h5", "safetensors"])
def test_a_layer_that_is_not_pointwise(tmp_path, suffix):
    path = write(tmp_path / f"m.{suffix}", conv("conv1", size=3) | norm("bn1"))
    slash = "/" if suffix == "h5" else ""
    said = refusal(f"{path}:{slash}conv1.weight")
    assert "a 3×3 kernel; expected 1×1" in said


def test_files_without_any(tmp_path):
    np.savetxt(tmp_path / "w.csv", np.eye(2), delimiter=",")
    for name in ("w.csv", write(tmp_path / "w.npz", {"weight": np.eye(2)})):
        assert "has no batch norm" in refusal(str(tmp_path / name))


def test_variances_that_can_not_be(tmp_path):
    arrays = conv("conv") | norm("bn")
    arrays["bn.running_var"][2] = -1
    assert "variance -1 and epsilon 1e-05 in channel 2" in refusal(
        write(tmp_path / "m.npz", arrays)
    )


def test_without_scale_and_shift(tmp_path):
    arrays = {
        n: a for n, a in (conv("conv") | norm("bn")).items() if n not in ("bn.weight", "bn.bias")
    }
    found = load_weights(write(tmp_path / "m.npz", arrays), folding=Folding())
    full = arrays | {"bn.weight": np.ones(K), "bn.bias": np.zeros(K)}
    np.testing.assert_allclose(found.weight, by_hand(full, "conv", "bn", 1e-5)[0], rtol=1e-15)


finite = st.floats(-1e3, 1e3)


@settings(deadline=None, max_examples=examples(60))
@given(data=st.data(), shape=npst.array_shapes(min_dims=2, max_dims=2, max_side=5))
def test_folding_is_the_layer_and_then_the_batch_norm(data, shape):
    def draw(size: Any, elements: Any = finite) -> np.ndarray:
        return data.draw(npst.arrays(np.float64, size, elements=elements))

    weight, bias, mean, gamma = draw(shape), draw(shape[0]), draw(shape[0]), draw(shape[0])
    variance = draw(shape[0], st.floats(1e-3, 1e3))
    x = draw(shape[1])
    found = fold(weight, bias, {GAMMA: gamma, MEAN: mean, VARIANCE: variance, EPSILON: 1e-5}, "m")
    expected = gamma * (weight @ x + bias - mean) / np.sqrt(variance + 1e-5)
    size = np.abs(gamma) * (np.abs(weight) @ np.abs(x) + np.abs(bias) + np.abs(mean))
    error = np.abs(found.weight @ x + found.bias - expected)
    assert (error <= 1e-13 * size / np.sqrt(variance) + 1e-300).all()


def test_the_commands(tmp_path):
    arrays = conv("conv1") | norm("bn1") | conv("conv2", 2, K) | norm("bn2", 2)
    write(tmp_path / "m.safetensors", arrays)
    x = numbers(C, 5, 6)
    np.save(tmp_path / "x.npy", x)
    chain = ("-w", "m.safetensors:conv1.weight", "-w", "m.safetensors:conv2.weight")
    done = onebyone("apply", "x.npy", *chain, "--fold-bn", "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = x.astype(float)
    for layer, after in (("conv1", "bn1"), ("conv2", "bn2")):
        parts = {n: a for n, a in arrays.items() if n.startswith((layer, after))}
        rows = len(arrays[f"{layer}.weight"])
        weight, bias = by_hand(parts | {f"{layer}.bias": np.zeros(rows)}, layer, after, 1e-5)
        expected = np.einsum("kc,chw->khw", weight, expected) + bias[:, None, None]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-4, atol=1e-5)
    name = "m.safetensors:conv1.weight"
    shown = onebyone("weights", "show", name, "--fold-bn", "--json", "-q", cwd=tmp_path)
    made = onebyone("weights", "convert", name, "w.npz", "--bn-name", "bn1", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "left out" not in made.stderr
    assert json.loads(shown.stdout)["bias"] == load_weights(str(tmp_path / "w.npz")).bias.tolist()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bn-epsilon", "1e-3", "-w", "m.npz"], "--bn-epsilon is for --fold-bn"),
        (["--fold-bn", "--kernel", "1 1 1"], "--fold-bn is for layers of networks"),
        (["--bn-name", "b", "-w", "m.npz", "-w", "m.npz"], "--bn-name is for one layer"),
    ],
)
def test_options_without_meaning(tmp_path, words, message):
    np.save(tmp_path / "x.npy", numbers(C, 2, 2))
    write(tmp_path / "m.npz", conv("conv"))
    done = onebyone("apply", "x.npy", *words, "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
