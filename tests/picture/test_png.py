"""PNG files: the same pixels come back."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from onebyone_cli.errors import OutputRefusedError, UsageError
from onebyone_cli.picture.png import check_png, png_bytes, write_png

PICTURES = st.tuples(st.integers(1, 9), st.integers(1, 12), st.just(3)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)


@given(PICTURES)
def test_pixels_come_back(rgb):
    with Image.open(io.BytesIO(png_bytes(rgb[:, ::-1]))) as image:
        np.testing.assert_array_equal(np.asarray(image), rgb[:, ::-1])


def test_a_file_is_whole_or_not_there(tmp_path):
    path = str(tmp_path / "a.png")
    write_png(np.zeros((2, 2, 3), np.uint8), path)
    with pytest.raises(OutputRefusedError, match="exists already"):
        check_png(path, force=False)
    with pytest.raises(OutputRefusedError, match="an input"):
        check_png(path, force=True, inputs=(path,))
    write_png(np.ones((2, 2, 3), np.uint8), path, force=True)
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
    with Image.open(path) as image:
        assert np.asarray(image).max() == 1


def test_another_name_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"does not end in \.png"):
        check_png(str(tmp_path / "a.jpg"), force=False)
