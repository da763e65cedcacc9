"""The TIFF format: one file of one or several pages.

============  ==================================================================================
`file`        has tifffile read the directories, within limits
`page`        type and place of the numbers of a page, checked against the size of the file
`axes`        axes that the file tells; `ome` reads OME-XML
`frames`      which pages are channels, and which are items of a batch
`described`   names, nodata, packing; `gdal` and `geo` read and write the tags that hold them
`stack`       a file as a stack
`planes`      numbers that lie in the file as they are, plane by plane
`segments`    strips and tiles, decoded with `codecs`
`turned`      pages that are stored turned
`writers`     has tifffile write the directories of an output
============  ==================================================================================

Pages, and the samples of a page, are channels, unless the file labels its axes. Overviews are left
out. Numbers are read as they are stored. tifffile reads and writes directories, and imagecodecs
has all compressions but Deflate and PackBits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.metadata import FIELDS
from onebyone_cli.formats.tiff.file import MAGIC

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader | StreamReader:
    """Open a TIFF file; reads its tags only. See `stack.open_stack`."""
    from onebyone_cli.formats.tiff.stack import open_stack

    return open_stack(source)


def write(target: Target, spec: StackSpec) -> Writer | StreamWriter:
    """Make the writer of a TIFF file. See `writers.make_writer`."""
    from onebyone_cli.formats.tiff.writers import make_writer

    return make_writer(target, spec)


FORMAT = Format(
    name="tiff",
    title="TIFF and BigTIFF (pages and samples are channels)",
    noun="a TIFF file",
    suffixes=(".tif", ".tiff", ".btf"),
    read=read,
    write=write,
    new_suffix=".tif",
    kinds=("tiff-pages",),
    storage=("compression", "shuffle", "chunks"),
    keeps=FIELDS,
    packs_channels=True,
    magic=MAGIC,
)
