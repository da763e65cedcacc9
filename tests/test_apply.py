"""The main promise: right within rounding, and the same bytes however a job is cut."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import (
    DTYPES,
    Array,
    dot_bound,
    laid_out,
    layouts,
    new_folder,
    numbers,
    numbers_of,
    same_numbers,
    save_npy,
    seeds,
    specs,
    stored,
)

from onebyone_cli.api.asked import asked_of
from onebyone_cli.arithmetic.conv1x1 import Layer, make_layers
from onebyone_cli.commit import temporaries
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import (
    DataError,
    OutputRefusedError,
    ReadWriteError,
    ShapeMismatchError,
    UsageError,
)
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.writer import Storage
from onebyone_cli.operations.apply.job import ApplyJob
from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings, scale_of
from onebyone_cli.plan.memory import Plan
from onebyone_cli.plan.tiles import tile_pixels
from onebyone_cli.spec import StackSpec, arithmetic_dtype
from onebyone_cli.weights.channel_map import ChannelMap

MIB = 1 << 20


# ------------------------------------------------------------------------------ running jobs


@dataclass
class Done:
    """What a job did."""

    plan: Plan
    report: ApplyReport
    steps: list[tuple[str, int, int]] = field(default_factory=list)


def settings_of(
    memory: int, threads: int, scale: Any = None, nodata: float | None = None, **more: Any
) -> ApplySettings:
    asked = asked_of(nodata)
    return ApplySettings(memory, threads, **{"asked": asked, "scale": scale_of(scale), **more})


def run(
    inputs: Sequence[Path | str],
    layers: Sequence[Layer],
    output: Path | str,
    *,
    layout: str = "CHW",
    memory: int = 256 * MIB,
    threads: int = 1,
    storage: Storage | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
    **settings: Any,
) -> Done:
    """Do what ``onebyone apply`` does."""
    with ExitStack() as stack:
        opened = []
        for name in inputs:
            share = memory // 2 // len(inputs)
            opened.append(opening.open_input(str(name), layout=layout, memory=share))
            stack.callback(opened[-1].close)

        target = opening.make_target(
            str(output), inputs=opened, publication=Publication(force=True), storage=storage
        )
        job = ApplyJob(opened, layers, target, settings_of(memory, threads, **settings))
        assert job.plan.total_bytes <= memory
        steps: list[tuple[str, int, int]] = []

        def note(*step: Any) -> None:
            steps.append(step)
            if on_progress is not None:
                on_progress(*step)

        report = job.run(note)
        assert (report.input, report.output) == (job.input, job.output)
        assert not temporaries._under_way
        return Done(job.plan, report, steps)


def result(path: Path) -> Array:
    return np.load(path, allow_pickle=False)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights(seed: int, k: int, c: int, *, bias: bool = False, size: float = 1) -> ChannelMap:
    rng = np.random.default_rng(seed)
    offset = rng.standard_normal(k) if bias else np.zeros(k)
    return ChannelMap(rng.standard_normal((k, c)) * size, offset, f"weights {seed}")


def layer(matrix: Any, bias: Any = None) -> list[Layer]:
    matrix = np.array(matrix, float)
    offset = np.zeros(len(matrix)) if bias is None else np.array(bias, float)
    return [Layer(ChannelMap(matrix, offset, "typed"))]


def exact(channel_map: ChannelMap, stack: Array) -> Array:
    """The definition, in float64."""
    y = np.einsum("kc,...chw->...khw", channel_map.weight, stack.astype(np.float64))
    return y + channel_map.bias[:, None, None]


def bound(channel_map: ChannelMap, stack: Array, dtype: str) -> Array:
    *batch, c, h, w = stack.shape
    flat = stack.reshape(*batch, c, h * w)
    limit = dot_bound(channel_map.weight, flat, channel_map.bias, float(np.finfo(dtype).eps))
    return limit.reshape(*batch, -1, h, w)


# ------------------------------------------------------------------------------- containers


def save_h5(path: Path, array: Array, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("stack", data=array, **options)
    return path


def chunks_of(array: Array) -> tuple[int, ...]:
    """Chunks that fit no axis."""
    return tuple(min(size, 1 + size // 3 + size % 3) for size in array.shape)


#: How to save a stack, by name; each returns the inputs and the layout to name.
Saved = tuple[list[Path], str]
CONTAINERS: dict[str, Callable[[Path, Array], Saved]] = {}


def container(
    name: str,
) -> Callable[[Callable[[Path, Array], Saved]], Callable[[Path, Array], Saved]]:
    def add(save: Callable[[Path, Array], Saved]) -> Callable[[Path, Array], Saved]:
        CONTAINERS[name] = save
        return save

    return add


for _layout in ("CHW", "HWC", "HCW"):
    for _order in "CF":

        @container(f"npy {_layout} {_order}")
        def _npy(folder: Path, stack: Array, layout: str = _layout, order: str = _order) -> Saved:
            return [save_npy(folder / "in.npy", stored(stack, layout, order))], layout


@container("npy big-endian")
def _big(folder: Path, stack: Array) -> Saved:
    return [save_npy(folder / "in.npy", stored(stack, big_endian=True))], "CHW"


@container("npy HWC big-endian F")
def _big_last(folder: Path, stack: Array) -> Saved:
    return [save_npy(folder / "in.npy", stored(stack, "HWC", "F", big_endian=True))], "HWC"


@container("h5 contiguous")
def _h5(folder: Path, stack: Array) -> Saved:
    return [save_h5(folder / "in.h5", stack)], "CHW"


@container("h5 HWC big-endian")
def _h5_big(folder: Path, stack: Array) -> Saved:
    return [save_h5(folder / "in.h5", stored(stack, "HWC", big_endian=True))], "HWC"


@container("h5 gzip")
def _h5_gzip(folder: Path, stack: Array) -> Saved:
    options = {"chunks": chunks_of(stack), "compression": "gzip", "shuffle": True}
    return [save_h5(folder / "in.h5", stack, **options)], "CHW"


@container("h5 HWC lzf")
def _h5_lzf(folder: Path, stack: Array) -> Saved:
    array = laid_out(stack, "HWC")
    options = {"chunks": chunks_of(array), "compression": "lzf", "fletcher32": True}
    return [save_h5(folder / "in.h5", array, **options)], "HWC"


@container("parts")
def _parts(folder: Path, stack: Array) -> Saved:
    """Several files, one after the other along the channels."""
    channels = stack.shape[-3]
    cuts = sorted({0, channels // 3, channels // 2, channels})
    files = []
    for start, stop in pairwise(cuts):
        part = stack[..., start:stop, :, :]
        if len(files) % 2:
            files.append(save_h5(folder / f"part{start}.h5", part))
        else:
            files.append(save_npy(folder / f"part{start}.npy", stored(part, "CHW", "F")))
    return files, "CHW"


every_container = pytest.mark.parametrize("name", CONTAINERS)


# ------------------------------------------------------------------------- within rounding


@given(
    st.data(),
    specs(channels=st.integers(1, 6), side=20),
    seeds,
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(["auto", "auto", "float64", "float32"]),
)
def test_every_container_type_and_batch_against_float64(
    data: st.DataObject, spec: StackSpec, seed: int, k: int, bias: bool, compute: str
):
    stack = numbers_of(seed, spec)
    channel_map = weights(seed, k, spec.channels, bias=bias)
    name = data.draw(st.sampled_from(sorted(CONTAINERS)))
    memory = data.draw(st.sampled_from([2 * MIB, 3 * MIB, 64 * MIB]))
    threads = data.draw(st.sampled_from([1, 2, 4]))
    with new_folder() as folder:
        inputs, layout = CONTAINERS[name](folder, stack)
        done = run(
            inputs,
            [Layer(channel_map)],
            folder / "out.npy",
            layout=layout,
            memory=memory,
            threads=threads,
            compute=compute,
        )
        y = result(folder / "out.npy")
    dtype = arithmetic_dtype([spec.dtype], compute)
    assert y.dtype == dtype
    assert done.report.output == StackSpec(k, spec.height, spec.width, dtype, spec.batch)
    # Asked for float32, wider numbers are rounded once more, when they are read.
    slack = 2 if compute == "float32" else 1
    limit = slack * bound(channel_map, stack, dtype)
    assert (np.abs(y - exact(channel_map, stack)) <= limit).all()


@given(st.data(), seeds, st.integers(1, 4), st.integers(1, 4))
def test_planes_of_several_tiles_against_float64(data: st.DataObject, seed: int, c: int, k: int):
    """More than a tile, and a last one that is not full."""
    height, width = data.draw(st.integers(60, 110)), data.draw(st.integers(70, 130))
    dtype = data.draw(st.sampled_from(["float32", "float64", "uint16"]))
    batch = data.draw(st.sampled_from([(), (2,)]))
    spec = StackSpec(c, height, width, dtype, batch)
    stack = numbers_of(seed, spec)
    channel_map = weights(seed, k, c, bias=True)
    name = data.draw(st.sampled_from(sorted(CONTAINERS)))
    with new_folder() as folder:
        inputs, layout = CONTAINERS[name](folder, stack)
        run(
            inputs,
            [Layer(channel_map)],
            folder / "out.npy",
            layout=layout,
            memory=data.draw(st.sampled_from([2 * MIB, 5 * MIB, 64 * MIB])),
            threads=data.draw(st.sampled_from([1, 2, 4])),
        )
        y = result(folder / "out.npy")
    limit = bound(channel_map, stack, y.dtype.name)
    assert (np.abs(y - exact(channel_map, stack)) <= limit).all()


@given(specs(side=12), seeds, st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_stacked_inputs_are_one_stack(spec: StackSpec, seed: int, sizes: list[int]):
    """Of different types and containers; the arithmetic holds them all."""
    rng = np.random.default_rng(seed)
    parts = []
    for index, channels in enumerate(sizes):
        dtype = str(rng.choice(DTYPES))
        part = StackSpec(channels, spec.height, spec.width, dtype, spec.batch)
        parts.append(numbers_of(seed + index, part))
    whole = np.concatenate([part.astype(np.float64) for part in parts], axis=-3)
    channel_map = weights(seed, 3, sum(sizes))
    with new_folder() as folder:
        inputs = [save_npy(folder / f"{i}.npy", part) for i, part in enumerate(parts)]
        run(inputs, [Layer(channel_map)], folder / "out.npy", memory=4 * MIB, threads=2)
        y = result(folder / "out.npy")
    assert y.dtype == arithmetic_dtype([part.dtype.name for part in parts])
    assert (np.abs(y - exact(channel_map, whole)) <= bound(channel_map, whole, y.dtype.name)).all()


@given(specs(dtype=st.sampled_from(["float32", "float64"]), side=30), seeds, layouts)
def test_the_identity_copies(spec: StackSpec, seed: int, layout: str):
    stack = numbers_of(seed, spec)
    with new_folder() as folder:
        path = save_npy(folder / "in.npy", stored(stack, layout))
        run([path], layer(np.eye(spec.channels)), folder / "out.npy", layout=layout)
        assert same_numbers(result(folder / "out.npy"), stack)


def test_the_seed_document(tmp_path: Path):
    """Digit 2 and its kernel of ones: the sums are whole numbers, and exact."""
    one = np.array([[1, 1, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]], np.uint8)
    two = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]], np.uint8)
    inputs = [save_npy(tmp_path / "1.npy", one), save_npy(tmp_path / "2.npy", two)]
    run(inputs, layer([[1, 1], [1, -1]]), tmp_path / "out.npy", dtype="int16")
    assert result(tmp_path / "out.npy").tolist() == [
        (one + two).tolist(),
        (one.astype(int) - two).tolist(),
    ]


# --------------------------------------------------------------------------- the same bytes

#: What is done with the stack, by name: the layers, and the choices.
JOBS: dict[str, Callable[[int], tuple[Sequence[Layer], dict[str, Any]]]] = {
    "linear": lambda c: (make_layers([weights(1, 3, c)], []), {}),
    "bias": lambda c: (make_layers([weights(2, 3, c, bias=True)], []), {}),
    "one output": lambda c: (make_layers([weights(3, 1, c)], []), {}),
    "sigmoid": lambda c: (make_layers([weights(4, 3, c, bias=True)], ["sigmoid"]), {}),
    "softmax": lambda c: (make_layers([weights(5, 4, c)], ["softmax"]), {}),
    "argmax": lambda c: (make_layers([weights(6, 4, c)], []), {"collapse": "argmax"}),
    "chain": lambda c: (
        make_layers([weights(7, 6, c, bias=True), weights(8, 5, 6), weights(9, 2, 5)], ["relu"]),
        {},
    ),
    "uint8": lambda c: (
        make_layers([weights(10, 3, c, bias=True, size=60)], []),
        {"dtype": "uint8"},
    ),
    "scale": lambda c: (make_layers([weights(11, 3, c)], []), {"scale": "auto"}),
    "float64": lambda c: (make_layers([weights(12, 3, c)], ["sigmoid"]), {"compute": "float64"}),
    "float16": lambda c: (make_layers([weights(13, 3, c)], []), {"dtype": "float16"}),
}
every_job = pytest.mark.parametrize("job", JOBS)


def least_memory(inputs: Sequence[Path], layers: Sequence[Layer], output: Path, **more: Any) -> int:
    """Find the smallest budget that a job is planned in."""
    low, high = 1, 256 * MIB
    while low < high:
        middle = (low + high) // 2
        with ExitStack() as stack:
            opened = [opening.open_input(str(name)) for name in inputs]
            for reader in opened:
                stack.callback(reader.close)

            target = opening.make_target(str(output), publication=Publication(force=True))
            try:
                ApplyJob(opened, layers, target, settings_of(middle, 1, **more))
                high = middle
            except UsageError:
                low = middle + 1
    return low


def budgets(least: int, count: int = 20) -> list[int]:
    """Budgets from the least to plenty, of every sort of remainder."""
    steps = np.geomspace(least, max(64 * MIB, 8 * least), count - 2)
    return [least, least + 1, *(int(step) for step in steps)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("apply")


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    """A stack of 6 tiles, the last one not full."""
    stack = numbers(20, (5, 131, 173), "float32", spread=1)
    assert stack[0].size > 5 * tile_pixels(stack[0].size, 6, 8)
    return save_npy(folder / "source.npy", stack)


@every_job
def test_the_same_bytes_for_any_memory_and_threads(source: Path, folder: Path, job: str):
    layers, settings = JOBS[job](5)
    least = least_memory([source], layers, folder / "out.npy", **settings)
    digests, plans = set(), set()
    for memory in budgets(least):
        for threads in (1, 2, 4):
            out = folder / "out.npy"
            done = run([source], layers, out, memory=memory, threads=threads, **settings)
            digests.add(digest(out))
            plans.add((done.plan.slab_pixels, done.plan.threads))
    assert len(digests) == 1
    assert len(plans) >= 5, "the budgets should lead to different plans"


@every_job
def test_the_same_bytes_from_any_container(source: Path, folder: Path, job: str):
    layers, settings = JOBS[job](5)
    stack = np.load(source)
    digests = {}
    for index, name in enumerate(CONTAINERS):
        with new_folder() as place:
            inputs, layout = CONTAINERS[name](place, stack)
            memory, threads = (3 * MIB, 2) if index % 2 else (64 * MIB, 1)
            run(
                inputs,
                layers,
                place / "out.npy",
                layout=layout,
                memory=memory,
                threads=threads,
                **settings,
            )
            digests[name] = digest(place / "out.npy")
    assert len(set(digests.values())) == 1, digests


@given(
    st.data(),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["float32", "float64", "uint8"]),
    st.sampled_from(["none", "sigmoid", "softmax"]),
    seeds,
)
def test_the_same_bytes_for_any_number_of_channels(
    data: st.DataObject, c: int, k: int, dtype: str, activation: str, seed: int
):
    """One channel in or out takes another way through BLAS than several."""
    shape = data.draw(
        st.sampled_from([(c, 90, 91), (c, 64, 64), (7, c, 1, 1), (5, c, 1, 3), (30, c, 9, 11)])
    )
    stack = numbers(seed, shape, dtype, spread=1)
    layers = make_layers([weights(seed, k, c, bias=True)], [activation])
    with new_folder() as place:
        path = save_npy(place / "in.npy", stack)
        least = least_memory([path], layers, place / "out.npy")
        extra = st.one_of(st.integers(0, 1 << 14), st.integers(0, 4 * MIB))
        digests = set()
        for threads in (1, 2, 4):
            memory = least + data.draw(extra)
            run([path], layers, place / "out.npy", memory=memory, threads=threads)
            digests.add(digest(place / "out.npy"))
    assert len(digests) == 1


@pytest.mark.parametrize(
    "shape", [(200, 33, 1, 1), (200, 5, 3, 7), (3, 300, 40, 60), (2, 9, 70, 70)]
)
def test_the_same_bytes_for_batches(folder: Path, shape: tuple[int, ...]):
    """Small planes travel together, as many as the memory takes; wide stacks have narrow tiles."""
    path = save_npy(folder / "batch.npy", numbers(30, shape, "float32", spread=1))
    layers = make_layers([weights(30, 7, shape[1], bias=True)], ["sigmoid"])
    least = least_memory([path], layers, folder / "out.npy")
    digests = set()
    for memory in budgets(least):
        for threads in (1, 3):
            run([path], layers, folder / "out.npy", memory=memory, threads=threads)
            digests.add(digest(folder / "out.npy"))
    assert len(digests) == 1


def test_items_of_a_batch_have_the_bytes_they_have_alone(folder: Path):
    stack = numbers(31, (4, 5, 70, 80), "float32")
    layers = make_layers([weights(31, 3, 5)], ["softmax"])
    path = save_npy(folder / "batch.npy", stack)
    run([path], layers, folder / "whole.npy", threads=2)
    whole = result(folder / "whole.npy")
    for index, item in enumerate(stack):
        run([save_npy(folder / "item.npy", item)], layers, folder / "alone.npy")
        assert same_numbers(result(folder / "alone.npy"), whole[index])


@pytest.mark.parametrize("job", ["linear", "sigmoid", "uint8"])
@pytest.mark.parametrize("storage", [Storage(), Storage("gzip", shuffle=True)])
def test_the_same_bytes_in_h5(source: Path, folder: Path, job: str, storage: Storage):
    layers, settings = JOBS[job](5)
    run([source], layers, folder / "out.npy", **settings)
    digests = set()
    for memory in (4 * MIB, 7 * MIB, 64 * MIB):
        for threads in (1, 4):
            out = folder / "out.h5"
            run([source], layers, out, memory=memory, threads=threads, storage=storage, **settings)
            digests.add(digest(out))
    assert len(digests) == 1
    # Through the identity, back into a .npy: the numbers are those of the other container.
    dtype = settings.get("dtype", "float32")
    run([folder / "out.h5"], layer(np.eye(3)), folder / "back.npy", dtype=dtype)
    assert digest(folder / "back.npy") == digest(folder / "out.npy")


def test_the_same_bytes_through_images(folder: Path):
    """uint8 out to a folder, and in again: spools on both sides, in memory and in a file."""
    stack = numbers(32, (3, 150, 160), "uint8")
    path = save_npy(folder / "photo.npy", stack)
    layers = layer([[0.2, 0.7, 0.1], [1, -1, 0.5]], [0.25, 3])
    run([path], layers, folder / "out.npy", dtype="uint8")
    for memory in (2 * MIB, 64 * MIB):
        done = run([path], layers, f"{folder}/images/", dtype="uint8", memory=memory, threads=2)
        assert done.plan.strategy == "spool"
        assert {step for step, _, _ in done.steps} == {"applying", "writing"}
        images = [f"{folder}/images/"]
        done = run(images, layer(np.eye(2)), folder / "back.npy", dtype="uint8", memory=memory)
        assert {step for step, _, _ in done.steps} == {"reading", "applying"}
        assert digest(folder / "back.npy") == digest(folder / "out.npy")


@pytest.mark.parametrize("memory", [2 * MIB, 64 * MIB])
@pytest.mark.parametrize("layout", ["CHW", "HWC"])
def test_the_same_bytes_from_a_pipe(source: Path, tmp_path: Path, memory: int, layout: str):
    layers, _ = JOBS["sigmoid"](5)
    run([source], layers, tmp_path / "file.npy")
    stack = np.load(source)
    content = save_npy(tmp_path / "stored.npy", stored(stack, layout)).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    done = run([pipe], layers, tmp_path / "piped.npy", layout=layout, memory=memory, threads=2)
    writer.join()
    # Pixels that come one after another need not be laid aside.
    assert done.plan.spool_input_bytes == (0 if layout == "HWC" else stack.nbytes)
    assert done.plan.input_in_memory == (memory == 64 * MIB and layout != "HWC")
    assert digest(tmp_path / "piped.npy") == digest(tmp_path / "file.npy")


# ------------------------------------------------------------------------------ not a number


def holes(spec: StackSpec, seed: int, share: float = 0.02) -> Array:
    """Pixels, (items, pixels), that will be invalid: always the first and the last."""
    hit = np.random.default_rng(seed).random((spec.items, spec.pixels)) < share
    hit[:, 0] = hit[:, -1] = True
    return hit


def pierced(spec: StackSpec, hit: Array, seed: int, value: float = np.nan) -> Array:
    """A stack with a value in one random channel of the pixels that were hit."""
    stack = numbers(seed, (spec.items, spec.channels, spec.pixels), spec.dtype, spread=1)
    channel = np.random.default_rng(seed).integers(0, spec.channels, hit.shape)
    for item, pixel in np.argwhere(hit):
        stack[item, channel[item, pixel], pixel] = value
    return stack.reshape(spec.shape)


COUNTS = (1, 2, 3, 5, 16, 17)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("plane", [(1, 1), (3, 5), (16, 16), (70, 80)])
def test_nan_reaches_every_output_channel(tmp_path: Path, plane: tuple[int, int], dtype: str):
    """Even where a row has weight 0; no channel that no row uses; the count is right."""
    for c in COUNTS:
        spec = StackSpec(c, *plane, dtype, (2,))
        stack = pierced(spec, holes(spec, c), c)
        path = save_npy(tmp_path / "in.npy", stack)
        for k in COUNTS:
            for matrix in (np.zeros((k, c)), np.eye(k, c)):
                # One channel stays where no weight is left.
                used = matrix.any(axis=0) | (not matrix.any()) * (np.arange(c) == 0)
                hit = np.isnan(stack.reshape(2, c, -1)[:, used]).any(axis=1)
                done = run([path], layer(matrix), tmp_path / "out.npy", threads=2)
                found = np.isnan(result(tmp_path / "out.npy")).reshape(2, k, -1)
                assert (found == hit[:, None]).all(), (c, k)
                assert done.report.invalid_pixels == np.count_nonzero(hit)


@pytest.mark.parametrize("job", ["bias", "sigmoid", "softmax", "chain", "float16", "float64"])
def test_nan_passes_through_every_kind_of_layer(tmp_path: Path, job: str):
    spec = StackSpec(5, 70, 80, "float32")
    hit = holes(spec, 1)
    path = save_npy(tmp_path / "in.npy", pierced(spec, hit, 1))
    layers, settings = JOBS[job](5)
    done = run([path], layers, tmp_path / "out.npy", **settings)
    found = np.isnan(result(tmp_path / "out.npy")).reshape(len(layers[-1].map.weight), -1)
    assert (found == hit).all()
    assert done.report.invalid_pixels == np.count_nonzero(hit)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["", "float32", "int16"])
def test_nan_has_no_largest_channel(tmp_path: Path, k: int, dtype: str):
    spec = StackSpec(3, 70, 80, "float32")
    hit = holes(spec, 2)
    path = save_npy(tmp_path / "in.npy", pierced(spec, hit, 2))
    layers = make_layers([weights(2, k, 3)], [])
    fill = {} if dtype == "float32" else {"nan_to": 99}
    done = run([path], layers, tmp_path / "out.npy", collapse="argmax", dtype=dtype, **fill)
    y = result(tmp_path / "out.npy").reshape(-1)
    assert y.dtype == (dtype or "uint8")
    assert (y[~hit[0]] < k).all()
    missing = np.isnan(y) if dtype == "float32" else y == 99
    assert (missing == hit[0]).all()
    assert done.report.invalid_pixels == np.count_nonzero(hit)


@given(specs(dtype=st.just("float32"), side=9), seeds, st.sampled_from([-9999.0, 0.0, 255.0]))
def test_nodata_pixels_stay_nodata(spec: StackSpec, seed: int, nodata: float):
    hit = holes(spec, seed, 0.2)
    stack = pierced(spec, hit, seed, nodata)
    layers = make_layers([weights(seed, 3, spec.channels)], [])
    with new_folder() as place:
        path = save_npy(place / "in.npy", stack)
        done = run([path], layers, place / "out.npy", nodata=nodata)
        y = result(place / "out.npy").reshape(spec.items, 3, -1)
        run([path], layers, place / "plain.npy")
        plain = result(place / "plain.npy").reshape(spec.items, 3, -1)
    hits = np.broadcast_to(hit[:, None], y.shape)
    assert (y[hits] == nodata).all()
    assert (y[~hits] == plain[~hits]).all()
    assert done.report.invalid_pixels == np.count_nonzero(hit)
    assert done.report.replaced == 3 * np.count_nonzero(hit)


@pytest.mark.parametrize("compute", ["auto", "float32", "float64"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("nodata", [0.1, -3.4028235e38, -9999.9, 1e300, np.inf])
def test_nodata_is_a_value_of_the_file(tmp_path: Path, dtype: str, nodata: float, compute: str):
    """Typed in decimal, rounded as the file's numbers are, whatever the arithmetic."""
    stack = np.ones((2, 3, 4), dtype)
    with np.errstate(over="ignore"):
        stack[1, 1, 2] = nodata
    beyond = np.isinf(stack[1, 1, 2]) and not np.isinf(nodata)
    path = save_npy(tmp_path / "in.npy", stack)
    two = save_npy(tmp_path / "wide.npy", np.ones((1, 3, 4), np.int64))
    for inputs in ([path], [path, two]):
        layers = layer(np.ones((1, len(inputs) + 1)))
        if beyond:
            with pytest.raises(UsageError, match="no number of the input can be"):
                run(inputs, layers, tmp_path / "out.npy", nodata=nodata, compute=compute)
            continue
        done = run(inputs, layers, tmp_path / "out.npy", nodata=nodata, nan_to=7, compute=compute)
        assert done.report.invalid_pixels == 1
        assert result(tmp_path / "out.npy")[0, 1, 2] == 7


