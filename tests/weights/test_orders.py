"""Kernels in the orders of axes of other programs are matrices (K, C)."""

import numpy as np
import pytest
from command import onebyone

from onebyone_cli import apply
from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.weights.load import load_bias, load_weights
from onebyone_cli.weights.orders import as_matrix

W = np.random.default_rng(0).normal(size=(3, 5))
SQUARE = np.arange(4.0).reshape(2, 2)

ORDERS = {
    "K, C": W,
    "K, C, 1": W[..., None],
    "K, C, 1, 1": W[..., None, None],
    "K, C, 1, 1, 1": W[..., None, None, None],
    "K, 1, C": W[:, None],
    "K, 1, 1, C": W[:, None, None],
    "K, 1, 1, 1, C": W[:, None, None, None],
    "1, C, K": W.T[None],
    "1, 1, C, K": W.T[None, None],
    "1, 1, 1, C, K": W.T[None, None, None],
}


@pytest.mark.parametrize("order", ORDERS)
def test_each_order_is_the_same_matrix(tmp_path, order):
    np.save(tmp_path / "w.npy", ORDERS[order])
    found = load_weights(str(tmp_path / "w.npy"))
    assert found.weight.tolist() == W.tolist()
    plain = order in ("K, C", "K, C, 1, 1")
    assert [note.partition("read as ")[2] for note in found.notes] == [f"({order})"][plain:]


@pytest.mark.parametrize("order", ["K, C, 1", "K, 1, 1, C", "1, 1, C, K", "1, 1, 1, C, K"])
def test_axes_of_size_one_tell_the_order_of_a_square_matrix(order):
    places = order.split(", ")
    kernel = SQUARE if places.index("K") < places.index("C") else SQUARE.T
    kernel = kernel.reshape([1 if place == "1" else 2 for place in places])
    assert as_matrix(kernel, "w").matrix.tolist() == SQUARE.tolist()


@pytest.mark.parametrize(
    "shape", [(1, 2, 2), (2, 3, 4), (1, 2, 3, 4), (3, 3, 5, 2), (1,) * 4 + (2, 3)]
)
def test_other_kernels_are_refused(tmp_path, shape):
    np.save(tmp_path / "w.npy", np.ones(shape))
    with pytest.raises(DataError, match=r"the weight has shape \("):
        load_weights(str(tmp_path / "w.npy"))


@pytest.mark.parametrize("axes", [3, 4, 5])
def test_the_stack_or_the_bias_decides_between_row_and_column(tmp_path, axes):
    numbers = np.array([1.0, 2.0, 3.0]).reshape((1,) * (axes - 1) + (3,))
    x = np.random.default_rng(1).normal(size=(3, 2, 2)).astype("f4")
    np.testing.assert_allclose(
        apply(x, numbers), np.einsum("c,chw->hw", [1, 2, 3], x)[None], rtol=1e-5
    )
    assert apply(x[:1], numbers).shape == (3, 2, 2)
    with pytest.raises(ShapeMismatchError):
        apply(x[:2], numbers)
    np.savez(tmp_path / "w.npz", weight=numbers, bias=np.ones(3))
    assert load_weights(str(tmp_path / "w.npz")).weight.tolist() == [[1], [2], [3]]


def test_apply_tells_the_order(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 2, 2)))
    np.save(tmp_path / "tf.npy", ORDERS["1, 1, C, K"])
    done = onebyone("apply", "x.npy", "-w", "tf.npy", "-o", "y.npy", cwd=tmp_path)
    assert "tf.npy: shape (1, 1, 5, 3) is read as (1, 1, C, K)" in done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy")[:, 0, 0], W.sum(axis=1))


def test_a_bias_has_one_axis(tmp_path):
    np.save(tmp_path / "b.npy", np.ones((1, 1, 1, 3)))
    with pytest.raises(DataError, match="one number per output channel"):
        load_bias(str(tmp_path / "b.npy"))
