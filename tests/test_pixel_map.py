"""Masks and label maps: from any format, for one item or all, and which do not fit."""

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import DTYPES, cuts, new_folder, numbers_of, seeds, specs

from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    PolicyError,
    ReadWriteError,
    ShapeMismatchError,
)
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.learners.statistics import Statistics
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.settings import LearnSettings
from onebyone_cli.operations.meaning import Asked
from onebyone_cli.spec import Slab, StackSpec
from onebyone_cli.stack.in_memory import ArrayInput
from onebyone_cli.stack.pixel_map import PixelMap
from onebyone_cli.stack.validity import parse_nodata


def gather(folder: Path, **maps: Any) -> Statistics:
    """Moments of x.npy with a mask or labels, named as a user would."""
    with ExitStack() as stack:
        readers = {}
        for name, path in {"x": folder / "x.npy", **maps}.items():
            readers[name] = opening.open_input(str(path), indices=name != "x")
            stack.callback(readers[name].close)
        x = readers.pop("x")
        job = LearnJob([x], LearnSettings(1 << 26, 2), **readers)
        return job.run(lambda step, done, total: None)


def save(folder: Path, numbers: np.ndarray, kind: str) -> str:
    """Save a map (H, W) in one of many ways."""
    numbers = numbers.astype("uint8") if kind in ("png", "tif") else numbers
    path = folder / f"map.{kind.partition(' ')[0]}"
    match kind:
        case "png" | "tif":
            Image.fromarray(numbers).save(path)
        case "npy of a channel":
            np.save(path, numbers[np.newaxis])
        case "npy in Fortran order":
            np.save(path, np.asfortranarray(numbers))
        case "h5":
            with h5py.File(path, "w") as file:
                file["map"] = numbers
        case "h5 in chunks":
            with h5py.File(path, "w") as file:
                file.create_dataset("map", data=numbers[None], chunks=(1, 7, 4), compression="gzip")
                file["other"] = np.zeros(3)
            return f"{path}:map"
        case _:
            np.save(path, numbers)
    return str(path)


def described(numbers: Any, **said: Any) -> ArrayInput:
    """A map (H, W) of a file with metadata."""
    reader = ArrayInput(np.array(numbers))
    reader.about = About("map", load_metadata=lambda: Metadata(**said))
    return reader


#: Metadata of a map, nodata as typed, and how many of the numbers 0, 1, 255, -9, NaN count.
SAYINGS: list[tuple[dict[str, Any], list[str], int]] = [
    ({}, [], 3),
    ({"nodata": ((255.0,),)}, [], 2),
    ({"nodata": ((255.0, -9.0),)}, [], 1),
    ({"nodata": ((255.0,),)}, ["none"], 3),
    ({"nodata": ((255.0,),)}, ["1"], 2),
    ({}, ["255"], 3),
    ({}, ["-9,1"], 2),
    ({}, ["-10:-8"], 2),
    ({"valid_range": ((0.0, 1.0),)}, [], 1),
    ({"valid_range": ((0.0, 1.0),)}, ["none"], 3),
]


@pytest.mark.parametrize(("said", "typed", "kept"), SAYINGS)
def test_what_files_and_users_say_of_a_mask(said: dict[str, Any], typed: list[str], kept: int):
    stack = StackSpec(2, 1, 5, "float32")
    reader = described([[0, 1, 255, -9, np.nan]], **said)
    mask = PixelMap(reader, stack, "mask", parse_nodata(typed))
    plan: Any = SimpleNamespace(input_in_memory=True)
    with ExitStack() as opened:
        mask.open(plan, opened, lambda step, done, total: None)
        assert np.count_nonzero(~mask.masked(Slab(0, 1, 0, 5))) == kept


@pytest.mark.parametrize(("said", "typed", "kept"), SAYINGS)
def test_what_files_and_users_say_of_labels(said: dict[str, Any], typed: list[str], kept: int):
    x = ArrayInput(np.full((2, 1, 4), 50.0))
    labels = described([[0, 1, 255, -9]], **said)
    settings = LearnSettings(1 << 26, 1, Asked(parse_nodata(typed)))
    job = LearnJob([x], settings, labels=labels)
    assert len(job.run(lambda step, done, total: None).classes or {}) == kept


KINDS = ("npy", "npy of a channel", "npy in Fortran order", "png", "tif", "h5", "h5 in chunks")


