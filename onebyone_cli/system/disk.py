"""Check free space on file systems."""

import os

from onebyone_cli.errors import ReadWriteError


def check_free(folder: str, needed: int, path: str) -> None:
    """Raise `ReadWriteError` for `path` if the file system of a folder has too few bytes free.

    A quota can be smaller; that shows when writing.
    """
    try:
        status = os.statvfs(folder)
    except OSError:
        return
    free = status.f_bavail * status.f_frsize
    # File systems that are not on a disk, such as /proc, count no blocks at all.
    if status.f_blocks and free < needed:
        raise ReadWriteError(
            f"the disk has {free} bytes free and the output takes {needed}; "
            "free some space or write somewhere else",
            path,
        )
