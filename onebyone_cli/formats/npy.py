"""The ``.npy`` format: one array, as a file or as a stream through a pipe.

The header is parsed by `npy_header`. A file has its numbers at fixed offsets; standard input and
named pipes deliver them once, in the order of the file.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from onebyone_cli import atomic, targets
from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    UsageError,
    open_error,
    read_write_error,
)
from onebyone_cli.formats.base import (
    Format,
    Planes,
    Reader,
    Source,
    StreamReader,
    StreamWriter,
    Target,
    Writer,
)
from onebyone_cli.npy_header import NpyHeader, format_header, read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.formats.array_layout import ArrayLayout
    from onebyone_cli.spec import Slab

#: Piece in which streams are copied: that of a Linux pipe that was asked for its largest buffer.
_PIECE_BYTES = 1 << 20


def read(source: Source) -> Reader | StreamReader:
    """Open a ``.npy`` file, or the stream on standard input for ``-``."""
    if source.path == "-":
        return _read_fd(0, source, owns_fd=False)
    try:
        fd = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise open_error(source.path, error) from error
    try:
        return _read_fd(fd, source, owns_fd=True)
    except BaseException:
        os.close(fd)
        raise


def _read_fd(fd: int, source: Source, *, owns_fd: bool) -> Reader | StreamReader:
    path = "standard input" if source.path == "-" else source.path
    try:
        status = os.fstat(fd)
    except OSError as error:
        raise open_error(path, error) from error
    if stat.S_ISREG(status.st_mode):
        from onebyone_cli.formats.array_file import ArrayReader

        start = os.lseek(fd, 0, os.SEEK_CUR)
        header = read_header(_reader_of(fd, path), path)
        _check_size(header, status.st_size - start, path)
        reader = ArrayReader(fd, _layout(header, source, path, start), path, owns_fd=owns_fd)
        reader.files = (source.path if owns_fd else "/dev/stdin",)
        return reader
    if os.isatty(fd):
        raise UsageError("standard input is a terminal; give a file, or pipe a .npy stream in")
    if not (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)):
        kind = "folder" if stat.S_ISDIR(status.st_mode) else "device"
        raise InputMissingError(f"is a {kind}; expected a .npy file or a pipe", path)
    header = read_header(_reader_of(fd, path), path)
    return NpyStream(fd, _layout(header, source, path, 0), path, owns_fd=owns_fd)


def _layout(header: NpyHeader, source: Source, path: str, start: int) -> ArrayLayout:
    from onebyone_cli.formats.array_layout import array_layout

    return array_layout(
        header.shape,
        header.dtype,
        path,
        layout=source.layout,
        fortran_order=header.fortran_order,
        big_endian=header.big_endian,
        offset=start + header.data_offset,
    )


def _check_size(header: NpyHeader, size: int, path: str) -> None:
    expected = header.data_offset + header.data_bytes
    if size < expected:
        raise DataError(
            f"is truncated: has {size} bytes, its header promises {expected}; "
            "copy or make it again",
            path,
        )
    if size > expected:
        raise DataError(
            f"has {size - expected} bytes after the array that its header describes; expected "
            f"one array: keep the first {expected} bytes, or save each array in its own file",
            path,
        )


def _reader_of(fd: int, path: str) -> Callable[[int], bytes]:
    """Read exactly n bytes, or what is left: a pipe gives as few as one at a time."""

    def read_up_to(count: int) -> bytes:
        pieces = []
        try:
            while count and (piece := _read_some(fd, count)):
                pieces.append(piece)
                count -= len(piece)
        except OSError as error:
            raise read_write_error("reading", path, error) from error
        return b"".join(pieces)

    return read_up_to


class NpyStream(StreamReader):
    """A ``.npy`` stream whose header has been read.

    Parameters
    ----------
    fd : int
        Descriptor, standing at the first number.
    layout : ArrayLayout
        What the header says; the offset is of no use here.
    path : str
        Name for messages.
    owns_fd : bool
        Whether `close` closes the descriptor.
    """

    def __init__(self, fd: int, layout: ArrayLayout, path: str, *, owns_fd: bool) -> None:
        from dataclasses import replace

        self.path = path
        self.spec = layout.spec
        self.stored = replace(layout, offset=0)
        self.buffer_bytes = _PIECE_BYTES
        self._fd = fd
        self._owns_fd = owns_fd

    def drain(self, write: Callable[[memoryview], None]) -> None:
        """Hand over all numbers; see `StreamReader.drain`."""
        left = self.spec.data_bytes
        piece = memoryview(bytearray(min(_PIECE_BYTES, left)))
        try:
            while left:
                count = self._read_into(piece[:left])
                if count == 0:
                    raise DataError(
                        f"ends {left} bytes early: its header promises "
                        f"{self.spec.data_bytes} bytes of numbers; did the program before the "
                        "pipe stop?",
                        self.path,
                    )
                write(piece[:count])
                left -= count
            if _read_some(self._fd, 1):
                raise DataError(
                    "goes on after the array that its header describes; expected exactly one array",
                    self.path,
                )
        except OSError as error:
            raise read_write_error("reading", self.path, error) from error

    def close(self) -> None:
        """Close the descriptor if it is ours."""
        if self._owns_fd and self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _read_into(self, piece: memoryview) -> int:
        while True:
            try:
                return os.readv(self._fd, [piece])
            except BlockingIOError:
                atomic.wait_until_ready(self._fd)


def _read_some(fd: int, count: int) -> bytes:
    while True:
        try:
            return os.read(fd, count)
        except BlockingIOError:
            atomic.wait_until_ready(fd)


def write(target: Target) -> Writer | StreamWriter:
    """Make a writer for a ``.npy`` file, or for the stream on standard output for ``-``."""
    if not target.storage.is_plain:
        raise UsageError("compression and chunks are for .h5 outputs; .npy has neither")
    if target.path == "-" or targets.is_special(target.path):
        return NpyStreamWriter(target)
    return NpyWriter(target)


class NpyWriter(Writer):
    """Write a ``.npy`` file: version 1.0, C order, little-endian, as ``numpy.save`` does."""

    def __init__(self, target: Target) -> None:
        self.path = target.path
        self.spec = target.spec
        self._target = target
        self._header = format_header(target.spec.shape, target.spec.dtype)
        targets.check_space(target.path, len(self._header) + target.spec.data_bytes)

    def open(self) -> None:
        """Create the temporary and write the header."""
        from onebyone_cli.formats.array_file import ArrayWriter

        target = self._target
        self.file = atomic.create_file(
            target.path,
            force=target.force,
            fsync=target.fsync,
            keep_equal=target.keep_equal,
            resume=target.resume,
            shared=target.shared,
        )
        self.data_offset = len(self._header)
        size = self.data_offset + self.spec.data_bytes
        if isinstance(self.file, atomic.PartFile):
            self.file.settle(size)
        # Again if it was found: a crash of the machine may have taken it.
        if not (isinstance(self.file, atomic.SharedFile) and self.file.found):
            atomic.write_all(self.file.fd, memoryview(self._header), self.path)
        if isinstance(self.file, atomic.SharedFile):
            self.file.share(size, self._header)
        self._numbers = ArrayWriter(self.file.fd, self.spec, self.data_offset, self.path)

    def container(self) -> str:
        """See `Writer.container`."""
        return ".npy"

    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab; see `Writer.write`."""
        self._numbers.write(slab, block)

    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write neighbouring numbers of one channel; see `Writer.write_run`."""
        self._numbers.write_run(item, channel, start, numbers)

    def commit(self) -> None:
        """Publish the file."""
        self.changed = self.file.commit(len(self._header) + self.spec.data_bytes)

    def discard(self) -> None:
        """Remove the temporary, if there is one."""
        if hasattr(self, "file"):
            self.file.discard()


class NpyStreamWriter(StreamWriter):
    """Write a ``.npy`` stream to standard output, a named pipe or a device."""

    def __init__(self, target: Target) -> None:
        self.path = "standard output" if target.path == "-" else target.path
        self.spec = target.spec
        self.buffer_bytes = _PIECE_BYTES
        self._target = target
        self._fd = -1
        if target.path == "-" and os.isatty(1) and not target.force:
            raise UsageError(
                "standard output is a terminal, and the result is binary; "
                "name a file, pipe it on, or use --force"
            )

    def open(self) -> None:
        """Open the device; standard output is open."""
        if self._target.path == "-":
            self._fd = 1
            return
        try:
            self._fd = os.open(self._target.path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise read_write_error("opening", self.path, error) from error

    def fill(self, result: Planes, on_bytes: Callable[[int], None]) -> None:
        """Write the header, then every row; see `StreamWriter.fill`."""
        spec = self.spec
        atomic.write_all(self._fd, memoryview(format_header(spec.shape, spec.dtype)), self.path)
        rows = max(1, _PIECE_BYTES // (spec.width * spec.item_bytes))
        done = 0
        for item in range(spec.items):
            for channel in range(spec.channels):
                for row in range(0, spec.height, rows):
                    piece = result.rows(item, channel, row, min(row + rows, spec.height))
                    atomic.write_all(self._fd, piece.data.cast("B"), self.path)
                    done += piece.nbytes
                    on_bytes(done)

    def commit(self) -> None:
        """Close the device: an error that was held back shows here."""
        fd, self._fd = self._fd, -1
        try:
            if self._target.fsync and stat.S_ISREG(os.fstat(fd).st_mode):
                os.fsync(fd)
            if fd != 1:
                os.close(fd)
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def discard(self) -> None:
        """Close the device; what went through a pipe can't be called back."""
        if self._fd > 1:
            os.close(self._fd)
        self._fd = -1


FORMAT = Format(
    name="npy",
    title="NumPy array (.npy, versions 1 to 3)",
    suffixes=(".npy",),
    read=read,
    write=write,
)
