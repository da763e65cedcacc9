"""Have tifffile write the directories of an output, and encode its strips and tiles.

Planes lie one after another, channel by channel and item by item, in the order of a plain array.
Bands are the samples of one page, planar, as GDAL reads them; or each plane is a page of its own,
as ImageJ does.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.tiff.gdal import METADATA, NODATA, format_metadata, format_nodata
from onebyone_cli.formats.tiff.geo import georeference_tags
from onebyone_cli.formats.tiff.page import NO_COMPRESSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from onebyone_cli.formats.tiff.geo import Extra
    from onebyone_cli.spec import StackSpec

#: Most bytes of a file with offsets of 32 bits.
_SMALL = 2**32 - 2**16

#: Types that ImageJ opens.
_OF_IMAGEJ = ("uint8", "uint16", "float32")


class Form(NamedTuple):
    """How an output is laid out.

    Attributes
    ----------
    spec : StackSpec
    metadata : Metadata
    as_pages : bool
        Whether each plane is a page of its own.
    rows, columns : int
        Of a strip or tile.
    are_tiles : bool
    compression, predictor : int
        As in the tags.
    level : int
        Of the compression.
    """

    spec: StackSpec
    metadata: Metadata = Metadata()
    as_pages: bool = False
    rows: int = 1
    columns: int = 1
    are_tiles: bool = False
    compression: int = NO_COMPRESSION
    predictor: int = 1
    level: int = 0

    @property
    def samples(self) -> int:
        """Samples of a page."""
        return 1 if self.as_pages else self.spec.channels

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of a strip or tile, before compression."""
        bits = 1 if self.spec.dtype == "bool" else 8 * self.spec.item_bytes
        return -(-self.columns * bits // 8)

    @property
    def is_big(self) -> bool:
        """Whether offsets of 32 bits may not reach the end, even if nothing can be compressed."""
        spec = self.spec
        across, down = -(-spec.width // self.columns), -(-spec.height // self.rows)
        planes = spec.items * spec.channels
        segments = across * down * planes
        numbers = segments * self.rows * self.row_bytes if self.are_tiles else spec.data_bytes
        # Tags take less than 4 KiB a page besides text and the places of segments.
        pages = planes // self.samples
        text = len(format_metadata(self.metadata, self.samples)) * pages
        return numbers + numbers // 100 + 4096 * pages + text + 16 * segments > _SMALL


def write_pages(form: Form, file: Any, data: Iterator[bytes] | None) -> tuple[int, int]:
    """Write a TIFF file; return offset and bytes of the numbers, if they lie in one piece.

    Parameters
    ----------
    form : Form
    file : binary file
    data : iterator of bytes or None
        Strips or tiles in the order of the file. None leaves a hole for the numbers.
    """
    from tifffile import TiffWriter

    spec, has_bands = form.spec, form.samples > 1
    writer = TiffWriter(file, bigtiff=form.is_big, byteorder="<", shaped=False, ome=False)
    found = writer.write(
        data,
        shape=(spec.items * spec.channels // form.samples, form.samples, spec.height, spec.width)
        if has_bands
        else (spec.items * spec.channels, spec.height, spec.width),
        dtype=spec.dtype,
        photometric="rgb" if form.samples == 3 and spec.dtype == "uint8" else "minisblack",
        planarconfig="separate" if has_bands else None,
        tile=(form.rows, form.columns) if form.are_tiles else None,
        rowsperstrip=None if form.are_tiles else form.rows,
        compression=form.compression,
        predictor=form.predictor,
        subfiletype=0,
        description=_description(form) or None,
        extratags=list(_tags(form)),
        software=False,
        metadata=None,
        returnoffset=True,
    )
    writer.close()
    return found or (0, 0)


def _tags(form: Form) -> Iterator[Extra]:
    """Yield the tags that say what the numbers mean."""
    metadata = form.metadata
    said = format_metadata(metadata, form.spec.channels)
    if said:  # of pages, the first one speaks for all
        yield METADATA, 2, 0, said.encode() + b"\0", form.as_pages
    nodata = format_nodata(metadata)
    if nodata:
        yield NODATA, 2, 0, nodata.encode() + b"\0", False
    yield from georeference_tags(metadata.georeference, metadata.attributes)
    if metadata.channels and _is_of_imagej(form):
        from tifffile.tifffile import imagej_metadata_tag

        yield from imagej_metadata_tag({"Labels": list(metadata.channels * form.spec.items)}, "<")


def _is_of_imagej(form: Form) -> bool:
    spec = form.spec
    return (
        form.as_pages
        and spec.items * spec.channels > 1
        and spec.dtype in _OF_IMAGEJ
        and form.compression == NO_COMPRESSION
        and len(spec.batch) <= 1
    )


def _description(form: Form) -> str:
    """Return what tells ImageJ or tifffile about the axes of several pages; empty for one."""
    spec = form.spec
    if spec.items * spec.channels == form.samples:
        return ""
    if _is_of_imagej(form):
        from tifffile.tifffile import imagej_description

        shape = (spec.items, 1, spec.channels, spec.height, spec.width, 1)
        return str(imagej_description(shape, hyperstack=True, mode="grayscale", loop=False))
    return json.dumps({"shape": list(spec.shape)})


class Recorder(io.RawIOBase):
    """A file that keeps what is written, and where."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self._at = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to an offset; nothing is ever at the end."""
        self._at = offset if whence == 0 else self._at + offset
        return self._at

    def tell(self) -> int:
        """Return the offset."""
        return self._at

    def write(self, data: Any, /) -> int:
        """Keep bytes."""
        self.pieces.append((self._at, bytes(data)))
        self._at += len(self.pieces[-1][1])
        return len(self.pieces[-1][1])


def encode(form: Form, numbers: NDArray[Any]) -> bytes:
    """Return the bytes of a strip or tile of shape (rows, columns)."""
    import numpy as np
    from tifffile import TIFF

    if numbers.dtype == np.bool_:
        numbers = np.packbits(numbers, axis=1)
    if form.predictor == 2:
        numbers = TIFF.PREDICTORS[2](numbers.view(f"u{numbers.itemsize}"), axis=-1)
    elif form.predictor == 3:
        numbers = TIFF.PREDICTORS[3](numbers, axis=-1)
    data = numbers.tobytes()
    if form.compression == NO_COMPRESSION:
        return data
    level = {"level": form.level} if form.level else {}
    return bytes(TIFF.COMPRESSORS[form.compression](data, **level))
