"""One entry of the registry of formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec
from onebyone_cli.formats.contracts.metadata import Dataset
from onebyone_cli.formats.contracts.reader import Look, Reader, Series, Source, StreamReader
from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer


class Format(NamedTuple):
    """One file format; each module of this package defines one as ``FORMAT``.

    Attributes
    ----------
    name : str
        What ``--format`` takes.
    title : str
        For people.
    suffixes : tuple of str
        Endings of file names, lower case, with the dot.
    kinds : tuple of str
        Further names that ``--format`` takes and hands on as `Target.kind`.
    read : callable
        Open an input.
    write : callable
        Make the writer of an output of a given shape and type; see `Target.make_writer`.
    series : callable or None
        Open a stream of several inputs, where they can follow each other.
    look : callable or None
        Look at the header of an input, where that takes less than to open it.
    datasets : callable or None
        Given the name of a file, lists the datasets that could be stacks, where there can be
        several.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    read: Callable[[Source], Reader | StreamReader]
    write: Callable[[Target, StackSpec], Writer | StreamWriter]
    kinds: tuple[str, ...] = ()
    series: Callable[[Source], Series] | None = None
    look: Callable[[Source], Look] | None = None
    datasets: Callable[[str], Sequence[Dataset]] | None = None
