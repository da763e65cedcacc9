"""The pass that learning needs: what numpy says, to the same bits however it is run."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from strategies import batches, examples, new_folder, seeds

from onebyone_cli.api.asked import asked_of
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, ReadWriteError, ShapeMismatchError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.learners import statistics as gathered
from onebyone_cli.learners.moments import Moments
from onebyone_cli.learners.moments_file import load_moments, save_moments
from onebyone_cli.learners.statistics import Statistics, empty_statistics
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.sampling import choose_runs
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.operations.meaning import Asked
from onebyone_cli.operations.ordered_merge import OrderedMerge
from onebyone_cli.spec import Slab
from onebyone_cli.stack.stack import Stack

#: Rows and columns from a pixel to its neighbour.
STEPS = {"right": (0, 1), "lower": (1, 0), "lowerright": (1, 1)}

#: Everything that can be gathered in one pass without labels.
EVERYTHING = {"per_channel": True, "differences": tuple(STEPS)}


# --- running a job ------------------------------------------------------------------------------


@contextmanager
def planned(
    paths: list[Any],
    *,
    memory: int = 1 << 26,
    threads: int = 2,
    layout: str = "CHW",
    mask: Any = None,
    labels: Any = None,
    nodata: float | None = None,
    asked: Asked | None = None,
    **more: Any,
) -> Iterator[LearnJob]:
    with ExitStack() as stack:

        def opened(path: Any, layout: str = ""):
            reader = opening.open_input(str(path), layout=layout)
            stack.callback(reader.close)
            return reader

        job = LearnJob(
            [opened(path, layout) for path in paths],
            LearnSettings(memory, threads, asked or asked_of(nodata), **more),
            mask=mask and opened(mask),
            labels=labels and opened(labels),
        )
        assert job.plan.total_bytes <= memory
        yield job


def gather(paths: list[Any], *, sample: int = 0, **more: Any) -> Statistics:
    with planned(paths, **more) as job:
        (chosen,) = choose_runs([job], sample, seed=1) if sample else [None]
        return job.run(lambda step, done, total: None, chosen)


def learn(paths: list[Any], **more: Any) -> Moments:
    return gather(paths, **more).pixels


def least_memory(paths: list[Any], **more: Any) -> int:
    """About the smallest budget that a job runs in."""
    for quarters in range(8, 200):
        memory = int(2 ** (quarters / 4) * 1024)
        try:
            with planned(paths, memory=memory, **more):
                return memory
        except UsageError:
            continue
    raise AssertionError("no memory is enough")


def bits(statistics: Statistics) -> dict[str, Any]:
    """Every bit of what was gathered, by what it is."""
    sets = {"pixels": statistics.pixels, **statistics.differences, **(statistics.classes or {})}
    found: dict[Any, Any] = {
        name: (m.count, m.invalid, *(a.tobytes() for a in (m.mean, m.rest, m.comoment)))
        for name, m in sets.items()
    }
    per_channel = statistics.per_channel
    if per_channel is not None:
        fields = ("count", "minimum", "maximum", "mean", "rest", "squares")
        found["statistics"] = [getattr(per_channel, field).tobytes() for field in fields]
    found["labels"] = statistics.classes is not None
    found["sample"] = (statistics.sampled.shape, statistics.sampled.tobytes())
    return found


# --- what numpy says ----------------------------------------------------------------------------


@dataclass
class Scene:
    """A stack, and which of its numbers count."""

    x: np.ndarray
    nodata: float | None = None
    mask: np.ndarray | None = None
    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None

    @property
    def stacks(self) -> np.ndarray:
        """float64, shape (items, C, H, W)."""
        return self.x.astype(np.float64).reshape(-1, *self.x.shape[-3:])

    @property
    def numbers_valid(self) -> np.ndarray:
        """Which numbers count where channels count by themselves, shape (items, C, H, W)."""
        valid = np.isfinite(self.stacks)
        if self.nodata is not None:
            valid &= self.stacks != self.nodata
        if self.mask is not None:
            valid &= self.mask.reshape(-1, 1, *self.x.shape[-2:]) != 0
        return valid

    @property
    def valid(self) -> np.ndarray:
        """Which pixels are valid in every channel, shape (items, H, W)."""
        return self.numbers_valid.all(axis=1)

    @property
    def pixels(self) -> np.ndarray:
        """The valid ones, shape (C, n)."""
        return np.moveaxis(self.stacks, 1, 0)[:, self.valid]

    def differences(self, direction: str) -> np.ndarray:
        """Each valid pixel less its valid neighbour, both within the window, shape (C, n)."""
        down, right = STEPS[direction]
        rows, columns = slice(*self.rows or (None,)), slice(*self.columns or (None,))
        x, valid = self.stacks[:, :, rows, columns], self.valid[:, rows, columns]
        height, width = valid.shape[1:]
        here = np.s_[..., : max(height - down, 0), : max(width - right, 0)]
        there = np.s_[..., down:, right:]
        with np.errstate(invalid="ignore"):
            left = x[here] - x[there]
        return np.moveaxis(left, 1, 0)[:, valid[here] & valid[there]]

    def gather(self, folder: Path, **more: Any) -> Statistics:
        np.save(folder / "x.npy", self.x)
        if self.mask is not None:
            np.save(folder / "mask.npy", self.mask)
            more["mask"] = folder / "mask.npy"
        wanted = more.pop("wanted", EVERYTHING) | {"rows": self.rows, "columns": self.columns}
        return gather([folder / "x.npy"], nodata=self.nodata, wanted=Wanted(**wanted), **more)


def assert_moments(found: Moments, pixels: np.ndarray, tolerance: float = 1e-12) -> None:
    """Compare with those of some pixels (C, n), each entry with the spread of its two channels."""
    assert found.count == pixels.shape[1]
    if not found.count:
        assert not found.comoment.any()
        return
    # Shifted by a pixel first: a mean of 1e6 rounds to 1e-10, and constant channels stay so.
    centred = pixels - pixels[:, :1]
    shift = centred.mean(axis=1, keepdims=True)
    centred -= shift
    comoment = centred @ centred.T
    size = np.sqrt(np.multiply.outer(comoment.diagonal(), comoment.diagonal()))
    assert (np.abs(found.comoment - comoment) <= tolerance * size).all()
    mean = (pixels[:, :1] + shift)[:, 0]
    largest = np.abs(pixels).max()
    np.testing.assert_allclose(found.mean, mean, rtol=1e-14, atol=1e-14 * max(largest, 1))
    assert (np.abs(found.rest) <= np.spacing(np.abs(found.mean))).all()


def assert_statistics(statistics: Statistics, scene: Scene) -> None:
    found = statistics.per_channel
    assert found is not None
    stacks, valid = scene.stacks, scene.numbers_valid
    for channel in range(len(found.count)):
        numbers = stacks[:, channel][valid[:, channel]]
        assert found.count[channel] == len(numbers)
        extremes = (numbers.min(), numbers.max()) if len(numbers) else (np.inf, -np.inf)
        assert (found.minimum[channel], found.maximum[channel]) == extremes
        centred = numbers - numbers[:1]
        shift = centred.sum() / max(len(numbers), 1)
        mean = float(numbers[:1].sum() + shift)
        squares = np.square(centred - shift).sum()
        assert found.mean[channel] == pytest.approx(
            mean, rel=1e-14, abs=1e-14 * np.abs(numbers).max(initial=1)
        )
        assert found.squares[channel] == pytest.approx(squares, rel=1e-12, abs=0)
        if len(numbers) > 1:
            assert found.deviation[channel] == pytest.approx(numbers.std(ddof=1), rel=1e-9)
        else:
            assert np.isnan(found.deviation[channel])


sides = st.integers(1, 8)
#: Planes of several tiles, whose rows do not end where tiles do.
large_planes = st.tuples(st.integers(100, 160), st.integers(120, 200))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Stacks of whole numbers, which every type holds, with holes of every kind."""
    large = draw(st.integers(0, 4)) == 0
    height, width = draw(large_planes if large else st.tuples(sides, sides))
    shape = (*(() if large else draw(batches)), draw(st.integers(1, 4)), height, width)
    dtype = draw(st.sampled_from(["uint8", "int16", "float16", "int32", "float32", "float64"]))
    rng = np.random.default_rng(draw(seeds))
    base = draw(st.sampled_from([0, 10**6])) if np.dtype(dtype).itemsize >= 4 else 0
    x = (rng.integers(0, draw(st.sampled_from([1, 3, 100])), shape) + base).astype(dtype)
    if x.dtype.kind == "f":
        holes = rng.random(shape) < draw(st.sampled_from([0, 0.03, 0.4]))
        x[holes] = rng.choice([np.nan, np.inf, -np.inf], np.count_nonzero(holes))
        if draw(st.integers(0, 5)) == 0:
            x[..., rng.integers(shape[-3]), :, :] = np.nan
    mask = draw(st.sampled_from([None, "one for all", "one for each"]))
    if mask:
        leading = (*shape[:-3], 1) if mask == "one for each" else ()
        mask = rng.integers(-1, 3, (*leading, height, width)).astype("int8")
    unheard = {"f": [-9999, 0.5], "i": [-99], "u": [250]}[x.dtype.kind]
    return Scene(
        x,
        draw(st.sampled_from([None, base + 2, *unheard])),
        mask,
        draw(st.none() | window(height)),
        draw(st.none() | window(width)),
    )


