"""Numbers without a header: what options say of them is believed only as far as the bytes go."""

import os
import pty
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    Array,
    cuts,
    fifo_of,
    layouts,
    new_folder,
    numbers_of,
    read_all,
    same_numbers,
    seeds,
    specs,
    stored,
)

from onebyone_cli.cli.options.inputs import Raw
from onebyone_cli.errors import DataError, InputMissingError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.stream import ArrayStream
from onebyone_cli.formats.contracts.about import RawSpec
from onebyone_cli.spec import ITEM_BYTES, StackSpec
from onebyone_cli.stack.sources import hold_streams
from onebyone_cli.stack.spool import Spool


def raw_spec(array: Array) -> RawSpec:
    return RawSpec(array.shape, array.dtype.name, not array.dtype.isnative)


def drained(reader: Any) -> bytes:
    pieces: list[bytes] = []
    reader.drain(lambda piece: pieces.append(bytes(piece)))
    return b"".join(pieces)


# --------------------------------------------------------------------------------- files


@given(st.data(), specs(), seeds, layouts, st.booleans())
def test_files_of_any_name_are_read(
    data: st.DataObject, spec: StackSpec, seed: int, layout: str, big: bool
):
    stack = numbers_of(seed, spec)
    array = stored(stack, layout, big_endian=big)
    name = data.draw(st.sampled_from(["x", "x.raw", "x.npy", "x.h5", "x.h5:y", "x.png"]))
    with new_folder() as folder:
        array.tofile(folder / name)
        path = str(folder / name)
        with opening.open_input(path, layout=layout, raw=raw_spec(array)) as reader:
            assert isinstance(reader, ArrayReader)
            assert (reader.spec, reader.about.files, reader.about.axes) == (
                spec,
                (path,),
                "N" * len(spec.batch) + layout,
            )
            assert same_numbers(read_all(reader, data.draw(cuts(spec)), spec.dtype), stack)
            reader.check_unchanged()


def test_two_axes_are_one_channel(tmp_path: Path):
    np.arange(6, dtype="f4").tofile(tmp_path / "x")
    with opening.open_input(str(tmp_path / "x"), raw=RawSpec((2, 3), "float32")) as reader:
        assert reader.spec == StackSpec(1, 2, 3, "float32")


@pytest.mark.parametrize(
    ("shape", "found", "remedy"),
    [
        ((50, 6, 6), 49 * 144, "shape=49,6,6 would fit"),
        (
            (50, 6, 6),
            50 * 144 + 1,
            "check shape= and dtype_in=, or skip what precedes the numbers with offset=1",
        ),
        (
            (50, 6, 6),
            50 * 144 + 4,
            "check shape= and dtype_in=, or skip what precedes the numbers with offset=4",
        ),
        ((50, 6, 6), 50 * 6 * 7 * 4, "shape=50,6,7 or 50,7,6 would fit"),
        ((6, 8, 3), 6 * 8 * 4 * 4, "shape=8,8,3 or 6,8,4 would fit"),
        ((5, 8, 7), 5 * 9 * 7 * 4, "shape=5,9,7 would fit"),
        ((5, 8, 7), 5 * 8 * 7, "shape=5,2,7 would fit, or dtype_in=u1 (1 byte each)"),
        ((6, 8, 3), 10 * 6 * 8 * 12, "shape=60,8,3 or 6,8,30 or 10,6,8,3 would fit"),
        ((2, 3), 5 * 24, "shape=10,3 or 2,15 would fit"),
        ((2, 2), 24, "shape=3,2 or 2,3 would fit"),
        (
            (6, 8, 3),
            6 * 8 * 3 * 8,
            "shape=12,8,3 or 6,8,6 or 2,6,8,3 would fit, or dtype_in=f8 (8 bytes each)",
        ),
    ],
)
def test_a_file_of_another_size(tmp_path: Path, shape: tuple[int, ...], found: int, remedy: str):
    path = tmp_path / "x.raw"
    path.write_bytes(bytes(found))
    with pytest.raises(DataError) as caught:
        opening.open_input(str(path), raw=RawSpec(shape, "float32"))
    written = ",".join(map(str, shape))
    promised = 4 * int(np.prod(shape))
    assert str(caught.value) == (
        f"{path}: has {found} bytes, and shape={written} of float32 is {promised}; {remedy}"
    )


@given(specs(side=5), st.integers(1, 10**6))
def test_shapes_that_would_fit_do_fit(spec: StackSpec, found: int):
    with new_folder() as folder:
        path = folder / "x"
        path.touch()
        os.truncate(path, found)  # a hole
        try:
            opening.open_input(str(path), raw=RawSpec(spec.shape, spec.dtype)).close()
        except DataError as error:
            for text in (
                error.message.partition("; shape=")[2].partition(" would fit")[0].split(" or ")
            ):
                if text:
                    shape = tuple(map(int, text.split(",")))
                    opening.open_input(str(path), raw=RawSpec(shape, spec.dtype)).close()
        else:
            assert found == spec.data_bytes


