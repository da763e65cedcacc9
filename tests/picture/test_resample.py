"""Means of blocks, and pixels repeated."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onebyone_cli.picture.resample import averaged, block_starts, enlarged

ELEMENTS = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf])
PLANES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=ELEMENTS)
)


@given(st.integers(1, 1000), st.data())
def test_blocks_are_as_equal_as_can_be(size, data):
    parts = data.draw(st.integers(1, size))
    starts = block_starts(size, parts)
    sizes = np.diff(starts, append=size)
    assert starts[0] == 0
    assert sizes.min() >= 1
    assert np.ptp(sizes) <= 1


@given(PLANES, st.data())
def test_a_pixel_is_the_mean_of_what_is_valid_in_its_block(planes, data):
    _, height, width = planes.shape
    rows = block_starts(height, data.draw(st.integers(1, height)))
    columns = block_starts(width, data.draw(st.integers(1, width)))
    found = averaged(planes, rows, columns)
    assert found.shape == (len(planes), len(rows), len(columns))
    for index, plane in enumerate(planes):
        for i, strip in enumerate(np.split(plane, rows[1:])):
            for j, block in enumerate(np.split(strip, columns[1:], axis=1)):
                valid = block[np.isfinite(block)]
                if 2 * valid.size > block.size:
                    np.testing.assert_allclose(found[index, i, j], valid.mean(), atol=1e-6)
                else:
                    assert np.isnan(found[index, i, j])


@given(PLANES, st.integers(1, 4))
def test_enlarged_pixels_are_squares(planes, times):
    found = enlarged(planes[0], times)
    for row in range(times):
        for column in range(times):
            np.testing.assert_array_equal(found[row::times, column::times], planes[0])
