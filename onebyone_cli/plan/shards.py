"""Divide an output among jobs on several machines that write the same file. Plain integers.

Each of N jobs computes about one N-th of the pixels and writes its numbers into one file, at their
own offsets. Cluster file systems lock and cache blocks, so no two jobs may write the same block: a
block belongs to the job whose pixel begins it. At the borders of its share a job therefore computes
slightly more than it writes.
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

#: Bytes that a cluster shard should read and write. Starting its process takes as long as reading
#: some 200 MiB from a fast disk.
_SHARD_BYTES = 512 << 20

#: Number of shards of a large job: the last ones end at about the same time, and a scheduler can
#: handle them.
_LEAST_SHARDS, _MOST_SHARDS = 16, 4096

#: Output blocks in each plane of a share. A job computes up to one block more than it writes: at
#: most an eighth of its work.
_LEAST_BLOCKS = 8

#: Smallest share of a pass: below it starting the process costs far more than the pixels.
_LEAST_BYTES = 8 << 20

_TEXT = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_AUTO = re.compile(r"auto(?:/([1-9][0-9]{0,8}))?")


@dataclass(frozen=True, slots=True)
class Shard:
    """One job's share: `index`, from 0, of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class Share(NamedTuple):
    """The part of a C-order ``(*batch, K, H, W)`` output that a shard writes.

    `data_offset` is the number of bytes of the file before the first number. Where `band_pixels` is
    not 0, the output is made of bands of so many pixels of all channels, and no band is divided.
    """

    shard: Shard
    spec: StackSpec
    data_offset: int
    band_pixels: int = 0

    def has_part_of(self, slab: Slab) -> bool:
        """Return whether any number of a slab belongs to this share."""
        return any(
            next(self.runs(item, channel, slab.start, slab.stop), None)
            for item in range(slab.item, slab.item + slab.items)
            if self._is_near(item, slab)
            for channel in range(self.spec.channels)
        )

    def counts(self, item: int, pixel: int) -> bool:
        """Return whether this share counts the results of the tile that begins at `pixel`.

        Several shards compute a tile at a border. The shard that writes its first number counts it:
        that shard computes the tile, however it cuts its slabs.
        """
        return next(self.runs(item, 0, pixel, pixel + 1), None) is not None

    def runs(self, item: int, channel: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of pixels [start, stop) of a channel that belong to this share."""
        if self.band_pixels:
            yield from self._runs_of_bands(item, start, stop)
            return
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

    def _runs_of_bands(self, item: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        at = start
        while at < stop:
            end = min((at // self.band_pixels + 1) * self.band_pixels, stop)
            if self._owner_of_band(item, at) == self.shard.index:
                yield at, end
            at = end

    def _owner_of_band(self, item: int, pixel: int) -> int:
        """Return the shard of the band of a pixel."""
        bands = -(-self.spec.pixels // self.band_pixels)
        band = item * bands + pixel // self.band_pixels
        return band * self.shard.count // (self.spec.items * bands)

    def _owner(self, block: int) -> int:
        """Return the shard that a block of the file belongs to."""
        spec = self.spec
        first = max(block * BLOCK_BYTES - self.data_offset, 0) // spec.item_bytes
        plane, pixel = divmod(first, spec.pixels)
        return self._shard_of(plane // spec.channels, pixel)

    def _shard_of(self, item: int, pixel: int) -> int:
        """Return the shard of a pixel, blocks ignored."""
        spec = self.spec
        return (item * spec.pixels + pixel) * self.shard.count // (spec.items * spec.pixels)

    def _is_near(self, item: int, slab: Slab) -> bool:
        """Return whether a slab may contain a part of this share: a quick test.

        The pixel that begins a block is at most a block before, in the same plane or at its end.
        """
        if self.band_pixels:
            first = self._owner_of_band(item, slab.start)
            return first <= self.shard.index <= self._owner_of_band(item, slab.stop - 1)
        before = BLOCK_BYTES // self.spec.item_bytes
        if slab.start < before:
            return True
        first = self._shard_of(item, slab.start - before)
        return first <= self.shard.index <= self._shard_of(item, slab.stop - 1)


def shards_of_output(data_bytes: int, output: StackSpec) -> int:
    """Return the number of shards of an output on a cluster, whatever the number of workers.

    `data_bytes` is read and written in all.
    """
    plane = output.pixels * output.item_bytes
    return _shards(data_bytes, output.items * plane // (_LEAST_BLOCKS * BLOCK_BYTES))


def shards_of_pass(data_bytes: int) -> int:
    """Return the number of shards of a pass over so many bytes on a cluster."""
    return _shards(data_bytes, data_bytes // _LEAST_BYTES)


def _shards(data_bytes: int, most: int) -> int:
    wanted = max(-(-data_bytes // _SHARD_BYTES), _LEAST_SHARDS)
    return max(1, min(wanted, most, _MOST_SHARDS))


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """Parse ``--shard``: ``I/N``, ``auto`` or ``auto/N``.

    ``auto`` reads the task of an array from the environment, as set by a batch system.

    Raises `UsageError` if the text is not a share, or the environment has no array task.
    """
    if auto := _AUTO.fullmatch(text):
        shard = _of_task(environment, int(auto[1] or 0))
        if shard is None:
            raise UsageError(f"{setting('shard', text)}: {_why_unknown(environment)}")
        return _checked(shard, text)
    found = _TEXT.fullmatch(text)
    if not found:
        raise UsageError(
            f"{setting('shard', text)} is not a share; write I/N counting from 0, or auto"
        )
    return _checked(Shard(int(found[1]), int(found[2])), text)


def _checked(shard: Shard, text: str) -> Shard:
    if not shard.index < shard.count:
        raise UsageError(
            f"{setting('shard', text)}: shares are counted from 0, so the last of {shard.count} "
            f"is {shard.count - 1}"
        )
    return shard


class _Array(NamedTuple):
    """Variables in which a batch system describes a task of an array; empty for none.

    Attributes
    ----------
    task, first, step : str
        The index of the task, the first index and their distance.
    size, last : str
        The number of tasks, or the last index.
    start : int
        The first index where no variable has it.
    """

    task: str
    first: str = ""
    step: str = ""
    size: str = ""
    last: str = ""
    start: int = 0


_SLURM = "SLURM_ARRAY_TASK"
_ARRAYS = (
    _Array(f"{_SLURM}_ID", f"{_SLURM}_MIN", f"{_SLURM}_STEP", size=f"{_SLURM}_COUNT"),
    _Array("SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_STEPSIZE", last="SGE_TASK_LAST"),
    _Array("LSB_JOBINDEX", "", "LSB_JOBINDEX_STEP", last="LSB_JOBINDEX_END", start=1),
    _Array("PBS_ARRAY_INDEX"),
    _Array("PBS_ARRAYID"),
)


def _of_task(environment: Mapping[str, str], count: int = 0) -> Shard | None:
    """Return the share of this task in its array, whose indices may have any start and step."""
    array = _array_of(environment)
    if array is None:
        return None
    task, last = _number(environment, array.task) or 0, _number(environment, array.last)
    start = _number(environment, array.first)
    start, apart = array.start if start is None else start, _number(environment, array.step) or 1
    size = _number(environment, array.size) if last is None else (last - start) // apart + 1
    total = count or size
    index, rest = divmod(task - start, apart)
    return None if total is None or rest or not 0 <= index < total else Shard(index, total)


def _array_of(environment: Mapping[str, str]) -> _Array | None:
    for array in _ARRAYS:
        task = _number(environment, array.task)
        # LSF numbers tasks from 1, and sets 0 for a job that is none.
        if task is not None and task >= array.start:
            return array
    return None


def _why_unknown(environment: Mapping[str, str]) -> str:
    """Say why the share of this task is not known, and what to write."""
    array = _array_of(environment)
    if array is None:
        return (
            "this is not a task of a Slurm, PBS, LSF or SGE array; write the share as I/N, "
            "counting from 0"
        )
    task = _number(environment, array.task)
    if not (array.size or array.last):
        return (
            f"{array.task} says that this is task {task}, and PBS does not say of how many; write "
            "auto/N for an array 0-M of N tasks"
        )
    return f"{array.task} {task} is no task of that many; write the share as I/N, counting from 0"


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None
