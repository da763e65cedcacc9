"""The journal of an unfinished output: which tiles are done, and by which job."""

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


#: Stands for what is not known yet of a job; it differs from nothing.
UNKNOWN = "?"


#: Changes at every start of the system; without it nothing but what is on the disk is believed.
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


#: Longest value that is shown in a message.
_SHOWN = 200


#: Longest journal that is read; it names every input.
_LONGEST = 1 << 26


class Done(NamedTuple):
    """Tiles that are done, and what was counted in them.

    Attributes
    ----------
    ranges : tuple of (int, int)
        First tile and the one after the last; ascending and apart.
    counts : mapping
        Sums by name.
    """

    ranges: Ranges
    counts: Mapping[str, int]

    def gaps(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut out of tiles [start, stop) what is not done, in order."""
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
    """A journal as it is read.

    Attributes
    ----------
    job : dict
        What the job was.
    done, synced : Done
        What can be believed, and what was on the disk.
    extra : dict
        Whatever else the job wanted to find again.
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
        If there is none.
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
    """Read the journal that an earlier run of the same job has left; None if there is none.

    Parameters
    ----------
    name : str
        The journal.
    path : str
        The output, as the user wrote it.
    describe : callable
        Says what the job is, as in `Checkpoint`.

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
            f"command again to go on with it, or discard it with {setting('resume', 'restart')}",
            path,
        )
    return journal


def difference_of(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Tell the first thing in which two jobs differ; empty if they are the same."""
    for name in [*now, *(then.keys() - now.keys())]:
        one, two = then.get(name), now.get(name)
        if UNKNOWN != two != one:
            # Of long lists, such as the inputs, the first items that differ.
            while isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
                one, two = next(both for both in zip(one, two, strict=True) if both[0] != both[1])
            return f"{name} was {_shown(one)} and is {_shown(two)}"
    return ""


def journal_bytes(job: Mapping[str, Any], written: Done, synced: Done, extra: Any) -> bytes:
    """Write what `read_journal` reads.

    Parameters
    ----------
    job : mapping
        What the job is.
    written, synced : Done
        Tiles that are done, and those of them that are on the disk.
    extra : dict
        Whatever else the job wants to find again.
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
    """Read what is done, and believe nothing that no run can have written.

    Raises
    ------
    LookupError, TypeError, ValueError
        If it is anything else.
    """
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
        raise ValueError(f"{number!r} is no count")
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