@pytest.mark.parametrize("value", [np.nan, -9999.0])
@pytest.mark.parametrize(
    ("settings", "filled"),
    [
        ({}, None),
        ({"nan_to": -1.0}, -1.0),
        ({"dtype": "uint8", "nan_to": 255.0}, 255),
        ({"dtype": "float16"}, None),
        ({"nan_to": np.nan}, None),
    ],
)
def test_what_invalid_pixels_become(
    tmp_path: Path, value: float, settings: dict[str, Any], filled: float | None
):
    spec = StackSpec(3, 70, 80, "float32")
    hit = holes(spec, 3)
    path = save_npy(tmp_path / "in.npy", pierced(spec, hit, 3, value))
    if not np.isnan(value):
        settings = settings | {"nodata": value}
        filled = value if filled is None and "nan_to" not in settings else filled
    layers = layer(np.abs(weights(3, 2, 3).weight), [100, 100])
    done = run([path], layers, tmp_path / "out.npy", **settings)
    y = result(tmp_path / "out.npy").reshape(2, -1)
    if filled is None:
        assert np.isnan(y[:, hit[0]]).all()
    else:
        assert (y[:, hit[0]] == np.array(filled, y.dtype)).all()
    assert not np.isnan(y[:, ~hit[0]]).any()
    assert done.report.invalid_pixels == np.count_nonzero(hit)
    assert done.report.replaced == (0 if filled is None else 2 * np.count_nonzero(hit))


