"""Outputs appear whole or not at all, and nothing else is ever touched."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import new_folder

from onebyone_cli.commit import atomic, temporaries
from onebyone_cli.commit import folder as folder_module
from onebyone_cli.commit import publishing as publishing_module
from onebyone_cli.commit.atomic import AtomicFile
from onebyone_cli.commit.folder import AtomicFolder
from onebyone_cli.commit.part import PartFile, SharedFile
from onebyone_cli.commit.publication import Publication
from onebyone_cli.commit.targets import check_space, check_target, is_special
from onebyone_cli.commit.temporaries import discard_all, make_folder
from onebyone_cli.commit.unfinished import journal_of
from onebyone_cli.errors import OutputRefusedError, ReadWriteError
from onebyone_cli.system import rename

as_root = os.geteuid() == 0


@pytest.fixture(autouse=True)
def _nothing_left_under_way() -> Iterator[None]:
    yield
    assert not temporaries._under_way


@contextmanager
def umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write_file(path: Path, content: bytes = b"new", **options: Any) -> None:
    file = AtomicFile(str(path), Publication(**options))
    try:
        os.write(file.fd, content)
        file.commit(len(content))
    finally:
        file.discard()


def fill(folder: AtomicFolder, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        Path(folder.temporary, name).write_bytes(content)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def failing(number: int, *, times: int = 1, then: Callable[..., Any] | None = None) -> Any:
    """A system call that fails the first `times`, then does what it should."""
    calls = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= times or then is None:
            raise OSError(number, os.strerror(number))
        return then(*args, **options)

    return call


# ---------------------------------------------------------------------- what is equal stays


LONG_AGO = 1_000_000_000


@given(st.binary(max_size=20), st.binary(max_size=20), st.integers(1, 8), st.booleans())
def test_a_file_is_replaced_only_by_other_bytes(old: bytes, new: bytes, block: int, fsync: bool):
    with new_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing_module, "_BLOCK_BYTES", block)
        target = folder / "out.npy"
        for content in (new, old):
            target.write_bytes(old)
            os.utime(target, (LONG_AGO, LONG_AGO))
            changed = atomic.write_file(
                str(target), content, Publication(fsync=fsync, if_changed=True)
            )
            assert changed == (content != old)
            assert (target.stat().st_mtime == LONG_AGO) == (content == old)
            assert content_of(folder) == {"out.npy": content}


@given(st.dictionaries(st.sampled_from("abc"), st.binary(max_size=2), min_size=1), st.booleans())
def test_a_folder_is_replaced_only_by_other_files(new: dict[str, bytes], fsync: bool):
    old = {"a": b"1", "b": b"2"}
    with new_folder() as parent:
        for files in (new, old):
            target = parent / f"out{len(list(parent.iterdir()))}"
            target.mkdir()
            for name, content in old.items():
                (target / name).write_bytes(content)
            os.utime(target, (LONG_AGO, LONG_AGO))
            folder = AtomicFolder(
                str(target), Publication(force=True, fsync=fsync, if_changed=True)
            )
            fill(folder, files)
            assert folder.commit() == (files != old)
            assert (target.stat().st_mtime == LONG_AGO) == (files == old)
            assert content_of(target) == files


def test_what_was_not_there_has_changed(tmp_path: Path):
    assert atomic.write_file(str(tmp_path / "file"), b"new", Publication(if_changed=True))
    folder = AtomicFolder(f"{tmp_path}/folder/", Publication(force=True, if_changed=True))
    assert folder.commit()
    assert names(tmp_path) == {"file", "folder"}


# ------------------------------------------------------------------------------ one file


@given(st.binary(max_size=1000), st.booleans(), st.booleans())
def test_a_file_appears_whole_at_commit(content: bytes, force: bool, fsync: bool):
    with new_folder() as folder:
        target = folder / "out.npy"
        file = AtomicFile(str(target), Publication(force=force, fsync=fsync))
        os.write(file.fd, content)
        assert not target.exists()
        assert names(folder) == {os.path.basename(file.temporary)}
        file.commit(len(content))
        assert target.read_bytes() == content
        assert names(folder) == {"out.npy"}
        file.discard()
        assert names(folder) == {"out.npy"}


@given(st.binary(max_size=100), st.booleans())
def test_discard_leaves_nothing(content: bytes, existing: bool):
    with new_folder() as folder:
        target = folder / "out.npy"
        if existing:
            target.write_bytes(b"old")
        before = content_of(folder)
        file = AtomicFile(str(target), Publication(force=True))
        os.write(file.fd, content)
        for _ in range(2):
            file.discard()
            assert content_of(folder) == before
        assert file.fd == -1


def test_force_replaces_and_keeps_the_old_file_until_then(tmp_path: Path):
    target = tmp_path / "out.npy"
    target.write_bytes(b"old")
    holder = target.open("rb")
    file = AtomicFile(str(target), Publication(force=True))
    os.write(file.fd, b"new")
    assert target.read_bytes() == b"old"
    file.commit()
    assert target.read_bytes() == b"new"
    # Whoever had the old file open, or mapped, still has it.
    assert holder.read() == b"old"
    holder.close()


@pytest.fixture(params=["one step", "two steps"])
def publishing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a file gets a name that must be free: by renameat2(2), or by a link where that is not."""
    if request.param == "two steps":
        monkeypatch.setattr(rename, "_renameat2", lambda one, two, flags: False)
    return str(request.param)


