"""Which numbers and pixels are invalid, against a plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import UsageError
from onebyone_cli.stack.validity import Marks, Validity, parse_nodata

VALUES = st.sampled_from([-9999.0, -1.0, 0.0, 0.1, 7.0, 255.0, 65535.0])
RANGES = st.tuples(VALUES, VALUES).map(lambda ends: (min(ends), max(ends)))
TYPES = st.sampled_from(["uint8", "int16", "uint16", "int32", "float32", "float64"])


def is_invalid(number: Any, nodata: Any, valid: Any, dtype: str) -> bool:
    """Tell by the rules of the contract whether one stored number is invalid."""
    if not np.isfinite(number):
        return True
    to_type = np.dtype(dtype).type if dtype.startswith("float") else np.float64
    for low, high in nodata:
        if to_type(low) <= number <= to_type(high):
            return True
    low, high = valid
    return bool(number < to_type(low) or number > to_type(high))


@given(data=st.data())
def test_numbers_and_pixels(data: st.DataObject) -> None:
    types = data.draw(st.lists(TYPES, min_size=1, max_size=4))
    wide = any(each in ("int32", "float64") for each in types)
    dtype = "float64" if wide else "float32"
    channels = len(types)
    nodata = tuple(tuple(data.draw(st.lists(RANGES, max_size=3))) for _ in types)
    inf = float("inf")
    valid = tuple(data.draw(st.just((-inf, inf)) | RANGES) for _ in types)
    numbers = VALUES | st.just(float("nan")) | st.just(inf)
    x = np.zeros((channels, 12), dtype)
    for at, own in enumerate(types):
        row = data.draw(st.lists(numbers if "float" in own else VALUES, min_size=12, max_size=12))
        with np.errstate(all="ignore"):
            clipped = row if "float" in own else np.clip(np.rint(row), *_ends(own))
            x[at] = np.asarray(clipped).astype(own)
    right = np.array(
        [
            [is_invalid(number, nodata[at], valid[at], types[at]) for number in x[at]]
            for at in range(channels)
        ]
    )
    for rule in ("any", "all"):
        marks = Marks(Validity(nodata, valid, rule), types, dtype)
        assert (marks.numbers(x) == right).all()
        unusable = ~np.isfinite(x).all(axis=0)
        pixels = right.any(axis=0) if rule == "any" else right.all(axis=0) | unusable
        assert (marks.pixels(x) == pixels).all()


def _ends(dtype: str) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def test_a_batch_is_marked_item_by_item() -> None:
    marks = Marks(Validity((((7, 7),), ())), ["uint8", "uint8"], "float32")
    x = np.array([[[7, 1], [7, 7]], [[1, 7], [1, 1]]], "float32")
    assert marks.pixels(x).tolist() == [[True, False], [False, True]]


def test_a_decimal_marks_the_number_that_float32_holds_for_it() -> None:
    marks = Marks(Validity((((0.1, 0.1),),), ((0.1, 0.3),)), ["float32"], "float32")
    x = np.array([[0.1, 0.3, 0.2]], "float32")
    assert marks.numbers(x).tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    ("texts", "ranges"),
    [
        (["-9999"], ((-9999, -9999),)),
        (["1,2:4", "7"], ((1, 1), (2, 4), (7, 7))),
        (["none"], ()),
        (["-3.4e38"], ((-3.4e38, -3.4e38),)),
    ],
)
def test_typed_values(texts: list[str], ranges: Any) -> None:
    found = parse_nodata(texts)
    assert found is not None
    assert found.ranges == ranges


@pytest.mark.parametrize("text", ["", "x", "4:2", "1,,2", "none,3", "1:2:3"])
def test_what_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="nodata"):
        parse_nodata([text])


def test_a_number_too_small_for_the_type_marks_no_zeros() -> None:
    marks = Marks(Validity((((1e-46, 1e-46),),)), ["float32"], "float32")
    assert not marks.numbers(np.zeros((1, 3), "float32")).any()
