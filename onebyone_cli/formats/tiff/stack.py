"""Open a TIFF file as a stack."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.formats.arrays.grid import make_grid
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.tiff.axes import labels_of
from onebyone_cli.formats.tiff.file import InputFile, parsing
from onebyone_cli.formats.tiff.frames import Frames, arrange
from onebyone_cli.formats.tiff.page import (
    FAX,
    NO_COMPRESSION,
    TRANSPARENCY,
    Page,
    integer,
    read_page,
)
from onebyone_cli.formats.tiff.planes import Planes, PlanesReader
from onebyone_cli.spec import ITEM_BYTES, StackSpec
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffPage

    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
    from onebyone_cli.formats.tiff.frames import Labels

_SUBFILE, _OLD_SUBFILE, _PHOTOMETRIC, _SUB_DIRECTORIES = 254, 255, 262, 330

#: Bits of NewSubfileType.
_REDUCED, _MASK = 1, 4


class _Opened(NamedTuple):
    """The pages of a file, their places in a stack, what tells them, and its masks."""

    first: TiffPage
    pages: list[Page]
    frames: Frames
    labels: Labels | None
    masks: list[int]


def open_stack(source: Source, *, mask: int | None = None) -> Reader | StreamReader:
    """Open a TIFF file; reads its tags only.

    With `mask`, what is opened is that page, as a mask of the others.

    Raises
    ------
    InputMissingError
        If it can't be opened.
    DataError
        If it is malformed, or its pages are no stack.
    ShapeMismatchError
        If two pages differ in height or width.
    DependencyMissingError
        If a library is missing to undo its compression.
    UsageError
        If its strips or tiles don't fit `source.memory`.
    """
    file = InputFile(source.path)
    try:
        if mask is not None:
            file.read_chain()
            source = source._replace(layout="CHW", indices=True)
            first = file.page(mask)
            pages = [read_page(file, first, file.where(mask), indices=True)]
            masks: list[int] = []
        else:
            first, pages, masks = _pages(file, source)
        with parsing(source.path):
            labels = labels_of(first, len(pages)) if mask is None else None
        pages = _with_planes(pages, labels, file)
        frames = arrange(pages[0], len(pages), labels, source.layout, source.name)
        return _reader(file, source, _Opened(first, pages, frames, labels, masks))
    except BaseException:
        file.close()
        raise


def _pages(file: InputFile, source: Source) -> tuple[TiffPage, list[Page], list[int]]:
    """Read the pages of the stack; return the first as it was parsed, and numbers of masks."""
    pages: list[Page] = []
    masks: list[int] = []
    count = file.read_chain()
    for number in range(count):
        found = file.page(number)
        with parsing(file.where(number)):
            reduced, is_mask = _kind(found)
        if is_mask and not reduced:
            masks.append(number)
        elif not reduced:
            pages.append(read_page(file, found, file.where(number), indices=source.indices))
            _check_agreement(pages[0], pages[-1])
    if pages:
        return file.page(pages[0].number), pages, masks
    chosen = masks or [0]  # a file of nothing but masks, or of nothing but overviews
    first = file.page(chosen[0])
    if not masks and _SUB_DIRECTORIES in first.tags:
        raise DataError(
            "holds only pictures of reduced size, or its full one is of a kind that is not read; "
            "save it again as plain TIFF",
            file.path,
        )
    for number in chosen:
        page = read_page(file, file.page(number), file.where(number), indices=source.indices)
        pages.append(page)
        _check_agreement(pages[0], page)
    return first, pages, []


def _kind(page: TiffPage) -> tuple[bool, bool]:
    """Return whether a page is an overview, and whether it is a mask."""
    kind = integer(page, _SUBFILE, 0)
    kind |= _REDUCED * (integer(page, _OLD_SUBFILE, 1) == 2)
    is_mask = bool(kind & _MASK) or integer(page, _PHOTOMETRIC, 1) == TRANSPARENCY
    return bool(kind & _REDUCED), is_mask


def _check_agreement(first: Page, page: Page) -> None:
    """Check that pages have one size, one number of channels, one type and one orientation."""
    if (page.height, page.width) != (first.height, first.width):
        raise ShapeMismatchError(
            f"has {page.height}×{page.width} pixels (height×width) and {first.where} has "
            f"{first.height}×{first.width}; all channels must have the same height and width",
            page.where,
        )
    if page.kind != first.kind:
        raise DataError(
            f"has {_described(page)}, and {first.where} has {_described(first)}; split the file, "
            "and name its parts as inputs to stack them as they are",
            page.where,
        )


def _described(page: Page) -> str:
    turned = f", {page.orientation.title}" if page.orientation.title else ""
    return f"{count(page.samples, 'channel')} of {page.dtype}{turned}"


def _with_planes(pages: list[Page], labels: Labels | None, file: InputFile) -> list[Page]:
    """Add pages for planes that follow the first without a page of their own."""
    if labels is None or not labels.together:
        return pages
    page = pages[0]
    starts = page.plain_offsets()
    if starts is None or len(starts) != 1:
        raise DataError(
            f"has {labels.together} planes in one page, which is compressed or in pieces; save it "
            "again with a page for each plane",
            file.path,
        )
    size = page.height * page.row_bytes(page.width)
    if starts[0] + size * labels.together > file.size:
        raise file.cut_off(f"the last of its {labels.together} planes")
    one = page._replace(rows=page.height, columns=page.width, are_tiles=False, counts=(size,))
    return [
        one._replace(number=at, offsets=(starts[0] + at * size,)) for at in range(labels.together)
    ]


def _reader(file: InputFile, source: Source, opened: _Opened) -> Reader | StreamReader:
    first, frames = opened.pages[0], opened.frames
    channels = len(frames.pages[0]) * first.samples
    spec = StackSpec(channels, first.height, first.width, first.dtype, frames.batch)
    about = _about(file, source, opened, spec)
    placed = [[opened.pages[at] for at in item] for item in frames.pages]
    reader = _plain(file, placed, spec, about) or _decoding(file, placed, spec, about, source)
    if not first.orientation.title:
        return reader
    from onebyone_cli.formats.tiff.turned import TurnedStream

    return TurnedStream(reader, first.orientation)


def _plain(
    file: InputFile, placed: Sequence[Sequence[Page]], spec: StackSpec, about: About
) -> Reader | None:
    """Make the reader of numbers that lie in the file as they are; None if they don't."""
    first = placed[0][0]
    offsets: list[list[int]] = []
    for pages in placed:
        offsets.append([])
        for page in pages:
            starts = page.plain_offsets()
            if starts is None or page.is_planar != first.is_planar:
                return None
            offsets[-1] += starts
    planes = Planes(spec, offsets, first.together, file.order == ">")
    layout = planes.layout()
    if layout is None:
        return PlanesReader(file, planes, about)
    from onebyone_cli.formats.arrays.file import ArrayReader

    fd = os.dup(file.fd)
    file.close()
    return ArrayReader(fd, layout, about)


