"""Detect errors that libtiff prints.

Pillow decodes compressed TIFFs with libtiff, which reports damage on standard error. With fax and
JPEG compression decoding continues and returns wrong pixels, and the printed message is the only
sign. This module captures standard error while a picture is decoded.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: "Fax4Decode: Bad code word at line 4 of strip 0 (x 0)."; Pillow names every file tempfile.tif.
_SAID = re.compile(rb"[A-Za-z_][\w.]*: ")

#: Messages about tags, which Pillow reads itself.
_ABOUT_TAGS = re.compile(rb"_?TIFF(Fetch|ReadDir|VSetField|GetStrile)")


@contextlib.contextmanager
def libtiff_heard(path: str) -> Iterator[None]:
    """Raise an error if libtiff prints one meanwhile.

    Other lines, such as a progress bar in another thread, are passed on to standard error.

    Raises
    ------
    DataError
        If libtiff reports anything but tags.
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
        # There is no standard error.
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