@pytest.mark.parametrize("value", [0, 255])
def test_nodata_of_integers(tmp_path: Path, value: int):
    stack = np.arange(1, 241, dtype=np.uint8).reshape(2, 10, 12)
    stack[1, 4, 5] = value
    path = save_npy(tmp_path / "in.npy", stack)
    done = run([path], layer([[1, 1]]), tmp_path / "out.npy", nodata=value, nan_to=-1)
    y = result(tmp_path / "out.npy")[0]
    assert y[4, 5] == -1
    assert np.count_nonzero(y == -1) == done.report.invalid_pixels == done.report.replaced == 1


def test_nodata_is_no_truth_value(tmp_path: Path):
    stack = np.array([[[False, True, True]]])
    path = save_npy(tmp_path / "in.npy", stack)
    for value, invalid in ((1, 2), (0, 1)):
        done = run([path], layer([[1]]), tmp_path / "out.npy", nodata=value, nan_to=-1)
        assert done.report.invalid_pixels == invalid
    for value in (-9999, 2, 0.5):
        with pytest.raises(UsageError, match="the type is bool"):
            run([path], layer([[1]]), tmp_path / "out.npy", nodata=value)


def test_nan_that_the_output_can_not_hold(tmp_path: Path):
    stack = np.zeros((2, 70, 80), np.float32)
    stack[1, 69, 79] = np.nan
    path = save_npy(tmp_path / "in.npy", stack)
    (tmp_path / "out.npy").write_bytes(b"old")
    with pytest.raises(DataError, match="the result has NaN, which uint8 can't hold"):
        run([path], layer([[1, 1]]), tmp_path / "out.npy", dtype="uint8", threads=2)
    assert (tmp_path / "out.npy").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["in.npy", "out.npy"]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize(
    "settings", [{}, {"activation": "relu"}, {"activation": "softmax"}, {"collapse": "rms"}]
)
def test_infinite_numbers_are_invalid(tmp_path: Path, value: float, settings: dict[str, Any]):
    """Whatever hides an infinity: activations of two layers, and weights of 0."""
    stack = np.ones((2, 70, 80), np.float32)
    stack[1, 4, 5] = value
    path = save_npy(tmp_path / "in.npy", stack)
    activation = settings.pop("activation", "none")
    maps = [each.map for each in (*layer([[1, 0], [-1, 1]]), *layer([[1, 0]]))]
    done = run([path], make_layers(maps, [activation]), tmp_path / "out.npy", **settings)
    y = result(tmp_path / "out.npy")
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 4, 5]]
    assert done.report.invalid_pixels == 1