@pytest.mark.usefixtures("publishing")
def test_without_force_a_file_that_appeared_is_not_replaced(tmp_path: Path):
    target = tmp_path / "out.npy"
    file = AtomicFile(str(target))
    target.write_bytes(b"somebody else's")
    with pytest.raises(OutputRefusedError, match="has appeared while this was running"):
        file.commit()
    file.discard()
    assert content_of(tmp_path) == {"out.npy": b"somebody else's"}


@pytest.mark.usefixtures("publishing")
@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "fifo"])
def test_without_force_nothing_at_all_is_replaced(tmp_path: Path, kind: str):
    target = tmp_path / "out.npy"
    file = AtomicFile(str(target))
    if kind == "folder":
        target.mkdir()
    elif kind == "fifo":
        os.mkfifo(target)
    else:
        target.symlink_to("other" if kind == "dangling" else file.temporary)
    with pytest.raises(OutputRefusedError, match="has appeared"):
        file.commit()
    file.discard()
    assert names(tmp_path) == {"out.npy"}
    assert not stat.S_ISREG(target.lstat().st_mode)


@pytest.mark.usefixtures("publishing")
def test_of_many_at_once_exactly_one_wins(tmp_path: Path):
    files = [AtomicFile(str(tmp_path / "out.npy")) for _ in range(20)]
    assert len({file.temporary for file in files}) == 20
    won = []
    for index, file in enumerate(files):
        os.write(file.fd, bytes([index]))
    for index, file in enumerate(reversed(files)):
        try:
            file.commit(1)
            won.append(19 - index)
        except OutputRefusedError:
            file.discard()
    assert content_of(tmp_path) == {"out.npy": bytes(won)}


@pytest.mark.parametrize("number", sorted(rename._NO_LINKS))
def test_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    monkeypatch.setattr(rename, "_renameat2", lambda one, two, flags: False)
    monkeypatch.setattr(os, "link", failing(number))
    write_file(tmp_path / "out.npy")
    assert content_of(tmp_path) == {"out.npy": b"new"}
    with pytest.raises(OutputRefusedError, match="has appeared"):
        write_file(tmp_path / "out.npy", b"second")
    assert content_of(tmp_path) == {"out.npy": b"new"}


@given(st.binary(max_size=20), st.integers(0, 30))
def test_a_file_of_another_size_is_not_published(content: bytes, expected: int):
    with new_folder() as folder:
        target = folder / "out.npy"
        target.write_bytes(b"old")
        file = AtomicFile(str(target), Publication(force=True))
        os.write(file.fd, content)
        if len(content) == expected:
            file.commit(expected)
        else:
            match = f"has {len(content)} bytes .* should have {expected}"
            with pytest.raises(ReadWriteError, match=match):
                file.commit(expected)
            file.discard()
        assert content_of(folder) == {"out.npy": content if len(content) == expected else b"old"}


