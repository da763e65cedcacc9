"""Comparing stacks: what numpy says, to the same bits however it is run."""

import json
import math
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import shell
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLOATS, batches, dtypes, examples, new_folder, numbers, seeds

from onebyone_cli.api.asked import asked_of
from onebyone_cli.arithmetic.difference import Differences, Tolerance, psnr, rmse
from onebyone_cli.errors import ReadWriteError, ShapeMismatchError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.operations.compare.job import CompareJob, CompareSettings
from onebyone_cli.operations.compare.picture import DifferenceMap
from onebyone_cli.spec import Slab
from onebyone_cli.stack.in_memory import ArrayInput
from onebyone_cli.stack.stack import Stack

MIB = 1 << 20


def differences(
    a: Path,
    b: Path,
    *,
    memory: int = 64 * MIB,
    threads: int = 2,
    layouts: tuple[str, str] = ("CHW", "CHW"),
    picture: DifferenceMap | None = None,
    **more: Any,
) -> Differences:
    with ExitStack() as stack:
        readers = [
            opening.open_input(str(path), layout=layout)
            for path, layout in zip((a, b), layouts, strict=True)
        ]
        for reader in readers:
            stack.callback(reader.close)
        job = CompareJob(*readers, CompareSettings(memory, threads, **more), picture)
        return job.run(lambda step, done, total: None)


