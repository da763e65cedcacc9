"""Spectra of an ENVI spectral library: ``.sli``, with a header beside it.

The numbers are spectra×channels. The header names the spectra and the wavelengths.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from onebyone_cli.envi_header import (
    MOST_BYTES,
    TYPES,
    decode_header,
    entries,
    parse_header,
    shown,
)
from onebyone_cli.errors import DataError, open_error
from onebyone_cli.weights.formats.contract import Stored, WeightsFile, WeightsFormat
from onebyone_cli.weights.rules import MAX_ARRAY_BYTES, SHAPES

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Sizes in the header, as they follow each other in the file.
_SIZES = ("bands", "lines", "samples")


def _read(source: WeightsFile) -> dict[str, Any]:
    header = _header_of(source.path)
    values = _values_of(header)
    bands, spectra, channels = (_size(values, key, header) for key in _SIZES)
    if bands != 1:
        raise DataError(f"is of an image of {bands} bands; expected a spectral library", header)
    shape = SHAPES[source.wanted]((spectra, channels), source.path)
    if 8 * spectra * channels > MAX_ARRAY_BYTES:
        raise DataError(
            f"claims {spectra * channels} numbers; weights may have up to {MAX_ARRAY_BYTES // 8}",
            header,
        )
    dtype = _dtype(values, header)
    offset = _size(values, "header offset", header, default="0")
    expected = offset + dtype.itemsize * spectra * channels
    if source.size != expected:
        raise DataError(
            f"has {source.size} bytes, and its header promises {expected}: {spectra}×{channels} "
            f"{dtype.name} (spectra×channels)",
            source.path,
        )
    source.file.seek(offset)
    stored = np.frombuffer(source.file.read(expected - offset), dtype)
    if "reflectance scale factor" in values:
        factor = shown(values["reflectance scale factor"])
        source.notes.append(f"reflectance scale factor = {factor} is not applied")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        matrix = stored.reshape(shape).astype(np.float64)
    return {source.wanted: matrix} | _names(values, spectra, channels)


def _names(values: Mapping[str, str], spectra: int, channels: int) -> dict[str, Any]:
    """Return the names of spectra and the wavelengths of channels, where there is one for each."""
    found: dict[str, Any] = {}
    names = entries(values.get("spectra names", ""))
    if len(names) == spectra and all(names):
        found["outputs"] = names
    try:
        wavelengths = list(map(float, entries(values.get("wavelength", ""))))
    except ValueError:
        return found
    if len(wavelengths) == channels:
        found["wavelengths"] = wavelengths
        if values.get("wavelength units"):
            found["wavelength_unit"] = values["wavelength units"]
    return found


def _header_of(path: str) -> str:
    """Return the header beside a library."""
    stem = os.path.splitext(path)[0]
    names = [name + end for name in (path, stem) for end in (".hdr", ".HDR")]
    found = next(filter(os.path.isfile, names), None)
    if found is None:
        raise DataError(f"has no ENVI header beside it; expected {names[0]} or {names[2]}", path)
    return found


def _values_of(header: str) -> dict[str, str]:
    try:
        with open(header, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise open_error(header, error) from error
    return parse_header(decode_header(content, header), header)


def _dtype(values: Mapping[str, str], header: str) -> np.dtype[Any]:
    code, order = values.get("data type", ""), values.get("byte order", "0")
    if code not in TYPES:
        raise DataError(f"has data type = {shown(code)}; expected {', '.join(TYPES)}", header)
    if order not in ("0", "1"):
        raise DataError(f"has byte order = {shown(order)}; expected 0 or 1", header)
    return np.dtype(TYPES[code]).newbyteorder("<" if order == "0" else ">")


def _size(values: Mapping[str, str], key: str, header: str, default: str = "") -> int:
    text = values.get(key, default)
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise DataError(f"has {key} = {shown(text)}; expected a whole number", header)
    return int(text)


def _look(file: BinaryIO, member: str, path: str) -> Stored:
    header = _header_of(path)
    return Stored(_dtype(_values_of(header), header).name)


FORMAT = WeightsFormat(read=_read, write=None, look=_look)