def test_a_sum_that_overflows_is_a_result(tmp_path: Path):
    stack = np.full((2, 1, 3), 3e38, np.float32)
    stack[1, 0, 1] = np.inf
    path = save_npy(tmp_path / "in.npy", stack)
    done = run([path], layer([[1, 1]]), tmp_path / "out.npy")
    assert np.array_equal(
        result(tmp_path / "out.npy")[0, 0], [np.inf, np.nan, np.inf], equal_nan=True
    )
    assert done.report.invalid_pixels == 1


@pytest.mark.parametrize("layout", ["CHW", "HWC"])
def test_numbers_beyond_the_arithmetic_are_invalid_as_infinities_are(tmp_path: Path, layout: str):
    """--compute float32 was asked for; a warning of numpy's says nothing to anybody."""
    stack = np.array([[[1e300, 1.0]], [[1.0, 2.0]]])
    path = save_npy(tmp_path / "in.npy", stored(stack, layout))
    done = run([path], layer([[1, 1]]), tmp_path / "out.npy", compute="float32", layout=layout)
    assert np.array_equal(result(tmp_path / "out.npy"), [[[np.nan, 3]]], equal_nan=True)
    assert done.report.invalid_pixels == 1


# ------------------------------------------------------------------------------------ scale


@given(specs(side=12), seeds, st.sampled_from(["uint8", "uint16", "int16"]), st.booleans())
def test_scale_auto_is_the_range_of_the_result(
    spec: StackSpec, seed: int, dtype: str, missing: bool
):
    stack = numbers_of(seed, spec)
    if missing and stack.dtype.kind == "f":
        stack.reshape(-1)[0] = np.nan
    layers = make_layers([weights(seed, 2, spec.channels)], [])
    options: dict[str, Any] = {"dtype": dtype, "nan_to": 0}
    with new_folder() as place:
        path = save_npy(place / "in.npy", stack)
        run([path], layers, place / "float.npy")
        y = result(place / "float.npy")
        finite = y[np.isfinite(y)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        auto = run([path], layers, place / "auto.npy", scale="auto", threads=2, **options)
        run([path], layers, place / "range.npy", scale=(low, high), **options)
        assert digest(place / "auto.npy") == digest(place / "range.npy")
        scaled = result(place / "auto.npy")
    assert auto.report.saturated == 0
    assert {step for step, _, _ in auto.steps} == {"measuring", "applying"}
    if low < high:
        info = np.iinfo(dtype)
        assert (scaled[y == low] == info.min).all()
        assert (scaled[y == high] == info.max).all()


def test_scale_without_a_type_is_uint8(tmp_path: Path):
    path = save_npy(tmp_path / "in.npy", np.arange(12, dtype=np.float32).reshape(1, 3, 4))
    run([path], layer([[2]]), tmp_path / "out.npy", scale="auto")
    y = result(tmp_path / "out.npy")
    assert y.dtype == np.uint8
    assert y.reshape(-1)[[0, -1]].tolist() == [0, 255]


def test_saturated_values_are_counted(tmp_path: Path):
    path = save_npy(tmp_path / "in.npy", np.arange(-50, 350, dtype=np.int16).reshape(1, 20, 20))
    done = run([path], layer([[1]]), tmp_path / "out.npy", dtype="uint8", threads=2)
    assert done.report.saturated == 50 + 350 - 256
    expected = np.clip(np.arange(-50, 350), 0, 255)
    assert result(tmp_path / "out.npy").reshape(-1).tolist() == expected.tolist()


# ----------------------------------------------------------------------------------- memory


@contextmanager
def watched(*, poison: bool) -> Iterator[dict[threading.Thread, int]]:
    """Count the bytes that ``numpy.empty`` gives in each thread; fill them with NaN on request."""
    given_out: dict[threading.Thread, int] = {}
    empty = np.empty

    def count(*args: Any, **options: Any) -> Array:
        array = empty(*args, **options)
        ours = threading.current_thread()
        given_out[ours] = given_out.get(ours, 0) + array.nbytes
        if poison:
            array.view(np.uint8).fill(0xFF)
        return array

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "empty", count)
        yield given_out


