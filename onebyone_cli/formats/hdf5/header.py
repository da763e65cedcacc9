"""Read and check the metadata of a dataset, without reading numbers."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError, DependencyMissingError, PolicyError
from onebyone_cli.formats.arrays.layout import ArrayLayout, array_layout
from onebyone_cli.formats.contracts.cf import type_of
from onebyone_cli.formats.hdf5.attributes import unsigned_mark
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Source

#: Supported types, by HDF5's names.
_NUMBERS = {
    "STD_I8": "int8",
    "STD_U8": "uint8",
    "STD_I16": "int16",
    "STD_U16": "uint16",
    "STD_I32": "int32",
    "STD_U32": "uint32",
    "STD_I64": "int64",
    "STD_U64": "uint64",
    "IEEE_F16": "float16",
    "IEEE_F32": "float32",
    "IEEE_F64": "float64",
    # Sets of flags; PyTables and HDF5.jl store bool as eight of them.
    "STD_B8": "uint8",
    "STD_B16": "uint16",
    "STD_B32": "uint32",
    "STD_B64": "uint64",
}

_OTHER_CLASSES = {
    "ARRAY": "arrays",
    "BITFIELD": "bit fields of an unusual kind",
    "COMPLEX": "complex numbers",
    "COMPOUND": "a compound type (a table, or complex numbers)",
    "ENUM": "an enumeration of an unusual kind",
    "FLOAT": "floats of an unusual kind",
    "INTEGER": "integers of an unusual kind",
    "OPAQUE": "raw bytes",
    "REFERENCE": "references",
    "STRING": "text",
    "TIME": "dates",
    "VLEN": "lists of varying length",
}

#: Filters of the Python package hdf5plugin, by their registered numbers.
_PLUGIN_FILTERS = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}

_BUILT_IN_FILTERS = {
    1: "gzip",
    2: "shuffle",
    3: "fletcher32",
    4: "szip",
    5: "nbit",
    6: "scaleoffset",
    32000: "lzf",
}

_GZIP = 1

#: A larger dataset of which less than a thousandth was ever written is refused: it is a mistake or
#: an attack, and reading it would yield fill values for hours.
_SPARSE_BYTES = 1 << 26
_SPARSE_RATIO = 1000


class Filter(NamedTuple):
    """A filter of chunks: its registered number and its parameters."""

    code: int
    values: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the filter, with the level of gzip, as in ``"gzip 4"``."""
        known = _BUILT_IN_FILTERS.get(self.code) or _PLUGIN_FILTERS.get(self.code)
        effort = f" {self.values[0]}" if self.code == _GZIP and self.values else ""
        return (known or f"filter {self.code}") + effort


class Header(NamedTuple):
    """Metadata of a dataset.

    Attributes
    ----------
    layout : ArrayLayout
        Shape, type and order of axes; the offset is valid only if `offset` is not None.
    shape : tuple of int
        Sizes as stored.
    inner : str
        Name of the dataset.
    offset : int or None
        Offset of contiguous numbers in the file; None for others.
    chunk : tuple of int or None
        Sizes of a chunk as stored; None without chunks.
    filters : tuple of Filter
        In the order in which they were applied.
    """

    layout: ArrayLayout
    shape: tuple[int, ...]
    inner: str
    offset: int | None
    chunk: tuple[int, ...] | None = None
    filters: tuple[Filter, ...] = ()


def read_header(dataset: Any, source: Source, inner: str, file_bytes: int) -> Header:
    """Read and check the metadata of dataset `inner` in a file of `file_bytes`.

    Raises
    ------
    DataError
        If it does not hold numbers, has fewer than two axes, is truncated, or is huge and was never
        written.
    PolicyError
        If its numbers are in another file.
    DependencyMissingError
        If a filter is missing.
    """
    h5d = load_h5py().h5d
    plist = dataset.get_create_plist()
    kind = plist.get_layout()
    _check_inside(plist, kind == h5d.VIRTUAL, inner, source.name)
    dtype, big_endian = number_type(dataset.get_type(), source.name)
    if "int" in dtype:
        dtype = type_of(dtype, unsigned_mark(dataset))
    shape = tuple(map(int, dataset.shape or ()))
    layout = array_layout(shape, dtype, source.name, layout=source.layout, big_endian=big_endian)
    if kind == h5d.CHUNKED:
        filters = _filters(plist, source.name)
        chunk = tuple(map(int, plist.get_chunk()))
        _check_sparse(dataset, layout, prod(chunk) * layout.spec.item_bytes, source.name)
        return Header(layout, shape, inner, None, chunk, filters)
    offset = dataset.get_offset()
    if kind == h5d.CONTIGUOUS and offset is not None:
        placed = _placed(layout, int(offset), file_bytes, source.name)
        return Header(placed, shape, inner, placed.offset)
    if kind == h5d.CONTIGUOUS:
        _check_sparse(dataset, layout, 0, source.name)
    return Header(layout, shape, inner, None)


