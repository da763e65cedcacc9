"""The state of an input file, to detect changes while it is read."""

from __future__ import annotations

import os
from typing import NamedTuple

from onebyone_cli.errors import ReadWriteError


class FileState(NamedTuple):
    """Values that differ after a file is replaced or written.

    Attributes
    ----------
    modified_ns, changed_ns : int
        Times of the last change of content, which programs can set back, and of the last change of
        anything, which they can't set.
    links : int
        Number of names.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    links: int
    changed_ns: int

    def check(self, file: int | str, path: str) -> None:
        """Raise `ReadWriteError` if the file, open or by its name, differs now."""
        now = file_state(file)
        same = now[:4] == self[:4]
        # Renaming another file over its name takes a link from this one but does not change it.
        if not same or (now.links == self.links and now.changed_ns != self.changed_ns):
            raise changed(path)


def file_state(file: int | str) -> FileState:
    """Return the state of an open file, or of one by its name."""
    status = os.stat(file)
    return FileState(
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_nlink,
        status.st_ctime_ns,
    )


def changed(path: str) -> ReadWriteError:
    """Return the error of an input that has changed."""
    return ReadWriteError("was changed while it was being read; run again", path)
