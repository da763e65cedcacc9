"""The contract of writers: checked when made, opened, committed or discarded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from onebyone_cli.commit.atomic import AtomicFile
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
    def is_plain(self) -> bool:
        """Whether nothing was asked for."""
        return not (self.compression or self.shuffle or self.fletcher32 or self.chunks)


class Target(NamedTuple):
    """What the user named as the output, and how to write it.

    Attributes
    ----------
    path : str
        The file or folder; ``-`` is standard output.
    spec : StackSpec
        Shape and type of what will be written.
    inner : str
        Name of the dataset inside the file; empty for the format's choice.
    kind : str
        Type of the images of a folder, such as ``"png"``; empty for the format's choice.
    force : bool
        Replace an existing output.
    fsync : bool
        Have the output on the disk before it is published.
    keep_equal : bool
        Leave an existing output of the same bytes as it is.
    resume : bool or None
        Whether to write a part file that a later run can go on with, where the format allows it:
        False begins anew; None for a temporary that is gone when the run is.
    shared : bool
        Whether other jobs write the same file at the same time.
    attributes : mapping
        Names and values to carry over from the input, where the format can hold them.
    storage : Storage
        Compression and chunks.
    """

    path: str
    spec: StackSpec
    inner: str = ""
    kind: str = ""
    force: bool = False
    fsync: bool = False
    keep_equal: bool = False
    resume: bool | None = None
    shared: bool = False
    attributes: Mapping[str, Any] = MappingProxyType({})
    storage: Storage = Storage()


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
    """Fixed offsets: any slab, from several threads at once, in any order.

    Attributes
    ----------
    file : AtomicFile
        What is written, once it is open; a `PartFile` if a later run is to go on with it, a
        `SharedFile` if other jobs write it, too.
    data_offset : int
        Bytes of the file before the first number, once it is open.
    """

    file: AtomicFile
    data_offset: int

    def container(self) -> str:
        """Say in what the numbers lie, as far as it decides where, such as a dataset's name."""
        return ""

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
