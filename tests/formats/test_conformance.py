"""What every format of the registry owes: one class, run for each, whatever it stores.

A format that is added to `formats.NAMES` is tested here without a line of its own, unless the
first of its suffixes does not name a file that holds any stack; see `NAMES_OF_TARGETS`.
"""

import contextlib
import os
from functools import cache
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
    new_folder,
    numbers_of,
    pixels_of,
    read_all,
    read_channels,
    same_numbers,
    seeds,
)

from onebyone_cli import formats
from onebyone_cli.commit import temporaries
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    OutputRefusedError,
    UsageError,
)
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.metadata import Attribute, Georeference, Metadata
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.formats.contracts.writer import Storage, StreamWriter, Writer
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import StackSpec
from onebyone_cli.stack.sources import hold_streams
from onebyone_cli.stack.spool import Spool

#: What an output of any number of channels is called, where the suffix alone does not say.
NAMES_OF_TARGETS = {"images": "out/"}

#: Something in every field.
METADATA = Metadata(
    channels=("red", "green edge", "β"),
    wavelengths=(650.5, 560.25, 480.0),
    wavelength_unit="Nanometers",
    widths=(10.0, 12.5, 9.0),
    good=(True, False, True),
    nodata=((-99,),),
    valid_range=((0, 100),),
    scale=(0.5,),
    offset=(2.0,),
    unit="W/m2",
    georeference=Georeference((500000.0, 30.0, 0.0, 4000000.0, 0.0, -30.0), 'PROJCS["x, y"]'),
    history="made\nchanged, twice",
    attributes={
        "sensor type": Attribute("AVIRIS"),
        "gains": Attribute(["1", "2", "4"], "C"),
    },
)

#: A stack that every format holds in one file.
ONE = StackSpec(1, 40, 50, "uint8")


#: Formats that are only read, or whose files do not tell what they are, have tests of their own.
WRITTEN = [
    name
    for name in formats.NAMES
    if formats.load(name).is_written and formats.load(name).is_described
]


#: Suffixes of a format whose files are written in a way of their own.
VARIANTS = {"netcdf": ("hdf5", ".nc")}


