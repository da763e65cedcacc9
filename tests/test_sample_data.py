"""The sample files are what their script makes, and hold the numbers they are said to hold."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

SAMPLES = Path(__file__).resolve().parent.parent / "sample_data"
SCRIPT = SAMPLES / "make_sample_data.py"

# The worked example of math/: five rows as its author printed them; in the last, 4.6 for 0.6.
MATH_RESULT = [
    [1.1, 1.4, 2.3, 2.0, 1.4, 1.5],
    [2.2, 1.7, 3.0, 2.0, 1.4, 1.5],
    [1.6, 1.3, 2.9, 2.0, 1.3, 1.5],
    [2.7, 3.2, 4.0, 2.0, 1.4, 1.5],
    [2.1, 1.4, 2.8, 2.0, 1.4, 1.5],
    [1.5, 0.8, 4.6, 1.4, 0.8, 2.1],
]
KERNEL = [[0.1, 0.2, 0.4]]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()

without_sklearn = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None,
    reason="scikit-learn, the source of this sample, is not installed",
)
parts = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=without_sklearn if part.needs_sklearn else ())
        for name, part in script.PARTS.items()
        if part.make is not None
    ],
)


def sample(name: str) -> Any:
    return np.load(SAMPLES / name, allow_pickle=False)


def conv1x1(weight: npt.ArrayLike, stack: npt.ArrayLike) -> Any:
    return np.einsum("kc,chw->khw", np.asarray(weight, float), np.asarray(stack, float))


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make_part(name: str, folder: Path) -> dict[str, bytes]:
    """Make one part below `folder` and return the content of its files."""
    made = folder / name
    made.mkdir(parents=True)
    script.PARTS[name].make(made)
    return {
        path.relative_to(made).as_posix(): path.read_bytes()
        for path in made.rglob("*")
        if path.is_file()
    }


# -------------------------------------------------------------------------------- the files


def test_files_are_as_the_checksums_say() -> None:
    result = run_script("--check")
    assert (result.returncode, result.stderr) == (0, "")
    assert "all 29 sample files" in result.stdout


def test_samples_stay_small() -> None:
    total = sum((SAMPLES / name).stat().st_size for name in script.sample_files())
    assert total < 1_500_000


@parts
def test_a_part_made_twice_has_the_same_bytes(name: str, tmp_path: Path) -> None:
    first = make_part(name, tmp_path / "first")
    second = make_part(name, tmp_path / "second")
    assert sorted(first) == sorted(script.PARTS[name].files)
    assert first == second


@parts
def test_a_part_made_anew_equals_the_stored_one(name: str, tmp_path: Path) -> None:
    made = make_part(name, tmp_path)
    # Another HDF5 or zlib may store the same numbers in other bytes; the next test reads them.
    made.pop("flower.h5", None)
    for file, content in made.items():
        assert content == (SAMPLES / name / file).read_bytes(), file


@without_sklearn
def test_the_photograph_in_hdf5_made_anew_equals_the_stored_one(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    make_part("flower", tmp_path)
    contents = []
    for path in (tmp_path / "flower" / "flower.h5", SAMPLES / "flower" / "flower.h5"):
        with h5py.File(path) as file:
            photo = file["photo"]
            layout = (photo.chunks, photo.compression, photo.shuffle)
            contents.append((photo[()].tobytes(), photo.shape, layout, dict(photo.attrs)))
    assert contents[0] == contents[1]
    assert contents[0][2] == ((1, 60, 80), "gzip", True)


def test_check_names_what_is_missing_changed_or_unlisted(tmp_path: Path) -> None:
    make_part("digits", tmp_path)
    make_part("math", tmp_path)
    script.write_sums(tmp_path)
    (tmp_path / "digits" / "sum.txt").write_text("1 2\n")
    (tmp_path / "math" / "maps.npy").unlink()
    result = run_script("--folder", tmp_path, "--check")
    assert result.returncode == 1
    found = result.stdout.splitlines()
    assert "digits/sum.txt: changed" in found
    assert "math/maps.npy: missing" in found
    assert "inception/maps.npy: not listed in SHA256SUMS" in found
    assert not any("kernel.csv" in line for line in found)


def test_check_without_checksums_fails(tmp_path: Path) -> None:
    result = run_script("--folder", tmp_path, "--check")
    assert (result.returncode, result.stdout) == (1, "SHA256SUMS: missing\n")


# ------------------------------------------------------------------------------ the numbers


def test_digit_2_and_digit_3() -> None:
    outputs = {
        2: [[1, 1, 1], [0, 0, 2], [1, 1, 1], [2, 0, 0], [1, 1, 1]],
        3: [[1, 1, 1], [0, 0, 2], [1, 1, 1], [0, 0, 2], [1, 1, 1]],
    }
    kernel = np.loadtxt(SAMPLES / "digits" / "sum.txt", ndmin=2)
    for digit, output in outputs.items():
        maps = [sample(f"digits/digit{digit}_map{number}.npy") for number in (1, 2)]
        stored = sample(f"digits/digit{digit}_output.npy")
        assert [feature_map.shape for feature_map in maps] == [(5, 3), (5, 3)]
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, [output])
        np.testing.assert_array_equal(conv1x1(kernel, maps), [output])


def test_math_result() -> None:
    maps = sample("math/maps.npy")
    kernel = np.loadtxt(SAMPLES / "math" / "kernel.csv", delimiter=",", ndmin=2)
    stored = sample("math/expected.npy")
    assert (maps.shape, maps.dtype, stored.dtype) == ((3, 6, 6), np.float32, np.float64)
    np.testing.assert_array_equal(kernel, KERNEL)
    np.testing.assert_array_equal(stored, [MATH_RESULT])
    np.testing.assert_allclose(conv1x1(kernel, maps), [MATH_RESULT], rtol=1e-14)


def test_math_last_row_for_another_third_map() -> None:
    # The row that the README names beside the right one: it belongs to another third map.
    maps = sample("math/maps.npy")
    assert maps[2, 5].tolist() == [2, 1, 7, 2, 1, 3]
    maps[2, 5] = [1, 2, 3, 3, 2, 2]
    result = conv1x1(KERNEL, maps)[0]
    np.testing.assert_allclose(result[5], [1.1, 1.2, 3.0, 1.8, 1.2, 1.7], rtol=1e-14)
    np.testing.assert_allclose(result[:5], MATH_RESULT[:5], rtol=1e-14)


def test_math_images_hold_the_same_maps() -> None:
    image_module = pytest.importorskip("PIL.Image")
    for index, feature_map in enumerate(sample("math/maps.npy")):
        with image_module.open(SAMPLES / "math" / "maps_png" / f"{index}.png") as image:
            assert (image.format, image.mode) == ("PNG", "L")
            np.testing.assert_array_equal(np.asarray(image), feature_map)


def test_inception_result() -> None:
    maps, weights = sample("inception/maps.npy"), sample("inception/weights.npy")
    bias = np.loadtxt(SAMPLES / "inception" / "bias.csv", delimiter=",")
    stored = sample("inception/expected.npy")
    assert (maps.shape, weights.shape, stored.shape) == ((10, 32, 32), (4, 10), (4, 32, 32))
    assert (maps.dtype, weights.dtype, stored.dtype) == (np.float32, np.float32, np.float64)
    result = conv1x1(weights, maps) + bias[:, None, None]
    np.testing.assert_allclose(stored, result, rtol=0, atol=1e-13)


def test_flower_is_the_same_in_all_containers() -> None:
    h5py = pytest.importorskip("h5py")
    image_module = pytest.importorskip("PIL.Image")
    photo = sample("flower/flower.npy")
    assert (photo.shape, photo.dtype) == ((3, 120, 160), np.uint8)
    with h5py.File(SAMPLES / "flower" / "flower.h5") as file:
        assert list(file) == ["photo"]
        assert sorted(file["photo"].attrs) == ["credit", "units"]
        np.testing.assert_array_equal(file["photo"][()], photo)
    for path, channel in zip(
        sorted((SAMPLES / "flower" / "channels").iterdir()), photo, strict=True
    ):
        with image_module.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), channel)


def test_landsat_is_the_same_for_another_reader() -> None:
    rasterio = pytest.importorskip("rasterio")
    from onebyone_cli import open_stack

    path = SAMPLES / "landsat" / "landsat7.tif"
    with rasterio.open(path) as theirs, open_stack(path) as ours:
        assert theirs.crs.to_epsg() == 32119
        assert theirs.descriptions == ("blue", "green", "red", "nir", "swir1", "swir2")
        assert (ours.shape, ours.dtype) == ((6, 200, 280), np.uint8)
        np.testing.assert_array_equal(ours[:], theirs.read())


def test_flower_in_grey() -> None:
    weights = np.loadtxt(SAMPLES / "flower" / "grey_rec709.csv", delimiter=",", ndmin=2)
    grey = np.rint(conv1x1(weights, sample("flower/flower.npy")))
    stored = sample("flower/expected_grey.npy")
    assert (weights.sum(), stored.dtype) == (pytest.approx(1), np.uint8)
    # Sums of floats may fall beside an exact half, and then round the other way.
    assert np.abs(grey - stored).max() <= 1
    assert np.mean(grey != stored) < 0.001


def test_flower_in_ycbcr_is_what_jpeg_files_hold() -> None:
    image_module = pytest.importorskip("PIL.Image")
    photo = sample("flower/flower.npy")
    with np.load(SAMPLES / "flower" / "rgb_to_ycbcr.npz", allow_pickle=False) as arrays:
        ours = conv1x1(arrays["weight"], photo) + arrays["bias"][:, None, None]
    image = image_module.fromarray(np.ascontiguousarray(photo.transpose(1, 2, 0)))
    theirs = np.asarray(image.convert("YCbCr")).transpose(2, 0, 1)
    # Pillow works in whole numbers and rounds down.
    assert np.abs(ours - theirs).max() < 1.25


def test_mean_handwritten_digits() -> None:
    digits = sample("handwritten/digits.npy")
    weights = np.loadtxt(SAMPLES / "handwritten" / "mean_of_each_digit.csv", delimiter=",", ndmin=2)
    assert (digits.shape, digits.dtype, digits.max()) == ((80, 8, 8), np.uint8, 16)
    assert weights.shape == (10, 80)
    stored = sample("handwritten/expected.npy")
    np.testing.assert_array_equal(stored, digits.reshape(10, 8, 8, 8).mean(axis=1))
    np.testing.assert_array_equal(conv1x1(weights, digits), stored)


# ---------------------------------------------------------------------------- the large job


def test_large_job_of_any_side(tmp_path: Path) -> None:
    for name in ("first", "second"):
        result = run_script("--large", tmp_path / name, "--side", "150")
        assert (result.returncode, result.stderr) == (0, "")
    first, second = (tmp_path / name / "large_50x150x150.npy" for name in ("first", "second"))
    stack = np.load(first, allow_pickle=False)
    weights = np.load(tmp_path / "first" / "large_weights_20x50.npy", allow_pickle=False)
    assert (stack.shape, stack.dtype) == ((50, 150, 150), np.float32)
    assert (weights.shape, weights.dtype) == ((20, 50), np.float32)
    # The file is longer than one block of the generator: no block may repeat the one before.
    assert stack.size > script.LARGE_BLOCK
    assert len(np.unique(stack[::7])) > 100_000
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == sorted(
        ["large_50x150x150.npy", "large_weights_20x50.npy"]
    )
