"""Count the memory that reading inputs takes. Plain integers: no arrays, no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onebyone_cli.plan.memory import share_of
from onebyone_cli.spec import StackSpec


class Capabilities(NamedTuple):
    """The properties of a reader that a plan depends on.

    Attributes
    ----------
    is_stream : bool
        Whether all bytes come once, in the order of the source.
    run_pixels : int
        See `StreamReader.run_pixels`.
    run_channels : int
        Channels of a run, also those that are not selected.
    scratch_bytes, cache_bytes, buffer_bytes : int
        Memory per worker; per job; for draining a stream.
    """

    spec: StackSpec
    is_stream: bool = False
    run_pixels: int = 0
    run_channels: int = 0
    scratch_bytes: int = 0
    cache_bytes: int = 0
    buffer_bytes: int = 0

    @property
    def run_bytes(self) -> int:
        """Bytes of a run of pixels, which is buffered where two slabs share it."""
        return self.run_pixels * self.run_channels * self.spec.item_bytes

    def comes_in_slabs(self, memory: int) -> bool:
        """Return whether slabs of a stream can be read without a spool, within the budget."""
        fits = self.run_bytes <= share_of(memory, "run of a stream")
        return self.is_stream and 0 < self.run_bytes < self.spec.data_bytes and fits


class SourceCosts(NamedTuple):
    """The memory that reading inputs takes.

    Attributes
    ----------
    scratch_bytes, cache_bytes : int
        Per worker; of all readers.
    buffer_bytes : int
        Of the stream with the largest buffer, while it is drained.
    spool_bytes : int
        Size of all spools together.
    """

    scratch_bytes: int = 0
    cache_bytes: int = 0
    buffer_bytes: int = 0
    spool_bytes: int = 0


def source_costs(
    inputs: Sequence[Capabilities], *, in_order: bool = False, memory: int = 0
) -> SourceCosts:
    """Add up the memory that reading inputs takes.

    `in_order` means that every slab is read once, in order. Streams in pixel order then need no
    spool. `memory` is the budget in bytes.
    """
    flowing = [each for each in inputs if in_order and each.comes_in_slabs(memory)]
    spooled = [each for each in inputs if each.is_stream and each not in flowing]
    runs = [each.run_bytes for each in flowing]
    return SourceCosts(
        max([0, *runs, *(each.scratch_bytes for each in inputs)]),
        sum(each.cache_bytes for each in inputs) + sum(runs),
        max((each.buffer_bytes for each in spooled), default=0),
        sum(each.spec.data_bytes for each in spooled),
    )
