"""The HDF5 format: what is read and written, what is refused, and in how much memory."""

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    DTYPES,
    cuts,
    grid_of,
    grids,
    laid_out,
    layouts,
    new_folder,
    numbers,
    numbers_of,
    read_all,
    read_grid,
    same_numbers,
    seeds,
    specs,
    stored,
)

from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import (
    DataError,
    DependencyMissingError,
    InputMissingError,
    OneByOneError,
    OutputRefusedError,
    PolicyError,
    ReadWriteError,
    UsageError,
)
from onebyone_cli.formats import hdf5
from onebyone_cli.formats.arrays import chunked
from onebyone_cli.formats.arrays.chunked import ChunkReader, ChunkStream
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.grid import Grid, drain_bytes, drain_pieces, plan_drain
from onebyone_cli.formats.contracts.metadata import Attribute, Metadata
from onebyone_cli.formats.contracts.reader import Source
from onebyone_cli.formats.contracts.writer import Storage, Target
from onebyone_cli.formats.hdf5 import header as hdf5_header
from onebyone_cli.formats.hdf5.chunks import CellDecoder, fletcher32
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.spec import Slab, StackSpec
from onebyone_cli.units import printable

FORCE = Publication(force=True)

h5py = load_h5py()

FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True},
    {"compression": "lzf", "shuffle": True},
    {"shuffle": True},
    {"fletcher32": True},
)


def make(path: Path, array: Any, name: str = "cube", **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array, **options)
    return path


def drained(reader: ChunkStream) -> Any:
    """What a stream hands over, seen as its layout says."""
    data = bytearray()
    reader.drain(data.extend)
    layout = reader.stored
    return np.ndarray(reader.spec.shape, layout.dtype, data, layout.offset, layout.strides)


def whole(reader: Any) -> Any:
    """Everything a reader has, by slabs of one item."""
    if isinstance(reader, ChunkStream):
        return drained(reader)
    spec = reader.spec
    slabs = [Slab(item, 1, 0, spec.pixels) for item in range(spec.items)]
    return read_all(reader, slabs, spec.dtype)


def plain_slabs(spec: StackSpec, step: int) -> list[Slab]:
    return [
        Slab(item, 1, start, min(start + step, spec.pixels))
        for item in range(spec.items)
        for start in range(0, spec.pixels, step)
    ]


# ---------------------------------------------------------------- reading gives the same numbers


@st.composite
def chunk_shapes(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(draw(st.integers(1, size)) for size in shape)


@given(st.data(), specs(), seeds, layouts, st.booleans(), st.sampled_from(FILTERS))
def test_chunked_datasets_read_equal(
    data: st.DataObject,
    spec: StackSpec,
    seed: int,
    layout: str,
    big_endian: bool,
    filters: dict[str, Any],
) -> None:
    stack = numbers_of(seed, spec)
    array = stored(stack, layout, big_endian=big_endian)
    chunks = data.draw(chunk_shapes(array.shape))
    with new_folder() as folder:
        path = make(folder / "a.h5", array, chunks=chunks, **filters)
        with hdf5.read(Source(str(path), layout=layout)) as reader:
            assert reader.spec == spec
            assert isinstance(reader, ChunkReader)
            assert reader.chunk_shape == tuple(
                chunks[len(spec.batch) + layout.index(axis)] for axis in "CHW"
            )
            slabs = data.draw(cuts(spec))
            for dtype in (spec.dtype, "float32", "float64"):
                expected = stack.astype(dtype) if dtype != spec.dtype else stack
                assert same_numbers(read_all(reader, slabs, dtype), expected)
            grid, piece = data.draw(grids(spec)), data.draw(st.sampled_from([1, 30, 1 << 18]))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(chunked, "_GRID_BYTES", piece)
                assert same_numbers(read_grid(reader, grid, spec.dtype), grid_of(stack, grid))


@given(st.data(), specs(), seeds, layouts, st.booleans(), st.sampled_from(FILTERS))
def test_streams_of_chunks_hold_the_same_numbers(
    data: st.DataObject,
    spec: StackSpec,
    seed: int,
    layout: str,
    big_endian: bool,
    filters: dict[str, Any],
) -> None:
    stack = numbers_of(seed, spec)
    array = stored(stack, layout, big_endian=big_endian)
    chunks = data.draw(chunk_shapes(array.shape))
    with new_folder() as folder, pytest.MonkeyPatch.context() as patch:
        path = make(folder / "a.h5", array, chunks=chunks, **filters)
        patch.setattr("onebyone_cli.formats.arrays.chunked.plan_cache", lambda *_: None)
        # Down to the least memory that any order does with.
        low, high = 1, 1 << 20
        while low < high:
            memory = (low + high) // 2
            try:
                hdf5.read(Source(str(path), layout=layout, memory=memory)).close()
                high = memory
            except UsageError:
                low = memory + 1
        with hdf5.read(Source(str(path), layout=layout, memory=low)) as reader:
            assert isinstance(reader, ChunkStream)
            assert reader.buffer_bytes <= low
            assert same_numbers(drained(reader), stack)


@given(st.data(), specs(), seeds, layouts, st.booleans())
def test_contiguous_datasets_read_equal(
    data: st.DataObject, spec: StackSpec, seed: int, layout: str, big_endian: bool
) -> None:
    stack = numbers_of(seed, spec)
    with new_folder() as folder:
        path = make(folder / "a.h5", stored(stack, layout, big_endian=big_endian))
        with hdf5.read(Source(str(path), "/cube", layout)) as reader:
            assert isinstance(reader, ArrayReader)
            assert same_numbers(read_all(reader, data.draw(cuts(spec)), spec.dtype), stack)


@pytest.mark.parametrize("options", [{}, {"chunks": (3, 4)}, {"chunks": (3, 4), "shuffle": True}])
@pytest.mark.parametrize("layout", ["", "HW"])
def test_two_axes_are_one_channel(tmp_path: Path, layout: str, options: dict[str, Any]) -> None:
    image = numbers(1, (7, 9), "float32")
    path = make(tmp_path / "a.h5", image, **options)
    with hdf5.read(Source(str(path), layout=layout)) as reader:
        assert reader.spec == StackSpec(1, 7, 9, "float32")
        assert same_numbers(whole(reader), image[None])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_is_read_and_written(tmp_path: Path, dtype: str) -> None:
    stack = numbers(2, (2, 3, 5), dtype)
    StackSpec(2, 3, 5, dtype)
    for storage in (Storage(), Storage("gzip", shuffle=True)):
        path = tmp_path / "out.h5"
        save(Target(str(path), hdf5.write, publication=FORCE, storage=storage), stack)
        with h5py.File(path) as file:
            assert file["data"].dtype == np.dtype(dtype)
            assert same_numbers(file["data"][()], stack)
        with hdf5.read(Source(str(path))) as reader:
            assert same_numbers(whole(reader), stack)


def test_compact_and_never_written_datasets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    stack = numbers(3, (2, 3, 4), "int16")
    with h5py.File(path, "w") as file:
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(stack.shape)
        dataset = h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_I16LE, space, compact)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, stack)
        file.create_dataset("empty", (2, 600, 700), "f4", fillvalue=2.5)
        file.create_dataset("partly", (4, 8, 8), "f4", fillvalue=-1, chunks=(1, 4, 4))
        file["partly"][1, :4] = 7
        partly = file["partly"][()]
    with hdf5.read(Source(str(path), "compact")) as reader:
        assert reader.chunk_shape is None
        assert same_numbers(whole(reader), stack)
    with hdf5.read(Source(str(path), "empty")) as reader:
        assert (whole(reader) == 2.5).all()
    with hdf5.read(Source(str(path), "partly")) as reader:
        assert same_numbers(whole(reader), partly)