@pytest.mark.parametrize("call", ["fsync", "close", "rename", "fstat"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE])
def test_an_error_of_the_system_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
):
    target = tmp_path / "out.npy"
    target.write_bytes(b"old")
    file = AtomicFile(str(target), Publication(force=True, fsync=True))
    os.write(file.fd, b"new")
    with monkeypatch.context() as patch:
        fd = file.fd
        patch.setattr(os, call, failing(number))
        with pytest.raises(ReadWriteError, match="writing failed"):
            file.commit()
        file.discard()
    if call == "close":
        os.close(fd)
    assert content_of(tmp_path) == {"out.npy": b"old"}


def test_a_rename_whose_answer_was_lost_has_been_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """On NFS the server may rename, and the client hear of a failure."""
    plain = os.rename

    def rename_and_fail(source: str, target: str) -> None:
        plain(source, target)
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(os, "rename", rename_and_fail)
    (tmp_path / "out.npy").write_bytes(b"old")
    write_file(tmp_path / "out.npy", force=True)
    assert content_of(tmp_path) == {"out.npy": b"new"}


def test_fsync_comes_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publishing: str
):
    done: list[str] = []
    for module, call in ((os, "fsync"), (os, "link"), (os, "rename"), (rename, "_renameat2")):
        original = getattr(module, call)

        def note(*args: Any, _name: str = call, _call: Any = original, **options: Any) -> Any:
            result = _call(*args, **options)
            if result is not False:
                done.append(_name)
            return result

        monkeypatch.setattr(module, call, note)
    naming = "_renameat2" if publishing == "one step" else "link"
    write_file(tmp_path / "one", fsync=True)
    assert done == ["fsync", naming, "fsync"]
    done.clear()
    write_file(tmp_path / "one", fsync=True, force=True)
    assert done == ["fsync", "rename", "fsync"]
    done.clear()
    write_file(tmp_path / "two")
    assert done == [naming]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_folders_that_can_not_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    fsync = os.fsync

    def only_files(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(number, "")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", only_files)
    write_file(tmp_path / "out.npy", fsync=True)
    assert content_of(tmp_path) == {"out.npy": b"new"}


# ------------------------------------------------------------------------- names and modes


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o000])
def test_a_new_file_obeys_the_umask(tmp_path: Path, mask: int):
    with umask(mask):
        write_file(tmp_path / "plain")
        write_file(tmp_path / "forced", force=True)
    for name in ("plain", "forced"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664, 0o755])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int):
    target = tmp_path / "out.npy"
    target.write_bytes(b"old")
    target.chmod(mode)
    with umask(0o077):
        write_file(target, force=True)
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_the_target_of_a_link_is_replaced_and_the_link_stays(tmp_path: Path):
    (tmp_path / "there").mkdir()
    real = tmp_path / "there" / "real.npy"
    real.write_bytes(b"old")
    link = tmp_path / "link.npy"
    link.symlink_to("there/real.npy")
    file = AtomicFile(str(link), Publication(force=True))
    assert os.path.dirname(file.temporary) == str(tmp_path / "there")
    os.write(file.fd, b"new")
    file.commit()
    assert link.is_symlink()
    assert content_of(tmp_path / "there") == {"real.npy": b"new"}


def test_what_a_dangling_link_points_to_is_created(tmp_path: Path):
    link = tmp_path / "link.npy"
    link.symlink_to("real.npy")
    check_target(str(link), force=False)
    write_file(link)
    assert link.is_symlink()
    assert (tmp_path / "real.npy").read_bytes() == b"new"


def test_other_names_of_a_replaced_file_keep_the_old_bytes(tmp_path: Path):
    target = tmp_path / "out.npy"
    target.write_bytes(b"old")
    os.link(target, tmp_path / "snapshot.npy")
    write_file(target, force=True)
    assert content_of(tmp_path) == {"out.npy": b"new", "snapshot.npy": b"old"}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=80))
def test_temporaries_are_hidden_unique_and_short_enough(name: str):
    one, two = (rename.temporary_beside(f"/folder/{name}") for _ in range(2))
    assert one != two
    folder, hidden = os.path.split(one)
    assert folder == "/folder"
    assert hidden.startswith(".")
    assert len(os.fsencode(hidden)) <= 255


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "[red]", "-", "a\nb", "\udcff.npy", " "])
def test_odd_names(tmp_path: Path, name: str):
    write_file(tmp_path / name)
    assert content_of(tmp_path) == {name: b"new"}


def test_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    check_target("out.npy", force=False)
    write_file(Path("out.npy"), fsync=True)
    assert names(tmp_path) == {"out.npy"}


