"""ENVI: numbers in one file, and a text header beside it.

The interleaves are orders of axes: BSQ is CHW, BIL is HCW and BIP is HWC. Either file names the
input. The header of ``NAME.img`` is ``NAME.img.hdr`` or ``NAME.hdr``. Outputs are little-endian,
with ``NAME.hdr``, and BSQ unless the suffix or the user says else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.commit import targets
from onebyone_cli.commit.publishing import sidecar_beside
from onebyone_cli.envi_header import MOST_BYTES, decode_header, parse_header
from onebyone_cli.errors import DataError, InputMissingError, UsageError, setting
from onebyone_cli.formats.arrays.byte_source import open_bytes
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import ordered_layout
from onebyone_cli.formats.arrays.source import about_array
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.metadata import FIELDS
from onebyone_cli.formats.envi.header import (
    AXES,
    CODES,
    format_header,
    header_metadata,
    interleave_of,
    layout_of,
)
from onebyone_cli.spec import LAYOUTS

if TYPE_CHECKING:
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.arrays.writer import FixedOffsetWriter
    from onebyone_cli.formats.contracts.reader import Source
    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import StackSpec

#: Suffixes of the file with the numbers.
_DATA_SUFFIXES = (".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".cub")


def read(source: Source) -> ArrayReader:
    """Open an image by its header or by the file with its numbers.

    Raises
    ------
    DataError
        If the header is missing or malformed, or the file is not of the expected size.
    InputMissingError
        If the file with the numbers is missing.
    """
    header = source.path if is_header(source.path) else _header_of(source.path)
    values = parse_header(_header_text(header), header)
    layout = layout_of(values, header)
    data = source.path if header != source.path else _data_of(header, layout)
    opened = open_bytes(data, "ENVI ")
    try:
        if not opened.is_file:
            raise DataError("is a pipe; expected a file", data)
        _check_size(layout, opened.size, data)
        title = f"ENVI {interleave_of(values).upper()}"
        own = source._replace(layout=layout.axes)
        about = about_array(source.name, (data, header), layout, own, title)
        said = header_metadata(values, layout.spec)
        about = about._replace(load_metadata=lambda: said)
        return ArrayReader(opened.fd, layout, about)
    except BaseException:
        opened.close()
        raise


def is_header(path: str) -> bool:
    """Return whether a name is that of a header."""
    return path.lower().endswith(".hdr")


def claims(path: str) -> bool:
    """Return whether a file of another suffix has an ENVI header beside it."""
    return any(_begins_as_header(name) for name in _headers_beside(path))


def write(target: Target, spec: StackSpec) -> FixedOffsetWriter:
    """Make the writer of an image and its header.

    Raises
    ------
    UsageError
        If an ENVI image can't hold such a stack, or suffix and order of the axes contradict.
    """
    from onebyone_cli.formats.arrays.writer import FixedOffsetWriter

    _check_held(target.path, spec)
    header = os.path.splitext(target.path)[0] + ".hdr"
    interleave = _interleave(target)
    text = format_header(spec, target.metadata, interleave)
    return FixedOffsetWriter(
        target,
        spec,
        container=f"ENVI {interleave.upper()}",
        stored=ordered_layout(spec, AXES[interleave]),
        sidecar=sidecar_beside(target.path, header, text),
    )


def main_file(path: str) -> str:
    """Return the file with the numbers of an output that is named by its header."""
    return path[: -len(".hdr")] + ".img" if is_header(path) else path


def _check_held(path: str, spec: StackSpec) -> None:
    if path == "-" or targets.is_special(path):
        raise UsageError("an ENVI image is two files; name a file, not a pipe or a device")
    if spec.items > 1:
        raise UsageError(f"an ENVI image holds one stack, the result is a batch of {spec.items}")
    if spec.dtype not in CODES:
        known = ", ".join(CODES)
        raise UsageError(f"ENVI can't hold {spec.dtype}; give {setting('dtype')} one of {known}")


def _interleave(target: Target) -> str:
    """Choose the interleave by the suffix, or by the order of the axes."""
    suffix = os.path.splitext(target.path)[1].lower()[1:]
    by_layout = {axes: name for name, axes in AXES.items()}.get(target.layout, "")
    if suffix in AXES and by_layout not in ("", suffix):
        raise UsageError(
            f"'{target.path}' ends in .{suffix}, which is {AXES[suffix]}; leave out "
            f"{setting('layout_out', target.layout)}, or name it .{by_layout}"
        )
    return by_layout or (suffix if suffix in AXES else "bsq")


def _header_text(path: str) -> str:
    opened = open_bytes(path, "ENVI header ")
    try:
        return decode_header(opened.read(MOST_BYTES + 1), path)
    finally:
        opened.close()


def _headers_beside(path: str) -> list[str]:
    """Return the possible headers of a file with numbers, in order of precedence."""
    stem = os.path.splitext(path)[0]
    # A name without a suffix gives the same names twice.
    return list(dict.fromkeys(name + end for name in (path, stem) for end in (".hdr", ".HDR")))


def _header_of(path: str) -> str:
    found = next(filter(os.path.isfile, _headers_beside(path)), None)
    if found is None:
        names = " or ".join(name for name in _headers_beside(path) if name.endswith(".hdr"))
        raise DataError(
            f"has no ENVI header beside it; expected {names}, or {setting('raw')} with its shape "
            "and type",
            path,
        )
    return found


def _begins_as_header(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return os.path.isfile(path) and file.readline(16).strip() == b"ENVI"
    except OSError:
        return False


def _data_of(header: str, layout: ArrayLayout) -> str:
    """Return the file with the numbers of a header."""
    stem = header[: -len(".hdr")]
    names = [stem + end for suffix in ("", *_DATA_SUFFIXES) for end in (suffix, suffix.upper())]
    found = [name for name in dict.fromkeys(names) if os.path.isfile(name)]
    fitting = [name for name in found if os.path.getsize(name) == layout.end]
    if not found:
        raise InputMissingError(
            f"its numbers are missing; expected {os.path.basename(stem)} beside it, alone or with "
            f"{', '.join(_DATA_SUFFIXES)}",
            header,
        )
    if len(fitting) > 1:
        raise DataError(f"may belong to {' or '.join(fitting)}; name one of them", header)
    return (fitting or found)[0]


def _check_size(layout: ArrayLayout, found: int, path: str) -> None:
    if found != layout.end:
        spec = layout.spec
        offset = f" after {layout.offset} bytes" if layout.offset else ""
        raise DataError(
            f"has {found} bytes, and its header promises {layout.end}: {spec.size} {spec.dtype} "
            f"(bands×lines×samples){offset}",
            path,
        )


FORMAT = Format(
    name="envi",
    title="ENVI image (BSQ, BIL or BIP with a .hdr beside it)",
    noun="an ENVI image (.hdr, .img)",
    suffixes=(".img", ".hdr", *_DATA_SUFFIXES[1:]),
    read=read,
    write=write,
    new_suffix=".img",
    claims=claims,
    main_file=main_file,
    keeps=FIELDS,
    layouts=LAYOUTS,
)