@pytest.mark.parametrize("userblock", [0, 512, 4096])
def test_a_block_of_the_user_in_front(tmp_path: Path, userblock: int) -> None:
    stack = numbers(4, (3, 20, 30), "float32")
    for options in ({}, {"chunks": (1, 9, 30), "compression": "gzip"}):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w", userblock_size=userblock) as file:
            file.create_dataset("x", data=stack, **options)
        with hdf5.read(Source(str(path))) as reader:
            assert same_numbers(whole(reader), stack)


def test_scaleoffset_is_left_to_hdf5(tmp_path: Path) -> None:
    stack = np.arange(600, dtype="i4").reshape(6, 10, 10)
    path = make(tmp_path / "a.h5", stack, chunks=(2, 5, 10), scaleoffset=True)
    with hdf5.read(Source(str(path))) as reader:
        assert same_numbers(whole(reader), stack)


def test_chunks_that_skipped_filters(tmp_path: Path) -> None:
    chunk = numbers(5, (1, 8, 8), "float32")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "x", (4, 8, 8), "f4", chunks=(1, 8, 8), compression="gzip", shuffle=True
        )
        shuffled = chunk.view("u1").reshape(-1, 4).T.tobytes()
        dataset.id.write_direct_chunk((0, 0, 0), zlib.compress(shuffled), 0b00)
        dataset.id.write_direct_chunk((1, 0, 0), shuffled, 0b10)
        dataset.id.write_direct_chunk((2, 0, 0), zlib.compress(chunk.tobytes()), 0b01)
        dataset.id.write_direct_chunk((3, 0, 0), chunk.tobytes(), 0b11)
    with hdf5.read(Source(str(path))) as reader:
        assert same_numbers(whole(reader), np.repeat(chunk, 4, axis=0))


@given(st.binary(max_size=3000), st.integers(1, 7))
def test_the_checksum_is_that_of_hdf5(data: bytes, item: int) -> None:
    whole_items = np.frombuffer(data + bytes(-len(data) % item) or bytes(item), f"V{item}")
    with h5py.File(io.BytesIO(), "w") as file:
        dataset = file.create_dataset(
            "x", data=whole_items, chunks=whole_items.shape, fletcher32=True
        )
        _, raw = dataset.id.read_direct_chunk((0,))
    assert fletcher32(raw[:-4]) == int.from_bytes(raw[-4:], "little")