@pytest.mark.parametrize("make", [AtomicFile, AtomicFolder])
def test_a_folder_that_is_not_there(tmp_path: Path, make: Any):
    with pytest.raises(OutputRefusedError, match="can't be created: No such file"):
        make(str(tmp_path / "gone" / "out"))


@pytest.mark.parametrize("make", [AtomicFile, AtomicFolder])
def test_temporaries_never_follow_a_link_or_take_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
):
    """Somebody guessed the name: their file, or what their link points to, stays as it is."""
    (tmp_path / "precious").write_bytes(b"precious")
    for kind in ("link", "file"):
        planted = tmp_path / f".out.{kind}"
        if kind == "link":
            planted.symlink_to("precious")
        else:
            planted.write_bytes(b"planted")
        for module in (atomic, folder_module):
            monkeypatch.setattr(module, "temporary_beside", lambda target, p=planted: str(p))
        with pytest.raises(OutputRefusedError, match="can't be created: File exists"):
            make(str(tmp_path / "out"))
        temporaries._under_way.clear()
    assert (tmp_path / "precious").read_bytes() == b"precious"


# ------------------------------------------------------------------------------ a folder


NEW = {"00.png": b"0", "01.png": b"1"}


@pytest.mark.parametrize("fsync", [False, True])
@pytest.mark.parametrize("force", [False, True])
def test_a_folder_appears_whole_at_commit(tmp_path: Path, force: bool, fsync: bool):
    folder = AtomicFolder(f"{tmp_path}/out/", Publication(force=force, fsync=fsync))
    fill(folder, NEW)
    assert names(tmp_path) == {os.path.basename(folder.temporary)}
    folder.commit()
    folder.discard()
    assert names(tmp_path) == {"out"}
    assert content_of(tmp_path / "out") == NEW


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path):
    (tmp_path / "out").mkdir()
    folder = AtomicFolder(f"{tmp_path}/out/")
    fill(folder, NEW)
    folder.commit()
    assert content_of(tmp_path / "out") == NEW


@pytest.mark.parametrize("in_one_step", [True, False])
def test_force_swaps_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_one_step: bool):
    if not in_one_step:
        monkeypatch.setattr(rename, "_exchange", lambda one, two: False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "02.png").write_bytes(b"old")
    folder = AtomicFolder(f"{tmp_path}/out/", Publication(force=True))
    fill(folder, NEW)
    assert content_of(tmp_path / "out") == {"02.png": b"old"}
    folder.commit()
    assert content_of(tmp_path / "out") == NEW
    assert names(tmp_path) == {"out"}


def test_the_folder_a_link_points_to_is_swapped(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "00.png").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    folder = AtomicFolder(f"{tmp_path}/link/", Publication(force=True))
    fill(folder, NEW)
    folder.commit()
    assert (tmp_path / "link").is_symlink()
    assert content_of(tmp_path / "real") == NEW


@pytest.mark.parametrize("kind", ["file", "full folder"])
def test_without_force_what_appeared_is_not_replaced(tmp_path: Path, kind: str):
    folder = AtomicFolder(f"{tmp_path}/out/")
    fill(folder, NEW)
    if kind == "file":
        (tmp_path / "out").write_bytes(b"theirs")
    else:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").write_bytes(b"theirs")
    with pytest.raises(OutputRefusedError, match="has appeared"):
        folder.commit()
    folder.discard()
    assert names(tmp_path) == {"out"}
    assert (tmp_path / "out").is_file() == (kind == "file")


@pytest.mark.parametrize("made", [False, True])
def test_discarding_a_folder_leaves_nothing(tmp_path: Path, made: bool):
    if made:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "00.png").write_bytes(b"old")
    before = names(tmp_path)
    folder = AtomicFolder(f"{tmp_path}/out/", Publication(force=True))
    fill(folder, NEW)
    for _ in range(2):
        folder.discard()
        assert names(tmp_path) == before
    if made:
        assert content_of(tmp_path / "out") == {"00.png": b"old"}


class Signal(BaseException):
    """What a signal raises, wherever the program is."""


ENDS = pytest.mark.parametrize("error", [OSError(errno.EIO, ""), Signal(), KeyboardInterrupt()])


