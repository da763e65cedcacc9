"""The contract of readers.

Opening a reader reads the header only and yields a `StackSpec`; making a writer checks everything
and creates nothing. So errors are found before pixels are read or an output exists.

There are two kinds on each side. A format chooses per file:

==============  ==================================================================================
`Reader`        any slab at any time, from several threads at once
`StreamReader`  all bytes once, in the order of the file; spooled to disk first, unless slabs are
                read once each in that order
`Writer`        any slab at any time, from several threads at once (fixed offsets)
`StreamWriter`  the finished result, channel by channel (pipes, images, compressed chunks); the
                result is spooled to disk first
==============  ==================================================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.formats.contracts.about import About, RawSpec

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import PixelGrid, Slab, StackSpec

#: Size of the pieces of rows that distant pixels are picked from.
_GRID_BYTES = 1 << 23


class Source(NamedTuple):
    """An input and how to read it.

    Attributes
    ----------
    path : str
        File or folder; ``-`` is standard input.
    inner : str
        Dataset inside the file; empty if not given.
    layout : str
        Order of the axes as stored, from `axes.checked_layout`; empty if the user names none.
    memory : int
        Bytes for chunk caches and decoders.
    raw : RawSpec or None
        Shape and dtype of numbers without a header.
    indices : bool
        Whether the numbers of an image with a palette are its indices, as in a label map.
    opened : ByteSource or None
        The open stream, if its first bytes decided the format; the reader closes it.
    """

    path: str
    inner: str = ""
    layout: str = ""
    memory: int = 1 << 26
    raw: RawSpec | None = None
    indices: bool = False
    opened: ByteSource | None = None

    @property
    def name(self) -> str:
        """The input as the user wrote it."""
        return f"{self.path}:{self.inner}" if self.inner else self.path


class _Input(ABC):
    """Base of both kinds of reader.

    Attributes
    ----------
    spec : StackSpec
        Shape and dtype from the header.
    about : About
        Everything else from the header.
    """

    spec: StackSpec
    about: About

    @property
    def path(self) -> str:
        """The input as the user wrote it, for messages."""
        return self.about.path

    @abstractmethod
    def close(self) -> None:
        """Close the file. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class Reader(_Input):
    """Random access: any slab, from several threads at once.

    Attributes
    ----------
    scratch_bytes : int
        Size of the scratch buffer that `read` needs per thread; 0 for none.
    cache_bytes : int
        Memory of the open reader itself, such as a chunk cache.
    chunk_shape : tuple of int or None
        ``(C, H, W)`` of a storage chunk, if the file has chunks.
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
        out : ndarray of shape (slab.items, C, slab.pixels)
            Receives the numbers, converted to its dtype. Only the last axis must be contiguous.
        scratch : ndarray of uint8, shape (n,) with n >= scratch_bytes
            Work space of this thread.

        Raises
        ------
        ReadWriteError
            If the system fails or the file has become shorter.
        """

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a sparse grid of pixels, and as little else as possible.

        Parameters
        ----------
        grid : PixelGrid
            Item, channels, rows and columns.
        out : ndarray of shape (len(grid.channels), len(grid.rows), len(grid.columns))
            Receives the numbers, converted to its dtype.
        scratch : ndarray of uint8
            As in `read`.

        Raises
        ------
        ReadWriteError
            As in `read`.
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
        """Read channels [first, last) of a slab, without the others where the format can.

        Parameters
        ----------
        slab, scratch
            As in `read`.
        first, last : int
        out : ndarray of shape (slab.items, last - first, slab.pixels)
            As in `read`.
        """
        import numpy as np

        whole = np.empty((slab.items, self.spec.channels, slab.pixels), out.dtype)
        self.read(slab, whole, scratch)
        out[...] = whole[:, first:last]

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""

    def abandon(self) -> None:
        """Cancel pending reads after a failure."""


class StreamReader(_Input):
    """Sequential access: all bytes once, in the order of the source.

    Attributes
    ----------
    stored : ArrayLayout
        Layout of the drained bytes.
    buffer_bytes : int
        Memory that `drain` takes, such as one decoded image.
    run_pixels : int
        Pixels stored together, channel by channel, so that `slabs` can replace `drain`: one in HWC,
        a row in HCW, an item of the batch in CHW. 0 where it can't.
    scratch_bytes : int
        Size of the scratch buffer for the reader that `held` returns; 0 for the usual.
    """

    stored: ArrayLayout
    buffer_bytes: int = 0
    run_pixels: int = 0
    scratch_bytes: int = 0

    @property
    def run_channels(self) -> int:
        """Number of channels of a run."""
        return self.spec.channels

    def held(self, reader: Reader) -> Reader:
        """Return a reader of this stack, given one of the drained bytes as they are stored."""
        return reader

    @abstractmethod
    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Pass all bytes to `write`, piece by piece.

        Raises
        ------
        DataError
            If the source ends early or contradicts its header.
        """

    def drain_some(self, channels: Sequence[int], write: Callable[[memoryview], None]) -> bool:
        """Drain some channels, in ascending order, as if there were no others.

        Returns False, and drains nothing, where the others must be read as well.
        """
        del channels, write
        return False

    def slabs(self, channels: Sequence[int] = ()) -> Reader:
        """Return a reader of slabs in place of `drain`, if `run_pixels` is not 0.

        It reads `channels` in their order, or all. Each slab must be requested once, by any thread;
        each waits for those before it.
        """
        raise NotImplementedError


class Series(ABC):
    """Any number of stacks in one stream.

    Attributes
    ----------
    path : str
        The stream as the user wrote it, for messages.
    """

    path: str

    @abstractmethod
    def __iter__(self) -> Iterator[Reader | StreamReader]:
        """Open one stack after another; asking for the next one ends the use of the last.

        Raises
        ------
        DataError
            If the next bytes are not a stack.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the stream. May be called twice."""