@pytest.mark.parametrize("fill", [0, 255])
@pytest.mark.parametrize("size", [1 << 18, (1 << 18) + 8192 + 6, (1 << 19) + 1])
def test_the_checksum_of_large_chunks(size: int, fill: int) -> None:
    data = np.full(size, fill, "u1")
    data[size // 3] ^= 5
    with h5py.File(io.BytesIO(), "w") as file:
        dataset = file.create_dataset("x", data=data, chunks=(size,), fletcher32=True)
        _, raw = dataset.id.read_direct_chunk((0,))
    assert fletcher32(raw[:-4]) == int.from_bytes(raw[-4:], "little")


# ------------------------------------------------------------- threads, memory, each chunk once


@pytest.mark.parametrize("filters", FILTERS[1:5])
@pytest.mark.parametrize("memory", [500_000, 1 << 26])
def test_threads_read_the_same_numbers(
    tmp_path: Path, filters: dict[str, Any], memory: int
) -> None:
    stack = numbers(6, (6, 120, 130), "float32")
    path = make(tmp_path / "a.h5", stack, chunks=(4, 32, 50), **filters)
    with hdf5.read(Source(str(path), memory=memory)) as reader:
        assert isinstance(reader, ChunkReader)
        slabs = iter(plain_slabs(reader.spec, 1111))
        out = np.empty((1, 6, 120 * 130), "f4")
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    slab = next(slabs, None)
                if slab is None:
                    return
                reader.read(slab, out[:, :, slab.start : slab.stop], np.empty(0, "u1"))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reader.check_unchanged()
        if memory == 1 << 26:
            assert len(reader._cache) == 0
    assert same_numbers(out.reshape(stack.shape), stack)


@given(st.data(), specs(side=12), st.integers(1, 40))
def test_slabs_in_order_decode_each_cell_once(
    data: st.DataObject, spec: StackSpec, step: int
) -> None:
    stack = numbers_of(1, spec)
    chunks = data.draw(chunk_shapes(spec.shape))
    with new_folder() as folder, pytest.MonkeyPatch.context() as patch:
        path = make(folder / "a.h5", stack, chunks=chunks, compression="gzip")
        # Cells as small as chunks, and no more kept than is needed.
        patch.setattr("onebyone_cli.formats.arrays.grid.CELL_BYTES", 1)
        patch.setattr("onebyone_cli.formats.arrays.grid._USEFUL_CACHE", 1)
        patch.setattr("os.cpu_count", lambda: 1)
        memory = least_for_random_access(path)
        loads = counted_loads(patch)
        with hdf5.read(Source(str(path), memory=memory)) as reader:
            assert isinstance(reader, ChunkReader)
            assert reader.cache_bytes <= memory
            assert same_numbers(read_all(reader, plain_slabs(spec, step), spec.dtype), stack)
        assert set(loads.values()) == {1}


def least_for_random_access(path: Path) -> int:
    low, high = 1, 1 << 22
    while low < high:
        memory = (low + high) // 2
        try:
            with hdf5.read(Source(str(path), memory=memory)) as reader:
                found = isinstance(reader, ChunkReader)
        except UsageError:
            found = False
        low, high = (low, memory) if found else (memory + 1, high)
    return low


def counted_loads(patch: pytest.MonkeyPatch) -> Counter[tuple[int, ...]]:
    loads: Counter[tuple[int, ...]] = Counter()
    load = CellDecoder.load

    def counted(self: CellDecoder, index: tuple[int, ...]) -> Any:
        loads[index] += 1
        return load(self, index)

    patch.setattr(CellDecoder, "load", counted)
    return loads


# Planes, tall chunks, spectra; all too large for random access in this memory.
@pytest.mark.parametrize(
    ("chunks", "layout"),
    [((1, 256, 256), "CHW"), ((4, 64, 256), "CHW"), ((256, 32, 8), "HWC"), ((64, 16, 64), "HCW")],
)
@pytest.mark.parametrize("filters", [FILTERS[0], FILTERS[2]])
def test_memory_stays_inside_the_limit(
    tmp_path: Path, chunks: tuple[int, ...], layout: str, filters: dict[str, Any]
) -> None:
    limit = 3 << 20
    spec = StackSpec(16, 256, 256, "float32")
    rng = np.random.default_rng(7)
    stack = rng.integers(0, 99, spec.shape).astype("f4")
    path = make(tmp_path / "a.h5", laid_out(stack, layout), chunks=chunks, **filters)
    loads: Counter[tuple[int, ...]]
    with hdf5.read(Source(str(path), layout=layout, memory=limit)) as reader:
        room = np.empty(spec.data_bytes, "u1")
        tracemalloc.start()
        try:
            with pytest.MonkeyPatch.context() as patch:
                loads = counted_loads(patch)
                if isinstance(reader, ChunkStream):
                    assert reader.buffer_bytes <= limit
                    at = 0

                    def write(data: memoryview) -> None:
                        nonlocal at
                        room[at : at + len(data)] = data
                        at += len(data)

                    reader.drain(write)
                    strides = reader.stored.strides
                    seen = np.ndarray(spec.shape, "f4", room.data, strides=strides)
                else:
                    assert reader.cache_bytes <= limit
                    seen = room.view("f4").reshape(spec.shape)
                    flat = seen.reshape(1, 16, -1)
                    for slab in plain_slabs(spec, 5000):
                        reader.read(slab, flat[:, :, slab.start : slab.stop], np.empty(0, "u1"))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert same_numbers(seen, stack)
    assert peak < limit + (1 << 17)
    assert set(loads.values()) == {1}


def test_too_little_memory_names_enough(tmp_path: Path) -> None:
    stack = np.zeros((8, 256, 256), "f4")
    path = make(tmp_path / "a.h5", stack, chunks=(8, 128, 128), compression="gzip")
    with pytest.raises(UsageError, match=r"chunks of 8×128×128 take .* give memory=(\d+)M") as at:
        hdf5.read(Source(str(path), memory=1 << 20))
    named = int(at.value.message.split("memory=")[1].split("M")[0]) << 20
    hdf5.read(Source(str(path), memory=named // 2)).close()


@given(st.data(), specs(side=12), st.integers(1, 4000))
def test_drain_pieces_cover_everything_once_and_in_order(
    data: st.DataObject, spec: StackSpec, room: int
) -> None:
    cell = data.draw(chunk_shapes(spec.shape))
    grid = Grid(spec.shape, cell, tuple(range(len(cell))), spec.item_bytes)
    everything = plan_drain(grid, drain_bytes(grid))
    assert everything is not None
    assert everything.decodes == 1
    plan = plan_drain(grid, room)
    if plan is None:
        return
    assert plan.bytes <= room
    positions = np.arange(np.prod(spec.shape)).reshape([spec.shape[a] for a in plan.order])
    positions = positions.transpose([plan.order.index(a) for a in range(len(cell))])
    at = 0
    decodes: Counter[tuple[int, ...]] = Counter()
    for start, stop in drain_pieces(grid, plan):
        piece = positions[tuple(map(slice, start, stop))]
        assert piece.size * spec.item_bytes <= plan.bytes
        run = np.sort(piece, axis=None)
        assert np.array_equal(run, np.arange(at, at + piece.size))
        at += piece.size
        decodes.update(grid.touching(start, stop))
    assert at == positions.size
    assert max(decodes.values()) <= plan.decodes


# ------------------------------------------------------------------------- finding the dataset


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """A file with two cubes, a table, text, and links of every kind."""
    path = tmp_path / "varied.h5"
    with h5py.File(path, "w") as file:
        file["a/cube"] = numbers(8, (2, 3, 4), "float32")
        file["b/c/image"] = numbers(9, (3, 4), "uint8")
        file["wavelengths"] = np.arange(5.0)
        file["names"] = ["x", "y"]
        file["a/loop"] = file["a"]
        file["soft"] = h5py.SoftLink("/a/cube")
        file["a/relative"] = h5py.SoftLink("cube")
        file["b/up"] = h5py.SoftLink("/a")
        file["dangling"] = h5py.SoftLink("/nothing")
        file["circle"] = h5py.SoftLink("/circle")
        file["ping"] = h5py.SoftLink("/pong")
        file["pong"] = h5py.SoftLink("/ping")
        file["away"] = h5py.ExternalLink("other.h5", "/x")
        file["b/away"] = h5py.ExternalLink("/etc", "/")
        file["type"] = np.dtype("f4")
    make(tmp_path / "other.h5", np.zeros((2, 2)), name="x")
    return path


@pytest.mark.parametrize(
    "inner",
    ["a/cube", "/a/cube", "//a/./cube/", "soft", "a/relative", "b/up/cube", "a/loop/loop/cube"],
)
def test_datasets_are_found_by_name(varied: Path, inner: str) -> None:
    with hdf5.read(Source(str(varied), inner)) as reader:
        assert reader.spec == StackSpec(2, 3, 4, "float32")
        assert reader.about.inner == "/" + inner.strip("/").replace("./", "")
        assert reader.about.files == (str(varied),)


@pytest.mark.parametrize("inner", ["nothing", "a/nothing", "a/cube/x", "dangling", "A/cube", ".."])
def test_missing_datasets_list_those_there_are(varied: Path, inner: str) -> None:
    with pytest.raises(DataError, match=r"has no dataset '.*'; name one of /a/cube, /b/c/image, "):
        hdf5.read(Source(str(varied), inner))


@pytest.mark.parametrize(
    ("inner", "what"), [("a", "a group"), ("/", "a group"), ("type", "a type")]
)
def test_other_objects_are_no_datasets(varied: Path, inner: str, what: str) -> None:
    with pytest.raises(DataError, match=f"is {what}; name one of /a/cube, /b/c/image"):
        hdf5.read(Source(str(varied), inner))


@pytest.mark.parametrize("inner", ["circle", "ping", "circle/x"])
def test_soft_links_in_a_circle(varied: Path, inner: str) -> None:
    with pytest.raises(DataError, match="circular soft link"):
        hdf5.read(Source(str(varied), inner))


@pytest.mark.parametrize("inner", ["away", "b/away", "b/away/passwd"])
def test_links_to_other_files_are_not_followed(varied: Path, inner: str) -> None:
    with pytest.raises(PolicyError, match="'away' is a link to another file"):
        hdf5.read(Source(str(varied), inner))


def test_several_candidates_are_listed(varied: Path) -> None:
    with pytest.raises(DataError, match="has 2 datasets it could be; name one of /a/cube, /b/c/im"):
        hdf5.read(Source(str(varied)))


def test_the_only_candidate_is_taken(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", numbers(1, (2, 3, 4), "int8"), name="deep/er/x")
    with h5py.File(path, "a") as file:
        file["scalar"] = 3
        file["vector"] = np.arange(3)
        file["text"] = [["a", "b"], ["c", "d"]]
        file["deep/again"] = file["deep/er/x"]
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
    with hdf5.read(Source(str(path))) as reader:
        assert reader.about.inner in ("/deep/again", "/deep/er/x")
        assert reader.spec.channels == 2
        (note,) = reader.about.notes
        assert note.endswith("link to another file, which is not followed: /elsewhere (other.h5)")


def test_a_mask_is_not_read_in_place_of_what_was_passed_over(tmp_path: Path) -> None:
    mask = np.zeros((6, 5), "u4")
    for name, add, message in (
        ("links", {"data_1": h5py.ExternalLink("d.h5", "/x")}, r"data_1 \(d.h5\); name d.h5"),
        ("unreadable", {"data_1": np.zeros((2, 6, 5), "c8")}, "can't be read: /entry/data_1"),
    ):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            for inner, value in add.items():
                file[f"entry/{inner}"] = value
        refused(path, DataError, f"has no dataset to read; it has .*{message}")
        with h5py.File(path, "a") as file:
            file["entry/detector/pixel_mask"] = mask
        refused(path, DataError, f"but /entry/detector/pixel_mask, a mask.*{message}.*to read that")
        with hdf5.read(Source(str(path), "entry/detector/pixel_mask")) as reader:
            assert reader.spec.dtype == "uint32"
        assert [each.name for each in hdf5.datasets(str(path))] == ["/entry/detector/pixel_mask"]
    path = make(tmp_path / "mask.h5", mask, name="QualityFlags")
    with hdf5.read(Source(str(path))) as reader:  # nothing else is there
        assert reader.about.notes == ()


def test_masks_beside_a_dataset_are_no_candidates(tmp_path: Path) -> None:
    path = make(tmp_path / "x.h5", numbers(1, (4, 6, 5), "float32"), name="refl")
    with h5py.File(path, "a") as file:
        file["QA/cloud_mask"] = np.ones((6, 5), "u1")
    with hdf5.read(Source(str(path))) as reader:
        assert reader.about.inner == "/refl"
        (note,) = reader.about.notes
        assert note.endswith("the file also has a mask, which is not used: /QA/cloud_mask")
    with h5py.File(path, "a") as file:
        file["pixel_quality"] = np.ones((6, 5), "u1")
    with hdf5.read(Source(str(path))) as reader:
        assert ", which are not used: /QA/cloud_mask, /pixel_quality" in reader.about.notes[0]
    with h5py.File(path, "a") as file:
        file["radiance"] = np.ones((4, 6, 5), "f4")
    refused(path, DataError, "has 4 datasets it could be; name one of /QA/cloud_mask")
    masks = tmp_path / "masks.h5"
    with h5py.File(masks, "w") as file:
        file["cloud_mask"] = file["snow_mask"] = np.ones((6, 5), "u1")
    refused(masks, DataError, "has 2 datasets it could be")


def test_groups_of_programs_are_not_searched(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", numbers(1, (2, 3, 4), "int8"), name="x")
    with h5py.File(path, "a") as file:
        for name in ("_i_table/column/sorted", "#refs#/a", "#subsystem#/b"):
            file[name] = np.zeros((4, 5))
    assert [each.name for each in hdf5.datasets(str(path))] == ["/x"]


@pytest.mark.parametrize("chunked", [False, True])
def test_bit_fields_and_enumerations_are_numbers(tmp_path: Path, chunked: bool) -> None:
    path = tmp_path / "a.h5"
    bits = numbers(3, (2, 4, 5), "uint16")
    names = h5py.enum_dtype({"RED": 0, "BLUE": 300}, ">i2")
    with h5py.File(path, "w") as file:
        space, plist = h5py.h5s.create_simple(bits.shape), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if chunked:
            plist.set_chunk((1, 4, 3))
            plist.set_deflate(1)
        for size, kind in ((8, h5py.h5t.STD_B8LE), (16, h5py.h5t.STD_B16BE)):
            made = h5py.h5d.create(file.id, b"b%d" % size, kind, space, plist)
            order = f">u{size // 8}"
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, bits.astype(f"u{size // 8}").astype(order), kind)
        file.create_dataset("names", data=np.where(bits > 9, 300, 0), dtype=names)
        file.create_dataset("yes", data=bits > 9, dtype=h5py.enum_dtype({"NO": 0, "YES": 1}, "i1"))
    for name, right in (
        ("b8", bits.astype("u1")),
        ("b16", bits),
        ("names", np.where(bits > 9, 300, 0).astype("i2")),
        ("yes", (bits > 9).astype("i1")),
    ):
        with hdf5.read(Source(str(path), name)) as reader:
            assert same_numbers(whole(reader), right), name


def test_ten_candidates_are_listed_and_nothing_to_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["v"] = np.arange(3)
    with pytest.raises(DataError, match="has no dataset to read; expected a dataset of numbers"):
        hdf5.read(Source(str(path)))
    with h5py.File(path, "a") as file:
        for index in range(13):
            file[f"bad\x1b[31m\n{index:02}"] = np.zeros((2, 2))
    with pytest.raises(DataError, match=r"13 datasets.* and 3 more") as at:
        hdf5.read(Source(str(path)))
    assert str(at.value).isprintable()
    assert r"\x1b[31m\n00" in str(at.value)


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((2, 2))
        h5py.h5d.create(file.id, b"\xff\xfe", h5py.h5t.STD_U8LE, space)
    with hdf5.read(Source(str(path))) as reader:
        assert os.fsencode(reader.about.inner) == b"/\xff\xfe"
        assert printable(reader.about.inner) == r"/\xff\xfe"


def test_searches_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_group("/".join("g" * 70))
    with pytest.raises(DataError, match="too many groups to search"):
        hdf5.read(Source(str(path)))
    monkeypatch.setattr("onebyone_cli.formats.hdf5.search._MAX_OBJECTS", 20)
    with h5py.File(path, "w") as file:
        for index in range(30):
            file.create_group(f"g{index}")
    with pytest.raises(DataError, match=r"name the dataset, as in .*:/group/name"):
        hdf5.read(Source(str(path)))
    with pytest.raises(DataError, match=r"has no dataset 'x'; expected a dataset of numbers"):
        hdf5.read(Source(str(path), "x"))


# --------------------------------------------------------------------- what is refused, and how


def refused(path: Path, expected: type[Exception], match: str, **options: Any) -> None:
    with pytest.raises(expected, match=match) as at:
        hdf5.read(Source(str(path), **options))
    assert "\n" not in str(at.value)
    assert str(at.value).startswith(str(path))


def test_numbers_in_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    (tmp_path / "secret").write_bytes(bytes(range(12)))
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (3, 4), "u1", external=[(str(tmp_path / "secret"), 0, 12)])
    refused(path, PolicyError, "'/x' keeps its numbers in another file .*secret")
    layout = h5py.VirtualLayout((3, 4), "u1")
    layout[:] = h5py.VirtualSource(str(path), "x", (3, 4))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("v", layout)
    refused(path, PolicyError, "'/v' is a virtual dataset")


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (np.zeros((2, 2), [("a", "f4"), ("b", "i4")]), "a compound type"),
        (np.zeros((2, 2), "c8"), "a compound type|complex"),
        (np.zeros((2, 2), "S4"), "text"),
        (np.zeros((2, 2), "V4"), "raw bytes"),
        (np.zeros((2, 2), "g"), r"floats of an unusual kind \(128 bits\)"),
        (np.array([["a"]], h5py.string_dtype()), "text"),
        (np.empty((2, 2), h5py.ref_dtype), "references"),
    ],
)
def test_other_types(tmp_path: Path, array: Any, what: str) -> None:
    path = make(tmp_path / "a.h5", array)
    refused(path, DataError, f"holds ({what}).*; expected bool, integers", inner="cube")


def test_numbers_of_unusual_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    half = h5py.h5t.IEEE_F32LE.copy()
    half.set_fields(15, 7, 8, 0, 7)
    half.set_size(2)
    twelve = h5py.h5t.STD_U16LE.copy()
    twelve.set_precision(12)
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((2, 2))
        h5py.h5d.create(file.id, b"bfloat16", half, space)
        h5py.h5d.create(file.id, b"twelve", twelve, space)
    kinds = "floats of an unusual kind|integers of an unusual kind"
    refused(path, DataError, rf"({kinds}) \(16 bits\)", inner="bfloat16")
    refused(path, DataError, rf"({kinds}) \(16 bits\)", inner="twelve")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((), "a single number"),
        ((5,), "expected H×W, C×H×W or N×C×H×W"),
        ((3, 0, 4), "an axis of size 0"),
    ],
)
def test_shapes_that_are_no_stack(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    path = make(tmp_path / "a.h5", np.zeros(shape))
    refused(path, DataError, message, inner="cube")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (h5py.vlen_dtype("f4"), "lists of varying length"),
        (np.dtype(("f4", 3)), "arrays"),
        (h5py.string_dtype(), "text"),
    ],
)
def test_types_of_elements_within_elements(tmp_path: Path, kind: Any, what: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((2, 2))
        h5py.h5d.create(file.id, b"x", h5py.h5t.py_create(kind, logical=True), space)
    refused(path, DataError, f"holds {what}; expected bool, integers", inner="x")


def test_an_empty_dataspace(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", h5py.Empty("f4"))
    refused(path, DataError, "a single number", inner="cube")


@pytest.mark.parametrize("code", [32015, 32099])
def test_missing_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((2, 2))
        plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((2, 2))
        h5py.h5d.create(file.id, b"x", h5py.h5t.STD_U8LE, space, plist)
    remedy = r"\(zstd\).*pip install hdf5plugin" if code == 32015 else r"\(unknown\).*h5repack"
    refused(path, DependencyMissingError, f"HDF5 filter {code} {remedy}")


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 64, 64)}])
def test_huge_claims(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (1 << 20, 1 << 20, 1 << 10), "f4", **options)
        if options:
            dataset[0, :64, :64] = 1
    refused(path, DataError, r"claims 4503599627370496 bytes \(1048576×.*nothing but fill values")


