"""Numbers at fixed offsets: any order of axes and bytes in, CHW out, whatever the slabs."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    Array,
    cuts,
    dtypes,
    grid_of,
    grids,
    layouts,
    numbers,
    numbers_of,
    pixels_of,
    read_all,
    read_grid,
    same_numbers,
    seeds,
    slab_sizes,
    specs,
    stored,
)

from onebyone_cli.errors import DataError, ReadWriteError
from onebyone_cli.formats import opening
from onebyone_cli.formats.arrays import slabs as slabs_module
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import (
    ArrayLayout,
    array_layout,
    ordered_layout,
    plain_layout,
    plain_strides,
)
from onebyone_cli.formats.arrays.slabs import read_into
from onebyone_cli.formats.arrays.writer import ArrayWriter, write_from
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.npy_header import format_header
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import ITEM_BYTES, LAYOUTS, Slab, StackSpec

orders = st.sampled_from("CF")
offsets = st.sampled_from([0, 1, 64, 80, 12345])
scratches = st.sampled_from([16, 24, 64, 200, 1 << 12, 1 << 19])


@contextmanager
def file_of(data: bytes, offset: int = 0) -> Iterator[int]:
    """A descriptor of a file that holds some bytes after `offset` others."""
    fd = os.memfd_create("test")
    try:
        os.pwrite(fd, b"\xaa" * offset + data, 0)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def scratch_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slabs_module, "SCRATCH_BYTES", size)
        yield


def layout_of(array: Array, layout: str, order: str, *, big_endian: bool, offset: int) -> Any:
    return array_layout(
        array.shape,
        array.dtype.newbyteorder("=").name,
        "x",
        layout=layout,
        fortran_order=order == "F",
        big_endian=big_endian,
        offset=offset,
    )


@st.composite
def files(draw: st.DrawFn) -> tuple[Array, bytes, ArrayLayout]:
    """A stack, the bytes it is stored as, and the layout that says how to read them."""
    spec = draw(specs())
    stack = numbers_of(draw(seeds), spec)
    layout, order, big = draw(layouts), draw(orders), draw(st.booleans())
    array = stored(stack, layout, order, big_endian=big)
    offset = draw(offsets)
    found = layout_of(array, layout, order, big_endian=big, offset=offset)
    assert found.spec == spec
    return stack, array.tobytes(order), found


# ------------------------------------------------------------------------------- layouts


@given(files())
def test_a_layout_says_where_every_number_lies(file: tuple[Array, bytes, ArrayLayout]):
    stack, data, layout = file
    view = np.ndarray(layout.spec.shape, layout.dtype, data, strides=layout.strides)
    assert same_numbers(np.array(view), stack)
    assert layout.end == layout.offset + len(data)
    assert layout.is_plain == (layout.strides == plain_strides(layout.spec))


@given(st.integers(1, 9), st.integers(1, 9), dtypes, orders, seeds)
def test_two_axes_are_one_channel(height: int, width: int, dtype: str, order: str, seed: int):
    plane = numbers(seed, (height, width), dtype)
    array = np.array(plane, order=order)  # type: ignore[call-overload]
    found = layout_of(array, "", order, big_endian=False, offset=0)
    assert found.spec == StackSpec(1, height, width, dtype)
    with file_of(array.tobytes(order)) as fd:
        reader = ArrayReader(fd, found, About("x"), owns_fd=False)
        read = read_all(reader, list(iter_slabs(found.spec, 1, 4)), dtype)
    assert same_numbers(read[0], plane)


@pytest.mark.parametrize("shape", [(), (5,)])
def test_fewer_than_two_axes_are_no_stack(shape: tuple[int, ...]):
    with pytest.raises(DataError, match=r"x: .*expected H×W, C×H×W"):
        array_layout(shape, "uint8", "x")


@given(st.lists(st.integers(0, 3), min_size=2, max_size=5).map(tuple), layouts)
def test_an_axis_of_size_0_holds_nothing(shape: tuple[int, ...], layout: str):
    if 0 in shape:
        with pytest.raises(DataError, match="an axis of size 0 holds no pixels"):
            array_layout(shape, "uint8", "x", layout=layout)
    elif len(shape) == 2 and layout != "CHW":
        with pytest.raises(DataError, match=r"has 2 axes .*and layout=\w+ names 3"):
            array_layout(shape, "uint8", "x", layout=layout)
    else:
        assert array_layout(shape, "uint8", "x", layout=layout).spec.data_bytes == prod(shape)


@given(st.lists(st.integers(1, 2**40), min_size=3, max_size=6).map(tuple), layouts, orders, dtypes)
def test_sizes_are_exact_beyond_64_bits(
    shape: tuple[int, ...], layout: str, order: str, dtype: str
):
    found = array_layout(shape, dtype, "x", layout=layout, fortran_order=order == "F")
    assert found.spec.data_bytes == prod(shape) * ITEM_BYTES[dtype]
    last = sum((n - 1) * s for n, s in zip(found.spec.shape, found.strides, strict=True))
    assert last == found.spec.data_bytes - ITEM_BYTES[dtype]


# ------------------------------------------------------------------------------- reading


@given(st.data(), files(), scratches)
def test_any_file_is_read_in_any_slabs(
    data: st.DataObject, file: tuple[Array, bytes, ArrayLayout], scratch: int
):
    stack, content, layout = file
    with scratch_of(scratch), file_of(content, layout.offset) as fd:
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        read = read_all(reader, data.draw(cuts(layout.spec)), layout.spec.dtype)
    assert same_numbers(read, stack)


@given(st.data(), files(), scratches, st.sampled_from(["float32", "float64"]))
def test_numbers_are_converted_on_the_way(
    data: st.DataObject, file: tuple[Array, bytes, ArrayLayout], scratch: int, dtype: str
):
    stack, content, layout = file
    with scratch_of(scratch), file_of(content, layout.offset) as fd:
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        with np.errstate(all="ignore"):
            read = read_all(reader, data.draw(cuts(layout.spec)), dtype)
            expected = stack.astype(dtype)
    assert same_numbers(read, expected)


@given(st.data(), files(), scratches, st.integers(0, 3), st.integers(0, 3), st.integers(0, 9))
def test_a_slab_may_be_a_part_of_a_larger_buffer(
    data: st.DataObject,
    file: tuple[Array, bytes, ArrayLayout],
    scratch: int,
    before: int,
    after: int,
    more: int,
):
    """As with stacked inputs, and as in the last slab of a stack; nothing else is touched."""
    stack, content, layout = file
    spec = layout.spec
    dtype = data.draw(st.sampled_from([spec.dtype, "float64"]))
    with scratch_of(scratch), file_of(content, layout.offset) as fd:
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        for slab in data.draw(cuts(spec))[:5]:
            shape = (slab.items, before + spec.channels + after, slab.pixels + more)
            buffer = np.full(shape, 1, dtype)
            out = buffer[:, before : before + spec.channels, : slab.pixels]
            reader.read(slab, out, np.empty(reader.scratch_bytes, np.uint8))
            assert same_numbers(out, pixels_of(stack, slab).astype(dtype))
            out[:] = 1
            assert (buffer == 1).all()


@given(st.data(), files(), scratches, st.sampled_from([0, 3, 40, 1 << 14]))
def test_pixels_far_apart_are_those_of_a_slice(
    data: st.DataObject, file: tuple[Array, bytes, ArrayLayout], scratch: int, worth: int
):
    stack, content, layout = file
    grid = data.draw(grids(layout.spec))
    with (
        scratch_of(scratch),
        file_of(content, layout.offset) as fd,
        pytest.MonkeyPatch.context() as m,
    ):
        m.setattr(slabs_module, "_WORTH_SKIPPING", worth)
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        read = read_grid(reader, grid, layout.spec.dtype)
    assert same_numbers(read, grid_of(stack, grid))


def bytes_read(layout: ArrayLayout, grid: tuple[int, list[int], range, range]) -> int:
    """How much of a file, which is a hole, is read for a grid of pixels."""
    counted = 0
    preadv = os.preadv

    def count(fd: int, buffers: list[Any], offset: int) -> int:
        nonlocal counted
        counted += memoryview(buffers[0]).nbytes
        return preadv(fd, buffers, offset)

    with file_of(b"") as fd, pytest.MonkeyPatch.context() as patch:
        os.truncate(fd, layout.end)
        patch.setattr(os, "preadv", count)
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        assert not read_grid(reader, grid, layout.spec.dtype).any()
    return counted


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_little_else_is_read_for_pixels_far_apart(layout: str, order: str):
    spec = StackSpec(1000, 20_000, 20_000, "float32")  # 1.6 TB
    sizes = dict(zip("CHW", spec.shape, strict=True))
    shape = tuple(sizes[axis] for axis in layout)
    stored_so = array_layout(shape, "float32", "x", layout=layout, fortran_order=order == "F")
    grid = (0, [3, 500], range(100, 20_000, 2000), range(7, 20_000, 4000))
    # A pixel takes no more than what is not worth skipping around it.
    assert bytes_read(stored_so, grid) <= 2 * 10 * 5 * (1 << 14)


def test_of_a_row_that_is_wanted_everything_is_read_at_once():
    layout = plain_layout(StackSpec(3, 1000, 1000, "uint8"))
    calls: list[int] = []
    preadv = os.preadv

    def note(fd: int, buffers: list[Any], offset: int) -> int:
        calls.append(offset)
        return preadv(fd, buffers, offset)

    with file_of(bytes(layout.end)) as fd, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", note)
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        read_grid(reader, (0, [1], range(0, 1000, 100), range(0, 1000, 3)), "uint8")
    assert calls == [1_000_000 + row * 1000 for row in range(0, 1000, 100)]


@given(st.data(), files(), st.integers(1, 7))
def test_the_system_may_give_a_few_bytes_at_a_time(
    data: st.DataObject, file: tuple[Array, bytes, ArrayLayout], most: int
):
    stack, content, layout = file
    preadv = os.preadv

    def trickle(fd: int, buffers: list[Any], offset: int) -> int:
        return preadv(fd, [memoryview(buffers[0]).cast("B")[:most]], offset)

    with file_of(content, layout.offset) as fd, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", trickle)
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        read = read_all(reader, data.draw(cuts(layout.spec)), layout.spec.dtype)
    assert same_numbers(read, stack)


@given(st.data(), files(), scratches)
def test_a_file_that_became_shorter(
    data: st.DataObject, file: tuple[Array, bytes, ArrayLayout], scratch: int
):
    _, content, layout = file
    length = layout.offset + data.draw(st.integers(0, len(content) - 1))
    with scratch_of(scratch), file_of(content, layout.offset) as fd:
        reader = ArrayReader(fd, layout, About("input.npy"), owns_fd=False)
        os.truncate(fd, length)
        with pytest.raises(ReadWriteError, match=r"input.npy: ends at byte \d+ although"):
            read_all(reader, data.draw(cuts(layout.spec)), layout.spec.dtype)
        with pytest.raises(ReadWriteError, match="was changed while it was being read"):
            reader.check_unchanged()


@given(files())
def test_a_file_that_was_left_alone_is_unchanged(file: tuple[Array, bytes, ArrayLayout]):
    _, content, layout = file
    with file_of(content, layout.offset) as fd:
        reader = ArrayReader(fd, layout, About("input.npy"), owns_fd=False)
        reader.check_unchanged()
        os.utime(fd, ns=(0, 1))
        with pytest.raises(ReadWriteError, match="was changed while it was being read; run again"):
            reader.check_unchanged()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("after", [0, 5])
def test_errors_of_the_system(monkeypatch: pytest.MonkeyPatch, number: int, after: int):
    preadv, calls = os.preadv, iter(range(100))

    def fail(fd: int, buffers: list[Any], offset: int) -> int:
        if next(calls) * 1 >= after:
            raise OSError(number, "")
        return preadv(fd, [memoryview(buffers[0])[:1]], offset)

    with file_of(bytes(20)) as fd:
        monkeypatch.setattr(os, "preadv", fail)
        with pytest.raises(ReadWriteError, match=f"x: reading failed: {os.strerror(number)}"):
            read_into(fd, np.empty(20, np.uint8), 0, "x")


def test_a_reader_closes_only_what_it_owns():
    fd = os.memfd_create("test")
    spec = StackSpec(1, 1, 1, "uint8")
    ArrayReader(fd, plain_layout(spec), About("x"), owns_fd=False).close()
    os.fstat(fd)
    reader = ArrayReader(fd, plain_layout(spec), About("x"))
    for _ in range(2):
        reader.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_rectangles_are_the_pixels_in_order(height: int, width: int, data: st.DataObject):
    start = data.draw(st.integers(0, height * width - 1))
    stop = data.draw(st.integers(start + 1, height * width))
    found = list(slabs_module.rectangles(start, stop, width))
    assert len(found) <= 3
    pixels = [
        (row + r) * width + column + c
        for row, rows, column, columns in found
        for r in range(rows)
        for c in range(columns)
    ]
    assert pixels == list(range(start, stop))


# ------------------------------------------------------------------------------- writing


@given(st.data(), specs(), seeds, offsets)
def test_slabs_that_are_written_make_the_array(
    data: st.DataObject, spec: StackSpec, seed: int, offset: int
):
    stack = numbers_of(seed, spec)
    order, big = data.draw(st.sampled_from(LAYOUTS)), data.draw(st.booleans())
    layout = ordered_layout(spec, order, big_endian=big, offset=offset)
    axes = (*range(len(spec.batch)), *(len(spec.batch) + "CHW".index(axis) for axis in order))
    expected = stack.transpose(axes).astype(stack.dtype.newbyteorder(">" if big else "<"))
    with file_of(b"", offset) as fd:
        writer = ArrayWriter(fd, layout, "x")
        for slab in data.draw(cuts(spec)):
            # A block is a part of a worker's buffer: its rows may lie apart.
            more = data.draw(st.integers(0, 3))
            buffer = np.zeros((slab.items + 1, spec.channels, slab.pixels + more), spec.dtype)
            block = buffer[: slab.items, :, : slab.pixels]
            block[:] = pixels_of(stack, slab)
            writer.write(slab, block)
        assert os.pread(fd, offset, 0) == b"\xaa" * offset
        assert os.pread(fd, spec.data_bytes + 1, offset) == expected.tobytes()
        reader = ArrayReader(fd, layout, About("x"), owns_fd=False)
        assert same_numbers(read_all(reader, data.draw(cuts(spec)), spec.dtype), stack)


@given(specs(), seeds, st.data(), st.integers(1, 7))
def test_the_system_may_take_a_few_bytes_at_a_time(
    spec: StackSpec, seed: int, data: st.DataObject, most: int
):
    stack = numbers_of(seed, spec)
    pwritev = os.pwritev

    def trickle(fd: int, buffers: list[Any], offset: int) -> int:
        return pwritev(fd, [memoryview(buffers[0]).cast("B")[:most]], offset)

    items, pixels = data.draw(slab_sizes(spec))
    with file_of(b"") as fd, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwritev", trickle)
        writer = ArrayWriter(fd, plain_layout(spec), "x")
        for slab in iter_slabs(spec, items, pixels):
            writer.write(slab, np.ascontiguousarray(pixels_of(stack, slab)))
        assert os.pread(fd, spec.data_bytes + 1, 0) == stack.tobytes()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, number: int):
    def fail(*args: Any) -> int:
        raise OSError(number, "")

    monkeypatch.setattr(os, "pwritev", fail)
    with (
        file_of(b"") as fd,
        pytest.raises(ReadWriteError, match=f"out: writing failed: {os.strerror(number)}"),
    ):
        write_from(fd, np.zeros(3), 0, "out")


# -------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_worked_example(layout: str, order: str):
    """Channel 1, row 2, column 3 of numbers that say where they are."""
    stack = np.fromfunction(lambda c, h, w: 100 * c + 10 * h + w, (2, 4, 5)).astype(np.uint16)
    array = stored(stack, layout, order)
    assert array.shape == tuple({"C": 2, "H": 4, "W": 5}[axis] for axis in layout)
    found = layout_of(array, layout, order, big_endian=False, offset=0)
    with file_of(array.tobytes(order)) as fd:
        reader = ArrayReader(fd, found, About("x"), owns_fd=False)
        out = np.empty((1, 2, 1), np.uint16)
        at = 2 * 5 + 3
        reader.read(Slab(0, 1, at, at + 1), out, np.empty(reader.scratch_bytes, np.uint8))
    assert out[0, :, 0].tolist() == [23, 123]


# --------------------------------------------------------------------- interleaved batches


@pytest.mark.parametrize(
    ("axes", "items"),
    [("NCHW", 1), ("NHWC", 1), ("CNHW", 1), ("CHWN", 7), ("HWNC", 7), ("HNWC", 1)],
)
def test_how_many_items_lie_between_two_pixels(axes: str, items: int):
    sizes = {"N": 7, "C": 3, "H": 4, "W": 5}
    layout = array_layout(tuple(sizes[axis] for axis in axes), "uint8", "x", layout=axes)
    assert layout.interleaved == items


def test_reading_much_of_an_interleaved_batch_is_told(tmp_path: Path):
    path = tmp_path / "x.npy"
    header = format_header((3, 4000, 400, 100), "uint8")
    path.write_bytes(header)
    os.truncate(path, len(header) + 3 * 4000 * 400 * 100)  # a hole
    for layout, told in (("CHWN", True), ("HWCN", True), ("CHW", False)):
        with opening.open_input(str(path), layout=layout) as reader:
            assert any("100 items lie interleaved" in note for note in reader.about.notes) == told