def number_type(kind: Any, path: str) -> tuple[str, bool]:
    """Return the name of an HDF5 type, a key of `spec.ITEM_BYTES`, and whether it is big-endian.

    A type must equal a standard one in every bit. A float with another exponent (bfloat16) or an
    integer of 12 bits in 16 is refused. Bit fields are read as unsigned integers, an enumeration as
    bool if it is h5py's, else as the integers that it names.

    Raises `DataError` if the type is not supported.
    """
    h5t = load_h5py().h5t
    if is_bool(kind):
        return "bool", False
    if kind.get_class() == h5t.ENUM:
        kind = kind.get_super()
    for standard, name in _NUMBERS.items():
        for ending in ("LE", "BE"):
            if kind.equal(getattr(h5t, standard + ending)):
                return name, ending == "BE" and not standard.endswith("8")
    number = kind.get_class()
    what = next((w for n, w in _OTHER_CLASSES.items() if getattr(h5t, n, None) == number), "")
    size = f" ({8 * kind.get_size()} bits)" if number in (h5t.FLOAT, h5t.INTEGER) else ""
    raise DataError(
        f"holds {what or 'an unknown type'}{size}; expected bool, integers of 8 to 64 bits, "
        "or float16, float32 or float64",
        path,
    )


def is_bool(kind: Any) -> bool:
    """Return whether a type is h5py's bool: an enumeration of FALSE and TRUE."""
    h5t = load_h5py().h5t
    if kind.get_class() != h5t.ENUM or kind.get_size() != 1 or kind.get_nmembers() != 2:
        return False
    members = {kind.get_member_name(i): kind.get_member_value(i) for i in range(2)}
    return members == {b"FALSE": 0, b"TRUE": 1}


def _check_inside(plist: Any, is_virtual: bool, inner: str, path: str) -> None:
    if is_virtual:
        raise PolicyError(
            f"'{printable(inner)}' is a virtual dataset, put together from other files; "
            "copy it into a plain one first",
            path,
        )
    if plist.get_external_count():
        name = plist.get_external(0)[0].decode("utf-8", "surrogateescape")
        raise PolicyError(
            f"'{printable(inner)}' keeps its numbers in another file ({printable(name)}), "
            "which is not opened; copy it into a plain dataset first",
            path,
        )


def _filters(plist: Any, path: str) -> tuple[Filter, ...]:
    found = []
    for index in range(plist.get_nfilters()):
        code, _, values, name = plist.get_filter(index)
        if not _is_available(code):
            raise DependencyMissingError(_missing_filter(code, name), path)
        found.append(Filter(code, tuple(values)))
    return tuple(found)


def _is_available(code: int) -> bool:
    h5z = load_h5py().h5z
    if not h5z.filter_avail(code) and code in _PLUGIN_FILTERS:
        # Importing the optional package registers its filters with HDF5.
        try:
            import hdf5plugin  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
        except ImportError:
            return False
    if not h5z.filter_avail(code):
        return False
    return bool(h5z.get_filter_info(code) & h5z.FILTER_CONFIG_DECODE_ENABLED)


def _missing_filter(code: int, name: bytes | None) -> str:
    known = _PLUGIN_FILTERS.get(code) or _BUILT_IN_FILTERS.get(code)
    given = printable((name or b"").decode("utf-8", "replace"))
    shown = known or given or "unknown"
    text = f"its chunks use HDF5 filter {code} ({shown}), which is not available"
    if code in _PLUGIN_FILTERS:
        return f"{text}; install it with: pip install hdf5plugin"
    return f"{text}; write the dataset again with gzip, as h5repack -f GZIP=4 does"


def _check_sparse(dataset: Any, layout: ArrayLayout, chunk_bytes: int, path: str) -> None:
    claimed = layout.spec.data_bytes
    if claimed <= _SPARSE_BYTES or claimed <= _SPARSE_RATIO * dataset.get_storage_size():
        return
    # Constant numbers also shrink a thousandfold: count the chunks.
    written = dataset.get_num_chunks() * chunk_bytes if chunk_bytes else 0
    if claimed > _SPARSE_RATIO * written:
        raise DataError(
            f"claims {claimed} bytes ({layout.spec.size}), of which {written} were ever written; "
            "the rest would be nothing but fill values",
            path,
        )


def _placed(layout: ArrayLayout, offset: int, file_bytes: int, path: str) -> ArrayLayout:
    placed = layout._replace(offset=offset)
    if placed.end > file_bytes:
        raise DataError(
            f"is truncated: has {file_bytes} bytes, and its numbers would end at {placed.end}; "
            "copy or make it again",
            path,
        )
    return placed
