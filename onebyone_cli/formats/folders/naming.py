"""Channel names and wavelengths from names of files, and names of files from channel names."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from onebyone_cli.formats.folders.order import natural_order

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A wavelength in nanometres, as in ``450nm``, ``450.5 nm`` and ``band_450_nm``.
_NANOMETRES = re.compile(r"(?<![0-9.,])([0-9]+(?:[.,][0-9]+)?)[ _]?nm(?![a-z])", re.IGNORECASE)

#: Characters that names of files can't have on some system.
_UNSAFE = re.compile(r'[/\\:*?"<>|]')

#: Names of devices on Windows, whatever suffix they have.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)

#: Most bytes of a channel name in the name of a file, which may have 255.
_LONGEST = 200


def numbered(count: int, suffix: str) -> list[str]:
    """Return file names that are numbers from 0, all of the same length.

    They sort the same way as text and as numbers.

    >>> numbered(11, ".png")[8:]
    ['08.png', '09.png', '10.png']
    """
    digits = len(str(count - 1))
    return [f"{index:0{digits}d}{suffix}" for index in range(count)]


def file_names(channels: Sequence[str], count: int, suffix: str) -> list[str]:
    """Return the file names of `count` channels, one for each, in channel order.

    They are the names of the channels. Characters that some system does not allow become ``_``.
    If the names would sort in another order than the channels, or begin like that, a number stands
    before each. The file names are numbers alone if there are no names, if two can't be told apart,
    whatever the case, and if all are whole numbers in another order. `channel_names` gives the
    names of the channels back.

    >>> file_names(["DAPI", "GFP"], 2, ".png")
    ['DAPI.png', 'GFP.png']
    >>> file_names(["GFP", "DAPI"], 2, ".png")
    ['0_GFP.png', '1_DAPI.png']
    """
    safe = [_safe(name) for name in channels]
    if len(safe) != count or len({_folded(name) for name in safe}) < count or not all(safe):
        return numbered(count, suffix)
    plain = [f"{name}{suffix}" for name in safe]
    if natural_order(plain) == plain and not _unnumbered(safe):
        return plain
    if all(name.isdecimal() for name in safe):
        return numbered(count, suffix)
    return [f"{number}_{name}" for number, name in zip(numbered(count, ""), plain, strict=True)]


def channel_names(files: Sequence[str]) -> tuple[str, ...]:
    """Return the channel names that names of files give; `files` are in channel order.

    These are the file names without folder and suffix, and without the numbers that `file_names`
    puts before them.

    >>> channel_names(["scan/0_GFP.png", "scan/1_DAPI.png"])
    ('GFP', 'DAPI')
    """
    names = [os.path.basename(path) for path in files]
    stems = [stem_of(path) for path in files]
    if len(set(stems)) < len(stems):
        return tuple(names)
    return tuple(_unnumbered(stems) or stems)


def stem_of(path: str) -> str:
    """Return the name of a file without folder and suffix."""
    return os.path.splitext(os.path.basename(path))[0]


def wavelengths_in(names: Sequence[str]) -> tuple[float, ...]:
    """Return the wavelengths in nanometres that names contain; empty unless each has just one.

    >>> wavelengths_in(["band_450nm", "450.5nm"])
    (450.0, 450.5)
    """
    found = [_NANOMETRES.findall(name) for name in names]
    if not all(len(each) == 1 for each in found):
        return ()
    return tuple(float(each[0].replace(",", ".")) for each in found)


def _unnumbered(stems: Sequence[str]) -> list[str]:
    """Remove the numbers that `file_names` puts before names; empty if there are none."""
    starts = [f"{number}_" for number in numbered(len(stems), "")]
    pairs = list(zip(stems, starts, strict=True))
    if not all(stem.startswith(start) for stem, start in pairs):
        return []
    rest = [stem.removeprefix(start) for stem, start in pairs]
    return rest if all(rest) and len(set(rest)) == len(rest) else []


def _safe(name: str) -> str:
    """Return a name that can be part of a file name on any system; empty if nothing is left."""
    printable = "".join(letter if letter.isprintable() else "_" for letter in name)
    safe = _UNSAFE.sub("_", printable).strip(" ").strip(".").strip(" ")
    if _DEVICES.match(safe):
        safe = f"_{safe}"
    return safe if len(safe.encode()) <= _LONGEST else ""


def _folded(name: str) -> str:
    """Return what file systems may compare: some ignore the case and the form of Unicode."""
    from unicodedata import normalize

    return normalize("NFC", normalize("NFC", name).casefold())
