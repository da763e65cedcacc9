"""Read the headers of image files."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

from onebyone_cli.errors import DataError, OneByOneError, open_error, read_write_error
from onebyone_cli.formats.arrays.orientation import UPRIGHT, Orientation
from onebyone_cli.formats.images.exif import stored_orientation
from onebyone_cli.formats.images.kinds import FAMILIES, suffix_of
from onebyone_cli.formats.images.modes import Numbers, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

#: Only the reader of the format in the name is run: an EPS file named .png would start Ghostscript.
_READERS = {
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
}

#: First bytes of files, and their formats.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    *((b"P%c" % letter, "PPM") for letter in b"123456fF"),
    (b"GIF8", "GIF"),
    (b"RIFF", "WebP"),
    (b"%!PS", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\x89HDF", "HDF5"),
    (b"\x93NUMPY", "NumPy"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """The picture of an image file.

    `height` and `width` are those that are shown, after `orientation`.
    """

    path: str
    height: int
    width: int
    numbers: Numbers
    orientation: Orientation = UPRIGHT

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width as stored."""
        return self.orientation.size(self.height, self.width)


def open_file(path: str) -> BinaryIO:
    """Open a regular file, without blocking on a pipe or a device.

    Raises
    ------
    InputMissingError
        If it can't be opened.
    DataError
        If it is not a regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise open_error(path, error) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise DataError("is not a regular file; expected an image", path)
    return os.fdopen(fd, "rb")


@contextmanager
def guarded(path: str, action: str = "reading") -> Iterator[None]:
    """Run Pillow: convert its exceptions, and suppress its warnings.

    Its limit on pixels is off meanwhile: callers check the size against the memory budget before
    decoding. Its limits on text stay.

    Raises
    ------
    ReadWriteError
        If a system call fails.
    DataError
        After any other exception: malformed files raise all kinds.
    """
    import warnings

    from PIL import Image

    _quiet()
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OneByOneError:
        raise
    except Exception as error:
        raise _described(error, path, action) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@cache
def _quiet() -> None:
    """Keep Pillow's log off standard error, the default without a handler."""
    import logging

    logging.getLogger("PIL").addHandler(logging.NullHandler())


def _described(error: Exception, path: str, action: str) -> OneByOneError:
    import errno

    # EINVAL: a seek to a nonsensical offset in a malformed file.
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return read_write_error(action, path, error)
    if isinstance(error, MemoryError):
        return DataError("does not fit in memory once decoded, or is malformed", path)
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"can't be read as {FAMILIES[suffix_of(path)]}: {reason}", path)


def read_page(file: BinaryIO, path: str, *, indices: bool = False) -> Page:
    """Read the header of the picture in a file.

    With `indices`, the numbers of a picture with a palette are its indices.

    Raises `DataError` if it is malformed, or its numbers can't be read as they are stored.
    """
    with guarded(path):
        image = open_image(file, path)
        _check_one(image, path)
        return page_of(image, path, indices=indices)


def open_image(file: BinaryIO, path: str) -> ImageFile:
    """Open a file with the reader of its suffix; call inside `guarded`.

    Raises `DataError` if its first bytes are those of another format.
    """
    family = FAMILIES[suffix_of(path)]
    head = file.read(16)
    file.seek(0)
    found = next((name for magic, name in _MAGIC if head.startswith(magic)), "")
    if found != family:
        if found:
            raise DataError(f"is a {found} file with the suffix of {family}; rename it", path)
        raise DataError(f"is not a {family} file; make it again", path)
    return load_plugin(family)(file)


def load_plugin(family: str) -> type[ImageFile]:
    """Import Pillow's reader of a format; this also registers its writer."""
    module, name = _READERS[family]
    reader: type[ImageFile] = getattr(import_module(f"PIL.{module}"), name)
    return reader


def _check_one(image: ImageFile, path: str) -> None:
    """Raise `DataError` for an animation.

    A JPEG is one picture: cameras append previews and other views, which JPEG readers ignore.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(
            f"is an animation of {frames} frames; save each frame as an image of its own", path
        )


def page_of(image: ImageFile, path: str, *, indices: bool) -> Page:
    """Describe the picture of an open file, as `read_page`; call inside `guarded`.

    Raises `DataError` if its numbers can't be read as they are stored.
    """
    family = FAMILIES[suffix_of(path)]
    numbers = numbers_of(image, family, path, indices=indices)
    orientation = stored_orientation(image, family)
    width, height = image.size
    return Page(path, *orientation.size(height, width), numbers, orientation)