@given(st.data(), specs(channels=st.just(1)), st.integers(1, 3), st.booleans())
def test_any_slab_of_a_map_is_read(
    data: st.DataObject, spec: StackSpec, channels: int, for_all: bool
):
    of_map = StackSpec(1, spec.height, spec.width, spec.dtype, () if for_all else spec.batch)
    stack = StackSpec(channels, spec.height, spec.width, "float32", spec.batch)
    numbers = numbers_of(data.draw(seeds), of_map)
    with new_folder() as folder, ExitStack() as opened:
        np.save(folder / "map.npy", numbers)
        reader = opened.enter_context(opening.open_input(str(folder / "map.npy")))
        companion = PixelMap(reader, stack, "mask")
        plan: Any = SimpleNamespace(input_in_memory=True)
        companion.open(plan, opened, lambda step, done, total: None)
        whole = np.broadcast_to(numbers.reshape(-1, spec.pixels), (stack.items, spec.pixels))
        for slab in data.draw(cuts(stack)):
            found = companion.read(slab)
            assert found.dtype == spec.dtype
            expected = whole[slab.item : slab.item + slab.items, slab.start : slab.stop]
            assert found.shape[1] == slab.pixels
            assert np.array_equal(
                np.broadcast_to(found, expected.shape), expected, equal_nan=spec.dtype[0] == "f"
            )
    assert companion.pixel_bytes == spec.item_bytes


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_leaves_out_the_pixels_where_it_is_zero(tmp_path: Path, kind: str):
    rng = np.random.default_rng()
    x = rng.normal(size=(3, 75, 83))
    np.save(tmp_path / "x.npy", x)
    mask = rng.integers(0, 3, (75, 83))
    found = gather(tmp_path, mask=save(tmp_path, mask, kind)).pixels
    assert found.count == np.count_nonzero(mask)
    assert found.invalid == np.count_nonzero(mask == 0)
    np.testing.assert_allclose(found.covariance, np.cov(x[:, mask != 0]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_type_is_a_mask(tmp_path: Path, dtype: str):
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(1, 3, 4))
    mask = np.zeros((3, 4), dtype)
    mask[1, 1:3] = 1
    if dtype.startswith("float"):  # what is next to nothing is not nothing
        mask[2, 3] = np.nextafter(mask[2, 3], mask[1, 1])
    np.save(tmp_path / "mask.npy", mask)
    found = gather(tmp_path, mask=tmp_path / "mask.npy").pixels
    kept = [5, 6, 11] if dtype.startswith("float") else [5, 6]
    assert found.count == len(kept)
    assert found.mean[0] == pytest.approx(np.mean(kept))


@pytest.mark.parametrize("kind", KINDS)
def test_labels_name_the_classes(tmp_path: Path, kind: str):
    rng = np.random.default_rng()
    x = rng.normal(size=(3, 75, 83))
    x[1, 3] = np.nan
    np.save(tmp_path / "x.npy", x)
    labels = rng.choice([0, 2, 3, 200], (75, 83))
    mask = rng.random((75, 83)) < 0.9
    np.save(tmp_path / "mask.npy", mask)
    found = gather(tmp_path, labels=save(tmp_path, labels, kind), mask=tmp_path / "mask.npy")
    assert sorted(found.classes) == [2, 3, 200]
    valid = mask & np.isfinite(x).all(axis=0)
    for label, moments in found.classes.items():
        pixels = x[:, valid & (labels == label)]
        assert moments.count == pixels.shape[1]
        np.testing.assert_allclose(moments.mean, pixels.mean(axis=1), rtol=1e-11, atol=1e-15)
        np.testing.assert_allclose(moments.covariance, np.cov(pixels), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_a_map_for_each_item_or_one_for_all(tmp_path: Path, kind: str):
    x = np.arange(2 * 3 * 2 * 4 * 5.0).reshape(2, 3, 2, 4, 5)
    np.save(tmp_path / "x.npy", x)
    labels = np.random.default_rng().integers(0, 3, (2, 3, 1, 4, 5))
    for chosen in (labels, labels[0, 0, 0]):
        found = gather(tmp_path, labels=save(tmp_path, chosen, kind))
        everywhere = np.broadcast_to(chosen, (2, 3, 1, 4, 5))[:, :, 0]
        for label in (1, 2):
            pixels = np.moveaxis(x, 2, 0)[:, everywhere == label]
            assert found.classes[label].count == pixels.shape[1]
            np.testing.assert_allclose(found.classes[label].mean, pixels.mean(axis=1), rtol=1e-13)


#: By name: the shape of a map, and what is wrong with it beside a stack of 2×3×4×5×6.
MISFITS = {
    "other height": ((4, 6), "has 4×6 pixels (height×width) and the stack has 5×6"),
    "turned": ((6, 5), "has 6×5 pixels (height×width) and the stack has 5×6"),
    "several channels": ((3, 5, 6), "has 3 channels; a WHAT has one, of height×width"),
    "items as channels": ((2, 5, 6), "has 2 channels; a WHAT has one"),
    "the stack itself": ((2, 3, 4, 5, 6), "has 4 channels; a WHAT has one"),
    "too few items": ((2, 1, 5, 6), "has shape 2×1×5×6 and the stack has 2×3×4×5×6"),
    "items in other order": ((3, 2, 1, 5, 6), "has shape 3×2×1×5×6 and the stack has"),
}


@pytest.mark.parametrize("name", MISFITS)
@pytest.mark.parametrize("what", ["mask", "labels"])
def test_maps_of_another_size(tmp_path: Path, what: str, name: str):
    shape, message = MISFITS[name]
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 5, 6), np.uint8))
    np.save(tmp_path / "map.npy", np.ones(shape, np.uint8))
    with pytest.raises(ShapeMismatchError) as caught:
        gather(tmp_path, **{what: tmp_path / "map.npy"})
    assert caught.value.path == str(tmp_path / "map.npy")
    assert message.replace("WHAT", {"labels": "label map"}.get(what, what)) in caught.value.message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["png", "h5", "h5 in chunks"])
