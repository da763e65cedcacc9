"""Write numbers at fixed offsets: ``.npy``, contiguous HDF5, ENVI and spools."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from onebyone_cli.commit import targets
from onebyone_cli.commit.part import create_file
from onebyone_cli.errors import OneByOneError, read_write_error
from onebyone_cli.formats.arrays.layout import plain_strides
from onebyone_cli.formats.contracts.writer import ResumableWriter, Writer
from onebyone_cli.system.pipes import write_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.commit.publishing import Sidecar
    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import Slab, StackSpec


class ArrayWriter(Writer):
    """Write slabs of a C-order, little-endian CHW array into an existing file.

    Parameters
    ----------
    fd : int
        Descriptor open for writing; not closed here.
    spec : StackSpec
    offset : int
        Bytes before the first number.
    path : str
        Name for messages.
    """

    def __init__(self, fd: int, spec: StackSpec, offset: int, path: str) -> None:
        self.path = path
        self.spec = spec
        self._fd = fd
        self.data_offset = offset
        *_, self._channel_stride, _, self._pixel_stride = plain_strides(spec)

    def open(self) -> None:
        """Do nothing: the file exists."""

    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab; see `Writer.write`."""
        stride = self._channel_stride
        start = self.data_offset + slab.item * self.spec.channels * stride
        start += slab.start * self._pixel_stride
        if slab.pixels == self.spec.pixels and block.flags.c_contiguous:
            write_from(self._fd, block, start, self.path)
            return
        for index in range(slab.items):
            for channel in range(self.spec.channels):
                write_from(self._fd, block[index, channel], start, self.path)
                start += stride

    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write consecutive pixels of one channel; see `Writer.write_run`."""
        plane = (item * self.spec.channels + channel) * self._channel_stride
        write_from(
            self._fd, numbers, self.data_offset + plane + start * self._pixel_stride, self.path
        )

    def commit(self) -> None:
        """Do nothing: the owner of the file publishes it."""

    def discard(self) -> None:
        """Do nothing: the owner of the file removes it."""


class FixedOffsetWriter(ResumableWriter):
    """Write an output file with its numbers at fixed offsets.

    Parameters
    ----------
    target : Target
    spec : StackSpec
    header : bytes
        Bytes before the numbers, if none follow them.
    create : callable or None
        Replaces `header`: write all but the numbers into a descriptor; return the offset of the
        first number and the size of the file in bytes. Bytes that the descriptor holds are
        of the same output: they are written over, never truncated.
    container : str
        See `ResumableWriter.container`.
    sidecar : Sidecar or None
        A file that is published with the output: both appear, or neither.

    Raises
    ------
    OutputRefusedError
        If the sidecar can't be written.
    ReadWriteError
        If the disk is too full.
    """

    def __init__(
        self,
        target: Target,
        spec: StackSpec,
        *,
        header: bytes = b"",
        create: Callable[[int], tuple[int, int]] | None = None,
        container: str = "",
        sidecar: Sidecar | None = None,
    ) -> None:
        self.path = target.path
        self.spec = spec
        self.container = container
        self.sidecar = sidecar
        self._target = target
        self._header = header
        self._create = create or self._write_header
        if sidecar is not None:
            targets.check_target(
                sidecar.path, force=target.publication.may_replace, inputs=target.inputs
            )
        targets.check_space(target.path, len(header) + spec.data_bytes)

    def open(self) -> None:
        """Create the temporary or the part file, and write all but the numbers."""
        self.file = create_file(self.path, self._target.publication)
        try:
            if self._target.publication.shared and self.file.found:
                # Another job may be writing the file. Create a sparse copy without a name, only to
                # find the offset of the numbers.
                import tempfile

                with tempfile.TemporaryFile() as nameless:
                    self._settle(nameless.fileno())
            else:  # even if it was found: a crash may have lost the header
                self._settle(self.file.fd)
        except BaseException:
            self.discard()
            raise
        self._numbers = ArrayWriter(self.file.fd, self.spec, self.data_offset, self.path)

    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab; see `Writer.write`."""
        self._numbers.write(slab, block)

    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write consecutive pixels of one channel; see `Writer.write_run`."""
        self._numbers.write_run(item, channel, start, numbers)

    def commit(self) -> None:
        """Publish the file."""
        self.changed = self.file.commit(self._size, self.sidecar)

    def discard(self) -> None:
        """Remove the temporary."""
        if hasattr(self, "file"):
            self.file.discard()

    def _settle(self, fd: int) -> None:
        try:
            self.data_offset, self._size = self._create(fd)
            header = os.pread(fd, self.data_offset, 0)
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error
        self.file.settle(self._size, header)

    def _write_header(self, fd: int) -> tuple[int, int]:
        write_all(fd, memoryview(self._header), self.path)
        return len(self._header), len(self._header) + self.spec.data_bytes


def write_from(fd: int, block: NDArray[Any], offset: int, path: str) -> None:
    """Write a contiguous array into a file, in as many writes as needed.

    Raises
    ------
    ReadWriteError
        If the system fails: disk full, quota, I/O error.
    """
    try:
        count = os.pwritev(fd, [block.data], offset)
        if count == block.nbytes:
            return
        view = block.data.cast("B")
        while count < block.nbytes:
            count += os.pwritev(fd, [view[count:]], offset + count)
    except OSError as error:
        raise read_write_error("writing", path, error) from error
