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
    """A file format; each module of this package defines one as ``FORMAT``.

    Attributes
    ----------
    name : str
        Value of ``--format``.
    title : str
        Name for users.
    noun : str
        One file within a sentence, as in ``"a .npy file"``.
    suffixes : tuple of str
        Lower case, with the dot.
    read : callable
        Open an input.
    write : callable
        Make the writer of an output; see `Target.make_writer`.
    also : tuple of str
        Suffixes of another format that files of this one have as well.
    new_suffix : str
        Suffix of new outputs; ``/`` for a folder, empty for a format that is only read.
    kinds : tuple of str
        More values of ``--format``, passed on as `Target.kind`.
    file_suffix : callable or None
        Return the suffix of a file of a kind that can hold a stack of some channels and a type;
        empty if it takes a folder.
    magic : tuple of bytes
        First bytes of files.
    claims : callable or None
        Whether a file that first bytes do not identify is of this format, by its other bytes or the
        files beside it. Of a format without first bytes, those files go before all others.
    prefixes : tuple of str
        How names begin that are inputs of this format, whatever files exist.
    absolute : callable or None
        Return such a name with absolute paths.
    main_file : callable or None
        Return the file with the numbers of an output of several files.
    streams : str
        A stream within a sentence, as in ``"a .npy stream"``; empty if ``-`` and pipes can't be of
        this format.
    lacks_types : bool
        Whether a header may leave the type of the numbers open, so that `Source.raw` names it.
    series : callable or None
        Open a stream of several inputs.
    folder : str
        A folder within a sentence, as in ``"a folder of images"``; empty if there is none.
    folders : callable or None
        Whether a folder is of this format.
    addresses : bool
        Whether inputs and outputs can be addresses, as in ``s3://bucket/x.zarr``.
    seal : callable or None
        Complete an output of many files, given their folder or address and a description.
    folder_kinds : tuple of (str, tuple of str)
        Values of ``--format`` for folders, passed on as `Target.kind`, each with what it keeps in
        place of `keeps`.
    datasets : callable or None
        List the datasets of a file that could be stacks.
    layouts : tuple of str
        Orders of the axes that an output can have, if the user may choose.
    frames : bool
        Whether other programs write and read several, one after another, in a stream: an item of
        a batch is one.
    is_described : bool
        Whether files tell the shape of their numbers; if not, `Source.raw` does.
    storage : tuple of str
        Fields of `Storage` that an output supports.
    keeps : tuple of str
        Fields of `Metadata` that an output has a place for.
    packs_channels : bool
        Whether channels of an output can have different scales and offsets.
    background : float or None
        Value of pixels without data in a picture of integers; None for other formats.
    extra : str
        What to install, if it is not installed with the program.
    """

    name: str
    title: str
    noun: str
    suffixes: tuple[str, ...]
    read: Callable[[Source], Reader | StreamReader]
    write: Callable[[Target, StackSpec], Writer | StreamWriter]
    new_suffix: str
    kinds: tuple[str, ...] = ()
    file_suffix: Callable[[str, int, str], str] | None = None
    also: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    claims: Callable[[str], bool] | None = None
    prefixes: tuple[str, ...] = ()
    absolute: Callable[[str], str] | None = None
    main_file: Callable[[str], str] | None = None
    streams: str = ""
    lacks_types: bool = False
    series: Callable[[Source], Series] | None = None
    folder: str = ""
    folders: Callable[[str], bool] | None = None
    addresses: bool = False
    seal: Callable[[str, bytes], None] | None = None
    folder_kinds: tuple[tuple[str, tuple[str, ...]], ...] = ()
    datasets: Callable[[str], Sequence[Dataset]] | None = None
    layouts: tuple[str, ...] = ()
    frames: bool = False
    is_described: bool = True
    storage: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    packs_channels: bool = False
    background: float | None = None
    extra: str = ""

    @property
    def is_written(self) -> bool:
        """Whether outputs can be of this format."""
        return bool(self.new_suffix)

    @property
    def has_datasets(self) -> bool:
        """Whether ``file:name`` means a dataset of a file."""
        return self.datasets is not None