@every_job
@pytest.mark.parametrize("memory", [4 * MIB, 64 * MIB])
def test_the_plan_counts_what_workers_allocate(source: Path, tmp_path: Path, job: str, memory: int):
    layers, settings = JOBS[job](5)
    with watched(poison=False) as given_out:
        done = run([source], layers, tmp_path / "out.npy", memory=memory, threads=4, **settings)
    passes = 2 if settings.get("scale") == "auto" else 1  # one after the other
    for allocated in given_out.values():
        assert allocated <= passes * done.plan.worker_bytes
    assert sum(given_out.values()) <= passes * done.plan.total_bytes
    # And it does not promise twice of what is needed.
    assert max(given_out.values()) * 2 >= done.plan.worker_bytes


@every_job
@pytest.mark.parametrize("shape", [(5, 131, 173), (40, 5, 3, 7)])
def test_what_lay_in_memory_before_does_not_matter(
    tmp_path: Path, job: str, shape: tuple[int, ...]
):
    """Buffers full of NaN, the padding of the last tile included, change no byte and no count."""
    path = save_npy(tmp_path / "in.npy", numbers(40, shape, "float32", spread=1))
    layers, settings = JOBS[job](5)
    reports = []
    for poison in (False, True):
        with watched(poison=poison):
            out = tmp_path / f"{poison}.npy"
            done = run([path], layers, out, memory=4 * MIB, threads=2, **settings)
            reports.append(done.report)
    assert digest(tmp_path / "False.npy") == digest(tmp_path / "True.npy")
    assert reports[0] == reports[1]
    assert reports[1].invalid_pixels == 0


