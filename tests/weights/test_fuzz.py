"""Whatever the bytes, the answer is a ChannelMap or one of our own errors on one line."""

import tempfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import examples

from onebyone_cli.errors import OneByOneError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.load import load_weights
from onebyone_cli.weights.save import save_weights
from onebyone_cli.weights.typed import parse_bias, parse_kernel

quick = settings(deadline=None, max_examples=examples(100))

near_numbers = st.text(alphabet="0123456789+-.eExX,; \t\n\r\"'_#nNaAiIfF\u2212\ufeff", max_size=40)
near_json = st.text(alphabet='0123456789+-.eE,:[]{} \n"weightbasNIntruls\\', max_size=60)
texts = st.one_of(st.text(max_size=60), near_numbers)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def outcome(read: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return what is read, or the refusal; any other exception is a failure of the test."""
    try:
        return read(*args, **options)
    except OneByOneError as error:
        return error


def load_or_refuse(path: Path, raw: bytes, *, printable: bool = True) -> None:
    # Headers of arrays are parsed by `npy_header`, whose messages are its own affair.
    path.write_bytes(raw)
    for allow in (False, True):
        found = outcome(load_weights, str(path), allow_nonfinite=allow)
        if isinstance(found, ChannelMap):
            assert found.weight.size
            assert allow or np.isfinite(found.weight).all()
        else:
            assert found.path == str(path)
            assert found.message.isprintable() or not printable


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
@quick
@given(raw=st.one_of(st.binary(max_size=60), texts.map(lambda text: text.encode())))
@example(raw=b"1,\t2\n")
def test_text_files(folder, suffix, raw):
    load_or_refuse(folder / f"w.{suffix}", raw)


@quick
@given(
    raw=st.one_of(
        st.binary(max_size=60),
        near_json.map(str.encode),
        st.recursive(
            st.sampled_from([b"1", b"-0.5", b"NaN", b'"1"', b"true", b"null", b"1e999"]),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3).map(lambda parts: b"[" + b",".join(parts) + b"]"),
                st.tuples(inner, inner).map(lambda two: b'{"weight":%b,"bias":%b}' % two),
            ),
            max_leaves=12,
        ),
    )
)
def test_json_files(folder, raw):
    load_or_refuse(folder / "w.json", raw)


@quick
@given(text=st.one_of(texts, near_numbers), allow=st.booleans())
def test_kernel_text(text, allow):
    found = outcome(parse_kernel, text, allow_nonfinite=allow)
    if isinstance(found, ChannelMap):
        assert found.weight.size
    else:
        assert found.path == "kernel"
        assert found.message.isprintable()


@quick
@given(text=near_numbers)
@example(text="\0")
@example(text="\0.npy")
@example(text="\ud800.csv")
@example(text="x" * 5000)
def test_bias_text(text):
    found = outcome(parse_bias, text)
    assert found.message.isprintable() if isinstance(found, OneByOneError) else found.ndim == 1


def seed_npy() -> bytes:
    raw = BytesIO()
    np.save(raw, np.array([[1.0, 2.0], [3.0, 4.0]]))
    return raw.getvalue()


def seed_npz() -> bytes:
    raw = BytesIO()
    np.savez_compressed(
        raw, weight=np.ones((2, 2)), bias=np.ones(2), meta=np.array('{"a": 1}'), n=["a", "b"]
    )
    return raw.getvalue()


@st.composite
def damaged(draw: st.DrawFn, seed: bytes) -> bytes:
    raw = bytearray(seed)
    for at in draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[at] = draw(st.integers(0, 255))
    start, stop = draw(st.tuples(st.integers(0, len(raw)), st.integers(0, len(raw))))
    action = draw(st.sampled_from(["keep", "cut", "double", "cut out"]))
    changed = {
        "keep": raw,
        "cut": raw[:stop],
        "double": raw[:stop] + raw[start:],
        "cut out": raw[: min(start, stop)] + raw[min(start, stop) + 4 :],
    }
    return bytes(changed[action])


@quick
@given(raw=st.one_of(st.binary(max_size=80), damaged(seed_npy())))
def test_npy_files(folder, raw):
    load_or_refuse(folder / "w.npy", raw, printable=True)


def seed_of(suffix: str) -> bytes:
    """Return a file with a bias and names, as `save_weights` writes it."""
    meta = {"channels": ["a", "b"], "mean": np.ones(2), "inverse": np.eye(2)}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"w.{suffix}"
        save_weights(str(path), ChannelMap(np.eye(2), np.ones(2), "w", meta))
        return path.read_bytes()


@pytest.mark.parametrize("suffix", ["mat", "safetensors", "csv", "onnx"])
@quick
@given(data=st.data())
def test_files_that_we_write(folder, suffix, data):
    if suffix == "onnx":
        pytest.importorskip("onnx", reason="the library onnx is not installed")
    load_or_refuse(folder / f"w.{suffix}", data.draw(damaged(seed_of(suffix))))


@quick
@given(raw=st.one_of(st.binary(max_size=80), damaged(seed_npz())))
def test_npz_files(folder, raw):
    load_or_refuse(folder / "w.npz", raw, printable=True)


def one_member(name: str, raw: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("weight", seed_npy())
        archive.writestr(name, raw)
    return out.getvalue()


@quick
@given(
    name=st.sampled_from(["meta.npy", "bias", "other"]),
    raw=st.one_of(st.binary(max_size=80), damaged(seed_npy())),
)
def test_npz_members(folder, name, raw):
    load_or_refuse(folder / "w.npz", one_member(name, raw), printable=True)
