"""Saved models: read by plain numpy and by ourselves, and the same bytes every time."""

import json
import os
import zipfile
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import OutputRefusedError
from onebyone_cli.learners.moments import moments_of
from onebyone_cli.learners.pca import fit_pca
from onebyone_cli.learners.random import fit_random
from onebyone_cli.weights.formats.npz import model_bytes
from onebyone_cli.weights.load import load_weights
from onebyone_cli.weights.save import save_model


@pytest.fixture
def model():
    x = np.random.default_rng(1).standard_normal((4, 99)) + 2
    return fit_pca(moments_of(x, invalid=3), k=2)


def test_plain_numpy_reads_it(tmp_path, model):
    path = str(tmp_path / "model.npz")
    save_model(path, {"channels": ["red", "grün", "nir", "λ"], **model.arrays}, model.meta)
    with np.load(path, allow_pickle=False) as saved:
        assert saved.files == [*model.arrays, "channels", "meta"]
        for name, array in model.arrays.items():
            np.testing.assert_array_equal(saved[name], array)
        assert saved["meta"].shape == ()
        assert json.loads(str(saved["meta"])) == model.meta
        assert saved["channels"].tolist() == ["red", "grün", "nir", "λ"]


def test_we_read_it(tmp_path, model):
    path = str(tmp_path / "model.npz")
    save_model(path, {**model.arrays, "channels": ["a", "b", "c", "d"]}, model.meta)
    loaded = load_weights(path)
    np.testing.assert_array_equal(loaded.weight, model.map.weight)
    np.testing.assert_array_equal(loaded.bias, model.map.bias)
    for name in ("mean", "scale", "eigenvalues", "explained_variance_ratio"):
        np.testing.assert_array_equal(loaded.meta[name], model.arrays[name])
    assert loaded.meta["channels"] == ["a", "b", "c", "d"]
    for name, value in model.meta.items():
        assert loaded.meta[name] == value


def test_a_model_without_eigenvalues(tmp_path):
    model = fit_random(3, k=2)
    path = str(tmp_path / "model.npz")
    save_model(path, model.arrays, model.meta)
    assert load_weights(path).meta["eigenvalues"].shape == (0,)


@given(st.dictionaries(st.text(), st.integers(-(10**15), 10**15) | st.text() | st.none()))
def test_any_meta(meta):
    raw = model_bytes({"weight": np.eye(2)}, meta)
    with zipfile.ZipFile(BytesIO(raw)) as archive, archive.open("meta.npy") as f:
        assert json.loads(str(np.lib.format.read_array(f, allow_pickle=False))) == meta


def test_the_same_bytes_in_any_order(model):
    arrays = {**model.arrays, "noise": np.eye(4), "b": [1.0]}
    other = dict(reversed(arrays.items()))
    raw = model_bytes(arrays, model.meta)
    assert raw == model_bytes(other, dict(reversed(model.meta.items())))
    with zipfile.ZipFile(BytesIO(raw)) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos][-3:] == ["b.npy", "noise.npy", "meta.npy"]
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}


def test_byte_order_and_memory_order_do_not_show():
    weight = np.arange(6.0).reshape(2, 3)
    raw = model_bytes({"weight": weight}, {})
    assert raw == model_bytes({"weight": np.asfortranarray(weight)}, {})
    assert raw == model_bytes({"weight": weight.astype(">f8")}, {})


def test_numpy_numbers_in_meta(tmp_path):
    path = str(tmp_path / "m.npz")
    save_model(path, {"weight": np.eye(2)}, {"snr": np.float64(2.5), "n": np.arange(3)})
    assert load_weights(path).meta["snr"] == 2.5
    assert load_weights(path).meta["n"] == [0, 1, 2]


def test_nothing_is_pickled():
    with pytest.raises(ValueError, match="allow_pickle"):
        model_bytes({"weight": np.array([object()])}, {})
    with pytest.raises(TypeError, match="set"):
        model_bytes({"weight": np.eye(1)}, {"x": {1}})
    with pytest.raises(ValueError):
        model_bytes({"weight": np.eye(1)}, {"x": float("nan")})


def test_an_existing_file_is_kept(tmp_path, model):
    path = tmp_path / "model.npz"
    path.write_bytes(b"old")
    with pytest.raises(OutputRefusedError, match="force="):
        save_model(str(path), model.arrays, model.meta)
    assert path.read_bytes() == b"old"
    save_model(str(path), model.arrays, model.meta, Publication(force=True, fsync=True))
    assert load_weights(str(path)).out_channels == 2
    assert os.listdir(tmp_path) == ["model.npz"]


def test_a_device(model):
    save_model("/dev/null", model.arrays, model.meta)
    assert not os.path.isfile("/dev/null")