def test_invalid_pixels_of_one_slab_do_not_show_in_the_next(tmp_path: Path):
    """A worker's buffers still hold the pixels of its last slab; the last tile is padded."""
    stack = np.ones((3, 130, 130), np.float32)
    stack[1].reshape(-1)[: 4 * 4096] = np.nan
    path = save_npy(tmp_path / "in.npy", stack)
    layers = make_layers([weights(1, 2, 3)], ["softmax"])
    least = least_memory([path], layers, tmp_path / "out.npy", nan_to=0)
    done = run([path], layers, tmp_path / "out.npy", memory=least, nan_to=0)
    assert done.plan.slabs == 5
    assert done.report.invalid_pixels == 4 * 4096
    assert done.report.replaced == 2 * 4 * 4096


# ----------------------------------------------------------- what is refused, and what is left


def only_the_input(folder: Path) -> bool:
    return os.listdir(folder) == ["in.npy"]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
@example(3, 2, 2)
def test_a_wrong_number_of_channels_is_seen_before_anything(c: int, k: int, wanted: int):
    layers = make_layers([weights(1, k, wanted)], [])
    with new_folder() as place:
        path = save_npy(place / "in.npy", np.ones((c, 2, 3), np.float32))
        if c == wanted:
            run([path], layers, place / "out.npy")
            return
        with pytest.raises(ShapeMismatchError, match=f"{path} has {c}"):
            run([path], layers, place / "out.npy")
        assert only_the_input(place)


