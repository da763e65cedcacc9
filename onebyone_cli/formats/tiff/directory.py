"""Read the directories of a TIFF or BigTIFF file: what is stored where.

A file is hostile until it is parsed: every offset and size is compared with the size of the file
before anything is allocated, and chains of directories must end.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError, ReadWriteError, open_error, read_write_error
from onebyone_cli.file_kinds import LOOK_BYTES, look
from onebyone_cli.formats.arrays.file_state import file_state
from onebyone_cli.formats.tiff.tags import TYPES
from onebyone_cli.units import count as counted

if TYPE_CHECKING:
    from collections.abc import Iterator

#: First bytes of TIFF and BigTIFF files, little- and big-endian.
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

#: Most pages of a file.
MOST_PAGES = 1 << 17

#: Most tags of a page; there are some hundred known ones.
_MOST_TAGS = 1 << 12


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
    pages : int
        Number of directories, once they are read.

    Raises
    ------
    InputMissingError
        If it can't be opened.
    DataError
        If it is not a TIFF file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.pages = 0
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
            self._read_magic()
        except BaseException:
            self.close()
            raise

    def _read_magic(self) -> None:
        head = os.pread(self.fd, LOOK_BYTES, 0)
        if not head.startswith(MAGIC):
            found = look(head)
            what = f"is {found.text}" if found else "make it again"
            raise DataError(f"is not a TIFF file; {what}", self.path)
        self.order = "<" if head.startswith(b"II") else ">"
        self.is_big = b"+" in head[:4]
        if len(head) < (16 if self.is_big else 8):
            raise self.cut_off("its header")
        if self.is_big:
            sizes, self.first = struct.unpack(f"{self.order}IQ", head[4:16])
            if sizes != struct.unpack(f"{self.order}I", struct.pack(f"{self.order}HH", 8, 0))[0]:
                raise DataError("is a BigTIFF with an unknown size of offsets", self.path)
        else:
            (self.first,) = struct.unpack(f"{self.order}I", head[4:8])

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

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the file has changed since it was opened."""
        self.state.check(self.fd, self.path)

    def close(self) -> None:
        """Close the descriptor. May be called twice."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


class Entry(NamedTuple):
    """A tag of a directory: its type, the number of its values, and where they begin."""

    type: int
    number: int
    offset: int


class Directory:
    """The tags of one page; values are read when they are asked for.

    Attributes
    ----------
    number : int
        Place of the page in the file.
    """

    def __init__(self, file: InputFile, number: int, entries: dict[int, Entry]) -> None:
        self.file = file
        self.number = number
        self._entries = entries

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def count(self, tag: int) -> int:
        """Return the number of values of a tag; 0 if there is none."""
        entry = self._entries.get(tag)
        return entry.number if entry else 0

    def values(self, tag: int) -> tuple[float, ...]:
        """Return the numbers of a tag; empty if there is none, or it is no list of numbers."""
        entry = self._entries.get(tag)
        code = TYPES.get(entry.type, "") if entry else ""
        if entry is None or len(code) != 1 or code == "s":
            return ()
        data = self._data(tag, entry)
        return struct.unpack(f"{self.file.order}{entry.number}{code}", data)

    def integers(self, tag: int) -> tuple[int, ...]:
        """Return the values of a tag of integers; empty if there is none.

        Raises `DataError` if it is of another type.
        """
        found = self.values(tag)
        if not all(isinstance(value, int) for value in found) or (tag in self and not found):
            raise DataError(f"has tag {int(tag)} of another type than integer", self.where)
        return found  # type: ignore[return-value]

    def integer(self, tag: int, default: int) -> int:
        """Return the first value of a tag of integers, or `default` if there is none."""
        found = self.integers(tag)
        return found[0] if found else default

    def data(self, tag: int) -> bytes:
        """Return the bytes of a tag; empty if there is none."""
        entry = self._entries.get(tag)
        return self._data(tag, entry) if entry else b""

    def text(self, tag: int) -> str:
        """Return the text of a tag up to its first NUL, stripped; empty if there is none."""
        entry = self._entries.get(tag)
        if entry is None or TYPES.get(entry.type) not in ("s", "B", "b"):
            return ""
        content = self._data(tag, entry).split(b"\0", 1)[0]
        try:
            return content.decode().strip()
        except UnicodeDecodeError:
            return content.decode("latin-1").strip()

    @property
    def where(self) -> str:
        """The page, for messages."""
        path = self.file.path
        return f"{path} (page {self.number})" if self.file.pages > 1 else path

    def _data(self, tag: int, entry: Entry) -> bytes:
        size = struct.calcsize(f"={TYPES[entry.type]}") * entry.number
        return self.file.read(entry.offset, size, f"tag {int(tag)} of page {self.number}")


def read_directories(file: InputFile) -> list[Directory]:
    """Read the directories of all pages.

    Raises
    ------
    DataError
        If one is malformed, or there are too many.
    """
    found = [
        Directory(file, index, entries) for index, entries in enumerate(_chain(file, file.first))
    ]
    file.pages = len(found)
    return found


def _chain(file: InputFile, offset: int) -> Iterator[dict[int, Entry]]:
    """Follow a chain of directories to its end."""
    seen: set[int] = set()
    if not offset:
        raise DataError("holds no page; make it again", file.path)
    while offset:
        if offset in seen:
            raise DataError(
                f"is malformed: the pages after {counted(len(seen), 'page')} are those "
                "before them again; make it again",
                file.path,
            )
        if len(seen) == MOST_PAGES:
            raise DataError(f"has more than {MOST_PAGES} pages; split it", file.path)
        seen.add(offset)
        entries, offset = _read_one(file, offset, f"page {len(seen) - 1}")
        yield entries


def _read_one(file: InputFile, offset: int, name: str) -> tuple[dict[int, Entry], int]:
    """Read a directory; return its entries and the offset of the next directory."""
    word, count_code, size = ("Q", "Q", 20) if file.is_big else ("I", "H", 12)
    room, head = size // 2 - 2, struct.calcsize(f"={count_code}")
    (number,) = struct.unpack(f"{file.order}{count_code}", file.read(offset, head, name))
    if not 0 < number <= _MOST_TAGS:
        raise DataError(f"is malformed: {name} has {number} tags; make it again", file.path)
    start = offset + head
    table = file.read(start, number * size + room, name)
    entries: dict[int, Entry] = {}
    each = struct.Struct(f"{file.order}HH{word}")
    for at in range(0, number * size, size):
        tag, kind, count = each.unpack_from(table, at)
        value = at + each.size
        code = TYPES.get(kind)
        if code is None or tag in entries:
            continue
        where = start + value
        if struct.calcsize(f"={code}") * count > room:
            (where,) = struct.unpack_from(f"{file.order}{word}", table, value)
        entries[tag] = Entry(kind, count, where)
    (following,) = struct.unpack_from(f"{file.order}{word}", table, number * size)
    return entries, following