def test_constant_numbers_are_no_huge_claim(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "x", (1 << 6, 1 << 10, 1 << 9), "f4", chunks=(1, 1 << 10, 1 << 9), compression="gzip"
        )
        squeezed = zlib.compress(bytes(1 << 21), 9)
        for channel in range(1 << 6):
            dataset.id.write_direct_chunk((channel, 0, 0), squeezed)
    assert os.path.getsize(path) * 900 < 1 << 27
    hdf5.read(Source(str(path))).close()


def test_truncated_files(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", np.zeros((3, 50, 50)))
    size = os.path.getsize(path)
    os.truncate(path, size - 1000)
    refused(path, DataError, f"is truncated: has {size - 1000} bytes, its header promises {size}")


def test_numbers_beyond_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.h5", np.zeros((3, 50, 50)))
    read_header = hdf5_header.read_header
    monkeypatch.setattr(hdf5_header, "read_header", lambda *args: read_header(*args[:-1], 5000))
    refused(path, DataError, "is truncated: has 5000 bytes, and its numbers would end at 62048")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected an HDF5 file"),
        (b"\x93NUMPY\x01\x00 and more", "is not an HDF5 file; it looks like a .npy array"),
        (b"CDF\x01" + bytes(2000), "it looks like a classic NetCDF file"),
        (b"<!DOCTYPE html>", "it looks like a web page"),
        (b"hello", r"does not begin with \\x89HDF"),
        (b"\x89HDF\r\n\x1a\n" + bytes(2000), "can't be understood by HDF5: "),
        (b"\x89HDF\r\n\x1a\n", "can't be understood by HDF5: "),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    refused(path, DataError, message)


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.h5", InputMissingError, "no such file")
    (tmp_path / "folder.h5").mkdir()
    refused(tmp_path / "folder.h5", InputMissingError, "is a folder")
    os.mkfifo(tmp_path / "pipe.h5")
    refused(tmp_path / "pipe.h5", InputMissingError, "is not a regular file")
    with pytest.raises(UsageError, match="standard input"):
        hdf5.read(Source("-"))


def test_locked_files(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", np.zeros((2, 2)))
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        refused(path, ReadWriteError, "can't be locked.*set HDF5_USE_FILE_LOCKING=FALSE")


def test_files_left_open_by_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = np.zeros((2, 2))
        file.flush()
        shutil.copy(path, tmp_path / "b.h5")
    refused(tmp_path / "b.h5", DataError, "was left open by a program.*h5clear -s")


@pytest.mark.parametrize("filters", [FILTERS[3], FILTERS[6]])
@pytest.mark.parametrize("rows", [32, 128])
def test_damaged_chunks(tmp_path: Path, filters: dict[str, Any], rows: int) -> None:
    stack = numbers(4, (2, 256, 128), "float32")
    path = make(tmp_path / "a.h5", stack, chunks=(1, rows, 128), **filters)
    with h5py.File(path) as file:
        chunk = file["cube"].id.get_chunk_info_by_coord((1, 128, 0))
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size - 20)
        byte = raw.read(1)
        raw.seek(-1, 1)
        raw.write(bytes([byte[0] ^ 1]))
    message = r"the chunk at \(1, 128, 0\) of '/cube' is damaged: its checksum does not fit"
    for memory, kind in ((1 << 26, ChunkReader), (300_000, ChunkStream)):
        with hdf5.read(Source(str(path), memory=memory)) as reader:
            assert isinstance(reader, kind) or rows == 32
            with pytest.raises(DataError, match=message):
                whole(reader)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (b"no gzip", "can't be unpacked"),
        (zlib.compress(bytes(256))[:-5], "ends too early"),
        (zlib.compress(bytes(252)), "has 252 bytes, not 256"),
        (zlib.compress(bytes(257)), "unpacks to more than 256 bytes"),
        (zlib.compress(bytes(255)), "its 255 bytes are not a multiple of"),
        (bytes(4000), "is stored in more bytes than "),
        (bytes(256), "can't be unpacked"),
        (b"\0", "can't be unpacked|ends too early"),
    ],
)
def test_chunks_of_a_wrong_size(tmp_path: Path, chunk: bytes, message: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "x", (1, 8, 8), "f4", chunks=(1, 8, 8), compression="gzip", shuffle=True
        )
        dataset.id.write_direct_chunk((0, 0, 0), chunk)
    with (
        hdf5.read(Source(str(path))) as reader,
        pytest.raises(DataError, match=rf"the chunk at \(0, 0, 0\) of '/x' .*{message}"),
    ):
        whole(reader)


