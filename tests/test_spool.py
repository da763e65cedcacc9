"""Spools: what goes in comes out, and nothing of them can be seen or is left."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import cuts, numbers_of, pixels_of, read_all, same_numbers, seeds, slab_sizes, specs

from onebyone_cli.errors import ReadWriteError
from onebyone_cli.formats.arrays.layout import plain_layout
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import StackSpec
from onebyone_cli.stack.spool import Spool


@pytest.fixture
def tmpdir_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert not list(tmp_path.iterdir())


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@given(st.data(), specs(), seeds, st.booleans())
def test_what_is_appended_is_read(data: st.DataObject, spec: StackSpec, seed: int, in_memory: bool):
    stack = numbers_of(seed, spec)
    raw = memoryview(stack.tobytes())
    with Spool(len(raw), in_memory=in_memory) as spool:
        ends = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
        for start, stop in zip([0, *ends], [*ends, len(raw)], strict=True):
            spool.append(raw[start:stop])
        reader = spool.reader(plain_layout(spec))
        assert same_numbers(read_all(reader, data.draw(cuts(spec)), spec.dtype), stack)


@given(st.data(), specs(), seeds, st.booleans())
def test_slabs_that_are_written_come_out_channel_by_channel(
    data: st.DataObject, spec: StackSpec, seed: int, in_memory: bool
):
    stack = numbers_of(seed, spec)
    with Spool(spec.data_bytes, in_memory=in_memory) as spool:
        writer = spool.writer(spec)
        for slab in data.draw(cuts(spec)):
            writer.write(slab, np.ascontiguousarray(pixels_of(stack, slab)))
        planes = spool.planes(spec)
        assert planes.spec == spec
        flat = stack.reshape(-1, *spec.shape[-3:])
        for item in range(spec.items):
            for channel in range(spec.channels):
                start = data.draw(st.integers(0, spec.height - 1))
                stop = data.draw(st.integers(start + 1, spec.height))
                rows = planes.rows(item, channel, start, stop)
                assert rows.shape == (stop - start, spec.width)
                assert same_numbers(rows, flat[item, channel, start:stop])
                first = data.draw(st.integers(0, spec.pixels - 1))
                last = data.draw(st.integers(first + 1, spec.pixels))
                pixels = planes.pixels(item, channel, first, last)
                assert same_numbers(pixels, flat[item, channel].reshape(-1)[first:last])


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_spool_has_no_name_and_gives_its_descriptor_back(
    tmpdir_of_our_own: Path, in_memory: bool
):
    before = open_descriptors()
    with Spool(100, in_memory=in_memory) as spool:
        spool.append(memoryview(b"x" * 100))
        assert os.fstat(spool.fd).st_size == 100
        assert os.fstat(spool.fd).st_nlink == 0
        assert not list(tmpdir_of_our_own.iterdir())
        assert not os.get_inheritable(spool.fd)
    spool.close()
    assert open_descriptors() == before


def test_a_reader_of_a_spool_does_not_close_it(tmpdir_of_our_own: Path):
    spec = StackSpec(1, 1, 4, "uint8")
    with Spool(4, in_memory=False) as spool:
        spool.append(memoryview(b"abcd"))
        for _ in range(2):
            reader = spool.reader(plain_layout(spec))
            assert read_all(reader, list(iter_slabs(spec, 1, 4)), "uint8").tobytes() == b"abcd"
            reader.close()


def test_short_writes_are_continued(monkeypatch: pytest.MonkeyPatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data[:3]), at))
    spec = StackSpec(1, 1, 100, "uint8")
    with Spool(100, in_memory=True) as spool:
        spool.append(memoryview(bytes(range(100))))
        slabs = list(iter_slabs(spec, 1, 7))
        read = read_all(spool.reader(plain_layout(spec)), slabs, "uint8")
    assert read.tobytes() == bytes(range(100))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_errors_name_the_folder_and_the_way_out(
    tmpdir_of_our_own: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    def fail(*args: Any) -> int:
        raise OSError(number, "")

    monkeypatch.setattr(os, "pwrite", fail)
    with Spool(100, in_memory=False) as spool:
        with pytest.raises(ReadWriteError) as caught:
            spool.append(memoryview(b"x"))
        message = str(caught.value)
        assert str(tmpdir_of_our_own) in message
        assert "TMPDIR" in message
        assert os.strerror(number) in message


def test_a_disk_that_is_too_small_is_seen_before(tmpdir_of_our_own: Path):
    status = os.statvfs(tmpdir_of_our_own)
    with pytest.raises(ReadWriteError, match=r"TMPDIR.*free"):
        Spool(status.f_blocks * status.f_frsize + 1, in_memory=False)


def test_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(ReadWriteError, match=r"gone \(set TMPDIR"):
        Spool(1, in_memory=False)


def test_without_memory_files_a_real_file_is_used(
    tmpdir_of_our_own: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with Spool(3, in_memory=True) as spool:
        spool.append(memoryview(b"abc"))
        assert os.pread(spool.fd, 3, 0) == b"abc"


@given(st.data(), specs(side=5))
def test_a_spool_that_was_not_filled_is_an_error_and_not_zeros(
    data: st.DataObject, spec: StackSpec
):
    items, pixels = data.draw(slab_sizes(spec))
    with Spool(spec.data_bytes, in_memory=True) as spool:
        spool.append(memoryview(bytes(spec.data_bytes - 1)))
        reader = spool.reader(plain_layout(spec))
        with pytest.raises(ReadWriteError):
            read_all(reader, list(iter_slabs(spec, items, pixels)), spec.dtype)
