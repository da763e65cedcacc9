"""Find what a file tells about the axes of its pages.

ImageJ and tifffile write them into the description of the first page, Bio-Formats and others as
OME-XML. A file may also tell how many planes follow each other without pages of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.tiff.imagej import imagej_labels, shaped_labels
from onebyone_cli.formats.tiff.labels import Labels
from onebyone_cli.formats.tiff.ome import ome_labels
from onebyone_cli.formats.tiff.tags import Tag

if TYPE_CHECKING:
    from onebyone_cli.formats.tiff.directory import Directory

#: Most bytes of a description that is looked at.
_MOST_TEXT = 1 << 26


def labels_of(first: Directory, pages: int) -> Labels | None:
    """Return what a file tells about the axes of its pages; None if that is nothing.

    Parameters
    ----------
    first : Directory
        Of the first page.
    pages : int
        Number of full pages.
    """
    planes = first.count(Tag.STK_PLANES)
    if planes > 1 and pages == 1:
        return Labels("MetaMorph", "C", (planes,), together=planes)
    if first.count(Tag.DESCRIPTION) > _MOST_TEXT:
        return None
    text = first.text(Tag.DESCRIPTION)
    if text.startswith("ImageJ="):
        return imagej_labels(first, text, pages)
    if text.startswith("{"):
        return shaped_labels(text, pages)
    if text[-10:].strip().endswith("OME>"):
        return ome_labels(text, pages)
    return None
