"""Folders of images, and single PNG, JPEG and BMP images.

The images of a folder are the channels, in natural order (`folders.order`). They agree in size,
type and channels: grey images are a channel each, RGB images three. Where some are TIFF or
Netpbm files, their formats read these, and `folders.joined` puts all together.

Numbers are read as they are stored, and pictures upright, as viewers show them (EXIF). What Pillow
would change (16 bits per colour, inverted greys) is refused. So is a palette, but in masks and
label maps, where its indices are the values. An alpha channel is left out, and refused when it is
found not to be opaque everywhere, which only the pixels tell. Colour profiles and gamma are
ignored. In images with one bit per pixel, 1 is white in all formats. See `writer` for
what is written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError
from onebyone_cli.formats import load
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.metadata import FIELDS
from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
from onebyone_cli.formats.contracts.writer import StreamWriter, Target
from onebyone_cli.formats.images.kinds import (
    FAMILIES,
    KINDS,
    OTHER_FORMATS,
    TITLES,
    file_suffix,
    suffix_of,
)

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader | StreamReader:
    """Open an image or a folder of images; reads headers only."""
    from onebyone_cli.formats.folders.contents import Contents, list_folder
    from onebyone_cli.formats.images.reader import ImagesReader

    is_folder = os.path.isdir(source.path)
    if not is_folder and suffix_of(source.path) not in FAMILIES:
        raise DataError(f"has no suffix of an image ({', '.join(FAMILIES)})", source.path)
    if not is_folder:
        return ImagesReader(source, Contents([source.path], []), is_folder=False)
    contents = list_folder(source.path, tuple(FAMILIES))
    if any(map(_reader_of, contents.images)):
        from onebyone_cli.formats.folders.joined import join_files

        return join_files(source, contents, _open_one, TITLES)
    return ImagesReader(source, contents, is_folder=True)


def _reader_of(path: str) -> str:
    """Return the format that reads a file in place of Pillow; empty if none does."""
    return OTHER_FORMATS.get(FAMILIES[suffix_of(path)], "")


def _open_one(source: Source) -> Reader | StreamReader:
    """Open one image of a folder."""
    other = _reader_of(source.path)
    return load(other).read(source) if other else read(source)


def write(target: Target, spec: StackSpec) -> StreamWriter:
    """Make a writer of an image or a folder of images."""
    from onebyone_cli.formats.images.writer import ImagesWriter

    return ImagesWriter(target, spec)


FORMAT = Format(
    name="images",
    title="image (PNG, JPEG, BMP), or folder of images, also TIFF and Netpbm",
    noun="an image",
    suffixes=tuple(suffix for suffix, family in FAMILIES.items() if family not in OTHER_FORMATS),
    read=read,
    write=write,
    new_suffix="/",
    kinds=tuple(name for name, kind in KINDS.items() if kind.family not in OTHER_FORMATS),
    file_suffix=file_suffix,
    folder="a folder of images",
    folder_kinds=tuple((kind, FIELDS if kind == "tiff" else ("channels",)) for kind in KINDS),
    folders=lambda path: True,
    background=0.0,
    keeps=("channels",),
)
