"""Orders of axes: any letters in any order, from every container, against numpy's transpose."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone, shell
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    Array,
    cuts,
    dtypes,
    fifo_of,
    grid_of,
    grids,
    new_folder,
    numbers,
    pixels_of,
    read_all,
    read_channels,
    read_grid,
    same_numbers,
    save_npy,
    seeds,
)

import onebyone_cli
from onebyone_cli.axes import checked_layout, places_of, stored_axes
from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.arrays import slabs as slabs_module
from onebyone_cli.formats.contracts.about import RawSpec
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.stack.folded import fold
from onebyone_cli.stack.in_memory import ArrayInput
from onebyone_cli.stack.selected import select
from onebyone_cli.stack.selection import parse_selection
from onebyone_cli.stack.sources import hold_streams

CONTAINERS = ("npy", "npy F", "raw", "hdf5", "hdf5 chunked", "hdf5 drained", "pipe", "memory")


@st.composite
def orders(draw: st.DrawFn) -> str:
    """Layouts as typed: C, H, W or Y, X, and up to two axes of a batch, in any order."""
    plane = draw(st.sampled_from(["HW", "YX"]))
    batch = draw(st.sampled_from(["", "N", "T", "ZT", "NS"]))
    channels = draw(st.sampled_from(["C", "C", "C", ""]))
    return "".join(draw(st.permutations(plane + batch + channels)))


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Array, str]:
    """An array as stored, and its layout."""
    layout = draw(st.one_of(orders(), st.sampled_from(["NC", "CN", "BNC", "NCB"])))
    shape = [draw(st.integers(1, 5)) for _ in layout]
    return numbers(draw(seeds), shape, draw(dtypes)), layout


def as_stack(array: Array, layout: str) -> Array:
    """Put the axes in the order (*batch, C, H, W), as a person does it with numpy."""
    letters = list(layout.replace("Y", "H").replace("X", "W"))
    if "W" not in letters:  # a table
        letters[letters.index("N")] = "W"
        letters.insert(0, "H")
        array = array[np.newaxis]
    if "C" not in letters:
        letters.insert(0, "C")
        array = array[np.newaxis]
    batch = [axis for axis in letters if axis not in "CHW"]
    return array.transpose([letters.index(axis) for axis in [*batch, *"CHW"]])


@contextmanager
def opened(array: Array, layout: str, container: str, chunk: tuple[int, ...]) -> Iterator[Reader]:
    """Store an array and open it, held so that it can be read at any place."""
    layout = checked_layout(layout)
    with new_folder() as folder, ExitStack() as stack:
        path, raw, memory = folder / "x.npy", None, 1 << 20
        if container == "memory":
            yield ArrayInput(array, layout)
            return
        if container in ("raw", "pipe"):
            array.astype(array.dtype.newbyteorder("<")).tofile(path)
            raw = RawSpec(array.shape, array.dtype.name)
        elif container.startswith("hdf5"):
            path = folder / "x.h5"
            chunks = {} if container == "hdf5" else {"chunks": chunk, "compression": "gzip"}
            with h5py.File(path, "w") as file:
                file.create_dataset("x", data=array, **chunks)
            if container == "hdf5 drained":
                memory = 1
                while True:
                    try:
                        opening.open_input(str(path), layout=layout, memory=memory).close()
                        break
                    except UsageError:
                        memory += 1 + memory // 3
        else:
            save_npy(path, np.asfortranarray(array) if container == "npy F" else array)
        name = str(path)
        if container == "pipe":
            name = str(stack.enter_context(fifo_of(path.read_bytes())))
        reader = opening.open_input(name, layout=layout, memory=memory, raw=raw)
        stack.callback(reader.close)
        (held,), _ = hold_streams([reader], 0, stack, lambda step, done, total: None)
        yield held


@given(st.data(), arrays(), st.sampled_from(CONTAINERS))
def test_any_order_is_read_as_numpy_transposes_it(
    data: st.DataObject, stored: tuple[Array, str], container: str
):
    array, layout = stored
    expected = as_stack(array, layout)
    chunk = tuple(data.draw(st.integers(1, size)) for size in array.shape)
    with opened(array, layout, container, chunk) as reader:
        assert reader.spec.shape == expected.shape
        assert reader.about.axes == checked_layout(layout)
        dtype = array.dtype.name
        slabs = data.draw(cuts(reader.spec))
        assert same_numbers(read_all(reader, slabs, dtype), np.ascontiguousarray(expected))
        grid = data.draw(grids(reader.spec))
        assert same_numbers(read_grid(reader, grid, dtype), grid_of(expected, grid))
        first = data.draw(st.integers(0, reader.spec.channels - 1))
        found = read_channels(reader, first, reader.spec.channels, slabs[-1], dtype)
        assert same_numbers(found, pixels_of(expected[..., first:, :, :], slabs[-1]))


@given(st.data(), arrays(), st.sampled_from(("npy", "pipe")))
def test_some_channels_of_any_order(data: st.DataObject, stored: tuple[Array, str], container: str):
    array, layout = stored
    expected = as_stack(array, layout)
    channels = data.draw(st.permutations(range(expected.shape[-3])))
    channels = channels[: data.draw(st.integers(1, len(channels)))]
    text = ",".join(map(str, sorted(channels) if container == "pipe" else channels))
    with new_folder() as folder, ExitStack() as stack:
        path = save_npy(folder / "x.npy", array)
        name = str(path)
        if container == "pipe":
            name = str(stack.enter_context(fifo_of(path.read_bytes())))
        reader = stack.enter_context(opening.open_input(name, layout=checked_layout(layout)))
        chosen = select([reader], parse_selection(text))
        (held,), _ = hold_streams(chosen, 0, stack, lambda step, done, total: None)
        found = read_all(held, data.draw(cuts(held.spec)), array.dtype.name)
    assert same_numbers(found, expected[..., list(map(int, text.split(","))), :, :].copy())


@pytest.mark.parametrize("layout", ["HWNC", "NHWC", "WHC", "CHWN", "HNWC"])
def test_short_runs_are_read_with_their_gaps(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A system call for each pixel would take a hundred times as long."""
    shape = [{"H": 40, "W": 50, "N": 4, "C": 3}[axis] for axis in layout]
    array = numbers(1, shape, "uint16")
    path = save_npy(tmp_path / "x.npy", array)
    calls = []
    original = slabs_module.read_into
    monkeypatch.setattr(
        slabs_module, "read_into", lambda *args: (calls.append(1), original(*args))[1]
    )
    with opening.open_input(str(path), layout=layout) as reader:
        whole = read_all(reader, list(_whole(reader)), "uint16")
    assert same_numbers(whole, np.ascontiguousarray(as_stack(array, layout)))
    assert len(calls) <= 8 * reader.spec.items


