"""Numbers without a header, as ffmpeg or a C program writes them; options describe them.

`opening.open_input` reads files of any name so where ``--raw`` is given. Outputs are in C order,
little-endian, and in the order of axes that the user chooses; a batch is one item after another.
"""

from __future__ import annotations

import os
from math import prod
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, setting
from onebyone_cli.formats.arrays.layout import PIECE_BYTES, ordered_layout
from onebyone_cli.formats.arrays.source import ArraySeries, Kind, open_array
from onebyone_cli.formats.arrays.target import array_writer
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.spec import CODED_BYTES, ITEM_BYTES, LAYOUTS
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.about import RawSpec
    from onebyone_cli.formats.contracts.reader import Reader, Series, Source, StreamReader
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.spec import StackSpec


#: The settings that describe numbers without a header.
_SAID = f"{setting('shape')} and {setting('dtype_in')}"


#: Most shapes that a message proposes.
_MOST_SHAPES = 3

#: Types of other sizes that a message proposes.
_TYPES = {1: "u1", 2: "u2", 4: "f4", 8: "f8"}


def read(source: Source) -> Reader | StreamReader:
    """Open a file or pipe of numbers; its size must be that of `Source.raw`."""
    return open_array(source, _kind(source))


def series(source: Source) -> Series:
    """Open a stream of frames, all of the shape of `Source.raw`."""
    return ArraySeries(source, _kind(source))


def write(target: Target, spec: StackSpec) -> Writer | StreamWriter:
    """Make a writer for numbers without a header, in a file or on standard output."""
    stored = ordered_layout(spec, target.layout or "CHW")
    return array_writer(target, stored, b"", f"raw {target.layout}".rstrip())


def _kind(source: Source) -> Kind:
    raw = source.raw
    if raw is None or not raw.shape:
        raise DataError(
            f"has no header; describe its numbers with {setting('raw')}, {setting('shape')} and "
            f"{setting('dtype_in')}",
            source.path,
        )

    def check_size(layout: ArrayLayout, start: int, size: int, path: str) -> None:
        _check_size(raw, size - start, path)

    return Kind(_describe, check_size, f"{_SAID} promise", "raw numbers")


def _describe(opened: ByteSource, source: Source, path: str) -> ArrayLayout:
    from onebyone_cli.formats.arrays.layout import array_layout

    raw = source.raw
    assert raw is not None
    layout = array_layout(
        raw.shape, raw.dtype, path, layout=source.layout, big_endian=raw.big_endian
    )
    _skip(opened, raw.offset, path)
    if opened.at_end():
        raise DataError(
            f"is empty; expected the {layout.data_bytes} bytes that {_SAID} promise"
            if not raw.offset
            else f"has no numbers after {setting('offset', raw.offset)} bytes",
            path,
        )
    return layout


def _skip(opened: ByteSource, count: int, path: str) -> None:
    """Skip the bytes before the numbers."""
    if opened.is_file:
        os.lseek(opened.fd, count, os.SEEK_CUR)
        return
    left = count
    while left:
        piece = opened.read(min(left, PIECE_BYTES))
        if not piece:
            raise DataError(f"ends {left} bytes before {setting('offset', count)}", path)
        left -= len(piece)


def _item_bytes(raw: RawSpec) -> int:
    return (ITEM_BYTES | CODED_BYTES)[raw.dtype]


def _check_size(raw: RawSpec, found: int, path: str) -> None:
    expected, found = prod(raw.shape) * _item_bytes(raw), found - raw.offset
    if found == expected:
        return
    shapes = list(dict.fromkeys(map(_written, _fitting_shapes(raw, found))))
    fitting = " or ".join(shapes[:_MOST_SHAPES])
    after = f" after the first {raw.offset}" if raw.offset else ""
    way = f"{setting('shape', fitting)} would fit" if fitting else f"check {_SAID}"
    size, rest = divmod(found, prod(raw.shape))
    if not rest and size in _TYPES:
        way += f", or {setting('dtype_in', _TYPES[size])} ({count(size, 'byte')} each)"
    elif found > expected and not fitting:
        header = raw.offset + found - expected
        way += f", or skip what precedes the numbers with {setting('offset', header)}"
    raise DataError(
        f"has {found} bytes{after}, and {setting('shape', _written(raw.shape))} of {raw.dtype} is "
        f"{expected}; {way}",
        path,
    )


def _fitting_shapes(raw: RawSpec, found: int) -> Iterator[tuple[int, ...]]:
    """Yield shapes of `found` bytes that differ in one axis, or have one more."""
    numbers, rest = divmod(found, _item_bytes(raw))
    if rest:
        return
    inner, outer = raw.shape[1:], raw.shape[:-1]
    if numbers % prod(inner) == 0:
        yield numbers // prod(inner), *inner
    if numbers % prod(outer) == 0:
        yield *outer, numbers // prod(outer)
    if numbers % prod(raw.shape) == 0 and len(raw.shape) > 2:
        yield numbers // prod(raw.shape), *raw.shape
    for axis in range(1, len(raw.shape) - 1):
        before, after = raw.shape[:axis], raw.shape[axis + 1 :]
        if numbers % prod(before + after) == 0:
            yield *before, numbers // prod(before + after), *after


def _written(shape: tuple[int, ...]) -> str:
    """Format a shape as the option takes it."""
    return ",".join(map(str, shape))


FORMAT = Format(
    name="raw",
    title="numbers without a header (.bin), described by options",
    noun="a file of numbers without a header (.bin)",
    suffixes=(".bin",),
    read=read,
    write=write,
    new_suffix=".bin",
    layouts=LAYOUTS,
    frames=True,
    is_described=False,
)