def window(size: int) -> st.SearchStrategy[tuple[int, int]]:
    ends = st.tuples(st.integers(0, size), st.integers(0, size))
    return ends.map(lambda pair: (min(pair), max(pair))).filter(lambda pair: pair[0] < pair[1])


# --- the numbers --------------------------------------------------------------------------------


@given(scenes())
def test_all_that_is_gathered_is_what_numpy_says(scene: Scene):
    with new_folder() as folder:
        statistics = scene.gather(folder)
    assert_moments(statistics.pixels, scene.pixels)
    assert statistics.pixels.invalid == np.count_nonzero(~scene.valid)
    assert_statistics(statistics, scene)
    assert list(statistics.differences) == list(STEPS)
    for direction, moments in statistics.differences.items():
        assert_moments(moments, scene.differences(direction))
    assert statistics.classes is None
    assert not statistics.sample


@given(scenes(), st.data())
def test_classes_are_those_of_the_label_map(scene: Scene, data: st.DataObject):
    rng = np.random.default_rng(data.draw(seeds))
    leading = data.draw(st.sampled_from([(), (*scene.x.shape[:-3], 1)]))
    dtype = data.draw(st.sampled_from(["int8", "uint8", "int64", "uint64"]))
    labels = rng.integers(0, 4, (*leading, *scene.x.shape[-2:])).astype(dtype)
    if dtype.startswith("int"):
        labels[labels == 3] = -7
    elif dtype == "uint64":
        labels[labels == 3] = 2**64 - 1
    with new_folder() as folder:
        np.save(folder / "labels.npy", labels)
        statistics = scene.gather(folder, wanted={"pixels": False}, labels=folder / "labels.npy")
        more = scene.gather(folder, labels=folder / "labels.npy")
        without = scene.gather(folder)
    of_pixels = np.broadcast_to(labels.reshape(-1, *scene.x.shape[-2:]), scene.valid.shape)
    of_pixels = of_pixels[scene.valid]
    assert statistics.classes is not None
    assert set(statistics.classes) == {int(label) for label in np.unique(of_pixels)} - {0}
    for label, moments in statistics.classes.items():
        assert_moments(moments, scene.pixels[:, of_pixels == label])
    assert statistics.pixels.count == 0
    assert statistics.invalid == scene.valid.size - statistics.count
    assert statistics.overall.count == np.count_nonzero(of_pixels)
    # Labels add the classes to what else is wanted, and change no bit of it.
    assert bits(more) == bits(without) | bits(statistics) | {"pixels": bits(without)["pixels"]}
    more.leave_out_unlabelled()
    assert bits(more)["pixels"] == bits(statistics)["pixels"]


