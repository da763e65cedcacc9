"""Selections of channels, and readers that read nothing else."""

from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import UsageError
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.metadata import Attribute, Metadata
from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.formats.opening import open_input
from onebyone_cli.spec import LAYOUTS, PixelGrid, Slab, StackSpec
from onebyone_cli.stack.selected import select
from onebyone_cli.stack.selection import parse_selection, selection_of

STACK = np.arange(2 * 6 * 4 * 5, dtype="f4").reshape(2, 6, 4, 5)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("3", [3]),
        ("3,1,2", [3, 1, 2]),
        ("2:5", [2, 3, 4]),
        ("8:", [8, 9]),
        (":2", [0, 1]),
        ("!6:8", [0, 1, 2, 3, 4, 5, 8, 9]),
        ("0:5,!1,!3:4", [0, 2, 4]),
        ("!1,0:3", [0, 2]),
    ],
)
def test_selections(text: str, channels: list[int]) -> None:
    assert parse_selection(text).indices(10) == channels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a selection"),
        (":", "is not a selection"),
        ("a", "the stack has no names of channels, such as a"),
        ("good", "the stack has no list of bad channels"),
        ("650nm", "the stack has no wavelengths"),
        ("'a'b", "is not a selection"),
        ("1,", "is not a selection"),
        ("-1", "is not a selection"),
        ("1:2:3", "is not a selection"),
        ("³", "is not a selection"),
        ("3:3", "the range 3:3 is empty"),
        ("5:2", "the range 5:2 is empty"),
        ("10", "names channel 10, and the stack has 10 channels, counted from 0"),
        ("5:12", "names channel 11"),
        ("10:", "names channel 10"),
        ("1,1", "selects channel 1 twice"),
        ("0:3,2", "selects channel 2 twice"),
        ("0:10,!0:10", "leaves no channel"),
        ("!0:", "leaves no channel"),
    ],
)
def test_what_can_not_be_selected(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_selection(text).indices(10)


def test_a_list_where_the_stack_is_not_known() -> None:
    assert parse_selection("3,1:3").listed() == [3, 1, 2]
    for text in ("!1", "3:"):
        with pytest.raises(UsageError, match="the stack is not known"):
            parse_selection(text).listed()


class Counting(Reader):
    """Gives numbers of memory, and notes which channels were read."""

    def __init__(self, numbers: np.ndarray[Any, Any], path: str = "fake") -> None:
        self.numbers = numbers
        channels, height, width = numbers.shape
        self.spec = StackSpec(channels, height, width, numbers.dtype.name)
        names = tuple(f"{path}{number}" for number in range(channels))
        metadata = Metadata(
            channels=names,
            nodata=((-1.0,),),
            good=tuple(number % 2 == 0 for number in range(channels)),
            attributes={"gain": Attribute(list(range(channels)), "C"), "by": Attribute("me")},
        )
        self.about = About(path, load_metadata=lambda: metadata)
        self.read_bytes = 0
        self.seen: set[int] = set()

    def read(self, slab: Slab, out: np.ndarray[Any, Any], scratch: np.ndarray[Any, Any]) -> None:
        self.read_channels(slab, 0, self.spec.channels, out, scratch)

    def read_channels(
        self,
        slab: Slab,
        first: int,
        last: int,
        out: np.ndarray[Any, Any],
        scratch: np.ndarray[Any, Any],
    ) -> None:
        flat = self.numbers.reshape(len(self.numbers), -1)
        out[0] = flat[first:last, slab.start : slab.stop]
        self.seen |= set(range(first, last))
        self.read_bytes += out.nbytes

    def close(self) -> None:
        pass


def read_all(reader: Reader) -> np.ndarray[Any, Any]:
    spec = reader.spec
    out = np.empty((spec.items, spec.channels, spec.pixels), "f8")
    scratch = np.empty(reader.scratch_bytes, np.uint8)
    for item in range(spec.items):
        for start in range(0, spec.pixels, 7):
            stop = min(start + 7, spec.pixels)
            part = np.empty((1, spec.channels, stop - start))
            reader.read(Slab(item, 1, start, stop), part, scratch)
            out[item, :, start:stop] = part[0]
    return out.reshape(*spec.batch, spec.channels, spec.height, spec.width)


def chosen(readers: Sequence[Reader | StreamReader], text: str) -> list[Reader]:
    found = select(readers, parse_selection(text))
    assert all(isinstance(reader, Reader) for reader in found)
    return [reader for reader in found if isinstance(reader, Reader)]


def test_what_is_not_selected_is_not_read() -> None:
    one, other = Counting(STACK[0], "a"), Counting(STACK[1], "b")
    readers = chosen([one, other], "1,3:5")
    assert [reader.path for reader in readers] == ["a"]
    np.testing.assert_array_equal(read_all(readers[0]), STACK[0][[1, 3, 4]])
    assert one.seen == {1, 3, 4}
    assert one.read_bytes == 3 * 20 * 8
    assert other.read_bytes == 0


def test_names_and_spec_are_those_of_the_selection() -> None:
    first, second, third = chosen([Counting(STACK[0], "a"), Counting(STACK[1], "b")], "5,6,4,!0")
    assert (first.about.metadata.channels, first.about.selected) == (("a5",), (5,))
    assert third.about.metadata.channels == ("a4",)
    (reader,) = chosen([Counting(STACK[0], "a")], "5,2")
    assert (reader.spec.channels, reader.about.selected) == (2, (5, 2))
    assert reader.about.metadata == Metadata(
        channels=("a5", "a2"),
        nodata=((-1.0,),),
        good=(False, True),
        attributes={"gain": Attribute([5, 2], "C"), "by": Attribute("me")},
    )
    assert second.about.metadata.channels == ("b0",)


def test_all_channels_are_the_reader_itself() -> None:
    reader = Counting(STACK[0])
    assert select([reader], parse_selection("0:6")) == [reader]
    assert select([reader], None) == [reader]


def saved(path: Path, layout: str) -> Path:
    order = [0, *(1 + "CHW".index(axis) for axis in layout)]
    np.save(path, STACK.transpose(order))
    return path


def in_hdf5(path: Path, layout: str) -> Path:
    order = [0, *(1 + "CHW".index(axis) for axis in layout)]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=STACK.transpose(order), chunks=(1, 2, 2, 3), compression=1)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "save"), [("x.npy", saved), ("x.h5", in_hdf5)])
