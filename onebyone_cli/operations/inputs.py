"""Open the inputs of a job, all as one stack or each as a stack of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.axes import MAP
from onebyone_cli.plan.memory import share_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.about import RawSpec
    from onebyone_cli.formats.contracts.reader import Reader, Series, StreamReader
    from onebyone_cli.operations.hints import Hints
    from onebyone_cli.stack.folded import Grid
    from onebyone_cli.stack.selection import Selection

    Stack = Sequence[Reader | StreamReader]
    #: A mask or label map: a file, or an array of shape (H, W); empty or None for none.
    MapLike = str | NDArray[Any] | None


class Stacks(NamedTuple):
    """The stacks of a job: those whose header has been read, and streams of more."""

    known: Sequence[Stack]
    series: Sequence[Series] = ()


class Reading(NamedTuple):
    """How inputs are read.

    Attributes
    ----------
    layout : str
        Order of the axes, from `axes.checked_layout`; empty if the user names none.
    memory : int
        The budget of the job in bytes.
    raw : RawSpec or None
        As in `opening.open_input`.
    selection : Selection or None
        Channels of the stack; None for all.
    grid : (int, int) or None
        Height and width to which a table of pixels is folded.
    hints : Hints or None
        Told how the axes of each input are read.
    """

    layout: str
    memory: int
    raw: RawSpec | None = None
    selection: Selection | None = None
    grid: Grid | None = None
    hints: Hints | None = None

    def open(self, inputs: Sequence[str], stack: ExitStack) -> Stack:
        """Open the inputs of one stack; `stack` closes them."""
        return self.open_among(inputs, stack, max(1, len(inputs)))

    def open_among(self, inputs: Sequence[str], stack: ExitStack, among: int) -> Stack:
        """Open inputs as one of `among` stacks that share the memory of readers."""
        from onebyone_cli.formats import opening

        memory = share_of(self.memory, "inputs", among)
        raw = self.raw and self.raw._replace(may_be_named=among > 1)
        opened = opening.open_inputs(
            inputs, layout=self.layout, memory=memory, raw=raw, stack=stack
        )
        if self.hints is not None:
            self.hints.tell(opened)
        if self.grid is not None:
            from onebyone_cli.stack.folded import fold

            opened = [fold(reader, self.grid) for reader in opened]
        if self.selection is None:
            return opened
        from onebyone_cli.stack.selected import select

        return select(opened, self.selection)

    def open_series(self, stream: str, stack: ExitStack) -> Series:
        """Open a stream of stacks; `stack` closes it."""
        from onebyone_cli.formats import opening

        opened = opening.open_series(stream, layout=self.layout, raw=self.raw, stack=stack)
        if self.grid is not None:
            from onebyone_cli.stack.folded import FoldedSeries

            opened = FoldedSeries(opened, self.grid)
        if self.selection is None:
            return opened
        from onebyone_cli.stack.selected import SelectedSeries

        return SelectedSeries(opened, self.selection)

    def open_stacks(self, inputs: Sequence[str], stack: ExitStack, *, each: bool) -> Stacks:
        """Open one stack, or with `each` one for each input, and streams of stacks."""
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
    """Open a mask or label map in a form that can be read several times; `stack` closes it.

    An array has shape (H, W), (..., 1, H, W) or (pixels,). `memory` is the budget of the job in
    bytes.
    """
    if given is None or (isinstance(given, str) and not given):
        return None
    if not isinstance(given, str):
        from onebyone_cli.stack.in_memory import ArrayInput

        return ArrayInput(given, MAP)
    from onebyone_cli.formats import opening
    from onebyone_cli.stack.sources import hold_streams

    share = share_of(memory, "map")
    readers = opening.open_inputs([given], layout=MAP, memory=share, stack=stack, indices=True)
    # A pipe is spooled to a file, which the plan does not count.
    (held,), _ = hold_streams(readers, 0, stack, lambda step, done, total: None)
    return held
