"""Streams that are held: the same numbers again and again, from memory or from a file."""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import (
    cuts,
    layouts,
    new_folder,
    numbers_of,
    read_all,
    same_numbers,
    seeds,
    specs,
    stored,
)

from onebyone_cli.errors import DataError, ReadWriteError
from onebyone_cli.formats import opening
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.settings import LearnSettings
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import StackSpec
from onebyone_cli.stack.sources import hold_streams
from onebyone_cli.stack.stack import channel_names


class Pipe(StreamReader):
    """An array that comes once, in pieces, in its own order of axes and bytes."""

    def __init__(
        self, stack: Any, layout: str = "CHW", piece: int = 1000, name: str = "pipe"
    ) -> None:
        array = stored(stack, layout, big_endian=piece % 2 == 0)
        self.about, self.piece = About(name), piece
        self.stored = array_layout(
            array.shape,
            stack.dtype.name,
            name,
            layout=layout,
            big_endian=array.dtype.itemsize > 1 and piece % 2 == 0,
        )
        self.spec = self.stored.spec
        self.raw: memoryview | None = memoryview(array.tobytes())

    def drain(self, write: Callable[[memoryview], None]) -> None:
        assert self.raw is not None, "it was drained before"
        raw, self.raw = self.raw, None
        for start in range(0, len(raw), self.piece):
            write(raw[start : start + self.piece])

    def close(self) -> None:
        pass


def no_progress(step: str, done: int, total: int) -> None:
    pass


def spools(folder: Path) -> int:
    """How many of our open files lie, without a name, in a folder."""
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # the one that lists them
            continue
        found += target.startswith(str(folder)) and target.endswith("(deleted)")
    return found


