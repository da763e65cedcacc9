"""The journal of an unfinished output: the job and the tiles that are done."""

from __future__ import annotations

import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit.owned import read_owned
from onebyone_cli.errors import DataError, OneByOneError, OutputRefusedError, setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Ranges = tuple[tuple[int, int], ...]


_KIND = "onebyone checkpoint 1"

#: An unknown value of a job; it equals any other.
UNKNOWN = "?"

#: Changes at every start of the system; without it only tiles on the disk count.
_BOOT_ID = "/proc/sys/kernel/random/boot_id"

#: Longest value in a message.
_SHOWN = 200

#: Longest journal that is read; it names every input.
_LONGEST = 1 << 26


class Done(NamedTuple):
    """Tiles that are done, and their counts.

    Attributes
    ----------
    ranges : tuple of (int, int)
        Ranges [start, stop) of tiles, ascending and not adjacent.
    counts : mapping
        Sums by name.
    """

    ranges: Ranges
    counts: Mapping[str, int]

    def gaps(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of [start, stop) that are not done, in order."""
        for first, end in self.ranges:
            if start < min(first, stop):
                yield start, min(first, stop)
            start = max(start, end)
        if start < stop:
            yield start, stop

    def with_more(self, start: int, stop: int, counts: Mapping[str, int]) -> Done:
        """Add tiles [start, stop), none of which is done yet."""
        ranges: list[tuple[int, int]] = []
        for first, end in sorted((*self.ranges, (start, stop))):
            joins = bool(ranges) and ranges[-1][1] == first
            ranges.append((ranges.pop()[0] if joins else first, end))
        names = self.counts.keys() | counts.keys()
        sums = {name: self.counts.get(name, 0) + counts.get(name, 0) for name in sorted(names)}
        return Done(tuple(ranges), sums)


NOTHING = Done((), {})


class Journal(NamedTuple):
    """The content of a journal.

    Attributes
    ----------
    job : dict
        Description of the job.
    done, synced : Done
        Tiles that count, and those that were on the disk.
    extra : dict
        More values of the job.
    """

    job: dict[str, Any]
    done: Done
    synced: Done
    extra: dict[str, Any]


def read_journal(path: str) -> Journal:
    """Read a journal.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    DataError
        If it can't be read, or is of another version.
    """
    import json

    try:
        content = json.loads(read_owned(path, _LONGEST).decode())
        if content["kind"] != _KIND:
            raise DataError("is a checkpoint of another version", path)
        if content.pop("checksum") != _checksum(content):
            raise ValueError("it was damaged")
        written, synced = _done(content["written"]), _done(content["synced"])
        survived = bool(content["boot"]) and content["boot"] == _boot_id()
        done = written if survived else synced
        return Journal(dict(content["job"]), done, synced, dict(content["extra"]))
    except (FileNotFoundError, OneByOneError):
        raise
    except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DataError("can't be read as a checkpoint", path) from error


def find_journal(name: str, path: str, describe: Callable[[], Mapping[str, Any]]) -> Journal | None:
    """Read the journal of an earlier run of the same job; None if there is none.

    Parameters
    ----------
    name : str
        The journal.
    path : str
        The output, as the user wrote it.
    describe : callable
        As in `Checkpoint`.

    Raises
    ------
    OutputRefusedError
        If it is of another job, or can't be read.
    """
    try:
        journal = read_journal(name)
    except FileNotFoundError:
        return None
    except DataError as error:
        raise OutputRefusedError(
            f"{error}; discard it with {setting('resume', 'restart')}", path
        ) from error
    difference = difference_of(journal.job, describe())
    if difference:
        raise OutputRefusedError(
            f"{name} is a checkpoint of another command: {difference}; run that "
            f"command again to resume it, or discard it with {setting('resume', 'restart')}",
            path,
        )
    return journal


def difference_of(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe the first difference of two jobs; empty if they are the same."""
    for name in [*now, *(then.keys() - now.keys())]:
        one, two = then.get(name), now.get(name)
        if UNKNOWN != two != one:
            # Of lists, such as the inputs, show the first items that differ.
            while isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
                one, two = next(both for both in zip(one, two, strict=True) if both[0] != both[1])
            return f"{name} was {_shown(one)} and is {_shown(two)}"
    return ""


def journal_bytes(job: Mapping[str, Any], written: Done, synced: Done, extra: Any) -> bytes:
    """Write the bytes that `read_journal` reads.

    Parameters
    ----------
    job : mapping
        Description of the job.
    written, synced : Done
        Tiles that are done, and those of them that are on the disk.
    extra : dict
        More values of the job.
    """
    import json

    content = {
        "kind": _KIND,
        "job": job,
        "boot": _boot_id(),
        "written": _as_json(written),
        "synced": _as_json(synced),
        "extra": extra,
    }
    return json.dumps({**content, "checksum": _checksum(content)}).encode()


def _as_json(done: Done) -> dict[str, Any]:
    return {"tiles": done.ranges, "counts": dict(done.counts)}


def _done(content: Mapping[str, Any]) -> Done:
    """Check and convert the tiles and counts of a journal."""
    ranges = tuple((_whole(start), _whole(stop)) for start, stop in content["tiles"])
    edges = [-1, *(edge for both in ranges for edge in both)]
    if any(one >= two for one, two in pairwise(edges)):
        raise ValueError("tiles out of order")
    counts = content["counts"]
    if type(counts) is not dict:
        raise TypeError("counts have no names")
    return Done(ranges, {name: _whole(value) for name, value in counts.items()})


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is not a count")
    return number


def _checksum(content: Mapping[str, Any]) -> int:
    import json

    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _shown(value: Any) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
