"""Any matrix written in any of the formats comes back exactly."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from strategies import examples

from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.load import load_weights
from onebyone_cli.weights.typed import parse_bias, parse_kernel

quick = settings(deadline=None, max_examples=examples(60))
sizes = npst.array_shapes(min_dims=2, max_dims=2, max_side=6)
finite = st.floats(allow_nan=False, allow_infinity=False)
matrices = npst.arrays(np.float64, sizes, elements=finite)
anything = npst.arrays(np.float64, sizes, elements=st.floats(allow_nan=True))
stored_types = st.sampled_from(
    ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
).flatmap(lambda code: st.sampled_from([np.dtype(code).newbyteorder(order) for order in "<>"]))


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    # -0.0 equals 0.0 but is not the same number; the sign of a NaN means nothing.
    signs = np.signbit(np.stack([found, expected])) & ~np.isnan(expected)
    np.testing.assert_array_equal(signs[0], signs[1])


@quick
@given(
    data=st.data(),
    dtype=stored_types,
    layout=st.tuples(st.booleans(), st.booleans()),
    version=st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
def test_npy(folder, data, dtype, layout, version):
    fortran, four_axes = layout
    elements = (
        npst.from_dtype(dtype, allow_nan=False, allow_infinity=False) if dtype.kind == "f" else None
    )
    matrix = data.draw(npst.arrays(dtype, sizes, elements=elements))
    stored = matrix[..., np.newaxis, np.newaxis] if four_axes else matrix
    path = folder / "w.npy"
    with path.open("wb") as file:
        order = np.asfortranarray if fortran else np.ascontiguousarray
        np.lib.format.write_array(file, order(stored), version=version)
    channel_map = load_weights(str(path))
    same(channel_map.weight, matrix.astype(np.float64))
    assert channel_map.source == str(path)
    assert not channel_map.has_bias


@quick
@given(weight=matrices, data=st.data(), save=st.sampled_from([np.savez, np.savez_compressed]))
def test_npz(folder, weight, data, save):
    bias = data.draw(npst.arrays(np.float64, len(weight), elements=finite))
    path = folder / "w.npz"
    save(path, weight=weight, bias=bias)
    channel_map = load_weights(str(path))
    same(channel_map.weight, weight)
    same(channel_map.bias, bias)
    same(parse_bias(str(path)), bias)


def delimited(delimiter: str, end: str, before: str) -> Callable[[np.ndarray], str]:
    def write(matrix: np.ndarray) -> str:
        rows = (delimiter.join(map(repr, row)) for row in matrix.tolist())
        return before + end.join(rows)

    return write


WRITERS = {
    "csv": (".csv", delimited(",", "\n", "")),
    "csv with a BOM and CRLF": (".csv", delimited(", ", "\r\n", "\ufeff# comment\r\n\r\n")),
    "tsv": (".tsv", delimited("\t", "\n", "# red\tgreen\n")),
    "txt with blanks": (".txt", delimited("  ", "\n", "\n \n")),
    "txt with commas": (".TXT", delimited(" ,", "\n", "")),
    "json": (".json", lambda matrix: json.dumps(matrix.tolist())),
    "json object": (".json", lambda matrix: json.dumps({"weight": matrix.tolist()})),
}


@pytest.mark.parametrize("name", WRITERS)
@settings(deadline=None, max_examples=examples(30))
@given(matrix=anything)
def test_text(folder, name, matrix):
    suffix, write = WRITERS[name]
    path = folder / f"w{suffix}"
    path.write_bytes(write(matrix).encode())
    same(load_weights(str(path), allow_nonfinite=True).weight, matrix)


@pytest.mark.parametrize("apart", [" ", ",", " , ", "\t"])
@settings(deadline=None, max_examples=examples(30))
@given(matrix=anything, end=st.sampled_from(["", ";", " ; \n"]))
def test_kernel(apart, matrix, end):
    text = ";".join(apart.join(map(repr, row)) for row in matrix.tolist()) + end
    channel_map = parse_kernel(text, allow_nonfinite=True)
    same(channel_map.weight, matrix)
    assert channel_map.source == "kernel"
    if len(matrix) == 1:
        same(parse_bias(text.rstrip("; \n"), allow_nonfinite=True), matrix[0])


def test_what_savetxt_writes(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(4, 5))
    np.savetxt(tmp_path / "w.txt", matrix, header="a b c d e", fmt="%.17g")
    np.savetxt(tmp_path / "w.csv", matrix, delimiter=",", fmt="%.17g")
    for name in ("w.txt", "w.csv"):
        same(load_weights(str(tmp_path / name)).weight, matrix)


def test_json_bias_and_meta(tmp_path):
    path = tmp_path / "w.json"
    path.write_text('{"weight": [[1, 2]], "bias": [3], "meta": {"method": "pca"}, "note": "x"}')
    channel_map = load_weights(str(path))
    assert channel_map.bias.tolist() == [3.0]
    assert dict(channel_map.meta) == {"method": "pca", "note": "x"}


def test_json_null_is_no_bias(tmp_path):
    path = tmp_path / "w.json"
    path.write_text('{"weight": [[1, 2]], "bias": null}')
    assert isinstance(load_weights(str(path)), ChannelMap)


def test_npz_meta(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(
        path,
        weight=np.ones((2, 2)),
        eigenvalues=[2.0, 1.0],
        names=np.array(["red", "grün"]),
        scale=np.float32(0.5),
        covariance=np.ones((2, 2)),
        secret=np.array([{}]),
        meta=np.array('{"method": "pca", "k": 2}'),
    )
    meta = load_weights(str(path)).meta
    assert meta["eigenvalues"].tolist() == [2.0, 1.0]
    assert not meta["eigenvalues"].flags.writeable
    assert (meta["method"], meta["k"], meta["outputs"]) == ("pca", 2, ["red", "grün"])
    assert meta["scale"] == 0.5
    assert not {"meta", "covariance", "secret", "weight", "bias"} & set(meta)


@pytest.mark.parametrize(
    "stored",
    [
        np.frombuffer(b'{"a": 1}', np.uint8),
        np.array('{"a": 1}'),
        np.array('{"a": 1, "weight": [[5]]}'),
    ],
)
def test_npz_meta_as_bytes_or_text(tmp_path, stored):
    np.savez(tmp_path / "w.npz", weight=[[1.0]], meta=stored)
    channel_map = load_weights(str(tmp_path / "w.npz"))
    assert dict(channel_map.meta) == {"a": 1}
    assert channel_map.weight.tolist() == [[1.0]]


@pytest.mark.parametrize(
    "stored",
    [
        np.array({"a": 1}, dtype=object),
        np.array("not json"),
        np.array("[1]"),
        np.array("[" * 100_000),
        np.array([1.5, np.nan]),
        np.array("\ud800"),
        np.array([], np.uint8),
    ],
    ids=["object", "text", "list", "deep", "numbers", "surrogate", "empty"],
)
def test_npz_meta_that_says_nothing_is_skipped(tmp_path, stored):
    np.savez(tmp_path / "w.npz", weight=[[1.0]], meta=stored)
    assert dict(load_weights(str(tmp_path / "w.npz")).meta) == {}


BIAS_FILES = {
    "row.csv": b"1,2,3\n",
    "column.csv": b"1\n2\n3\n",
    "row.tsv": b"1\t2\t3",
    "column.txt": b"# b\n1\n2\n3\n",
    "flat.json": b"[1, 2, 3]",
    "row.json": b"[[1, 2, 3]]",
    "column.json": b"[[1], [2], [3]]",
    "object.json": b'{"bias": [1, 2, 3], "weight": "ignored"}',
}


@pytest.mark.parametrize("name", BIAS_FILES)
def test_bias_files(tmp_path, name):
    (tmp_path / name).write_bytes(BIAS_FILES[name])
    same(parse_bias(str(tmp_path / name)), np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3)])
def test_bias_npy(tmp_path, shape):
    np.save(tmp_path / "b.npy", np.array([1, 2, 3]).reshape(shape))
    same(parse_bias(str(tmp_path / "b.npy")), np.array([1.0, 2.0, 3.0]))


def test_numbers_win_over_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("1").write_text("5")
    assert parse_bias("1").tolist() == [1.0]


def test_npz_members_need_no_suffix(tmp_path):
    import zipfile
    from io import BytesIO

    raw = BytesIO()
    np.save(raw, np.array([[1.0, 2.0]]))
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("weight", raw.getvalue())
        archive.writestr("readme.txt", "no array")
    channel_map = load_weights(str(tmp_path / "w.npz"))
    assert channel_map.weight.tolist() == [[1.0, 2.0]]
    assert dict(channel_map.meta) == {}