@pytest.fixture
def tmpdir_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmpdir"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@given(st.data(), specs(), seeds, layouts, st.integers(1, 100), st.booleans())
def test_a_held_stream_is_read_again_and_again(
    data: st.DataObject, spec: StackSpec, seed: int, layout: str, piece: int, in_memory: bool
):
    numbers = numbers_of(seed, spec)
    told: list[tuple[str, int, int]] = []
    memory = 2 * spec.data_bytes - (not in_memory)
    with ExitStack() as stack:
        pipe = Pipe(numbers, layout, piece)
        (held,), left = hold_streams([pipe], memory, stack, lambda *progress: told.append(progress))
        assert pipe.raw is None
        assert held.spec == spec
        for _ in range(2):
            slabs = data.draw(cuts(spec))
            assert same_numbers(read_all(held, slabs, spec.dtype), numbers)
        held.check_unchanged()
    assert left == memory - spec.data_bytes * in_memory
    assert told[-1] == ("reading", spec.data_bytes, spec.data_bytes)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def arrays(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng()
    return [rng.normal(size=(channels, 6, 7)).astype(np.float32) for channels in sizes]


def test_half_of_the_memory_holds_what_fits(tmpdir_of_our_own: Path):
    bytes_of_all = (2 + 3) * 6 * 7 * 4
    for memory, files in ((2 * bytes_of_all, 0), (2 * bytes_of_all - 1, 2), (1, 2)):
        given_ = arrays(2, 3)
        with ExitStack() as stack:
            held, left = hold_streams([Pipe(array) for array in given_], memory, stack, no_progress)
            assert spools(tmpdir_of_our_own) == files
            assert not list(tmpdir_of_our_own.iterdir())
            assert left == (memory if files else memory - bytes_of_all)
            for reader, array in zip(held, given_, strict=True):
                slabs = list(iter_slabs(reader.spec, 1, 5))
                assert np.array_equal(read_all(reader, slabs, "float32"), array)
        assert spools(tmpdir_of_our_own) == 0


def test_what_can_be_read_at_any_time_is_left_as_it_is(tmp_path: Path):
    (array,) = arrays(4)
    np.save(tmp_path / "x.npy", array)
    with ExitStack() as stack:
        reader = stack.enter_context(opening.open_input(str(tmp_path / "x.npy")))
        pipe = Pipe(arrays(1)[0], name="second")
        held, left = hold_streams([reader, pipe, reader], 10_000, stack, no_progress)
        assert held[0] is reader
        assert held[2] is reader
        assert [each.path for each in held] == [reader.path, "second", reader.path]
        assert left == 10_000 - 6 * 7 * 4
        alone, all_of_it = hold_streams([reader], 77, stack, no_progress)
    assert (alone, all_of_it) == ([reader], 77)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool"])
@pytest.mark.parametrize("memory", [1 << 20, 0])
def test_a_folder_of_images(tmp_path: Path, tmpdir_of_our_own: Path, dtype: str, memory: int):
    rng = np.random.default_rng()
    planes = rng.integers(0, 2 if dtype == "bool" else 200, (5, 30, 41)).astype(dtype)
    (tmp_path / "images").mkdir()
    for name, plane in zip(("b2", "b10", "b1", "a", "b9"), planes, strict=True):
        Image.fromarray(plane).save(tmp_path / "images" / f"{name}.png")
    in_order = planes[[3, 2, 0, 4, 1]]
    with ExitStack() as stack:
        folder = stack.enter_context(opening.open_input(str(tmp_path / "images")))
        assert isinstance(folder, StreamReader)
        (held,), left = hold_streams([folder], memory, stack, no_progress)
        assert isinstance(held, Reader)
        assert held.path == str(tmp_path / "images")
        assert channel_names([held]) == channel_names([folder]) == ("a", "b1", "b2", "b9", "b10")
        assert spools(tmpdir_of_our_own) == (not memory)
        assert left == (memory - planes.nbytes if memory else 0)
        for items, pixels in ((1, 1230), (1, 100)):
            slabs = list(iter_slabs(held.spec, items, pixels))
            assert np.array_equal(read_all(held, slabs, dtype), in_order)


def moments(inputs: Sequence[Any], memory: int) -> bytes:
    found = LearnJob(inputs, LearnSettings(memory, 2)).run(no_progress).pixels
    return found.mean.tobytes() + found.rest.tobytes() + found.comoment.tobytes()


def test_what_is_left_of_the_memory_is_enough_for_a_job(tmp_path: Path):
    array = np.random.default_rng().normal(size=(6, 90, 100)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    memory = 8_000_000
    with ExitStack() as stack:
        reader = stack.enter_context(opening.open_input(str(tmp_path / "x.npy")))
        expected = moments([reader], memory)
        held, left = hold_streams([Pipe(array[:4]), Pipe(array[4:])], memory, stack, no_progress)
        assert left == memory - array.nbytes
        assert [moments(held, left) for _ in range(3)] == [expected] * 3


@given(st.data(), specs(side=5), st.booleans())
def test_an_end_that_comes_too_early_is_told(data: st.DataObject, spec: StackSpec, in_memory: bool):
    class Short(Pipe):
        def drain(self, write: Callable[[memoryview], None]) -> None:
            super().drain(lambda piece: write(piece[:-1]))

    with new_folder(), ExitStack() as stack:
        memory = 2 * spec.data_bytes if in_memory else 0
        pipe = Short(numbers_of(1, spec), piece=10**6)
        (held,), _ = hold_streams([pipe], memory, stack, no_progress)
        with pytest.raises(ReadWriteError):
            read_all(held, data.draw(cuts(spec)), spec.dtype)


def test_an_error_of_the_stream_closes_what_was_opened(tmpdir_of_our_own: Path):
    class Broken(Pipe):
        def drain(self, write: Callable[[memoryview], None]) -> None:
            write(memoryview(b"abc"))
            raise DataError("ends too early", "pipe")

    first, second = arrays(1, 1)
    with pytest.raises(DataError, match="pipe: ends too early"), ExitStack() as stack:
        hold_streams([Pipe(first), Broken(second)], 0, stack, no_progress)
    assert spools(tmpdir_of_our_own) == 0
    assert not list(tmpdir_of_our_own.iterdir())


def test_a_folder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(ReadWriteError, match="TMPDIR"), ExitStack() as stack:
        hold_streams([Pipe(arrays(1)[0])], 0, stack, no_progress)