@given(scenes(), st.data())
def test_the_sample_is_the_valid_pixels_of_the_chosen_runs(scene: Scene, data: st.DataObject):
    wanted = data.draw(st.integers(1, 200))
    with new_folder() as folder:
        whole = scene.gather(folder, wanted={"sample": True}, sample=wanted)
        runs = scene.gather(folder, wanted={"sample": True}, sample=wanted, runs_only=True)
        with planned([folder / "x.npy"]) as job:
            (chosen,) = choose_runs([job], wanted, seed=1)
    pixels = scene.valid[0].size
    of_item = -(-pixels // 64)
    items, places = np.divmod(np.arange(scene.valid.size), pixels)
    in_runs = np.isin(items * of_item + places // 64, chosen)
    kept = in_runs & scene.valid.ravel()
    sample = np.moveaxis(scene.stacks, 1, 0).reshape(scene.x.shape[-3], -1)[:, kept]
    assert np.array_equal(whole.sampled, sample)
    assert np.array_equal(runs.sampled, sample)
    # What is looked at besides is all pixels, or those of the runs alone.
    assert_moments(whole.pixels, scene.pixels)
    assert_moments(runs.pixels, sample)
    assert runs.invalid == np.count_nonzero(in_runs) - sample.shape[1]


def test_neighbours_are_never_those_of_another_item_or_row(tmp_path: Path):
    height, width = 6, 7
    np.save(
        tmp_path / "items.npy", np.broadcast_to(np.arange(9.0).reshape(9, 1, 1, 1), (9, 1, 6, 7))
    )
    statistics = gather([tmp_path / "items.npy"], wanted=Wanted(**EVERYTHING))
    pairs = {"right": height * (width - 1), "lower": (height - 1) * width, "lowerright": 30}
    for direction, count in pairs.items():
        assert statistics.differences[direction].count == 9 * count
        assert not statistics.differences[direction].mean.any()
        assert not statistics.differences[direction].comoment.any()
    np.save(tmp_path / "columns.npy", np.broadcast_to(np.arange(width) ** 2.0, (2, height, width)))
    right = gather([tmp_path / "columns.npy"], wanted=Wanted(**EVERYTHING)).differences["right"]
    assert right.mean.tolist() == [-6.0, -6.0]  # (0 − 36) / 6, and no step from 36 back to 0


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 1, 50), (2, 50, 1), (4, 2, 1, 3), (1, 1, 9000)])
def test_planes_without_neighbours_in_a_direction_have_no_pairs(tmp_path: Path, shape):
    scene = Scene(np.random.default_rng().normal(size=shape))
    statistics = scene.gather(tmp_path)
    height, width = shape[-2:]
    for direction, (down, right) in STEPS.items():
        pairs = max(height - down, 0) * max(width - right, 0) * scene.valid.shape[0]
        assert statistics.differences[direction].count == pairs
        assert_moments(statistics.differences[direction], scene.differences(direction))


