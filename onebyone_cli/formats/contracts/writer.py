"""The contract of writers: checked when made, opened, committed or discarded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from onebyone_cli.commit.publication import Publication
from onebyone_cli.formats.contracts.metadata import Metadata

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from onebyone_cli.commit.atomic import AtomicFile
    from onebyone_cli.commit.publishing import Sidecar
    from onebyone_cli.spec import Slab, StackSpec


class Storage(NamedTuple):
    """Chunking and compression options. Formats that do not support them raise `UsageError`.

    Attributes
    ----------
    compression : str
        ``"gzip"``, ``"lzf"`` or empty for none.
    level : int
        Effort of gzip, 0 to 9.
    shuffle, fletcher32 : bool
        Byte shuffling before compression; a checksum per chunk.
    chunks : tuple of int
        ``(C, H, W)`` of a chunk; empty to let the format choose.
    shards : tuple of int
        ``(C, H, W)`` of a file of several chunks; empty for a file of each.
    """

    compression: str = ""
    level: int = 4
    shuffle: bool = False
    fletcher32: bool = False
    chunks: tuple[int, ...] = ()
    shards: tuple[int, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the options that are set; `level` alone does not count."""
        names = ("compression", "shuffle", "fletcher32", "chunks", "shards")
        return tuple(name for name in names if getattr(self, name))

    @property
    def is_plain(self) -> bool:
        """Whether no option is set."""
        return not self.asked


class Target(NamedTuple):
    """An output by name; its shape and dtype may still be unknown.

    Attributes
    ----------
    path : str
        File or folder; ``-`` is standard output.
    write : callable
        See `Format.write`.
    inner : str
        Dataset inside the file; empty for the format's choice.
    kind : str
        Type of the images of a folder, such as ``"png"``; empty for the format's choice.
    layout : str
        Order of the axes, one of `Format.layouts`; empty for the format's choice.
    inputs : tuple of str
        Files that are read; none may be written.
    publication : Publication
        Formats without fixed offsets ignore its `resume` and `shared`.
    keeps : tuple of str
        See `Format.keeps`.
    packs_channels : bool
        See `Format.packs_channels`.
    background : float or None
        See `Format.background`.
    metadata : Metadata
        Metadata of the output; a format writes what it has a place for.
    storage : Storage
    """

    path: str
    write: Callable[[Target, StackSpec], Writer | StreamWriter]
    inner: str = ""
    kind: str = ""
    layout: str = ""
    inputs: tuple[str, ...] = ()
    publication: Publication = Publication()
    keeps: tuple[str, ...] = ()
    packs_channels: bool = False
    background: float | None = None
    metadata: Metadata = Metadata()
    storage: Storage = Storage()

    def make_writer(
        self, spec: StackSpec, describe: Callable[[], Metadata] = Metadata
    ) -> Writer | StreamWriter:
        """Make the writer of an output of this shape and dtype; creates nothing.

        Parameters
        ----------
        spec : StackSpec
        describe : callable
            Returns the metadata; called only for a format that keeps some.

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
    """A `Target`, or an array in memory."""

    @property
    def keeps(self) -> tuple[str, ...]:
        """See `Format.keeps`."""

    @property
    def packs_channels(self) -> bool:
        """See `Format.packs_channels`."""

    @property
    def background(self) -> float | None:
        """See `Format.background`."""

    def make_writer(
        self, spec: StackSpec, describe: Callable[[], Metadata] = Metadata
    ) -> Writer | StreamWriter:
        """See `Target.make_writer`."""


class _Output(ABC):
    """Base of both kinds of writer.

    The constructor checks and creates nothing. `open` creates a temporary beside the target.
    `commit` publishes it. Leaving the ``with`` block without `commit` removes it.

    Attributes
    ----------
    path : str
        As the user wrote it, for messages.
    spec : StackSpec
    buffer_bytes : int
        Memory of the writer itself, such as one image.
    changed : bool
        After `commit`: False if an equal output existed and was kept.
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
        """Publish the complete output under its name."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was created but not published. May be called twice."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_error: object) -> None:
        self.discard()


class Writer(_Output):
    """Fixed offsets: any slab, from several threads at once, in any order."""

    @abstractmethod
    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab.

        Parameters
        ----------
        slab : Slab
        block : ndarray of shape (slab.items, K, slab.pixels)
            Of the output's dtype; its last axis is contiguous.
        """

    @abstractmethod
    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write consecutive pixels of one channel.

        Parameters
        ----------
        item, channel, start : int
            Plane, and its first pixel.
        numbers : ndarray of shape (n,)
            Of the output's dtype, contiguous.
        """


class ResumableWriter(Writer):
    """Fixed places in a file or a store that a later run can resume and other jobs can share.

    Attributes
    ----------
    file : AtomicFile
        The open output: a `PartFile` if ``publication.resume`` is set, a `SharedFile` if shared.
    data_offset : int
        Bytes before the first number, once open.
    container : str
        What the offsets depend on, such as a dataset's name. Two runs fill the same file only if
        it is equal.
    sidecar : Sidecar or None
        A file published with the output, such as a header.
    band_pixels : int
        Pixels of all channels that are written together, counted from the first of each item; 0
        where every number has its own place. No band is divided among jobs.
    has_planes : bool
        Whether each channel is stored in one piece, as shards need it.
    """

    file: AtomicFile
    data_offset: int
    container: str
    sidecar: Sidecar | None = None
    has_planes: bool = True
    band_pixels: int = 0

    def sync(self) -> None:
        """Flush what was written to disk, for a job on another machine to publish."""
        self.file.sync()

    def is_pending(self, item: int, start: int, stop: int) -> bool:
        """Return whether pixels [start, stop) wait in memory for others of their bands."""
        del item, start, stop
        return False

    def skip(self, item: int, start: int, stop: int) -> None:
        """Keep the bands of pixels [start, stop), which an earlier run has written."""


class Planes(Protocol):
    """The finished result, as a `StreamWriter` reads it."""

    spec: StackSpec

    def rows(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Rows [start, stop) of one channel: ndarray of shape (stop - start, W)."""

    def pixels(self, item: int, channel: int, start: int, stop: int) -> NDArray[Any]:
        """Pixels [start, stop) of one channel: ndarray of shape (stop - start,)."""


class StreamWriter(_Output):
    """Writes the result channel by channel, in its own order."""

    @abstractmethod
    def fill(self, result: Planes, on_bytes: Callable[[int], None]) -> None:
        """Write the whole result; call `on_bytes` with the number of result bytes done so far."""
