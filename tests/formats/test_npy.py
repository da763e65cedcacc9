"""``.npy`` files and streams: what numpy wrote is read, what is written is what numpy writes."""

import io
import os
import pty
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    DTYPES,
    Array,
    cuts,
    layouts,
    new_folder,
    numbers_of,
    pixels_of,
    read_all,
    same_numbers,
    save_npy,
    seeds,
    specs,
    stored,
)

from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, InputMissingError, ReadWriteError, UsageError
from onebyone_cli.formats import npy
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.stream import ArrayStream
from onebyone_cli.formats.contracts.reader import Source
from onebyone_cli.formats.contracts.writer import Target, Writer
from onebyone_cli.npy_header import format_header
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import Slab, StackSpec
from onebyone_cli.stack.spool import Spool

orders = st.sampled_from("CF")
versions = st.sampled_from([(1, 0), (2, 0), (3, 0)])


def npy_bytes(array: Array, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=False)
    return file.getvalue()


@contextmanager
def pipe_of(data: bytes, step: int = 1 << 16) -> Iterator[int]:
    """The end of a pipe into which somebody writes, a few bytes at a time."""
    end, start = os.pipe()

    def write() -> None:
        with open(start, "wb", buffering=0) as file:
            for at in range(0, len(data), step):
                try:
                    file.write(data[at : at + step])
                except BrokenPipeError:
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield end
    finally:
        os.close(end)
        writer.join()


@contextmanager
def stdin_of(fd: int) -> Iterator[None]:
    """Have a descriptor as standard input."""
    saved = os.dup(0)
    os.dup2(fd, 0)
    try:
        yield
    finally:
        os.dup2(saved, 0)
        os.close(saved)


@contextmanager
def stdout_of(fd: int) -> Iterator[None]:
    """Have a descriptor as standard output."""
    saved = os.dup(1)
    os.dup2(fd, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def drained(reader: Any, data: Any) -> Array:
    """Lay a stream in a spool and read it."""
    spec = reader.spec
    with Spool(spec.data_bytes, in_memory=True) as spool:
        reader.drain(spool.append)
        laid = spool.reader(reader.stored)
        return read_all(laid, data.draw(cuts(spec)), spec.dtype)


def filled(target: Target, spec: StackSpec, stack: Array, slabs: Any) -> None:
    """Write a stack and commit."""
    writer = target.make_writer(spec)
    with writer:
        if isinstance(writer, Writer):
            for slab in slabs:
                writer.write(slab, np.ascontiguousarray(pixels_of(stack, slab)))
        else:
            with Spool(spec.data_bytes, in_memory=True) as spool:
                laid = spool.writer(spec)
                for slab in slabs:
                    laid.write(slab, np.ascontiguousarray(pixels_of(stack, slab)))
                writer.fill(spool.planes(spec), lambda done: None)
        writer.commit()


# --------------------------------------------------------------------------------- files


@given(st.data(), specs(), seeds, layouts, orders, st.booleans(), versions)
def test_files_of_numpy_are_read(
    data: st.DataObject,
    spec: StackSpec,
    seed: int,
    layout: str,
    order: str,
    big: bool,
    version: tuple[int, int],
):
    stack = numbers_of(seed, spec)
    with new_folder() as folder:
        array = stored(stack, layout, order, big_endian=big)
        path = str(save_npy(folder / "x.npy", array, version))
        with npy.read(Source(path, layout=layout)) as reader:
            assert isinstance(reader, ArrayReader)
            assert reader.spec == spec
            assert reader.about.files == (path,)
            assert same_numbers(read_all(reader, data.draw(cuts(spec)), spec.dtype), stack)
            reader.check_unchanged()


@given(specs(side=4), seeds, st.integers(1, 40))
def test_bytes_after_the_array_are_refused(spec: StackSpec, seed: int, more: int):
    content = npy_bytes(numbers_of(seed, spec))
    with new_folder() as folder:
        path = folder / "x.npy"
        for tail in (bytes(more), content):
            path.write_bytes(content + tail)
            match = rf"x.npy: has {len(tail)} bytes after the array .*expected"
            with pytest.raises(DataError, match=match):
                npy.read(Source(str(path)))


@given(specs(side=4), seeds, st.data())
def test_truncated_files_are_refused_when_opened(spec: StackSpec, seed: int, data: st.DataObject):
    content = npy_bytes(numbers_of(seed, spec))
    length = data.draw(st.integers(0, len(content) - 1))
    with new_folder() as folder:
        path = folder / "x.npy"
        path.write_bytes(content[:length])
        with pytest.raises(DataError) as caught:
            npy.read(Source(str(path)))
        if length >= len(content) - spec.data_bytes:
            message = f"is truncated: has {length} bytes, its header promises {len(content)}"
            assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(2**32, 2**32, 1), (10**18, 1, 1), (2**62, 2**62, 2**62)])
