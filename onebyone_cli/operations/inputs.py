"""How the inputs of a job are opened: all as one stack, or each as a stack of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.plan.memory import share_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.about import RawSpec
    from onebyone_cli.formats.contracts.reader import Reader, Series, StreamReader
    from onebyone_cli.stack.selection import Selection

    Stack = Sequence[Reader | StreamReader]
    #: A mask or label map: a file, or an array of shape (H, W); nothing for none.
    MapLike = str | NDArray[Any] | None


class Stacks(NamedTuple):
    """The stacks of a job.

    Attributes
    ----------
    known : sequence of sequences of Reader or StreamReader
        The inputs of each stack whose header has been read.
    series : sequence of Series
        Streams of more stacks, of which nothing has been read.
    """

    known: Sequence[Stack]
    series: Sequence[Series] = ()


class Reading(NamedTuple):
    """How inputs are read.

    Attributes
    ----------
    layout : str
        Order of the last three axes: one of `spec.LAYOUTS`.
    memory : int
        Budget of the job in bytes.
    raw : RawSpec or None
        What inputs without a header hold.
    selection : Selection or None
        The channels of each stack that are read; None for all.
    """

    layout: str
    memory: int
    raw: RawSpec | None = None
    selection: Selection | None = None

    def open(self, inputs: Sequence[str], stack: ExitStack) -> Stack:
        """Open the inputs of one stack; `stack` closes them."""
        return self.open_among(inputs, stack, max(1, len(inputs)))

    def open_among(self, inputs: Sequence[str], stack: ExitStack, among: int) -> Stack:
        """Open inputs that share the memory of readers with others: it is divided by `among`."""
        from onebyone_cli.formats import opening

        memory = share_of(self.memory, "inputs", among)
        opened = opening.open_inputs(
            inputs, layout=self.layout, memory=memory, raw=self.raw, stack=stack
        )
        if self.selection is None:
            return opened
        from onebyone_cli.stack.selected import select

        return select(opened, self.selection)

    def open_series(self, stream: str, stack: ExitStack) -> Series:
        """Open a stream of stacks; `stack` closes it."""
        from onebyone_cli.formats import opening

        opened = opening.open_series(stream, layout=self.layout, raw=self.raw, stack=stack)
        if self.selection is None:
            return opened
        from onebyone_cli.stack.selected import SelectedSeries

        return SelectedSeries(opened, self.selection)

    def open_stacks(self, inputs: Sequence[str], stack: ExitStack, *, each: bool) -> Stacks:
        """Open one stack, or with `each` one for each input and those that streams bring."""
        from onebyone_cli.formats import opening

        if not each:
            return Stacks([self.open(inputs, stack)])
        files = [text for text in inputs if not opening.is_stream(text)]
        streams = [text for text in inputs if opening.is_stream(text)]
        return Stacks(
            [self.open([text], stack) for text in files],
            [self.open_series(text, stack) for text in streams],
        )


def open_map(given: MapLike, memory: int, stack: ExitStack) -> Reader | None:
    """Open a mask or label map, to be read any number of times.

    Parameters
    ----------
    given : str, ndarray or None
        A file, or an array of shape (H, W) or (..., 1, H, W); nothing for none.
    memory : int
        Budget of the job in bytes.
    stack : ExitStack
        Closes the map.
    """
    if given is None or (isinstance(given, str) and not given):
        return None
    if not isinstance(given, str):
        from onebyone_cli.stack.in_memory import ArrayInput

        return ArrayInput(given)
    from onebyone_cli.formats import opening
    from onebyone_cli.stack.sources import hold_streams

    share = share_of(memory, "map")
    readers = opening.open_inputs([given], layout="CHW", memory=share, stack=stack)
    # The bytes of a pipe come once; they go into a file, which is not counted in the plan.
    (held,), _ = hold_streams(readers, 0, stack, lambda step, done, total: None)
    return held
