"""The range of a result: of all numbers, of each channel, and percentiles."""

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import onebyone_cli
from onebyone_cli.arithmetic.ranges import (
    Extremes,
    Histogram,
    find_range,
    histogram_bytes,
    range_of_journal,
)
from onebyone_cli.arithmetic.scale import Scale, parse_scale
from onebyone_cli.errors import UsageError

PERCENTS = (0.0, 0.1, 2.0, 25.0, 50.0, 98.0, 99.9, 100.0)


def numbers_of(seed: int, kind: str, channels: int = 3) -> NDArray[Any]:
    """Make a result of shape (2, K, 999), with what is not finite here and there."""
    rng = np.random.default_rng(seed)
    y = {
        "uniform": lambda: rng.uniform(-5, 7, (2, channels, 999)),
        "normal": lambda: rng.normal(100, 3, (2, channels, 999)),
        "sparse": lambda: rng.choice([0.0, 1.0, 1000.0], (2, channels, 999)),
        "constant": lambda: np.full((2, channels, 999), 4.25),
        "wide": lambda: rng.choice([-1.7e308, 0, 1.7e308], (2, channels, 999)),
    }[kind]()
    y *= np.arange(1, channels + 1)[:, None] if kind != "wide" else 1
    y[rng.random(y.shape) < 0.05] = np.nan
    y[0, 0, 0], y[1, 0, 5] = np.inf, -np.inf
    return np.asarray(y)


