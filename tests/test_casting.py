"""Casts, against a slow reference in exact fractions."""

import math
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import DTYPES, FLOATS, INTEGERS

from onebyone_cli.arithmetic.cast import Cast, CastCounts, is_integer, limits
from onebyone_cli.errors import DataError, UsageError

SOURCES = ("float32", "float64")
sources = st.sampled_from(SOURCES)
integers = st.sampled_from(INTEGERS)


def edges(source: str) -> list[float]:
    """Values around every limit and every tie, as the type of the arithmetic has them."""
    kind = np.dtype(source).type
    found = {0.0, -0.0, math.inf, -math.inf, math.nan}
    for name in INTEGERS:
        for limit in limits(name):
            for value in (limit - 1, limit - 0.5, limit, limit + 0.5, limit + 1):
                for near in (-np.inf, np.inf):
                    found |= {float(kind(value)), float(np.nextafter(kind(value), kind(near)))}
    found |= {
        0.5,
        1.5,
        2.5,
        -0.5,
        -1.5,
        -2.5,
        float(np.finfo(kind).max),
        float(np.finfo(kind).tiny),
    }
    return sorted(found, key=str)


EDGES = {source: edges(source) for source in SOURCES}


def values_of(source: str) -> st.SearchStrategy[list[float]]:
    width = 32 if source == "float32" else 64
    some = st.one_of(
        st.floats(width=width),
        st.floats(-300, 300, width=width),
        st.integers(-(2**65), 2**65).map(lambda n: float(np.dtype(source).type(n))),
        st.integers(-600, 600).map(lambda n: n / 2),
        st.sampled_from(EDGES[source]),
    )
    return st.lists(some, min_size=1, max_size=12)


def cast(
    values: list[float], source: str, target: str, padding: int = 0, **options: Any
) -> tuple[Any, CastCounts]:
    """Cast values laid out as one tile; some pixels after them are no part of the stack."""
    tile = np.full((1, 1, len(values) + padding), np.nan, source)
    tile[0, 0, : len(values)] = values
    out = np.full((1, 1, len(values)), 7, target)
    with np.errstate(all="ignore"):
        counts = Cast(source, target, **options).apply(tile, out, len(values))
    return out[0, 0], counts


def exact_integer(value: float, low: int, high: int) -> tuple[int, bool]:
    """Round half to even and saturate; say whether it was beyond the range."""
    if math.isinf(value):
        return (high if value > 0 else low), True
    whole = round(Fraction(value))
    return min(max(whole, low), high), not low <= whole <= high


def exact_float(value: float, target: str) -> tuple[float, bool]:
    """Round to a narrower type as IEEE 754 says; say whether a finite value became infinite."""
    code = {"float16": "<e", "float32": "<f", "float64": "<d"}[target]
    try:
        return struct.unpack(code, struct.pack(code, value))[0], False
    except OverflowError:
        return math.copysign(math.inf, value), True


# ------------------------------------------------------------------------------- integers


@given(st.data(), sources, integers, st.integers(0, 3))
def test_integers_are_rounded_half_to_even_and_saturate(
    data: st.DataObject, source: str, target: str, padding: int
):
    values = data.draw(values_of(source))
    low, high = limits(target)
    fill = data.draw(st.one_of(st.none(), st.integers(low, min(high, 2**53))))
    if fill is None:
        values = [value for value in values if not math.isnan(value)]
        assume(values)
    out, counts = cast(values, source, target, padding, fill=fill)
    finite = [value for value in values if not math.isnan(value)]
    expected = [
        fill if math.isnan(value) else exact_integer(value, low, high)[0] for value in values
    ]
    assert [int(number) for number in out] == expected
    assert out.dtype == target
    assert counts.saturated == sum(exact_integer(value, low, high)[1] for value in finite)
    assert counts.replaced == len(values) - len(finite)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", INTEGERS)
def test_every_edge(source: str, target: str):
    values = [value for value in EDGES[source] if not math.isnan(value)]
    low, high = limits(target)
    out, counts = cast(values, source, target)
    expected = [exact_integer(value, low, high) for value in values]
    assert [int(number) for number in out] == [number for number, _ in expected]
    assert counts == CastCounts(sum(beyond for _, beyond in expected), 0)


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", SOURCES)
def test_nan_needs_a_stand_in(source: str, target: str):
    with pytest.raises(DataError, match=f"NaN, which {target} can't hold; give nan_to="):
        cast([1, math.nan], source, target)
    # What is beyond the stack is no concern.
    out, counts = cast([1, 0], source, target, 3)
    assert (out.tolist(), counts) == ([1, 0], CastCounts())


@given(st.data(), integers)
def test_only_a_value_of_the_type_can_stand_in(data: st.DataObject, target: str):
    low, high = limits(target)
    some = st.one_of(st.floats(), st.integers(low - 2, low + 2), st.integers(high - 2, high + 2))
    fill = float(data.draw(some))
    if math.isfinite(fill) and fill.is_integer() and low <= fill <= high:
        out, counts = cast([math.nan, 1], "float64", target, fill=fill)
        assert [int(number) for number in out] == [int(fill), 1]
        assert counts == CastCounts(0, 1)
    else:
        with pytest.raises(UsageError, match=f"whole number from {low} to {high}"):
            Cast("float64", target, fill=fill)