def test_a_huge_claim_costs_nothing(tmp_path: Path, shape: tuple[int, ...]):
    path = tmp_path / "x.npy"
    header = format_header(shape, "float32")
    path.write_bytes(header + bytes(100))
    exact = len(header) + 4 * shape[0] * shape[1] * shape[2]
    with pytest.raises(DataError, match=f"truncated: has {len(header) + 100} .* {exact};"):
        npy.read(Source(str(path)))


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (2, 0, 3), (2, 3, 0), (0,)])
def test_shapes_that_are_no_stack(tmp_path: Path, shape: tuple[int, ...]):
    path = save_npy(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(DataError, match=r"x.npy: .*(expected H×W|size 0)"):
        npy.read(Source(str(path)))


def test_an_error_leaves_no_descriptor_open(tmp_path: Path):
    path = tmp_path / "x.npy"
    path.write_bytes(b"no array")
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(DataError):
            npy.read(Source(str(path)))
    assert os.listdir("/proc/self/fd") == before


def test_a_file_that_changes_while_it_is_read(tmp_path: Path):
    path = save_npy(tmp_path / "x.npy", np.zeros((2, 3, 4)))
    with npy.read(Source(str(path))) as reader:
        assert isinstance(reader, ArrayReader)
        reader.check_unchanged()
        # Another file of that name is no change of the one that is open.
        save_npy(tmp_path / "y.npy", np.ones((2, 3, 4))).rename(path)
        reader.check_unchanged()
    with npy.read(Source(str(path))) as reader:
        assert isinstance(reader, ArrayReader)
        with path.open("ab") as file:
            file.write(b"x")
        with pytest.raises(ReadWriteError, match=r"x\.npy: was changed"):
            reader.check_unchanged()


def test_a_change_is_seen_although_the_time_is_put_back(tmp_path: Path) -> None:
    path = save_npy(tmp_path / "x.npy", np.zeros((2, 3, 4)))
    before = path.stat()
    with npy.read(Source(str(path))) as reader:
        assert isinstance(reader, ArrayReader)
        time.sleep(0.02)  # what the clock of a file system may take for one instant
        with path.open("r+b") as file:
            file.seek(200)
            file.write(b"x")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(ReadWriteError, match=r"x\.npy: was changed"):
            reader.check_unchanged()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: None, "no such file or folder"),
        (lambda path: path.mkdir(), "is a folder; expected a .npy file or a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device; expected a .npy file or a pipe"),
        (lambda path: path.symlink_to(path.name), "can't be read: Too many levels"),
        (lambda path: path.symlink_to("gone"), "no such file or folder"),
        (lambda path: path.symlink_to("/etc/passwd/x.npy"), "can't be read: Not a directory"),
    ],
)
def test_inputs_that_are_no_file(tmp_path: Path, make: Callable[[Path], Any], match: str):
    path = tmp_path / "x.npy"
    make(path)
    with pytest.raises(InputMissingError, match=f"x.npy: {match}"):
        npy.read(Source(str(path)))


