"""Files that lie where a run looks for its own count only if they are its own."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Completed, environment, onebyone, start

COMMAND = ("apply", "x.npy", "-w", "w.npy", "-o", "out.npy")
SHARDS = tuple(("--shard", f"{index}/2") for index in range(2))

RESTART = ("--resume", "restart")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    np.save(tmp_path / "x.npy", rng.normal(size=(3, 50, 60)).astype(np.float32))
    np.save(tmp_path / "w.npy", rng.normal(size=(3, 3)))
    return tmp_path


def run(folder: Path, *arguments: str, status: int = 0) -> Completed:
    done = onebyone(*arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    return done


def expected(folder: Path) -> bytes:
    run(folder, "apply", "x.npy", "-w", "w.npy", "-o", "expected.npy")
    return (folder / "expected.npy").read_bytes()


def left(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if ".part" in name)


# ----------------------------------------------------------------------------- second names


@pytest.mark.parametrize("more", [(), SHARDS[0]])
def test_a_published_output_is_never_written_into(folder: Path, more: tuple[str, ...]):
    run(folder, *COMMAND)
    before = (folder / "out.npy").read_bytes()
    np.save(folder / "w.npy", np.eye(3))
    os.link(folder / "out.npy", folder / "out.npy.part")
    os.link(folder / "out.npy", folder / "kept.npy")
    run(folder, *COMMAND, "-f", *more)
    assert (folder / "kept.npy").read_bytes() == before
    assert ((folder / "out.npy").read_bytes() == before) == bool(more)


@pytest.mark.parametrize("more", [(), RESTART, SHARDS[0]])
def test_a_part_that_is_another_file_as_well_is_refused(folder: Path, more: tuple[str, ...]):
    other = expected(folder)
    os.link(folder / "expected.npy", folder / "out.npy.part")
    np.save(folder / "w.npy", np.eye(3))
    done = run(folder, *COMMAND, *more, status=73)
    assert "out.npy.part: is the second name of another file; remove it or write" in done.stderr
    assert (folder / "expected.npy").read_bytes() == other


def test_a_journal_that_is_another_file_as_well_is_refused(folder: Path):
    run(folder, *COMMAND, *SHARDS[0])
    os.link(folder / "out.npy.part.0-of-2.json", folder / "other")
    for command in ((*COMMAND, *SHARDS[0]), ("merge", "out.npy"), ("info", "out.npy.part")):
        done = run(folder, *command, status=73)
        assert "0-of-2.json: is the second name of another file" in done.stderr


@pytest.mark.parametrize("more", [(), ("-f",)])
def test_a_merge_that_was_killed_between_two_names_is_completed(
    folder: Path, more: tuple[str, ...]
):
    """As where the file system can't rename without replacing: link, then unlink."""
    whole = expected(folder)
    for shard in SHARDS:
        run(folder, *COMMAND, *shard)
    os.link(folder / "out.npy.part", folder / "out.npy")
    run(folder, "merge", "out.npy", *more)
    assert (folder / "out.npy").read_bytes() == whole
    assert left(folder) == []


def test_a_rename_of_two_names_of_one_file_leaves_one(tmp_path: Path):
    from onebyone_cli.system.rename import publish

    (tmp_path / "part").write_bytes(b"x")
    os.link(tmp_path / "part", tmp_path / "out")
    publish(str(tmp_path / "part"), str(tmp_path / "out"), force=True)
    assert os.listdir(tmp_path) == ["out"]


# --------------------------------------------------------------------- files of other users


@as_root
@pytest.mark.parametrize("more", [(), RESTART, SHARDS[0]])
def test_a_part_of_another_user_is_refused(folder: Path, more: tuple[str, ...]):
    part = folder / "out.npy.part"
    part.touch()
    os.chown(part, 1234, -1)
    part.chmod(0o666)
    done = run(folder, *COMMAND, *more, status=73)
    assert "out.npy.part: belongs to user 1234; remove it or write somewhere else" in done.stderr
    assert not (folder / "out.npy").exists()
    assert part.stat().st_size == 0


@as_root
@pytest.mark.parametrize("command", [(*COMMAND, *SHARDS[0]), ("merge", "out.npy")])
def test_a_journal_of_another_user_is_refused(folder: Path, command: tuple[str, ...]):
    for shard in SHARDS:
        run(folder, *COMMAND, *shard)
    os.chown(folder / "out.npy.part.0-of-2.json", 1234, -1)
    done = run(folder, *command, status=73)
    assert "0-of-2.json: belongs to user 1234; remove it or write somewhere else" in done.stderr
    assert not (folder / "out.npy").exists()