def test_nodata_is_rounded_as_the_numbers_of_the_file_are(tmp_path: Path):
    x = np.random.default_rng().normal(size=(2, 9, 9)).astype(np.float32)
    x[0, 2, 3] = x[1, 4, 5] = 0.1
    np.save(tmp_path / "x.npy", x)
    statistics = gather([tmp_path / "x.npy"], nodata=0.1, wanted=Wanted(**EVERYTHING))
    assert statistics.invalid == 2
    assert statistics.per_channel.count.tolist() == [80, 80]


def test_a_mask_leaves_out_where_it_is_zero_or_unknown(tmp_path: Path):
    x = np.random.default_rng().normal(size=(2, 4, 5))
    mask = np.array([[0.0, np.nan, 1.0, -2.0, np.inf]] * 4)
    kept = Scene(x, mask=np.array([[0, 0, 1, 1, 1]] * 4)).gather(tmp_path)
    np.save(tmp_path / "unknown.npy", mask)
    paths = {"mask": tmp_path / "unknown.npy", "wanted": Wanted(**EVERYTHING)}
    found = gather([tmp_path / "x.npy"], **paths)
    assert (found.pixels.count, found.invalid) == (12, 8)
    np.testing.assert_array_equal(found.pixels.comoment, kept.pixels.comoment)
    np.testing.assert_array_equal(found.per_channel.count, kept.per_channel.count)


