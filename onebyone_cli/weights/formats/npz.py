r"""Matrices in ``.npz`` files: zip archives of ``.npy`` files.

:mod:`zipfile` and the package's header parser read members: nothing is extracted to the disk, and
the zip directory and the header must agree on sizes.
"""

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EINVAL
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onebyone_cli.errors import DataError, OneByOneError, PolicyError
from onebyone_cli.npy_header import read_header
from onebyone_cli.weights.formats.contract import NetworkLayer, Stored, WeightsFile, WeightsFormat
from onebyone_cli.weights.formats.json import flatten_meta, is_finite, parse_meta
from onebyone_cli.weights.formats.members import choose, choose_for, layers_in
from onebyone_cli.weights.formats.npy import npy_bytes, read_array
from onebyone_cli.weights.orders import Shape
from onebyone_cli.weights.rules import SHAPES, TORCH, ShapeRule, quote

#: Most bytes of the members in `ChannelMap.meta`.
_MAX_META_BYTES = 2**20

#: Largest ``meta`` of an archive that this program made, with a record of each input.
_MAX_RECORD_BYTES = 2**28

#: Compressions that numpy writes.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_ENCRYPTED = 0x1

#: First members of the file; others follow by name, and ``meta`` is the last.
_MEMBERS = (
    "weight",
    "bias",
    "mean",
    "scale",
    "eigenvalues",
    "explained_variance",
    "explained_variance_ratio",
    "channels",
)

#: The oldest time of zip: equal models give equal bytes.
_TIME = (1980, 1, 1, 0, 0, 0)

_UNIX, _READABLE = 3, 0o644 << 16

#: The header that numpy writes for text of up to one axis.
_TEXT_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>]U[1-9][0-9]{0,7})', 'fortran_order': False, "
    rb"'shape': \(([0-9]*),?\), \} *\n",
    re.DOTALL,
)


def _read(source: WeightsFile) -> dict[str, Any]:
    """Read the wanted arrays, JSON in ``meta``, and other numbers and texts of up to one axis."""
    path, wanted = source.path, source.wanted
    with _archive_errors(path), zipfile.ZipFile(source.file) as archive:
        members = _members(archive, path)
        if source.member or wanted not in members or source.folding is not None:
            return _read_chosen(source, archive, members)
        arrays = {
            name: _read_member(archive, members[name], name, path, SHAPES[name])
            for name in SHAPES
            if name in members and wanted in (name, "weight")
        }
        return (_read_meta(archive, members) if wanted == "weight" else {}) | arrays


def _read_chosen(
    source: WeightsFile, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]
) -> dict[str, Any]:
    """Read the arrays that the user names, or that another program's names show."""
    path = source.path
    if any(name.rpartition("/")[2] == "data.pkl" for name in members):
        raise PolicyError(
            "is a PyTorch file, which is loaded with pickle and can run code; export the weights "
            f"to .npy, .npz, .safetensors, .csv or .json{TORCH}",
            path,
        )
    if "pixels.comoment" in members:
        raise DataError("holds moments, not weights; learn weights from it with fit", path)
    shapes = _shapes(archive, members)
    chosen = choose_for(source, shapes)
    return chosen.fields(
        lambda name, field: _read_member(archive, members[name], name, path, SHAPES[field])
    )