def _whole(reader: Any) -> Iterator[Any]:
    return iter_slabs(reader.spec, 1, reader.spec.pixels)


# ------------------------------------------------------------------------------- letters


@pytest.mark.parametrize(
    ("text", "letters"),
    [("CTZYX", "CTZHW"), ("hwc", "HWC"), ("YXC", "HWC"), ("NC", "NC"), ("HW", "HW"), ("", "")],
)
def test_letters_are_one_word_for_each_axis(text: str, letters: str):
    assert checked_layout(text) == letters


@pytest.mark.parametrize(
    "text", ["C", "CH", "CHWX", "CCHW", "HWW", "C1HW", "ÇHW", "N", "NNC", "TC"]
)
def test_other_words_are_refused(text: str):
    with pytest.raises(UsageError, match=f"layout={text} is not an order of axes; write H and W"):
        checked_layout(text)


def test_places():
    assert places_of("CTZHW") == (2, 0, 1, 3, 4)
    assert places_of("NNHWC") == (0, 1, 3, 4, 2)
    assert stored_axes((2, 3, 4, 5), "HWC", "x") == "NHWC"
    with pytest.raises(DataError, match=r"has 4 axes \(2×3×4×5\), and layout=CTZHW names 5"):
        stored_axes((2, 3, 4, 5), "CTZHW", "x")
    with pytest.raises(DataError, match=r"has 3 axes \(2×3×4\), and layout=NC names 2"):
        stored_axes((2, 3, 4), "NC", "x")


# ---------------------------------------------------------------------- labels of a file


