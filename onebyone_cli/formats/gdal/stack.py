"""Open a dataset of GDAL as a stack: its bands are channels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, setting
from onebyone_cli.formats.arrays.chunked import ChunkedArray, open_chunked
from onebyone_cli.formats.arrays.grid import make_grid
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.gdal.described import describe
from onebyone_cli.formats.gdal.file import REMOTE_BYTES, GdalFile
from onebyone_cli.formats.gdal.names import is_remote
from onebyone_cli.spec import ITEM_BYTES, StackSpec
from onebyone_cli.units import count, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.grid import Grid
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader

#: Buffers of decoders, by the number that they decode: wavelets take 32 bits for each.
_BUFFERS, _LEAST_ITEM = 2, 4

#: Most numbers of a block that sources of a VRT file suggest.
_MOST_BLOCK = 1 << 22

_ADVICE = "convert it with gdal_translate -of GTiff -co TILED=YES"


def open_stack(source: Source) -> Reader | StreamReader:
    """Open a dataset; reads its header only.

    Raises
    ------
    DependencyMissingError
        If rasterio, or a driver of GDAL, is missing.
    InputMissingError
        If the dataset does not exist.
    DataError
        If GDAL does not open it, or its bands are no stack.
    UsageError
        If its blocks don't fit `source.memory`.
    """
    file = GdalFile(source.path)
    try:
        with file.reading() as dataset:
            spec = _spec(dataset, source)
            about = _about(dataset, spec, file, source)
            chunk = _chunk(dataset, spec)
        return _reader(file, spec, about, chunk, source.memory)
    except BaseException:
        file.close()
        raise


def _open_mask(source: Source, band: int) -> Reader | StreamReader:
    """Open the mask of a band: 0 where its pixels are invalid."""
    file = GdalFile(source.path)
    try:
        with file.reading() as dataset:
            spec = StackSpec(1, dataset.height, dataset.width, "uint8")
            _, *block = _chunk(dataset, spec)
        about = About(source.name, file.files)
        return _reader(file, spec, about, (1, block[0], block[1]), source.memory, mask=band)
    except BaseException:
        file.close()
        raise


def _reader(
    file: GdalFile,
    spec: StackSpec,
    about: About,
    chunk: tuple[int, int, int],
    memory: int,
    *,
    mask: int = 0,
) -> Reader | StreamReader:
    grid = make_grid(spec, (0, 1, 2), chunk)
    decoder = _Windows(file, grid, spec.dtype, mask)
    array = ChunkedArray(file, decoder, grid, spec, about, chunk, advice=_ADVICE)
    fetched = REMOTE_BYTES if is_remote(file.name) else 0
    reader = open_chunked(array, memory - fetched)
    if hasattr(reader, "cache_bytes"):
        reader.cache_bytes += fetched
    else:
        reader.buffer_bytes += fetched
    return reader


class _Windows:
    """Decode cells as windows of the dataset; see `arrays.cells.CellDecoder`.

    `mask` is the band whose mask is read in place of the numbers; 0 for none.
    """

    def __init__(self, file: GdalFile, grid: Grid, dtype: str, mask: int) -> None:
        self._file = file
        self._grid = grid
        self._dtype = dtype
        self._mask = mask
        numbers = grid.cell_bytes // grid.item_bytes
        # GDAL keeps the blocks of what it reads, of all bands where they lie together.
        file.cache_bytes = 2 * grid.cell_bytes
        self.decode_bytes = file.cache_bytes + _BUFFERS * numbers * max(
            _LEAST_ITEM, grid.item_bytes
        )

    def load(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Read a window: ndarray of shape (C, H, W)."""
        from rasterio.windows import Window

        (channel, top, left), (last, bottom, right) = self._grid.box(index)
        window = Window(left, top, right - left, bottom - top)
        with self._file.reading() as dataset:
            if self._mask:
                found: NDArray[Any] = dataset.read_masks(self._mask, window=window)
                return found[np.newaxis]
            out = np.empty((last - channel, bottom - top, right - left), self._dtype)
            dataset.read(list(range(channel + 1, last + 1)), out=out, window=window)
            return out


