"""Matrices of libvips, which ``vips recomb`` takes.

Text: a line with width (C) and height (K), maybe a scale and an offset, then a line for each row.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError
from onebyone_cli.weights.formats.contract import WeightsFile, WeightsFormat
from onebyone_cli.weights.formats.text import BLANKS, Place, read_rows
from onebyone_cli.weights.rules import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEADER = re.compile(r"\s*([0-9]{1,9})\s+([0-9]{1,9})(?:\s+(\S{1,40})\s+(\S{1,40}))?\s*")

#: Signs between numbers that libvips reads, beside blanks.
_APART = str.maketrans('",;\t', "    ")


def _read(source: WeightsFile) -> dict[str, Any]:
    head = source.file.read(6)
    source.file.seek(0)
    if head == b"MATLAB":
        raise DataError(
            "is a MATLAB file of version 5; save the matrix with -v7.3, or as .npy or .csv",
            source.path,
        )
    try:
        lines = source.file.read().decode().split("\n")
    except UnicodeDecodeError as error:
        raise DataError("is no text; expected a matrix of libvips", source.path) from error
    found = _HEADER.fullmatch(lines[0].translate(_APART))
    if not found:
        raise DataError("line 1 is not the width and height of a matrix of libvips", source.path)
    if found[3] and not _is_plain(found[3], found[4]):
        raise DataError(
            f"has scale {quote(found[3])} and offset {quote(found[4])}, which convolutions of "
            "libvips apply and recomb does not; expected 1 and 0",
            source.path,
        )
    matrix = read_rows(
        _rows(lines[1:]), source.path, BLANKS, allow_nonfinite=source.allow_nonfinite
    )
    expected = (int(found[2]), int(found[1]))
    if matrix.shape != expected:
        raise DataError(
            f"has {matrix.shape[0]} rows of {matrix.shape[1]} numbers, and line 1 promises "
            f"{expected[0]} of {expected[1]}",
            source.path,
        )
    return {source.wanted: matrix}


def _is_plain(scale: str, offset: str) -> bool:
    try:
        return (float(scale), float(offset)) == (1.0, 0.0)
    except ValueError:
        return False


def _rows(lines: list[str]) -> Iterator[tuple[str, Place]]:
    for number, line in enumerate(lines, 2):
        text = line.translate(_APART).strip()
        if text:
            yield text, _in_line(number)


def _in_line(number: int) -> Place:
    return lambda index, _: f"line {number}, number {index + 1}"


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    matrix = np.atleast_2d(next(iter(fields.values())))
    lines = [f"{matrix.shape[1]} {matrix.shape[0]} 1 0"]
    lines += [" ".join(map(repr, row)) for row in matrix.tolist()]
    return ("\n".join(lines) + "\n").encode()


FORMAT = WeightsFormat(read=_read, write=_write, limit=256 * 2**20)
