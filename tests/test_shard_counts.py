"""What shards count adds up to what one job counts, however each of them cuts its work."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Array, new_folder, numbers_of, save_npy, seeds

from onebyone_cli.arithmetic.conv1x1 import Layer
from onebyone_cli.commit import temporaries
from onebyone_cli.commit.checkpoint import Policy
from onebyone_cli.commit.merge import Published, publish_shards
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import Stopped, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.operations.apply.job import ApplyJob
from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings, scale_of
from onebyone_cli.plan import shards
from onebyone_cli.plan.shards import Shard
from onebyone_cli.spec import StackSpec
from onebyone_cli.weights.channel_map import ChannelMap

SIGTERM = 15

#: Every slab is noted at once, and progress is told after each.
POLICY = Policy(every=0, always=True)

#: What shards said, and what was published.
Counted = tuple[list[ApplyReport], Published]


class Run(NamedTuple):
    """How one shard is computed.

    Attributes
    ----------
    memory, threads : int
        At least this budget, doubled until the job fits in; workers.
    stops : tuple of int
        Words of progress after which it is stopped, time after time, before it comes to its end.
    """

    memory: int
    threads: int
    stops: tuple[int, ...] = ()


runs = st.builds(
    Run,
    st.integers(12, 24).map(lambda power: 1 << power),
    st.integers(1, 4),
    st.lists(st.integers(1, 5), max_size=2).map(tuple),
)

#: Many small planes, which travel together; several tiles; planes of a tile and a bit.
shapes = st.one_of(
    st.tuples(st.integers(8, 60), st.integers(1, 3), st.integers(2, 12), st.integers(2, 12)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(60, 90), st.integers(60, 90)),
    st.tuples(st.just(2), st.integers(1, 3), st.just(1), st.integers(4090, 4110)),
)


@contextmanager
def job_of(
    path: Path, layers: Sequence[Layer], output: Path, run: Run, **settings: Any
) -> Iterator[ApplyJob]:
    """Open and plan a job in a budget that it fits in."""
    shared = settings.get("shard") is not None
    settings["scale"] = scale_of(settings.get("scale"))

    def make_job(memory: int) -> ApplyJob:
        try:
            return ApplyJob(
                [opened], layers, target, ApplySettings(memory, run.threads, **settings)
            )
        except UsageError:
            if memory > 1 << 26:
                raise
            return make_job(2 * memory)

    with ExitStack() as stack:
        opened = opening.open_input(str(path))
        stack.callback(opened.close)
        publication = Publication(shared=shared, resume=True if shared else None)
        target = opening.make_target(str(output), inputs=[opened], publication=publication)
        yield make_job(run.memory)


def compute_share(
    path: Path, layers: Sequence[Layer], output: Path, run: Run, **settings: Any
) -> ApplyReport:
    """Compute a share, stopped as often as `run` says, by runs with ever more memory."""
    for attempt, words in enumerate(run.stops):
        with job_of(
            path, layers, output, run._replace(memory=run.memory << attempt), **settings
        ) as job:
            left = words

            def stop_it(*_: Any) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Stopped(SIGTERM)

            with suppress(Stopped):
                job.run(stop_it)
    with job_of(path, layers, output, run, **settings) as job:
        return job.run(lambda *_: None)


def make_stack(seed: int, shape: tuple[int, ...], holes: float) -> Array:
    """Numbers of which some leave the range of small integers, and some pixels are NaN."""
    spec = StackSpec(shape[1], shape[2], shape[3], "float32", shape[:1])
    stack = numbers_of(seed, spec)
    rng = np.random.default_rng(seed)
    stack[rng.random(shape) < holes] = np.nan
    return stack


@given(
    st.data(),
    seeds,
    shapes,
    st.sampled_from([0.0, 0.01, 0.5]),
    st.sampled_from([{"dtype": "uint8"}, {"dtype": "int16", "scale": (-5.0, 5.0)}, {}]),
    st.sampled_from(["", "argmax", "rms"]),
    st.sampled_from([64, 256, 1000, 4096]),
)
def test_counts_of_shards_add_up_to_those_of_one_job(
    data: st.DataObject,
    seed: int,
    shape: tuple[int, ...],
    holes: float,
    types: Mapping[str, Any],
    collapse: str,
    block: int,
) -> None:
    filters = data.draw(st.integers(1, 3))
    rng = np.random.default_rng(seed)
    matrix, bias = rng.standard_normal((filters, shape[1])) * 20, np.zeros(filters)
    layers = [Layer(ChannelMap(matrix, bias, "drawn"))]
    settings = {**types, "collapse": collapse, "nan_to": 3.0}
    drawn = data.draw(st.lists(runs, min_size=1, max_size=5))
    with new_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "BLOCK_BYTES", block)
        path = save_npy(folder / "x.npy", make_stack(seed, shape, holes))
        with job_of(path, layers, folder / "whole.npy", Run(1 << 20, 1), **settings) as job:
            whole = job.run(lambda *_: None)
        out = folder / "out.npy"
        shares = [
            compute_share(
                path,
                layers,
                out,
                run,
                shard=Shard(index, len(drawn)),
                checkpoints=POLICY,
                **settings,
            )
            for index, run in enumerate(drawn)
        ]
        published = publish_shards(str(out), Publication())
        assert out.read_bytes() == (folder / "whole.npy").read_bytes()
    assert published == Published(len(drawn), whole.counts)
    for name, total in whole.counts.items():
        assert sum(share.counts[name] for share in shares) == total
    assert not temporaries._under_way


def saturating(folder: Path, block: int, runs: Sequence[Run]) -> Counted:
    """Have shards compute 50 small planes, all too large for their type but for 8 holes."""
    stack = np.full((50, 2, 5, 6), 300, np.float32)
    stack[::7, 1, 2, 3] = np.nan
    path, out = save_npy(folder / "x.npy", stack), folder / "out.npy"
    layers = [Layer(ChannelMap(np.ones((3, 2)), np.zeros(3), "ones"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "BLOCK_BYTES", block)
        shares = []
        for index, run in enumerate(runs):
            shard = Shard(index, len(runs))
            settings = {"shard": shard, "checkpoints": POLICY, "dtype": "uint8", "nan_to": 0}
            shares.append(compute_share(path, layers, out, run, **settings))
        return shares, publish_shards(str(out), Publication())


COUNTS = {"invalid_pixels": 8, "replaced": 3 * 8, "saturated": 3 * (50 * 5 * 6 - 8), "moved": 0}


def test_planes_that_travel_together_are_counted_one_by_one(tmp_path: Path) -> None:
    """Slabs of 13, 7, 5 and 4 planes, which end elsewhere than shares do."""
    runs = [Run(1 << 24, threads) for threads in (1, 2, 3, 4)]
    shares, published = saturating(tmp_path, 256, runs)
    assert published == Published(4, COUNTS)
    assert all(share.saturated for share in shares)


def test_what_was_counted_before_a_stop_is_counted(tmp_path: Path) -> None:
    shares, published = saturating(tmp_path, 1000, [Run(1 << 20, 1, stops=(1, 1))] * 2)
    assert published == Published(2, COUNTS)
    assert all(share.went_on for share in shares)


def test_what_is_complete_has_no_counts_any_more(tmp_path: Path) -> None:
    _, published = saturating(tmp_path, 1 << 20, [Run(1 << 20, 1)] * 3)
    assert published == Published(3, COUNTS)
    again = publish_shards(str(tmp_path / "out.npy"), Publication())
    assert again == Published(0, {})
