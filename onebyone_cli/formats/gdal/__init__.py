"""Whatever GDAL reads, through rasterio; read-only.

===========  ====================================================================================
`names`      names of datasets, and the files of this machine in them
`file`       an open dataset: a handle for each thread, and GDAL's own errors
`described`  what a dataset says about its numbers
`stack`      a dataset as a stack: bands are channels
===========  ====================================================================================

A dataset is named ``gdal:NAME``, where NAME is anything that GDAL opens: a file, a subdataset such
as ``HDF5:"x.h5"://a``, ``/vsicurl/https://...``. Names that begin with ``/vsi`` need no prefix, nor
do files of kinds that no other room reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import UsageError
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.gdal.names import PREFIX, VIRTUAL, absolute

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.spec import StackSpec

#: First bytes of HDF4, of JPEG 2000 with and without its boxes, of ERDAS Imagine, VRT, GRIB, NITF
#: and PCIDSK.
_MAGIC = (
    *(b"\x0e\x03\x13\x01", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"EHFA_HEADER_TAG"),
    *(b"<VRTDataset", b"GRIB", b"NITF0", b"PCIDSK"),
)


def read(source: Source) -> Reader | StreamReader:
    """Open a dataset; reads its header only. See `stack.open_stack`."""
    from onebyone_cli.formats.gdal.stack import open_stack

    return open_stack(source)


def write(target: Target, spec: StackSpec) -> Writer | StreamWriter:
    """Refuse an output: datasets are only read."""
    raise UsageError(f"'{target.path}' is written by no format; name a .tif file")


FORMAT = Format(
    name="gdal",
    title="GDAL dataset (gdal:NAME, JPEG 2000, VRT, ERDAS Imagine and others)",
    noun="a GDAL dataset (gdal:NAME)",
    suffixes=(".jp2", ".j2k", ".vrt", ".hdf", ".grb", ".grb2", ".grib2", ".ntf", ".pix", ".kea"),
    read=read,
    write=write,
    new_suffix="",
    magic=_MAGIC,
    prefixes=(PREFIX, VIRTUAL),
    absolute=absolute,
    extra="gdal",
)
