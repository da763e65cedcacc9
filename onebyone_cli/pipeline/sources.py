"""The inputs of a job: what they cost, and how they become one stack of random access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.array_file import SCRATCH_BYTES
from onebyone_cli.formats.base import Reader, StreamReader
from onebyone_cli.spool import Spool
from onebyone_cli.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from onebyone_cli.planning import Plan

    #: Told the step, the bytes of pixels done in it, and all of them.
    OnProgress = Callable[[str, int, int], None]


class Sources:
    """Open inputs, in channel order.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        Closed by whoever opened them.

    Attributes
    ----------
    scratch_bytes : int
        For each worker.
    cache_bytes : int
        What readers hold while slabs are read.
    buffer_bytes : int
        What the hungriest stream takes while it is drained.
    spool_bytes : int
        Bytes to be laid aside, of all streams together.
    """

    def __init__(self, inputs: Sequence[Reader | StreamReader]) -> None:
        self._inputs = inputs
        direct = [reader for reader in inputs if isinstance(reader, Reader)]
        streams = [reader for reader in inputs if isinstance(reader, StreamReader)]
        spooled = [SCRATCH_BYTES] * bool(streams)
        self.scratch_bytes = max([*spooled, *(reader.scratch_bytes for reader in direct)])
        self.cache_bytes = sum(reader.cache_bytes for reader in direct)
        self.buffer_bytes = max((reader.buffer_bytes for reader in streams), default=0)
        self.spool_bytes = sum(reader.spec.data_bytes for reader in streams)

    def as_stack(self, dtype: str, plan: Plan, stack: ExitStack, on_progress: OnProgress) -> Stack:
        """Make one stack of them; streams are drained into spools that `stack` closes."""
        readers: list[Reader] = []
        for reader in self._inputs:
            if isinstance(reader, StreamReader):
                total = reader.spec.data_bytes
                spool = stack.enter_context(Spool(total, in_memory=plan.input_in_memory))
                _drain(reader, spool, on_progress)
                readers.append(spool.reader(reader.stored))
            else:
                readers.append(reader)
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
    in_memory = total <= memory // 2
    held: list[Reader] = []
    for reader in inputs:
        if isinstance(reader, Reader):
            held.append(reader)
            continue
        spool = stack.enter_context(Spool(reader.spec.data_bytes, in_memory=in_memory))
        _drain(reader, spool, on_progress)
        held.append(spool.reader(reader.stored))
        held[-1].path, held[-1].channel_names = reader.path, reader.channel_names
        held[-1].files, held[-1].inner, held[-1].axes = reader.files, reader.inner, reader.axes
    return held, memory - total * in_memory


def _drain(reader: StreamReader, spool: Spool, on_progress: OnProgress) -> None:
    done, total = 0, reader.spec.data_bytes

    def append(data: memoryview) -> None:
        nonlocal done
        spool.append(data)
        done += len(data)
        on_progress("reading", done, total)

    reader.drain(append)
