"""Open a TIFF file, and have tifffile read its directories.

A file is hostile until it is parsed. tifffile reads through `_Metered`, which refuses large and
endless reads; whatever tifffile raises becomes an error of ours here, and its log is silent.
"""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from onebyone_cli.errors import (
    DataError,
    DependencyMissingError,
    OneByOneError,
    ReadWriteError,
    open_error,
    read_write_error,
)
from onebyone_cli.file_kinds import LOOK_BYTES, look
from onebyone_cli.formats.arrays.file_state import file_state
from onebyone_cli.units import count as counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffPage
    from tifffile.tifffile import TiffFormat

#: First bytes of TIFF and BigTIFF files, little- and big-endian.
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

#: Most pages of a file.
MOST_PAGES = 1 << 17

#: Most tags of a page; there are some hundred known ones.
_MOST_TAGS = 1 << 12

#: Most bytes of one value of a directory, such as a text or the places of strips.
_MOST_BYTES = 1 << 25

#: tifffile reads a file once, apart from values that several pages share.
_SPARE_BYTES = 1 << 26

#: A read counts as at least so many bytes, so that their number is limited, too.
_LEAST_BYTES = 64

#: Tags without which numbers would be read wrongly. tifffile leaves out those that it can't read.
_NEEDED = {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 317}
_NEEDED |= {322, 323, 324, 325, 338, 339, 347, 42113}

#: Kinds of files for which tifffile has rules of its own that read further pages, or guess.
_NO_RULES: dict[str, Any] = {f"is_{kind}": False for kind in ("lsm", "scanimage", "ndpi", "eer")}


class _Metered(io.RawIOBase):
    """A descriptor as tifffile reads it, within limits."""

    name = "TIFF"

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._at = 0
        self._left = _SPARE_BYTES + file.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset + (0, self._at, self._file.size)[whence]
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        self._left -= max(size, _LEAST_BYTES)
        if not 0 <= size <= _MOST_BYTES or self._left < 0:
            raise DataError(
                "is malformed: its directories are too large; make it again", self._file.path
            )
        size = max(0, min(size, self._file.size - self._at))
        data = self._file.read(self._at, size, "a directory")
        self._at += size
        return data

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)


class InputFile:
    """A TIFF file open for reading.

    Attributes
    ----------
    fd : int
    path : str
        For messages.
    size : int
        In bytes.
    order : str
        Byte order, for `struct`.
    is_big : bool
        Whether it is a BigTIFF, with offsets of 64 bits.

    Raises
    ------
    InputMissingError
        If it can't be opened.
    DataError
        If it is not a TIFF file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise open_error(path, error) from error
        try:
            status = os.fstat(self.fd)
            if not stat.S_ISREG(status.st_mode):
                raise DataError("is not a regular file; expected a TIFF file", path)
            self.size = status.st_size
            self.state = file_state(self.fd)
            head = os.pread(self.fd, LOOK_BYTES, 0)
            if not head.startswith(MAGIC):
                found = look(head)
                what = f"is {found.text}" if found else "make it again"
                raise DataError(f"is not a TIFF file; {what}", self.path)
            self.order = "<" if head.startswith(b"II") else ">"
            self.is_big = b"+" in head[:4]
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, count: int, what: str) -> bytes:
        """Read bytes; `what` they are, for messages.

        Raises
        ------
        DataError
            If the file has not so many.
        ReadWriteError
            If the system fails.
        """
        if offset + count > self.size:
            raise self.cut_off(what)
        pieces = []
        try:
            while count:
                piece = os.pread(self.fd, count, offset)
                if not piece:
                    raise ReadWriteError(
                        "was changed while it was being read; run again", self.path
                    )
                pieces.append(piece)
                offset, count = offset + len(piece), count - len(piece)
        except ReadWriteError:
            raise
        except OSError as error:
            raise read_write_error("reading", self.path, error) from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def cut_off(self, what: str) -> DataError:
        """Return the error of a file that ends too early."""
        return DataError(
            f"is truncated or malformed: {what} would lie beyond its end, at {self.size} bytes; "
            "copy or make it again",
            self.path,
        )

    def read_chain(self) -> int:
        """Find the directories of all pages; return their number.

        Raises `DataError` if one is malformed, or there are too many.
        """
        with parsing(self.path):
            from tifffile import TiffFile

            self._parser = TiffFile(cast("IO[bytes]", _Metered(self)), **_NO_RULES)
            self._offsets = list(self._chain(self._parser.tiff))
        return len(self._offsets)

    def where(self, number: int) -> str:
        """Return the name of a page for messages."""
        return f"{self.path} (page {number})" if len(self._offsets) > 1 else self.path

    def page(self, number: int) -> TiffPage:
        """Parse the directory of a page; raises `DataError` if it is malformed."""
        file, offset = self._parser, self._offsets[number]
        with parsing(self.where(number)):
            from tifffile import TiffPage

            file.filehandle.seek(offset)
            page = TiffPage(file, number) if number else file.pages.first
            tags = {tag for (tag,) in self._directory(file.tiff, offset, number)[0]}
            lost = (tags & _NEEDED).difference(page.tags.keys())
        if lost:
            raise self.cut_off(f"tag {min(lost)} of page {number}")
        return page

    def _chain(self, form: TiffFormat) -> Iterator[int]:
        """Follow the chain of directories to its end; yield their offsets."""
        (offset,) = struct.unpack(
            form.offsetformat, self.read(8 if self.is_big else 4, form.offsetsize, "its header")
        )
        seen: set[int] = set()
        if not offset:
            raise DataError("holds no page; make it again", self.path)
        while offset:
            if offset in seen:
                raise DataError(
                    f"is malformed: the pages after {counted(len(seen), 'page')} are those "
                    "before them again; make it again",
                    self.path,
                )
            if len(seen) == MOST_PAGES:
                raise DataError(f"has more than {MOST_PAGES} pages; split it", self.path)
            yield offset
            seen.add(offset)
            _, offset = self._directory(form, offset, len(seen) - 1)

    def _directory(
        self, form: TiffFormat, offset: int, number: int
    ) -> tuple[Iterator[tuple[int]], int]:
        """Return the numbers of the tags of a page, and the offset of the next page."""
        name = f"page {number}"
        (tags,) = struct.unpack(form.tagnoformat, self.read(offset, form.tagnosize, name))
        if not 0 < tags <= _MOST_TAGS:
            raise DataError(f"is malformed: {name} has {tags} tags; make it again", self.path)
        size = tags * form.tagsize
        table = self.read(offset + form.tagnosize, size + form.offsetsize, name)
        (following,) = struct.unpack_from(form.offsetformat, table, size)
        return struct.iter_unpack(f"{self.order}H{form.tagsize - 2}x", table[:size]), following

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""
        self.state.check(self.fd, self.path)

    def close(self) -> None:
        """Close the descriptor. May be called twice."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


@contextmanager
def parsing(path: str) -> Iterator[None]:
    """Silence tifffile's log; raise `DataError` for whatever it raises."""
    log = logging.getLogger("tifffile")
    was, log.disabled = log.disabled, True
    try:
        yield
    except OneByOneError:
        raise
    except ImportError as error:
        raise DependencyMissingError(
            "is a TIFF file, which needs tifffile; install it: pip install tifffile", path
        ) from error
    except Exception as error:  # tifffile lets all kinds pass
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"is malformed ({reason}); make it again", path) from error
    finally:
        log.disabled = was