# --------------------------------------------------------------------------------- floats


def test_the_reference_of_floats_itself():
    # Half a step above the largest float32 is a tie, and goes to infinity.
    tie = 2.0**128 - 2.0**103
    assert exact_float(tie, "float32") == (math.inf, True)
    assert exact_float(math.nextafter(tie, 0), "float32") == (2.0**128 - 2.0**104, False)
    assert exact_float(65520.0, "float16") == (math.inf, True)
    assert exact_float(2.0**-25, "float16") == (0.0, False)


@given(st.data(), sources, st.sampled_from(FLOATS))
def test_floats_are_rounded_as_ieee_754_says(data: st.DataObject, source: str, target: str):
    values = data.draw(values_of(source))
    fill = data.draw(st.one_of(st.none(), st.floats(-100, 100, width=16)))
    out, counts = cast(values, source, target, fill=fill)
    expected = [exact_float(value, target) for value in values]
    for number, value, (exact, _) in zip(out.tolist(), values, expected, strict=True):
        if math.isnan(value):
            assert math.isnan(number) if fill is None else number == fill
        else:
            assert number == exact
            assert math.copysign(1, number) == math.copysign(1, value)
    assert counts.saturated == sum(overflowed for _, overflowed in expected)
    missing = sum(math.isnan(value) for value in values)
    assert counts.replaced == (0 if fill is None else missing)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", DTYPES)
def test_only_the_same_type_without_changes_is_an_identity(source: str, target: str):
    assert Cast(source, target).is_identity == (source == target)
    assert not Cast(source, target, fill=0).is_identity
    if is_integer(target):
        assert not Cast(source, target, scale=(0, 1)).is_identity


@given(st.floats(allow_nan=False), st.sampled_from(FLOATS))
@example(1e39, "float32")
def test_a_stand_in_is_a_value_of_the_float_type(fill: float, target: str):
    """Not one that would become infinite there."""
    if exact_float(fill, target)[1]:
        with pytest.raises(UsageError, match=f"in {target} output"):
            Cast("float64", target, fill=fill)
    else:
        out, counts = cast([math.nan, 1], "float64", target, fill=fill)
        assert out.tolist() == [exact_float(fill, target)[0], 1]
        assert counts == CastCounts(0, 1)


# ---------------------------------------------------------------------------------- scale


@st.composite
def ranges(draw: st.DrawFn, source: str) -> tuple[float, float]:
    width = 32 if source == "float32" else 64
    ends = st.floats(-1e6, 1e6, width=width, allow_nan=False, allow_subnormal=False)
    low, high = sorted((draw(ends), draw(ends)))
    # A range must be wide enough for the type to tell its values apart.
    assume(high - low > 1e-3 * max(abs(low), abs(high)))
    assume(high - low > 1e-30)
    return low, high


@given(st.data(), sources, st.sampled_from(["uint8", "int8", "uint16", "int16"]))
def test_scale_maps_a_range_onto_all_integers(data: st.DataObject, source: str, target: str):
    low, high = data.draw(ranges(source))
    width = 32 if source == "float32" else 64
    inside = st.floats(0, 1).map(lambda t: low + t * (high - low))
    some = st.one_of(inside, st.floats(-1e7, 1e7, width=width))
    values = sorted(float(np.dtype(source).type(v)) for v in data.draw(st.lists(some, min_size=1)))
    out, _ = cast(values, source, target, scale=(low, high))
    least, most = limits(target)
    slope = Fraction(most - least) / (Fraction(high) - Fraction(low))
    eps = float(np.finfo(source).eps)
    for number, value in zip(out, values, strict=True):
        exact = (Fraction(value) - Fraction(low)) * slope + least
        size = abs(value) + abs(low)
        slack = Fraction(8 * eps) * (abs(exact) + most - least + Fraction(size) * slope)
        clamped = min(max(exact, least), most)
        assert abs(int(number) - clamped) <= Fraction(1, 2) + slack
    # What is larger never becomes smaller.
    assert list(out) == sorted(out)


@given(st.data(), sources, st.sampled_from(["uint8", "int8", "uint16", "int16"]))
def test_the_ends_of_the_range_become_the_ends_of_the_type(
    data: st.DataObject, source: str, target: str
):
    low, high = data.draw(ranges(source))
    out, counts = cast([low, high, math.inf, -math.inf], source, target, scale=(low, high))
    least, most = limits(target)
    assert out.tolist() == [least, most, most, least]
    assert counts == CastCounts(2, 0)


@given(sources, integers, st.floats(-1000, 1000, width=32))
def test_a_range_of_one_value_becomes_the_bottom(source: str, target: str, value: float):
    out, counts = cast([value, value], source, target, scale=(value, value))
    assert [int(number) for number in out] == [limits(target)[0]] * 2
    assert counts == CastCounts()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("scale", [(0.0, 0.0), (3.0, 3.0), (0.0, 1.0)])
