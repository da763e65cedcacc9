"""The runs of a sample: drawn fairly, each once, and nothing else is read."""

import os
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.formats import opening
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.sampling import choose_runs
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.plan.tiles import count_runs, iter_runs
from onebyone_cli.spec import StackSpec

#: Pixels of a run, where a plane has as many.
RUN = 64


def job_of(height: int, width: int, *batch: int) -> Any:
    """What `choose_runs` looks at of a job."""
    spec = StackSpec(3, height, width, "float32", batch)
    return SimpleNamespace(input=spec, runs=count_runs(spec))


def choose(*jobs: Any, pixels: int, seed: int = 0) -> list[list[int]]:
    return [part.tolist() for part in choose_runs(jobs, pixels, seed)]


jobs = st.builds(job_of, st.integers(1, 40), st.integers(1, 40), st.integers(1, 5))
many_jobs = st.lists(jobs, min_size=1, max_size=4)


@given(many_jobs, st.integers(1, 10_000), st.integers(0, 2**32))
def test_runs_are_in_range_each_once_and_ascend(many: list[Any], pixels: int, seed: int):
    chosen = choose(*many, pixels=pixels, seed=seed)
    assert len(chosen) == len(many)
    for job, numbers in zip(many, chosen, strict=True):
        assert all(0 <= number < job.runs for number in numbers)
        assert all(one < two for one, two in pairwise(numbers))
    drawn = sum(map(len, chosen))
    assert 1 <= drawn <= sum(job.runs for job in many)
    assert choose(*many, pixels=pixels, seed=seed) == chosen


@given(many_jobs, st.integers(0, 1000))
def test_runs_are_disjoint_pieces_of_the_stack(many: list[Any], seed: int):
    for job, numbers in zip(many, choose(*many, pixels=700, seed=seed), strict=True):
        slabs = list(iter_runs(job.input, numbers))
        assert len(slabs) == len(numbers)
        places = [(slab.item, place) for slab in slabs for place in range(slab.start, slab.stop)]
        assert len(set(places)) == len(places)
        assert all(slab.items == 1 and 1 <= slab.pixels <= RUN for slab in slabs)
        assert all(0 <= slab.item < job.input.items for slab in slabs)
        assert all(slab.stop <= job.input.pixels for slab in slabs)


