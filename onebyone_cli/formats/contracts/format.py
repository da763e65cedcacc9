"""One entry of the registry of formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.formats.contracts.about import Dataset
from onebyone_cli.formats.contracts.reader import Reader, Series, Source, StreamReader
from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec


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
    datasets : callable or None
        Given the name of a file, lists the datasets that could be stacks, where there can be
        several.
    keeps : tuple of str
        Fields of `Metadata` that an output has a place for.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    read: Callable[[Source], Reader | StreamReader]
    write: Callable[[Target, StackSpec], Writer | StreamWriter]
    kinds: tuple[str, ...] = ()
    series: Callable[[Source], Series] | None = None
    datasets: Callable[[str], Sequence[Dataset]] | None = None
    keeps: tuple[str, ...] = ()