def test_chunks_at_the_edge_may_be_stored_without_filters(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    stack = numbers(5, (1, 8, 12), "float32")
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "x", (1, 8, 9), "f4", chunks=(1, 8, 4), compression="gzip", fletcher32=True
        )
        dataset[...] = stack[..., :9]
        dataset.id.write_direct_chunk((0, 0, 8), stack[..., 8:].tobytes())
    with hdf5.read(Source(str(path))) as reader:
        assert same_numbers(whole(reader), stack[..., :9])


def test_a_failed_chunk_fails_again(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (1, 8, 8), "f4", chunks=(1, 8, 8), compression="gzip")
        dataset.id.write_direct_chunk((0, 0, 0), b"no gzip at all")
    with hdf5.read(Source(str(path))) as reader:
        for _ in range(3):
            with pytest.raises(DataError, match="is damaged"):
                whole(reader)


def test_chunks_that_unpack_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (2, 64, 64), "f4", chunks=(1, 64, 64), compression=9)
        dataset.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(10 << 20)))
        dataset.id.write_direct_chunk((1, 0, 0), bytes(1 << 20))
    with hdf5.read(Source(str(path))) as reader:
        out = np.empty((1, 2, 4096), "f4")
        tracemalloc.start()
        with pytest.raises(DataError, match="unpacks to more than 16384 bytes"):
            reader.read(Slab(0, 1, 0, 4096), out, np.empty(0, "u1"))
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
        tracemalloc.stop()
        with pytest.raises(DataError, match=r"the chunk at \(1, 0, 0\).* stored in more bytes"):
            reader._cache._decoder.load((1, 0, 0))


