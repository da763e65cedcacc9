"""Describe the progress of a job that was stopped or is running, from its journals."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit import targets
from onebyone_cli.commit.journal import read_journal
from onebyone_cli.commit.unfinished import State, Unfinished
from onebyone_cli.errors import DataError, setting, spelled
from onebyone_cli.plan.tiles import count_tiles
from onebyone_cli.spec import StackSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.commit.journal import Journal

_ENDING = ".part"


class UnfinishedFacts(NamedTuple):
    """Facts about an output that is not complete.

    `path` is the output, as the user would write it, and `part` its part file. `shape` is empty if
    the journal does not have it. The fields of shards are empty and 0 if one job computes the whole
    output.
    """

    path: str
    part: str
    tiles_done: int
    tiles: int
    shape: tuple[int, ...]
    dtype: str
    shards_done: tuple[int, ...]
    shards_missing: tuple[int, ...]
    shards: int
    part_bytes: int

    @property
    def advice(self) -> str:
        """How to resume."""
        if not self.shards:
            return (
                "if it is not running, run the same command again to resume, or with "
                f"{spelled(setting('resume', 'restart'))} to start over; to give up, remove "
                f"{self.part} and {self.part}.json"
            )
        if not self.shards_missing:
            return f"publish it with: onebyone merge {self.path}"
        missing = ", ".join(f"{index}/{self.shards}" for index in self.shards_missing)
        return f"run shard {missing}, then: onebyone merge {self.path}"


def unfinished_output(path: str) -> str:
    """Return the output that ``OUT`` or ``OUT.part`` is an unfinished part of; empty if none."""
    output = path.removesuffix(_ENDING)
    if not output or (output == path and os.path.lexists(path)):
        return ""
    left = Unfinished(output)
    if output != path and targets.is_special(path):
        left.size()  # refuses it: nothing would ever come through a pipe of this name
    return output if left.state in (State.NOTED, State.SHARDED) else ""


def inspect_unfinished(output: str) -> UnfinishedFacts:
    """Describe the progress of a job; `output` is from `unfinished_output`.

    Raises
    ------
    DataError
        If a journal is damaged, or journals do not belong together.
    OutputRefusedError
        If the part file or journals belong to another user.
    """
    left = Unfinished(output)
    size = left.size()
    names = left.shards()
    if not names:
        return _facts(output, left.part, size, [read_journal(left.journal)], (), 0)
    counts = {count for _, count in names}
    if len(counts) > 1:
        raise DataError("has shards of different numbers; all jobs must have the same", output)
    journals = {index: read_journal(name) for (index, _), name in names.items()}
    done = [index for index, each in sorted(journals.items()) if each.extra.get("complete") is True]
    return _facts(output, left.part, size, list(journals.values()), tuple(done), counts.pop())


def _facts(
    output: str,
    part: str,
    size: int,
    journals: Sequence[Journal],
    done: tuple[int, ...],
    shards: int,
) -> UnfinishedFacts:
    job = journals[0].job
    return UnfinishedFacts(
        path=output,
        part=os.path.join(os.path.dirname(output), os.path.basename(part)),
        tiles_done=_count_done(journals),
        tiles=_count_all(job, output),
        shape=tuple(_sizes(job.get("the shape of the output"))),
        dtype=str(job.get("the type of the output", "")),
        shards_done=done,
        shards_missing=tuple(index for index in range(shards) if index not in done),
        shards=shards,
        part_bytes=size,
    )


def _count_done(journals: Sequence[Journal]) -> int:
    """Count the tiles that any of the jobs has done; at their borders two jobs do the same tile."""
    total, end = 0, 0
    for start, stop in sorted(each for journal in journals for each in journal.done.ranges):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total


def _count_all(job: dict[str, Any], output: str) -> int:
    sizes, tile = _sizes(job.get("the shape of the input")), job.get("the tile")
    if len(sizes) < 3 or type(tile) is not int or tile < 1:
        # A job that learns first has no tiles before that.
        return 0
    *batch, channels, height, width = sizes
    return count_tiles(StackSpec(channels, height, width, "float32", tuple(batch)), tile)


def _sizes(value: Any) -> list[int]:
    """Return sizes from a journal; empty if they are not valid."""
    fits = isinstance(value, list) and all(type(size) is int and size > 0 for size in value)
    return value if fits else []
