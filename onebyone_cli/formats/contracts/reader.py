"""What a format owes the rest of the program, in prose and types.

Header before pixels: opening a reader reads metadata only and yields a `StackSpec`; making a
writer checks everything and creates nothing. So all that can be refused is refused before the
first pixel is read and before any output exists.

There are two kinds on each side, and a format picks the one that is true of the file at hand:

==============  ==================================================================================
`Reader`        any slab at any time, from several threads at once
`StreamReader`  all bytes once, in the file's own order; the pipeline lays them in a spool first,
                unless slabs come one after another in that order and each is read just once
`Writer`        any slab at any time, from several threads at once (fixed offsets)
`StreamWriter`  wants the finished result channel by channel (pipes, images, compressed chunks);
                the pipeline lays the result in a spool first
==============  ==================================================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.formats.contracts.about import About, RawSpec

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import PixelGrid, Slab, StackSpec

#: Pixels that lie far apart are picked out of pieces of rows of this size.
_GRID_BYTES = 1 << 23


class Source(NamedTuple):
    """What the user named as an input, and how to read it.

    Attributes
    ----------
    path : str
        The file or folder; ``-`` is standard input.
    inner : str
        Name of a dataset inside the file; empty where none was given.
    layout : str
        Order of the last three axes as stored: one of `spec.LAYOUTS`.
    memory : int
        Bytes that chunk caches and decoders of this input may take.
    raw : RawSpec or None
        What is in it, where it is numbers without a header.
    """

    path: str
    inner: str = ""
    layout: str = "CHW"
    memory: int = 1 << 26
    raw: RawSpec | None = None

    @property
    def name(self) -> str:
        """The input as the user wrote it."""
        return f"{self.path}:{self.inner}" if self.inner else self.path


class _Input(ABC):
    """What both kinds of reader have.

    Attributes
    ----------
    spec : StackSpec
        Shape and type, known from the header.
    about : About
        What else the header says.
    """

    spec: StackSpec
    about: About

    @property
    def path(self) -> str:
        """The input as the user wrote it, for messages."""
        return self.about.path

    @abstractmethod
    def close(self) -> None:
        """Let go of the file. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Reader(_Input):
    """Random access: any slab, from several threads at once.

    Attributes
    ----------
    scratch_bytes : int
        Size of the scratch buffer that `read` wants from each thread; 0 for none.
    cache_bytes : int
        Memory the reader holds by itself while open, such as a chunk cache.
    chunk_shape : tuple of int or None
        ``(C, H, W)`` of a storage chunk, where the file has chunks.
    """

    scratch_bytes: int = 0
    cache_bytes: int = 0
    chunk_shape: tuple[int, ...] | None = None

    @abstractmethod
    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab as CHW.

        Parameters
        ----------
        slab : Slab
            Which items and pixels.
        out : ndarray of shape (slab.items, C, slab.pixels)
            Filled with the numbers, converted to its dtype. Its last axis is contiguous, the
            others need not be.
        scratch : ndarray of uint8, shape (n,) with n >= scratch_bytes
            Space to work in, not shared with another thread.

        Raises
        ------
        ReadWriteError
            If the system fails or the file has become shorter.
        """

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read some pixels of some channels, far apart, and as little else as possible.

        Parameters
        ----------
        grid : PixelGrid
            Which item, channels, rows and columns.
        out : ndarray of shape (len(grid.channels), len(grid.rows), len(grid.columns))
            Filled with the numbers, converted to its dtype.
        scratch : ndarray of uint8
            As for `read`.

        Raises
        ------
        ReadWriteError
            As for `read`.
        """
        import numpy as np

        from onebyone_cli.spec import Slab

        spec, columns = self.spec, grid.columns
        most = max(1, _GRID_BYTES // (spec.channels * spec.item_bytes))
        for index, row in enumerate(grid.rows):
            for first in range(columns[0], columns[-1] + 1, most):
                stop = min(first + most, columns[-1] + 1)
                before = -(-(first - columns.start) // columns.step)
                wanted = range(columns.start + before * columns.step, stop, columns.step)
                if wanted:
                    line = np.empty((1, spec.channels, stop - first), spec.dtype)
                    start = row * spec.width
                    self.read(Slab(grid.item, 1, start + first, start + stop), line, scratch)
                    picked = line[0, :, wanted[0] - first :: columns.step]
                    out[:, index, before : before + len(wanted)] = picked[list(grid.channels)]

    def read_channels(
        self, slab: Slab, first: int, last: int, out: NDArray[Any], scratch: NDArray[Any]
    ) -> None:
        """Read some channels of a slab; formats that can do so without the others do.

        Parameters
        ----------
        slab, scratch
            As in `read`.
        first, last : int
            The first channel, and the one after the last.
        out : ndarray of shape (slab.items, last - first, slab.pixels)
            As in `read`.
        """
        import numpy as np

        whole = np.empty((slab.items, self.spec.channels, slab.pixels), out.dtype)
        self.read(slab, whole, scratch)
        out[...] = whole[:, first:last]

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file was changed since it was opened."""

    def abandon(self) -> None:
        """Cancel pending reads after a failure."""


class StreamReader(_Input):
    """All bytes once, in the order in which the source has them.

    Attributes
    ----------
    stored : ArrayLayout
        How the drained bytes are to be understood, once they are in one piece.
    buffer_bytes : int
        Memory that `drain` takes, such as one decoded image.
    run_pixels : int
        Pixels that come together, channel by channel, before the next ones, in their order, so
        that `slabs` can stand in for `drain`: one in HWC, a row in HCW, an item of the batch in
        CHW. 0 where it can't.
    """

    stored: ArrayLayout
    buffer_bytes: int = 0
    run_pixels: int = 0

    @abstractmethod
    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Hand over all bytes, piece by piece.

        Raises
        ------
        DataError
            If the source ends too early or holds something else than its header said.
        """

    def slabs(self) -> Reader:
        """Make a reader of slabs in place of `drain`, where `run_pixels` allows it.

        Every slab must be asked for once, by any thread; each waits until those before it have
        been read.
        """
        raise NotImplementedError


class Series(ABC):
    """Stacks that follow each other in one stream, any number of them.

    Attributes
    ----------
    path : str
        The stream as the user wrote it, for messages.
    """

    path: str

    @abstractmethod
    def __iter__(self) -> Iterator[Reader | StreamReader]:
        """Open one after another; each is done with when the next is asked for.

        Raises
        ------
        DataError
            If what follows is no stack.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the stream. May be called twice."""