def _shapes(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> dict[str, Shape]:
    """Return the shapes of members by their headers; () for those that are no arrays of numbers."""
    found: dict[str, Shape] = {}
    for name, info in members.items():
        found[name] = ()
        if info.compress_type in _COMPRESSIONS:
            with archive.open(info) as member, suppress(DataError, PolicyError):
                found[name] = read_header(member.read, "").shape
    return found


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    """Make members of arrays and lists of texts, as learners do; the rest goes into ``meta``."""
    arrays: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    for name, value in fields.items():
        is_texts = isinstance(value, list) and value and all(isinstance(v, str) for v in value)
        (arrays if isinstance(value, np.ndarray) or is_texts else meta)[name] = value
    return model_bytes(arrays, meta)


def _holds(name: str, value: Any) -> bool:
    return isinstance(value, np.ndarray) or is_finite(value)


def _look(file: BinaryIO, member: str, path: str) -> Stored:
    with zipfile.ZipFile(file) as archive:
        members = _members(archive, path)
        chosen = {name: name for name in SHAPES if name in members}
        if member or "weight" not in members:
            chosen = choose(_shapes(archive, members), "weight", member, path).names
        dtype = _type_of(archive, members[chosen["weight"]])
    return Stored(dtype, tuple(members), tuple(chosen.values()))


def _layers(file: BinaryIO, path: str) -> list[NetworkLayer]:
    with _archive_errors(path), zipfile.ZipFile(file) as archive:
        members = _members(archive, path)
        if "weight" in members:  # a layer by itself, whatever else is beside it
            return []
        found = layers_in(_shapes(archive, members))
        return [each._replace(dtype=_type_of(archive, members[each.name])) for each in found]


def _type_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with archive.open(info) as array:
        return read_header(array.read, "").dtype


FORMAT = WeightsFormat(read=_read, write=_write, holds=_holds, look=_look, layers=_layers)


def model_bytes(arrays: Mapping[str, ArrayLike], meta: Mapping[str, Any]) -> bytes:
    """Return the bytes of an archive; the same input gives the same bytes.

    `meta`, JSON values and numpy numbers, becomes the text ``meta``. Raises `ValueError` if an
    array would need pickle, or `meta` holds NaN or infinity.
    """
    others = sorted(arrays.keys() - set(_MEMBERS))
    members = {name: arrays[name] for name in (*_MEMBERS, *others) if name in arrays}
    members["meta"] = json.dumps(
        dict(meta), ensure_ascii=False, sort_keys=True, allow_nan=False, default=_plain
    )
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, values in members.items():
            info = zipfile.ZipInfo(f"{name}.npy", _TIME)
            info.create_system, info.external_attr = _UNIX, _READABLE
            archive.writestr(info, npy_bytes(values))
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be kept in JSON")


def read_arrays(file: BinaryIO, path: str) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Read every array of an archive that this program made, and its ``meta``.

    `file` must allow seeking. Arrays are float64 of up to two axes, by name; ``meta`` is empty if
    there is none. Raises `DataError` if the archive is damaged or hostile, or holds what this
    program does not write.
    """
    with _archive_errors(path), zipfile.ZipFile(file) as archive:
        members = _members(archive, path)
        for name, info in members.items():
            if info.compress_type != zipfile.ZIP_STORED:
                raise DataError(
                    f"the member {quote(name)} is compressed; expected none to be", path
                )
        record = {name: members.pop(name) for name in ("meta",) if name in members}
        meta = _read_meta(archive, record, _MAX_RECORD_BYTES)
        arrays = {
            name: _read_member(archive, info, name, path, _up_to(2))
            for name, info in members.items()
        }
        return arrays, meta


def _up_to(most: int) -> ShapeRule:
    def rule(shape: Shape, path: str) -> Shape:
        if len(shape) > most:
            raise DataError(f"has shape {shape}; expected up to {most} axes", path)
        return shape

    return rule


def _members(archive: zipfile.ZipFile, path: str) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name without ``.npy``, after checking the directory."""
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
        # zipfile compares the checksum at the end.
        member.read(1)
        return array


def _read_meta(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], room: int = _MAX_META_BYTES
) -> dict[str, Any]:
    """Return the simple members among the others while they fit in `room` bytes."""
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
    """Return text, texts or a read-only float64 array of up to one axis; else None."""
    text = _TEXT_HEADER.match(raw)
    try:
        if text:
            values = np.frombuffer(raw, dtype=text[1].decode(), offset=text.end()).tolist()
            return values if text[2] else values[0]
        array = read_array(BytesIO(raw), len(raw), "", _up_to(1))
    except (ValueError, PolicyError):  # DataError is a ValueError
        return None
    array.setflags(write=False)
    return array


def _bytes(value: Any) -> bytes:
    # A JSON document stored as an array of uint8.
    is_bytes = isinstance(value, np.ndarray) and bool(((value >= 0) & (value < 256)).all())
    return value.astype(np.uint8).tobytes() if is_bytes else b""


#: Errors of zipfile and zlib on damaged archives, found by experiment.
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


@contextmanager
def _archive_errors(path: str) -> Iterator[None]:
    """Turn the errors of zipfile on damaged archives into `DataError`."""
    try:
        yield
    except OneByOneError:
        raise
    except _DAMAGED as error:
        # A damaged directory makes zipfile seek to invalid places; other errors are the disk's.
        if isinstance(error, OSError) and error.errno not in (None, EINVAL):
            raise
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(
            f"is not a whole .npz archive ({reason}); was it cut short or altered? copy it again",
            path,
        ) from error