def labelled(path: Path, array: Array, names: list[str], *, scales: bool, **options: Any) -> None:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("cube", data=array, **options)
        for axis, name in enumerate(names):
            if not scales:
                dataset.dims[axis].label = name
            elif name:
                file[name] = np.arange(array.shape[axis])
                file[name].make_scale(name)
                dataset.dims[axis].attach_scale(file[name])


LABELS = [
    (["C", "T", "Z", "Y", "X"], "CTZHW"),
    (["lat", "lon", "band"], "HWC"),
    (["Wavelength", "Row", "Column"], "CHW"),
    (["x", "y", "wavelength"], "WHC"),
    (["", "", "channel"], "HWC"),
    (["y", "x", "time"], "HWC"),
    (["time", "lat", "lon"], "CHW"),
    (["northing", "easting", "time", "bands"], "HWTC"),
    (["pixel", "band"], "NC"),
    # These do not tell the order, so the usual one holds.
    (["time", "height", "lat", "lon"], "NCHW"),
    (["a", "b", "c3"], "CHW"),
]


@pytest.mark.parametrize("scales", [False, True])
@pytest.mark.parametrize(("names", "axes"), LABELS, ids="".join)
def test_labels_are_believed(names: list[str], axes: str, scales: bool, tmp_path: Path):
    array = numbers(1, [3, 2, 4, 5, 6][: len(names)], "uint16")
    labelled(tmp_path / "x.h5", array, names, scales=scales)
    with opening.open_input(str(tmp_path / "x.h5:cube")) as reader:
        assert isinstance(reader, Reader)
        found = read_all(reader, list(_whole(reader)), "uint16")
        assert reader.about.axes == axes
    assert same_numbers(found, np.ascontiguousarray(as_stack(array, axes)))


def test_what_the_user_says_wins_over_labels(tmp_path: Path):
    labelled(tmp_path / "x.h5", np.zeros((4, 5, 6)), ["y", "x", "band"], scales=False)
    with opening.open_input(str(tmp_path / "x.h5:cube"), layout="CHW") as reader:
        assert reader.spec.shape == (4, 5, 6)


def test_labels_are_told(tmp_path: Path):
    array = numbers(1, (6, 7, 5), "uint16")
    labelled(tmp_path / "x.h5", array, ["y", "x", "band"], scales=False, chunks=(2, 3, 4))
    labelled(tmp_path / "usual.h5", array, ["band", "y", "x"], scales=False)
    args = ["--kernel", "1 0 0 0 0", "-o", "out.npy"]
    done = onebyone("apply", "x.h5", *args, cwd=tmp_path)
    assert "x.h5: its axes y, x, band are read as H×W×C" in done.stderr
    assert same_numbers(np.load(tmp_path / "out.npy")[0], array[..., 0].astype("f4"))
    assert "axes" not in onebyone("stats", "usual.h5", cwd=tmp_path).stderr
    told = onebyone("info", "x.h5", cwd=tmp_path).stdout.decode()
    assert "axes      y (H), x (W), band (C)" in told


# ------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("layout", ["NC", "CN"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_table_of_pixels_is_folded(layout: str, container: str):
    array = numbers(1, (12, 5) if layout == "NC" else (5, 12), "float32")
    expected = as_stack(array, layout).reshape(5, 3, 4)
    with opened(array, layout, container, (4, 2)) as reader:
        folded = fold(reader, (3, 4))
        assert isinstance(folded, Reader)
        assert folded.spec.shape == (5, 3, 4)
        assert same_numbers(read_all(folded, list(_whole(folded)), "float32"), expected)
        grid = (0, [4, 1], range(1, 3), range(0, 4, 2))
        assert same_numbers(read_grid(folded, grid, "float32"), grid_of(expected, grid))


def test_only_a_table_is_folded(tmp_path: Path):
    with pytest.raises(ShapeMismatchError, match="has 12 pixels, and grid=3x5 is 15"):
        fold(ArrayInput(np.zeros((12, 5)), "NC"), (3, 5))
    with pytest.raises(ShapeMismatchError, match=r"has 3×4 pixels .* is for a table of pixels"):
        fold(ArrayInput(np.zeros((5, 3, 4))), (4, 3))
    image = ArrayInput(np.zeros((5, 3, 4)))
    assert fold(image, (3, 4)) is image