def test_unequal_planes_are_seen_before_anything(tmp_path: Path):
    one = save_npy(tmp_path / "1.npy", np.ones((2, 3, 4)))
    two = save_npy(tmp_path / "2.npy", np.ones((1, 4, 3)))
    with pytest.raises(ShapeMismatchError, match=r"2.npy: has 4×3 pixels .*1.npy has 3×4"):
        run([one, two], layer([[1, 1, 1]]), tmp_path / "out.npy")
    assert sorted(os.listdir(tmp_path)) == ["1.npy", "2.npy"]


def test_an_input_is_never_the_output(tmp_path: Path):
    path = save_npy(tmp_path / "in.npy", np.ones((2, 3, 4)))
    before = path.read_bytes()
    with pytest.raises(OutputRefusedError, match="is an input; an input is never written to"):
        run([path], layer([[1, 1]]), path)
    assert path.read_bytes() == before
    assert only_the_input(tmp_path)


def test_a_budget_that_is_too_small_creates_nothing(tmp_path: Path):
    path = save_npy(tmp_path / "in.npy", np.ones((20, 70, 80), np.float32))
    with pytest.raises(UsageError, match="is too small for this stack"):
        run([path], layer(np.ones((1, 20))), tmp_path / "out.npy", memory=1000)
    assert only_the_input(tmp_path)


