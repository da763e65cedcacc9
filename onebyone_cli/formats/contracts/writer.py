"""The contract of writers: checked when made, opened, committed or discarded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from onebyone_cli.commit.publication import Publication
from onebyone_cli.formats.contracts.metadata import Metadata

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from onebyone_cli.commit.atomic import AtomicFile
    from onebyone_cli.commit.publishing import Sidecar
    from onebyone_cli.spec import Slab, StackSpec


class Storage(NamedTuple):
    """How a chunked container lays out its numbers; ignored by no format, refused by most.

    Attributes
    ----------
    compression : str
        ``"gzip"``, ``"lzf"`` or empty for none.
    level : int
        Effort of gzip, 0 to 9.
    shuffle, fletcher32 : bool
        Byte shuffling before compression; a checksum for every chunk.
    chunks : tuple of int
        ``(C, H, W)`` of a chunk; empty to let the format choose.
    """

    compression: str = ""
    level: int = 4
    shuffle: bool = False
    fletcher32: bool = False
    chunks: tuple[int, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the fields that ask for something; a level asks for nothing by itself."""
        names = ("compression", "shuffle", "fletcher32", "chunks")
        return tuple(name for name in names if getattr(self, name))

    @property
    def is_plain(self) -> bool:
        """Whether nothing was asked for."""
        return not self.asked


class Target(NamedTuple):
    """An output as the user named it, whose shape and type need not be known yet.

    Attributes
    ----------
    path : str
        The file or folder; ``-`` is standard output.
    write : callable
        Makes the writer; see `Format.write`.
    inner : str
        Name of the dataset inside the file; empty for the format's choice.
    kind : str
        Type of the images of a folder, such as ``"png"``; empty for the format's choice.
    inputs : tuple of str
        Files that are read, none of which may be written.
    publication : Publication
        How it is published. Formats without fixed offsets write a temporary, whatever it says of
        part files.
    keeps : tuple of str
        See `Format.keeps`.
    metadata : Metadata
        What is true of the numbers; a format writes what it has a place for.
    storage : Storage
        Compression and chunks.
    """

    path: str
    write: Callable[[Target, StackSpec], Writer | StreamWriter]
    inner: str = ""
    kind: str = ""
    inputs: tuple[str, ...] = ()
    publication: Publication = Publication()
    keeps: tuple[str, ...] = ()
    metadata: Metadata = Metadata()
    storage: Storage = Storage()

    def make_writer(
        self, spec: StackSpec, describe: Callable[[], Metadata] = Metadata
    ) -> Writer | StreamWriter:
        """Make the writer of an output of this shape and type; creates nothing.

        Parameters
        ----------
        spec : StackSpec
            Shape and type of what will be written.
        describe : callable
            Gives what is true of the numbers; called only for a format that keeps some of it.

        Raises
        ------
        UsageError
            If the format can't hold such a stack.
        OutputRefusedError
            If the output can't be written.
        ReadWriteError
            If the disk is too full.
        """
        target = self._replace(metadata=describe()) if self.keeps else self
        return self.write(target, spec)


class AnyTarget(Protocol):
    """What a job needs to know of its output: a `Target`, or an array in memory."""

    def make_writer(
        self, spec: StackSpec, describe: Callable[[], Metadata] = Metadata
    ) -> Writer | StreamWriter:
        """See `Target.make_writer`."""


class _Output(ABC):
    """What both kinds of writer have: made, opened, then committed or discarded.

    The constructor checks and creates nothing. `open` creates a temporary beside the target.
    `commit` publishes it; leaving the ``with`` block without it leaves no trace.

    Attributes
    ----------
    path : str
        The output as the user wrote it, for messages.
    spec : StackSpec
        Shape and type of what is written.
    buffer_bytes : int
        Memory the writer takes by itself, such as one image.
    changed : bool
        After `commit`: False where an equal output was there and was kept.
    """

    path: str
    spec: StackSpec
    buffer_bytes: int = 0
    changed: bool = True

    @abstractmethod
    def open(self) -> None:
        """Create the temporary."""

    @abstractmethod
    def commit(self) -> None:
        """Publish the output: afterwards it is there, whole, under its own name."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was created, unless it was published. May be called twice."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


class Writer(_Output):
    """Fixed offsets: any slab, from several threads at once, in any order."""

    @abstractmethod
    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab.

        Parameters
        ----------
        slab : Slab
            Which items and pixels.
        block : ndarray of shape (slab.items, K, slab.pixels)
            Of the output's dtype; its last axis is contiguous.
        """

    @abstractmethod
    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write neighbouring numbers of one channel.

        Parameters
        ----------
        item, channel : int
            Which plane.
        start : int
            First pixel.
        numbers : ndarray of shape (n,)
            Of the output's dtype, contiguous.
        """


class ResumableWriter(Writer):
    """Fixed offsets in a file that a later run can resume, and other jobs can write as well.

    Attributes
    ----------
    file : AtomicFile
        What is written, once it is open: a `PartFile` if ``publication.resume`` is set, a
        `SharedFile` if it is shared.
    data_offset : int
        Bytes of the file before the first number, once it is open.
    container : str
        What decides where the numbers lie, such as a dataset's name: two runs fill the same file
        only if it is the same for both.
    sidecar : Sidecar or None
        A file beside the output that is published with it, such as a header.
    """

    file: AtomicFile
    data_offset: int
    container: str
    sidecar: Sidecar | None = None


class Planes(Protocol):
    """The finished result, as a `StreamWriter` sees it."""

    spec: StackSpec

    def rows(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Rows [start, stop) of one channel: ndarray of shape (stop - start, W)."""

    def pixels(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Pixels [start, stop) of one channel: ndarray of shape (stop - start,)."""


class StreamWriter(_Output):
    """Wants the result channel by channel, in its own order."""

    @abstractmethod
    def fill(self, result: Planes, on_bytes: Callable[[int], None]) -> None:
        """Take the whole result; call `on_bytes` with the number of result bytes done so far."""
