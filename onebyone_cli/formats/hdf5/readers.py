"""Read datasets whose numbers are not in one piece: chunked, compact, never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.axes import places_of
from onebyone_cli.formats.arrays.chunked import ChunkedArray, open_chunked
from onebyone_cli.formats.arrays.grid import make_grid
from onebyone_cli.formats.hdf5.chunks import CellDecoder

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
    from onebyone_cli.formats.hdf5.file import InputFile
    from onebyone_cli.formats.hdf5.header import Header


def chunk_reader(
    file: InputFile, dataset: Any, header: Header, source: Source, about: About
) -> Reader | StreamReader:
    """Make the reader that suits the chunks and the memory; it closes `file`.

    Raises
    ------
    UsageError
        If `source.memory` is too small for either; the message names a sufficient value.
    """
    layout = header.layout
    grid = make_grid(layout.spec, places_of(layout.axes), header.chunk)
    decoder = CellDecoder(dataset, header, grid, source.name)
    array = ChunkedArray(
        file,
        decoder,
        grid,
        layout.spec,
        about,
        header.chunk,
        layout.big_endian,
        "make the chunks smaller with h5repack",
    )
    return open_chunked(array, source.memory)
