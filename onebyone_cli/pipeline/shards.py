"""Publishing an output that several jobs have filled."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from onebyone_cli import checkpoint, targets
from onebyone_cli.atomic import part_of, publish, sync_folder
from onebyone_cli.checkpoint import Journal, shard_journals
from onebyone_cli.errors import DataError, InputMissingError, OutputRefusedError, read_write_error

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Shards named in a message.
_NAMED = 10


def publish_shards(path: str, *, force: bool, fsync: bool) -> int:
    """Check that all shards of an output are there, of one and the same job, and publish it.

    May be done again: an output that is there already, and of which no part is left, is complete.

    Parameters
    ----------
    path : str
        The output, as the user wrote it.
    force : bool
        Whether an existing output may be replaced.
    fsync : bool
        Have it on the disk first.

    Returns
    -------
    int
        How many shards it was made of; 0 if it was published before.

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
        return 0
    targets.check_target(path, force=force)
    count = _check_complete(found, path)
    size = _check_same(found)
    _publish(part, path, size, force=force, fsync=fsync)
    _remove(found)
    return count


def check_count(path: str, count: int) -> None:
    """Refuse to go on where shards of another number have been left.

    Raises
    ------
    OutputRefusedError
        If there are such.
    """
    part = part_of(path)
    for other in {found for _, found in shard_journals(part)} - {count}:
        raise OutputRefusedError(
            f"{part} has shards of {other}, and this command makes {count}; finish the other "
            "command, or discard them with --restart",
            path,
        )


def check_job(path: str, job: Mapping[str, Any]) -> None:
    """Refuse to go on where shards of another job have been left, whichever they are.

    A shard looks at its own journal only. Were the others begun beside it, they would be mixed.

    Raises
    ------
    OutputRefusedError
        If there are such, or a journal can't be read.
    """
    part = part_of(path)
    for _, name in sorted(shard_journals(part).items()) if os.path.exists(part) else ():
        try:
            difference = checkpoint.difference_of(checkpoint.read_journal(name).job, job)
        except FileNotFoundError:
            continue
        except DataError as error:
            raise OutputRefusedError(f"{error}; discard it with --restart", path) from error
        if difference:
            raise OutputRefusedError(
                f"{name} is a checkpoint of another command: {difference}; run that command "
                "again to go on with it, or discard it with --restart",
                path,
            )


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
        if checkpoint.read_journal(name).extra.get("complete") is True
    }
    missing = [f"{index}/{count}" for index in range(count) if index not in done]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"is not complete: run shard {', '.join(missing[:_NAMED])}{more} again, then merge",
            path,
        )
    return count


def _check_same(found: dict[tuple[int, int], str]) -> int:
    """Refuse shards of different jobs; return the size of the file in bytes."""
    first: Journal | None = None
    for _, name in sorted(found.items()):
        journal = checkpoint.read_journal(name)
        first = first or journal
        difference = checkpoint.difference_of(first.job, journal.job)
        if difference:
            raise DataError(
                f"is of another job than the first shard: {difference}; run it again with the "
                "command of the others and --restart",
                name,
            )
    assert first is not None
    return int(first.extra.get("size", -1))


def _publish(part: str, path: str, size: int, *, force: bool, fsync: bool) -> None:
    try:
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if os.fstat(fd).st_size != size:
                raise DataError(f"has {os.fstat(fd).st_size} bytes and should have {size}", part)
            if fsync:
                os.fsync(fd)
        finally:
            os.close(fd)
        target = os.path.realpath(path)
        publish(part, target, force=force)
        if fsync:
            sync_folder(target)
    except FileExistsError as error:
        raise OutputRefusedError("exists already; use --force to replace it", path) from error
    except OSError as error:
        raise read_write_error("publishing", path, error) from error


def _remove(found: dict[tuple[int, int], str]) -> None:
    for name in found.values():
        with contextlib.suppress(OSError):
            checkpoint.remove(name)