def test_a_table_gives_what_its_image_gives(tmp_path: Path):
    stack = numbers(1, (5, 8, 9), "float32")
    np.save(tmp_path / "image.npy", stack)
    np.save(tmp_path / "table.npy", stack.reshape(5, 72).T)
    table = ["table.npy", "--layout", "NC", "--grid", "8x9"]
    args = ["--method", "mnf", "-k", "2", "-o"]
    one = onebyone("reduce", "image.npy", *args, "one.npy", cwd=tmp_path)
    other = onebyone("reduce", *table, *args, "other.npy", cwd=tmp_path)
    assert (one.returncode, other.returncode) == (0, 0)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "other.npy").read_bytes()
    piped = 'cat table.npy | "$0" "$@"'
    done = shell(piped, "reduce", "-", *table[1:], *args, "piped.npy", cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "piped.npy").read_bytes() == (tmp_path / "one.npy").read_bytes()


@pytest.mark.parametrize("shape", [(72,), (1, 72), (72, 1), (8, 9)])
@pytest.mark.parametrize("name", ["labels.npy", "labels.h5:labels"])
def test_labels_of_a_table_are_a_line(shape: tuple[int, ...], name: str, tmp_path: Path):
    stack = numbers(1, (5, 8, 9), "float32")
    labels = np.random.default_rng(2).integers(0, 3, (8, 9)).astype("uint8")
    np.save(tmp_path / "image.npy", stack)
    np.save(tmp_path / "table.npy", stack.reshape(5, 72).T)
    np.save(tmp_path / "expected.npy", labels)
    np.save(tmp_path / "labels.npy", labels.reshape(shape))
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["labels"] = labels.reshape(shape)
    maps = ["--labels", name, "--mask", name]
    table = ["table.npy", "--layout", "NC", *["--grid", "8x9"] * (shape == (8, 9))]
    args = ["--method", "lda", "-k", "1", "-o"]
    done = onebyone("fit", *table, *maps, *args, "m.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    image = ["image.npy", "--labels", "expected.npy", "--mask", "expected.npy"]
    onebyone("fit", *image, *args, "expected.npz", cwd=tmp_path)
    found, expected = (np.load(tmp_path / file)["weight"] for file in ("m.npz", "expected.npz"))
    assert same_numbers(found, expected)


def test_two_axes_are_never_read_in_silence(tmp_path: Path):
    np.save(tmp_path / "t.npy", numbers(1, (100, 32), "float32"))
    fit = ["fit", "t.npy", "-k", "3", "-o", "m.npz"]
    named = onebyone(*fit, "--layout", "HWC", cwd=tmp_path)
    assert named.returncode == 65
    assert "t.npy: has 2 axes (100×32), and --layout HWC names 3; --layout NC is" in named.stderr
    unnamed = onebyone(*fit, cwd=tmp_path)
    assert unnamed.returncode == 65
    assert "is it a table of pixels? give --layout NC" in unnamed.stderr
    assert onebyone(*fit, "--layout", "NC", cwd=tmp_path).returncode == 0


# ---------------------------------------------------------------- results of commands


@pytest.mark.parametrize("layout", ["ZCYX", "CZYX", "HWNC", "CHWT", "XYC", "YXTC"])
def test_the_same_bytes_from_every_order(layout: str, tmp_path: Path):
    """Also from a pipe, in shards, and by way of Python."""
    sizes = {"C": 5, "H": 60, "W": 70, "Y": 60, "X": 70}
    array = numbers(2, [sizes.get(axis, 3) for axis in layout], "int16")
    weight = numbers(3, (4, 5), "float64")
    np.save(tmp_path / "stored.npy", array)
    np.save(tmp_path / "plain.npy", np.ascontiguousarray(as_stack(array, layout)))
    np.save(tmp_path / "w.npy", weight)
    apply, order = ["-w", "w.npy", "-o"], ["--layout", layout]
    onebyone("apply", "plain.npy", *apply, "plain_out.npy", cwd=tmp_path)
    expected = (tmp_path / "plain_out.npy").read_bytes()
    onebyone("apply", "stored.npy", *order, *apply, "out.npy", cwd=tmp_path)
    assert (tmp_path / "out.npy").read_bytes() == expected
    piped = 'cat stored.npy | "$0" "$@"'
    shell(piped, "apply", "-", *order, *apply, "piped.npy", "--memory", "8M", cwd=tmp_path)
    assert (tmp_path / "piped.npy").read_bytes() == expected
    for shard in ("0/2", "1/2"):
        args = ["stored.npy", *order, *apply, "sharded.npy", "--shard", shard]
        assert onebyone("apply", *args, cwd=tmp_path).returncode == 0
    assert onebyone("merge", "sharded.npy", cwd=tmp_path).returncode == 0
    assert (tmp_path / "sharded.npy").read_bytes() == expected
    by_python = onebyone_cli.apply(array, weight, layout=layout)
    assert same_numbers(by_python, np.load(tmp_path / "out.npy"))
    same = ["stored.npy", "plain.npy", *order, "--layout-b", "NCHW"[-by_python.ndim :]]
    assert onebyone("compare", *same, cwd=tmp_path).returncode == 0


def test_a_job_in_another_order_is_another_job(tmp_path: Path):
    np.save(tmp_path / "x.npy", numbers(1, (3, 3, 40, 40), "float32"))
    args = ["x.npy", "--kernel", "1 2 3", "-o", "out.npy", "--shard"]
    assert onebyone("apply", *args, "0/2", "--layout", "CZYX", cwd=tmp_path).returncode == 0
    assert onebyone("apply", *args, "1/2", "--layout", "ZCYX", cwd=tmp_path).returncode == 0
    done = onebyone("merge", "out.npy", cwd=tmp_path)
    assert done.returncode != 0
    assert "layout was CZHW and is ZCHW" in done.stderr


# ----------------------------------------------------------------------- a batch of one


@pytest.mark.parametrize("name", ["rgb.png", "rgb/", "rgb.img", "rgb.h5", "rgb.npy"])
def test_a_batch_of_one_is_one_stack(name: str, tmp_path: Path):
    stack = numbers(1, (1, 16, 12, 9), "float32")
    np.save(tmp_path / "batch.npy", stack)
    np.save(tmp_path / "stack.npy", stack[0])
    args = ["-k", "3", "--scale", "auto", "-o"]
    done = onebyone("reduce", "batch.npy", *args, name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert onebyone("reduce", "stack.npy", *args, "expected.npy", cwd=tmp_path).returncode == 0
    # Files that state the range that was mapped are compared by the numbers that were meant.
    args = ["compare", "--stored", name, "expected.npy"]
    assert onebyone(*args, cwd=tmp_path).returncode == 0
    if name == "rgb.npy":
        assert np.load(tmp_path / name).shape == (1, 3, 12, 9)


def test_a_batch_of_one_is_stacked_on_one_stack(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.ones((1, 1, 2, 4, 5), "f4"))
    np.save(tmp_path / "b.npy", np.ones((3, 4, 5), "f4"))
    np.save(tmp_path / "mask.npy", np.ones((1, 1, 4, 5), bool))
    done = onebyone("stats", "a.npy", "b.npy", "--mask", "mask.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6
    np.save(tmp_path / "two.npy", np.ones((2, 3, 4, 5), "f4"))
    assert onebyone("stats", "a.npy", "two.npy", cwd=tmp_path).returncode == 65


# -------------------------------------------------------------------------------- hints


SHAPES = [
    ((40, 50, 3), "", "looks like H×W×C; --layout HWC?"),
    ((40, 50, 1), "", "looks like H×W×C; --layout HWC?"),
    ((2, 40, 50, 4), "", "looks like N×H×W×C; --layout HWC?"),
    ((3, 40, 50), "", ""),
    ((16, 50, 3), "", ""),
    ((40, 50, 5), "", ""),
    ((40, 50), "", ""),
    ((40, 50, 3), "CHW", ""),
    ((40, 50, 3), "HWC", ""),
]


COMMANDS = ("info", "stats", "view", "fit", "reduce", "apply", "compare")


@pytest.mark.parametrize(
    ("command", "shape", "layout", "hint"),
    [*(("info", *each) for each in SHAPES), *((command, *SHAPES[0]) for command in COMMANDS)],
)
def test_what_looks_wrong_is_said_once(
    command: str, shape: tuple[int, ...], layout: str, hint: str, tmp_path: Path
):
    array = numbers(1, shape, "float32")
    np.save(tmp_path / "x.npy", array)
    wanted = {
        "fit": ["-k", "1", "-o", "m.npz"],
        "reduce": ["-k", "1", "-o", "y.npy"],
        "apply": ["--kernel", "1 " * 40, "-o", "y.npy"],
        "view": ["--size", "40"],
        "compare": ["x.npy"],
    }.get(command, [])
    chosen = ["--layout", layout] if layout else []
    done = onebyone(command, "x.npy", *wanted, *chosen, cwd=tmp_path)
    said = [line for line in done.stderr.splitlines() if "looks like" in line]
    assert said == ([f"x.npy: {hint}"] if hint else [])
    if hint:
        quiet = onebyone(command, "x.npy", *wanted, "-q", cwd=tmp_path)
        assert "looks like" not in quiet.stderr


def test_as_many_wavelengths_as_columns(tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.zeros((8, 9, 7))
        file["x"].attrs["wavelength"] = np.linspace(400, 1000, 7)
    done = onebyone("stats", "x.h5", cwd=tmp_path)
    assert "looks like H×W×C; --layout HWC?" in done.stderr
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["x"].attrs["wavelength"] = np.linspace(400, 1000, 8)
    assert "looks like" not in onebyone("stats", "x.h5", cwd=tmp_path).stderr


def test_images_and_envi_tell_their_order(tmp_path: Path):
    (tmp_path / "x.dat").write_bytes(bytes(40 * 50 * 3))
    (tmp_path / "x.hdr").write_text(
        "ENVI\nsamples = 3\nlines = 50\nbands = 40\ndata type = 1\ninterleave = bsq\n"
    )
    assert "looks like" not in onebyone("info", "x.dat", cwd=tmp_path).stderr


def test_several_inputs_share_a_hint(tmp_path: Path):
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.zeros((40, 50, 3)))
    done = onebyone("stats", "a.npy", "b.npy", cwd=tmp_path)
    assert done.stderr.count("looks like") == 1


def test_readings_fold_and_select():
    with new_folder() as folder, ExitStack() as stack:
        array = numbers(1, (12, 5), "float32")
        np.save(folder / "x.npy", array)
        reading = Reading("NC", 1 << 20, None, parse_selection("3,1"), (3, 4))
        (reader,) = reading.open([str(folder / "x.npy")], stack)
        assert isinstance(reader, Reader)
        found = read_all(reader, list(_whole(reader)), "float32")
    assert same_numbers(found, array.T[[3, 1]].reshape(2, 3, 4))


@pytest.mark.parametrize("suffix", ["npy", "tif", "h5"])
def test_frames_of_one_channel_in_each_input(tmp_path: Path, suffix: str) -> None:
    """As microscopes write them: a file for each channel, which has a page for each frame."""
    frames = np.random.default_rng(0).integers(0, 900, (2, 8, 5, 6)).astype("u2")
    names = [f"ch{channel}.{suffix}" for channel in range(2)]
    for name, x in zip(names, frames, strict=True):
        if suffix == "npy":
            np.save(tmp_path / name, x)
        elif suffix == "h5":
            with h5py.File(tmp_path / name, "w") as file:
                file["x"] = x
        else:
            pytest.importorskip("tifffile").imwrite(tmp_path / name, x, photometric="minisblack")
    command = ("apply", *names, "--kernel", "1 -.5; -.5 1", "-o", "y.npy")
    done = onebyone(*command, cwd=tmp_path)
    assert done.returncode == 65
    assert done.stderr.rstrip().endswith(
        "; if each input is one channel of several frames, give --layout NHW"
    )
    assert onebyone(*command, "--layout", "NHW", cwd=tmp_path).returncode == 0
    right = np.einsum("kc,cnhw->nkhw", [[1, -0.5], [-0.5, 1]], frames)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), right)
