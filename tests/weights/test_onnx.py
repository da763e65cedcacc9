"""Layers of ONNX models, made by the library of ONNX and run by onnxruntime."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from strategies import examples, new_folder

from onebyone_cli.errors import DataError, DependencyMissingError, OneByOneError, PolicyError
from onebyone_cli.weights.batch_norm import Folding
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.load import load_bias, load_weights, network_layers, read_weights
from onebyone_cli.weights.save import save_weights

onnx = pytest.importorskip("onnx", reason="the library onnx is not installed")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

RANDOM = np.random.default_rng(5)


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype("f4")


W, BIAS = numbers(4, 3), numbers(4)
NORM = (numbers(4), numbers(4), numbers(4), np.abs(numbers(4)) + np.float32(0.1))


def model(
    path: Path, nodes: list[Any], constants: dict[str, Any], rank: int = 4, last: str = "y"
) -> str:
    """Write a model from x, of 3 channels, to y."""
    dims = {2: [None, 3], 3: [None, 3, None], 4: [None, 3, None, None]}[rank]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", 1, dims)],
        [helper.make_tensor_value_info(last, 1, None)],
        [each if hasattr(each, "dims") else numpy_helper.from_array(each, name)
         for name, each in constants.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path)
    return str(path)


def conv(name: str = "conv", out: str = "y", **attributes: Any) -> Any:
    return helper.make_node("Conv", ["x", "w", "b"], [out], name, **attributes)


KERNEL = {"w": W[..., None, None], "b": BIAS}


def normed(path: Path, epsilon: float | None = 1e-3) -> str:
    more = {} if epsilon is None else {"epsilon": epsilon}
    norm = helper.make_node("BatchNormalization", ["c", *"gβmv"], ["y"], "bn", **more)
    return model(path, [conv(out="c"), norm], KERNEL | dict(zip("gβmv", NORM, strict=True)))


def test_a_conv_by_its_node_and_by_its_initializer(tmp_path):
    path = model(tmp_path / "m.onnx", [conv()], KERNEL)
    for name in (path, f"{path}:conv", f"{path}:w", f"{path}:y"):
        found, dtype, _ = read_weights(name)
        assert found.weight.tolist() == W.tolist()
        assert found.bias.tolist() == BIAS.tolist()
        assert dtype == "float32"
    assert load_bias(path).tolist() == BIAS.tolist()


def test_a_batch_norm_is_folded_as_the_runtime_computes_it(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = normed(tmp_path / "m.onnx")
    x = numbers(3, 5, 6)
    np.save(tmp_path / "x.npy", x)
    done = onebyone("apply", "x.npy", "-w", "m.onnx", "--fold-bn", "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'bn' is folded in, with epsilon 0.001" in done.stderr
    (expected,) = runtime.InferenceSession(path).run(None, {"x": x[None]})
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-5, None])
def test_a_batch_norm_is_folded_exactly(tmp_path, epsilon):
    found = load_weights(normed(tmp_path / "m.onnx", epsilon), folding=Folding())
    gamma, beta, mean, variance = (each.astype(float) for each in NORM)
    scale = gamma / np.sqrt(variance + (1e-5 if epsilon is None else epsilon))
    np.testing.assert_allclose(found.weight, scale[:, None] * W, rtol=1e-15)
    np.testing.assert_allclose(found.bias, (BIAS - mean) * scale + beta, rtol=1e-12)


def test_a_batch_norm_that_is_not_there_is_not_folded(tmp_path):
    path = model(tmp_path / "m.onnx", [conv()], KERNEL)
    with pytest.raises(DataError, match="no batch norm follows 'conv', and there is none"):
        load_weights(path, folding=Folding())
    with pytest.raises(DataError, match="has no batch norm 'bn9' but 'bn'"):
        load_weights(normed(tmp_path / "n.onnx"), folding=Folding("bn9"))


def linear(path: Path) -> str:
    """Write a model with a matrix times the channels in each of the ways there are."""
    nodes = [
        helper.make_node("Gemm", ["x", "g", "b"], ["a"], "gemm", alpha=2.0, beta=0.5),
        helper.make_node("Gemm", ["x", "gt"], ["c"], "turned", transB=1),
        helper.make_node("MatMul", ["x", "m"], ["d0"], "matmul"),
        helper.make_node("Add", ["b", "d0"], ["d"], "add"),
    ]
    constants = {"g": W.T.copy(), "gt": W, "m": W.T.copy(), "b": BIAS}
    return model(path, nodes, constants, rank=2, last="d")


def test_gemm_and_matmul(tmp_path):
    path = linear(tmp_path / "m.onnx")
    runtime = pytest.importorskip("onnxruntime")
    made = onnx.load(path)
    made.graph.output.extend(helper.make_tensor_value_info(n, 1, None) for n in "ac")
    x = numbers(7, 3)
    results = runtime.InferenceSession(made.SerializeToString()).run(["a", "c", "d"], {"x": x})
    for name, expected in zip(("gemm", "turned", "matmul"), results, strict=True):
        found = load_weights(f"{path}:{name}")
        np.testing.assert_allclose(x @ found.weight.T + found.bias, expected, rtol=1e-4, atol=1e-5)


def test_a_matrix_before_the_channels(tmp_path):
    nodes = [helper.make_node("MatMul", ["w", "x"], ["z"], "times"),
             helper.make_node("Add", ["z", "b"], ["y"])]  # fmt: skip
    path = model(tmp_path / "m.onnx", nodes, {"w": W, "b": BIAS[:, None]}, rank=3)
    found = load_weights(path)
    assert (found.weight.tolist(), found.bias.tolist()) == (W.tolist(), BIAS.tolist())


def test_constant_nodes(tmp_path):
    value = numpy_helper.from_array(KERNEL["w"], "")
    nodes = [helper.make_node("Constant", [], ["v"], value=value),
             helper.make_node("Identity", ["v"], ["w"]), conv()]  # fmt: skip
    assert (
        load_weights(model(tmp_path / "m.onnx", nodes, {"b": BIAS})).weight.tolist() == W.tolist()
    )


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
)
def test_types(tmp_path, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    stored = KERNEL["w"].astype(getattr(ml_dtypes, dtype, dtype))
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv")
    found = read_weights(model(tmp_path / "m.onnx", [node], {"w": stored}))
    assert found.dtype == dtype
    assert found.weights.weight.tolist() == stored.astype(float)[..., 0, 0].tolist()


@pytest.mark.parametrize(
    ("attributes", "kernel", "message"),
    [
        ({"group": 3}, numbers(3, 1, 1, 1), "is a convolution of 3 groups; expected one"),
        ({"strides": [2, 2]}, numbers(4, 3, 1, 1), "has strides 2×2; expected 1.*'w', applies it"),
        ({"pads": [1, 1, 1, 1]}, numbers(4, 3, 1, 1), "pads the borders"),
        ({}, numbers(4, 3, 3, 3), "has a kernel of size 3×3; expected 1×1"),
        ({}, numbers(4, 3), r"has a weight of shape \(4, 3\)"),
    ],
)
def test_convolutions_that_are_not_pointwise_are_refused(tmp_path, attributes, kernel, message):
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv", **attributes)
    path = model(tmp_path / "m.onnx", [node], {"w": kernel})
    with pytest.raises(DataError, match=message):
        load_weights(f"{path}:conv")


def test_a_strided_one_is_had_by_its_initializer(tmp_path):
    path = model(tmp_path / "m.onnx", [conv(strides=[2, 2])], KERNEL)
    found = load_weights(f"{path}:w")
    assert found.weight.tolist() == W.tolist()
    assert "has strides 2×2 in the network and is applied to every pixel" in found.notes[0]


def test_computed_weights_are_refused(tmp_path):
    nodes = [helper.make_node("Neg", ["v"], ["w"]), conv()]
    path = model(tmp_path / "m.onnx", nodes, {"v": KERNEL["w"], "b": BIAS})
    with pytest.raises(DataError, match="'conv' has weights that the network computes"):
        load_weights(f"{path}:conv")
    with pytest.raises(DataError, match="has no 1×1 layer 'Neg'"):
        load_weights(f"{path}:Neg")


def test_the_list(tmp_path):
    second = helper.make_node("Conv", ["y", "v"], ["z"], strides=[2, 2])
    large = helper.make_node("Conv", ["x", "u"], ["t"], "large")
    path = normed(tmp_path / "one.onnx")
    made = onnx.load(path)
    made.graph.node.extend([second, large])
    made.graph.initializer.extend([
        numpy_helper.from_array(numbers(2, 4, 1, 1), "v"),
        numpy_helper.from_array(numbers(2, 3, 5, 5), "u"),
    ])  # fmt: skip
    onnx.save(made, tmp_path / "m.onnx")
    done = onebyone("weights", "show", "m.onnx", "--json", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    common = {"kind": "conv", "dtype": "float32"}
    assert json.loads(done.stdout)["layers"] == [
        {"name": "conv", "shape": [4, 3], "bias": "b", "batch_norm": "bn", **common},
        {"name": "v", "shape": [2, 4], "bias": None, "batch_norm": None, **common},
    ]
    table = onebyone("weights", "show", "m.onnx", cwd=tmp_path).stdout.decode()
    assert "a network with 2 1×1 layers" in table
    assert [line.split() for line in table.splitlines() if line.startswith("conv")] == [
        ["conv", "conv", "4×3", "float32", "yes", "bn"]
    ]
    for layer in network_layers(str(tmp_path / "m.onnx")):
        found = load_weights(f"{tmp_path / 'm.onnx'}:{layer.name}")
        assert found.weight.shape == (layer.out_channels, layer.in_channels)
    with pytest.raises(DataError, match=r"has 2 1×1 layers; name one of 'conv' \(4, 3\)"):
        load_weights(str(tmp_path / "m.onnx"))


def external(folder: Path, **said: Any) -> str:
    tensor = numpy_helper.from_array(KERNEL["w"], "w")
    raw = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in ({"location": "w.bin", "offset": 8, "length": len(raw)} | said).items():
        tensor.external_data.add(key=key, value=str(value))
    (folder / "w.bin").write_bytes(bytes(8) + raw)
    return model(folder / "m.onnx", [conv()], {"w": tensor, "b": BIAS})


def test_numbers_in_a_file_beside_the_model(tmp_path):
    assert load_weights(external(tmp_path)).weight.tolist() == W.tolist()
    for said, message in (
        ({"length": 400}, "was it cut short"),
        ({"length": 44}, "has not the numbers of its shape"),
        ({"offset": -1}, "was it cut short"),
        ({"offset": "x"}, "has no place in"),
        ({"location": "gone.bin"}, "which is not beside it; copy both files"),
    ):
        with pytest.raises(OneByOneError, match=message):
            load_weights(external(tmp_path, **said))


def test_numbers_elsewhere_are_not_read(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1000))
    (inside / "link.bin").symlink_to(secret)
    (inside / "folder").symlink_to(tmp_path)
    for location in ("../secret", str(secret), "link.bin", "folder/secret", ".", ""):
        with pytest.raises(PolicyError, match="not in the folder of the model"):
            load_weights(external(inside, location=location))
    external(inside)
    raw = (inside / "m.onnx").read_bytes()
    done = onebyone("weights", "show", "-", input=raw, cwd=inside)
    assert done.returncode == 77
    assert "comes through a pipe and keeps its numbers in a file" in done.stderr


def test_a_model_through_a_pipe(tmp_path):
    raw = Path(model(tmp_path / "m.onnx", [conv()], KERNEL)).read_bytes()
    done = onebyone("weights", "convert", "-", "w.npz", input=raw, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_weights(str(tmp_path / "w.npz")).weight.tolist() == W.tolist()


@settings(deadline=None, max_examples=examples(150))
@given(data=st.data())
def test_damaged_models_are_refused_in_one_line(data):
    with new_folder() as folder:
        raw = bytearray(Path(normed(folder / "m.onnx")).read_bytes())
        for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
            raw[at] = data.draw(st.integers(0, 255))
        end = data.draw(st.integers(0, len(raw)))
        (folder / "m.onnx").write_bytes(raw[:end] if data.draw(st.booleans()) else raw)
        path = str(folder / "m.onnx")
        for use in (
            load_weights,
            network_layers,
            lambda name: load_weights(name, folding=Folding()),
        ):
            error = refusal(use, path)
            assert error is None or error.message.isprintable()


def refusal(use: Any, path: str) -> OneByOneError | None:
    """Return how a file is refused; any other exception is a failure of the test."""
    try:
        use(path)
    except OneByOneError as error:
        return error
    return None


def test_our_model_runs_in_onnxruntime(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    weights = ChannelMap(W, BIAS, "w", {"channels": ["r", "g", "b"], "mean": np.array([0.1, 2, 3])})
    path = str(tmp_path / "k.onnx")
    save_weights(path, weights)
    onnx.checker.check_model(path, full_check=True)
    session = runtime.InferenceSession(path)
    for shape in ((1, 3, 4, 5), (2, 3, 7, 1)):
        x = numbers(*shape)
        (found,) = session.run(None, {"input": x})
        expected = np.einsum("kc,nchw->nkhw", W, x) + BIAS[:, None, None]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    back = load_weights(path)
    assert (back.weight.tolist(), back.bias.tolist()) == (W.tolist(), BIAS.tolist())
    assert back.meta == {"channels": ["r", "g", "b"], "mean": [0.1, 2, 3]}
    assert not back.notes


@settings(deadline=None, max_examples=examples(30))
@given(
    weight=npst.arrays(
        np.float32,
        npst.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_float32_comes_back_exactly(weight):
    with new_folder() as folder:
        path = str(folder / "w.onnx")
        save_weights(path, ChannelMap(weight.astype(float), weight[:, 0].astype(float), "w"))
        back = load_weights(path)
    assert back.weight.astype("f4").tobytes() == np.ascontiguousarray(weight).tobytes()
    assert back.bias.tolist() == weight[:, 0].tolist()


def test_names_with_colons_and_slashes(tmp_path):
    node = helper.make_node("Conv", ["x", "onnx::Conv_497", "b"], ["y"], "/layer1/layer1.0/Conv")
    path = model(tmp_path / "m.onnx", [node], {"onnx::Conv_497": KERNEL["w"], "b": BIAS})
    for name in ("onnx::Conv_497", "/layer1/layer1.0/Conv"):
        assert load_weights(f"{path}:{name}").weight.tolist() == W.tolist()


def test_rounding_is_told_once_and_infinity_is_refused(tmp_path):
    (tmp_path / "w.csv").write_text("0.1,0.2\n")
    done = onebyone("weights", "convert", "w.csv", "w.onnx", cwd=tmp_path)
    assert done.stderr.count("numbers are rounded to float32") == 1
    assert load_weights(str(tmp_path / "w.onnx")).weight.tolist() == [
        [float(np.float32(0.1)), float(np.float32(0.2))]
    ]
    (tmp_path / "w.csv").write_text("0.5,1e39\n")
    done = onebyone("weights", "convert", "w.csv", "v.onnx", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (65, 1)
    assert "too large for float32" in done.stderr
    assert not (tmp_path / "v.onnx").exists()


def test_without_the_library(tmp_path, monkeypatch):
    path = model(tmp_path / "m.onnx", [conv()], KERNEL)
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    other = str(tmp_path / "w.onnx")
    for use in (lambda: load_weights(path), lambda: save_weights(other, ChannelMap(W, BIAS, "w"))):
        with pytest.raises(DependencyMissingError, match=r"pip install 'onebyone-cli\[onnx\]'"):
            use()
