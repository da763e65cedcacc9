"""Weights for other programs: what these compute with them, and what comes back."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from strategies import examples, new_folder

from onebyone_cli.errors import DataError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.load import load_weights
from onebyone_cli.weights.save import left_out, save_weights

RANDOM = np.random.default_rng(3)
W, BIAS = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=4)
NAMES = {"channels": ["red", "green", "near infrared"], "outputs": ["a", "b", 'c"d', "e,f"]}

finite = st.floats(allow_nan=False, allow_infinity=False)
matrices = npst.arrays(
    np.float64, npst.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=finite
)


def convert(folder: Path, *words: str) -> str:
    done = onebyone("weights", "convert", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """Return a folder with w.npz: weights with a bias and names."""
    save_weights(str(tmp_path / "w.npz"), ChannelMap(W, BIAS, "w", NAMES))
    return tmp_path


@pytest.mark.skipif(not shutil.which("vips"), reason="vips is not installed (libvips-tools)")
def test_libvips_computes_the_same(tmp_path):
    image = pytest.importorskip("tifffile")
    x = RANDOM.normal(size=(5, 6, 3)).astype("f4")
    image.imwrite(tmp_path / "x.tif", x, photometric="rgb")
    save_weights(str(tmp_path / "m.mat"), ChannelMap(W[:3], np.zeros(3), "w"))
    subprocess.run(["vips", "recomb", "x.tif", "y.tif", "m.mat"], cwd=tmp_path, check=True)
    found = image.imread(tmp_path / "y.tif")
    np.testing.assert_allclose(found, x @ W[:3].T, rtol=1e-4, atol=1e-5)
    subprocess.run(["vips", "copy", "m.mat", "back.mat"], cwd=tmp_path, check=True)
    assert load_weights(str(tmp_path / "back.mat")).weight.tolist() == W[:3].tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3 1 2 0\n1 2 3\n", "has scale '2' and offset '0'"),
        ("3 1 x 0\n1 2 3\n", "has scale 'x' and offset '0'"),
        ("3 2\n1 2 3\n", "has 1 rows of 3 numbers, and line 1 promises 2 of 3"),
        ("1,2\n3\n4,x", "line 3, number 2"),
        ("x\n1 2 3\n", "line 1 is not the width and height"),
        ("MATLAB 5.0 MAT-file", "is a MATLAB file of version 5"),
        ("2 1\n1 a\n", "line 2, number 2"),
        ("\udcff", "is no text"),
        ("", "line 1 is not"),
    ],
)
def test_damaged_matrices_of_libvips(tmp_path, text, message):
    (tmp_path / "m.mat").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=message):
        load_weights(str(tmp_path / "m.mat"))


@pytest.mark.parametrize("text", ["3 1\n1 2 3\n", "3 1 1 0\n1,2,3\n", "3,1\r\n1\t2\t3\r\n\r\n"])
def test_matrices_of_libvips(tmp_path, text):
    (tmp_path / "m.mat").write_bytes(text.encode())
    assert load_weights(str(tmp_path / "m.mat")).weight.tolist() == [[1, 2, 3]]


def test_gdal_computes_the_same(named):
    rasterio = pytest.importorskip("rasterio")
    if tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) < (3, 9):
        pytest.skip("GDAL 3.9 and later read VRTProcessedDataset")
    x = RANDOM.normal(size=(3, 8, 9)).astype("f4")
    (named / "data").mkdir()
    profile = {"driver": "GTiff", "count": 3, "height": 8, "width": 9, "dtype": "float32"}
    place = rasterio.Affine(10, 0, 500000, 0, -10, 4000000)
    with rasterio.open(named / "data" / "a&b.tif", "w", crs="EPSG:32612", transform=place,
                       **profile) as raster:  # fmt: skip
        raster.write(x)
    expected = np.einsum("kc,chw->khw", W, x.astype(float)) + BIAS[:, None, None]
    (named / "out").mkdir()
    told = convert(named, "w.npz", "out/pca.vrt", "--source", "data/a&b.tif")
    assert "left out: channels" in told
    convert(named, "w.npz", "abs.vrt", "--source", str(named / "data" / "a&b.tif"))
    for name in ("out/pca.vrt", "abs.vrt"):
        with rasterio.open(named / name) as raster:
            np.testing.assert_allclose(raster.read(), expected, rtol=1e-5, atol=1e-6)
            assert set(raster.dtypes) == {"float32"}
            assert list(raster.descriptions) == NAMES["outputs"]
            assert (raster.transform, raster.crs.to_epsg()) == (place, 32612)


def test_a_vrt_needs_its_source_and_is_only_written(named):
    def refused(*words: str) -> str:
        done = onebyone("weights", "convert", *words, cwd=named)
        assert (done.returncode, done.stderr.count("\n")) in ((2, 1), (65, 1))
        return done.stderr

    assert "name that with --source RASTER" in refused("w.npz", "w.vrt")
    assert "--source is for .vrt files" in refused("w.npz", "v.npz", "--source", "x.tif")
    assert "--bias-to b.vrt is no place" in refused("w.npz", "w.csv", "--bias-to", "b.vrt")
    convert(named, "w.npz", "w.vrt", "--source", "x.tif")
    assert "which is only written" in refused("w.vrt", "v.npz")


def test_safetensors_is_read_by_its_library(named):
    library = pytest.importorskip("safetensors.numpy")
    assert "left out" not in convert(named, "w.npz", "w.safetensors")
    found = library.load_file(named / "w.safetensors")
    assert found["weight"].tolist() == W[:, :, None, None].tolist()
    assert found["bias"].tolist() == BIAS.tolist()
    assert found.keys() == {"weight", "bias"}
    back = load_weights(str(named / "w.safetensors"))
    assert back.meta == NAMES
    assert not back.notes


def test_safetensors_of_its_library(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    layer = {"conv.weight": W[:, :, None, None].astype("f2"), "conv.bias": BIAS.astype("f4")}
    library.save_file(layer, tmp_path / "w.safetensors", metadata={"format": "pt"})
    found = load_weights(str(tmp_path / "w.safetensors:conv.weight"))
    assert found.weight.tolist() == W.astype("f2").tolist()
    assert found.bias.tolist() == BIAS.astype("f4").tolist()


words = st.text(
    st.characters(blacklist_categories=("C", "Z"), blacklist_characters="\u2028"), min_size=1
).filter(lambda text: any(letter.isalpha() for letter in text))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
@settings(deadline=None, max_examples=examples(80))
@given(data=st.data(), weight=matrices)
def test_names_in_tables_come_back(suffix, data, weight):
    rows, columns = weight.shape
    check_names(
        suffix,
        weight,
        data.draw(st.none() | st.lists(words, min_size=columns, max_size=columns)),
        data.draw(st.none() | st.lists(words, min_size=rows, max_size=rows)),
    )


HEADERS = np.array([[100.0, 101.0, 102.0], [0.1, 0.2, 0.3]])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
@pytest.mark.parametrize("weight", [HEADERS, np.vstack([HEADERS, HEADERS[1:]]).T, np.eye(3)])
@pytest.mark.parametrize("channels", [None, ["r", "g", "b"], ["#r", "+g", "a b"]])
@pytest.mark.parametrize("outputs", [None, ["#x", "y;z", 'q"'], ["+x", "1e", "y"]])
def test_names_beside_numbers_that_look_like_headers(suffix, weight, channels, outputs):
    columns = None if channels is None else channels[: weight.shape[1]]
    check_names(suffix, weight, columns, None if outputs is None else outputs[: len(weight)])


def check_names(suffix: str, weight: np.ndarray, channels: Any, outputs: Any) -> None:
    """Names that the format has a place for come back, and the numbers do in any case."""
    meta = {"channels": channels, "outputs": outputs}
    meta = {name: value for name, value in meta.items() if value is not None}
    weights = ChannelMap(weight, np.zeros(len(weight)), "w", meta)
    with new_folder() as folder:
        path = str(folder / f"w{suffix}")
        save_weights(path, weights)
        back = load_weights(path)
    assert back.weight.tobytes() == weights.weight.tobytes()
    lost = left_out(path, weights)
    assert back.meta == {name: value for name, value in meta.items() if name not in lost}


@pytest.mark.parametrize("suffix", [".csv", ".vrt"])
def test_names_of_another_number_are_left_out(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    meta = {"channels": ["red"], "outputs": ["one", "two", "three"]}
    save_weights(str(path), ChannelMap(np.eye(2), np.zeros(2), "w", meta), source="x.tif")
    assert left_out(str(path), ChannelMap(np.eye(2), np.zeros(2), "w", meta)) == [
        "channels",
        "outputs",
    ]
    assert "one" not in path.read_text()


def test_a_table_with_names_as_text(named):
    told = convert(named, "w.npz", "w.csv", "--bias-to", "b.csv")
    assert "left out" not in told
    lines = (named / "w.csv").read_text().splitlines()
    assert lines[0] == ',red,green,"near infrared"'
    assert lines[3].startswith('"c""d",')
    convert(named, "w.csv", "v.npz", "--bias", "b.csv")
    back = load_weights(str(named / "v.npz"))
    assert (back.weight.tolist(), back.bias.tolist(), back.meta) == (
        W.tolist(),
        BIAS.tolist(),
        NAMES,
    )


@pytest.mark.parametrize(
    "options", [["-k", "all"], ["-k", "all", "--whiten"], ["-k", "2"], ["-k", "2", "--whiten"]]
)
def test_pca_has_what_scikit_learn_has(tmp_path, options):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = RANDOM.normal(size=(4, 9, 11)) * np.array([1.0, 5, 2, 9])[:, None, None] + 3
    np.save(tmp_path / "x.npy", x)
    done = onebyone("fit", "x.npy", *options, "-o", "m.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    convert(tmp_path, "m.npz", "m.json")
    document = json.loads((tmp_path / "m.json").read_text())
    pixels = x.reshape(4, -1).T
    k = 2 if "2" in options else 4
    fitted = decomposition.PCA(k, whiten="--whiten" in options, svd_solver="covariance_eigh").fit(
        pixels
    )
    ours = decomposition.PCA(k)
    for name, value in document.items():
        if name in vars(fitted):
            setattr(ours, name, np.array(value) if isinstance(value, list) else value)
    signs = np.sign((ours.components_ * fitted.components_).sum(axis=1))
    np.testing.assert_allclose(ours.components_ * signs[:, None], fitted.components_, atol=1e-10)
    for name in ("mean_", "explained_variance_", "explained_variance_ratio_", "singular_values_",
                 "noise_variance_"):  # fmt: skip
        np.testing.assert_allclose(
            getattr(ours, name), getattr(fitted, name), rtol=1e-9, atol=1e-12
        )
    for name in ("n_samples_", "n_components_", "n_features_in_", "whiten"):
        assert getattr(ours, name) == getattr(fitted, name)
    model = load_weights(str(tmp_path / "m.json"))
    scores = pixels @ model.weight.T + model.bias
    np.testing.assert_allclose(ours.transform(pixels), scores, atol=1e-9)
    assert not [name for name in model.meta if name.endswith("_") or name == "whiten"]
    alone = {n: v for n, v in document.items() if n.endswith("_") or n == "whiten"}
    (tmp_path / "sk.json").write_text(json.dumps(alone))
    back = load_weights(str(tmp_path / "sk.json"))
    np.testing.assert_allclose(pixels @ back.weight.T + back.bias, scores, atol=1e-9)
    assert back.meta["method"] == "pca"


@pytest.mark.parametrize(
    "document",
    [
        {"components_": 3},
        {"components_": [[1, 2]], "mean_": [1]},
        {"components_": [[1, 2], [3]]},
        {"components_": [1, 2]},
        {"components_": [["a"]]},
        {"components_": [[1, 2]], "whiten": True},
    ],
)
def test_components_that_can_not_be_read(tmp_path, document):
    (tmp_path / "m.json").write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        load_weights(str(tmp_path / "m.json"))
    assert "\n" not in str(caught.value)


def test_names_of_outputs_in_an_archive(tmp_path):
    np.savez(tmp_path / "w.npz", weight=W, names=np.array(list("abcd")))
    np.save(tmp_path / "x.npy", np.ones((3, 2, 2)))
    done = onebyone("apply", "x.npy", "-w", "w.npz", "-o", "y.hdr", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "band names = {a, b, c, d}" in " ".join((tmp_path / "y.hdr").read_text().split())
    np.savez(tmp_path / "w.npz", weight=W, names=np.array(list("abc")))
    assert "outputs" not in load_weights(str(tmp_path / "w.npz")).meta


@example(weight=np.array([[1e39, 5e-324]]))
@given(weight=matrices)
@settings(deadline=None, max_examples=examples(40))
def test_round_trips_through_libvips_and_safetensors(weight):
    for suffix in (".mat", ".safetensors"):
        with new_folder() as folder:
            path = str(folder / f"w{suffix}")
            save_weights(path, ChannelMap(weight, np.zeros(len(weight)), "w"))
            assert load_weights(path).weight.tobytes() == np.array(weight, order="C").tobytes()


def test_no_library_is_imported_for_other_files(tmp_path):
    np.savez(tmp_path / "w.npz", weight=W)
    code = (
        "import sys; from onebyone_cli.weights.load import load_weights; load_weights('w.npz');"
        "print([n for n in ('onnx', 'google.protobuf', 'safetensors') if n in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True
    )
    assert run.stdout == b"[]\n"
