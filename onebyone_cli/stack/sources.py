"""The inputs of a job: their costs, and one stack of random access made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.plan.memory import share_of
from onebyone_cli.plan.source_costs import source_costs
from onebyone_cli.stack.costs import capabilities_of
from onebyone_cli.stack.spool import Spool
from onebyone_cli.stack.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import ExitStack

    from onebyone_cli.plan.memory import Plan

    #: Called with the step, the bytes of pixels done in it, and all of them.
    OnProgress = Callable[[str, int, int], None]


class Sources:
    """Open inputs, in channel order; the caller closes them.

    Parameters
    ----------
    in_order : bool
        Whether each slab is read once, one after another. Streams in that order need no spool.
    memory : int
        The budget in bytes.

    Attributes
    ----------
    scratch_bytes, cache_bytes, buffer_bytes, spool_bytes : int
        As in `plan.source_costs.SourceCosts`.
    """

    def __init__(
        self,
        inputs: Sequence[Reader | StreamReader],
        *,
        in_order: bool = False,
        memory: int = 0,
    ) -> None:
        self._inputs = inputs
        self._in_order, self._memory = in_order, memory
        costs = source_costs(
            [capabilities_of(each) for each in inputs], in_order=in_order, memory=memory
        )
        self.scratch_bytes, self.cache_bytes, self.buffer_bytes, self.spool_bytes = costs

    def as_stack(self, dtype: str, plan: Plan, stack: ExitStack, on_progress: OnProgress) -> Stack:
        """Make one stack of them; streams are read into spools that `stack` closes."""
        in_memory = plan.input_in_memory
        readers = [
            reader.slabs()
            if isinstance(reader, StreamReader) and self._comes_in_slabs(reader)
            else _spooled(reader, stack, on_progress, in_memory=in_memory)
            for reader in self._inputs
        ]
        return Stack(readers, dtype)

    def _comes_in_slabs(self, reader: StreamReader) -> bool:
        return self._in_order and capabilities_of(reader).comes_in_slabs(self._memory)

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if a file was changed since it was opened."""
        for reader in self._inputs:
            if isinstance(reader, Reader):
                reader.check_unchanged()


def hold_streams(
    inputs: Sequence[Reader | StreamReader],
    memory: int,
    stack: ExitStack,
    on_progress: OnProgress,
) -> tuple[list[Reader], int]:
    """Spool streams, so that the inputs can be read many times.

    Spools may take half of the budget of `memory` bytes, and are files if they need more. `stack`
    closes them. Returns the inputs as readers, and the rest of the budget.
    """
    total = sum(reader.stored.data_bytes for reader in inputs if isinstance(reader, StreamReader))
    in_memory = total <= share_of(memory, "held streams")
    held = [_spooled(reader, stack, on_progress, in_memory=in_memory) for reader in inputs]
    return held, memory - total * in_memory


def hold_series(
    series: Iterable[Reader | StreamReader], stack: ExitStack, on_progress: OnProgress
) -> list[Reader]:
    """Spool stacks that follow each other, so that they can be read in any order.

    The spool, which `stack` closes, is a file, since its size is known only at the end.
    """
    spool = stack.enter_context(Spool(0, in_memory=False))
    found = []
    for reader in series:
        start = spool.size
        if isinstance(reader, StreamReader):
            _drain(reader, spool, on_progress)
        found.append((reader, start))
    # At the end, since a reader notices if its file grows.
    return [
        reader
        if isinstance(reader, Reader)
        else reader.held(spool.reader(reader.stored._replace(offset=start), reader.about))
        for reader, start in found
    ]


def _spooled(
    reader: Reader | StreamReader, stack: ExitStack, on_progress: OnProgress, *, in_memory: bool
) -> Reader:
    if isinstance(reader, Reader):
        return reader
    spool = stack.enter_context(Spool(reader.stored.data_bytes, in_memory=in_memory))
    _drain(reader, spool, on_progress)
    return reader.held(spool.reader(reader.stored, reader.about))


def _drain(reader: StreamReader, spool: Spool, on_progress: OnProgress) -> None:
    done, total = 0, reader.stored.data_bytes

    def append(data: memoryview) -> None:
        nonlocal done
        spool.append(data)
        done += len(data)
        on_progress("reading", done, total)

    reader.drain(append)
