"""Which channels count as duplicates, and the identities of putting a solution back into all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from onebyone_cli.learners.distinct import Distinct, distinct_channels, distinct_columns
from onebyone_cli.learners.moments import moments_of

#: Where channels stand: 0 to 4 are distinct, -1 is left out.
layouts = st.lists(st.integers(-1, 4), min_size=1, max_size=12)


def of_layout(layout: list[int]) -> Distinct:
    of = np.array(layout)
    _, first = np.unique(of, return_index=True)
    kept = sorted(index for index in first if of[index] >= 0)
    ranks = {of[index]: rank for rank, index in enumerate(kept)}
    return Distinct(np.array([ranks.get(label, -1) for label in of]), np.array(kept, np.intp))


def same(one: Distinct, two: Distinct) -> bool:
    return np.array_equal(one.place, two.place) and np.array_equal(one.first, two.first)


@given(seed=seeds, layout=layouts, pixels=st.integers(20, 5000))
def test_duplicates_are_found_by_their_moments(seed: int, layout: list[int], pixels: int):
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(size=(6, pixels))) * np.exp2(rng.uniform(-60, 60, (6, 1)))
    x[-1] = 1.0
    moments = moments_of(x[layout])
    assert same(distinct_channels(moments.comoment, moments.constant), of_layout(layout))


@given(layout=layouts)
def test_means_tell_channels_apart(layout: list[int]):
    x = np.random.default_rng(0).normal(size=100)
    one = distinct_channels(*_of(np.array([x + step for step in layout])))
    assert len(one.first) == 1
    means = np.array([float(step) for step in layout])
    two = distinct_channels(*_of(np.array([x + step for step in layout])), means)
    assert len(two.first) == len(set(layout))


def _of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    moments = moments_of(x)
    return moments.comoment, moments.constant


@given(seed=seeds, layout=layouts, rows=st.integers(1, 3))
def test_columns_are_compared_as_numbers(seed: int, layout: list[int], rows: int):
    columns = np.random.default_rng(seed).normal(size=(rows, 6))
    columns[0, 0], columns[:, -1] = 0.0, -0.0
    matrix = columns[:, layout]
    matrix[0] *= np.where(matrix[0] == 0, -1.0, 1.0)
    expected = [-1 if not columns[:, place].any() else place for place in layout]
    assert same(distinct_columns(matrix), of_layout(expected))


@given(seed=seeds, layout=layouts)
def test_identities(seed: int, layout: list[int]):
    distinct = of_layout(layout)
    g, c = len(distinct.first), len(layout)
    q = distinct.restore(np.eye(g))
    whole = distinct.restore_basis(np.eye(g))
    assert whole.shape == (c, c)
    np.testing.assert_allclose(whole @ whole.T, np.eye(c), atol=1e-14)
    rng = np.random.default_rng(seed)
    rows = np.append(rng.normal(size=(3, 5)), np.zeros((3, 1)), axis=1)[:, layout]
    np.testing.assert_allclose(distinct.reduce_rows(rows), rows @ q.T, atol=1e-14)
    np.testing.assert_allclose(distinct.restore(distinct.reduce_rows(rows)), rows, atol=1e-14)
    symmetric = rows.T @ rows
    np.testing.assert_allclose(distinct.reduce(symmetric), q @ symmetric @ q.T, atol=1e-13)
    settled = distinct.settle(rows + 1e-3 * rng.normal(size=rows.shape))
    np.testing.assert_array_equal(settled, settled[:, distinct.leading])
