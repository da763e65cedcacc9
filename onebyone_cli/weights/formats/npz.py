r"""Matrices in ``.npz`` files: zip archives of ``.npy`` files.

Members are read through :mod:`zipfile` and our own header parser: nothing is extracted to the disk,
and sizes are believed only where the zip directory and the header agree.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import DataError, OneByOneError, PolicyError
from onebyone_cli.weights.formats.json import flatten_meta, parse_meta
from onebyone_cli.weights.formats.npy import ShapeRule, read_array
from onebyone_cli.weights.rules import SHAPES, Shape, quote

#: Largest member kept for show (`ChannelMap.meta`); larger ones are left unread.
_MAX_META_BYTES = 2**20

#: Largest ``meta`` of an archive that this program made, which is a record of every input.
_MAX_RECORD_BYTES = 2**28

#: What numpy writes. The others (bzip2, LZMA) would only add decoders to trust.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_ENCRYPTED = 0x1

#: The header numpy writes for text of up to one axis: exactly that, as it is only kept for show.
_TEXT_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>]U[1-9][0-9]{0,7})', 'fortran_order': False, "
    rb"'shape': \(([0-9]*),?\), \} *\n",
    re.DOTALL,
)


def read_npz(file: BinaryIO, path: str, wanted: str) -> dict[str, Any]:
    """Read a ``.npz`` weights file.

    Parameters
    ----------
    file : binary file
        Anywhere; must allow seeking.
    path : str
        Its name for messages.
    wanted : str
        ``"weight"`` or ``"bias"``: the member that must be there.

    Returns
    -------
    dict
        ``wanted``, float64; with a weight also the bias if there is one, the fields of the JSON
        member ``meta`` and the other numeric members of up to one axis. Other members are left
        alone.

    Raises
    ------
    DataError
        If the archive or one of these members is damaged or hostile, or ``wanted`` is missing.
    PolicyError
        If only pickle could load the weight or the bias.
    """
    with _archive_errors(path), zipfile.ZipFile(file) as archive:
        members = _members(archive, path)
        if wanted not in members:
            if "pixels.comoment" in members:
                raise DataError("holds moments, not weights; learn weights from it with fit", path)
            raise DataError(
                f"has no member {wanted!r} but {_names(members)}; "
                f"save it with numpy.savez(file, {wanted}=...)",
                path,
            )
        arrays = {
            name: _read_member(archive, members[name], name, path, SHAPES[name])
            for name in SHAPES
            if name in members and wanted in (name, "weight")
        }
        return (_read_meta(archive, members) if wanted == "weight" else {}) | arrays


def read_arrays(file: BinaryIO, path: str) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Read every array of an archive that this program made.

    Parameters
    ----------
    file : binary file
        Anywhere; must allow seeking.
    path : str
        Its name for messages.

    Returns
    -------
    arrays : dict of ndarray of float64, of up to two axes
        By name.
    meta : dict
        The JSON member ``meta``; empty if there is none.

    Raises
    ------
    DataError
        If the archive is damaged or hostile, or holds what this program does not write.
    """
    with _archive_errors(path), zipfile.ZipFile(file) as archive:
        members = _members(archive, path)
        for name, info in members.items():
            if info.compress_type != zipfile.ZIP_STORED:  # which keeps a small file small
                raise DataError(
                    f"the member {quote(name)} is compressed; expected none to be", path
                )
        record = {name: members.pop(name) for name in ("meta",) if name in members}
        meta = _read_meta(archive, record, _MAX_RECORD_BYTES)
        arrays = {
            name: _read_member(archive, info, name, path, _flat_shape)
            for name, info in members.items()
        }
        return arrays, meta


def _flat_shape(shape: Shape, path: str) -> Shape:
    if len(shape) > 2:
        raise DataError(f"has shape {shape}; expected up to two axes", path)
    return shape


def _members(archive: zipfile.ZipFile, path: str) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name without ``.npy``, after checking what the directory says."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise DataError(f"has the member {quote(name)} twice; expected each name once", path)
        if info.filename.startswith("/") or re.search(r"(^|[/\\])\.\.([/\\]|$)", info.filename):
            raise DataError(
                f"has a member named {quote(info.filename)}, which points outside the archive; "
                "don't trust this file",
                path,
            )
        if info.flag_bits & _ENCRYPTED:
            raise DataError(f"the member {quote(name)} is encrypted; save it without", path)
        members[name] = info
    return members


def _read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: str, rule: ShapeRule
) -> NDArray[np.float64]:
    if info.compress_type not in _COMPRESSIONS:
        raise DataError(
            f"the member {name!r} uses a compression that numpy never writes; "
            "save it with numpy.savez or numpy.savez_compressed",
            path,
        )
    with archive.open(info) as member:
        try:
            array = read_array(member, info.file_size, path, rule)
        except (DataError, PolicyError) as error:
            raise type(error)(f"member {quote(name)}: {error.message}", path) from error
        # zipfile compares the checksum when it meets the end.
        member.read(1)
        return array


def _read_meta(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], room: int = _MAX_META_BYTES
) -> dict[str, Any]:
    """Return what is simple among the other members, and small together; skip the rest."""
    fields: dict[str, Any] = {}
    for name, info in members.items():
        if name in SHAPES or info.file_size > room or info.compress_type not in _COMPRESSIONS:
            continue
        room -= info.file_size
        value = _simple_value(archive.read(info))
        if name == "meta":
            raw = value.encode(errors="replace") if isinstance(value, str) else _bytes(value)
            fields[name] = parse_meta(raw)
        elif value is not None:
            fields[name] = value
    return flatten_meta(fields)


def _simple_value(raw: bytes) -> Any:
    """Return text, a list of texts or a read-only float64 array of up to one axis; else None."""
    text = _TEXT_HEADER.match(raw)
    try:
        if text:
            values = np.frombuffer(raw, dtype=text[1].decode(), offset=text.end()).tolist()
            return values if text[2] else values[0]
        array = read_array(BytesIO(raw), len(raw), "", _simple_shape)
    except ValueError:  # DataError is one
        return None
    except PolicyError:
        return None
    array.setflags(write=False)
    return array


def _simple_shape(shape: Shape, path: str) -> Shape:
    if len(shape) > 1:
        raise DataError("not simple", path)
    return shape


def _bytes(value: Any) -> bytes:
    # A JSON document kept as an array of uint8, which is how to store text without pickle.
    is_bytes = isinstance(value, np.ndarray) and bool(((value >= 0) & (value < 256)).all())
    return value.astype(np.uint8).tobytes() if is_bytes else b""


#: What zipfile and zlib raise on damaged archives, found by feeding them such.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@contextmanager
def _archive_errors(path: str) -> Iterator[None]:
    """Turn what zipfile raises on damaged archives into a DataError."""
    try:
        yield
    except OneByOneError:
        raise
    except OSError as error:
        # A damaged directory makes zipfile seek to places that do not exist; the rest is the disk.
        if error.errno not in (None, EINVAL):
            raise
        raise _damaged(error, path) from error
    except _DAMAGED as error:
        raise _damaged(error, path) from error


def _damaged(error: Exception, path: str) -> DataError:
    reason = " ".join(str(error).split())[:100] or type(error).__name__
    return DataError(
        f"is not a whole .npz archive ({reason}); was it cut short or altered? copy it again", path
    )


def _names(members: dict[str, zipfile.ZipInfo]) -> str:
    return ", ".join(quote(name) for name in list(members)[:10]) or "nothing at all"