def test_a_socket_is_no_file(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "x.npy"))
        with pytest.raises(InputMissingError, match="can't be read: No such device"):
            npy.read(Source(str(tmp_path / "x.npy")))


def test_errors_of_the_system_while_the_header_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = save_npy(tmp_path / "x.npy", np.zeros((2, 3)))

    def fail(fd: int, count: int) -> bytes:
        raise OSError(5, "")

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", fail)
        with pytest.raises(ReadWriteError, match=r"x\.npy: reading failed: Input/output error"):
            npy.read(Source(str(path)))


# ------------------------------------------------------------------------------- streams


@given(st.data(), specs(side=5), seeds, layouts, orders, st.booleans(), st.integers(1, 200))
def test_streams_arrive_whole_however_they_trickle(
    data: st.DataObject, spec: StackSpec, seed: int, layout: str, order: str, big: bool, step: int
):
    stack = numbers_of(seed, spec)
    content = npy_bytes(stored(stack, layout, order, big_endian=big))
    with (
        pipe_of(content, step) as fd,
        stdin_of(fd),
        npy.read(Source("-", layout=layout)) as reader,
    ):
        assert isinstance(reader, ArrayStream)
        assert (reader.spec, reader.path, reader.about.files) == (spec, "standard input", ())
        assert same_numbers(drained(reader, data), stack)


def test_a_stream_byte_by_byte():
    stack = np.arange(12, dtype=np.float64).reshape(1, 3, 4)
    pieces = []
    with pipe_of(npy_bytes(stack), 1) as fd, stdin_of(fd), npy.read(Source("-")) as reader:
        assert isinstance(reader, ArrayStream)
        reader.drain(lambda piece: pieces.append(bytes(piece)))
    assert b"".join(pieces) == stack.tobytes()


def test_standard_input_that_does_not_wait():
    """Somebody left O_NONBLOCK on: nothing to read yet is not the end, and no error."""
    stack = np.arange(5000, dtype=np.float64).reshape(1, 50, 100)
    end, start = os.pipe()
    os.set_blocking(end, False)
    content = npy_bytes(stack)

    def write() -> None:
        with open(start, "wb", buffering=0) as file:
            for at in range(0, len(content), 9000):
                time.sleep(0.005)
                file.write(content[at : at + 9000])

    writer = threading.Thread(target=write)
    writer.start()
    pieces = []
    with stdin_of(end), npy.read(Source("-")) as reader:
        assert isinstance(reader, ArrayStream)
        reader.drain(lambda piece: pieces.append(bytes(piece)))
    writer.join()
    os.close(end)
    assert b"".join(pieces) == stack.tobytes()


@given(specs(side=4), seeds, st.data())
def test_streams_that_end_too_early(spec: StackSpec, seed: int, data: st.DataObject):
    content = npy_bytes(numbers_of(seed, spec))
    length = data.draw(st.integers(0, len(content) - 1))
    with pipe_of(content[:length]) as fd, stdin_of(fd):
        if length < len(content) - spec.data_bytes:
            with pytest.raises(DataError, match="standard input: "):
                npy.read(Source("-"))
            return
        with npy.read(Source("-")) as reader:
            assert isinstance(reader, ArrayStream)
            missing = len(content) - length
            match = f"ends {missing} bytes early: its header promises {spec.data_bytes} bytes"
            with pytest.raises(DataError, match=match):
                reader.drain(lambda piece: None)


@pytest.mark.parametrize("tail", [b"x", b"\n", npy_bytes(np.zeros((2, 2)))])
def test_streams_that_go_on(tail: bytes):
    content = npy_bytes(np.zeros((2, 2)))
    with pipe_of(content + tail) as fd, stdin_of(fd), npy.read(Source("-")) as reader:
        assert isinstance(reader, ArrayStream)
        with pytest.raises(DataError, match=r"continues after the array .*expected"):
            reader.drain(lambda piece: None)