@pytest.mark.parametrize("text", ["2", "1:4", "5,0,3", "!2:4"])
def test_selected_channels_of_files(
    name: str, save: Callable[[Path, str], Path], layout: str, text: str, tmp_path: Path
) -> None:
    with open_input(str(save(tmp_path / name, layout)), layout=layout) as opened:
        (reader,) = chosen([opened], text)
        indices = parse_selection(text).indices(6)
        np.testing.assert_array_equal(read_all(reader), STACK[:, indices])
        grid = np.empty((len(indices), 2, 2))
        scratch = np.empty(reader.scratch_bytes, np.uint8)
        own = range(len(indices))
        wanted = PixelGrid(1, own, range(0, 4, 2), range(1, 5, 3))
        reader.read_grid(wanted, grid, scratch)
        np.testing.assert_array_equal(grid, STACK[1, indices, ::2, 1::3])
        some = np.empty((2, 1, 20))
        reader.read_channels(Slab(0, 2, 0, 20), 0, 1, some, scratch)
        np.testing.assert_array_equal(some[:, 0], STACK[:, indices[0]].reshape(2, -1))


class Pipe(StreamReader):
    """Hands over an array in pieces."""

    def __init__(self, numbers: np.ndarray[Any, Any], layout: str, piece: int) -> None:
        self.about = About("pipe")
        self.content = np.ascontiguousarray(numbers).tobytes()
        self.stored = array_layout(numbers.shape, numbers.dtype.name, "pipe", layout=layout)
        self.spec = self.stored.spec
        self._piece = piece

    def drain(self, write: Callable[[memoryview], None]) -> None:
        for start in range(0, len(self.content), self._piece):
            write(memoryview(self.content)[start : start + self._piece])

    def close(self) -> None:
        pass


@given(
    axes=st.permutations("CHW"),
    piece=st.integers(1, 999),
    channels=st.lists(st.integers(0, 5), min_size=1, unique=True),
    long_records=st.booleans(),
)
def test_selected_channels_of_streams(
    axes: Sequence[str],
    piece: int,
    channels: list[int],
    long_records: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    layout = "".join(axes)
    if layout not in LAYOUTS:
        layout = "HWC"
    order = [0, *(1 + "CHW".index(axis) for axis in layout)]
    pipe = Pipe(STACK.transpose(order), layout, piece)
    (stream,) = select([pipe], selection_of(channels))
    assert isinstance(stream, StreamReader)
    if long_records and hasattr(stream, "_gathers"):
        stream._gathers = False
    held = bytearray()
    stream.drain(held.extend)
    assert len(held) == stream.spec.data_bytes
    path = tmp_path_factory.mktemp("held") / "held"
    path.write_bytes(held)
    with path.open("rb") as file:
        stored = ArrayReader(file.fileno(), stream.stored, About("held"), owns_fd=False)
        np.testing.assert_array_equal(read_all(stream.held(stored)), STACK[:, channels])


def test_channels_of_a_stream_stay_together() -> None:
    pipe = Pipe(STACK, "CHW", 100)
    with pytest.raises(UsageError, match="is read once; name its channels side by side"):
        select([pipe, Counting(STACK[0])], parse_selection("0,6,1"))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_any_order_across_inputs(order: tuple[int, ...]) -> None:
    readers = [Counting(STACK[0][:2]), Counting(STACK[1][:1])]
    text = ",".join(map(str, order))
    parts = [read_all(reader) for reader in chosen(readers, text)]
    whole = np.concatenate([STACK[0][:2], STACK[1][:1]])
    np.testing.assert_array_equal(np.concatenate(parts), whole[list(order)])