def replace_folder(
    folder: Path, error: type[BaseException] | tuple[type[BaseException], ...]
) -> None:
    """Replace a folder, and see to it that it survives."""
    (folder / "out").mkdir()
    (folder / "out" / "00.png").write_bytes(b"old")
    new = AtomicFolder(f"{folder}/out/", Publication(force=True))
    fill(new, NEW)
    with pytest.raises(error):
        new.commit()
    new.discard()
    assert content_of(folder / "out") == {"00.png": b"old"}
    assert names(folder) == {"out"}


@ENDS
def test_folders_are_swapped_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    def interrupted(one: str, two: str) -> bool:
        raise error

    monkeypatch.setattr(rename, "_exchange", interrupted)
    replace_folder(tmp_path, (type(error), ReadWriteError))


@ENDS
@pytest.mark.parametrize("when", [1, 2])
def test_where_there_is_no_one_step_the_first_rename_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, when: int
):
    move, calls = os.rename, 0

    def interrupted(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls == when:
            raise error
        move(source, target)

    monkeypatch.setattr(rename, "_exchange", lambda one, two: False)
    monkeypatch.setattr(os, "rename", interrupted)
    replace_folder(tmp_path, (type(error), ReadWriteError))


# ------------------------------------------------------------------------- the way out


def test_discard_all_clears_what_is_under_way_and_nothing_else(tmp_path: Path):
    published = AtomicFile(str(tmp_path / "published"))
    published.commit()
    discarded = AtomicFile(str(tmp_path / "discarded"))
    discarded.discard()
    file = AtomicFile(str(tmp_path / "file"))
    folder = AtomicFolder(f"{tmp_path}/folder/")
    fill(folder, NEW)
    (tmp_path / "mine.part").write_bytes(b"")
    assert len(names(tmp_path)) == 4
    discard_all()
    assert names(tmp_path) == {"published", "mine.part"}
    discard_all()
    os.close(file.fd)


def test_discard_all_goes_on_after_something_that_can_not_be_removed(tmp_path: Path):
    one = AtomicFolder(f"{tmp_path}/one/")
    two = AtomicFile(str(tmp_path / "two"))
    Path(one.temporary, "unexpected").mkdir()
    discard_all()
    assert not os.path.exists(two.temporary)
    os.close(two.fd)


def test_discard_all_removes_folders_that_nothing_was_published_in(tmp_path: Path):
    for name in ("used", "unused"):
        make_folder(str(tmp_path / name))
    AtomicFile(str(tmp_path / "used" / "file")).commit()
    under_way = AtomicFile(str(tmp_path / "unused" / "file"))
    with pytest.raises(OutputRefusedError, match="can't be created"):
        make_folder(str(tmp_path / "used"))
    discard_all()
    assert names(tmp_path) == {"used"}
    os.close(under_way.fd)


# ---------------------------------------------------------------------------- part files


def leave_part(target: Path, content: bytes = b"left", journal: bytes = b"{}") -> None:
    """As a run that was stopped leaves it."""
    file = PartFile(str(target), Publication(resume=True))
    os.write(file.fd, content)
    Path(journal_of(str(target))).write_bytes(journal)
    file.keep()


def read_fd(fd: int) -> bytes:
    return os.pread(fd, 1000, 0)


@pytest.mark.usefixtures("publishing")
@given(st.binary(min_size=1, max_size=100), st.booleans(), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_part_file_is_found_again_and_published(content: bytes, force: bool, fsync: bool):
    with new_folder() as folder:
        target = folder / "out.npy"
        leave_part(target, content)
        assert content_of(folder) == {"out.npy.part": content, "out.npy.part.json": b"{}"}
        file = PartFile(str(target), Publication(force=force, fsync=fsync, resume=True))
        assert file.found
        assert read_fd(file.fd) == content
        file.take()
        file.commit(len(content))
        assert content_of(folder) == {"out.npy": content}
        file.discard()
        assert content_of(folder) == {"out.npy": content}


def test_what_was_found_stays_until_it_is_taken(tmp_path: Path):
    target = tmp_path / "out.npy"
    leave_part(target)
    before = content_of(tmp_path)
    PartFile(str(target), Publication(resume=True)).discard()
    assert content_of(tmp_path) == before
    file = PartFile(str(target), Publication(resume=True))
    discard_all()
    assert content_of(tmp_path) == before
    file.take()
    file.discard()
    assert names(tmp_path) == set()


def test_what_is_new_goes_when_it_is_not_kept(tmp_path: Path):
    file = PartFile(str(tmp_path / "out.npy"), Publication(resume=True))
    assert not file.found
    (tmp_path / "out.npy.part.json").write_bytes(b"{}")
    discard_all()
    assert names(tmp_path) == set()
    file.discard()


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("left", ["part", "journal", "empty part", "both"])
def test_a_part_without_a_journal_counts_nothing(tmp_path: Path, left: str, fresh: bool):
    target = tmp_path / "out.npy"
    leave_part(target, b"" if left == "empty part" else b"left")
    if left == "part":
        (tmp_path / "out.npy.part.json").unlink()
    if left == "journal":
        (tmp_path / "out.npy.part").unlink()
    file = PartFile(str(target), Publication(resume=not fresh))
    assert file.found == (left == "both" and not fresh)
    if not file.found:
        # The journal is gone before there can be anything that it does not know of.
        assert content_of(tmp_path) == {"out.npy.part": b""}
        file.discard()
        assert names(tmp_path) == set()
    file.discard()


def test_a_part_that_has_its_name_already_is_not_touched(tmp_path: Path):
    target = tmp_path / "out.npy"
    leave_part(target)
    os.link(f"{target}.part", target)
    file = PartFile(str(target), Publication(force=True, resume=True))
    assert not file.found
    os.write(file.fd, b"new")
    assert target.read_bytes() == b"left"
    file.commit(3)
    assert content_of(tmp_path) == {"out.npy": b"new"}


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "fifo", "socket"])
def test_what_is_no_part_file_is_not_touched(tmp_path: Path, kind: str):
    target, part = tmp_path / "out.npy", tmp_path / "out.npy.part"
    (tmp_path / "other").write_bytes(b"somebody else's")
    (tmp_path / "out.npy.part.json").write_bytes(b"{}")
    if kind == "folder":
        part.mkdir()
    elif kind == "fifo":
        os.mkfifo(part)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(part))
    else:
        part.symlink_to("other" if kind == "link" else "gone")
    for fresh in (False, True):
        with pytest.raises(
            OutputRefusedError, match=rf"{part}: is (a symbolic link|not a regular)"
        ):
            PartFile(str(target), Publication(resume=not fresh))
    assert names(tmp_path) == {"other", "out.npy.part", "out.npy.part.json"}
    assert (tmp_path / "other").read_bytes() == b"somebody else's"


