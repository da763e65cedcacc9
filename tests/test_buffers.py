"""Buffers of workers: their shape, where their rows lie, and what happens without memory."""

import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.system.buffers import PADDING, empty_rows


@given(
    outer=st.lists(st.integers(1, 5), max_size=2),
    length=st.integers(1, 300_000) | st.sampled_from([1024, 4096, 65536, 1 << 19]),
    dtype=st.sampled_from(["uint8", "float16", "float32", "float64"]),
)
def test_rows_can_be_filled_and_do_not_lie_pages_apart(outer, length, dtype):
    buffer = empty_rows((*outer, length), dtype)
    assert buffer.shape == (*outer, length)
    assert buffer.dtype == dtype
    numbers = (np.arange(buffer.size) % 251).reshape(buffer.shape).astype(dtype)
    buffer[...] = numbers
    np.testing.assert_array_equal(buffer, numbers)
    if outer:
        assert buffer.strides[-2] % 4096
        assert buffer.strides[-2] <= length * buffer.itemsize + PADDING


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no huge pages")
def test_a_system_that_refuses_huge_pages_gives_small_ones(monkeypatch):
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 12345)
    buffer = empty_rows((2, 1 << 20), "float64")
    buffer[...] = 1
    assert buffer.sum() == 2 << 20


def test_too_little_memory_is_said_as_numpy_does():
    with pytest.raises(MemoryError):
        empty_rows((1 << 50,), "float64")