def test_maps_of_another_size_in_other_formats(tmp_path: Path, kind: str):
    np.save(tmp_path / "x.npy", np.zeros((3, 9, 8), np.uint8))
    path = save(tmp_path, np.ones((8, 9), np.uint8), kind)
    for what in ("mask", "labels"):
        with pytest.raises(ShapeMismatchError, match="has 8×9 pixels") as caught:
            gather(tmp_path, **{what: path})
        assert caught.value.path == path if ":" in path else caught.value.path.startswith(path)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool"])
@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_labels_are_integers(tmp_path: Path, kind: str, dtype: str):
    np.save(tmp_path / "x.npy", np.zeros((3, 9, 8), np.uint8))
    path = save(tmp_path, np.ones((9, 8), dtype), kind)
    with pytest.raises(DataError, match=f"has {dtype} numbers; labels are integers") as caught:
        gather(tmp_path, labels=path)
    assert caught.value.path.startswith(path)


def colours(path: Path) -> None:
    Image.fromarray(np.ones((9, 8, 3), np.uint8)).save(path)


def alpha(path: Path) -> None:
    Image.fromarray(np.ones((9, 8, 2), np.uint8)).save(path)


@pytest.mark.parametrize(
    ("write", "name", "kind", "what"),
    [
        (lambda path: None, "gone.npy", InputMissingError, "no such file"),
        (lambda path: path.write_text("1 0 1\n"), "map.npy", DataError, "is not a .npy array"),
        (lambda path: path.write_text("1 0 1\n"), "map.txt", DataError, "no known suffix"),
        (lambda path: np.save(path, np.array([[None]])), "map.npy", PolicyError, "Python objects"),
        (colours, "map.png", ShapeMismatchError, "has 3 channels"),
        (alpha, "map.png", DataError, "has an alpha channel"),
    ],
)
def test_what_is_no_map_at_all(
    tmp_path: Path, write: Any, name: str, kind: type[OneByOneError], what: str
):
    np.save(tmp_path / "x.npy", np.zeros((3, 9, 8), np.uint8))
    write(tmp_path / name)
    with pytest.raises(kind) as caught:
        gather(tmp_path, mask=tmp_path / name)
    assert what in caught.value.message
    assert caught.value.path == str(tmp_path / name)


def test_a_map_that_is_cut_short_while_it_is_read(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((1, 90, 80)))
    np.save(tmp_path / "mask.npy", np.ones((90, 80)))
    with ExitStack() as stack:
        x, mask = (
            stack.enter_context(opening.open_input(str(tmp_path / name)))
            for name in ("x.npy", "mask.npy")
        )
        job = LearnJob([x], LearnSettings(1 << 26, 2), mask=mask)
        with open(tmp_path / "mask.npy", "r+b") as file:
            file.truncate(1000)
        with pytest.raises(OneByOneError, match=r"mask\.npy: ends at byte"):
            job.run(lambda step, done, total: None)


@pytest.mark.parametrize("what", ["mask", "labels"])
def test_a_map_that_changes_while_it_is_read(tmp_path: Path, what: str):
    np.save(tmp_path / "x.npy", np.zeros((1, 90, 80)))
    np.save(tmp_path / "map.npy", np.ones((90, 80), int))
    with ExitStack() as stack:
        x, numbers = (
            stack.enter_context(opening.open_input(str(tmp_path / name)))
            for name in ("x.npy", "map.npy")
        )
        maps: dict[str, Any] = {what: numbers}
        job = LearnJob([x], LearnSettings(1 << 26, 2), **maps)
        with open(tmp_path / "map.npy", "ab") as file:
            file.write(b"more")
        with pytest.raises(ReadWriteError, match=r"map\.npy: was changed"):
            job.run(lambda step, done, total: None)