def look_of(y: NDArray[Any], tile: int) -> Any:
    """Compute a result as a job does: tile by tile, in threads."""

    def look(step: str, measure: Any) -> None:
        assert step in ("measuring", "counting")
        parts = [y[:, :, at : at + tile] for at in range(0, y.shape[2], tile)]
        threads = [threading.Thread(target=measure, args=(part,)) for part in reversed(parts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return look


def finite(y: NDArray[Any]) -> NDArray[Any]:
    return y[np.isfinite(y)]


@pytest.mark.parametrize("kind", ["uniform", "normal", "sparse", "constant", "wide"])
def test_extremes_are_those_of_numpy(kind: str) -> None:
    y = numbers_of(1, kind)
    low, high = find_range(Scale("auto"), 3, look_of(y, 100))
    assert (low.tolist(), high.tolist()) == ([finite(y).min()], [finite(y).max()])
    low, high = find_range(Scale("each", each=True), 3, look_of(y, 100))
    each = [finite(y[:, channel]) for channel in range(3)]
    assert low.tolist() == [numbers.min() for numbers in each]
    assert high.tolist() == [numbers.max() for numbers in each]


def test_nothing_finite_has_the_range_of_zero() -> None:
    y = np.full((1, 2, 7), np.nan)
    y[0, 1, 3] = 5
    low, high = find_range(Scale("each", each=True), 2, look_of(y, 3))
    assert (low.tolist(), high.tolist()) == ([0, 5], [0, 5])
    low, high = find_range(Scale("percentiles", 2, 98), 1, look_of(y[:, :1], 3))
    assert (low.tolist(), high.tolist()) == ([0], [0])


@pytest.mark.parametrize("kind", ["uniform", "normal", "sparse", "constant"])
@pytest.mark.parametrize("each", [False, True])
def test_percentiles_are_those_of_numpy_to_a_bin(kind: str, each: bool) -> None:
    y = numbers_of(2, kind)
    groups = [y[:, channel] for channel in range(3)] if each else [y]
    for low, high in pairwise(PERCENTS):
        scale = Scale("percentiles", low, high, each)
        found = find_range(scale, 3, look_of(y, 128))
        for group, numbers in enumerate(map(finite, groups)):
            bins = (1 << 13) if each else (1 << 16)
            width = (numbers.max() - numbers.min()) / bins
            expected = np.percentile(numbers, [low, high])
            errors = [abs(end[group] - one) for end, one in zip(found, expected, strict=True)]
            assert max(errors) <= width * 1.001


def test_percentiles_of_the_widest_numbers() -> None:
    y = numbers_of(3, "wide")
    low, high = find_range(Scale("percentiles", 1, 99), 3, look_of(y, 77))
    assert np.isfinite([low, high]).all()
    assert low[0] < 0 < high[0]


@given(st.integers(0, 2**32), st.integers(1, 999), st.booleans())
def test_tiles_and_threads_change_nothing(seed: int, tile: int, each: bool) -> None:
    y = numbers_of(seed, "normal")
    scale = Scale("percentiles", 2, 98, each)
    one, two = (find_range(scale, 3, look_of(y, width)) for width in (999, max(tile, 50)))
    assert [end.tolist() for end in one] == [end.tolist() for end in two]


def test_the_plan_counts_the_histogram() -> None:
    for each, channels in ((False, 7), (True, 7), (True, 1)):
        ends = np.zeros(channels if each else 1)
        taken = Histogram(ends, ends + 1).counts.nbytes
        assert histogram_bytes(Scale("percentiles", 2, 98, each), channels) >= taken
    assert histogram_bytes(Scale("auto"), 7) == histogram_bytes(None, 7) == 0


@pytest.mark.parametrize(
    "noted",
    [None, 3, [0.0, 1.0], [[0.0], [1.0, 2.0]], [[0], [1]], [["a"], ["b"]], [[0.0], [1.0], []]],
)
def test_a_journal_with_something_else_counts_nothing(noted: Any) -> None:
    assert range_of_journal(noted, 1) is None


def test_a_journal_with_ranges() -> None:
    found = range_of_journal([[0.0, 1.0], [2.0, 3.0]], 2)
    assert found is not None
    assert [end.tolist() for end in found] == [[0, 1], [2, 3]]
    assert range_of_journal([[0.0, 1.0], [2.0, 3.0]], 1) is None


def test_extremes_of_parts_are_those_of_the_whole() -> None:
    y = numbers_of(4, "uniform").astype(np.float32)
    whole, parts = Extremes(3), Extremes(3)
    whole.add(y)
    for at in range(0, 999, 10):
        parts.add(y[:, :, at : at + 10])
    assert (whole.low == parts.low).all()
    assert (whole.high == parts.high).all()


# ------------------------------------------------------------------------------------ jobs


def stretched(y: NDArray[Any], low: Any, high: Any) -> NDArray[Any]:
    """Map a range onto uint8, as numpy would, in float64."""
    part = (np.clip(y, low, high) - low) / np.where(high > low, high - low, 1)
    return np.rint(part * 255)


def test_each_channel_has_a_range_of_its_own() -> None:
    x = np.random.default_rng(5).normal(0, 1, (3, 40, 50)) * np.array([1, 10, 100])[:, None, None]
    y = onebyone_cli.apply(x, np.eye(3), scale="each", memory="4M", threads=3)
    assert y.dtype == np.uint8
    low, high = (end(axis=(1, 2), keepdims=True) for end in (x.min, x.max))
    assert np.array_equal(y, stretched(x, low, high))
    assert (y.min(axis=(1, 2)).tolist(), y.max(axis=(1, 2)).tolist()) == ([0] * 3, [255] * 3)


@pytest.mark.parametrize("text", ["2%,98%", "2%,98%,each"])
def test_percentiles_in_python_and_on_the_command_line(tmp_path: Path, text: str) -> None:
    x = np.random.default_rng(6).normal(0, 1, (3, 60, 70)) * np.array([1, 10, 100])[:, None, None]
    x[0, 0, 0] = 1e5
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", np.eye(3))
    y = onebyone_cli.apply(x, np.eye(3), scale=text)
    done = onebyone("apply", "x.npy", "-w", "w.npy", "-o", "y.npy", "--scale", text, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "y.npy"), y)
    axes = (1, 2) if "each" in text else None
    low, high = np.percentile(x, [2, 98], axis=axes, keepdims=True)
    off = np.abs(y.astype(int) - stretched(x, low, high))
    # The outlier of the first channel makes bins of 12, where the range is 4.
    assert off[1:].max() <= (1 if axes else 5)


def test_reduce_scales_each_component(tmp_path: Path) -> None:
    x = np.random.default_rng(7).normal(0, 1, (4, 30, 40)) * np.array([1, 3, 9, 27])[:, None, None]
    np.save(tmp_path / "x.npy", x)
    options = ("-k", "3", "--scale", "each", "-o", "rgb.npy")
    done = onebyone("reduce", "x.npy", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    y = np.load(tmp_path / "rgb.npy")
    assert y.min(axis=(1, 2)).tolist() == [0] * 3
    assert y.max(axis=(1, 2)).tolist() == [255] * 3


@pytest.mark.parametrize("text", ["2%", "98%,2%", "2%,98", "each,each", "nan,1", "-1%,50%"])
def test_what_is_no_scale(text: str) -> None:
    with pytest.raises(UsageError, match="scale="):
        parse_scale(text)
    with pytest.raises(ValueError, match="scale="):
        onebyone_cli.apply(np.ones((1, 2, 2)), [[1]], scale=text)
