"""What a stopped job leaves behind is believed as far as it is true, and never further."""

import errno
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import new_folder

from onebyone_cli.commit import checkpoint, publishing, temporaries
from onebyone_cli.commit import journal as journals
from onebyone_cli.commit.checkpoint import Checkpoint, Ledger, Policy
from onebyone_cli.commit.journal import NOTHING, UNKNOWN, Done, difference_of, read_journal
from onebyone_cli.commit.part import PartFile
from onebyone_cli.commit.publication import Publication
from onebyone_cli.commit.unfinished import Unfinished, journal_of
from onebyone_cli.errors import DataError, OutputRefusedError, ReadWriteError

JOB = {"the weights": "abc", "nodata": None, "the input": ["/x.npy", "/y.npy"]}
TILES = 100

#: Far more than a test takes.
LATER = Policy(every=3600)
AT_ONCE = Policy(every=0)


@pytest.fixture(autouse=True)
def _nothing_left_under_way() -> Iterator[None]:
    yield
    left = set(temporaries._under_way)
    temporaries.discard_all()
    assert not left


class Run:
    """One run of a job that writes ``out.npy`` in a folder.

    Parameters
    ----------
    folder : Path
        Where.
    policy : Policy
        When to take notes.
    job : mapping
        What the job is.
    check : callable
        Raises if the input has changed.
    """

    def __init__(
        self,
        folder: Path,
        policy: Policy = AT_ONCE,
        job: Mapping[str, Any] = JOB,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = str(folder / "out.npy")
        self.notes = Checkpoint(Unfinished(self.path), lambda: job, TILES, check, policy)
        self.part = PartFile(self.path, Publication(force=True, resume=not policy.restart))
        try:
            self.part.settle(1000)
            self.notes.begin(self.part)
        except BaseException:
            self.part.discard()
            raise

    def stop(self) -> bool:
        kept = self.notes.stop()
        self.part.discard()
        return kept

    def drop(self) -> None:
        """End as if nothing was worth keeping."""
        self.notes._end.set()
        with self.notes._lock:
            self.part.discard()

    def publish(self) -> None:
        self.notes.end()
        self.part.commit(1000)


def leave(folder: Path, *ranges: tuple[int, int], synced: bool = False) -> Path:
    """Leave a checkpoint in which some tiles are done; returns the journal."""
    run = Run(folder)
    for first, last in ranges or [(0, 10)]:
        run.notes.add(first, last, {"saturated": last - first})
    if synced:
        run.notes._synced = run.notes.done
    assert run.stop()
    return Path(journal_of(run.path))


def rewrite(journal: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a journal as somebody would who knows how it is made."""
    content = json.loads(journal.read_text())
    del content["checksum"]
    change(content)
    content["checksum"] = journals._checksum(content)
    journal.write_text(json.dumps(content))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def refused(folder: Path, match: str, job: Mapping[str, Any] = JOB) -> None:
    """Assert that a run is refused in one line, changes nothing, and can be told to go ahead."""
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    with pytest.raises(OutputRefusedError, match=match) as caught:
        Run(folder, job=job)
    said = str(caught.value)
    assert "discard it with resume=restart" in said or "remove it" in said
    assert str(caught.value).isprintable()
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    run = Run(folder, Policy(every=0, restart=True), job)
    assert run.notes.done == NOTHING
    assert not run.part.found
    run.drop()


# ----------------------------------------------------------------------------------------- tiles

#: Ranges that follow each other, each of some tiles after some that are left out.
partitions = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=12)


@given(partitions, st.randoms(), st.integers(0, 50), st.integers(0, 50))
def test_tiles_that_are_done_are_a_set(
    steps: list[tuple[int, int]], rng: random.Random, one: int, two: int
):
    ranges, at = [], 0
    for left_out, count in steps:
        ranges.append((at + left_out, at + left_out + count))
        at += left_out + count
    rng.shuffle(ranges)
    done, tiles = NOTHING, set[int]()
    for first, last in ranges:
        done = done.with_more(first, last, {"saturated": last - first, f"in {first}": 1})
        tiles |= set(range(first, last))
    assert [tile for first, last in done.ranges for tile in range(first, last)] == sorted(tiles)
    # Apart, and therefore as few as can be.
    assert all(a[1] < b[0] for a, b in zip(done.ranges, done.ranges[1:], strict=False))
    assert done.counts.get("saturated", 0) == len(tiles)
    assert sum(done.counts.values()) == len(tiles) + len(ranges)
    start, stop = sorted((one, two))
    gaps = list(done.gaps(start, stop))
    assert all(first < last for first, last in gaps)
    left = [tile for first, last in gaps for tile in range(first, last)]
    assert left == [tile for tile in range(start, stop) if tile not in tiles]
    assert len(gaps) <= len(done.ranges) + 1
    # What is cut out of the gaps can be added, and then nothing is left.
    for first, last in gaps:
        done = done.with_more(first, last, {})
    assert list(done.gaps(start, stop)) == []


def test_many_threads_write_in_one_ledger():
    ledger = Ledger()

    def work(start: int) -> None:
        for tile in range(start, 1600, 8):
            ledger.add(tile, tile + 1, {"saturated": tile})

    threads = [threading.Thread(target=work, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.done == Done(((0, 1600),), {"saturated": sum(range(1600))})


# ---------------------------------------------------------------------------------- save and load


@given(partitions, st.dictionaries(st.text(max_size=5), st.integers(0, 2**70), max_size=3))
def test_what_was_saved_is_found(steps: list[tuple[int, int]], counts: dict[str, int]):
    with new_folder() as folder:
        run, at, ranges = Run(folder), 0, []
        for left_out, count in steps:
            at += left_out + 1
            ranges.append((at, at + count))
            run.notes.add(at, at + count, counts)
            at += count
        run.notes.extra["range"] = [0.1, float("-1e-310")]
        done, extra = run.notes.done, run.notes.extra
        assert done.ranges == tuple(ranges)
        assert run.stop()
        assert names(folder) == {"out.npy.part", "out.npy.part.json"}
        again = Run(folder)
        assert again.part.found
        assert again.notes.done == done
        assert again.notes.extra == extra
        again.publish()
        assert names(folder) == {"out.npy"}


def test_without_a_thread_for_notes_the_last_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    run = Run(tmp_path, Policy(every=1e-9))
    time.sleep(0.001)
    run.notes.add(0, 50, {"saturated": 3})
    run.notes.add(50, 60, {})
    assert run.notes.stop()
    assert read_journal(journal_of(run.path)).done == Done(((0, 60),), {"saturated": 3})


def test_what_a_short_job_does_is_not_noted(tmp_path: Path):
    def describe() -> dict[str, Any]:
        raise AssertionError("it takes time, and nobody wants to know")

    path = str(tmp_path / "out.npy")
    notes = Checkpoint(Unfinished(path), describe, TILES, lambda: None, LATER)
    part = PartFile(path, Publication(resume=True))
    threads = threading.active_count()
    notes.begin(part)
    notes.add(0, 50, {})
    assert names(tmp_path) == {"out.npy.part"}
    assert threading.active_count() == threads
    assert not notes.stop()
    part.discard()
    assert names(tmp_path) == set()


def test_a_longer_job_that_is_stopped_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Run(tmp_path, LATER)
    run.notes.add(0, 50, {})
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3601)
    assert run.stop()
    assert Run(tmp_path, LATER).stop()  # nor is it lost to a run that does nothing
    again = Run(tmp_path, LATER)
    assert again.notes.done.ranges == ((0, 50),)
    again.publish()


def test_a_job_that_has_done_nothing_keeps_nothing(tmp_path: Path):
    run = Run(tmp_path)
    assert not run.stop()
    assert names(tmp_path) == set()


def test_a_range_that_was_measured_is_worth_keeping(tmp_path: Path):
    run = Run(tmp_path)
    run.notes.extra["range"] = [0.0, 1.0]
    assert run.stop()
    assert Run(tmp_path).notes.extra == {"range": [0.0, 1.0]}
    temporaries.discard_all()


def test_notes_are_taken_from_time_to_time(tmp_path: Path):
    run = Run(tmp_path, Policy(every=0.05))
    journal = Path(journal_of(run.path))
    tile, deadline = 0, time.monotonic() + 20
    while not (journal.exists() and read_journal(str(journal)).synced.ranges):
        assert time.monotonic() < deadline
        run.notes.add(tile, tile + 1, {})
        tile += 1
        time.sleep(0.01)
    found = read_journal(str(journal))
    assert found.job == JOB
    assert found.done.ranges[0][0] == 0
    assert found.synced.ranges[0][1] <= found.done.ranges[0][1]
    run.publish()
    time.sleep(0.7)  # nobody writes it any more
    assert names(tmp_path) == {"out.npy"}


def test_everything_is_noted_at_once(tmp_path: Path):
    run = Run(tmp_path, AT_ONCE)
    journal = journal_of(run.path)
    assert read_journal(journal).done == NOTHING
    for tile in (3, 1, 2):
        run.notes.add(tile, tile + 1, {"replaced": 2})
        assert read_journal(journal).done == run.notes.done
    run.drop()


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", JOB)
def test_another_job_is_refused(tmp_path: Path, name: str):
    leave(tmp_path)
    refused(tmp_path, f"is a checkpoint of another command: {name} was ", {**JOB, name: "other"})


def test_a_job_that_has_more_or_less_to_it_is_refused(tmp_path: Path):
    leave(tmp_path)
    refused(tmp_path, "new was null and is 1", {**JOB, "new": 1})
    leave(tmp_path)
    less = {name: value for name, value in JOB.items() if name != "the weights"}
    refused(tmp_path, "the weights was abc and is null", less)


def test_what_is_unknown_differs_from_nothing(tmp_path: Path):
    leave(tmp_path)
    before = names(tmp_path)
    path = str(tmp_path / "out.npy")
    now = {**JOB, "the weights": UNKNOWN}
    Checkpoint(Unfinished(path), lambda: now, TILES, lambda: None, LATER)
    other = {**now, "nodata": 1}
    with pytest.raises(OutputRefusedError, match="nodata was null and is 1"):
        Checkpoint(Unfinished(path), lambda: other, TILES, lambda: None, LATER)
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ([1, 2, 3], [1, 5, 3], "it was 2 and is 5"),
        ([[1, 2], ["a", "b"]], [[1, 2], ["a", "c"]], "it was b and is c"),
        ([1, 2], [1], "it was [1, 2] and is [1]"),
        ({"a": 1}, {"a": 2}, 'it was {"a": 1} and is {"a": 2}'),
        ("\x1b[31m", "b" * 1000, f"it was \x1b[31m and is {'b' * 197}..."),
        ([], [], ""),
    ],
)
def test_the_first_difference_is_told(then: Any, now: Any, told: str):
    assert difference_of({"one": 1, "it": then}, {"one": 1, "it": now}) == told


@pytest.mark.parametrize("boot", ["another", "", None])
@pytest.mark.parametrize("synced", [False, True])
def test_after_a_crash_only_what_was_on_the_disk_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boot: str | None, synced: bool
):
    (tmp_path / "boot").write_text("one")
    monkeypatch.setattr(journals, "_BOOT_ID", str(tmp_path / "boot"))
    run = Run(tmp_path)
    run.notes._noting = True  # what is on the disk is said here
    run.notes.add(0, 10, {"saturated": 1})
    if synced:
        run.notes._synced = run.notes.done
    run.notes.add(10, 20, {"saturated": 2})
    assert run.stop()
    assert read_journal(journal_of(run.path)).done == Done(((0, 20),), {"saturated": 3})
    if boot is None:
        (tmp_path / "boot").unlink()
    else:
        (tmp_path / "boot").write_text(boot)
    again = Run(tmp_path)
    assert again.notes.done == (Done(((0, 10),), {"saturated": 1}) if synced else NOTHING)
    again.drop()


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_damage_is_noticed(place: int, flipped: int):
    with new_folder() as folder:
        journal = leave(folder, (0, 10), (30, 45))
        content = bytearray(journal.read_bytes())
        place %= len(content)
        if flipped:
            content[place] ^= flipped
        else:
            del content[place:]
        journal.write_bytes(content)
        try:
            run = Run(folder)
        except OutputRefusedError as error:
            said = str(error)
        else:  # another spelling of the same
            said = "discard it with resume=restart"
            assert run.notes.done.ranges == ((0, 10), (30, 45))
            run.drop()
        assert "discard it with resume=restart" in said


def set_tiles(*ranges: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["written"].update(tiles=ranges)


def set_counts(counts: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["written"].update(counts=counts)


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no kind": lambda content: content.pop("kind"),
    "another kind": lambda content: content.update(kind="onebyone checkpoint 99"),
    "a list for a kind": lambda content: content.update(kind=[]),
    "no job": lambda content: content.pop("job"),
    "a list for a job": lambda content: content.update(job=[1, 2]),
    "a number for a job": lambda content: content.update(job=7),
    "no boot": lambda content: content.pop("boot"),
    "no tiles": lambda content: content["written"].pop("tiles"),
    "a list for tiles and counts": lambda content: content.update(written=[]),
    "nothing synced": lambda content: content.update(synced=None),
    "a number for extra": lambda content: content.update(extra=3),
    "a text for tiles": lambda content: content["written"].update(tiles="ab"),
    "a number for tiles": lambda content: content["written"].update(tiles=3),
    "tiles that are no pair": set_tiles([1]),
    "tiles that are three": set_tiles([1, 2, 3]),
    "tiles by name": set_tiles({"1": 2}),
    "fractions": set_tiles([0, 1.5]),
    "whole fractions": set_tiles([0.0, 2.0]),
    "truth": set_tiles([False, True]),
    "texts": set_tiles(["0", "1"]),
    "nulls": set_tiles([None, None]),
    "not a number": set_tiles([0, float("nan")]),
    "no end": set_tiles([0, float("inf")]),
    "negative": set_tiles([-5, 3]),
    "empty": set_tiles([5, 5]),
    "backwards": set_tiles([5, 3]),
    "overlapping": set_tiles([0, 5], [4, 9]),
    "the same twice": set_tiles([0, 5], [0, 5]),
    "out of order": set_tiles([10, 20], [0, 5]),
    "not joined": set_tiles([0, 5], [5, 9]),
    "one too many": set_tiles([0, TILES + 1]),
    "huge": set_tiles([0, 10**400]),
    "counts in a list": set_counts([["saturated", 1]]),
    "a fraction counted": set_counts({"saturated": 0.5}),
    "a text counted": set_counts({"saturated": "1"}),
    "a negative count": set_counts({"saturated": -1}),
    "a nested count": set_counts({"saturated": {"a": 1}}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_no_run_can_have_written_is_refused(tmp_path: Path, case: str):
    rewrite(leave(tmp_path), HOSTILE[case])
    refused(tmp_path, "checkpoint|too many blocks")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 500,
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"kind": "onebyone checkpoint 1", "written": {"tiles": [[0, ' + b"9" * 5000 + b"]]}}",
        b"null",
        b"3",
        b'"text"',
        b"[]",
        b"{}",
        b'{"kind": "onebyone checkpoint 1"}',
        b'{"kind": "onebyone checkpoint 1", "checksum": 0}',
    ],
    ids=lambda content: repr(content[:40]),
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes):
    leave(tmp_path).write_bytes(content)
    refused(tmp_path, "checkpoint")


def test_a_journal_without_an_end_is_not_read_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    leave(tmp_path)
    monkeypatch.setattr(journals, "_LONGEST", 100)
    refused(tmp_path, "has more than 100 bytes; remove it or write somewhere else")


def test_a_journal_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = str(leave(tmp_path))

    def deny(path: Any, *args: Any) -> int:
        if path == journal:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return plain(path, *args)

    plain = os.open
    monkeypatch.setattr(os, "open", deny)
    refused(tmp_path, "part.json: can't be opened: Permission denied; remove it or write somewhere")


def test_a_journal_alone_is_nothing(tmp_path: Path):
    leave(tmp_path)
    (tmp_path / "out.npy.part").unlink()
    run = Run(tmp_path, LATER, {**JOB, "nodata": 1})
    assert run.notes.done == NOTHING
    assert names(tmp_path) == {"out.npy.part"}
    run.publish()


def test_a_part_that_was_published_is_nothing(tmp_path: Path):
    leave(tmp_path)
    os.link(tmp_path / "out.npy.part", tmp_path / "out.npy")
    run = Run(tmp_path, LATER, {**JOB, "nodata": 1})
    assert run.notes.done == NOTHING
    assert (tmp_path / "out.npy").stat().st_size == 1000
    run.drop()
    assert names(tmp_path) == {"out.npy"}


def test_a_checkpoint_that_changes_before_it_is_locked(tmp_path: Path):
    """Another run may have come in between; what that one leaves is not ours to remove."""
    leave(tmp_path)
    path = str(tmp_path / "out.npy")
    notes = Checkpoint(Unfinished(path), lambda: JOB, TILES, lambda: None, LATER)
    leave(tmp_path, (20, 30))
    rewrite(Path(journal_of(path)), lambda content: content["job"].update({"nodata": 5}))
    part = PartFile(path, Publication(resume=True))
    before = names(tmp_path)
    with pytest.raises(OutputRefusedError, match="nodata was 5 and is null"):
        notes.begin(part)
    assert not notes.stop()
    part.discard()
    temporaries.discard_all()
    assert names(tmp_path) == before


# ------------------------------------------------------------------------- disks that are at fault


def test_what_the_disk_refuses_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = Run(tmp_path, Policy(every=0.01))
    calls = 0

    def fdatasync(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(checkpoint, "_LEAST_S", 0.2)
    time.sleep(0.02)
    run.notes.add(0, 10, {"saturated": 1})
    deadline = time.monotonic() + 20
    while not run.notes._synced.ranges:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while run.notes._failure is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(ReadWriteError, match="writing failed: Input/output error") as caught:
        run.notes.add(10, 20, {"saturated": 1})
    assert caught.value.path == run.path
    with pytest.raises(ReadWriteError, match="Input/output error"):
        run.notes.end()
    assert run.stop()
    # What was on the disk before is still there.
    assert Run(tmp_path, LATER).notes.done == Done(((0, 10),), {"saturated": 1})
    temporaries.discard_all()
    for name in names(tmp_path):
        (tmp_path / name).unlink()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_disks_that_can_not_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    def fdatasync(fd: int) -> None:
        raise OSError(number, "")

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    run = Run(tmp_path, Policy(every=0.01))
    time.sleep(0.02)
    run.notes.add(0, 10, {})
    journal, deadline = Path(journal_of(run.path)), time.monotonic() + 20
    while not journal.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert run.notes._synced == NOTHING
    run.publish()


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_notes_are_not_worth_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    run = Run(tmp_path)
    run.notes.add(0, 10, {})

    def fail(*args: Any, **options: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if call == "open":
            patch.setattr(publishing, "_write_new", fail)
        else:
            patch.setattr(os, call, fail)
        run.notes.add(10, 20, {})
        # A journal that was saved before stays, and is true.
        assert run.stop()
    assert names(tmp_path) == {"out.npy.part", "out.npy.part.json"}
    again = Run(tmp_path)
    assert again.notes.done.ranges == ((0, 10),)
    again.drop()


def test_without_any_journal_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    run = Run(tmp_path)
    run.notes.add(0, 10, {})
    assert not run.stop()
    assert names(tmp_path) == set()


def test_an_input_that_changes_is_the_end_of_notes(tmp_path: Path):
    changed = False

    def check() -> None:
        if changed:
            raise ReadWriteError("was changed while it was being read; run again", "x.npy")

    run = Run(tmp_path, check=check)
    run.notes.add(0, 10, {})
    changed = True
    run.notes.add(10, 20, {})
    assert read_journal(journal_of(run.path)).done.ranges == ((0, 10),)
    assert not run.stop()
    assert names(tmp_path) == set()


def test_a_part_that_somebody_has_removed_is_not_kept(tmp_path: Path):
    run = Run(tmp_path)
    run.notes.add(0, 10, {})
    (tmp_path / "out.npy.part").unlink()
    assert not run.stop()
    assert names(tmp_path) == set()


@pytest.mark.parametrize("kind", ["link", "dangling"])
def test_a_link_in_place_of_a_journal_is_replaced(tmp_path: Path, kind: str):
    run = Run(tmp_path, LATER)
    (tmp_path / "other").write_bytes(b"somebody else's")
    Path(journal_of(str(tmp_path / "out.npy"))).symlink_to("other" if kind == "link" else "gone")
    run.notes._began -= 3601
    run.notes.add(0, 10, {})
    assert run.stop()
    assert names(tmp_path) == {"other", "out.npy.part", "out.npy.part.json"}
    assert (tmp_path / "other").read_bytes() == b"somebody else's"
    assert not (tmp_path / "out.npy.part.json").is_symlink()
    Run(tmp_path).publish()


# --------------------------------------------------------------------------------------- shards


def test_a_shard_keeps_its_journal(tmp_path: Path):
    policy = Policy(always=True)
    run = Run(tmp_path, policy)
    journal = journal_of(run.path)
    assert read_journal(journal).done == NOTHING
    run.notes.add(0, 10, {"saturated": 1})
    run.notes.complete(complete=True, size=1000)
    found = read_journal(journal)
    assert found.extra == {"complete": True, "size": 1000}
    assert found.done == found.synced == Done(((0, 10),), {"saturated": 1})
    run.drop()


def test_a_shard_that_another_run_has_completed_stays_complete(tmp_path: Path):
    """A cluster may have two runs at one shard, when it can't reach a worker that goes on."""
    first = Run(tmp_path, Policy(always=True))
    first.notes.add(0, 4, {})
    journal = journal_of(first.path)
    rewrite(Path(journal), lambda content: content.update(extra={"complete": True}))
    assert first.notes.stop()
    assert read_journal(journal).extra == {"complete": True}
    first.drop()


def test_a_shard_that_begins_anew_is_not_complete(tmp_path: Path):
    run = Run(tmp_path, Policy(always=True))
    run.notes.add(0, 10, {})
    run.notes.complete(complete=True)
    run.part.keep()
    anew = Run(tmp_path, Policy(always=True, restart=True))
    assert read_journal(journal_of(anew.path)).extra == {}
    anew.drop()


def test_a_shard_that_can_not_say_that_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = Run(tmp_path, Policy(always=True))

    def fail(*args: Any) -> Any:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ReadWriteError, match=r"out.npy.part.json: writing failed: .*quota"):
        run.notes.complete(complete=True)
    run.drop()


def test_a_journal_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        read_journal("/no/such/file")


def test_a_journal_of_another_version(tmp_path: Path):
    journal = leave(tmp_path)
    rewrite(journal, HOSTILE["another kind"])
    with pytest.raises(DataError, match="is a checkpoint of another version"):
        read_journal(str(journal))