def test_what_another_user_owns_is_refused_by_all(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The same without root: all files seem to be another's."""
    from onebyone_cli.commit import owned
    from onebyone_cli.errors import OutputRefusedError

    (folder / "journal").write_bytes(b"{}")
    monkeypatch.setattr(owned, "_is_uid_of_ours", lambda uid, name: False)
    assert owned.read_owned(str(folder / "journal"), 2) == b"{}"
    monkeypatch.setattr(os, "geteuid", lambda: -5)
    with pytest.raises(OutputRefusedError, match=r"journal: belongs to .*; remove it or write"):
        owned.read_owned(str(folder / "journal"), 2)


def test_a_file_system_that_knows_no_owners(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Some network mounts show one owner of all files, and it is not the one who runs this."""
    from onebyone_cli.commit import owned

    (folder / "journal").write_bytes(b"{}")
    before = os.listdir(folder)
    monkeypatch.setattr(os, "geteuid", lambda: -5)
    assert owned.read_owned(str(folder / "journal"), 2) == b"{}"
    assert os.listdir(folder) == before


def test_a_part_that_was_found_hands_on_no_permissions(folder: Path):
    part = folder / "out.npy.part"
    part.touch()
    part.chmod(0o666)
    mask = os.umask(0o022)
    try:
        run(folder, *COMMAND)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((folder / "out.npy").stat().st_mode) == 0o644


# -------------------------------------------------------------------------- pipes and devices


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("out.npy.part", COMMAND),
        ("out.npy.part", (*COMMAND, *SHARDS[0])),
        ("out.npy.part.1-of-2.json", ("merge", "out.npy")),
        ("out.npy.part.1-of-2.json", ("info", "out.npy.part")),
        ("out.npy.part.1-of-2.json", (*COMMAND, *SHARDS[1])),
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_refused(
    folder: Path, name: str, command: tuple[str, ...], kind: str
):
    if "json" in name:
        run(folder, *COMMAND, *SHARDS[0])
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to("/dev/zero")
    done = run(folder, *command, status=73)
    found = "is not a regular file" if kind == "pipe" else "is a symbolic link"
    assert f"{name}: {found}; remove it or write somewhere else" in done.stderr


def test_a_pipe_in_place_of_a_part_is_no_unfinished_output(folder: Path):
    os.mkfifo(folder / "out.npy.part")
    done = run(folder, "info", "out.npy.part", status=73)
    assert "out.npy.part: is not a regular file" in done.stderr


# ------------------------------------------------------------------- several at one time


def test_two_processes_at_one_shard_do_no_harm(folder: Path):
    rng = np.random.default_rng(4)
    np.save(folder / "x.npy", rng.normal(size=(3, 300, 400)).astype(np.float32))
    whole = expected(folder)
    command = (*COMMAND, "--shard", "0/1", "--checkpoint-every", "0", "--memory", "1M")
    for _ in range(6):
        jobs = [start(*command, cwd=folder) for _ in range(2)]
        said = [job.communicate()[1].decode() for job in jobs]
        assert [job.returncode for job in jobs] == [0, 0], said
        run(folder, "merge", "out.npy")
        assert (folder / "out.npy").read_bytes() == whole
        (folder / "out.npy").unlink()
        assert left(folder) == []


def test_a_journal_that_two_write_is_whole_at_every_instant(tmp_path: Path):
    from onebyone_cli.commit.publishing import replace_file

    path, contents = tmp_path / "journal", [b"1" * 9000, b"2" * 9000]
    path.write_bytes(contents[0])

    def write(content: bytes) -> None:
        for _ in range(100):
            replace_file(str(path), f"{path}.new-{content[:1]!r}", content)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["journal"]


# ------------------------------------------------------------------------ what stays behind


def test_a_journal_without_a_part_goes_when_the_output_is_there(folder: Path):
    run(folder, *COMMAND)
    (folder / "out.npy.part.json").write_bytes(b"{}")
    done = run(folder, *COMMAND, status=73)
    assert "exists already" in done.stderr
    assert left(folder) == []


@pytest.mark.parametrize(("more", "status"), [((), 73), (("--skip-existing",), 0)])
def test_an_output_of_each_has_no_journal_left(folder: Path, more: tuple[str, ...], status: int):
    each = ("apply", "x.npy", "--each", "-w", "w.npy", "-o", "outs")
    run(folder, *each)
    (folder / "outs" / "x.npy.part.json").write_bytes(b"{}")
    run(folder, *each, *more, status=status)
    assert left(folder / "outs") == []


def test_an_error_of_a_lock_that_is_closed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from onebyone_cli.commit.part import PartFile
    from onebyone_cli.commit.publication import Publication

    file = PartFile(str(tmp_path / "out"), Publication(resume=True))
    close, closed = os.close, []

    def fail_second(fd: int) -> None:
        close(fd)
        closed.append(fd)
        if len(closed) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "close", fail_second)
    file.commit(0)
    assert len(closed) == 2
    assert os.listdir(tmp_path) == ["out"]


def test_what_can_not_be_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from onebyone_cli.commit import temporaries
    from onebyone_cli.commit.part import PartFile
    from onebyone_cli.commit.publication import Publication

    file = PartFile(str(tmp_path / "out"), Publication(resume=True))
    (tmp_path / "out.part.json").write_bytes(b"{}")

    def fail(path: str, **options: Any) -> None:
        raise OSError(errno.EIO if os.path.lexists(path) else errno.ENOENT, "Input/output error")

    monkeypatch.setattr(os, "unlink", fail)
    said: list[str] = []
    monkeypatch.setattr(temporaries, "_warn", said.append)
    file.commit(0)
    part = os.path.realpath(tmp_path / "out.part.json")
    assert said == [f"{part} can't be removed: Input/output error; remove it"]


def test_the_program_says_in_a_line_what_it_could_not_remove(folder: Path):
    script = (
        "import os, sys\n"
        "unlink = os.unlink\n"
        "def fail(path, **options):\n"
        "    if path.endswith('.json'):\n"
        "        raise OSError(5, 'Input/output error')\n"
        "    unlink(path, **options)\n"
        "os.unlink = fail\n"
        "from onebyone_cli.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *COMMAND, "--checkpoint-every", "0", "-q"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    part = os.path.realpath(folder / "out.npy.part.json")
    assert done.stderr == f"warning: {part} can't be removed: Input/output error; remove it\n"


def test_a_long_name_is_found_by_its_part(folder: Path):
    name = "o" * 240 + ".npy"
    run(folder, "apply", "x.npy", "-w", "w.npy", "-o", name, *SHARDS[0])
    part = next(found for found in left(folder) if found.endswith(".part"))
    for asked in (name, part):
        found = json.loads(run(folder, "info", asked, "--json").stdout)
        assert found["paths"][0]["shards_missing"] == [1]
