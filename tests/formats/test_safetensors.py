"""Stacks in safetensors files: fixed offsets, short types, and headers that lie."""

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from strategies import Array, new_folder, numbers_of, read_all, same_numbers, seeds, specs

from onebyone_cli.errors import DataError, InputMissingError, OneByOneError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.plan.tiles import iter_slabs

#: Types of the header that numpy lacks.
CODED = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


def made(header: Any, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def load(path: Path, name: str = "") -> Array:
    with opening.open_input(f"{path}:{name}" if name else str(path)) as reader:
        assert isinstance(reader, ArrayReader)
        spec = reader.spec
        return read_all(reader, list(iter_slabs(spec, 1, spec.pixels)), spec.dtype)


@given(specs(), specs(), seeds)
def test_arrays_are_read_as_stored(one: Any, two: Any, seed: int):
    arrays = {"one": numbers_of(seed, one), "b/two": numbers_of(seed + 1, two)}
    with new_folder() as folder:
        save_file(arrays, folder / "x.safetensors")
        for name, array in arrays.items():
            assert same_numbers(load(folder / "x.safetensors", name), array)
        assert {each.name for each in opening.list_datasets(str(folder / "x.safetensors"))} == {
            "one",
            "b/two",
        }


@pytest.mark.parametrize("named", CODED)
def test_short_types(tmp_path: Path, named: str):
    dtype = getattr(ml_dtypes, CODED[named])
    stack = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(dtype)
    entry = {"dtype": named, "shape": [3, 4, 5], "data_offsets": [0, stack.nbytes]}
    (tmp_path / "x.safetensors").write_bytes(made({"f": entry}, stack.tobytes()))
    assert same_numbers(load(tmp_path / "x.safetensors"), stack.astype(np.float32))


def test_the_only_stack_needs_no_name(tmp_path: Path):
    stack = np.ones((3, 4, 5), np.float32)
    save_file({"features": stack, "label": np.ones(3)}, tmp_path / "x.safetensors")
    assert same_numbers(load(tmp_path / "x.safetensors"), stack)
    save_file({"a": stack, "b": stack}, tmp_path / "y.safetensors")
    with pytest.raises(DataError, match="holds several: a, b; choose one, as FILE:NAME"):
        load(tmp_path / "y.safetensors")
    with pytest.raises(DataError, match="has no array 'c'; it has a, b"):
        load(tmp_path / "y.safetensors", "c")
    with pytest.raises(InputMissingError):
        load(tmp_path / "gone.safetensors", "c")


def test_it_is_only_read(tmp_path: Path):
    with pytest.raises(UsageError, match=r"can be read, not written; name a \.npy file"):
        opening.make_target(str(tmp_path / "x.safetensors"))


ENTRY = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        made(b"{"),
        made(b"[]"),
        made(b'{"a":1,"a":2}'),
        made({"a": 1}),
        made({"a": ENTRY}, bytes(23)),
        made({"a": ENTRY | {"shape": [2, 4]}}, bytes(24)),
        made({"a": ENTRY | {"shape": [2**40, 2**40]}}, bytes(24)),
        made({"a": ENTRY | {"shape": [2, -3]}}, bytes(24)),
        made({"a": ENTRY | {"shape": [True, 3]}}, bytes(24)),
        made({"a": ENTRY | {"data_offsets": [24, 0]}}, bytes(24)),
        made({"a": ENTRY | {"dtype": "F4"}}, bytes(24)),
        made({"a": ENTRY | {"shape": [6]}}, bytes(24)),
        struct.pack("<Q", 2**63) + b"{}",
        made(b"[" * 100000),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(path) in str(caught.value)


@given(st.data())
def test_flipped_bytes(data: st.DataObject):
    content = bytearray(made({"a": ENTRY}, bytes(24)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with new_folder() as folder:
        (folder / "x.safetensors").write_bytes(content)
        with contextlib.suppress(OneByOneError):
            load(folder / "x.safetensors")


def test_commands(tmp_path: Path):
    stack = np.random.default_rng(1).normal(size=(3, 8, 9)).astype(np.float32)
    save_file({"features": stack}, tmp_path / "x.safetensors")
    np.save(tmp_path / "x.npy", stack)
    assert onebyone("compare", "x.safetensors", "x.npy", cwd=tmp_path).returncode == 0
    for words in (["info"], ["stats"], ["view"], ["fit", "-k", "1", "-o", "m.npz"]):
        done = onebyone(words[0], "x.safetensors:features", *words[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
