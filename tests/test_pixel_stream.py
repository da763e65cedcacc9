"""Streams whose pixels come one after another: slabs are taken off the pipe as they come."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import PROGRAM, environment, peak_memory
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    Array,
    layouts,
    new_folder,
    numbers,
    numbers_of,
    same_numbers,
    save_npy,
    seeds,
    slab_sizes,
    specs,
    stored,
)

from onebyone_cli.arithmetic.conv1x1 import make_layers
from onebyone_cli.errors import DataError, ReadWriteError
from onebyone_cli.formats import opening
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.contracts.about import RawSpec
from onebyone_cli.formats.contracts.reader import StreamReader
from onebyone_cli.learners.statistics import Statistics
from onebyone_cli.npy_header import format_header
from onebyone_cli.operations.apply.job import ApplyJob
from onebyone_cli.operations.apply.settings import ApplySettings, scale_of
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.operations.run import run_workers
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import ITEM_BYTES, Slab, StackSpec
from onebyone_cli.stack.selected import select_channels
from onebyone_cli.stack.spool import Spool
from onebyone_cli.weights.channel_map import ChannelMap

MIB = 1 << 20


class WorkError(Exception):
    """What goes wrong in these tests."""


@contextmanager
def fifo_of(data: bytes, step: int = 1 << 16, *, stays_open: bool = False) -> Iterator[Path]:
    """A named pipe into which somebody writes, a few bytes at a time."""
    over = threading.Event()
    with new_folder() as folder:
        path = folder / "pipe"
        os.mkfifo(path)

        def write() -> None:
            with path.open("wb", buffering=0) as file:
                for at in range(0, len(data), step):
                    try:
                        file.write(data[at : at + step])
                    except BrokenPipeError:
                        return
                if stays_open:
                    over.wait()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield path
        finally:
            over.set()
            writer.join()


@contextmanager
def stream_of(array: Array, layout: str, **pipe: Any) -> Iterator[StreamReader]:
    raw = RawSpec(array.shape, array.dtype.name, not array.dtype.isnative)
    with (
        fifo_of(array.tobytes(), **pipe) as path,
        opening.open_input(str(path), layout=layout, raw=raw) as reader,
    ):
        assert isinstance(reader, StreamReader)
        yield reader


def read_by_workers(
    stream: StreamReader, slabs: Sequence[Slab], threads: int, fails_at: Slab | None = None
) -> Array:
    """Read all slabs as a job does, by several threads; ``(*batch, C, H, W)``."""
    spec = stream.spec
    whole = np.empty((spec.items, spec.channels, spec.pixels), spec.dtype)
    reader = stream.slabs()

    def make_work() -> Any:
        scratch = np.empty(reader.scratch_bytes, np.uint8)

        def work(slab: Slab) -> None:
            if slab == fails_at:
                raise WorkError
            block = np.empty((slab.items, spec.channels, slab.pixels), spec.dtype)
            reader.read(slab, block, scratch)
            time.sleep(random.random() / 1e5)
            whole[slab.item : slab.item + slab.items, :, slab.start : slab.stop] = block

        return work

    run_workers(slabs, make_work, threads, lambda pixels: None, reader.abandon)
    reader.check_unchanged()
    return whole.reshape(spec.shape)


# ------------------------------------------------------------------------------ which they are


@given(specs(side=4), layouts, st.sampled_from("CF"))
def test_runs_are_what_lies_so(spec: StackSpec, layout: str, order: str):
    where = np.arange(np.prod(spec.shape)).reshape(spec.shape)
    array = stored(where, layout, order)
    found = array_layout(
        array.shape, spec.dtype, "x", layout=layout, fortran_order=order == "F"
    ).run_pixels
    in_file = array.ravel("K" if order == "F" else "C")
    runs = {1: "HWC", spec.width: "HCW", spec.pixels: "CHW"}
    fits = [run for run, one in runs.items() if np.array_equal(in_file, stored(where, one).ravel())]
    assert found == min(fits, default=0)


# ------------------------------------------------------------------------------ reading slabs


@given(
    st.data(), specs(side=6), layouts, seeds, st.booleans(), st.integers(1, 4), st.integers(1, 300)
)
def test_slabs_come_whole_whoever_asks(
    data: st.DataObject,
    spec: StackSpec,
    layout: str,
    seed: int,
    big: bool,
    threads: int,
    step: int,
):
    stack = numbers_of(seed, spec)
    slabs = list(iter_slabs(spec, *data.draw(slab_sizes(spec))))
    with stream_of(stored(stack, layout, big_endian=big), layout, step=step) as stream:
        assert stream.run_pixels
        assert same_numbers(read_by_workers(stream, slabs, threads), stack)
    chosen = data.draw(st.permutations(range(spec.channels)))[: data.draw(st.integers(1, 4))]
    with stream_of(stored(stack, layout, big_endian=big), layout, step=step) as stream:
        (some,) = select_channels([stream], chosen)
        assert isinstance(some, StreamReader)
        assert same_numbers(read_by_workers(some, slabs, threads), stack[..., chosen, :, :])


def test_slabs_are_turned_in_blocks_too_large_for_one():
    stack = numbers(1, (70, 50, 60), "float64")
    with stream_of(stored(stack, "HWC"), "HWC") as stream:
        assert same_numbers(read_by_workers(stream, [Slab(0, 1, 0, 3000)], 1), stack)


def test_a_slab_waits_for_those_before_it():
    stack = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    first, second = Slab(0, 1, 0, 5), Slab(0, 1, 5, 12)
    read = {slab: np.empty((1, 2, slab.pixels), np.uint8) for slab in (first, second)}
    with stream_of(stored(stack, "HWC"), "HWC") as stream:
        reader = stream.slabs()

        def ask(slab: Slab) -> None:
            reader.read(slab, read[slab], np.empty(reader.scratch_bytes, np.uint8))

        later = threading.Thread(target=ask, args=(second,))
        later.start()
        time.sleep(0.02)
        assert later.is_alive()
        ask(first)
        later.join(10)
        assert not later.is_alive()
    whole = np.concatenate([read[first], read[second]], axis=2).reshape(2, 3, 4)
    assert np.array_equal(whole, stack)


@given(st.integers(0, 19), st.integers(1, 4))
def test_nobody_waits_for_a_worker_that_failed(bad: int, threads: int):
    spec = StackSpec(3, 10, 10, "uint8")
    slabs = list(iter_slabs(spec, 1, 5))
    # The pipe stays open: nobody may go on to wait for it, either.
    content = stored(numbers_of(1, spec), "HWC")
    with stream_of(content, "HWC", stays_open=True) as stream, pytest.raises(WorkError):
        read_by_workers(stream, slabs, threads, fails_at=slabs[bad])


def test_nobody_waits_for_a_program_that_sends_nothing():
    """One thread waits for its bytes and one for its turn, when a third gives up."""
    spec = StackSpec(3, 10, 10, "uint8")
    half = stored(numbers_of(1, spec), "HWC")
    begun = time.monotonic()
    raw = RawSpec((10, 10, 3), "uint8")
    with fifo_of(half.tobytes()[:150], stays_open=True) as path:
        reader = opening.open_input(str(path), layout="HWC", raw=raw)
        assert isinstance(reader, StreamReader)
        slabs = list(iter_slabs(spec, 1, 25))
        with reader, pytest.raises(WorkError):
            read_by_workers(reader, slabs, 4, fails_at=slabs[3])
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [1, 150, 299, 301, 600])
def test_a_stream_of_another_length(size: int, threads: int):
    slabs = list(iter_slabs(StackSpec(3, 10, 10, "uint8"), 1, 7))
    raw = RawSpec((10, 10, 3), "uint8")
    with fifo_of(bytes(size)) as path:
        reader = opening.open_input(str(path), layout="HWC", raw=raw)
        assert isinstance(reader, StreamReader)
        match = (
            f"ends {300 - size} bytes early" if size < 300 else "continues after the array of 300"
        )
        with reader, pytest.raises(DataError, match=match):
            read_by_workers(reader, slabs, threads)


def test_who_comes_after_a_failure_is_told():
    with stream_of(np.zeros((2, 2, 3), np.uint8), "HWC") as stream:
        reader = stream.slabs()
        reader.abandon()
        with pytest.raises(ReadWriteError, match="not read to its end, since the job has failed"):
            reader.read(
                Slab(0, 1, 0, 4), np.empty((1, 3, 4)), np.empty(reader.scratch_bytes, np.uint8)
            )


# ------------------------------------------------------------------------------------- jobs


def layers_of(weight: Array) -> Any:
    return make_layers([ChannelMap(weight, np.zeros(len(weight)), "weights")], [])


def apply(
    inputs: Sequence[str], weight: Array, output: Path, *, layout: str = "CHW", **settings: Any
) -> ApplyJob:
    settings["scale"] = scale_of(settings.get("scale"))
    chosen = ApplySettings(**{"memory": 64 * MIB, "threads": 2} | settings)
    with ExitStack() as stack:
        opened = [stack.enter_context(opening.open_input(name, layout=layout)) for name in inputs]
        job = ApplyJob(
            opened,
            layers_of(weight),
            opening.make_target(str(output), inputs=opened),
            chosen,
        )
        job.run(lambda step, done, total: None)
    return job


def learn(
    path: Path, wanted: Wanted, *, memory: int, threads: int, layout: str = "HWC"
) -> tuple[LearnJob, Statistics]:
    with opening.open_input(str(path), layout=layout) as reader:
        job = LearnJob([reader], LearnSettings(memory, threads, wanted=wanted))
        return job, job.run(lambda step, done, total: None)


def same_statistics(one: Statistics, two: Statistics) -> bool:
    pairs = [(one.pixels.mean, two.pixels.mean), (one.pixels.comoment, two.pixels.comoment)]
    if one.per_channel is not None and two.per_channel is not None:
        pairs += [(one.per_channel.mean, two.per_channel.mean)]
        pairs += [(one.per_channel.minimum, two.per_channel.minimum)]
    return all(np.array_equal(first, second) for first, second in pairs)


@pytest.fixture
def no_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("something was laid aside")

    monkeypatch.setattr(Spool, "__init__", refuse)


def npy_bytes(stack: Array, layout: str = "HWC") -> bytes:
    array = stored(stack, layout)
    return format_header(array.shape, array.dtype.name) + array.tobytes()


@pytest.mark.usefixtures("no_spool")
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize(
    ("batch", "layout"),
    [(batch, layout) for batch in ((), (3,), (40,)) for layout in ("HWC", "HCW")]
    + [((40,), "CHW")],
)
@pytest.mark.parametrize(("memory", "threads"), [(1 * MIB, 1), (2 * MIB, 3), (64 * MIB, 2)])
def test_the_same_bytes_without_a_spool(
    tmp_path: Path, dtype: str, batch: tuple[int, ...], layout: str, memory: int, threads: int
):
    side = 20 if batch == (40,) else 90
    stack = numbers(3, (*batch, 5, side, side + 1), dtype, spread=1)
    weight = numbers(4, (3, 5), "float64", spread=1)
    np.save(tmp_path / "x.npy", stack)
    apply([str(tmp_path / "x.npy")], weight, tmp_path / "file.npy")
    with fifo_of(npy_bytes(stack, layout)) as pipe:
        job = apply(
            [str(pipe)],
            weight,
            tmp_path / "pipe.npy",
            layout=layout,
            memory=memory,
            threads=threads,
        )
    assert job.plan.strategy == "slab"
    assert job.plan.total_bytes <= memory
    assert (tmp_path / "pipe.npy").read_bytes() == (tmp_path / "file.npy").read_bytes()


@pytest.mark.usefixtures("no_spool")
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(pixels=True, per_channel=True)])
@pytest.mark.parametrize("layout", ["HWC", "HCW"])
@pytest.mark.parametrize(("memory", "threads"), [(2 * MIB, 1), (3 * MIB, 3), (64 * MIB, 2)])
def test_the_same_statistics_without_a_spool(
    tmp_path: Path, wanted: Wanted, layout: str, memory: int, threads: int
):
    stack = numbers(3, (5, 150, 151), "float32", spread=1)
    stack[2, 7, 9] = np.nan
    path = save_npy(tmp_path / "x.npy", stored(stack, "HWC"))
    _, known = learn(path, wanted, memory=64 * MIB, threads=2)
    with fifo_of(npy_bytes(stack, layout)) as pipe:
        job, found = learn(pipe, wanted, memory=memory, threads=threads, layout=layout)
    assert job.plan.strategy == "slab"
    assert job.plan.total_bytes <= memory
    assert same_statistics(found, known)


@pytest.mark.usefixtures("no_spool")
def test_beside_a_file(tmp_path: Path):
    """Two pipes and a file in one stack, each in an order of its own."""
    stack = numbers(5, (6, 90, 70), "float32", spread=1)
    weight = numbers(4, (3, 6), "float64", spread=1)
    np.save(tmp_path / "whole.npy", stack)
    save_npy(tmp_path / "part.npy", stored(stack[2:4], "HWC"))
    apply([str(tmp_path / "whole.npy")], weight, tmp_path / "file.npy")
    with fifo_of(npy_bytes(stack[:2])) as one, fifo_of(npy_bytes(stack[4:])) as two:
        inputs = [str(one), str(tmp_path / "part.npy"), str(two)]
        apply(inputs, weight, tmp_path / "pipe.npy", layout="HWC", threads=3)
    assert (tmp_path / "pipe.npy").read_bytes() == (tmp_path / "file.npy").read_bytes()


@pytest.mark.parametrize(
    ("layout", "batch", "memory"),
    [("HCW", (), 4 * MIB), ("CHW", (2,), 4 * MIB), ("CHW", (), 64 * MIB)],
)
def test_runs_that_take_too_much_memory_are_laid_aside(
    tmp_path: Path, layout: str, batch: tuple[int, ...], memory: int
):
    stack = numbers(5, (*batch, 40, 20, 3600), "float32", spread=1)  # a row has 576 kB
    weight = numbers(4, (3, 40), "float64", spread=1)
    np.save(tmp_path / "x.npy", stack)
    apply([str(tmp_path / "x.npy")], weight, tmp_path / "file.npy")
    with fifo_of(npy_bytes(stack, layout)) as pipe:
        job = apply([str(pipe)], weight, tmp_path / "pipe.npy", layout=layout, memory=memory)
    assert job.plan.spool_input_bytes == stack.nbytes
    assert (tmp_path / "pipe.npy").read_bytes() == (tmp_path / "file.npy").read_bytes()


def test_what_is_read_twice_is_laid_aside(tmp_path: Path):
    stack = numbers(5, (4, 90, 70), "float32", spread=1)
    weight = numbers(4, (3, 4), "float64", spread=1)
    path = save_npy(tmp_path / "x.npy", stored(stack, "HWC"))
    apply([str(path)], weight, tmp_path / "file.npy", layout="HWC", scale="auto")
    with fifo_of(npy_bytes(stack)) as pipe:
        job = apply([str(pipe)], weight, tmp_path / "pipe.npy", layout="HWC", scale="auto")
    assert job.plan.spool_input_bytes == stack.nbytes
    assert (tmp_path / "pipe.npy").read_bytes() == (tmp_path / "file.npy").read_bytes()


def test_neighbours_are_laid_aside(tmp_path: Path):
    stack = numbers(5, (4, 90, 70), "float32", spread=1)
    path = save_npy(tmp_path / "x.npy", stored(stack, "HWC"))
    wanted = Wanted(differences=("right", "lower"))
    _, known = learn(path, wanted, memory=64 * MIB, threads=2)
    with fifo_of(npy_bytes(stack)) as pipe:
        job, found = learn(pipe, wanted, memory=64 * MIB, threads=2)
    assert job.plan.spool_input_bytes == stack.nbytes
    assert same_statistics(found, known)


def test_a_stream_that_goes_on_leaves_no_output(tmp_path: Path):
    stack = numbers(5, (4, 90, 70), "float32", spread=1)
    with (
        fifo_of(npy_bytes(stack) + b"x") as pipe,
        pytest.raises(DataError, match="continues after"),
    ):
        apply([str(pipe)], np.ones((1, 4)), tmp_path / "out.npy", layout="HWC")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------- the program

CHANNELS, SIDE = 16, 1200  # 92 MB, eleven times the memory
SETTINGS = ["--raw", "--dtype-in", "f4", "--memory", "8M", "-q"]
SHAPES = {
    "HWC": f"{{rows}},{SIDE},{CHANNELS}",
    "HCW": f"{{rows}},{CHANNELS},{SIDE}",
    "CHW": f"{{rows}},{CHANNELS},20,{SIDE // 20}",
}


def start_zeros(rows: int, *, then: str = "") -> subprocess.Popen[bytes]:
    """Something that sends rows of a stack of zeros, and then does something else."""
    size = rows * SIDE * CHANNELS * ITEM_BYTES["float32"]
    # Its own group, so that what it has started goes with it.
    return subprocess.Popen(
        ["bash", "-c", f"head -c {size} /dev/zero; {then}"],
        stdout=subprocess.PIPE,
        process_group=0,
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    np.save(tmp_path / "w.npy", np.ones((1, CHANNELS)))
    return tmp_path


JOBS = {
    "apply": ["apply", "-", "-w", "w.npy", "-o", "out.npy"],
    "stats": ["stats", "-"],
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
@pytest.mark.parametrize("command", JOBS)
@pytest.mark.parametrize("layout", SHAPES)
def test_memory_does_not_grow_with_the_stream(command: str, layout: str, weights: Path):
    folder = weights / "tmp"
    folder.mkdir()
    job = [*JOBS[command], *SETTINGS, "--layout", layout, "--threads", "2"]
    peaks = []
    for rows in (1, SIDE):
        shape = f"--shape={SHAPES[layout].format(rows=rows)}"
        with start_zeros(rows) as source:
            peaks.append(
                peak_memory(*job, shape, cwd=weights, stdin=source.stdout, TMPDIR=str(folder))
            )
        assert source.returncode == 0
        (weights / "out.npy").unlink(missing_ok=True)
    assert peaks[1] - peaks[0] < 8 * 1.1 * MIB + 4 * MIB


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
@pytest.mark.parametrize("command", JOBS)
@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_stream_that_stalls_lays_nothing_aside_and_can_be_stopped(
    command: str, threads: str, weights: Path
):
    shape = f"--shape={SIDE},{SIDE},{CHANNELS}"
    args = [*JOBS[command], *SETTINGS, "--layout", "HWC", "--threads", threads, shape]
    source = start_zeros(SIDE // 2, then="sleep 60")
    process = subprocess.Popen(
        [PROGRAM, *args],
        cwd=weights,
        env=environment(TMPDIR=str(weights)),
        stdin=source.stdout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # pytest's own is a nameless file
    )
    try:
        assert source.stdout is not None
        source.stdout.close()
        wait_until_it_waits(process)
        open_files = [os.readlink(path) for path in Path(f"/proc/{process.pid}/fd").iterdir()]
        assert not [name for name in open_files if "deleted" in name or "memfd" in name]
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        os.killpg(source.pid, signal.SIGKILL)
        source.wait()
    assert sorted(path.name for path in weights.iterdir()) == ["w.npy"]


def wait_until_it_waits(process: subprocess.Popen[bytes]) -> None:
    """Wait until a program uses no more of the processor: it has read what there was."""
    used, quiet = "", 0
    while quiet < 4:
        assert process.poll() is None
        time.sleep(0.05)
        now = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11]
        quiet = quiet + 1 if now == used and int(now) > 0 else 0
        used = now
