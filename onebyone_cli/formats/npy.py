"""The ``.npy`` format: one array, as a file or as a stream through a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.layout import ordered_layout
from onebyone_cli.formats.arrays.source import ArraySeries, Kind, open_array
from onebyone_cli.formats.arrays.target import array_writer
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.reader import Reader, Series, Source, StreamReader
from onebyone_cli.npy_header import format_header, read_header
from onebyone_cli.spec import LAYOUTS

if TYPE_CHECKING:
    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader | StreamReader:
    """Open a ``.npy`` file, or the stream on standard input for ``-``."""
    return open_array(source, _KIND)


def series(source: Source) -> Series:
    """Open a stream of ``.npy`` arrays, as of ``cat a.npy b.npy``."""
    return ArraySeries(source, _KIND)


def _describe(opened: ByteSource, source: Source, path: str) -> ArrayLayout:
    from onebyone_cli.formats.arrays.layout import array_layout

    raw = source.raw
    header = read_header(
        opened.read,
        path,
        stated=raw.dtype if raw else "",
        may_be_named=raw is not None and raw.may_be_named,
    )
    return array_layout(
        header.shape,
        header.dtype,
        path,
        layout=source.layout,
        fortran_order=header.fortran_order,
        big_endian=header.big_endian,
    )


def _check_size(layout: ArrayLayout, start: int, size: int, path: str) -> None:
    size, expected = size - start, layout.end - start
    if size < expected:
        raise DataError(
            f"is truncated: has {size} bytes, its header promises {expected}; "
            "copy or make it again",
            path,
        )
    if size > expected:
        raise DataError(
            f"has {size - expected} bytes after the array that its header describes; expected "
            f"one array: keep the first {expected} bytes, or save each array in its own file",
            path,
        )


_KIND = Kind(_describe, _check_size, "its header promises", "NumPy array", ".npy ")


def write(target: Target, spec: StackSpec) -> Writer | StreamWriter:
    """Make a writer for a ``.npy`` file, or for the stream on standard output for ``-``.

    A file is version 1.0, in C order and little-endian, as ``numpy.save`` writes it.
    """
    stored = ordered_layout(spec, target.layout or "CHW")
    header = format_header(stored.shape, spec.dtype)
    return array_writer(target, stored, header, f".npy {target.layout}".rstrip())


FORMAT = Format(
    name="npy",
    title="NumPy array (.npy, versions 1 to 3)",
    noun="a .npy file",
    suffixes=(".npy",),
    read=read,
    write=write,
    new_suffix=".npy",
    magic=(b"\x93NUMPY",),
    streams="a .npy stream",
    lacks_types=True,
    series=series,
    layouts=LAYOUTS,
)
