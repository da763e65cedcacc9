"""Publishing an output that several jobs have filled."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit import targets
from onebyone_cli.commit.atomic import have_same_bytes, sync_file
from onebyone_cli.commit.journal import (
    Journal,
    difference_of,
    find_journal,
    read_journal,
    remove_journal,
    shard_journals,
)
from onebyone_cli.commit.part import part_of
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, InputMissingError, OutputRefusedError, read_write_error
from onebyone_cli.system.rename import publish, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Shards named in a message.
_NAMED = 10


class Published(NamedTuple):
    """A sharded output that is complete.

    Attributes
    ----------
    shards : int
        How many it was made of; 0 if it was published before.
    counts : mapping
        Sums of what they have counted, by name; empty if it was published before.
    changed : bool
        False where an equal output was there and was kept.
    """

    shards: int
    counts: Mapping[str, int]
    changed: bool = True


def publish_shards(path: str, publication: Publication) -> Published:
    """Check that all shards of an output are there, of one and the same job, and publish it.

    May be done again: an output that is there already, and of which no part is left, is complete.

    Parameters
    ----------
    path : str
        The output, as the user wrote it.
    publication : Publication
        How it is published.

    Returns
    -------
    Published
        What it was made of.

    Raises
    ------
    InputMissingError
        If there are no shards.
    DataError
        If some are missing or not done, or they are of different jobs.
    OutputRefusedError
        If the output exists and `force` is off.
    ReadWriteError
        If the system fails.
    """
    part = part_of(path)
    found = shard_journals(part)
    if not os.path.exists(part):
        if not os.path.exists(path):
            raise InputMissingError(
                f"has no shards: {part} is not there; make them with --shard I/N first", path
            )
        _remove(found)
        return Published(0, {})
    targets.check_target(path, force=publication.may_replace)
    count = _check_complete(found, path)
    size, counts = _check_same(found)
    changed = _publish(part, path, size, publication)
    _remove(found)
    return Published(count, counts, changed)


def check_left(path: str, count: int, describe: Callable[[], Mapping[str, Any]]) -> bool:
    """Refuse to go on where another command has left shards; say whether this one has left any.

    Parameters
    ----------
    path : str
        The output, as the user wrote it.
    count : int
        How many shards the job has.
    describe : callable
        Says what the job is, as in `checkpoint.Checkpoint`.

    Raises
    ------
    OutputRefusedError
        If there are shards of another number or of another job.
    """
    part = part_of(path)
    # Journals of a part that is gone count nothing; whoever makes a new one removes them.
    found = shard_journals(part) if os.path.exists(part) else {}
    for other in {number for _, number in found} - {count}:
        raise OutputRefusedError(
            f"{part} has shards of {other}, and this command makes {count}; finish the other "
            "command, or discard them with --resume restart",
            path,
        )
    for name in found.values():
        find_journal(name, path, describe)
    return bool(found)


def discard_shards(path: str) -> None:
    """Remove what shards of an output have left, which nobody may be writing."""
    part = part_of(path)
    found = shard_journals(part)
    _remove(found)
    if found:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _check_complete(found: dict[tuple[int, int], str], path: str) -> int:
    """Refuse an output of which shards are missing; return their number."""
    counts = sorted({count for _, count in found})
    if not counts:
        raise DataError("has a part file but no shard; another run may be writing it", path)
    if len(counts) > 1:
        raise DataError(
            f"has shards of {counts[0]} and of {counts[1]}; all jobs must have the same number. "
            f"Remove the journals {part_of(path)}.*.json that are not meant",
            path,
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
            path,
        )
    return count


def _check_same(found: dict[tuple[int, int], str]) -> tuple[int, Mapping[str, int]]:
    """Refuse shards of different jobs; return the size of the file in bytes, and sums of counts."""
    first: Journal | None = None
    counts: Counter[str] = Counter()
    for _, name in sorted(found.items()):
        journal = read_journal(name)
        first = first or journal
        difference = difference_of(first.job, journal.job)
        if difference:
            raise DataError(
                f"is of another job than the first shard: {difference}; run it again with the "
                "command of the others and --resume restart",
                name,
            )
        counts.update(journal.done.counts)
    assert first is not None
    return int(first.extra.get("size", -1)), dict(counts)


def _publish(part: str, path: str, size: int, publication: Publication) -> bool:
    """Give the part its name, or remove it where an equal output is there; say which it was."""
    target = os.path.realpath(path)
    try:
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if os.fstat(fd).st_size != size:
                raise DataError(f"has {os.fstat(fd).st_size} bytes and should have {size}", part)
            is_equal = publication.if_changed and have_same_bytes(part, target)
            if publication.fsync and not is_equal:
                os.fsync(fd)
        finally:
            os.close(fd)
        if is_equal:
            if publication.fsync:
                sync_file(target)
            os.unlink(part)
            return False
        publish(part, target, force=publication.may_replace)
        if publication.fsync:
            sync_folder(target)
    except FileExistsError as error:
        raise OutputRefusedError("exists already; use --force to replace it", path) from error
    except OSError as error:
        raise read_write_error("publishing", path, error) from error
    return True


def _remove(found: dict[tuple[int, int], str]) -> None:
    for name in found.values():
        with contextlib.suppress(OSError):
            remove_journal(name)
