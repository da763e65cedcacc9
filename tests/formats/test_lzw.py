"""LZW codes of TIFF: sound ones are decoded, others never reach the decoder."""

from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import seeds

from onebyone_cli.formats.tiff.lzw import are_sound

imagecodecs = pytest.importorskip("imagecodecs")


@given(seeds, st.sampled_from([0, 1, 300, 5000, 60000]), st.sampled_from([2, 5, 100, 256]))
def test_what_is_written_is_sound(seed: int, size: int, values: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, values, size).astype(np.uint8)
    assert are_sound(imagecodecs.lzw_encode(numbers.tobytes()))


@given(seeds, st.integers(1, 300), st.integers(1, 300))
def test_what_libtiff_writes_is_sound(seed: int, height: int, width: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    numbers = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(numbers).save(file, "TIFF", compression="tiff_lzw")
    with tifffile.TiffFile(BytesIO(file.getvalue())) as opened:
        page = opened.pages[0]
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            assert are_sound(file.getvalue()[offset : offset + count])


@given(seeds, st.integers(1, 3000))
def test_damage_is_noticed_or_decoded(seed: int, size: int) -> None:
    """The decoder crashes with codes that are not in the table."""
    rng = np.random.default_rng(seed)
    data = bytearray(imagecodecs.lzw_encode(rng.integers(0, 8, size).astype(np.uint8).tobytes()))
    for place in rng.integers(0, len(data), 4):
        data[place] = rng.integers(256)
    if are_sound(bytes(data)):
        with suppress(imagecodecs.LzwError):
            imagecodecs.lzw_decode(bytes(data), out=size + 1)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9, bytes(9), b"\x80\x00\x7f\xff\xff\xff"])
def test_other_bytes_are_not_sound(data: bytes) -> None:
    assert not are_sound(data)
