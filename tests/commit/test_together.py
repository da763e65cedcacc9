"""Outputs of several names: data with a sidecar, and folders with folders in them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strategies import new_folder

from onebyone_cli.commit.atomic import AtomicFile
from onebyone_cli.commit.checkpoint import Checkpoint, Policy
from onebyone_cli.commit.folder import AtomicFolder
from onebyone_cli.commit.merge import publish_shards
from onebyone_cli.commit.part import PartFile
from onebyone_cli.commit.publication import Publication
from onebyone_cli.commit.publishing import Sidecar, noted_of
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.errors import OneByOneError, OutputRefusedError
from onebyone_cli.formats.arrays.writer import FixedOffsetWriter
from onebyone_cli.formats.contracts.writer import Target
from onebyone_cli.spec import StackSpec
from onebyone_cli.system import rename

OLD = {"out.dat": b"old data", "out.hdr": b"old header"}
NEW = {"out.dat": b"new data", "out.hdr": b"new header"}

SPEC = StackSpec(1, 2, 4, "uint8")

#: What changes names: a run can be killed before each of them.
CALLS = ("rename", "replace", "link", "unlink")


def content_of(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {name: content for name, content in found.items() if not name.startswith(".")}


def write(folder: Path, publication: Publication) -> bool:
    make = AtomicFile if publication.resume is None else PartFile
    file = make(str(folder / "out.dat"), publication)
    try:
        os.write(file.fd, NEW["out.dat"])
        return file.commit(8, Sidecar(str(folder / "out.hdr"), NEW["out.hdr"].decode()))
    finally:
        file.discard()


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(params=["one step", "two steps"], autouse=True)
def _publishing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "two steps":
        monkeypatch.setattr(rename, "_renameat2", lambda one, two, flags: False)


@pytest.mark.parametrize("resume", [None, False])
@pytest.mark.parametrize("before", [{}, OLD, {"out.dat": b"alone"}, {"out.hdr": b"alone"}])
def test_both_appear(tmp_path: Path, before: dict[str, bytes], resume: bool | None):
    put(tmp_path, before)
    assert write(tmp_path, Publication(force=True, fsync=True, resume=resume))
    assert content_of(tmp_path) == NEW
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("name", OLD)
def test_without_force_neither_is_replaced(tmp_path: Path, name: str):
    put(tmp_path, {name: OLD[name]})
    with pytest.raises(OneByOneError, match="has appeared"):
        write(tmp_path, Publication())
    assert content_of(tmp_path) == {name: OLD[name]}
    assert len(os.listdir(tmp_path)) == 1


def test_an_equal_pair_is_kept(tmp_path: Path):
    put(tmp_path, NEW)
    assert not write(tmp_path, Publication(if_changed=True))
    put(tmp_path, {"out.hdr": b"other"})
    assert write(tmp_path, Publication(if_changed=True))
    assert content_of(tmp_path) == NEW


def interrupted(folder: Path, number: int, how: Callable[[], Any], force: bool) -> bool:
    """Write the pair, and stop before one of the calls that change names; say whether it came."""
    count = 0
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            plain = getattr(os, name)

            def call(*args: Any, plain: Any = plain, **options: Any) -> None:
                nonlocal count
                count += 1
                if count == number:
                    how()
                plain(*args, **options)

            patch.setattr(os, name, call)
        write(folder, Publication(force=force))
    return count >= number


@pytest.mark.parametrize("before", [{}, OLD])
def test_an_error_leaves_the_old_pair_or_none(before: dict[str, bytes]):
    def fail() -> None:
        raise OSError(5, "Input/output error")

    number, came = 0, True
    while came:
        number += 1
        with new_folder() as folder:
            put(folder, before)
            try:
                came = interrupted(folder, number, fail, bool(before))
            except OneByOneError:
                assert content_of(folder) == before
                assert len(os.listdir(folder)) == len(before)
            else:
                assert content_of(folder) == NEW
    assert number > 2


@pytest.mark.parametrize("before", [{}, OLD])
def test_a_run_that_is_killed_leaves_no_header_of_other_data(before: dict[str, bytes]):
    number, came = 0, True
    while came:
        number += 1
        with new_folder() as folder:
            put(folder, before)
            child = os.fork()
            if not child:
                try:
                    came = interrupted(folder, number, lambda: os._exit(3), bool(before))
                finally:
                    os._exit(0)
            came = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
            found = content_of(folder)
            if "out.hdr" in found:
                assert found in (OLD, NEW)
            if not came:
                assert found == NEW
    assert number > 2


# ----------------------------------------------------------------- fixed offsets, and shards


def target_of(folder: Path, *inputs: str, **publication: Any) -> Target:
    sidecar = Sidecar(str(folder / "out.hdr"), "new header")
    return Target(
        str(folder / "out.dat"),
        lambda target, spec: FixedOffsetWriter(target, spec, sidecar=sidecar),
        inputs=inputs,
        publication=Publication(**publication),
    )


def compute_shards(folder: Path) -> None:
    for index in range(2):
        writer = target_of(folder, resume=True, shared=True).make_writer(SPEC)
        assert isinstance(writer, FixedOffsetWriter)
        left = Unfinished(writer.path, f"{index}/2")
        notes = Checkpoint(left, lambda: {"a": 1}, 2, lambda: None, Policy(always=True))
        with writer:
            notes.begin(writer.file)
            writer.write_run(0, 0, index * 4, np.frombuffer(NEW["out.dat"], "u1")[index * 4 :][:4])
            writer.file.sync()
            notes.complete(**noted_of(writer.file.fd, writer.sidecar), complete=True)


def test_a_writer_publishes_its_sidecar(tmp_path: Path):
    with target_of(tmp_path).make_writer(SPEC) as writer:
        assert isinstance(writer, FixedOffsetWriter)
        writer.write_run(0, 0, 0, np.frombuffer(NEW["out.dat"], "u1"))
        writer.commit()
    assert content_of(tmp_path) == NEW


@pytest.mark.parametrize("force", [False, True])
def test_a_sidecar_that_is_an_input_is_refused(tmp_path: Path, force: bool):
    put(tmp_path, {"out.hdr": b"of an input"})
    with pytest.raises(OutputRefusedError, match=r"out.hdr: is an input"):
        target_of(tmp_path, str(tmp_path / "out.hdr"), force=force).make_writer(SPEC)


def test_a_sidecar_is_replaced_only_by_force(tmp_path: Path):
    put(tmp_path, {"out.hdr": b"old"})
    with pytest.raises(OutputRefusedError, match=r"out.hdr: exists already"):
        target_of(tmp_path).make_writer(SPEC)
    target_of(tmp_path, force=True).make_writer(SPEC)


@pytest.mark.parametrize("before", [{}, OLD])
def test_merging_shards_publishes_both(tmp_path: Path, before: dict[str, bytes]):
    compute_shards(tmp_path)
    put(tmp_path, before)
    publish_shards(str(tmp_path / "out.dat"), Publication(force=bool(before)))
    assert content_of(tmp_path) == NEW
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_merge_that_was_killed_before_the_sidecar(tmp_path: Path, is_ours: bool):
    compute_shards(tmp_path)
    if is_ours:
        (tmp_path / "out.dat.part").rename(tmp_path / "out.dat")
    else:
        (tmp_path / "out.dat").write_bytes(b"not ours")
        (tmp_path / "out.dat.part").unlink()
    publish_shards(str(tmp_path / "out.dat"), Publication())
    assert content_of(tmp_path) == (NEW if is_ours else {"out.dat": b"not ours"})


# ------------------------------------------------------------------------- nested folders


def fill(folder: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


FILES = {"zarr.json": b"{}", "c/0/0": b"1", "c/0/1": b"2"}


def test_a_folder_with_folders_is_published_compared_and_removed(tmp_path: Path):
    path = f"{tmp_path}/out/"
    for files, changes in ((FILES, True), (FILES, False), (FILES | {"c/1/0": b"3"}, True)):
        folder = AtomicFolder(path, Publication(fsync=True, if_changed=True))
        fill(folder.temporary, files)
        assert folder.commit() == changes
        assert files_of(tmp_path / "out") == files
        assert os.listdir(tmp_path) == ["out"]
    folder = AtomicFolder(path)
    fill(folder.temporary, FILES)
    folder.discard()
    assert os.listdir(tmp_path) == ["out"]