def test_an_empty_file(tmp_path: Path):
    (tmp_path / "x").touch()
    with pytest.raises(DataError, match=r"is empty; expected the 24 bytes that shape= and"):
        opening.open_input(str(tmp_path / "x"), raw=RawSpec((2, 3), "float32"))


@pytest.mark.parametrize(
    ("path", "error", "match"),
    [
        (".", InputMissingError, "is a folder; expected a file or a pipe"),
        ("/dev/zero", InputMissingError, "is a device; expected a file or a pipe"),
        ("missing", InputMissingError, "no such file or folder"),
    ],
)
def test_inputs_that_are_no_file(path: str, error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        opening.open_input(path, raw=RawSpec((2, 3), "float32"))


def test_a_terminal():
    ours, theirs = pty.openpty()
    try:
        with pytest.raises(UsageError, match="is a terminal; give a file, or pipe a stream in"):
            opening.open_input(os.ttyname(theirs), raw=RawSpec((2, 3), "float32"))
    finally:
        os.close(ours)
        os.close(theirs)


# ------------------------------------------------------------------------------- streams


@given(st.data(), specs(side=5), seeds, layouts, st.booleans(), st.integers(1, 200))
def test_streams_arrive_whole_however_they_trickle(
    data: st.DataObject, spec: StackSpec, seed: int, layout: str, big: bool, step: int
):
    stack = numbers_of(seed, spec)
    array = stored(stack, layout, big_endian=big)
    with (
        fifo_of(array.tobytes(), step) as path,
        opening.open_input(str(path), layout=layout, raw=raw_spec(array)) as reader,
        Spool(spec.data_bytes, in_memory=True) as spool,
    ):
        assert isinstance(reader, ArrayStream)
        assert (reader.spec, reader.about.files) == (spec, ())
        reader.drain(spool.append)
        laid = spool.reader(reader.stored)
        assert same_numbers(read_all(laid, data.draw(cuts(spec)), spec.dtype), stack)


@given(st.integers(1, 60))
def test_a_stream_must_end_where_the_shape_does(size: int):
    with fifo_of(bytes(size)) as path:
        reader = opening.open_input(str(path), raw=RawSpec((2, 3, 4), "uint8"))
        with reader:
            if size == 24:
                assert drained(reader) == bytes(24)
                return
            missing = f"ends {24 - size} bytes early: shape= and dtype_in= promise 24 bytes"
            more = "continues after the array of 24 bytes; expected exactly one"
            with pytest.raises(DataError, match=missing if size < 24 else more):
                drained(reader)


def test_an_empty_stream():
    with fifo_of(b"") as path, pytest.raises(DataError, match="is empty; expected the 6 bytes"):
        opening.open_input(str(path), raw=RawSpec((2, 3), "uint8"))


# -------------------------------------------------------------------------------- series


@given(st.lists(seeds, min_size=1, max_size=4), specs(side=4), layouts, st.integers(1, 99))
def test_frames_follow_each_other(found: list[int], spec: StackSpec, layout: str, step: int):
    frames = [stored(numbers_of(seed, spec), layout) for seed in found]
    content = b"".join(frame.tobytes() for frame in frames)
    with fifo_of(content, step) as path, ExitStack() as stack:
        series = opening.open_series(str(path), layout=layout, raw=raw_spec(frames[0]), stack=stack)
        assert series.path == str(path)
        readers = iter(series)
        for index, frame in enumerate(frames):
            reader = next(readers)
            assert (reader.spec, reader.about.series) == (spec, str(path))
            assert reader.path == f"{path}, array {index} (counting from 0)"
            # One that nobody wants is left out.
            assert index % 2 or drained(reader) == frame.tobytes()
        assert next(readers, None) is None


@given(st.integers(1, 3), st.integers(1, 23))
def test_a_frame_that_is_not_whole(whole: int, part: int):
    with fifo_of(bytes(24 * whole + part)) as path, ExitStack() as stack:
        raw = RawSpec((2, 3, 4), "uint8")
        readers = iter(opening.open_series(str(path), layout="CHW", raw=raw, stack=stack))
        for _ in range(whole):
            assert drained(next(readers)) == bytes(24)
        match = rf"array {whole} \(counting from 0\): ends {24 - part} bytes early"
        with pytest.raises(DataError, match=match):
            drained(next(readers))


def test_a_stream_without_a_frame():
    with fifo_of(b"") as path, ExitStack() as stack:
        raw = RawSpec((2, 3), "uint8")
        readers = iter(opening.open_series(str(path), layout="", raw=raw, stack=stack))
        with pytest.raises(DataError, match=r"array 0 \(counting from 0\): is empty"):
            next(readers)


def test_what_is_a_stream(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    assert opening.is_stream("-")
    assert opening.is_stream(str(tmp_path / "pipe"))
    assert not opening.is_stream(str(tmp_path / "file"))
    assert not opening.is_stream(str(tmp_path / "missing"))


# ------------------------------------------------------------------------------- options


@pytest.mark.parametrize("name", ITEM_BYTES)
def test_types_are_known_by_code_and_by_name(name: str):
    dtype = np.dtype(name)
    for order, swapped in (("", False), ("<", False), (">", True)):
        for text in (name, dtype.kind + str(dtype.itemsize)):
            assert raw_of(True, "2,3", order + text) == RawSpec((2, 3), name, swapped)


def raw_of(raw: bool, shape: str, dtype: str) -> RawSpec | None:
    return Raw(raw=raw, shape=shape, dtype_in=dtype).spec()


def test_no_raw_input():
    assert raw_of(False, "", "") is None


@pytest.mark.parametrize(
    ("raw", "shape", "dtype", "match"),
    [
        (False, "2,3", "", "are for inputs without a header; add --raw"),
        (False, "", "f4", "are for inputs without a header; add --raw"),
        (True, "2,3", "", "--raw needs --shape, as in"),
        (True, "", "f4", "--raw needs --shape, as in"),
        (True, "2x3", "f4", "--shape 2x3 is not a shape; write C,H,W, as in 50,600,600"),
        (True, "2,,3", "f4", "is not a shape"),
        (True, "2,-3", "f4", "is not a shape"),
        (True, "2,³", "f4", "is not a shape"),
        (True, "2," + "9" * 5000, "f4", "is not a shape"),
        (True, "6", "f4", "--shape 6 has one axis; write C,H,W, or H,W for a single channel"),
        (True, "2,0,3", "f4", "holds no pixels"),
        (True, "2,3", "f3", "--dtype-in f3 is unknown; choose from b1, i1"),
        (True, "2,3", ">", "--dtype-in > is unknown"),
        (True, "2,3", "c8", "--dtype-in c8 is unknown"),
    ],
)
def test_options_that_can_not_be_meant(raw: bool, shape: str, dtype: str, match: str):
    with pytest.raises(UsageError, match=match):
        raw_of(raw, shape, dtype)


# ---------------------------------------------------------------------------- an offset


@given(st.data(), specs(), seeds, layouts, st.integers(0, 300), st.booleans())
def test_bytes_before_the_numbers_are_skipped(
    data: st.DataObject, spec: StackSpec, seed: int, layout: str, offset: int, is_pipe: bool
):
    stack = numbers_of(seed, spec)
    array = stored(stack, layout)
    content = b"h" * offset + array.tobytes()
    raw = raw_spec(array)._replace(offset=offset)
    with new_folder() as folder, ExitStack() as opened:
        path = folder / "x"
        path.write_bytes(content)
        path = opened.enter_context(fifo_of(content)) if is_pipe else path
        reader = opened.enter_context(opening.open_input(str(path), layout=layout, raw=raw))
        (held,), _ = hold_streams([reader], 0, opened, lambda step, done, total: None)
        assert same_numbers(read_all(held, data.draw(cuts(spec)), spec.dtype), stack)


def test_each_frame_of_a_stream_has_its_offset():
    content = b"head" + bytes(range(6)) + b"HEAD" + bytes(range(6, 12))
    with fifo_of(content) as path, ExitStack() as stack:
        raw = RawSpec((1, 2, 3), "uint8", offset=4)
        series = opening.open_series(str(path), layout="", raw=raw, stack=stack)
        assert [drained(reader) for reader in series] == [bytes(range(6)), bytes(range(6, 12))]


def test_a_wrong_offset(tmp_path: Path):
    (tmp_path / "x").write_bytes(bytes(40))
    with pytest.raises(DataError, match="has 30 bytes after the first 10, and shape=1,5,6"):
        opening.open_input(str(tmp_path / "x"), raw=RawSpec((1, 5, 6), "int16", offset=10))
    with pytest.raises(DataError, match="has no numbers after offset=50 bytes"):
        opening.open_input(str(tmp_path / "x"), raw=RawSpec((1, 5, 6), "int16", offset=50))
    with (
        fifo_of(bytes(40)) as pipe,
        pytest.raises(DataError, match="ends 10 bytes before offset=50"),
    ):
        opening.open_input(str(pipe), raw=RawSpec((1, 5, 6), "int16", offset=50))


@pytest.mark.parametrize("command", ["info", "stats", "apply", "fit", "compare", "view"])
def test_commands_skip_bytes(command: str, tmp_path: Path):
    stack = np.arange(210, dtype="<i2").reshape(5, 6, 7)
    (tmp_path / "x.dat").write_bytes(b"\0" * 128 + stack.tobytes())
    raw = ["--raw", "--shape", "5,6,7", "--dtype-in", "i2"]
    more = {
        "apply": ["--kernel", "1 0 0 0 0", "-o", "y.npy"],
        "fit": ["-k", "1", "-o", "m.npz"],
        "compare": ["x.dat"],
    }.get(command, [])
    wrong = onebyone(command, "x.dat", *more, *raw, cwd=tmp_path)
    assert wrong.returncode == 65
    done = onebyone(command, "x.dat", *more, *raw, "--offset", "128", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if command == "apply":
        assert same_numbers(np.load(tmp_path / "y.npy")[0], stack[0].astype("f4"))


def test_an_offset_needs_raw():
    with pytest.raises(UsageError, match="--offset and --dtype-in are for inputs without"):
        Raw(offset=0).spec()
