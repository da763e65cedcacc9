"""The state of a file that is being read: whether it is still what it was when it was opened."""

from __future__ import annotations

import os
from typing import NamedTuple

from onebyone_cli.errors import ReadWriteError


class FileState(NamedTuple):
    """What changes when a file is replaced or written.

    Attributes
    ----------
    device, inode, size : int
        Which file, and its bytes.
    modified_ns : int
        Time of the last change of its content, which programs can set back.
    links : int
        Number of its names.
    changed_ns : int
        Time of the last change of anything about it, which programs can't set.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    links: int
    changed_ns: int

    def check(self, fd: int, path: str) -> None:
        """Compare with the file that is open now.

        Raises
        ------
        ReadWriteError
            If it was changed or replaced.
        """
        now = file_state(fd)
        same = now[:4] == self[:4]
        # Another file that gets its name is no change of this one, and takes a link from it.
        if not same or (now.links == self.links and now.changed_ns != self.changed_ns):
            raise changed(path)


def file_state(fd: int) -> FileState:
    """Look at an open file."""
    status = os.fstat(fd)
    return FileState(
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_nlink,
        status.st_ctime_ns,
    )


def changed(path: str) -> ReadWriteError:
    """Make the error for an input that is no longer what it was."""
    return ReadWriteError("was changed while it was being read; run again", path)
