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
    noun : str
        One file of it within a sentence, as in ``"a .npy file"``.
    suffixes : tuple of str
        Endings of file names, lower case, with the dot.
    read : callable
        Open an input.
    write : callable
        Make the writer of an output of a given shape and type; see `Target.make_writer`.
    new_suffix : str
        What names of new outputs end in; ``/`` for a folder.
    kinds : tuple of str
        Further names that ``--format`` takes and hands on as `Target.kind`.
    magic : tuple of bytes
        What files begin with, to find those with other suffixes.
    claims : callable or None
        Given the name of a file that neither suffix nor first bytes give away, says whether it is
        of this format by what lies beside it.
    main_file : callable or None
        Given the name of an output of several files, names the one with the numbers.
    streams : str
        A stream of it within a sentence, as in ``"a .npy stream"``, where ``-`` and pipes can be
        of this format; else empty.
    series : callable or None
        Open a stream of several inputs, where they can follow each other.
    folder : str
        A folder of it within a sentence, as in ``"a folder of images"``; empty where there is none.
    folders : callable or None
        Given the name of a folder, says whether it is of this format.
    datasets : callable or None
        Given the name of a file, lists the datasets that could be stacks, where there can be
        several.
    storage : tuple of str
        Fields of `Storage` that an output takes.
    keeps : tuple of str
        Fields of `Metadata` that an output has a place for.
    extra : str
        What to install to read and write it, where it is not installed with the program.
    """

    name: str
    title: str
    noun: str
    suffixes: tuple[str, ...]
    read: Callable[[Source], Reader | StreamReader]
    write: Callable[[Target, StackSpec], Writer | StreamWriter]
    new_suffix: str
    kinds: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    claims: Callable[[str], bool] | None = None
    main_file: Callable[[str], str] | None = None
    streams: str = ""
    series: Callable[[Source], Series] | None = None
    folder: str = ""
    folders: Callable[[str], bool] | None = None
    datasets: Callable[[str], Sequence[Dataset]] | None = None
    storage: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    extra: str = ""

    @property
    def has_datasets(self) -> bool:
        """Whether ``file:name`` means a dataset of a file."""
        return self.datasets is not None
