"""Hear what libtiff says of damaged pixels.

Pillow decodes compressed TIFFs with libtiff, which says on standard error what is wrong. With
fax and JPEG compression both go on after that, and what they return is not what was stored: the
words on standard error are all that tells. They are caught here while a picture is decoded.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: "Fax4Decode: Bad code word at line 4 of strip 0 (x 0)."; Pillow calls every file tempfile.tif.
_SAID = re.compile(rb"[A-Za-z_][\w.]*: ")

#: Complaints about tags, which Pillow has read by itself.
_ABOUT_TAGS = re.compile(rb"_?TIFF(Fetch|ReadDir|VSetField|GetStrile)")


@contextlib.contextmanager
def libtiff_heard(path: str) -> Iterator[None]:
    """Make an error of what libtiff says meanwhile.

    Other lines, such as those of a progress bar in another thread, reach standard error afterwards.

    Raises
    ------
    DataError
        If it complains of anything but tags, or whatever is run here fails after it has spoken.
    """
    said: list[str] = []
    try:
        with _listening(said):
            yield
    except Exception as error:
        if said:
            raise _damaged(said, path) from error
        raise
    if said:
        raise _damaged(said, path)


def _damaged(said: list[str], path: str) -> DataError:
    return DataError(f"is damaged or truncated ({said[-1].rstrip('.')}); make it again", path)


@contextlib.contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    import tempfile

    try:
        real = os.dup(2)
    except OSError:
        # There is no standard error, and nobody to be told.
        yield
        return
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            heard.seek(0)
            _sort_out(heard.read().splitlines(keepends=True), said)


def _sort_out(lines: list[bytes], said: list[str]) -> None:
    for line in lines:
        if not _SAID.match(line):
            with contextlib.suppress(OSError):
                os.write(2, line)
        elif not _ABOUT_TAGS.match(line):
            said.append(line.decode("ascii", "replace").strip())
