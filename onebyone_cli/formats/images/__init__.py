"""Folders of images and single images: PNG, JPEG, BMP, PGM, PPM and PFM; TIFF in folders.

The images of a folder are the channels, in natural order (`folders.order`). They agree in size,
type and channels: grey images are a channel each, RGB images three. Where some are TIFF files, the
TIFF format reads these, and `folders.joined` puts all together.

Numbers are read as they are stored, and pictures upright, as viewers show them (EXIF). What Pillow
would change (16 bits per colour, inverted greys) is refused. So is a palette, but in masks and
label maps, where its indices are the values. An alpha channel is left out, and refused when it is
found not to be opaque everywhere, which only the pixels tell. Colour profiles, gamma and the scale
of a PFM are ignored. In images with one bit per pixel, 1 is white in all formats. See `writer` for
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
from onebyone_cli.formats.images.kinds import FAMILIES, KINDS, TITLES, file_suffix, suffix_of

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
    if any(map(_is_tiff, contents.images)):
        from onebyone_cli.formats.folders.joined import join_files

        return join_files(source, contents, _open_one, TITLES)
    return ImagesReader(source, contents, is_folder=True)


def _is_tiff(path: str) -> bool:
    return FAMILIES[suffix_of(path)] == "TIFF"


def _open_one(source: Source) -> Reader | StreamReader:
    """Open one image of a folder."""
    return load("tiff").read(source) if _is_tiff(source.path) else read(source)


def write(target: Target, spec: StackSpec) -> StreamWriter:
    """Make a writer of an image or a folder of images."""
    from onebyone_cli.formats.images.writer import ImagesWriter

    return ImagesWriter(target, spec)


FORMAT = Format(
    name="images",
    title="image, or folder of images with one channel each (PNG, TIFF, JPEG, BMP, PGM, PPM, PFM)",
    noun="an image",
    suffixes=tuple(suffix for suffix, family in FAMILIES.items() if family != "TIFF"),
    read=read,
    write=write,
    new_suffix="/",
    kinds=tuple(kind for kind in KINDS if kind != "tiff"),
    file_suffix=file_suffix,
    folder="a folder of images",
    folder_kinds=tuple((kind, FIELDS if kind == "tiff" else ("channels",)) for kind in KINDS),
    folders=lambda path: True,
    background=0.0,
    keeps=("channels",),
)