def _spec(dataset: Any, source: Source) -> StackSpec:
    from rasterio.enums import ColorInterp

    if not dataset.count:
        names = [f"gdal:{name}" for name in dataset.subdatasets]
        if not names:
            raise DataError("has no bands; expected a raster", source.path)
        shown = listed("{}", "{}", names)
        raise DataError(f"has {count(len(names), 'subdataset')}; name one: {shown}", source.path)
    if ColorInterp.palette in dataset.colorinterp and not source.indices:
        raise DataError(
            "has a palette: its numbers are indices of colours; save it as RGB to read the "
            f"colours (the indices are read where they are the values, by {setting('labels')} and "
            f"{setting('mask')})",
            source.path,
        )
    return StackSpec(dataset.count, dataset.height, dataset.width, _dtype(dataset, source.path))


def _dtype(dataset: Any, path: str) -> str:
    """Return the type that holds the numbers of all bands."""
    types = sorted(set(dataset.dtypes))
    if any("complex" in each for each in types):
        raise DataError("holds complex numbers; save the real and the imaginary parts", path)
    found = np.result_type(*types).name
    is_exact = all(np.can_cast(each, found, "safe") for each in types)
    wide = {"int64", "uint64"} & set(types)
    if found not in ITEM_BYTES or not is_exact or (wide and found.startswith("float")):
        raise DataError(
            f"has bands of {' and '.join(types)}, which no one type holds; split it, as with "
            "gdal_translate -of VRT -b 1",
            path,
        )
    return found


def _chunk(dataset: Any, spec: StackSpec) -> tuple[int, int, int]:
    """Return the sizes of what GDAL decodes at once, in the order C, H, W."""
    rows, columns = dataset.block_shapes[0]
    if dataset.driver == "VRT":
        rows, columns = _block_of_sources(dataset) or (rows, columns)
    together = spec.channels if str(dataset.interleaving).endswith("pixel") else 1
    return together, min(rows, spec.height), min(columns, spec.width)


def _block_of_sources(dataset: Any) -> tuple[int, int] | None:
    """Return the size of blocks of the first source of a VRT file; None if it has none."""
    sources = [name for name in dataset.files if name != dataset.name]
    if not sources:
        return None
    try:
        file = GdalFile(sources[0])
    except (DataError, OSError):  # reading will tell
        return None
    with file.reading() as first:
        rows, columns = first.block_shapes[0] if first.count else (0, 0)
    file.close()
    return (rows, columns) if 0 < rows * columns <= _MOST_BLOCK else None


def _about(dataset: Any, spec: StackSpec, file: GdalFile, source: Source) -> About:
    said = describe(dataset, spec)
    masks = _masks(dataset)
    compression = [] if dataset.compression is None else [dataset.compression.value]
    rows, columns = dataset.block_shapes[0]
    container = Container(
        f"{dataset.driver} dataset of GDAL",
        spec.shape,
        "CHW",
        chunk=(1, rows, columns) if columns < spec.width else (),
        filters=tuple(compression),
    )
    return About(
        source.name,
        file.files,
        container=container,
        identity=file.name,
        load_metadata=lambda: said,
        notes=tuple(_notes(dataset, spec, len(masks))),
        masks=tuple(partial(_open_mask, source, band) for band in masks),
    )


def _masks(dataset: Any) -> list[int]:
    """Return a band for each mask of the dataset; nodata and alpha are none."""
    from rasterio.enums import MaskFlags

    none = {MaskFlags.all_valid, MaskFlags.alpha}
    found: list[int] = []
    for band, flags in zip(dataset.indexes, dataset.mask_flag_enums, strict=True):
        shared = MaskFlags.per_dataset in flags
        if none & set(flags) or (MaskFlags.nodata in flags and not shared):
            continue
        if not (shared and found):
            found.append(band)
    return found


def _notes(dataset: Any, spec: StackSpec, masks: int) -> list[str]:
    """Return what users may not expect."""
    from rasterio.enums import ColorInterp

    notes = []
    if ColorInterp.alpha in dataset.colorinterp:
        band = dataset.colorinterp.index(ColorInterp.alpha) + 1
        notes.append(f"band {band} is marked as alpha; it is a channel")
    if masks:
        notes.append(f"{count(masks, 'mask')} in the dataset: invalid where 0")
    types = sorted(set(dataset.dtypes))
    if len(types) > 1:
        notes.append(f"bands of {' and '.join(types)}, read as {spec.dtype}")
    if dataset.gcps[0] and dataset.transform.is_identity:
        notes.append("its ground control points are not carried over")
    return notes