def test_a_huge_claim_of_a_stream_is_not_allocated():
    header = format_header((10**9, 10**9, 1), "float64")
    with pipe_of(header + bytes(10)) as fd, stdin_of(fd), npy.read(Source("-")) as reader:
        assert isinstance(reader, ArrayStream)
        assert reader.spec.data_bytes == 8 * 10**18
        assert reader.buffer_bytes <= 1 << 20
        with pytest.raises(DataError, match="bytes early"):
            reader.drain(lambda piece: None)


@given(st.data(), specs(side=5), seeds)
def test_standard_input_may_be_a_file(data: st.DataObject, spec: StackSpec, seed: int):
    """As in ``< x.npy``; also one that somebody has read a part of."""
    stack = numbers_of(seed, spec)
    start = data.draw(st.integers(0, 100))
    with new_folder() as folder:
        path = folder / "x"
        path.write_bytes(b"x" * start + npy_bytes(stack))
        fd = os.open(path, os.O_RDONLY)
        try:
            os.lseek(fd, start, os.SEEK_SET)
            with stdin_of(fd), npy.read(Source("-")) as reader:
                assert isinstance(reader, ArrayReader)
                assert same_numbers(read_all(reader, data.draw(cuts(spec)), spec.dtype), stack)
                # The file is known, so that it can't become the output.
                assert [os.stat(name) for name in reader.about.files] == [os.stat(path)]
            with stdin_of(fd):
                os.fstat(0)
        finally:
            os.close(fd)


def test_standard_input_that_is_closed():
    saved = os.dup(0)
    os.close(0)
    try:
        with pytest.raises(InputMissingError, match="standard input: can't be read: Bad file"):
            npy.read(Source("-"))
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def test_standard_input_that_is_a_terminal():
    ours, theirs = pty.openpty()
    try:
        with stdin_of(theirs), pytest.raises(UsageError, match="standard input is a terminal"):
            npy.read(Source("-"))
    finally:
        os.close(ours)
        os.close(theirs)


def test_standard_input_that_is_a_device():
    fd = os.open("/dev/null", os.O_RDONLY)
    try:
        with stdin_of(fd), pytest.raises(InputMissingError, match="standard input: is a device"):
            npy.read(Source("-"))
    finally:
        os.close(fd)


def test_named_pipes_are_streams(tmp_path: Path):
    stack = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(npy_bytes(stack),))
    writer.start()
    pieces = []
    with npy.read(Source(str(path))) as reader:
        assert isinstance(reader, ArrayStream)
        reader.drain(lambda piece: pieces.append(bytes(piece)))
        reader.close()
    writer.join()
    assert b"".join(pieces) == stack.tobytes()


# ------------------------------------------------------------------------------- writing


