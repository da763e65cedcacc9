"""Statistics of channels against exact fractions, and merging in any grouping."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.learners.channel_statistics import ChannelStatistics, no_statistics, statistics_of

FIELDS = ("count", "minimum", "maximum", "mean", "rest", "squares")


def exact(numbers: np.ndarray) -> tuple[Fraction, Fraction]:
    """Mean and Σ (x − mean)², without any rounding."""
    fractions = [Fraction(number) for number in numbers.tolist()]
    mean = sum(fractions, Fraction(0)) / len(fractions)
    return mean, sum(((each - mean) ** 2 for each in fractions), Fraction(0))


def assert_exact(found: ChannelStatistics, x: np.ndarray, invalid: np.ndarray) -> None:
    for channel, (row, left_out) in enumerate(zip(x, invalid, strict=True)):
        numbers = row[~left_out]
        assert found.count[channel] == len(numbers)
        if not len(numbers):
            assert (found.minimum[channel], found.maximum[channel]) == (np.inf, -np.inf)
            assert found.mean[channel] == found.rest[channel] == found.squares[channel] == 0
            continue
        assert found.minimum[channel] == numbers.min()
        assert found.maximum[channel] == numbers.max()
        mean, squares = exact(numbers)
        known = Fraction(found.mean[channel]) + Fraction(found.rest[channel])
        spread = float(squares / len(numbers)) ** 0.5
        # What rounding of the mean leaves is in the rest.
        assert abs(float(known - mean)) <= 1e-14 * spread + 1e-30 * abs(float(mean))
        assert found.squares[channel] == pytest.approx(float(squares), rel=1e-13, abs=0)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Channels of unlike means and spreads, and which of their numbers are left out."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    channels, pixels = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    mean = rng.choice([0.0, 1.0, 1e6, -1e9], (channels, 1))
    spread = rng.choice([0.0, 1e-3, 1.0, 1e4], (channels, 1))
    x = rng.standard_normal((channels, pixels)) * spread + mean
    x += np.linspace(0, draw(st.sampled_from([0.0, 30.0])), pixels)
    invalid = rng.random((channels, pixels)) < draw(st.sampled_from([0.0, 0.3, 0.9]))
    invalid[0] |= draw(st.integers(0, 4)) == 0
    return x, invalid


def with_holes(x: np.ndarray, invalid: np.ndarray) -> np.ndarray:
    """Put what must not matter where nothing counts."""
    filled = x.copy()
    filled[invalid] = np.resize([np.nan, np.inf, -9999.0, 1e300], np.count_nonzero(invalid))
    return filled


@given(blocks())
def test_one_block_is_exact(block: tuple[np.ndarray, np.ndarray]):
    x, invalid = block
    assert_exact(statistics_of(with_holes(x, invalid), invalid), x, invalid)
    nothing = np.zeros_like(invalid)
    assert_exact(statistics_of(x.copy()), x, nothing)
    assert_exact(statistics_of(x.copy(), nothing), x, nothing)


@given(blocks(), st.data())
def test_parts_in_any_order_are_the_whole(
    block: tuple[np.ndarray, np.ndarray], data: st.DataObject
):
    x, invalid = block
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, x.shape[1] - 1)), max_size=5)))
    parts = [
        statistics_of(with_holes(part, left_out), left_out)
        for part, left_out in zip(
            np.split(x, cuts, axis=1), np.split(invalid, cuts, axis=1), strict=True
        )
        if part.shape[1]
    ]
    whole = no_statistics(len(x))
    for part in data.draw(st.permutations(parts)):
        whole.merge(part)
    assert_exact(whole, x, invalid)


@given(blocks())
def test_nothing_merged_changes_no_bit(block: tuple[np.ndarray, np.ndarray]):
    x, invalid = block
    found = statistics_of(with_holes(x, invalid), invalid)
    before = [getattr(found, field).tobytes() for field in FIELDS]
    found.merge(no_statistics(len(x)))
    assert [getattr(found, field).tobytes() for field in FIELDS] == before
    empty = no_statistics(len(x))
    empty.merge(found)
    assert [getattr(empty, field).tobytes() for field in FIELDS] == before


def test_the_first_part_keeps_what_rounding_took_from_its_mean():
    # Half a unit in the last place of 1e6 times a drift of 1e4 is seen in 14 digits.
    rng = np.random.default_rng()
    x = rng.standard_normal((20, 3000)) + 1e6 + np.linspace(0, 1e4, 3000)
    whole = no_statistics(20)
    for part in np.array_split(x, 10, axis=1):
        whole.merge(statistics_of(part.copy()))
    assert_exact(whole, x, np.zeros(x.shape, bool))


def test_what_was_merged_is_left_as_it_was():
    x = np.random.default_rng().normal(size=(2, 9))
    one, two, three = (statistics_of(part.copy()) for part in np.split(x, 3, axis=1))
    before = [getattr(two, field).copy() for field in FIELDS]
    whole = no_statistics(2)
    for part in (two, one, three):
        whole.merge(part)
    for field, value in zip(FIELDS, before, strict=True):
        assert np.array_equal(getattr(two, field), value)


def test_a_spread_takes_two_numbers():
    x = np.array([[1.0, 3.0, 8.0], [2.0, 2.0, 2.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    invalid = np.array([[0, 0, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1]], bool)
    deviation = statistics_of(x.copy(), invalid).deviation
    np.testing.assert_allclose(deviation, [np.std([1, 3, 8], ddof=1), 0, np.nan, np.nan])


def test_overflow_is_quiet_and_stays_in_its_channel():
    x = np.array([[1e308, -1e308, 1e308], [1.0, 2.0, 4.0]])
    found = statistics_of(x.copy())
    found.merge(statistics_of(x.copy()))
    assert not np.isfinite(found.squares[0])
    assert (found.minimum[0], found.maximum[0]) == (-1e308, 1e308)
    assert found.mean[1] == pytest.approx(7 / 3)
