"""A constant channel has weight 0 and a duplicated one that of its duplicate, to the last bit.

That is so in exact arithmetic, and no BLAS may have a say in it; `test_kernels_of_blas.py` runs
this with each one.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from onebyone_cli.learners.ica import fit_ica
from onebyone_cli.learners.lda import fit_lda
from onebyone_cli.learners.maf import fit_maf
from onebyone_cli.learners.mnf import fit_mnf
from onebyone_cli.learners.model import Model, inverse_map
from onebyone_cli.learners.moments import Moments, moments_of, no_moments
from onebyone_cli.learners.pca import fit_pca
from onebyone_cli.learners.svd import fit_svd
from onebyone_cli.learners.unmix import fit_unmix
from onebyone_cli.weights.channel_map import ChannelMap


def moments(x: np.ndarray) -> Moments:
    """Gather in blocks as a pass over a file does, which rounds duplicates differently."""
    whole = no_moments(len(x))
    for block in np.array_split(x, 3, axis=1):
        whole.merge(moments_of(block.copy()))
    return whole


def lda(x: np.ndarray, k: int) -> Model:
    classes = {label: moments(x[:, label::3]) for label in range(3)}
    return fit_lda(classes, k=min(k, 2))


#: By name, from pixels (C, N), of which K channels are distinct and vary, to K components.
LEARNERS: dict[str, Callable[[np.ndarray, int], Model]] = {
    "pca": lambda x, k: fit_pca(moments(x), k=k),
    "pca of correlations": lambda x, k: fit_pca(moments(x), k=k, standardize=True),
    "pca, white": lambda x, k: fit_pca(moments(x), k=k, whiten=True),
    "svd": lambda x, k: fit_svd(moments(x), k=k),
    "mnf": lambda x, k: fit_mnf(moments(x), moments(np.diff(x)).covariance / 2, k=k),
    "maf": lambda x, k: fit_maf(moments(x), moments(np.diff(x)).covariance, k=k),
    "lda": lda,
    "ica": lambda x, k: fit_ica(moments(x), x, k=min(k, 3)),
    "unmix": lambda x, k: fit_unmix(x[:, :k]),
}


def places(rng: np.random.Generator, distinct: int, constant: int, copies: int) -> np.ndarray:
    """Which distinct channel stands in each place, -1 for one that does not vary."""
    of = [*range(distinct), *[-1] * constant, *rng.integers(0, distinct, copies)]
    return rng.permutation(of)


def spread_out(x: np.ndarray, of: np.ndarray, value: float = 0.0) -> np.ndarray:
    return np.vstack([x, np.full(x.shape[1], value)])[of]


def pixels(rng: np.random.Generator, distinct: int) -> np.ndarray:
    mixing = np.eye(distinct) + rng.normal(size=(distinct, distinct)) / 4
    n = int(rng.integers(40, 400))
    spread = np.exp2(rng.uniform(-3, 3, (distinct, 1)))
    return mixing @ (spread * (rng.uniform(-1, 1, (distinct, n)) + 0.5))


def assert_exact(weight: np.ndarray, of: np.ndarray) -> None:
    """Compare columns bit by bit, which tells 0 from -0."""
    bits = np.ascontiguousarray(weight).view(np.uint64)
    assert not bits[:, of < 0].any()
    for channel in range(of.max() + 1):
        same = bits[:, of == channel]
        np.testing.assert_array_equal(same, same[:, :1].repeat(same.shape[1], axis=1))


@pytest.mark.parametrize("name", LEARNERS)
@given(
    seed=seeds,
    distinct=st.integers(1, 7),
    constant=st.integers(0, 2),
    copies=st.integers(0, 9),
)
def test_weights_are_exact(name: str, seed: int, distinct: int, constant: int, copies: int):
    if name == "ica":
        pytest.importorskip("sklearn")
    rng = np.random.default_rng(seed)
    of = places(rng, distinct, constant, copies)
    value = 0.0 if name in {"svd", "unmix"} else 0.1
    model = LEARNERS[name](spread_out(pixels(rng, distinct), of, value), distinct)
    assert_exact(model.map.weight, of)
    assert_exact(model.inverse().weight.T + 0.0, of)


@pytest.mark.parametrize("name", ["mnf", "maf", "lda"])
@given(seed=seeds, copies=st.integers(0, 9), constant=st.integers(0, 2))
def test_components_are_those_of_the_distinct_channels(
    name: str, seed: int, copies: int, constant: int
):
    """Scores do not change, since duplicates only share the weight of their channel."""
    rng = np.random.default_rng(seed)
    of, x = places(rng, 3, constant, copies), pixels(rng, 3)
    one, other = LEARNERS[name](x, 3), LEARNERS[name](spread_out(x, of, 0.1), 3)
    x = x - x.mean(axis=1, keepdims=True)
    scores, same = one.map.weight @ x, other.map.weight @ spread_out(x, of)
    signs = np.sign((scores * same).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(same * signs, scores, atol=1e-5 * np.abs(scores).max())
    np.testing.assert_allclose(other.eigenvalues, one.eigenvalues, rtol=1e-8)


@given(seed=seeds, k=st.integers(1, 4), constant=st.integers(1, 2), copies=st.integers(0, 5))
def test_the_way_back_of_weights_from_elsewhere(seed: int, k: int, constant: int, copies: int):
    rng = np.random.default_rng(seed)
    of = places(rng, 4, constant, copies)
    weight = spread_out(rng.normal(size=(4, k)), of).T
    back = inverse_map(ChannelMap(weight, np.zeros(k), "")).weight
    assert_exact(back.T + 0.0, of)
    np.testing.assert_allclose(back, np.linalg.pinv(weight), atol=1e-9 * np.abs(back).max())


@given(seed=seeds, constant=st.integers(1, 3), copies=st.integers(0, 5), standardize=st.booleans())
def test_all_components_are_a_basis(seed: int, constant: int, copies: int, standardize: bool):
    rng = np.random.default_rng(seed)
    of, x = places(rng, 3, constant, copies), pixels(rng, 3)
    model = fit_pca(moments(spread_out(x, of, 0.1)), standardize=standardize)
    rows = model.map.weight * model.scale
    np.testing.assert_allclose(rows @ rows.T, np.eye(len(of)), atol=1e-12)
    assert not model.eigenvalues[3:].any()
    rows = fit_svd(moments(spread_out(x, of))).map.weight
    np.testing.assert_allclose(rows @ rows.T, np.eye(len(of)), atol=1e-12)


@given(seed=seeds, constant=st.integers(1, 3))
def test_a_constant_channel_has_no_error(seed: int, constant: int):
    rng = np.random.default_rng(seed)
    of = places(rng, 3, constant, 2)
    known = moments(spread_out(pixels(rng, 3), of))
    assert not fit_pca(known, k=2).channel_errors(known)[of < 0].any()


@given(seed=seeds)
def test_nearly_constant_and_nearly_equal_channels_count(seed: int):
    """What differs by more than rounding is no duplicate."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 200))
    x = np.vstack([x, x[0] + 1e-7 * x[1], 1e-7 * x[2] + 1])
    weight = fit_pca(moments(x), k=3).map.weight
    assert (weight[:, 0] != weight[:, 3]).any()
    assert weight[:, 4].any()