def _decoding(
    file: InputFile,
    placed: Sequence[Sequence[Page]],
    spec: StackSpec,
    about: About,
    source: Source,
) -> Reader | StreamReader:
    """Make the reader of strips and tiles that are decoded."""
    from onebyone_cli.formats.arrays.chunked import ChunkedArray, open_chunked
    from onebyone_cli.formats.tiff.codecs import check_compression
    from onebyone_cli.formats.tiff.segments import SegmentDecoder, blank_of

    for pages in placed:
        for page in pages:
            check_compression(page)
    first = placed[0][0]
    chunk = (first.together, min(first.rows, spec.height), min(first.columns, spec.width))
    shape = (*(1 for _ in spec.batch), *chunk)
    grid = make_grid(spec, tuple(range(len(spec.shape))), shape)
    nodata = about.metadata.nodata
    blank = blank_of(nodata[0][0], spec.dtype) if nodata and nodata[0] else 0
    decoder = SegmentDecoder(file, placed, grid, blank)
    advice = f"save it with smaller {'tiles' if first.are_tiles else 'strips'}"
    return open_chunked(
        ChunkedArray(file, decoder, grid, spec, about, shape, advice=advice), source.memory
    )


def _about(file: InputFile, source: Source, opened: _Opened, spec: StackSpec) -> About:
    from onebyone_cli.formats.tiff.described import describe

    pages, frames = opened.pages, opened.frames
    first = pages[0]
    with parsing(source.path):
        said = describe(opened.first, pages, frames, opened.labels, spec, file.path)
    filters = []
    if first.compression != NO_COMPRESSION:
        from onebyone_cli.formats.tiff.codecs import compression_name

        filters = [{2: "differences", 3: "differences of floats"}.get(first.predictor, "")]
        filters.append(compression_name(first.compression))
    container = Container(
        _title(file, pages),
        frames.shape,
        frames.axes,
        big_endian=file.order == ">",
        chunk=(first.together, first.rows, first.columns) if first.are_tiles else (),
        filters=tuple(filter(None, filters)),
        stored_bytes=sum(sum(page.counts) for page in pages),
    )
    return About(
        source.name,
        (source.path,),
        axes=frames.axes,
        container=container,
        load_metadata=lambda: said,
        notes=tuple(_notes(opened)),
        masks=tuple(partial(open_stack, source, mask=number) for number in opened.masks),
    )


def _title(file: InputFile, pages: Sequence[Page]) -> str:
    kind = "BigTIFF" if file.is_big else "TIFF"
    several = f" of {len(pages)} pages" if len(pages) > 1 else ""
    if pages[0].samples == 1:
        return f"{kind} image{several}"
    order = "planar" if pages[0].is_planar else "interleaved"
    return f"{kind} image{several}, {order} samples"


def _notes(opened: _Opened) -> list[str]:
    """Return what users may not expect."""
    first, frames, turned = opened.pages[0], opened.frames, opened.pages[0].orientation
    notes = []
    if frames.is_told and opened.labels is not None and len(opened.pages) > 1:
        notes.append(f"axes {frames.axes}, from {opened.labels.source}")
    if turned.title:
        notes.append(f"orientation {turned.number}: {turned.title}")
    if first.extra[-1:] in ((1,), (2,)):
        notes.append(f"the last of {first.samples} samples is marked as alpha; it is a channel")
    if ITEM_BYTES[first.dtype] * 8 != first.bits and first.dtype != "bool":
        notes.append(f"numbers of {first.bits} bits, read as {first.dtype}")
    if first.compression in FAX:
        notes.append("damage of CCITT compression is not noticed")
    if opened.masks:
        notes.append(f"{count(len(opened.masks), 'mask')} in the file: invalid where 0")
    return notes
