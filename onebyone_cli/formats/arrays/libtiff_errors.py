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
_MESSAGE = re.compile(rb"[A-Za-z_][\w.]*: ")

#: Messages about tags, which Pillow reads itself.
_ABOUT_TAGS = re.compile(rb"_?TIFF(Fetch|ReadDir|VSetField|GetStrile)")


@contextlib.contextmanager
def libtiff_heard(path: str) -> Iterator[None]:
    """Raise an error if libtiff prints one meanwhile.

    Other lines, such as a progress bar in another thread, are passed on to standard error.

    Raises `DataError` if libtiff reports anything but tags.
    """
    messages: list[str] = []
    try:
        with _captured(messages):
            yield
    except Exception as error:
        if messages:
            raise _damaged(messages, path) from error
        raise
    if messages:
        raise _damaged(messages, path)


def _damaged(messages: list[str], path: str) -> DataError:
    return DataError(f"is damaged or truncated ({messages[-1].rstrip('.')}); make it again", path)


@contextlib.contextmanager
def _captured(messages: list[str]) -> Iterator[None]:
    import tempfile

    try:
        real = os.dup(2)
    except OSError:
        # There is no standard error.
        yield
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            captured.seek(0)
            _sort_lines(captured.read().splitlines(keepends=True), messages)


def _sort_lines(lines: list[bytes], messages: list[str]) -> None:
    for line in lines:
        if not _MESSAGE.match(line):
            with contextlib.suppress(OSError):
                os.write(2, line)
        elif not _ABOUT_TAGS.match(line):
            messages.append(line.decode("ascii", "replace").strip())