@pytest.fixture(params=[*WRITTEN, *VARIANTS], scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def kind(name: str) -> Format:
    if name in VARIANTS:
        base, suffix = VARIANTS[name]
        return formats.load(base)._replace(suffixes=(suffix,))
    return formats.load(name)


def target_of(kind: Format, folder: Path) -> str:
    """Name an output of any number of channels."""
    return f"{folder}/{NAMES_OF_TARGETS.get(kind.name, 'out' + kind.suffixes[0])}"


def file_of(kind: Format, folder: Path) -> Path:
    """Name a single file."""
    return folder / f"x{kind.suffixes[0]}"


def skip_store(kind: Format) -> None:
    """Skip a test that damages the bytes of the only file of an output."""
    if kind.seal is not None:
        pytest.skip("a store has many files, which tests of its own damage")


def writer_of(path: str, spec: StackSpec, **options: Any) -> Writer | StreamWriter:
    names = options.keys() & {"force", "fsync"}
    publication = Publication(**{name: options.pop(name) for name in names})
    return opening.make_target(path, publication=publication, **options).make_writer(spec)


def fill(writer: Writer | StreamWriter, stack: Array, slabs: Any) -> None:
    """Write a stack in slabs, through a spool where the format wants it in order."""
    spec = writer.spec
    if isinstance(writer, Writer):
        for slab in slabs:
            writer.write(slab, np.ascontiguousarray(pixels_of(stack, slab)))
        return
    with Spool(spec.data_bytes, in_memory=True) as spool:
        laid = spool.writer(spec)
        for slab in slabs:
            laid.write(slab, np.ascontiguousarray(pixels_of(stack, slab)))
        told: list[int] = []
        writer.fill(spool.planes(spec), told.append)
        assert told == sorted(told)
        assert told[-1] == spec.data_bytes


def save(path: str, stack: Array, slabs: Any = None, **options: Any) -> None:
    """Write a stack to a file or folder."""
    *batch, c, h, w = stack.shape
    spec = StackSpec(c, h, w, stack.dtype.name, tuple(batch))
    writer = writer_of(path, spec, **options)
    with writer:
        fill(writer, stack, slabs or iter_slabs(spec, 1, spec.pixels))
        writer.commit()


def load(path: str, slabs: Any = None) -> Array:
    """Read a whole input, through a spool where it can be read only once."""
    with opening.open_input(path) as reader:
        spec = reader.spec
        slabs = slabs or list(iter_slabs(spec, 1, spec.pixels))
        if isinstance(reader, Reader):
            read = read_all(reader, slabs, spec.dtype)
            reader.check_unchanged()
            return read
        with Spool(spec.data_bytes, in_memory=True) as spool:
            reader.drain(spool.append)
            return read_all(spool.reader(reader.stored), slabs, spec.dtype)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: files with their bytes, folders as None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def can_hold(kind: Format, spec: StackSpec) -> bool:
    """Whether a format takes such a stack; if not it says so before anything is created."""
    with new_folder() as folder:
        try:
            writer_of(target_of(kind, folder), spec)
        except UsageError:
            return False
        finally:
            assert not list(folder.iterdir())
        return True


@cache
def made_by(kind: Format) -> list[str]:
    """Names of the files and folders that an output is made of."""
    with new_folder() as folder:
        save(target_of(kind, folder), numbers_of(1, ONE))
        return sorted(os.listdir(folder))


@cache
def held_types(kind: Format) -> list[str]:
    return [dtype for dtype in DTYPES if can_hold(kind, StackSpec(3, 4, 5, dtype))]


def extremes(dtype: str) -> list[Any]:
    """Values at the ends of a type."""
    if dtype == "bool":
        return [False, True]
    if dtype.startswith("float"):
        info = np.finfo(dtype)
        return [np.nan, np.inf, -np.inf, -0.0, info.max, info.min, info.smallest_subnormal]
    limits = np.iinfo(dtype)
    return [limits.min, limits.max, limits.max - 1, 0, 1]


class TestConformance:
    """The contract of `formats.contracts`, for one format at a time."""

    def test_its_description(self, name: str, kind: Format):
        assert name in (kind.name, *kind.kinds)
        assert kind.title
        assert kind.suffixes
        assert all(s.startswith(".") and s == s.lower() for s in kind.suffixes)
        others = [formats.load(other) for other in formats.NAMES if other != kind.name]
        known = {s for other in others for s in (*other.suffixes, *other.kinds, other.name)}
        assert not known & {*kind.suffixes, *kind.kinds, kind.name}

    def test_it_is_found_by_its_suffixes_and_names(self, kind: Format, tmp_path: Path):
        suffixes, kind = kind.suffixes, formats.load(kind.name)
        for suffix in suffixes:
            for path in (tmp_path / f"x{suffix}", tmp_path / f"X{suffix.upper()}"):
                path.touch()
                assert formats.of_input(str(path)) == kind
                assert formats.of_output(str(path)) == (kind, "")
        assert formats.of_output("x.unknown", kind.name) == (kind, "")
        for inner in kind.kinds:
            assert formats.of_output("x.unknown", inner) == (kind, inner)

    def test_it_holds_something(self, kind: Format):
        assert "uint8" in held_types(kind)
        assert can_hold(kind, ONE)

    @given(data=st.data(), seed=seeds)
    def test_what_is_written_is_read_back(self, kind: Format, data: st.DataObject, seed: int):
        sides = st.integers(1, 20)
        shape = (data.draw(st.integers(1, 12)), data.draw(sides), data.draw(sides))
        dtype = data.draw(st.sampled_from(held_types(kind)))
        # A folder has an image for each stack of a batch, and is read as one stack.
        # Images in a file are counted along one axis.
        several = () if kind.folder else ((3,),) if kind.frames else ((3,), (2, 2))
        batches = [b for b in ((), (1,), *several) if can_hold(kind, ONE._replace(batch=b))]
        spec = StackSpec(*shape, dtype, data.draw(st.sampled_from(batches)))
        stack = numbers_of(seed, spec)
        with new_folder() as folder:
            path = target_of(kind, folder)
            save(path, stack, data.draw(cuts(spec)))
            assert sorted(os.listdir(folder)) == made_by(kind)
            found = load(path, data.draw(cuts(spec)))
            # A batch of one is one stack, where a format holds no batch.
            assert same_numbers(found.reshape(stack.shape), stack)
            assert len(found.shape) == len(stack.shape) or spec.items == 1
        assert not temporaries._under_way

    @given(data=st.data(), seed=seeds)
    def test_some_channels_are_read(self, kind: Format, data: st.DataObject, seed: int):
        channels = data.draw(st.integers(1, 7))
        spec = StackSpec(channels, data.draw(st.integers(1, 9)), 8, held_types(kind)[0])
        stack = numbers_of(seed, spec)
        first = data.draw(st.integers(0, channels - 1))
        last = data.draw(st.integers(first + 1, channels))
        with new_folder() as folder, contextlib.ExitStack() as opened:
            save(target_of(kind, folder), stack)
            reader = opened.enter_context(opening.open_input(target_of(kind, folder)))
            (held,), _ = hold_streams([reader], 1 << 20, opened, lambda step, done, total: None)
            for slab in data.draw(cuts(spec)):
                found = read_channels(held, first, last, slab, spec.dtype)
                assert same_numbers(found, pixels_of(stack, slab)[:, first:last])

    def test_extreme_values(self, kind: Format, tmp_path: Path):
        for dtype in held_types(kind):
            spec = StackSpec(1, 3, 4, dtype)
            stack = np.resize(np.array(extremes(dtype), dtype), spec.shape)
            (tmp_path / dtype).mkdir()
            path = target_of(kind, tmp_path / dtype)
            save(path, stack)
            assert same_numbers(load(path), stack)

    def test_what_it_keeps_is_read_back(self, kind: Format, tmp_path: Path):
        """Metadata in, metadata out; a format keeps the fields that it names, and no others."""
        spec = StackSpec(3, 4, 5, "int16" if "int16" in held_types(kind) else "uint8")
        path = target_of(kind, tmp_path)
        stack = numbers_of(1, spec)
        with opening.make_target(path).make_writer(spec, lambda: METADATA) as writer:
            fill(writer, stack, iter_slabs(spec, 1, spec.pixels))
            writer.commit()
        with opening.open_input(path) as reader:
            found = reader.about.metadata
        for field in kind.keeps:
            assert getattr(found, field) == getattr(METADATA, field), field
        assert same_numbers(load(path), stack)

    def test_storage_is_refused_where_it_means_nothing(self, kind: Format, tmp_path: Path):
        asked = {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": (1, 2, 3)}
        for option, value in asked.items():
            storage = Storage(**{option: value})
            if option in kind.storage:
                opening.make_target(target_of(kind, tmp_path), storage=storage)
                continue
            with pytest.raises(
                UsageError, match=rf"{option}= is for \.h5(, \.zarr and \.tif)? outputs"
            ):
                opening.make_target(target_of(kind, tmp_path), storage=storage)

    def test_the_same_numbers_give_the_same_bytes(self, kind: Format, tmp_path: Path):
        stack = numbers_of(5, StackSpec(4, 33, 44, "uint8"))
        made = []
        for number in (1, 2):
            folder = tmp_path / str(number)
            folder.mkdir()
            slabs = list(iter_slabs(StackSpec(4, 33, 44, "uint8"), 1, 100 * number))
            save(target_of(kind, folder), stack, slabs[::-1])
            made.append(snapshot(folder))
        assert made[0] == made[1]

    # ------------------------------------------------------------------------ bad inputs

    def test_a_missing_file(self, kind: Format, tmp_path: Path):
        path = str(file_of(kind, tmp_path))
        with pytest.raises(InputMissingError, match="no such file or folder") as caught:
            load(path)
        assert caught.value.path == path

    def test_an_empty_file(self, kind: Format, tmp_path: Path):
        path = file_of(kind, tmp_path)
        path.touch()
        with pytest.raises(DataError) as caught:
            load(str(path))
        assert str(path) in str(caught.value)

    @given(content=st.binary(max_size=300), keep=st.integers(0, 40))
    def test_random_bytes(self, kind: Format, content: bytes, keep: int):
        """Also such that begin like a real file."""
        skip_store(kind)
        with new_folder() as folder:
            path = file_of(kind, folder)
            save(str(path), numbers_of(1, ONE))
            path.write_bytes(path.read_bytes()[:keep] + content)
            with pytest.raises(OneByOneError) as caught:
                load(str(path))
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)

    def test_truncated_copies(self, kind: Format, tmp_path: Path):
        skip_store(kind)
        path = file_of(kind, tmp_path)
        save(str(path), numbers_of(1, ONE))
        content = path.read_bytes()
        size = len(content)
        lengths = {*range(1, 16), *range(16, size, max(1, size // 40)), size - 1, size - 2}
        for length in sorted(lengths):
            path.write_bytes(content[:length])
            with pytest.raises(OneByOneError) as caught:
                load(str(path))
            assert str(path) in str(caught.value), f"cut to {length} of {size} bytes"
        path.write_bytes(content)
        assert same_numbers(load(str(path)), numbers_of(1, ONE))

    @given(data=st.data())
    def test_flipped_bytes(self, kind: Format, data: st.DataObject):
        """Either an error of ours, or numbers: some bytes of a file are just that."""
        skip_store(kind)
        with new_folder() as folder:
            path = file_of(kind, folder)
            save(str(path), numbers_of(1, StackSpec(1, 5, 6, "uint8")))
            content = bytearray(path.read_bytes())
            for _ in range(data.draw(st.integers(1, 4))):
                at = data.draw(st.integers(0, min(len(content) - 1, 600)))
                content[at] ^= data.draw(st.integers(1, 255))
            path.write_bytes(content)
            with contextlib.suppress(OneByOneError):
                load(str(path))

    def test_nothing_stays_open_after_an_error(self, kind: Format, tmp_path: Path):
        skip_store(kind)
        path = file_of(kind, tmp_path)
        save(str(path), numbers_of(1, ONE))
        load(str(path))
        before = os.listdir("/proc/self/fd")
        for content in (b"", b"junk", path.read_bytes()[:60]):
            path.write_bytes(content)
            with pytest.raises(OneByOneError):
                load(str(path))
        assert os.listdir("/proc/self/fd") == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_without_permission(self, kind: Format, tmp_path: Path):
        skip_store(kind)
        path = file_of(kind, tmp_path)
        save(str(path), numbers_of(1, ONE))
        path.chmod(0)
        with pytest.raises(InputMissingError, match="can't be read: Permission denied"):
            load(str(path))

    def test_opening_reads_no_pixels_and_closing_twice_is_fine(self, kind: Format, tmp_path: Path):
        path = target_of(kind, tmp_path)
        stack = numbers_of(1, StackSpec(3, 20, 30, "uint8"))
        save(path, stack)
        reader = opening.open_input(path)
        assert reader.spec == StackSpec(3, 20, 30, "uint8")
        assert reader.path == path
        assert {os.path.realpath(name) for name in reader.about.files} >= {os.path.realpath(path)}
        reader.close()
        reader.close()

    # --------------------------------------------------------------------------- outputs

    def test_making_a_writer_creates_nothing(self, kind: Format, tmp_path: Path):
        writer_of(target_of(kind, tmp_path), ONE)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("how", ["left", "discarded", "failed"])
    def test_without_commit_nothing_is_left(self, kind: Format, tmp_path: Path, how: str):
        stack = numbers_of(1, ONE)
        writer = writer_of(target_of(kind, tmp_path), ONE)
        slabs = list(iter_slabs(ONE, 1, 300))
        with contextlib.suppress(KeyError), writer:
            assert not (tmp_path / os.path.basename(writer.path.rstrip("/"))).exists()
            fill(writer, stack, slabs)
            if how == "discarded":
                writer.discard()
            if how == "failed":
                raise KeyError
        writer.discard()
        assert not list(tmp_path.iterdir())
        assert not temporaries._under_way

    def test_an_existing_target_is_refused_without_force(self, kind: Format, tmp_path: Path):
        path = target_of(kind, tmp_path)
        save(path, numbers_of(1, ONE))
        before = snapshot(tmp_path)
        with pytest.raises(OutputRefusedError, match="use force="):
            writer_of(path, ONE)
        assert snapshot(tmp_path) == before

    def test_force_replaces_at_commit_and_not_before(self, kind: Format, tmp_path: Path):
        path = target_of(kind, tmp_path)
        old, new = numbers_of(1, StackSpec(3, 6, 7, "uint8")), numbers_of(2, ONE)
        save(path, old)
        before = snapshot(tmp_path)
        writer = writer_of(path, ONE, force=True)
        assert snapshot(tmp_path) == before
        with writer:
            fill(writer, new, iter_slabs(ONE, 1, ONE.pixels))
            assert before.items() <= snapshot(tmp_path).items()
        assert snapshot(tmp_path) == before
        save(path, new, force=True)
        assert same_numbers(load(path), new)
        assert sorted(os.listdir(tmp_path)) == made_by(kind)

    def test_what_appears_meanwhile_is_not_replaced(self, kind: Format, tmp_path: Path):
        path = target_of(kind, tmp_path)
        writer = writer_of(path, ONE)
        with writer:
            fill(writer, numbers_of(1, ONE), iter_slabs(ONE, 1, ONE.pixels))
            save(path, numbers_of(2, ONE))
            theirs = load(path)
            with pytest.raises(OutputRefusedError):
                writer.commit()
        assert same_numbers(load(path), theirs)
        assert sorted(os.listdir(tmp_path)) == made_by(kind)

    def test_fsync_changes_nothing_else(self, kind: Format, tmp_path: Path):
        stack = numbers_of(1, StackSpec(3, 6, 7, "uint8"))
        for sync in (False, True):
            (tmp_path / str(sync)).mkdir()
            save(target_of(kind, tmp_path / str(sync)), stack, fsync=sync)
        assert snapshot(tmp_path / "True") == snapshot(tmp_path / "False")

    def test_an_input_is_no_target(self, kind: Format, tmp_path: Path):
        path = target_of(kind, tmp_path)
        save(path, numbers_of(1, ONE))
        before = snapshot(tmp_path)
        with opening.open_input(path) as reader:
            for force in (False, True):
                with pytest.raises(OutputRefusedError, match="input"):
                    writer_of(path, ONE, inputs=[reader], force=force)
        assert snapshot(tmp_path) == before

    def test_a_folder_that_is_not_there(self, kind: Format, tmp_path: Path):
        with pytest.raises(OutputRefusedError, match="gone does not exist"):
            writer_of(target_of(kind, tmp_path / "gone"), ONE)


# ----------------------------------------------------------------------------- the registry

plain_names = st.text(
    st.characters(codec="utf-8", exclude_characters=":/\0"), min_size=1, max_size=10
)


@given(plain_names, st.lists(plain_names, min_size=1, max_size=3), st.sampled_from(":/"))
def test_a_dataset_is_named_after_a_colon(name: str, inner: list[str], between: str):
    for suffix in formats.load("hdf5").suffixes:
        path, dataset = f"no such folder/x{name}{suffix}", between.join(inner)
        assert opening.split_inner(f"{path}:{dataset}") == (path, dataset)
        assert opening.split_inner(path) == (path, "")


@given(st.lists(plain_names, min_size=1, max_size=4).map(":".join))
def test_colons_of_other_files_are_part_of_the_name(name: str):
    name = name.replace(".", "-")  # a part that ends in .h5 is another matter
    assert opening.split_inner(f"no such folder/{name}.npy") == (f"no such folder/{name}.npy", "")


def test_a_file_that_has_the_whole_name_is_meant(tmp_path: Path):
    path = tmp_path / "a.h5:b"
    path.touch()
    assert opening.split_inner(str(path)) == (str(path), "")


def test_what_an_input_is(tmp_path: Path):
    assert formats.of_input("-").name == "npy"
    assert formats.of_input(str(tmp_path)).name == "images"
    os.mkfifo(tmp_path / "fifo")
    assert formats.of_input(str(tmp_path / "fifo")).name == "npy"
    (tmp_path / "x.csv").touch()
    with pytest.raises(DataError, match=r"suffix.*\.npy, \.npz, .*\.h5"):
        formats.of_input(str(tmp_path / "x.csv"))


def test_what_an_output_is(tmp_path: Path):
    assert formats.of_output("-") == (formats.load("npy"), "")
    assert formats.of_output("-", "npy") == (formats.load("npy"), "")
    assert formats.of_output("new/") == (formats.load("images"), "")
    assert formats.of_output(str(tmp_path)) == (formats.load("images"), "")
    assert formats.of_output("/dev/null") == (formats.load("npy"), "")
    for name in ("new", "new.csv", "new.npy.gz", ".npy"):
        with pytest.raises(UsageError, match="suffix"):
            formats.of_output(name)
    with pytest.raises(UsageError, match=r"format=n5 is unknown; .*npy"):
        formats.of_output("new.npy", "n5")