@pytest.mark.skipif(as_root, reason="root may read everything")
def test_a_part_that_may_not_be_opened(tmp_path: Path):
    leave_part(tmp_path / "out.npy")
    (tmp_path / "out.npy.part").chmod(0)
    with pytest.raises(OutputRefusedError, match=r"can't be opened: Permission denied"):
        PartFile(str(tmp_path / "out.npy"), Publication(resume=True))


def test_a_folder_in_place_of_a_journal(tmp_path: Path):
    leave_part(tmp_path / "out.npy")
    (tmp_path / "out.npy.part.json").unlink()
    (tmp_path / "out.npy.part.json").mkdir()
    with pytest.raises(OutputRefusedError, match=r"out.npy.part.json: Is a directory"):
        PartFile(str(tmp_path / "out.npy"), Publication(resume=False))


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = str(tmp_path / "out.npy")
    first = PartFile(target, Publication(resume=True))
    os.write(first.fd, b"first")
    for fresh in (False, True):
        with pytest.raises(OutputRefusedError, match="is being written by another run, which"):
            PartFile(target, Publication(resume=not fresh))
    assert read_fd(first.fd) == b"first"

    def publish_late(*args: Any, **options: Any) -> None:
        # Closed, and about to get its name: nobody can have it yet.
        with pytest.raises(OutputRefusedError, match="is being written by another run"):
            PartFile(target, Publication(resume=True))
        publish(*args, **options)

    publish = rename.publish
    monkeypatch.setattr(publishing_module, "publish", publish_late)
    first.commit(5)
    assert content_of(tmp_path) == {"out.npy": b"first"}
    PartFile(target, Publication(force=True, resume=True)).discard()


