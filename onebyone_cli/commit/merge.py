"""Publish an output that several jobs have filled."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit import targets
from onebyone_cli.commit.folder import AtomicFolder
from onebyone_cli.commit.journal import Journal, difference_of, find_journal, read_journal
from onebyone_cli.commit.publication import Publication
from onebyone_cli.commit.publishing import publish_file, sidecar_of, write_sidecar
from onebyone_cli.commit.temporaries import remove
from onebyone_cli.commit.unfinished import State, Unfinished
from onebyone_cli.errors import DataError, InputMissingError, OutputRefusedError, setting
from onebyone_cli.names import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Number of shards named in a message.
_NAMED = 10


class Published(NamedTuple):
    """A complete sharded output.

    Attributes
    ----------
    shards : int
        Their number; 0 if the output was published before.
    counts : mapping
        Sums of their counts by name; empty if published before.
    changed : bool
        False if an equal output was kept.
    """

    shards: int
    counts: Mapping[str, int]
    changed: bool = True


def publish_shards(
    path: str, publication: Publication, seal: Callable[[str, bytes], None] | None = None
) -> Published:
    """Check that all shards of an output are complete and of one job, and publish it.

    A published output of which no part is left is complete: repeating the call is harmless.

    Parameters
    ----------
    path : str
        The output, as the user wrote it.
    publication : Publication
    seal : callable, optional
        Completes an output of many files, given the folder or address of the files and the content
        of the part file.

    Raises
    ------
    InputMissingError
        If there are no shards.
    DataError
        If some are missing or not done, or they are of different jobs.
    OutputRefusedError
        If the output exists and may not be replaced.
    ReadWriteError
        If the system fails.
    """
    left = Unfinished(path)
    if left.state in (State.ABSENT, State.PUBLISHED):
        if not os.path.exists(path):
            raise InputMissingError(
                f"has no shards: {left.part} is not there; make them with "
                f"{setting('shard', 'I/N')} first",
                path,
            )
        _complete_pair(left)
        left.tidy()
        return Published(0, {})
    if not is_url(path):
        targets.check_target(path, force=publication.may_replace)
    found = left.shards()
    count = _check_complete(found, left)
    extra, counts = _check_same(found)
    if seal is not None:
        changed = publish_store(left, publication, seal)
        return Published(count, counts, changed)
    changed = publish_file(
        left.open(os.O_RDONLY),
        left.part,
        os.path.realpath(path),
        publication,
        path=path,
        size=int(extra.get("size", -1)),
        sidecar=sidecar_of(extra, path),
    )
    left.remove_journals()
    return Published(count, counts, changed)


def publish_store(
    left: Unfinished, publication: Publication, seal: Callable[[str, bytes], None]
) -> bool:
    """Publish a finished output of many files; return False if an equal one was kept."""
    path, changed = left.path, True
    with open(left.open(os.O_RDONLY), "rb") as file:
        content = file.read()
    if is_url(path):
        seal(path, content)
    else:
        seal(left.folder, content)
        if publication.may_replace and os.path.lexists(path):
            # The old output is about to have the name of the new one.
            left.remove_journals()
        changed = AtomicFolder(path, publication, existing=left.folder).commit()
    remove(left.folder)
    remove(left.part)
    left.remove_journals()
    return changed


def _complete_pair(left: Unfinished) -> None:
    """Write the sidecar of an output whose publication was interrupted before it."""
    for name in left.shards().values():
        extra = read_journal(name).extra
        sidecar = sidecar_of(extra, left.path)
        if sidecar is None or os.path.lexists(sidecar.path):
            continue
        found = os.stat(left.path)
        if [found.st_ino, found.st_size] == [extra.get("inode"), extra.get("size")]:
            write_sidecar(sidecar)


def check_left(path: str, count: int, describe: Callable[[], Mapping[str, Any]]) -> bool:
    """Refuse to resume shards of another command; return whether this command has left any.

    Parameters
    ----------
    path : str
        The output, as the user wrote it.
    count : int
        Number of shards of the job.
    describe : callable
        As in `checkpoint.Checkpoint`.

    Raises
    ------
    OutputRefusedError
        If there are shards of another number or of another job.
    """
    left = Unfinished(path)
    # Journals without a part are ignored; the job that creates a new part removes them.
    found = left.shards() if left.state in (State.SHARDED, State.NOTED) else {}
    for other in {number for _, number in found} - {count}:
        raise OutputRefusedError(
            f"{left.part} has shards of {other}, and this command makes {count}; finish the other "
            f"command, or discard them with {setting('resume', 'restart')}",
            path,
        )
    for name in found.values():
        find_journal(name, path, describe)
    return bool(found)


def discard_shards(path: str) -> None:
    """Remove the shards of an output, which no job may be writing."""
    left = Unfinished(path)
    if left.shards():
        left.remove_journals()
        remove(left.part)


def _check_complete(found: dict[tuple[int, int], str], left: Unfinished) -> int:
    """Refuse an output with missing shards; return their number."""
    counts = sorted({count for _, count in found})
    if not counts:
        raise DataError("has a part file but no shard; another run may be writing it", left.path)
    if len(counts) > 1:
        raise DataError(
            f"has shards of {counts[0]} and of {counts[1]}; all jobs must have the same number. "
            f"Remove the journals {left.part}.*.json that are not meant",
            left.path,
        )
    (count,) = counts
    done = {
        index
        for (index, _), name in found.items()
        if read_journal(name).extra.get("complete") is True
    }
    missing = [f"{index}/{count}" for index in range(count) if index not in done]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"is not complete: run shard {', '.join(missing[:_NAMED])}{more} again, then merge",
            left.path,
        )
    return count


def _check_same(found: dict[tuple[int, int], str]) -> tuple[dict[str, Any], Mapping[str, int]]:
    """Refuse shards of different jobs; return what they noted of the file, and sums of counts."""
    first: Journal | None = None
    counts: Counter[str] = Counter()
    for _, name in sorted(found.items()):
        journal = read_journal(name)
        first = first or journal
        difference = difference_of(first.job, journal.job)
        if difference:
            raise DataError(
                f"is of another job than the first shard: {difference}; run it again with the "
                f"command of the others and {setting('resume', 'restart')}",
                name,
            )
        counts.update(journal.done.counts)
    assert first is not None
    return first.extra, dict(counts)
