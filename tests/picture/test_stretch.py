"""The range of a picture, and numbers in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onebyone_cli.picture.stretch import percentile_range, stretched, symmetric

FINITE = st.floats(-1e6, 1e6)
VALUES = arrays(np.float64, st.integers(1, 40), elements=FINITE)
ANYTHING = arrays(np.float64, st.integers(1, 40), elements=st.floats())


@given(VALUES, st.floats(0, 49), st.floats(51, 100), st.integers(0, 5))
def test_the_range_is_that_of_percentiles(values, low, high, invalid):
    strange = np.resize([np.nan, np.inf, -np.inf], invalid)
    found = percentile_range(np.concatenate([strange, values]), low, high)
    expected = tuple(np.percentile(values, (low, high)).tolist())
    if expected[0] < expected[1]:
        assert found == expected
    else:
        assert found == (values.min(), values.max())


def test_a_few_that_differ_are_seen():
    values = np.zeros(1000)
    values[3] = 1
    assert percentile_range(values, 2, 98) == (0, 1)


def test_numbers_may_be_as_far_apart_as_can_be():
    assert percentile_range(np.array([-1.7e308, 1.7e308]), 2, 98) == (-1.7e308, 1.7e308)
    assert stretched(np.array([-1.7e308, 0, 1.7e308]), (-1.7e308, 1.7e308)).tolist() == [0, 0.5, 1]


def test_without_a_number_there_is_no_range():
    assert percentile_range(np.array([np.nan, np.inf]), 2, 98) is None


@given(ANYTHING, st.floats(allow_nan=False, allow_infinity=False), st.data())
def test_shares_are_from_0_to_1_and_in_order(values, low, data):
    high = data.draw(st.floats(min_value=low, allow_infinity=False))
    shares = stretched(values, (low, high))
    np.testing.assert_array_equal(np.isnan(shares), ~np.isfinite(values))
    finite = np.isfinite(values)
    order = np.argsort(values[finite])
    sorted_shares = shares[finite][order]
    assert ((sorted_shares >= 0) & (sorted_shares <= 1)).all()
    assert (np.diff(sorted_shares) >= 0).all()


@given(VALUES)
def test_shares_are_linear(values):
    low, high = values.min(), values.max()
    if high - low > 1e-3:
        expected = (values - low) / (high - low)
        np.testing.assert_allclose(stretched(values, (low, high)), expected, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 7.0, -1e308])
def test_what_is_the_same_everywhere_is_halfway(value):
    assert stretched(np.full(3, value), (value, value)).tolist() == [0.5, 0.5, 0.5]


@given(FINITE, FINITE)
def test_a_symmetric_range_holds_the_other(one, two):
    low, high = symmetric((min(one, two), max(one, two)))
    assert low == -high
    assert low <= min(one, two)
    assert high >= max(one, two)