def test_changes_underneath_are_noticed(tmp_path: Path) -> None:
    for options in ({}, {"chunks": (1, 4, 4)}):
        path = make(tmp_path / "a.h5", np.zeros((2, 4, 4)), **options)
        with hdf5.read(Source(str(path))) as reader:
            reader.check_unchanged()
            os.utime(path, ns=(1, 1))
            with pytest.raises(ReadWriteError, match="was changed while it was being read"):
                reader.check_unchanged()


@given(st.data(), st.sampled_from([{}, *FILTERS]), seeds)
def test_damage_anywhere_is_no_crash(
    data: st.DataObject, filters: dict[str, Any], seed: int
) -> None:
    """Whatever byte is hit: the numbers come, or one of our errors."""
    with new_folder() as folder:
        options = {"chunks": (1, 5, 6), **filters} if filters else {}
        path = make(folder / "a.h5", numbers(seed, (2, 5, 6), "int16"), **options)
        content = bytearray(path.read_bytes())
        places = st.integers(0, len(content) - 1)
        for place in data.draw(st.lists(places, min_size=1, max_size=4)):
            content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        with (
            suppress(OneByOneError),
            hdf5.read(Source(str(path), "cube", memory=1 << 20)) as reader,
        ):
            if reader.spec.data_bytes < 1 << 20:
                whole(reader)


