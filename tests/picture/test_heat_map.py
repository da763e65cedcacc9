"""Matrices as pictures: what is largest shows, in the colour of its sign."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from onebyone_cli.picture.heat_map import SIGNS, extremes, heat_map, signs

BLUE, GREY, RED = (0x3B, 0x4C, 0xC0), (221, 221, 221), (0xB4, 0x04, 0x26)
sizes = st.integers(1, 30)


@given(seed=seeds, k=sizes, c=sizes, rows=sizes, columns=sizes)
def test_the_largest_weight_is_always_seen(seed: int, k: int, c: int, rows: int, columns: int):
    matrix = np.random.default_rng(seed).normal(size=(k, c))
    small = extremes(matrix, rows, columns)
    assert small.shape == (min(k, rows), min(c, columns))
    assert np.isin(small, matrix).all()
    largest = matrix.flat[np.abs(matrix).argmax()]
    assert largest in small


def test_what_fits_stays_as_it_is():
    matrix = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_array_equal(extremes(matrix, 4, 5), matrix)


def test_signs_have_colours():
    rgb = heat_map(np.array([[-2.0, 0.0, 2.0]]), rows=10, columns=30, largest_square=1)
    assert rgb.shape == (1, 3, 3)
    assert np.abs(rgb[0].astype(int) - [BLUE, GREY, RED]).max() <= 8


@pytest.mark.parametrize(("rows", "columns", "side"), [(8, 9, 3), (100, 100, 4), (2, 3, 1)])
def test_numbers_are_squares(rows: int, columns: int, side: int):
    rgb = heat_map(np.eye(2, 3), rows=rows, columns=columns, largest_square=4)
    assert rgb.shape == (2 * side, 3 * side, 3)


def test_zeros_are_grey_and_dots():
    rgb = heat_map(np.zeros((2, 2)), rows=2, columns=2, largest_square=1)
    assert np.abs(rgb.astype(int) - GREY).max() <= 8
    assert signs(np.zeros((2, 2)), rows=2, columns=2) == ["..", ".."]


def test_signs_without_colours():
    assert signs(np.array([[-1.0, -0.3, 0.1, 0.3, 1.0]]), rows=1, columns=5) == [SIGNS]