def test_a_channel_that_is_never_valid_leaves_the_others_their_statistics(tmp_path: Path):
    x = np.random.default_rng().normal(size=(3, 80, 90))
    x[1] = np.nan
    scene = Scene(x)
    statistics = scene.gather(tmp_path)
    assert_statistics(statistics, scene)
    assert statistics.per_channel.count.tolist() == [7200, 0, 7200]
    assert (statistics.pixels.count, statistics.pixels.invalid) == (0, 7200)
    assert not any(moments.count for moments in statistics.differences.values())


@pytest.mark.parametrize(
    ("dtype", "mean"), [("float32", 1e6), ("float64", 1e6), ("float16", 1e3), ("uint16", 6e4)]
)
def test_fifty_channels_with_a_large_mean_keep_their_digits(tmp_path: Path, dtype, mean):
    rng = np.random.default_rng()
    x = rng.standard_normal((50, 71, 97))
    x += 0.5 * x[::-1] + np.linspace(-1, 1, 71)[:, None]
    x = (x + mean).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    pixels = x.reshape(50, -1).astype(np.float64)
    moments = learn([tmp_path / "x.npy"])
    expected = np.cov(pixels - pixels.mean(axis=1, keepdims=True))
    size = np.sqrt(np.multiply.outer(expected.diagonal(), expected.diagonal()))
    assert np.abs((moments.covariance - expected) / size).max() < 1e-10
    assert_moments(moments, pixels)


def test_infinite_squares_are_no_error_here(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.random.default_rng().normal(size=(2, 30, 200)) * 1e200)
    statistics = gather([tmp_path / "x.npy"], wanted=Wanted(**EVERYTHING))
    assert not np.isfinite(statistics.pixels.comoment).any()
    assert statistics.pixels.invalid == 0


# --- the bits -----------------------------------------------------------------------------------

#: By name, what is gathered: settings beside the stack.
KINDS: dict[str, dict[str, Any]] = {
    "everything": {"wanted": Wanted(**EVERYTHING)},
    "window": {"wanted": Wanted(differences=tuple(STEPS), rows=(1, 4), columns=(2, 5))},
    "sample": {"wanted": Wanted(sample=True, per_channel=True), "sample": 150},
    "runs": {"wanted": Wanted(sample=True, **EVERYTHING), "sample": 150, "runs_only": True},
    "classes": {"labels": "labels.npy"},
    "runs of classes": {"labels": "labels.npy", "sample": 150, "runs_only": True},
}