def test_plugins_are_switched_off_and_help_stays_quick() -> None:
    script = (
        "import sys, os\n"
        "from onebyone_cli.formats import hdf5\n"
        "assert not {'h5py', 'numpy'} & set(sys.modules)\n"
        "from onebyone_cli.formats.hdf5.file import load_h5py\n"
        "load_h5py()\n"
        "print(os.environ.get('HDF5_PLUGIN_PRELOAD'))\n"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HDF5_")}

    def said(**more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**clean, **more},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert said() == "::"
    assert said(HDF5_PLUGIN_PATH="/opt/plugins") == "None"
    assert said(HDF5_PLUGIN_PRELOAD="x") == "x"


# -------------------------------------------------------------------------------------- writing


class Result:
    """A finished result, as a `StreamWriter` sees it."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack
        *batch, c, h, w = stack.shape
        self.spec = StackSpec(c, h, w, str(stack.dtype), tuple(batch))

    def rows(self, item: int, channel: int, start: int, stop: int) -> Any:
        flat = self.stack.reshape(-1, *self.stack.shape[-3:])
        return flat[item, channel, start:stop].copy()


def save(target: Target, stack: Any, slabs: list[Slab] | None = None) -> list[int]:
    *batch, channels, height, width = stack.shape
    spec = StackSpec(channels, height, width, stack.dtype.newbyteorder("=").name, tuple(batch))
    progress: list[int] = []
    with hdf5.write(target, spec) as writer:
        if target.storage.is_plain:
            flat = stack.reshape(spec.items, spec.channels, spec.pixels)
            for slab in slabs or [Slab(0, spec.items, 0, spec.pixels)]:
                items = slice(slab.item, slab.item + slab.items)
                block = np.ascontiguousarray(flat[items, :, slab.start : slab.stop])
                writer.write(slab, block)
        else:
            writer.fill(Result(stack), progress.append)
        writer.commit()
    return progress


@st.composite
def storages(draw: st.DrawFn, spec: StackSpec) -> Storage:
    shape = (spec.channels, spec.height, spec.width)
    return Storage(
        draw(st.sampled_from(["", "gzip", "lzf"])),
        draw(st.integers(0, 9)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.one_of(st.just(()), chunk_shapes(shape))),
    )


@given(st.data(), specs(), seeds)
def test_what_is_written_is_read(data: st.DataObject, spec: StackSpec, seed: int) -> None:
    stack = numbers_of(seed, spec)
    storage = data.draw(storages(spec))
    slabs = data.draw(cuts(spec))
    with new_folder() as folder:
        target = Target(str(folder / "a.h5"), hdf5.write, inner="g/x", storage=storage)
        progress = save(target, stack, slabs)
        if progress:
            assert progress[-1] == spec.data_bytes
            assert progress == sorted(progress)
        assert os.listdir(folder) == ["a.h5"]
        with h5py.File(folder / "a.h5") as file:
            dataset = file["g/x"]
            assert same_numbers(dataset[()], stack)
            assert (dataset.compression or "") == storage.compression
            assert dataset.shuffle == storage.shuffle
            assert dataset.fletcher32 == storage.fletcher32
            assert (dataset.chunks is None) == storage.is_plain
            if storage.chunks:
                assert dataset.chunks == (*(1 for _ in spec.batch), *storage.chunks)
        with hdf5.read(Source(str(folder / "a.h5"))) as reader:
            assert same_numbers(whole(reader), stack)


ATTRIBUTES: dict[str, Any] = {
    "unit": "µm",
    "names": ["red", "green"],
    "wavelengths": np.array([450.5, 550.25]),
    "count": 3,
    "big": np.array([1, 2], ">i4"),
    "flag": True,
    "empty": "",
    "z": np.float32(0.5),
}


def says(attributes: dict[str, Any]) -> Metadata:
    return Metadata(attributes={name: Attribute(value) for name, value in attributes.items()})


@pytest.mark.parametrize("storage", [Storage(), Storage("gzip")])
def test_attributes_travel(tmp_path: Path, storage: Storage) -> None:
    path = str(tmp_path / "a.h5")
    stack = numbers(1, (2, 3, 4), "float32")
    more = {"object": object(), "CLASS": "IMAGE", "huge": np.zeros(10**6), "ragged": [[1], [2, 3]]}
    metadata = says({**ATTRIBUTES, **more})
    save(Target(path, hdf5.write, metadata=metadata, storage=storage), stack)
    with h5py.File(path) as file:
        seen = dict(file["data"].attrs)
    assert sorted(seen) == sorted(ATTRIBUTES)
    for name, value in ATTRIBUTES.items():
        assert np.array_equal(seen[name], value)
        assert isinstance(seen[name], str) == isinstance(value, str)
    with hdf5.read(Source(path)) as reader:
        said = reader.about.metadata
    assert (said.unit, said.wavelengths) == ("µm", (450.5, 550.25))
    assert sorted(said.attributes) == sorted(ATTRIBUTES.keys() - {"unit", "wavelengths"})
    assert said.attributes["names"] == Attribute(["red", "green"], "C")


def test_attributes_are_read_when_wanted(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", np.zeros((2, 2)))
    with hdf5.read(Source(str(path))) as reader:
        assert reader.about.metadata == Metadata()
    with h5py.File(path, "a") as file:
        file["cube"].attrs["unit"] = "nm"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5py.AttributeManager, "__getitem__", None)
        reader = hdf5.read(Source(str(path)))
    with reader:
        assert reader.about.metadata.unit == "nm"
    with hdf5.read(Source(str(path))) as reader:
        os.utime(path, ns=(1, 1))
        with pytest.raises(ReadWriteError, match="was changed while it was being read"):
            _ = reader.about.metadata


def test_attributes_that_can_not_travel_are_left(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", np.zeros((2, 2)))
    with h5py.File(path, "a") as file:
        attributes = file["cube"].attrs
        attributes["reference"] = file["cube"].ref
        attributes["pair"] = np.zeros(2, [("a", "i4"), ("b", "f4")])
        attributes["complex"] = 1j
        attributes["_Netcdf4Dimid"] = 1
        attributes["large"] = np.zeros(8000)
        attributes["void"] = np.void(b"abc")
        attributes["none"] = h5py.Empty("f4")
        attributes["bytes"] = np.bytes_(b"nm")
        attributes["one"] = [4]
    with hdf5.read(Source(str(path))) as reader:
        seen = reader.about.metadata.attributes
    assert sorted(seen) == ["bytes", "large", "one"]
    assert seen["bytes"] == Attribute("nm")


def test_the_bytes_are_always_the_same(tmp_path: Path) -> None:
    """From run to run, and whatever memory held before."""
    script = (
        "junk = [np.random.bytes(int(sys.argv[4])) for _ in range(50)]; del junk\n"
        "stack = t.numbers(1, (3, 37, 41), 'float32')\n"
        "kinds = Storage(), Storage('gzip', 4, True, True), Storage(chunks=(2, 3, 5))\n"
        "for number, storage in enumerate(kinds):\n"
        "    t.save(Target(f'{sys.argv[3]}{number}.h5', t.hdf5.write,\n"
        "           inner='a/b', metadata=t.says(t.ATTRIBUTES), storage=storage), stack)\n"
    )
    for name, junk in (("a", 3000), ("longer-name", 70_000)):
        run(script, tmp_path / name, junk)
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in tmp_path.iterdir()}
    assert len(os.listdir(tmp_path)) == 6
    assert len(digests) == 3


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script that sees this module as ``t``, in a process of its own."""
    here = Path(__file__).parent
    start = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "import numpy as np, resource, test_hdf5 as t\n"
        "from onebyone_cli.formats.contracts.writer import *\n"
        "from onebyone_cli.spec import *\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start + script, here, here.parent, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=here.parent.parent,
    )


