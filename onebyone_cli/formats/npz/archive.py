"""Read arrays among the members of a zip archive."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from contextlib import contextmanager
from enum import Enum
from errno import EINVAL
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, NoReturn

from onebyone_cli.errors import (
    DataError,
    OneByOneError,
    PolicyError,
    open_error,
    read_write_error,
)
from onebyone_cli.formats.arrays.byte_source import ByteSource
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.arrays.source import about_array
from onebyone_cli.formats.arrays.stream import ArrayStream
from onebyone_cli.formats.contracts.about import Dataset
from onebyone_cli.npy_header import NpyHeader, read_header
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader

_SUFFIX = ".npy"

#: Most members whose headers are read, and that a message lists.
_MOST_MEMBERS = 10_000
_MOST_LISTED = 10

_ENCRYPTED = 0x1
_LOCAL_HEADER = struct.Struct("<4s22xHH")

#: Errors of zipfile and the decompressors for damaged archives.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class Contents(Enum):
    """What an archive holds; a damaged one, or one of nothing readable, holds nothing."""

    STACKS = "stacks"
    WEIGHTS = "weights"
    MOMENTS = "moments"
    NOTHING = "nothing"


#: Members of archives that hold something else than stacks.
_OTHERS = {"pixels.comoment": Contents.MOMENTS, "weight": Contents.WEIGHTS}


class _Member(NamedTuple):
    """A member: its entry in the directory, and its header or the reason why it has none."""

    info: zipfile.ZipInfo
    header: NpyHeader | OneByOneError

    @property
    def is_candidate(self) -> bool:
        """Whether it can be a stack: numbers, two or more axes."""
        return isinstance(self.header, NpyHeader) and len(self.header.shape) > 1


def read_member(source: Source) -> Reader | StreamReader:
    """Open the member of an archive that `source` names, or the only one that can be a stack."""
    file = _open_file(source.path)
    try:
        with _zip_errors(source.path):
            archive = zipfile.ZipFile(file)
            members = _members(archive, source.path, source.raw.dtype if source.raw else "")
        name = _wanted(members, source)
        info, header = members[name]
        if isinstance(header, OneByOneError):
            raise type(header)(f"its member '{printable(name)}' {header.message}", source.path)
        if source.raw is not None and not source.raw.may_be_named:
            header.check_stated(source.raw.dtype, f"{source.path}:{name}")
        source = source._replace(inner=name)
        layout = _layout(header, info, source)
        about = about_array(source.name, (source.path,), layout, source, "member of .npz")
        about = about._replace(inner=name, notes=_notes(members, name, source.path))
        if info.compress_type == zipfile.ZIP_STORED:
            start = _offset(file.fileno(), info, source.path) + header.data_offset
            fd = os.dup(file.fileno())
            file.close()
            return ArrayReader(fd, layout._replace(offset=start), about)
        with _zip_errors(source.path):
            numbers = MemberBytes(archive, info, source.name)
            numbers.read(header.data_offset)
        return ArrayStream(numbers, layout, about, "its header promises", alone=True)
    except BaseException:
        file.close()
        raise


def list_members(path: str) -> list[Dataset]:
    """List the arrays of an archive that can be stacks, in its order."""
    with _open_file(path) as file, _zip_errors(path), zipfile.ZipFile(file) as archive:
        return [
            Dataset(name, header.shape, header.dtype)
            for name, (_, header) in _members(archive, path).items()
            if isinstance(header, NpyHeader) and len(header.shape) > 1
        ]


def contents_of(path: str) -> Contents:
    """Find out what an archive holds, by the names and headers of its members."""
    try:
        with _open_file(path) as file, _zip_errors(path), zipfile.ZipFile(file) as archive:
            members = _members(archive, path)
    except OneByOneError:
        return Contents.NOTHING
    special = next((what for name, what in _OTHERS.items() if name in members), None)
    fits = any(member.is_candidate for member in members.values())
    return special or (Contents.STACKS if fits else Contents.NOTHING)


class MemberBytes(ByteSource):
    """The bytes of a compressed member, from front to back."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> None:
        self.path = path
        self.owns_fd, self.is_file, self.files = True, False, ()
        self._archive = archive
        self._member = archive.open(info)
        self._ahead = b""

    def _read_some(self, count: int) -> bytes:
        with _zip_errors(self.path):
            return self._member.read(count)

    def read_into(self, piece: memoryview) -> int:
        """Unpack the next bytes; see `ByteSource.read_into`."""
        found = self.read(len(piece))
        piece[: len(found)] = found
        return len(found)

    def at_end(self) -> bool:
        """Return whether nothing follows; zipfile compares the checksum there."""
        self._ahead = self._ahead or self._read_some(1)
        return not self._ahead

    def has_come(self, milliseconds: int) -> bool:
        """Return True: nothing has to be waited for."""
        del milliseconds
        return True

    def close(self) -> None:
        """Close the archive. May be called twice."""
        file, archive = self._archive.fp, self._archive
        self._member.close()
        archive.close()
        if file is not None:
            file.close()


