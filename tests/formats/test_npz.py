"""Stacks in ``.npz`` files: what numpy writes is read, whichever member and compression."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, read_all

from onebyone_cli import formats
from onebyone_cli.errors import DataError, OneByOneError, PolicyError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.stack.spool import Spool


def load(text: str, layout: str = "") -> Any:
    """Read a whole member."""
    with opening.open_input(text, layout=layout) as reader:
        slabs = list(iter_slabs(reader.spec, 1, reader.spec.pixels))
        if isinstance(reader, Reader):
            return read_all(reader, slabs, reader.spec.dtype)
        with Spool(reader.spec.data_bytes, in_memory=True) as spool:
            reader.drain(spool.append)
            return read_all(spool.reader(reader.stored), slabs, reader.spec.dtype)


@given(
    shape=st.lists(st.integers(1, 5), min_size=3, max_size=4),
    dtype=st.sampled_from(DTYPES),
    ends=st.sampled_from("<>"),
    order=st.sampled_from("CF"),
    is_compressed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_member_is_what_numpy_loads(
    tmp_path_factory: pytest.TempPathFactory,
    shape: list[int],
    dtype: str,
    ends: str,
    order: Any,
    is_compressed: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    stack = rng.integers(0, 2, shape).astype(np.dtype(dtype).newbyteorder(ends), order=order)
    path = tmp_path_factory.mktemp("npz") / "f.npz"
    save: Any = np.savez_compressed if is_compressed else np.savez
    save(path, **{"a/b": stack, "other": stack[..., 0], "line": np.arange(3)})
    assert np.array_equal(load(f"{path}:a/b"), stack)
    with opening.open_input(f"{path}:a/b") as reader:
        assert isinstance(reader, Reader) != is_compressed
        assert (reader.about.inner, reader.about.container.shape) == ("a/b", stack.shape)  # type: ignore[union-attr]
    listed = opening.list_datasets(str(path))
    assert [each.name for each in listed] == ["a/b", "other"]


def test_the_only_stack_is_taken_and_the_rest_is_told(tmp_path: Path) -> None:
    stack = np.arange(60.0).reshape(3, 4, 5)
    np.savez(tmp_path / "f.npz", features=stack, labels=np.arange(3), who=np.array(["me"]))
    np.savez(tmp_path / "unnamed", stack)
    with opening.open_input(f"{tmp_path}/f.npz") as reader:
        assert reader.about.inner == "features"
        assert reader.about.notes[0].endswith("others are labels, who")
    (tmp_path / "unnamed.npz").rename(tmp_path / "no suffix")
    assert np.array_equal(load(f"{tmp_path}/no suffix"), stack)
    assert np.array_equal(load(f"{tmp_path}/no suffix:arr_0"), stack)
    assert load(f"{tmp_path}/f.npz:features", "HWC").shape == (5, 3, 4)


def pickled() -> dict[str, Any]:
    return {"objects": np.array([{}, 1], object)}


@pytest.mark.parametrize(
    ("members", "inner", "error", "message"),
    [
        ({"a": np.ones((2, 3)), "b": np.ones((2, 3))}, "", DataError, "2 members.*of a, b, as in"),
        ({"a": np.ones((2, 3))}, "c", DataError, "no member 'c'; name one of a, as in .*:a"),
        ({"a": np.ones(3), "b": np.ones(3)}, "", DataError, "no member to read; expected an array"),
        ({"a": np.ones(3)}, "", DataError, "holds a line of 3 numbers"),
        ({"weight": np.ones((2, 3))}, "", DataError, "holds weights, not a stack; .*:weight"),
        ({"pixels.comoment": np.ones((2, 3))}, "", DataError, "holds moments"),
        ({"a": np.ones((2, 3), complex)}, "", DataError, "member 'a' holds complex"),
        (pickled(), "", PolicyError, "member 'objects' holds Python objects"),
        (pickled(), "objects", PolicyError, "pickle"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, members: Any, inner: str, error: type[OneByOneError], message: str
) -> None:
    np.savez(tmp_path / "f.npz", **members)
    with pytest.raises(error, match=message):
        load(f"{tmp_path}/f.npz" + f":{inner}" * bool(inner))


def test_archives_of_others(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.txt", b"hello")
    for name, error, message in (
        ("x.pt", PolicyError, "PyTorch checkpoint, which only pickle"),
        ("x.zip", DataError, r"zip archive without \.npy members"),
    ):
        with pytest.raises(error, match=message):
            opening.open_input(f"{tmp_path}/{name}")
    with pytest.raises(UsageError, match="can be read, not written"):
        formats.of_output("out.npz")


def claimed(shape: tuple[int, ...], content: bytes, compression: int) -> bytes:
    """An archive whose member promises another amount of numbers than it holds."""
    header = io.BytesIO()
    fields = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)  # type: ignore[arg-type]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("a.npy", header.getvalue() + content)
    return file.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("numbers", [11, 13, 1 << 17])
def test_members_of_another_size_than_they_say(
    tmp_path: Path, compression: int, numbers: int
) -> None:
    (tmp_path / "f.npz").write_bytes(claimed((3, 4), bytes(8 * numbers), compression))
    with pytest.raises(DataError, match="its header promises"):
        opening.open_input(f"{tmp_path}/f.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_is_told(tmp_path: Path, save: Any) -> None:
    rng = np.random.default_rng(0)
    save(tmp_path / "f.npz", rng.normal(size=(3, 40, 50)))
    whole = (tmp_path / "f.npz").read_bytes()
    for at in (*range(0, 200, 7), *range(len(whole) - 150, len(whole), 7)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            (tmp_path / "f.npz").write_bytes(damaged)
            try:
                load(f"{tmp_path}/f.npz")
            except OneByOneError as error:
                assert error.path  # noqa: PT017


def test_commands_take_members(tmp_path: Path) -> None:
    stack = np.arange(60, dtype="f4").reshape(3, 4, 5)
    np.savez_compressed(tmp_path / "f.npz", features=stack)
    for text in ("f.npz", "f.npz:features"):
        done = onebyone("apply", text, "--kernel", "1 1 1", "-f", "-o", "y.npy", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert np.array_equal(np.load(tmp_path / "y.npy")[0], stack.sum(0))
        done = onebyone("stats", text, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert b"59" in done.stdout