def test_old_versions_of_hdf5_could_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    save(Target(str(path), hdf5.write), np.ones((1, 2, 2), "f2"))
    # The version of the superblock: 2 came with HDF5 1.8, 3 with 1.10.
    assert path.read_bytes()[8] == 2
    with h5py.File(path) as file:
        assert file["data"].id.get_offset() % 64 == 0


def test_default_chunks_are_rows_of_a_channel(tmp_path: Path) -> None:
    path = str(tmp_path / "a.h5")
    for shape, chunk in (
        ((2, 300, 400), (1, 163, 400)),
        ((2, 3, 4), (1, 3, 4)),
        ((1, 2, 100_000), (1, 1, 65_536)),
    ):
        StackSpec(*shape, "float32")
        stack = np.ones(shape, "f4")
        save(Target(path, hdf5.write, publication=FORCE, storage=Storage("lzf")), stack)
        with hdf5.read(Source(path)) as reader:
            assert reader.chunk_shape == chunk
            assert same_numbers(whole(reader), stack)


def test_existing_files_stay_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"mine")
    StackSpec(1, 2, 2, "float32")
    for storage in (Storage(), Storage("gzip")):
        with pytest.raises(OutputRefusedError, match=r"exists|appeared"):
            save(Target(str(path), hdf5.write, storage=storage), np.ones((1, 2, 2), "f4"))
        assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("storage", [Storage(), Storage("gzip")])
def test_nothing_stays_without_commit(tmp_path: Path, storage: Storage) -> None:
    spec = StackSpec(1, 2, 2, "float32")
    target = Target(str(tmp_path / "a.h5"), hdf5.write, storage=storage)
    writer = target.make_writer(spec)
    assert os.listdir(tmp_path) == []
    writer.discard()
    with writer:
        assert len(os.listdir(tmp_path)) == 1
    writer.discard()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("inner", ["a//b", "a/./b", ".", "x\x00", "x\n", "\udcff"])
def test_names_that_no_dataset_can_have(tmp_path: Path, inner: str) -> None:
    spec = StackSpec(1, 2, 2, "float32")
    target = Target(str(tmp_path / "a.h5"), hdf5.write, inner=inner)
    with pytest.raises(UsageError, match="can't be the name of a dataset"):
        target.make_writer(spec)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        (Storage("zip"), "compression 'zip' is unknown; expected gzip or lzf"),
        (Storage("gzip", 10), "gzip has no level 10"),
        (Storage("gzip", -1), "gzip has no level -1"),
        (Storage(chunks=(1, 2)), "chunks of 1×2 don't fit an output of C×H×W 2×3×4"),
        (Storage(chunks=(1, 2, 3, 4)), "don't fit"),
        (Storage(chunks=(0, 1, 1)), "don't fit"),
        (Storage(chunks=(1, 4, 1)), "don't fit"),
    ],
)
def test_storage_that_makes_no_sense(tmp_path: Path, storage: Storage, message: str) -> None:
    spec = StackSpec(2, 3, 4, "float32")
    target = Target(str(tmp_path / "a.h5"), hdf5.write, storage=storage)
    with pytest.raises(UsageError, match=message):
        target.make_writer(spec)


def test_chunks_of_4_gib(tmp_path: Path) -> None:
    spec = StackSpec(1, 1 << 16, 1 << 16, "float32")
    storage = Storage(chunks=(1, 1 << 15, 1 << 15))
    with pytest.raises(UsageError, match="larger than the 4 GiB"):
        Target(str(tmp_path / "a.h5"), hdf5.write, storage=storage).make_writer(spec)


def test_pipes_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    for path in ("-", "/dev/null", str(tmp_path / "pipe.h5")):
        with pytest.raises(UsageError, match="name a file"):
            Target(path, hdf5.write).make_writer(StackSpec(1, 2, 2, "float32"))


@pytest.mark.parametrize("storage", [Storage(), Storage("gzip", fletcher32=True), Storage("lzf")])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path, storage: Storage) -> None:
    script = (
        "t.h5py.File(t.io.BytesIO(), 'w').close()\n"
        "stack = t.numbers(1, (3, 200, 300), 'float32')\n"
        "spec = StackSpec(3, 200, 300, 'float32')\n"
        "for limit in 0, 100, 500, 1000, 2000, 6000, 50_000, 300_000, 600_000:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        "    try:\n"
        f"        t.save(Target(sys.argv[3], t.hdf5.write, storage={storage!r},\n"
        "                      metadata=t.says(t.ATTRIBUTES)), stack)\n"
        "    except t.ReadWriteError as error:\n"
        "        print(error)\n"
    )
    path = tmp_path / "a.h5"
    done = run(script, path)
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    assert all(line.startswith(f"{path}: writing failed: File too large; ") for line in lines)
    assert done.stderr == ""
    assert os.listdir(tmp_path) == []