@given(st.data(), specs(), seeds, st.booleans(), st.booleans())
def test_files_are_the_bytes_of_numpy_save(
    data: st.DataObject, spec: StackSpec, seed: int, force: bool, fsync: bool
):
    stack = numbers_of(seed, spec)
    with new_folder() as folder:
        path = folder / "out.npy"
        if force:
            path.write_bytes(b"old")
        target = Target(str(path), npy.write, publication=Publication(force, fsync))
        filled(target, spec, stack, data.draw(cuts(spec)))
        np.save(folder / "numpy.npy", stack)
        assert path.read_bytes() == (folder / "numpy.npy").read_bytes()
        assert sorted(os.listdir(folder)) == ["numpy.npy", "out.npy"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_is_written_as_numpy_does(tmp_path: Path, dtype: str):
    spec = StackSpec(2, 3, 4, dtype, (2,))
    stack = numbers_of(7, spec)
    filled(Target(str(tmp_path / "out.npy"), npy.write), spec, stack, list(_slabs(spec)))
    loaded = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert same_numbers(loaded, stack)


def _slabs(spec: StackSpec) -> Iterator[Slab]:
    return iter_slabs(spec, 1, 5)


@given(st.data(), specs(), seeds)
def test_streams_are_the_bytes_of_numpy_save(data: st.DataObject, spec: StackSpec, seed: int):
    stack = numbers_of(seed, spec)
    with new_folder() as folder, (folder / "stdout").open("w+b") as file:
        with stdout_of(file.fileno()):
            filled(Target("-", npy.write), spec, stack, data.draw(cuts(spec)))
            os.fstat(1)
        file.seek(0)
        assert file.read() == npy_bytes(stack)


def test_named_pipes_are_written_to(tmp_path: Path):
    spec = StackSpec(3, 40, 50, "float64")
    stack = numbers_of(1, spec)
    path = tmp_path / "fifo"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    filled(Target(str(path), npy.write), spec, stack, list(_slabs(spec)))
    reader.join()
    assert received == [npy_bytes(stack)]
    assert path.is_fifo()


def test_standard_output_that_does_not_wait():
    """Somebody left O_NONBLOCK on, and reads slowly."""
    spec = StackSpec(3, 200, 300, "float64")
    stack = numbers_of(1, spec)
    end, start = os.pipe()
    os.set_blocking(start, False)
    received: list[bytes] = []

    def read() -> None:
        while piece := os.read(end, 1 << 16):
            received.append(piece)
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    with stdout_of(start):
        os.close(start)
        filled(Target("-", npy.write), spec, stack, list(_slabs(spec)))
    reader.join()
    os.close(end)
    assert b"".join(received) == npy_bytes(stack)


def test_the_null_device_takes_everything():
    spec = StackSpec(1, 2, 3, "uint8")
    filled(Target("/dev/null", npy.write), spec, numbers_of(1, spec), list(_slabs(spec)))
    assert not os.path.isfile("/dev/null")


def test_a_full_device():
    spec = StackSpec(1, 2, 3, "uint8")
    with pytest.raises(ReadWriteError, match="/dev/full: writing failed: No space left"):
        filled(Target("/dev/full", npy.write), spec, numbers_of(1, spec), list(_slabs(spec)))


def test_a_pipe_that_nobody_reads():
    """On standard output it is no error of ours; what happens then is decided further up."""
    spec = StackSpec(1, 2, 3, "uint8")
    end, start = os.pipe()
    os.close(end)
    with stdout_of(start), pytest.raises(BrokenPipeError):
        filled(Target("-", npy.write), spec, numbers_of(1, spec), list(_slabs(spec)))
    os.close(start)


def test_binary_to_a_terminal_is_refused():
    ours, theirs = pty.openpty()
    spec = StackSpec(1, 2, 3, "uint8")
    try:
        with stdout_of(theirs):
            with pytest.raises(UsageError, match="standard output is a terminal"):
                Target("-", npy.write).make_writer(spec)
            Target("-", npy.write, publication=Publication(force=True)).make_writer(spec)
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_is_not_committed_is_not_there(tmp_path: Path):
    spec = StackSpec(1, 2, 3, "uint8")
    with Target(str(tmp_path / "out.npy"), npy.write).make_writer(spec):
        assert not (tmp_path / "out.npy").exists()
    assert not list(tmp_path.iterdir())


def test_a_file_with_a_part_missing_is_not_published(tmp_path: Path):
    spec = StackSpec(2, 4, 5, "uint8")
    stack = numbers_of(3, spec)
    with pytest.raises(ReadWriteError, match="bytes after writing and should have"):
        filled(Target(str(tmp_path / "out.npy"), npy.write), spec, stack, list(_slabs(spec))[:-1])
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_seen_before(tmp_path: Path):
    spec = StackSpec(10**6, 10**6, 10**6, "float64")
    with pytest.raises(ReadWriteError, match="free and the output takes 8000000000000"):
        Target(str(tmp_path / "out.npy"), npy.write).make_writer(spec)
    assert not list(tmp_path.iterdir())