def saved(folder: Path, *arrays: np.ndarray) -> list[Path]:
    paths = [folder / f"{index}.npy" for index in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    return paths


def everything(found: Differences) -> list[Any]:
    """All that was found, to the last bit."""
    told = [getattr(found, each.name) for each in fields(found) if each.name != "angles"]
    angles = found.angles
    return [array.tobytes() for array in told] + [angles.count, angles.total, angles.largest]


@settings(max_examples=examples(60))
@given(seed=seeds, one=dtypes, batch=batches, share=st.sampled_from([0.0, 0.1, 1.0]))
def test_what_numpy_says(seed: int, one: str, batch: tuple[int, ...], share: float):
    rng = np.random.default_rng(seed)
    shape = (*batch, *rng.integers(1, 7, 3).tolist())
    a = numbers(seed, shape, one)
    b = np.where(rng.random(shape) < share, numbers(seed + 1, shape, one), a)
    with new_folder() as folder:
        found = differences(*saved(folder, a, b))
    x, y = (each.reshape(-1, *shape[-3:]) for each in (a, b))
    number = float if one in FLOATS else int  # exact for integers of 64 bits
    pairs = [(x[:, c].ravel().tolist(), y[:, c].ravel().tolist()) for c in range(shape[-3])]
    apart = np.array(
        [[abs(number(p) - number(q)) for p, q in zip(*both, strict=True)] for both in pairs], float
    )
    scale = np.abs(np.array(pairs, float)).max(axis=1)
    relative = np.divide(apart, scale, out=np.zeros_like(apart), where=apart > 0)
    np.testing.assert_array_equal(found.largest, apart.max(axis=1))
    np.testing.assert_array_equal(found.different, (apart > 0).sum(axis=1))
    np.testing.assert_allclose(found.relative, relative.max(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.squares, (apart**2).sum(axis=1), rtol=1e-12)
    assert (found.count == apart.shape[1]).all()
    assert found.are_equal == (apart == 0).all() == found.are_close
    for channel in np.flatnonzero(found.largest):
        item, pixel = int(found.item[channel]), int(found.pixel[channel])
        assert item * x[0, 0].size + pixel == apart[channel].argmax()
        assert found.a[channel] == float(x[item, channel].ravel()[pixel])
        assert found.b[channel] == float(y[item, channel].ravel()[pixel])


@given(seed=seeds, dtype=st.sampled_from(FLOATS), threads=st.integers(1, 3))
def test_invalid_and_infinite_numbers(seed: int, dtype: str, threads: int):
    rng = np.random.default_rng(seed)
    shape = (2, 5, 7)
    special = np.array([0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 7.0], dtype)
    a, b = special[rng.integers(0, 7, shape)], special[rng.integers(0, 7, shape)]
    with new_folder() as folder:
        found = differences(*saved(folder, a, b), threads=threads, asked=asked_of(7.0))
    bad_a, bad_b = (np.isnan(x) | (x == 7) for x in (a, b))
    valid = ~(bad_a | bad_b)
    axes = (1, 2)
    np.testing.assert_array_equal(found.both, (bad_a & bad_b).sum(axes))
    np.testing.assert_array_equal(found.only_a, (bad_a & ~bad_b).sum(axes))
    np.testing.assert_array_equal(found.only_b, (bad_b & ~bad_a).sum(axes))
    np.testing.assert_array_equal(found.count, valid.sum(axes))
    np.testing.assert_array_equal(found.different, (valid & (a != b)).sum(axes))
    same = (a == b) | ~valid
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0, abs(a.astype(float) - b.astype(float)))
    np.testing.assert_array_equal(found.largest, apart.max(axes))
    finite = np.isfinite(a) & ~bad_a
    low = np.min(a, axis=axes, where=finite, initial=np.inf)
    np.testing.assert_array_equal(found.low, low)


@given(seed=seeds, absolute=st.sampled_from([0, 0.5, 2]), relative=st.sampled_from([0, 0.1, 1.0]))
def test_the_tolerance_is_that_of_isclose(seed: int, absolute: float, relative: float):
    rng = np.random.default_rng(seed)
    special = np.array([0.0, 1.0, 1.05, -3.0, 4.0, np.inf, -np.inf])
    a, b = special[rng.integers(0, 7, (1, 4, 9))], special[rng.integers(0, 7, (1, 4, 9))]
    with new_folder() as folder:
        found = differences(*saved(folder, a, b), tolerance=Tolerance(absolute, relative))
    pairs = zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
    close = [math.isclose(p, q, rel_tol=relative, abs_tol=absolute) for p, q in pairs]
    assert found.beyond.tolist() == [close.count(False)]
    assert found.are_close == all(close)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_of_64_bits_are_compared_exactly(dtype: str, tmp_path: Path):
    a = np.array([[[2**53, 2**62, 5]]], dtype)
    found = differences(*saved(tmp_path, a, a + np.array([1, 3, 0], dtype)))
    assert found.different.tolist() == [2]
    assert found.largest.tolist() == [3.0]


@pytest.mark.parametrize("other", ["int64", "int32", "int8"])
def test_signed_and_unsigned_integers_are_compared_exactly(other: str, tmp_path: Path):
    top = int(np.iinfo(other).max)
    signed = np.array([[[top, top, -1, -5]]], other)
    unsigned = np.array([[[top, top - 1, 2**64 - 1, 5]]], "uint64")
    for pair in ((signed, unsigned), (unsigned, signed)):
        found = differences(*saved(tmp_path, *pair))
        assert found.different.tolist() == [3]
        assert found.largest.tolist() == [2.0**64]
    found = differences(*saved(tmp_path, signed[:, :, :2], unsigned[:, :, :2]))
    assert (found.different.tolist(), found.largest.tolist()) == ([1], [1.0])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
@pytest.mark.parametrize("nodata", [-9999.5, 1e30, math.inf, math.nan])
def test_nodata_that_a_type_can_not_hold(dtype: str, nodata: float, tmp_path: Path):
    a = np.array([[[0, 1, 1]]], dtype)
    b = np.array([[[0.0, 0.0, nodata]]])
    found = differences(*saved(tmp_path, a, b), asked=asked_of(nodata))
    assert (found.only_a.tolist(), found.only_b.tolist()) == ([0], [1])
    assert found.different.tolist() == [1]
    if math.isnan(nodata):
        assert differences(*saved(tmp_path, a, a), asked=asked_of(nodata)).count.tolist() == [3]
    else:
        with pytest.raises(UsageError, match="no number of the input can be"):
            differences(*saved(tmp_path, a, a), asked=asked_of(nodata))


@given(seed=seeds, rule=st.sampled_from(["any", "all"]), threads=st.integers(1, 3))
def test_each_stack_has_its_own_meaning(seed: int, rule: Any, threads: int):
    rng = np.random.default_rng(seed)
    shape = (3, 40, 30)
    kept, a, b = rng.random(shape[1:]) < 0.9, *rng.integers(0, 12, (2, *shape)).astype("i2")
    b = np.where(rng.random(shape) < 0.8, a, b)
    said = [
        {"nodata": ((11.0,), (), (9.0, 10.0)), "scale": (0.5, -2.0, 1.0), "offset": (1.0,)},
        {"valid_range": ((1.0, 10.0),), "scale": (0.25,), "offset": (0.0, 3.0, -1.0)},
    ]
    readers = []
    for stack, each in zip((a, b), said, strict=True):
        readers.append(ArrayInput(stack))
        metadata = Metadata(**each)
        readers[-1].about = About("x", load_metadata=lambda metadata=metadata: metadata)
    settings = CompareSettings(1 << 22, threads, asked_of(None, invalid=rule))
    job = CompareJob(*readers, settings, mask=ArrayInput(kept))
    found = job.run(lambda step, done, total: None)
    bad_a, bad_b = np.zeros(shape, bool), (b < 1) | (b > 10)
    bad_a[0], bad_a[2] = a[0] == 11, (a[2] == 9) | (a[2] == 10)
    together = np.any if rule == "any" else np.all
    pixels = [np.count_nonzero(together(bad, axis=0) | ~kept) for bad in (bad_a, bad_b)]
    assert found.invalid_pixels.tolist() == pixels
    bad_a, bad_b = bad_a | ~kept, bad_b | ~kept
    x = a * np.array([0.5, -2, 1])[:, None, None] + 1
    y = b * 0.25 + np.array([0, 3, -1])[:, None, None]
    assert found.both.tolist() == (bad_a & bad_b).sum((1, 2)).tolist()
    assert found.only_a.tolist() == (bad_a & ~bad_b).sum((1, 2)).tolist()
    apart = np.where(bad_a | bad_b, 0, abs(x - y))
    assert found.largest.tolist() == apart.max((1, 2)).tolist()
    assert found.different.tolist() == (apart > 0).sum((1, 2)).tolist()


def test_the_report_names_channels_and_what_is_invalid(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=np.array([[[1, -1, 3]], [[4, 5, 6]]], "i2"))
        data.attrs["_FillValue"], data.attrs["scale_factor"] = np.int16(-1), 0.5
        data.attrs["wavelength"], data.attrs["wavelength_units"] = [450.0, 550.0], "nm"
    np.save(tmp_path / "b.npy", np.array([[[0.5, 7, 2]], [[2, 2.5, 3]]]))
    np.save(tmp_path / "mask.npy", [[1, 1, 0]])
    done = shell("onebyone compare a.h5 b.npy; echo $?", cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["0", "450", "nm"], ["1", "550", "nm"]]
    assert lines[-1] == "1"
    assert done.stderr.splitlines() == [
        "nodata -1, from _FillValue",
        "scale 0.5, from scale_factor",
    ]
    done = shell("onebyone compare a.h5 b.npy --mask mask.npy --nodata 7 --json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["invalid_pixels"] == {"a": 1, "b": 2}
    assert told["max_absolute"] == 0.0
    assert told["channels"][0]["invalid_in_b_only"] == 1
    assert told["peak"] == 3.0


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_the_largest_integers_can_be_told(dtype: str, tmp_path: Path):
    top = np.iinfo(dtype).max
    saved(tmp_path, np.full((1, 1, 2), top, dtype), np.array([[[top, top - 1]]], dtype))
    done = shell('"$0" compare 0.npy 1.npy', cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    number = repr(float(top))
    assert f"column 1: {number} in A, {number} in B" in done.stdout.decode()


def test_a_range_that_outgrows_float64_is_no_peak(tmp_path: Path):
    a = np.array([[[-1.7e308, 1.7e308, 0]]])
    saved(tmp_path, a, a + np.array([0, 0, 1]))
    done = shell('"$0" compare 0.npy 1.npy --json', cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert (told["peak"], told["psnr"]) == (None, None)


def test_types_and_layouts_do_not_matter(tmp_path: Path):
    a = numbers(3, (4, 6, 5), "uint8")
    paths = saved(tmp_path, a, a.transpose(1, 2, 0).astype(">f8"))
    assert differences(*paths, layouts=("CHW", "HWC")).are_equal


def test_the_same_bits_for_any_memory_and_threads(tmp_path: Path):
    a = numbers(1, (5, 130, 170), "float32")
    b = a + np.float32(1e-3) * numbers(2, a.shape, "float32")
    a[3, 7, 9] = np.nan
    paths = saved(tmp_path, a, b)
    first = everything(differences(*paths, memory=8 * MIB, threads=1))
    for memory, threads in ((8, 2), (20, 3), (200, 1), (200, 4)):
        assert everything(differences(*paths, memory=memory * MIB, threads=threads)) == first


@pytest.mark.parametrize("layout", ["CHW", "HWC"])
def test_pipes_give_what_files_give(layout: str, tmp_path: Path):
    a = numbers(1, (40, 50, 6), "float32")
    saved(tmp_path, a, a + np.float32(0.25))
    options = f"--json --memory 16M --layout {layout}"
    files = shell(f'"$0" compare 0.npy 1.npy {options}', cwd=tmp_path)
    pipes = shell(f'"$0" compare <(cat 0.npy) - {options} < <(cat 1.npy)', cwd=tmp_path)
    assert (files.returncode, pipes.returncode) == (1, 1), pipes.stderr
    told = [json.loads(done.stdout) for done in (files, pipes)]
    for document in told:
        del document["a"], document["b"]
    assert told[0] == told[1]


def test_spectral_angles(tmp_path: Path):
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 4, 3, 5)) + 0.1
    a[:, 0, 0] = 0.0
    b[:, 1, 1] = 7 * a[:, 1, 1]
    b[2, 2, 2] = np.nan
    found = differences(*saved(tmp_path, a, b)).angles
    with np.errstate(invalid="ignore"):
        whole = (a * b).sum(0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)
        angles = np.arccos(np.minimum(whole, 1))
    angles = angles[np.isfinite(angles)]
    assert found.count == len(angles) == 13
    assert found.total == pytest.approx(angles.sum(), abs=1e-6)
    assert found.largest == pytest.approx(angles.max(), abs=1e-9)


@pytest.mark.parametrize("power", [-1060, -700, 0, 700, 1020])
def test_angles_do_not_depend_on_the_length_of_spectra(power: int, tmp_path: Path):
    a = np.array([[[1.0, 3.0, 1.0]], [[0.0, 4.0, 1.0]]])
    b = np.array([[[0.0, 3.0, 1.0]], [[2.0, 4.0, 0.0]]])
    found = differences(*saved(tmp_path, np.ldexp(a, power), b)).angles
    assert found.count == 3
    assert found.largest == math.pi / 2
    assert found.total == pytest.approx(math.pi * 3 / 4, rel=1e-14)


def test_angles_of_equal_spectra_are_zero(tmp_path: Path):
    a = numbers(8, (6, 9, 9), "float64")
    found = differences(*saved(tmp_path, a, a)).angles
    assert (found.count, found.total, found.largest) == (81, 0.0, 0.0)


def test_peak_signal_to_noise_ratio():
    assert psnr(1.0, 255.0) == pytest.approx(48.1308, abs=1e-4)  # the figure for one grey level
    assert psnr(0.0, 1.0) == math.inf
    assert math.isnan(psnr(1.0, 0.0))
    assert rmse(8.0, 2) == 2.0
    assert math.isnan(rmse(0.0, 0))


def test_other_shapes_are_refused(tmp_path: Path):
    paths = saved(tmp_path, np.zeros((2, 3, 4)), np.zeros((3, 2, 4)))
    with pytest.raises(ShapeMismatchError, match=r"3×2×4 and .* has 2×3×4"):
        differences(*paths)


def test_nobody_waits_for_a_worker_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    paths = saved(tmp_path, np.zeros((20, 300, 300)), np.zeros((20, 300, 300)))
    read = Stack.read

    def fail(self: Stack, slab: Slab, *rest: Any) -> None:
        if slab.start == 0:
            raise ReadWriteError("broken")
        read(self, slab, *rest)

    monkeypatch.setattr(Stack, "read", fail)
    with pytest.raises(ReadWriteError, match="broken"):
        differences(*paths, memory=16 * MIB)


@pytest.mark.parametrize("shape", [(3, 40, 30), (2, 3, 40, 30), (2, 5, 2600)])
def test_the_map_shows_the_largest_difference(shape: tuple[int, ...], tmp_path: Path):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, *shape))
    paths = saved(tmp_path, a, b)
    with opening.open_input(str(paths[0])) as reader:
        picture = DifferenceMap(reader.spec)
    differences(*paths, picture=picture)
    highest = abs(a - b).reshape(-1, *shape[-2:]).max(axis=0)
    step = picture.step
    assert step == (3 if shape[-1] > 1024 else 1)
    for (row, column), shown in np.ndenumerate(picture.numbers):
        block = highest[row * step : (row + 1) * step, column * step : (column + 1) * step]
        assert shown == block.max()