def written(folder: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Save a stack with holes, a mask for all and a label map for all; return the stack."""
    rng = np.random.default_rng()
    x = rng.normal(1e4, 9, shape).astype(dtype)
    x[..., 0, 2, 1:4] = 3
    if x.dtype.kind == "f":
        x[..., 1, :2, :3] = np.nan
    np.save(folder / "x.npy", x)
    np.save(folder / "mask.npy", rng.random(shape[-2:]) < 0.9)
    np.save(folder / "labels.npy", rng.integers(-1, 3, shape[-2:]))
    return x


def settings_of(folder: Path, kind: str) -> dict[str, Any]:
    labels = {"labels": folder / "labels.npy"} if "labels" in KINDS[kind] else {}
    return {"nodata": 3, "mask": folder / "mask.npy"} | KINDS[kind] | labels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 190, 131), (31, 2, 6, 5), (2, 2, 140, 60)])
def test_bits_depend_on_neither_memory_nor_threads(tmp_path: Path, kind, shape):
    written(tmp_path, shape, "float32")
    paths, chosen = [tmp_path / "x.npy"], settings_of(tmp_path, kind)
    expected = bits(gather(paths, **chosen, threads=1))
    planning = {name: value for name, value in chosen.items() if name != "sample"}
    least = least_memory(paths, **planning)
    plans = set()
    for memory in (least, 2 * least, 4 * least, 1 << 27):
        for threads in (1, 2, 4):
            with planned(paths, memory=memory, threads=threads, **planning) as job:
                plans.add((job.plan.slab_items, job.plan.slab_pixels, job.plan.threads))
                small = job.input.pixels <= job.plan.tile_pixels
            assert bits(gather(paths, **chosen, memory=memory, threads=threads)) == expected
    # The plans were truly different, or there was nothing to see.
    assert len(plans) > 2
    if "runs" not in kind:
        small = shape[-2] * shape[-1] < 8192
        assert any(items > 1 for items, _, _ in plans) == small
        assert any(pixels < shape[-2] * shape[-1] for _, pixels, _ in plans) == (not small)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 70, 91), (3, 2, 6, 5)])
def test_bits_depend_on_no_container(tmp_path: Path, kind, shape):
    x = written(tmp_path, shape, "float32")
    *leading, _, _, _ = range(x.ndim)
    hwc = np.ascontiguousarray(x.transpose(*leading, -2, -1, -3))
    np.save(tmp_path / "hwc.npy", hwc)
    np.save(tmp_path / "f.npy", np.asfortranarray(x))
    np.save(tmp_path / "big.npy", x.astype(">f4"))
    np.save(tmp_path / "wide.npy", x.astype(np.float64))
    np.save(tmp_path / "a.npy", x[..., :1, :, :])
    np.save(tmp_path / "b.npy", x[..., 1:, :, :])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["plain"] = x
        chunks = (*(1 for _ in leading), 2, 5, 4)
        file.create_dataset("chunked", data=x, chunks=chunks, compression="gzip", shuffle=True)
    chosen = settings_of(tmp_path, kind)
    expected = bits(gather([tmp_path / "x.npy"], **chosen))
    for name in ("f.npy", "big.npy", "wide.npy", "x.h5:plain", "x.h5:chunked"):
        assert bits(gather([tmp_path / name], **chosen)) == expected, name
    assert bits(gather([tmp_path / "hwc.npy"], layout="HWC", **chosen)) == expected
    assert bits(gather([tmp_path / "a.npy", tmp_path / "b.npy"], **chosen)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_bits_of_images_are_those_of_an_array(tmp_path: Path, kind):
    x = written(tmp_path, (4, 65, 70), "uint16")
    (tmp_path / "folder").mkdir()
    for channel, plane in enumerate(x):
        Image.fromarray(plane).save(tmp_path / "folder" / f"{channel}.png")
    chosen = settings_of(tmp_path, kind)
    expected = bits(gather([tmp_path / "x.npy"], **chosen))
    assert bits(gather([tmp_path / "folder"], **chosen)) == expected
    assert bits(gather([tmp_path / "folder"], memory=2_500_000, threads=4, **chosen)) == expected


def test_tiles_have_the_bits_that_they_have_alone(tmp_path: Path):
    # NaN in one tile makes its slab suspect, which must not show in the tiles after it.
    x = np.random.default_rng().normal(1e3, 1, (2, 4, 8192))
    x[0, 1, 5] = np.nan
    np.save(tmp_path / "x.npy", x)
    alone = empty_statistics(2)
    for row in range(4):
        np.save(tmp_path / "row.npy", x[:, row : row + 1])
        alone.merge(gather([tmp_path / "row.npy"], wanted=Wanted(per_channel=True)))
    whole = gather([tmp_path / "x.npy"], wanted=Wanted(per_channel=True), threads=1)
    assert bits(whole) == bits(alone)


# --- parts --------------------------------------------------------------------------------------


@given(scenes(), st.data())
@settings(max_examples=examples(30))
def test_parts_joined_through_files_are_the_whole(scene: Scene, data: st.DataObject):
    scene.rows = scene.columns = None
    height = scene.x.shape[-2]
    cuts = data.draw(st.lists(st.integers(1, height), max_size=3, unique=True))
    edges = sorted({0, height, *cuts})
    wanted = {"per_channel": True, "differences": ("right",)}
    rng = np.random.default_rng(data.draw(seeds))
    labels = rng.integers(-1, 3, scene.x.shape[-2:])
    labels[: rng.integers(height + 1)] = 0  # some parts may have no pixel of any class
    with new_folder() as folder:
        parts = []
        for top, bottom in pairwise(edges):
            mask = None if scene.mask is None else scene.mask[..., top:bottom, :]
            np.save(folder / "labels.npy", labels[top:bottom])
            part = Scene(scene.x[..., top:bottom, :], scene.nodata, mask).gather(
                folder, wanted=wanted, labels=folder / "labels.npy"
            )
            path = folder / f"{top}.npz"
            save_moments(str(path), part, {}, Publication())
            parts.append((part, load_moments(str(path))[0]))
    for order in (range(len(parts)), data.draw(st.permutations(range(len(parts))))):
        direct, loaded = empty_statistics(scene.x.shape[-3]), empty_statistics(scene.x.shape[-3])
        for index in order:
            direct.merge(parts[index][0])
            loaded.merge(parts[index][1])
        assert bits(direct) == bits(loaded)
        assert_moments(loaded.pixels, scene.pixels)
        assert loaded.invalid == np.count_nonzero(~scene.valid)
        assert_moments(loaded.differences["right"], scene.differences("right"))
        assert_statistics(loaded, scene)
        of_pixels = np.broadcast_to(labels, scene.valid.shape)[scene.valid]
        assert set(loaded.classes) == {int(label) for label in np.unique(of_pixels)} - {0}
        for label, moments in loaded.classes.items():
            assert_moments(moments, scene.pixels[:, of_pixels == label])


@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_parts_with_a_drift_keep_their_digits(tmp_path: Path, mean):
    # Means of the parts differ by far more than they are rounded.
    x = np.random.default_rng().standard_normal((3, 90, 60)) + mean
    x += np.linspace(0, 30, 90)[:, None]
    scene = Scene(x)
    for order in (range(9), reversed(range(9))):
        whole = empty_statistics(3)
        for index in order:
            part = Scene(x[:, 10 * index : 10 * index + 10])
            whole.merge(part.gather(tmp_path, wanted={"per_channel": True}))
        assert_moments(whole.pixels, scene.pixels, tolerance=1e-13)
        assert_statistics(whole, scene)


# --- refusals -----------------------------------------------------------------------------------


def test_sizes_that_disagree_and_too_little_memory(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4)))
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 5)))
    with pytest.raises(ShapeMismatchError, match="3×5"):
        learn([tmp_path / "a.npy", tmp_path / "b.npy"])
    with pytest.raises(UsageError, match="memory="):
        learn([tmp_path / "a.npy"], memory=1000)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"rows": (0, 4)}, r"noise_rows=0:4 is not within the 3 there are"),
        ({"rows": (2, 2)}, r"noise_rows=2:2"),
        ({"columns": (-1, 2)}, r"noise_cols=-1:2 is not within the 5 there are"),
        ({"columns": (4, 3)}, r"noise_cols=4:3"),
    ],
)
def test_windows_that_are_not_in_the_plane(tmp_path: Path, given, what):
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 5)))
    with pytest.raises(UsageError, match=what):
        gather([tmp_path / "x.npy"], wanted=Wanted(differences=("right",), **given))


@pytest.mark.parametrize(("channels", "memory"), [(40, 6_000_000), (1, 3_000_000)])
def test_more_classes_than_memory_holds(tmp_path: Path, channels: int, memory: int):
    np.save(tmp_path / "x.npy", np.zeros((channels, 16, 128), np.float32))
    np.save(tmp_path / "labels.npy", np.arange(16 * 128).reshape(16, 128))
    with pytest.raises(UsageError, match="classes, and the moments of so many outgrow memory="):
        gather([tmp_path / "x.npy"], labels=tmp_path / "labels.npy", memory=memory)


def test_more_classes_than_any_map_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gathered, "MOST_CLASSES", 20)
    np.save(tmp_path / "x.npy", np.zeros((1, 4, 6), np.float32))
    np.save(tmp_path / "labels.npy", np.arange(24).reshape(4, 6) % 21)
    gather([tmp_path / "x.npy"], labels=tmp_path / "labels.npy")
    np.save(tmp_path / "labels.npy", np.arange(24).reshape(4, 6) % 22)
    with pytest.raises(DataError, match="to more than 20; expected fewer: is it a map") as caught:
        gather([tmp_path / "x.npy"], labels=tmp_path / "labels.npy")
    assert caught.value.path == str(tmp_path / "labels.npy")


def test_an_input_that_changes_meanwhile(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((2, 30, 40)))
    with planned([tmp_path / "x.npy"]) as job:
        np.save(tmp_path / "x.npy", np.zeros((2, 30, 41)))
        with pytest.raises(ReadWriteError, match="changed while it was being read"):
            job.run(lambda step, done, total: None)


def test_who_is_far_ahead_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.save(tmp_path / "x.npy", np.random.default_rng().normal(size=(20, 900, 900)))
    expected = bits(gather([tmp_path / "x.npy"]))
    read, most = Stack.read, 0

    def read_slowly(self: Stack, slab: Slab, *rest: Any) -> None:
        if slab.start == 0:
            time.sleep(0.5)
        read(self, slab, *rest)

    add = OrderedMerge.add

    def add_and_count(self: OrderedMerge[Statistics], *rest: Any) -> None:
        nonlocal most
        add(self, *rest)
        most = max(most, len(self._waiting))

    monkeypatch.setattr(Stack, "read", read_slowly)
    monkeypatch.setattr(OrderedMerge, "add", add_and_count)
    with planned([tmp_path / "x.npy"], memory=12_000_000, threads=2) as job:
        tiles = 2 * -(-job.plan.slab_pixels // job.plan.tile_pixels)
        assert job.plan.threads == 2
        assert tiles + 32 < 900 * 900 // job.plan.tile_pixels
    assert bits(gather([tmp_path / "x.npy"], memory=12_000_000)) == expected
    assert 0 < most <= tiles + 32


def test_nobody_waits_for_a_worker_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.save(tmp_path / "x.npy", np.zeros((20, 900, 900)))
    read = Stack.read

    def fail(self: Stack, slab: Slab, *rest: Any) -> None:
        if slab.start == 0:
            time.sleep(0.3)
            raise ReadWriteError("broken")
        read(self, slab, *rest)

    monkeypatch.setattr(Stack, "read", fail)
    with pytest.raises(ReadWriteError, match="broken"):
        gather([tmp_path / "x.npy"], memory=12_000_000)
