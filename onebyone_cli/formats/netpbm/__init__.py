"""Netpbm images (PBM, PGM, PPM, PAM) and PFM, in files and through pipes.

==========  ====================================================================================
`header`    what headers say, and headers of outputs
`images`    an image, a file of several, or a stream of them, as stacks
`views`     rows of bits (PBM), and rows from the bottom to the top (PFM)
`plain`     numbers as text (P1, P2, P3)
`kinds`     which image holds which stack; `writers` writes it
==========  ====================================================================================

Numbers are read as they are stored: 0 to MAXVAL, of 8 or 16 bits, and 1 is white. The images of a
file that agree are a batch. Numbers of images other than PBM, PFM and text lie at fixed offsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.formats.netpbm.header import TITLES
from onebyone_cli.formats.netpbm.kinds import KINDS, SUFFIXES, file_suffix

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Reader, Series, Source, StreamReader
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader | StreamReader:
    """Open an image or a file of several. See `images.open_image`."""
    from onebyone_cli.formats.netpbm.images import open_image

    return open_image(source)


def series(source: Source) -> Series:
    """Open a stream of images, as of ``cat a.ppm b.ppm`` and ``ffmpeg -f image2pipe``."""
    from onebyone_cli.formats.netpbm.images import ImageSeries

    return ImageSeries(source)


def write(target: Target, spec: StackSpec) -> Writer | StreamWriter:
    """Make the writer of an image. See `writers.make_writer`."""
    from onebyone_cli.formats.netpbm.writers import make_writer

    return make_writer(target, spec)


FORMAT = Format(
    name="netpbm",
    title="Netpbm image (PBM, PGM, PPM, PAM) or PFM; several in a file are a batch",
    noun="a Netpbm image",
    suffixes=(".pam", *(suffix for suffix in SUFFIXES if suffix != ".pam")),
    read=read,
    write=write,
    new_suffix=".pam",
    kinds=tuple(KINDS),
    file_suffix=file_suffix,
    magic=tuple(begin + white for begin in TITLES for white in (b"\n", b" ", b"\t", b"\r\n")),
    streams="Netpbm images",
    series=series,
    frames=True,
    background=0.0,
)
