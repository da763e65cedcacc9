"""Open a TIFF file as a stack."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.formats.arrays.grid import make_grid
from onebyone_cli.formats.contracts.about import About, Container
from onebyone_cli.formats.tiff.directory import InputFile, read_directories
from onebyone_cli.formats.tiff.frames import Frames, arrange
from onebyone_cli.formats.tiff.page import Page, Segments, compression_name, read_page
from onebyone_cli.formats.tiff.planes import Planes, PlanesReader
from onebyone_cli.formats.tiff.tags import (
    MASK,
    NO_COMPRESSION,
    REDUCED,
    TRANSPARENCY,
    Tag,
)
from onebyone_cli.formats.tiff.told import labels_of
from onebyone_cli.spec import ITEM_BYTES, StackSpec
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
    from onebyone_cli.formats.tiff.directory import Directory
    from onebyone_cli.formats.tiff.labels import Labels


class _Parts(NamedTuple):
    """The pages of a file by what they are."""

    full: list[Directory]
    masks: list[Directory]
    overviews: int


def open_stack(source: Source, *, mask: int | None = None) -> Reader | StreamReader:
    """Open a TIFF file; reads its tags only.

    With `mask`, what is opened is that page of those that mask the others.

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
        parts = _parts(read_directories(file))
        if mask is not None:
            parts = _Parts(parts.masks[mask : mask + 1], [], 0)
            source = source._replace(layout="CHW", indices=True)
        pages = [read_page(each, indices=source.indices) for each in parts.full]
        _check_agreement(pages)
        labels = None if mask is not None else labels_of(pages[0].directory, len(pages))
        pages = _with_planes(pages, labels, file)
        frames = arrange(pages[0], len(pages), labels, source.layout, source.name)
        return _reader(file, source, _Opened(pages, frames, labels, parts))
    except BaseException:
        file.close()
        raise


class _Opened(NamedTuple):
    """The pages of a file, their places in a stack, and what tells them."""

    pages: list[Page]
    frames: Frames
    labels: Labels | None
    parts: _Parts


def _parts(directories: Sequence[Directory]) -> _Parts:
    """Tell pages from overviews and masks."""
    full, masks, overviews = [], [], 0
    for each in directories:
        kind = each.integer(Tag.SUBFILE_TYPE, 0)
        kind |= REDUCED * (each.integer(Tag.OLD_SUBFILE_TYPE, 1) == 2)
        is_mask = bool(kind & MASK) or each.integer(Tag.PHOTOMETRIC, 1) == TRANSPARENCY
        if kind & REDUCED:
            overviews += 1
        elif is_mask:
            masks.append(each)
        else:
            full.append(each)
    if not full:
        if masks:  # as in a file of nothing but a mask
            return _Parts(masks, [], overviews)
        if Tag.SUB_DIRECTORIES not in directories[0]:  # as in a file of nothing but overviews
            return _Parts([directories[0]], [], overviews - 1)
        raise DataError(
            "holds only pictures of reduced size, or its full one is of a kind that is not read; "
            "save it again as plain TIFF",
            directories[0].file.path,
        )
    return _Parts(full, masks, overviews)


def _check_agreement(pages: Sequence[Page]) -> None:
    """Check that pages have one size, one number of channels, one type and one orientation."""
    first = pages[0]
    for page in pages[1:]:
        where, other = page.directory.where, first.directory.where
        if (page.height, page.width) != (first.height, first.width):
            raise ShapeMismatchError(
                f"has {page.height}×{page.width} pixels (height×width) and {other} has "
                f"{first.height}×{first.width}; all channels must have the same height and width",
                where,
            )
        if page.kind != first.kind or page.orientation != first.orientation:
            raise DataError(
                f"has {_described(page)}, and {other} has {_described(first)}; split the file, and "
                "name its parts as inputs to stack them as they are",
                where,
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
    return [
        page._replace(
            number=at,
            segments=Segments(page.height, page.width, False, (starts[0] + at * size,), (size,)),
        )
        for at in range(labels.together)
    ]


def _reader(file: InputFile, source: Source, opened: _Opened) -> Reader | StreamReader:
    first, frames = opened.pages[0], opened.frames
    channels = len(frames.pages[0]) * first.samples
    spec = StackSpec(channels, first.height, first.width, first.dtype, frames.batch)
    about = _about(source, opened, spec)
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
    planes = Planes(spec, offsets, first.together, big_endian=file.order == ">")
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
            check_compression(page.compression, page.directory.where)
    first = placed[0][0]
    segments = first.segments
    chunk = (first.together, min(segments.height, spec.height), min(segments.width, spec.width))
    shape = (*(1 for _ in spec.batch), *chunk)
    grid = make_grid(spec, tuple(range(len(spec.shape))), shape)
    nodata = about.metadata.nodata
    blank = blank_of(nodata[0][0], spec.dtype) if nodata and nodata[0] else 0
    decoder = SegmentDecoder(file, placed, grid, blank)
    what = "tiles" if segments.are_tiles else "strips"
    advice = f"save it with smaller {what}"
    return open_chunked(
        ChunkedArray(file, decoder, grid, spec, about, shape, advice=advice), source.memory
    )


def _about(source: Source, opened: _Opened, spec: StackSpec) -> About:
    from onebyone_cli.formats.tiff.described import describe

    pages, frames = opened.pages, opened.frames
    first = pages[0]
    segments = first.segments
    said = describe(pages, frames, opened.labels, spec)
    compressed = first.compression != NO_COMPRESSION
    predictor = {2: "differences", 3: "differences of floats"}.get(first.predictor, "")
    container = Container(
        _title(opened),
        frames.shape,
        frames.axes,
        big_endian=first.directory.file.order == ">",
        chunk=(first.together, segments.height, segments.width) if segments.are_tiles else (),
        filters=tuple(filter(None, (predictor, compression_name(first.compression))))
        if compressed
        else (),
        stored_bytes=sum(sum(page.segments.counts) for page in pages),
    )
    return About(
        source.name,
        (source.path,),
        axes=frames.axes,
        container=container,
        load_metadata=lambda: said,
        notes=tuple(_notes(opened)),
        masks=tuple(partial(open_stack, source, mask=at) for at in range(len(opened.parts.masks))),
    )


def _title(opened: _Opened) -> str:
    first = opened.pages[0]
    kind = "BigTIFF" if first.directory.file.is_big else "TIFF"
    pages = len(opened.pages)
    several = f" of {pages} pages" if pages > 1 else ""
    if first.samples == 1:
        return f"{kind} image{several}"
    order = "planar" if first.is_planar else "interleaved"
    return f"{kind} image{several}, {order} samples"


def _notes(opened: _Opened) -> list[str]:
    """Return what users may not expect."""
    first, frames = opened.pages[0], opened.frames
    notes = []
    if frames.is_told and opened.labels is not None and len(opened.pages) > 1:
        notes.append(f"axes {frames.axes}, from {opened.labels.source}")
    if first.orientation.title:
        turned = first.orientation
        notes.append(f"orientation {turned.number}: {turned.title}")
    if first.extra in (1, 2):
        notes.append(f"the last of {first.samples} samples is marked as alpha; it is a channel")
    if ITEM_BYTES[first.dtype] * 8 != first.bits and first.dtype != "bool":
        notes.append(f"numbers of {first.bits} bits, read as {first.dtype}")
    if opened.parts.masks:
        masks = count(len(opened.parts.masks), "mask")
        notes.append(f"{masks} in the file: invalid where 0")
    return notes
