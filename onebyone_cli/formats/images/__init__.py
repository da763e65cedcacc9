"""Folders of images and single images: PNG, TIFF, JPEG, BMP, PGM, PPM and PFM.

The images of a folder are the channels, in natural order (`folders.order`). They agree in size,
type and channels: grey images are a channel each, RGB images three. A TIFF of several pages has one
or three channels per page.

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
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.reader import Source, StreamReader
from onebyone_cli.formats.contracts.writer import StreamWriter, Target
from onebyone_cli.formats.images.kinds import FAMILIES, KINDS, file_suffix, suffix_of

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> StreamReader:
    """Open an image or a folder of images; reads headers only."""
    from onebyone_cli.formats.images.reader import ImagesReader

    is_folder = os.path.isdir(source.path)
    if not is_folder and suffix_of(source.path) not in FAMILIES:
        raise DataError(f"has no suffix of an image ({', '.join(FAMILIES)})", source.path)
    return ImagesReader(source, is_folder=is_folder)


def write(target: Target, spec: StackSpec) -> StreamWriter:
    """Make a writer of an image or a folder of images."""
    from onebyone_cli.formats.images.writer import ImagesWriter

    return ImagesWriter(target, spec)


FORMAT = Format(
    name="images",
    title="image, or folder of images with one channel each (PNG, TIFF, JPEG, BMP, PGM, PPM, PFM)",
    noun="an image",
    suffixes=tuple(FAMILIES),
    read=read,
    write=write,
    new_suffix="/",
    kinds=tuple(KINDS),
    file_suffix=file_suffix,
    folder="a folder of images",
    folders=lambda path: True,
    background=0.0,
    keeps=("channels",),
)