@pytest.mark.parametrize("ending", ["commit", "discard"])
def test_who_comes_when_another_is_done_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
):
    """A run that opened the file of another before that one was published, or removed."""
    target = str(tmp_path / "out.npy")
    first = PartFile(target, Publication(resume=True))
    os.write(first.fd, b"first")
    endings = [getattr(first, ending)]
    lock = fcntl.flock

    def end_then_lock(fd: int, how: int) -> None:
        if endings:
            endings.pop()()
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", end_then_lock)
    second = PartFile(target, Publication(force=True, resume=True))
    assert not second.found
    os.write(second.fd, b"second")
    second.commit(6)
    assert content_of(tmp_path) == {"out.npy": b"second"}


def test_file_systems_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOTSUP, times=100))
    leave_part(tmp_path / "out.npy")
    file = PartFile(str(tmp_path / "out.npy"), Publication(resume=True))
    assert file.found
    file.take()
    file.commit(4)
    assert content_of(tmp_path) == {"out.npy": b"left"}


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644, 0o660])
def test_a_part_file_takes_the_permissions_of_what_it_replaces(tmp_path: Path, mode: int):
    target = tmp_path / "out.npy"
    target.write_bytes(b"old")
    target.chmod(mode)
    with umask(0o022):
        file = PartFile(str(target), Publication(force=True, resume=True))
    assert stat.S_IMODE(os.fstat(file.fd).st_mode) == mode | 0o600
    file.commit()
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_part_file_has_its_size_from_the_beginning(tmp_path: Path):
    target = str(tmp_path / "out.npy")
    file = PartFile(target, Publication(resume=True))
    file.settle(1000)
    assert os.fstat(file.fd).st_size == 1000
    Path(journal_of(target)).write_bytes(b"{}")
    file.keep()
    for size, is_refused in ((1000, False), (999, True), (1001, True)):
        file = PartFile(target, Publication(resume=True))
        if is_refused:
            with pytest.raises(OutputRefusedError, match=r"has 1000 bytes, and the job .* wrote"):
                file.settle(size)
        else:
            file.settle(size)
        file.discard()
        assert (tmp_path / "out.npy.part").stat().st_size == 1000


@given(st.integers(1, 255), st.integers(0, 200))
def test_names_of_part_files_are_never_too_long(length: int, other: int):
    one, two = "a" * length, "a" * (length - 1) + "b"
    with new_folder() as folder:
        files = [PartFile(str(folder / name), Publication(resume=True)) for name in (one, two)]
        for file in files:
            Path(journal_of(file.path)).write_bytes(b"")
        assert len(names(folder)) == 4
        for file in files:
            file.discard()
        assert names(folder) == set()


def test_shards_are_not_taken_for_what_a_run_has_left(tmp_path: Path):
    target = tmp_path / "out.npy"
    (tmp_path / "out.npy.part").write_bytes(b"shards")
    (tmp_path / "out.npy.part.0-of-2.json").write_bytes(b"{}")
    before = content_of(tmp_path)
    for fresh in (False, True):
        with pytest.raises(OutputRefusedError, match=r"has shards in .*; onebyone merge"):
            PartFile(str(target), Publication(resume=not fresh))
        assert content_of(tmp_path) == before


def test_a_checkpoint_is_not_taken_for_shards(tmp_path: Path):
    leave_part(tmp_path / "out.npy")
    before = content_of(tmp_path)
    with pytest.raises(OutputRefusedError, match="is the checkpoint of a run without shard="):
        SharedFile(str(tmp_path / "out.npy"), Publication(shared=True))
    assert content_of(tmp_path) == before


# -------------------------------------------------------------------------- check_target


