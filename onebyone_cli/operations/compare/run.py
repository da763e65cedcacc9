"""Open two stacks and compare them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import UsageError
from onebyone_cli.operations.channel_labels import ChannelLabels, labels_of
from onebyone_cli.operations.compare.job import CompareJob, CompareSettings
from onebyone_cli.operations.compare.picture import DifferenceMap
from onebyone_cli.operations.inputs import open_map
from onebyone_cli.operations.names import files_of
from onebyone_cli.picture.png import check_png, write_png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.arithmetic.difference import Differences
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.operations.learn.gathered import Say
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.sources import OnProgress


class Compared(NamedTuple):
    """How far two stacks differ.

    Attributes
    ----------
    differences : Differences
    spec : StackSpec
        Of A.
    labels : ChannelLabels
        Of the channels of A.
    dtypes : (str, str)
        Types of the values of each stack.
    """

    differences: Differences
    spec: StackSpec
    labels: ChannelLabels
    dtypes: tuple[str, str]

    @property
    def default_peak(self) -> float:
        """The range of an integer type, or of the numbers of A."""
        dtype, found = self.dtypes[0], self.differences.together()
        if dtype.startswith("float"):
            return float(found.high[0]) - float(found.low[0])
        # Signed or not, the range has as many steps; of bool it is 1.
        return 1.0 if dtype == "bool" else float(2 ** (8 * self.spec.item_bytes) - 1)


class Comparison(NamedTuple):
    """One run of the operation.

    Attributes
    ----------
    settings : CompareSettings
    reading : Reading
        How A is opened; B has a layout of its own.
    mask : str
        Map of the pixels that count; empty for none.
    picture : str
        PNG file to draw; empty for none.
    may_replace : bool
        Whether that file may exist.
    """

    settings: CompareSettings
    reading: Reading
    mask: str = ""
    picture: str = ""
    may_replace: bool = False

    def run(self, a: str, b: str, layout_b: str, *, on_progress: OnProgress, say: Say) -> Compared:
        """Check everything, compare, and draw the picture.

        `say` takes what was found in the files, a line each.
        """
        with ExitStack() as stack:
            one = _only(self.reading.open_among([a], stack, 2))
            second = self.reading._replace(layout=layout_b)
            other = _in_order_of(one, _only(second.open_among([b], stack, 2)), say)
            picture = self._planned_picture(one, other)
            mask = open_map(self.mask, self.reading.memory, stack)
            job = CompareJob(one, other, self.settings, picture, mask)
            labels = labels_of([one])
            for note in job.notes:
                say(note)
            found = job.run(on_progress)
            for warning in job.warnings():
                say(warning)
        if picture is not None:
            write_png(picture.drawn(), self.picture, force=self.may_replace)
        dtypes = [
            "float64" if is_packed else each.spec.dtype
            for each, is_packed in zip((one, other), job.is_packed, strict=True)
        ]
        return Compared(found, one.spec, labels, (dtypes[0], dtypes[1]))

    def _planned_picture(
        self, one: Reader | StreamReader, other: Reader | StreamReader
    ) -> DifferenceMap | None:
        if not self.picture:
            return None
        if self.picture == "-":
            raise UsageError("standard output is for the report; name a .png file")
        read = (*one.about.files, *other.about.files, *files_of([self.mask]))
        check_png(self.picture, force=self.may_replace, inputs=read)
        return DifferenceMap(one.spec)


def _only(readers: Sequence[Reader | StreamReader]) -> Reader | StreamReader:
    (reader,) = readers
    return reader


def _in_order_of(
    one: Reader | StreamReader, other: Reader | StreamReader, say: Say
) -> Reader | StreamReader:
    """Put channels that both stacks know in the order of the first; tell `say`."""
    from onebyone_cli.stack.identity import find_channels, identity_of
    from onebyone_cli.stack.name_matching import some_of
    from onebyone_cli.stack.selected import select_channels

    known, wanted = identity_of([other]), identity_of([one])
    found = find_channels(wanted, known) if known != wanted else None
    if found is None or found.are_in_order or len(found.known) != len(found.wanted):
        return other
    here, there = some_of(found.known), some_of(found.wanted)
    order = [place for place in found.places if place is not None]
    if len(order) < len(found.places):
        say(
            f"warning: {other.path}: has the channels {here} and {one.path} has {there}; "
            "they are compared in their order"
        )
        return other
    say(f"{other.path}: has the channels of {one.path} in another order ({here}); matched")
    return _only(select_channels([other], order, there))
