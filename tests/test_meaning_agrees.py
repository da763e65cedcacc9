"""What files and users say of numbers holds everywhere: the same pixels, the same values."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Array, examples, seeds
from told import Told, told_stacks

from onebyone_cli.arithmetic.conv1x1 import make_layers
from onebyone_cli.arithmetic.scale import parse_scale
from onebyone_cli.learners import load
from onebyone_cli.learners.differences import STEPS
from onebyone_cli.learners.moments import Moments
from onebyone_cli.learners.statistics import Statistics
from onebyone_cli.operations.apply.job import ApplyJob
from onebyone_cli.operations.apply.settings import ApplySettings
from onebyone_cli.operations.compare.job import CompareJob, CompareSettings
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.operations.view.run import ViewJob, ViewRequest
from onebyone_cli.picture.sheet import Room
from onebyone_cli.stack.in_memory import ArrayInput, MemoryTarget
from onebyone_cli.stack.selection import parse_selection
from onebyone_cli.weights.channel_map import ChannelMap

EVERYTHING = Wanted(per_channel=True, differences=tuple(STEPS))


def silent(step: str, done: int, total: int) -> None:
    """Report no progress."""


def gathered(told: Told, *, labels: Any = None, **more: Any) -> Statistics:
    chosen = LearnSettings(1 << 24, 2, told.asked, **{"wanted": EVERYTHING, **more})
    job = LearnJob(told.readers(), chosen, mask=told.mask(), labels=labels)
    return job.run(silent)


def invalid_in_learning(told: Told) -> int:
    """As fit, reduce and stats count them."""
    return gathered(told).invalid


def invalid_in_comparing(told: Told) -> int:
    """As compare counts them, a channel after the other being a stack of its own."""
    (reader,) = told.readers()
    chosen = CompareSettings(1 << 24, 2, told.asked)
    found = CompareJob(reader, *told.readers(), chosen, mask=told.mask()).run(silent)
    one, other = found.invalid_pixels.tolist()
    assert one == other
    return int(one)


def invalid_in_pictures(told: Told) -> int:
    """As view draws them, in a composite of the first and the last channels."""
    last = len(told.chosen) - 1
    assert last <= 2
    shown = tuple(parse_selection(str(at)) for at in (0, last // 2, last))
    request = ViewRequest("rgb", shown, parse_scale("0,1"), asked=told.asked)
    with ExitStack() as stack:
        job = ViewJob(told.readers(), request, lambda cells: Room(64, 64), 1 << 24, told.mask())
        drawing = job.run(stack, silent, (0, 0, 0))
    times = job.sheet.times**2
    assert np.count_nonzero(drawing.invalid) % times == 0
    return np.count_nonzero(drawing.invalid) // times


def invalid_in_applying(told: Told) -> int:
    """As apply counts and marks them, of weights that use every channel."""
    weights = np.random.default_rng(told.seed).uniform(1, 2, (2, len(told.chosen)))
    layers = make_layers([ChannelMap(weights, np.zeros(2), "weights")], [])
    target = MemoryTarget()
    chosen = ApplySettings(1 << 24, 2, "float64", asked=told.asked)
    report = ApplyJob(told.readers(), layers, target, chosen, mask=told.mask()).run(silent)
    fill = np.nan if report.fill.value is None else report.fill.value
    marked = np.isnan(target.array) if np.isnan(fill) else target.array == fill
    assert (marked == told.invalid_pixels).all()
    valid = ~told.invalid_pixels
    right = weights @ told.values[:, valid]
    np.testing.assert_allclose(target.array[:, valid], right, rtol=1e-9, atol=1e-9)
    return report.invalid_pixels


@settings(max_examples=examples(100))
@given(told=told_stacks())
def test_every_command_counts_the_same_pixels(told: Told) -> None:
    right = np.count_nonzero(told.invalid_pixels)
    assert invalid_in_learning(told) == right
    assert invalid_in_applying(told) == right
    if len(told.readers()) == 1:
        assert invalid_in_comparing(told) == right
    if len(told.chosen) <= 3:
        assert invalid_in_pictures(told) == right


def assert_moments(found: Moments, pixels: Array, offset: Array | float = 0.0) -> None:
    """Compare with those of some pixels (C, n), each entry with the spread of its two channels.

    `pixels` are without the `offset`, which changes no covariance and only rounds a small spread.
    """
    assert found.count == pixels.shape[1]
    if found.count:
        centred = pixels - pixels[:, :1]
        mean = pixels.mean(axis=1) + offset
        np.testing.assert_allclose(found.mean, mean, rtol=1e-12, atol=1e-12)
        centred = centred - centred.mean(axis=1, keepdims=True)
        right = centred @ centred.T
        size = np.sqrt(np.multiply.outer(right.diagonal(), right.diagonal()))
        assert (np.abs(found.comoment - right) <= 1e-11 * size).all()


@settings(max_examples=examples(60))
@given(told=told_stacks())
def test_statistics_are_of_values(told: Told) -> None:
    found = gathered(told)
    scaled = told.numbers * told.scale
    assert_moments(found.pixels, scaled[:, ~told.invalid_pixels], told.offset[:, 0, 0])
    for direction, (down, right) in STEPS.items():
        height, width = told.masked.shape
        here, there = np.s_[..., : height - down, : width - right], np.s_[..., down:, right:]
        valid = ~told.invalid_pixels[here] & ~told.invalid_pixels[there]
        with np.errstate(invalid="ignore"):
            apart = scaled[here] - scaled[there]
        assert_moments(found.differences[direction], apart[:, valid])
    per_channel = found.per_channel
    assert per_channel is not None
    bad = told.invalid | ~np.isfinite(told.numbers) | told.masked
    for channel, values in enumerate(told.values):
        numbers = values[~bad[channel]]
        assert per_channel.count[channel] == len(numbers)
        if len(numbers):
            ends = per_channel.minimum[channel], per_channel.maximum[channel]
            assert ends == (numbers.min(), numbers.max())
            mean = per_channel.mean[channel] + per_channel.rest[channel]
            assert mean == pytest.approx(numbers.mean(), rel=1e-12, abs=1e-12)
        if len(numbers) > 1:
            spread = numbers.std(ddof=1)
            assert per_channel.deviation[channel] == pytest.approx(spread, rel=1e-9, abs=1e-12)


# --- learners -----------------------------------------------------------------------------------


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Told, Array]:
    """Stacks to learn from, of full rank, with all that can be said at once; and labels."""
    rng = np.random.default_rng(draw(seeds))
    height, width = 31, 43
    arrays, said = [], []
    smooth = np.cumsum(rng.normal(size=(4, height, width)), axis=2)
    labels = rng.integers(0, 4, (height, width))
    for dtype in draw(st.lists(st.sampled_from(["int32", "float32", "float64"]), max_size=2)) or [
        "int16"
    ]:
        channels = draw(st.integers(2, 3))
        x = np.einsum("cm,mhw->chw", rng.normal(size=(channels, 4)), smooth)
        x = 40 * (x + rng.normal(size=x.shape) + labels * rng.normal(size=(channels, 1, 1)))
        mean = draw(st.sampled_from([0, 3000] if dtype == "int16" else [0, 3000, 10**6]))
        x = np.round(x + mean, 3 if dtype == "float64" else 0).astype(dtype)
        for value in (-9999, -32768):
            x[:, rng.random((height, width)) < 0.02] = value
        x[0, rng.random((height, width)) < 0.02] = -999
        if x.dtype.kind == "f":
            x[1, rng.random((height, width)) < 0.02] = np.inf
        arrays.append(x)
        own = [(-9999.0, -32768.0, -999.0)] + [(-9999.0, -32768.0)] * (channels - 1)
        limits = (-20_000.0, float(mean + 400))
        said.append(
            {
                "nodata": tuple(own),
                "valid_range": (None,) * (channels - 1) + (limits,),
                "scale": tuple(draw(st.sampled_from([1e-4, -0.5, 3.0])) for _ in own),
                "offset": (draw(st.sampled_from([0.0, -0.2, 273.15])),),
            }
        )
    kept = (rng.random((height, width)) < 0.9).astype("u1")
    total = sum(map(len, arrays))
    channels = "" if total < 4 else draw(st.sampled_from(["", "!1", "0,2,3"]))
    stored = draw(st.booleans())
    return Told(arrays, said, kept=kept, channels=channels, stored=stored), labels


def eigenvalues_of(method: str, found: Statistics, **options: Any) -> Array:
    learner = load(method)
    chosen = dict.fromkeys(learner.options) | options
    return learner.learn(found, "", chosen).eigenvalues


def covariance(pixels: Array) -> Array:
    """Divided by one less than the count."""
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    centred -= centred.mean(axis=1, keepdims=True)
    return np.asarray(centred @ centred.T / (pixels.shape[1] - 1))


def pencil(one: Array, other: Array) -> Array:
    """Eigenvalues of one·w = λ·other·w, descending."""
    size = np.sqrt(other.diagonal())
    lower = np.linalg.inv(np.linalg.cholesky(other / np.multiply.outer(size, size)))
    return np.linalg.eigvalsh(lower @ (one / np.multiply.outer(size, size)) @ lower.T)[::-1]


def assert_close(found: Array, right: Array) -> None:
    """Each to 1e-10, and to the rounding of the largest."""
    np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-13 * right.max())


@settings(max_examples=examples(25))
@given(scene=scenes())
def test_eigenvalues_of_all_learners(scene: tuple[Told, Array]) -> None:
    told, labels = scene
    # Stored numbers less one of them are exact; an offset changes no covariance.
    first = told.numbers[:, ~told.invalid_pixels][:, :1]
    centred = (told.numbers - first[:, :, np.newaxis]) * told.scale
    pixels = centred[:, ~told.invalid_pixels]
    right = covariance(pixels)
    size = np.sqrt(right.diagonal())
    found = gathered(told)
    assert found.count == pixels.shape[1] > 400
    assert_close(eigenvalues_of("pca", found), np.linalg.eigvalsh(right)[::-1])
    assert_close(
        eigenvalues_of("pca", found, standardize=True),
        np.linalg.eigvalsh(right / np.multiply.outer(size, size))[::-1],
    )
    values = told.pixels
    squares = values @ values.T / values.shape[1]
    assert_close(eigenvalues_of("svd", found), np.linalg.eigvalsh(squares)[::-1])
    with np.errstate(invalid="ignore"):
        apart = centred[:, :-1, :-1] - centred[:, 1:, 1:]
    valid = ~told.invalid_pixels[:-1, :-1] & ~told.invalid_pixels[1:, 1:]
    noise = covariance(apart[:, valid])
    found.differences = {"lowerright": found.differences["lowerright"]}
    assert_close(eigenvalues_of("mnf", found), pencil(right, noise / 2))
    assert_close(eigenvalues_of("maf", found)[::-1], pencil(noise, right))
    labelled = gathered(told, labels=ArrayInput(labels), wanted=Wanted(pixels=False))
    classes = labels[~told.invalid_pixels]
    groups = [pixels[:, classes == label] for label in (1, 2, 3)]
    assert labelled.count == sum(group.shape[1] for group in groups)
    within = sum((group.shape[1] - 1) * covariance(group) for group in groups) / labelled.count
    mean = np.concatenate(groups, axis=1).mean(axis=1)
    steps = [(group.mean(axis=1) - mean) * np.sqrt(group.shape[1]) for group in groups]
    between = sum(np.multiply.outer(step, step) for step in steps) / labelled.count
    lda = eigenvalues_of("lda", labelled)
    assert_close(lda, pencil(between, within)[: len(lda)])


def test_bits_of_packed_stacks_depend_on_nothing_else() -> None:
    rng = np.random.default_rng()
    x = rng.normal(1e4, 9, (3, 190, 131)).astype("f4")
    x[1, 3, 4] = 12345
    said = {"scale": (1e-4, -0.3, 0.7), "offset": (273.15,), "nodata": ((12345.0,),)}
    told = Told([x], [said])
    bits = set()
    for memory, threads in ((1 << 24, 1), (1 << 25, 3), (6 << 20, 2)):
        chosen = LearnSettings(memory, threads, wanted=EVERYTHING)
        found = LearnJob(told.readers(), chosen).run(silent)
        assert found.invalid == 1
        moments = [found.pixels, *found.differences.values()]
        bits.add(b"".join(a.tobytes() for m in moments for a in (m.mean, m.rest, m.comoment)))
    assert len(bits) == 1


def test_a_large_mean_keeps_its_digits_when_it_is_scaled() -> None:
    x = np.random.default_rng().normal(1e6, 1.0, (3, 80, 90))
    said = {"scale": (1e-4, 0.3, -7.0), "offset": (-100.0, 1e5, 7e6)}
    found = gathered(Told([x], [said])).pixels
    centred = x.reshape(3, -1) - x.mean(axis=(1, 2))[:, np.newaxis]
    right = np.cov(centred * np.array([[1e-4], [0.3], [-7.0]]))
    size = np.sqrt(np.multiply.outer(right.diagonal(), right.diagonal()))
    assert (np.abs(found.covariance - right) <= 1e-10 * size).all()