def refused(path: Path | str, match: str, *, force: bool = False, inputs: Any = ()) -> None:
    with pytest.raises(OutputRefusedError, match=match) as caught:
        check_target(str(path), force=force, inputs=tuple(map(str, inputs)))
    assert str(caught.value).startswith(f"{path}: ")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with an input, its other names, and things that are in the way."""
    (tmp_path / "in.npy").write_bytes(b"input")
    (tmp_path / "link.npy").symlink_to("in.npy")
    os.link(tmp_path / "in.npy", tmp_path / "hard.npy")
    (tmp_path / "old.npy").write_bytes(b"old")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").write_bytes(b"image")
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").mkdir()
    return tmp_path


def state(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "name", ["in.npy", "link.npy", "hard.npy", "here/in.npy", "./images/../in.npy", "here/link.npy"]
)
def test_an_input_is_never_a_target(files: Path, name: str, force: bool):
    before = state(files)
    same = "is an input" if name == "in.npy" else "is the same file as .*in.npy, which is an input"
    refused(files / name, same, force=force, inputs=[files / "in.npy"])
    refused(files / name, "never written to", force=force, inputs=[files / "hard.npy"])
    refused(files / name, "never written to", force=force, inputs=[files / "link.npy"])
    assert state(files) == before


def test_an_input_that_is_read_from_a_descriptor_is_known(files: Path):
    fd = os.open(files / "in.npy", os.O_RDONLY)
    try:
        refused(files / "hard.npy", "which is an input", inputs=[f"/dev/fd/{fd}"], force=True)
    finally:
        os.close(fd)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["images/new.png", "images/0.png", "here/images/new.png"])
def test_no_target_in_a_folder_that_is_an_input(files: Path, name: str, force: bool):
    inputs = [files / "images", files / "images" / "0.png"]
    refused(files / name, "input", force=force, inputs=inputs)


@pytest.mark.parametrize("name", ["images/", "images", "here/images/"])
def test_a_folder_that_is_an_input_is_no_target(files: Path, name: str):
    refused(f"{files}/{name}", "input", force=True, inputs=[files / "images"])


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("gone/out.npy", "can't be created: .*gone does not exist"),
        ("old.npy/out.npy", "can't be created: .*old.npy is not a folder"),
        ("images", "is a folder; end the name with /"),
        ("empty", "is a folder; end the name with /"),
        ("old.npy/", "is a file, and the name asks for a folder"),
    ],
)
def test_targets_that_can_not_be(files: Path, name: str, match: str, force: bool):
    refused(f"{files}/{name}", match, force=force)


@pytest.mark.parametrize("name", ["old.npy", "images/", "here/old.npy", "loop", "link.npy"])
def test_what_exists_is_replaced_only_by_force(files: Path, name: str):
    refused(f"{files}/{name}", "exists already; use force=")
    check_target(f"{files}/{name}", force=True)


@pytest.mark.parametrize("name", ["new.npy", "new/", "empty/", "here/new.npy"])
@pytest.mark.parametrize("force", [False, True])
def test_targets_that_can_be(files: Path, name: str, force: bool):
    before = state(files)
    inputs = (str(files / "in.npy"), str(files / "images"), str(files / "no such file"))
    check_target(f"{files}/{name}", force=force, inputs=inputs)
    assert state(files) == before


@pytest.mark.skipif(as_root, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    refused(locked / "out.npy", "no permission to write in")


def test_a_folder_without_permission_as_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refused(tmp_path / "out.npy", f"no permission to write in {tmp_path}")


def test_special_files_are_written_to_as_they_are(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    server.close()
    for path in ("/dev/null", str(fifo), str(tmp_path / "socket")):
        assert is_special(path)
        check_target(path, force=False, inputs=(path,))
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path, tmp_path / "file", tmp_path / "nothing"):
        assert not is_special(str(path))


# --------------------------------------------------------------------------- check_space


@given(st.integers(0, 2**60), st.integers(0, 2**60), st.integers(1, 2**16))
def test_space(free: int, needed: int, block: int):
    def statvfs(path: str) -> Any:
        return os.statvfs_result((block, block, 2**60, free, free // block, 0, 0, 0, 0, 255))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "statvfs", statvfs)
        if free // block * block < needed:
            match = f"{free // block * block} bytes free .* takes {needed}; free some space"
            with pytest.raises(ReadWriteError, match=match):
                check_space("/folder/out.npy", needed)
        else:
            check_space("/folder/out.npy", needed)


def test_file_systems_without_blocks_are_not_full(monkeypatch: pytest.MonkeyPatch):
    """As /proc, and pipes in it."""
    none = os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: none)
    check_space("/folder/out.npy", 1 << 40)


def test_space_on_this_disk(tmp_path: Path):
    status = os.statvfs(tmp_path)
    check_space(str(tmp_path / "out"), 0)
    with pytest.raises(ReadWriteError):
        check_space(str(tmp_path / "out"), status.f_blocks * status.f_frsize + 1)
    # Where the system does not tell, writing will.
    check_space(str(tmp_path / "gone" / "out"), 1 << 80)
