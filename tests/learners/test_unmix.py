"""Unmixing against numpy's pseudo-inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError
from onebyone_cli.learners.unmix import fit_unmix


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32))
def test_against_numpy(one, two, seed):
    channels, k = max(one, two), min(one, two)
    m = np.random.default_rng(seed).random((channels, k)) + np.eye(channels, k)
    model = fit_unmix(m)
    np.testing.assert_allclose(model.map.weight, np.linalg.pinv(m), atol=1e-9)
    np.testing.assert_allclose(model.map.weight @ m, np.eye(k), atol=1e-9)
    np.testing.assert_allclose(model.inverse().weight, m, atol=1e-9)
    assert not model.map.has_bias


def test_amounts_come_back_whatever_the_units():
    m = np.array([[1.0, 0.2], [0.5, 0.9], [0.0, 0.4]]) * np.array([1e-3, 1e3])
    amounts = np.random.default_rng(1).random((2, 50))
    weight = fit_unmix(m).map.weight
    np.testing.assert_allclose(weight @ (m @ amounts), amounts, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("m", "message"),
    [
        ([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], r"dependent \(rank 1\)"),
        ([[1.0, 0.0], [2.0, 0.0]], "endmember 1 is zero"),
        ([[1.0, 0.0, 2.0], [2.0, 1.0, 1.0]], "3 endmembers for 2 channels"),
        ([[1.0], [np.nan]], "NaN"),
        ([[1.7e308], [1.7e308]], "too large for float64"),
        ([1.0, 2.0], "shape"),
        (np.empty((3, 0)), "shape"),
    ],
)
def test_refusals(m, message):
    with pytest.raises(DataError, match=message):
        fit_unmix(np.array(m), source="m.csv")


@pytest.mark.parametrize("apart", [1.0, 1e-5, 1e-12])
def test_the_way_back_is_the_endmembers(apart: float):
    m = np.array([[1.0, 1.0], [1.0, 1.0 + apart], [0.5, 0.5]]) * [1e-200, 1e200]
    np.testing.assert_array_equal(fit_unmix(m).inverse().weight, m)


def test_nearly_dependent():
    model = fit_unmix(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-5]]))
    assert "nearly dependent" in model.warnings[0]