def test_infinity_saturates_whatever_the_range(source: str, scale: tuple[float, float]):
    out, counts = cast([math.inf, -math.inf, scale[0]], source, "uint8", scale=scale)
    assert out.tolist() == [255, 0, 0]
    assert counts == CastCounts(2, 0)


@pytest.mark.parametrize("source", SOURCES)
def test_a_range_as_wide_as_the_type(source: str):
    """Its width is beyond the type, and its ends are still its ends."""
    most = float(np.finfo(source).max)
    out, counts = cast([-most, 0, most], source, "uint8", scale=(-most, most))
    assert out[0] == 0
    assert out[1] in (127, 128)
    assert out[2] == 255
    assert counts == CastCounts()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", ["int32", "uint32", "int64", "uint64"])
def test_no_value_of_the_range_saturates(source: str, target: str):
    out, counts = cast([0, 0.3, 1], source, target, scale=(0.0, 1.0))
    least, most = limits(target)
    assert [int(out[0]), int(out[2])] == [least, most]
    assert counts == CastCounts()


@given(st.data(), sources, integers)
def test_scale_and_nan_go_together(data: st.DataObject, source: str, target: str):
    low, high = data.draw(ranges(source))
    least = limits(target)[0]
    out, counts = cast([math.nan, low, math.nan], source, target, fill=0, scale=(low, high))
    assert [int(number) for number in out] == [0, least, 0]
    assert counts.replaced == 2


@given(st.floats(), st.floats(), sources)
@example(math.nan, 1.0, "float32")
@example(0.0, math.inf, "float64")
@example(1.0, 0.0, "float64")
@example(0.0, 1e39, "float32")
def test_ranges_that_are_none(low: float, high: float, source: str):
    """Upside down, without an end, or beyond the type of the arithmetic."""
    ends = [exact_float(end, source) for end in (low, high)]
    finite = all(math.isfinite(end) for end, _ in ends)
    if finite and low <= high:
        Cast(source, "uint8", scale=(low, high))
    else:
        with pytest.raises(UsageError, match=r"MIN,MAX"):
            Cast(source, "uint8", scale=(low, high))


@pytest.mark.parametrize("target", FLOATS)
def test_floats_are_not_scaled(target: str):
    with pytest.raises(UsageError, match=f"{target} is none; give dtype=uint8"):
        Cast("float32", target, scale=(0, 1))


# ----------------------------------------------------------------------------------- tiles


@given(st.data(), sources, st.sampled_from(DTYPES), st.integers(1, 3), st.integers(1, 4))
def test_tiles_of_any_shape_are_cast_number_by_number(
    data: st.DataObject, source: str, target: str, items: int, channels: int
):
    tile, pixels = 6, data.draw(st.integers(1, 6))
    wanted = items * channels * tile
    some = data.draw(values_of(source))
    numbers = np.resize(np.array(some, source), wanted).reshape(items, channels, tile)
    # The output is a part of a larger buffer, as in a slab.
    buffer = np.full((items, channels, tile + 5), 1, target)
    out = buffer[:, :, 2 : 2 + pixels]
    with np.errstate(all="ignore"):
        counts = Cast(source, target, fill=1).apply(numbers.copy(), out, pixels)
    flat, alone = cast(numbers[:, :, :pixels].ravel().tolist(), source, target, fill=1)
    np.testing.assert_array_equal(out.ravel(), flat)
    assert counts == alone
    assert (buffer[:, :, :2] == 1).all()
    assert (buffer[:, :, 2 + pixels :] == 1).all()


def test_counts_add_up():
    assert CastCounts(1, 2).plus(CastCounts(10, 20)) == CastCounts(11, 22)


@pytest.mark.parametrize(
    ("target", "fill", "beside"),
    [
        ("uint8", 0, 1),
        ("uint8", 255, 254),
        ("int8", -128, -127),
        ("int16", -9999, -9998),
        ("uint64", 2**64 - 2**12, 2**64 - 2**12 - 1),
        ("float32", -9999, np.nextafter(np.float32(-9999), np.float32(0))),
        ("float32", 0, np.nextafter(np.float32(0), np.float32(1))),
        ("float16", np.inf, np.finfo("float16").max),
    ],
)
@pytest.mark.parametrize("is_nodata", [True, False])
def test_valid_numbers_are_moved_away_from_the_nodata_value(
    target: str, fill: float, beside: Any, is_nodata: bool
) -> None:
    cast = Cast("float64", target, fill=fill, is_nodata=is_nodata)
    y = np.array([[[fill, np.nan, 3.0]]], "float64")
    out = np.empty(y.shape, target)
    counts = cast.apply(y, out, 3)
    assert out[0, 0].tolist() == [np.array(beside if is_nodata else fill, target), fill, 3]
    assert (counts.moved, counts.replaced) == (int(is_nodata), 1)
