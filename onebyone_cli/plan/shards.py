"""Shares of an output for jobs on several machines that write the same file. Plain integers.

Every job of N computes about one N-th of the pixels, and writes its numbers into the one file at
their own offsets. File systems of clusters lock and cache blocks, so no two jobs may write the
same block: a block of the file belongs to the job whose pixel begins it. At the borders of its
share a job therefore computes a little more than it writes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.spec import Slab, StackSpec

#: No two jobs write within the same block of this many bytes.
BLOCK_BYTES = 1 << 20

#: What a shard of a cluster should read and write. Starting a process for it takes as long as some
#: 200 MiB from a fast disk.
_SHARD_BYTES = 512 << 20

#: Shards of a job that is large enough for any: so that the last ones end at about the same time,
#: and so that a scheduler has no trouble with them.
_LEAST_SHARDS, _MOST_SHARDS = 16, 4096

#: Blocks of the output in each plane of a share. At its end a job computes up to one more than it
#: writes: an eighth of its work at most.
_LEAST_BLOCKS = 8

#: Smallest share of a pass: below it the process costs far more than the pixels.
_LEAST_BYTES = 8 << 20

_TEXT = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_AUTO = re.compile(r"auto(?:/([1-9][0-9]{0,8}))?")


@dataclass(frozen=True, slots=True)
class Shard:
    """One job's share.

    Attributes
    ----------
    index, count : int
        Which share, from 0, and of how many.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class Share(NamedTuple):
    """What a shard writes of one output.

    Attributes
    ----------
    shard : Shard
        Whose share.
    spec : StackSpec
        The output, a C-order ``(*batch, K, H, W)`` array.
    data_offset : int
        Bytes of the file before its first number.
    """

    shard: Shard
    spec: StackSpec
    data_offset: int

    def has_part_of(self, slab: Slab) -> bool:
        """Say whether any number of a slab belongs to this share."""
        return any(
            next(self.runs(item, channel, slab.start, slab.stop), None)
            for item in range(slab.item, slab.item + slab.items)
            if self._is_near(item, slab)
            for channel in range(self.spec.channels)
        )

    def counts(self, item: int, pixel: int) -> bool:
        """Say whether what is found in the tile that begins at a pixel is counted here.

        Tiles at borders are computed by several shards. The one that writes a tile's first number
        counts it: that one computes it, however it cuts its slabs.
        """
        return next(self.runs(item, 0, pixel, pixel + 1), None) is not None

    def runs(self, item: int, channel: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut out of pixels [start, stop) of one channel what belongs to this share, in order."""
        spec, size = self.spec, self.spec.item_bytes
        plane = (item * spec.channels + channel) * spec.pixels
        at = start
        while at < stop:
            block = (self.data_offset + (plane + at) * size) // BLOCK_BYTES
            after = ((block + 1) * BLOCK_BYTES - self.data_offset) // size - plane
            end = min(after, stop)
            if self._owner(block) == self.shard.index:
                yield at, end
            at = end

    def _owner(self, block: int) -> int:
        """Say which shard a block of the file belongs to."""
        spec = self.spec
        first = max(block * BLOCK_BYTES - self.data_offset, 0) // spec.item_bytes
        plane, pixel = divmod(first, spec.pixels)
        return self._shard_of(plane // spec.channels, pixel)

    def _shard_of(self, item: int, pixel: int) -> int:
        """Say which shard computes a pixel, were there no blocks."""
        spec = self.spec
        return (item * spec.pixels + pixel) * self.shard.count // (spec.items * spec.pixels)

    def _is_near(self, item: int, slab: Slab) -> bool:
        """Say whether a slab may hold anything, before looking closely.

        What begins a block lies at most a block before, in the same plane or at the end of one.
        """
        before = BLOCK_BYTES // self.spec.item_bytes
        if slab.start < before:
            return True
        first = self._shard_of(item, slab.start - before)
        return first <= self.shard.index <= self._shard_of(item, slab.stop - 1)


def shards_of_output(data_bytes: int, output: StackSpec) -> int:
    """Say into how many shards a cluster cuts an output, whatever workers it has.

    Parameters
    ----------
    data_bytes : int
        Read and written in all.
    output : StackSpec
        What is written.
    """
    plane = output.pixels * output.item_bytes
    return _shards(data_bytes, output.items * plane // (_LEAST_BLOCKS * BLOCK_BYTES))


def shards_of_pass(data_bytes: int) -> int:
    """Say into how many shards a cluster cuts a pass over so many bytes."""
    return _shards(data_bytes, data_bytes // _LEAST_BYTES)


def _shards(data_bytes: int, most: int) -> int:
    wanted = max(-(-data_bytes // _SHARD_BYTES), _LEAST_SHARDS)
    return max(1, min(wanted, most, _MOST_SHARDS))


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """Read ``--shard``: ``I/N``, ``auto`` or ``auto/N``.

    Parameters
    ----------
    text : str
        As typed.
    environment : mapping
        Where batch systems say which task of an array this is.

    Raises
    ------
    UsageError
        If it is no share, or nothing tells which one it is.
    """
    if auto := _AUTO.fullmatch(text):
        shard = _of_task(environment, int(auto[1] or 0))
        if shard is None:
            raise UsageError(
                f"{setting('shard', text)}: no array of Slurm, PBS or SGE says which share this "
                "is; write it as I/N, counting from 0"
            )
        return _checked(shard, text)
    found = _TEXT.fullmatch(text)
    if not found:
        raise UsageError(
            f"{setting('shard', text)} is no share; write I/N counting from 0, or auto"
        )
    return _checked(Shard(int(found[1]), int(found[2])), text)


def _checked(shard: Shard, text: str) -> Shard:
    if not shard.index < shard.count:
        raise UsageError(
            f"{setting('shard', text)}: shares are counted from 0, so the last of {shard.count} "
            f"is {shard.count - 1}"
        )
    return shard


def _of_task(environment: Mapping[str, str], count: int = 0) -> Shard | None:
    """Take the place of this task in its array, which need not begin at 0 nor go by ones."""
    for name, first, step, size in (
        (
            "SLURM_ARRAY_TASK_ID",
            "SLURM_ARRAY_TASK_MIN",
            "SLURM_ARRAY_TASK_STEP",
            "SLURM_ARRAY_TASK_COUNT",
        ),
        ("SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_STEPSIZE", ""),
        ("PBS_ARRAY_INDEX", "", "", ""),
        ("PBS_ARRAYID", "", "", ""),
    ):
        task = _number(environment, name)
        if task is None:
            continue
        start, apart = _number(environment, first) or 0, _number(environment, step) or 1
        size_known = _number(environment, size)
        last = _number(environment, "SGE_TASK_LAST") if name.startswith("SGE") else None
        if last is not None:
            size_known = (last - start) // apart + 1
        total = count or size_known
        if total is None or (task - start) % apart or (task - start) // apart >= total:
            return None
        return Shard((task - start) // apart, total)
    return None


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None
