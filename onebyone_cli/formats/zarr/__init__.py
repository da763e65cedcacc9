"""The Zarr format, versions 2 and 3: one array of a store, by zarr-python.

=========  =================================================================================
`store`    open a folder, a zip file or an address; errors of libraries as one line
`find`     find the array
`header`   the description of the array, and what is refused because of it
`ome`      OME-Zarr: axes, channels, resolutions
`said`     metadata: attributes, coordinates, fill value
`cells`    decode chunks
`files`    where the bytes of a chunk are
`output`   describe a new store, and complete one
`writer`   write chunks
=========  =================================================================================

`arrays.chunked` reads what `cells` decodes. zarr-python and numpy are imported when a store is
opened, not with this module.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from onebyone_cli.commit import targets
from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.contracts.about import About, Dataset
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.metadata import FIELDS, Metadata
from onebyone_cli.formats.zarr.store import INSTALL, is_store, is_zipped

if TYPE_CHECKING:
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.formats.zarr.find import Found
    from onebyone_cli.formats.zarr.store import InputStore
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader | StreamReader:
    """Open an array of a Zarr store; see `Format`.

    Raises
    ------
    InputMissingError
        If nothing is there.
    DataError
        If it is no store, or has no such array of numbers.
    DependencyMissingError
        If a library is not installed.
    UsageError
        If a chunk does not fit `source.memory`.
    """
    if source.path == "-":
        raise UsageError("Zarr can't be read from standard input; name a folder")
    from onebyone_cli.formats.zarr.find import find_array
    from onebyone_cli.formats.zarr.header import container_of, read_layout
    from onebyone_cli.formats.zarr.store import InputStore

    store = InputStore(source.path, source.inner)
    try:
        found = find_array(store)
        store.watch(found.inner)
        layout, labels = read_layout(found.array, found.image, source)
        about = About(
            source.name,
            _files(source.path, store),
            f"/{found.inner}" if found.inner else "",
            layout.axes,
            container=container_of(found.array, layout, labels, asked=bool(source.layout)),
            load_metadata=cache(lambda: _metadata(found, layout, store)),
            notes=found.notes,
            count_bytes=lambda: store.stored_bytes(found.array),
        )
        return _reader(store, found.array, layout, source, about)
    except BaseException:
        store.close()
        raise


def _files(path: str, store: InputStore) -> tuple[str, ...]:
    return (path, *store.metadata_files) if not store.is_remote else ()


def _metadata(found: Found, layout: ArrayLayout, store: InputStore) -> Metadata:
    from onebyone_cli.formats.zarr.said import read_metadata
    from onebyone_cli.formats.zarr.store import one_line_errors

    with one_line_errors("the attributes can't be read", store.path):
        return read_metadata(found, layout)


def _reader(
    store: InputStore, array: Any, layout: ArrayLayout, source: Source, about: About
) -> Reader | StreamReader:
    from onebyone_cli.axes import places_of
    from onebyone_cli.formats.arrays.chunked import ChunkedArray, open_chunked
    from onebyone_cli.formats.arrays.grid import make_grid
    from onebyone_cli.formats.zarr.cells import CellDecoder

    chunk = tuple(map(int, array.chunks))
    grid = make_grid(layout.spec, places_of(layout.axes), chunk)
    decoder = CellDecoder(array, layout, grid, store)
    chunked = ChunkedArray(store, decoder, grid, layout.spec, about, chunk)
    return open_chunked(chunked, source.memory)


def datasets(path: str) -> list[Dataset]:
    """List the arrays that could be stacks, by name; raises as `read` does."""
    from onebyone_cli.formats.zarr.find import arrays_below
    from onebyone_cli.formats.zarr.header import number_type
    from onebyone_cli.formats.zarr.store import InputStore, load_zarr, one_line_errors

    store = InputStore(path, "")
    try:
        inner = store.address.inner
        node = store.node(inner)
        if node is None or isinstance(node, load_zarr(path).Array):
            return []
        with one_line_errors("can't be understood as Zarr", path):
            return [
                Dataset(f"/{name}", tuple(map(int, array.shape)), number_type(array))
                for name, array in arrays_below(node, inner, path)
                if array.ndim >= 2
            ]
    finally:
        store.close()


def write(target: Target, spec: StackSpec) -> Writer | StreamWriter:
    """Make a writer for a Zarr store; see `Format`.

    Raises
    ------
    UsageError
        If the target is a pipe, or the name of the array, the chunks or the compression is invalid.
    """
    if target.path == "-" or targets.is_special(target.path):
        raise UsageError(
            "Zarr is a folder of many files, which a pipe can't take; name one, or use "
            f"{setting('format', 'npy')}"
        )
    if target.path.lower().endswith(".zip"):
        raise UsageError("a zip file can be read, not written; name a .zarr folder", target.path)
    from onebyone_cli.formats.zarr.writer import make_writer

    return make_writer(target, spec)


def _seal(place: str, content: bytes) -> None:
    from onebyone_cli.formats.zarr.output import seal

    seal(place, content)


FORMAT = Format(
    name="zarr",
    title="Zarr 2 and 3 (one array; folder.zarr:/path/to/array, s3://bucket/x.zarr)",
    noun="a .zarr store (x.zarr:/array)",
    suffixes=(".zarr", ".zip"),
    read=read,
    write=write,
    new_suffix=".zarr",
    claims=is_zipped,
    folders=is_store,
    addresses=True,
    seal=_seal,
    datasets=datasets,
    storage=("compression", "level", "shuffle", "chunks", "shards"),
    keeps=FIELDS,
    extra=INSTALL,
)