@given(st.integers(1, 20), st.integers(1, 2000))
def test_as_many_runs_as_hold_the_pixels(runs: int, pixels: int):
    job = job_of(runs, RUN)
    (chosen,) = choose(job, pixels=pixels)
    assert len(chosen) == min(-(-pixels // RUN), runs)


def test_another_seed_is_another_sample():
    job = job_of(1000, RUN)
    samples = {tuple(choose(job, pixels=20 * RUN, seed=seed)[0]) for seed in range(50)}
    assert len(samples) == 50


def test_every_run_is_as_likely_as_any_other():
    job, drawn, rounds = job_of(100, RUN), 10, 2000
    times = np.zeros(100)
    for seed in range(rounds):
        times[choose(job, pixels=drawn * RUN, seed=seed)[0]] += 1
    expected = rounds * drawn / 100
    # Six standard deviations of a binomial number, for 100 runs; seeds are fixed.
    assert np.abs(times - expected).max() < 6 * np.sqrt(expected)
    spread = np.square(times - expected).sum() / (expected * 0.9)
    assert 50 < spread < 170  # chi squared of 99 degrees of freedom


def test_several_stacks_share_by_their_size():
    many = [job_of(100, RUN), job_of(50, RUN, 6), job_of(600, RUN), job_of(1, 5)]
    runs = np.array([100, 300, 600, 1])
    assert [job.runs for job in many] == runs.tolist()
    counts = np.zeros(4)
    for seed in range(500):
        counts += [len(part) for part in choose(*many, pixels=100 * RUN, seed=seed)]
    assert 500 * 100 <= counts.sum() <= 500 * 101
    expected = counts.sum() * runs / runs.sum()
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_a_stack_may_get_nothing():
    chosen = choose(job_of(1, 1), job_of(100, RUN), job_of(1, 1), pixels=RUN, seed=3)
    assert sum(map(len, chosen)) <= 2
    assert 0 in map(len, chosen)


#: Shapes of stacks (height, width, *batch) whose runs are not all of one length.
UNEVEN = [[(5, 13, 100)], [(1, 5, 40), (64, 64)], [(9, 8, 3), (2, 3)]]


@pytest.mark.parametrize("shapes", UNEVEN)
def test_uneven_runs_are_all_there_too_if_all_pixels_are_asked_for(shapes: list[tuple[int, ...]]):
    many = [job_of(*shape) for shape in shapes]
    pixels = sum(job.input.pixels * job.input.items for job in many)
    assert choose(*many, pixels=pixels) == [list(range(job.runs)) for job in many]


# --- reading ------------------------------------------------------------------------------------


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of every read of an open file, as they are read."""
    found: list[int] = []
    preadv, pread = os.preadv, os.pread

    def counted(fd: int, buffers: Any, offset: int) -> int:
        found.append(preadv(fd, buffers, offset))
        return found[-1]

    def counted_too(fd: int, count: int, offset: int) -> bytes:
        raw = pread(fd, count, offset)
        found.append(len(raw))
        return raw

    monkeypatch.setattr(os, "preadv", counted)
    monkeypatch.setattr(os, "pread", counted_too)
    return found


def gather(path: str, sample: int, *, layout: str = "CHW", seed: int = 0, **more: Any) -> Any:
    with ExitStack() as stack:
        reader = stack.enter_context(opening.open_input(path, layout=layout))
        job = LearnJob([reader], LearnSettings(1 << 26, 2, **more))
        (chosen,) = choose_runs([job], sample, seed)
        return job.run(lambda step, done, total: None, chosen), chosen


@pytest.mark.parametrize("layout", ["CHW", "HWC", "HCW"])
def test_a_sample_reads_little_more_than_its_pixels(tmp_path: Path, bytes_read, layout: str):
    # A large file of holes.
    shape = {"CHW": (50, 2000, 3000), "HWC": (2000, 3000, 50), "HCW": (2000, 50, 3000)}[layout]
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "<f4", shape).flush()
    statistics, chosen = gather(str(tmp_path / "x.npy"), 6400, layout=layout, runs_only=True)
    assert len(chosen) == 100
    assert statistics.count == 6400
    assert sum(bytes_read) == 6400 * 50 * 4


def test_neighbours_of_a_sample_are_read_with_it(tmp_path: Path, bytes_read):
    np.save(tmp_path / "x.npy", np.random.default_rng().normal(size=(2, 300, 640)))
    wanted = Wanted(differences=("right",))
    statistics, chosen = gather(str(tmp_path / "x.npy"), 640, runs_only=True, wanted=wanted)
    at_the_end = np.count_nonzero(chosen % 10 == 9)  # of a row, which has no neighbour
    assert statistics.differences["right"].count == 640 - at_the_end
    assert sum(bytes_read) <= 10 * 65 * 2 * 8


def test_a_sample_of_all_pixels_is_the_whole(tmp_path: Path):
    x = np.random.default_rng().normal(1e6, 1, (3, 100, 128))
    x[1, 20:30, 7] = np.nan
    np.save(tmp_path / "x.npy", x)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(2, 33, 50))
    valid = x[:, np.isfinite(x).all(axis=0)]
    expected = np.cov(valid - valid.mean(axis=1, keepdims=True))
    for name in ("x.npy", "x.h5"):
        for sample in (12800, 10**9):
            wanted = Wanted(sample=True, per_channel=True)
            statistics, chosen = gather(str(tmp_path / name), sample, runs_only=True, wanted=wanted)
            assert chosen.tolist() == list(range(200))
            assert (statistics.pixels.count, statistics.pixels.invalid) == (12790, 10)
            assert np.abs(statistics.pixels.covariance - expected).max() < 1e-12
            assert statistics.per_channel.count.tolist() == [12800, 12790, 12800]
            assert np.array_equal(statistics.sampled, valid)


@given(st.integers(1, 30), st.integers(0, 10**6))
def test_moments_of_a_sample_are_those_of_its_pixels(
    tmp_path_factory: pytest.TempPathFactory, runs: int, seed: int
):
    x = np.random.default_rng(seed).normal(50, 2, (2, 3, 41, 37))
    path = tmp_path_factory.mktemp("sample") / "x.npy"
    np.save(path, x.transpose(1, 0, 2, 3))
    statistics, chosen = gather(
        str(path), runs * RUN, seed=seed, runs_only=True, wanted=Wanted(sample=True)
    )
    pieces = [
        x[:, item].reshape(2, -1)[:, run * RUN : (run + 1) * RUN]
        for item, run in (divmod(number, 24) for number in chosen.tolist())
    ]
    pixels = np.concatenate(pieces, axis=1)
    assert np.array_equal(statistics.sampled, pixels)
    assert statistics.count == pixels.shape[1]
    np.testing.assert_allclose(statistics.pixels.covariance, np.cov(pixels), rtol=1e-12, atol=1e-12)
