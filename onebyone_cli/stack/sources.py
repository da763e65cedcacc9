"""The inputs of a job: what they cost, and how they become one stack of random access."""

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

    #: Told the step, the bytes of pixels done in it, and all of them.
    OnProgress = Callable[[str, int, int], None]


class Sources:
    """Open inputs, in channel order.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        Closed by whoever opened them.
    in_order : bool
        Whether every slab will be read just once, one after another: then streams whose pixels
        come in that order need not be laid aside.
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
        """Make one stack of them; streams are drained into spools that `stack` closes."""
        readers: list[Reader] = []
        for reader in self._inputs:
            if isinstance(reader, Reader):
                readers.append(reader)
            elif self._in_order and capabilities_of(reader).comes_in_slabs(self._memory):
                readers.append(reader.slabs())
            else:
                total = reader.spec.data_bytes
                spool = stack.enter_context(Spool(total, in_memory=plan.input_in_memory))
                _drain(reader, spool, on_progress)
                readers.append(spool.reader(reader.stored))
        return Stack(readers, dtype)

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
    """Lay streams in spools, so that the inputs can be read again and again.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        In channel order.
    memory : int
        The budget in bytes. Spools may take half of it, and go into files if they need more.
    stack : ExitStack
        Closes the spools.
    on_progress : callable
        As in `Sources.as_stack`.

    Returns
    -------
    inputs : list of Reader
        The same inputs.
    memory : int
        What is left of the budget.
    """
    total = sum(reader.spec.data_bytes for reader in inputs if isinstance(reader, StreamReader))
    in_memory = total <= share_of(memory, "held streams")
    held: list[Reader] = []
    for reader in inputs:
        if isinstance(reader, Reader):
            held.append(reader)
            continue
        spool = stack.enter_context(Spool(reader.spec.data_bytes, in_memory=in_memory))
        _drain(reader, spool, on_progress)
        held.append(_held(reader, spool))
    return held, memory - total * in_memory


def hold_series(
    series: Iterable[Reader | StreamReader], stack: ExitStack, on_progress: OnProgress
) -> list[Reader]:
    """Lay all that streams bring in one spool, so that it can be read in any order.

    How much it will be is known at the end only, so the spool is a file.

    Parameters
    ----------
    series : iterable of Reader or StreamReader
        One after another.
    stack : ExitStack
        Closes the spool.
    on_progress : callable
        As in `Sources.as_stack`.
    """
    spool = stack.enter_context(Spool(0, in_memory=False))
    found = []
    for reader in series:
        start = spool.size
        if isinstance(reader, StreamReader):
            _drain(reader, spool, on_progress)
        found.append((reader, start))
    # Only now, since a reader notices if its file becomes longer.
    return [_held(reader, spool, start) for reader, start in found]


def _held(reader: Reader | StreamReader, spool: Spool, start: int = 0) -> Reader:
    if isinstance(reader, Reader):
        return reader
    return spool.reader(reader.stored._replace(offset=start), reader.about)


def _drain(reader: StreamReader, spool: Spool, on_progress: OnProgress) -> None:
    done, total = 0, reader.spec.data_bytes

    def append(data: memoryview) -> None:
        nonlocal done
        spool.append(data)
        done += len(data)
        on_progress("reading", done, total)

    reader.drain(append)
