"""The HDF5 format: one dataset of a file.

============  ==============================================================================
`file`        open a file safely; errors of HDF5 as one line
`find`        find the dataset; links are checked before they are followed
`search`      datasets that could be stacks, and what was passed over
`header`      the description of the dataset, and what is refused because of it
`axes`        the order of axes that the names of axes tell
`attributes`  named values of a dataset
`coordinates` coordinates of axes, grid mappings
`neighbours`  what stands near it: tables of channels, attributes of groups
`reading`     small datasets and attributes, read without failing
`metadata`    what both say
`chunks`      decode chunks, in several threads where the filters allow
`readers`     readers of chunked datasets
`netcdf`      dimensions, coordinates and attributes of a netCDF-4 file
`output`      a file under a temporary name, written without HDF5 seeing an error
`writers`     writers
============  ==============================================================================

`arrays.chunked` reads what `chunks` decodes, and `arrays.file` the numbers of a contiguous dataset,
which lie at a fixed offset as in ``.npy`` files. h5py and numpy are imported when a file is opened,
not with this module.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from onebyone_cli.axes import matlab_axes, matlab_notes
from onebyone_cli.commit import targets
from onebyone_cli.errors import DataError, UsageError, setting
from onebyone_cli.formats.contracts.about import About, Container, Dataset
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.metadata import FIELDS, Metadata
from onebyone_cli.formats.contracts.reader import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from onebyone_cli.formats.arrays.file_state import FileState
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import Target, Writer
    from onebyone_cli.formats.hdf5.file import InputFile
    from onebyone_cli.formats.hdf5.header import Header
    from onebyone_cli.formats.hdf5.writers import ChunkedWriter
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader | StreamReader:
    """Open a dataset of an HDF5 file; see `Format`.

    Raises
    ------
    DataError
        If the file is not HDF5, or has no such dataset of numbers.
    PolicyError
        If the dataset, or a link on the way to it, leads to another file.
    DependencyMissingError
        If a filter of its chunks is not installed.
    UsageError
        If a chunk does not fit `source.memory`.
    """
    if source.path == "-":
        raise UsageError("HDF5 can't be read from standard input; name a file")
    from onebyone_cli.formats.hdf5.axes import is_matlab, labelled_layout
    from onebyone_cli.formats.hdf5.file import InputFile, one_line_errors
    from onebyone_cli.formats.hdf5.find import find_dataset
    from onebyone_cli.formats.hdf5.header import read_header

    file = InputFile(source.path)
    try:
        with one_line_errors("can't be understood by HDF5", source.name):
            inner, dataset, notes = find_dataset(file.root, source)
            layout, labels = "", tuple[str, ...]()
            if is_matlab(dataset):
                layout = matlab_axes(source.layout, dataset.rank)[::-1]
                notes += matlab_notes(source.layout, dataset.rank)
            elif not source.layout:
                layout, labels = labelled_layout(file.root, inner, dataset)
            asked = source._replace(layout=layout or source.layout)
            header = read_header(dataset, asked, inner, file.size)
            about = About(
                source.name,
                (source.path,),
                inner,
                header.layout.axes,
                container=_container(file, dataset, header, labels, is_assumed=not asked.layout),
                load_metadata=_load_metadata(header, source, file.state),
                notes=notes,
            )
        return _reader(file, dataset, header, source, about)
    except BaseException:
        file.close()
        raise


def claims(path: str) -> bool:
    """Return whether a file is HDF5 after bytes of another program, as MATLAB writes it."""
    from onebyone_cli.formats.hdf5.file import has_signature

    try:
        with open(path, "rb") as file:
            return has_signature(file.fileno(), os.fstat(file.fileno()).st_size)
    except OSError:
        return False


def datasets(path: str) -> list[Dataset]:
    """List the datasets that could be stacks, by name; raises as `read` does."""
    from onebyone_cli.formats.hdf5.axes import is_matlab
    from onebyone_cli.formats.hdf5.file import InputFile, load_h5py, one_line_errors
    from onebyone_cli.formats.hdf5.header import number_type
    from onebyone_cli.formats.hdf5.search import search

    file = InputFile(path)
    found = []
    try:
        with one_line_errors("can't be understood by HDF5", path):
            for name in search(file.root, path).datasets:
                dataset = load_h5py().h5d.open(file.root, name.encode("utf-8", "surrogateescape"))
                try:
                    dtype, _ = number_type(dataset.get_type(), path)
                except DataError:
                    dtype = ""
                shape = tuple(map(int, dataset.shape))
                found.append(Dataset(name, shape[:: -1 if is_matlab(dataset) else 1], dtype))
    finally:
        file.close()
    return found


def _container(
    file: InputFile, dataset: Any, header: Header, labels: tuple[str, ...], *, is_assumed: bool
) -> Container:
    from onebyone_cli.formats.hdf5.axes import is_matlab

    # MATLAB's first axis varies fastest, which HDF5 calls the last.
    turn = slice(None, None, -1 if is_matlab(dataset) else 1)
    title = "netCDF-4 variable" if file.is_netcdf else "HDF5 dataset"
    return Container(
        "MATLAB array" if turn.step < 0 else title,
        header.shape[turn],
        header.layout.axes[turn],
        fortran_order=turn.step < 0,
        big_endian=header.layout.big_endian,
        chunk=(header.chunk or ())[turn],
        filters=tuple(each.name for each in header.filters),
        stored_bytes=int(dataset.get_storage_size()),
        labels=labels,
        is_assumed=is_assumed,
    )


def _load_metadata(header: Header, source: Source, state: FileState) -> Callable[[], Metadata]:
    """Return a function that reads the metadata on demand.

    HDF5 crashes or hangs where the heap that holds text is damaged (seen with 1.14.2 and 2.0.0);
    no damage elsewhere was found to do that. So text is read only if it is needed.
    """
    return cache(lambda: _metadata(source._replace(inner=header.inner), header.layout, state))


def _metadata(source: Source, layout: ArrayLayout, state: FileState) -> Metadata:
    """Open the file again and read what it says about the dataset."""
    from onebyone_cli.formats.hdf5.file import InputFile, one_line_errors
    from onebyone_cli.formats.hdf5.find import find_dataset
    from onebyone_cli.formats.hdf5.metadata import Place, read_metadata

    file = InputFile(source.path)
    try:
        file.check_unchanged(state)
        with one_line_errors("can't be understood by HDF5", source.name):
            name, dataset, _ = find_dataset(file.root, source)
            return read_metadata(Place(file.root, name, dataset, layout.axes, layout.spec))
    finally:
        file.close()


def _reader(
    file: InputFile, dataset: object, header: Header, source: Source, about: About
) -> Reader | StreamReader:
    if header.offset is None:
        from onebyone_cli.formats.hdf5.readers import chunk_reader

        return chunk_reader(file, dataset, header, source, about)
    from onebyone_cli.formats.arrays.file import ArrayReader

    fd = os.dup(file.fd)
    file.close()
    return ArrayReader(fd, header.layout, about)


def write(target: Target, spec: StackSpec) -> Writer | ChunkedWriter:
    """Make a writer for an HDF5 file; see `Format`.

    Raises
    ------
    UsageError
        If the target is not a file, or the dataset name, chunks or compression are invalid.
    """
    if target.path == "-" or targets.is_special(target.path):
        raise UsageError(
            "HDF5 is written in no fixed order, which a pipe or device can't take; "
            f"name a file, or use {setting('format', 'npy')}"
        )
    from onebyone_cli.formats.hdf5.writers import ChunkedWriter, contiguous_writer

    if target.storage.is_plain:
        return contiguous_writer(target, spec)
    return ChunkedWriter(target, spec)


FORMAT = Format(
    name="hdf5",
    title="HDF5 and netCDF-4 (one dataset; file.h5:/path/to/dataset)",
    noun="an .h5 or .nc file (file.h5:/dataset)",
    suffixes=(".h5", ".hdf5", ".he5", ".nc", ".nc4"),
    also=(".mat",),
    read=read,
    write=write,
    new_suffix=".h5",
    kinds=("netcdf",),
    magic=(b"\x89HDF\r\n\x1a\n",),
    claims=claims,
    datasets=datasets,
    storage=("compression", "level", "shuffle", "fletcher32", "chunks"),
    keeps=FIELDS,
)
