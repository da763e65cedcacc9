"""Folders of images and single images: PNG, TIFF, JPEG, BMP, PGM, PPM and PFM.

Read: the images of a folder are the channels, in natural order; an RGB image gives three, a TIFF
of several pages one or three for each page. Numbers arrive as they are stored: what Pillow would
change on the way (palettes, alpha, 16 bits per colour, inverted greys) is refused, colour profiles
and gamma are left aside, and so are the orientation that cameras note in a JPEG and the scale of a
PFM. Of images with one bit per pixel, 1 is white in all formats.

Written: see `writer`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.contracts.reader import Source, StreamReader
from onebyone_cli.formats.contracts.writer import StreamWriter, Target
from onebyone_cli.formats.images.kinds import FAMILIES, KINDS, suffix_of

if TYPE_CHECKING:
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> StreamReader:
    """Open an image or a folder of images; reads headers only."""
    from onebyone_cli.formats.images.reader import ImagesReader, list_folder

    if os.path.isdir(source.path):
        return ImagesReader(source, list_folder(source.path))
    if suffix_of(source.path) not in FAMILIES:
        raise DataError(f"has no suffix of an image ({', '.join(FAMILIES)})", source.path)
    return ImagesReader(source, [source.path])


def write(target: Target, spec: StackSpec) -> StreamWriter:
    """Make a writer for an image or a folder of images."""
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
    folder="a folder of images",
    folders=lambda path: True,
)