@pytest.mark.parametrize("how", ["longer", "shorter", "touched"])
def test_an_input_that_changes_while_it_is_read(tmp_path: Path, how: str):
    path = save_npy(tmp_path / "in.npy", np.ones((4, 200, 200), np.float32))
    layers = layer(np.ones((2, 4)))
    least = least_memory([path], layers, tmp_path / "out.npy")

    def change(step: str, done: int, total: int) -> None:
        if how == "longer":
            with path.open("ab") as file:
                file.write(b"x")
        elif how == "shorter":
            os.truncate(path, 1000)
        else:
            os.utime(path, ns=(1, 1))

    with pytest.raises(ReadWriteError, match=r"in.npy: .*changed while it was being read"):
        run([path], layers, tmp_path / "out.npy", memory=least, on_progress=change)
    assert only_the_input(tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
@pytest.mark.parametrize("threads", [1, 3])
def test_whatever_stops_a_job_leaves_the_old_output(
    tmp_path: Path, error: type[BaseException], threads: int
):
    path = save_npy(tmp_path / "in.npy", np.ones((4, 200, 200), np.float32))
    (tmp_path / "out.npy").write_bytes(b"old")

    before = threading.active_count()

    def stop(step: str, done: int, total: int) -> None:
        raise error

    with pytest.raises(error):
        run([path], layer([[1] * 4]), tmp_path / "out.npy", threads=threads, on_progress=stop)
    assert (tmp_path / "out.npy").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["in.npy", "out.npy"]
    assert threading.active_count() <= before


def test_progress_reaches_its_end_in_every_step(source: Path, tmp_path: Path):
    layers, settings = JOBS["scale"](5)
    done = run([source], layers, tmp_path / "out.npy", memory=4 * MIB, threads=3, **settings)
    for name in {step for step, _, _ in done.steps}:
        counts = [(so_far, total) for step, so_far, total in done.steps if step == name]
        assert counts == sorted(counts)
        assert counts[-1][0] == counts[-1][1]
        assert len({total for _, total in counts}) == 1


def test_a_dry_run_is_a_job_that_is_not_run(tmp_path: Path):
    path = save_npy(tmp_path / "in.npy", np.ones((4, 200, 200), np.float32))
    with opening.open_input(str(path)) as reader:
        job = ApplyJob(
            [reader],
            layer(np.ones((3, 4))),
            opening.make_target(str(tmp_path / "out.npy")),
            ApplySettings(4 * MIB, 2),
        )
        assert job.output == StackSpec(3, 200, 200, "float32")
        assert job.plan.as_dict()["total_bytes"] <= 4 * MIB
    assert only_the_input(tmp_path)