def _layout(header: NpyHeader, info: zipfile.ZipInfo, source: Source) -> ArrayLayout:
    layout = array_layout(
        header.shape,
        header.dtype,
        source.name,
        layout=source.layout,
        fortran_order=header.fortran_order,
        big_endian=header.big_endian,
    )
    promised = header.data_offset + layout.data_bytes
    if promised != info.file_size:
        raise DataError(
            f"has {info.file_size} bytes, its header promises {promised}; make the file again",
            source.name,
        )
    return layout


def _open_file(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise open_error(path, error) from error


def _members(archive: zipfile.ZipFile, path: str, stated: str = "") -> dict[str, _Member]:
    """Return the arrays of an archive by name, without ``.npy``."""
    found: dict[str, _Member] = {}
    names = [info for info in archive.infolist() if info.filename.endswith(_SUFFIX)]
    if len(names) > _MOST_MEMBERS:
        raise DataError(f"has {len(names)} members; expected up to {_MOST_MEMBERS}", path)
    for info in names:
        found[info.filename.removesuffix(_SUFFIX)] = _Member(info, _header(archive, info, stated))
    if not found:
        _refuse_other(archive, path)
    return found


def _header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, stated: str
) -> NpyHeader | OneByOneError:
    """Read the header of a member, or say why it can't be read."""
    if info.flag_bits & _ENCRYPTED:
        return DataError("is encrypted; save it without")
    try:
        with _zip_errors(""), archive.open(info) as member:
            return read_header(member.read, "", stated=stated, may_be_named=True)
    except OneByOneError as error:
        return error


def _refuse_other(archive: zipfile.ZipFile, path: str) -> NoReturn:
    names = archive.namelist()
    if any(name.endswith("data.pkl") for name in names):
        raise PolicyError(
            "is a PyTorch checkpoint, which only pickle can load and which could run code; "
            "save its tensors with numpy.save or safetensors",
            path,
        )
    raise DataError("is a zip archive without .npy members; unpack it first", path)


def _wanted(members: dict[str, _Member], source: Source) -> str:
    """Return the member that `source` names, or the only one that can be a stack."""
    name = source.inner.removesuffix(_SUFFIX)
    if name:
        if name in members:
            return name
        raise DataError(
            f"has no member '{printable(name)}'; {_choices(members, source)}", source.path
        )
    for member, what in _OTHERS.items():
        if member in members:
            raise DataError(
                f"holds {what.value}, not a stack; to read a member as one all the same, "
                f"{_choices(members, source)}",
                source.path,
            )
    fitting = [name for name, member in members.items() if member.is_candidate]
    if len(fitting) == 1:
        return fitting[0]
    if len(members) == 1:
        return next(iter(members))  # its own error says what is wrong with it
    found = f"has {len(fitting)} members it could be" if fitting else "has no member to read"
    raise DataError(f"{found}; {_choices(members, source)}", source.path)


def _choices(members: dict[str, _Member], source: Source) -> str:
    names = sorted(name for name, member in members.items() if member.is_candidate)
    if not names:
        return "expected an array of numbers with two or more axes"
    listed = ", ".join(printable(name) for name in names[:_MOST_LISTED])
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"name one of {listed}{more}, as in {source.path}:{printable(names[0])}"


def _notes(members: dict[str, _Member], chosen: str, path: str) -> tuple[str, ...]:
    others = [printable(name) for name in members if name != chosen]
    if not others:
        return ()
    more = f" and {len(others) - _MOST_LISTED} more" if len(others) > _MOST_LISTED else ""
    listed = ", ".join(others[:_MOST_LISTED])
    return (f"member {printable(chosen)} of {path}; others are {listed}{more}",)


def _offset(fd: int, info: zipfile.ZipInfo, path: str) -> int:
    """Return the offset of the bytes of a member that is not compressed."""
    try:
        raw, size = os.pread(fd, _LOCAL_HEADER.size, info.header_offset), os.fstat(fd).st_size
    except OSError as error:
        raise read_write_error("reading", path, error) from error
    if len(raw) == _LOCAL_HEADER.size:
        magic, name, extra = _LOCAL_HEADER.unpack(raw)
        start = info.header_offset + len(raw) + int(name) + int(extra)
        if magic == b"PK\x03\x04" and start + info.file_size <= size:
            return start
    raise DataError("is not a whole .npz archive; was it cut short? copy it again", path)


@contextmanager
def _zip_errors(path: str) -> Iterator[None]:
    """Turn the errors of zipfile for damaged archives into `DataError`."""
    try:
        yield
    except OneByOneError:
        raise
    except _DAMAGED as error:
        # A damaged directory makes zipfile seek to invalid places; other errors are the disk's.
        if isinstance(error, OSError) and error.errno not in (None, EINVAL):
            raise read_write_error("reading", path, error) from error
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(
            f"is not a whole .npz archive ({reason}); was it cut short or altered? copy it again",
            path,
        ) from error
