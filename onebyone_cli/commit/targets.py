"""Check a target before any work is done. Nothing is created or changed.

A checked target can still fail later (a file appears, a quota is reached); see `atomic`.
"""

import contextlib
import os
import stat

from onebyone_cli.commit.unfinished import part_of
from onebyone_cli.errors import OutputRefusedError, setting
from onebyone_cli.system.disk import check_free

_STREAMS = {"/dev/stdin": "standard input", "/dev/stdout": "standard output"}


def check_target(path: str, *, force: bool, inputs: tuple[str, ...] = ()) -> None:
    """Refuse a target that can't or must not be written.

    Parameters
    ----------
    path : str
    force : bool
        Whether an existing output may be replaced.
    inputs : tuple of str
        Files that are read; the target must not be one of them, under any name.

    Raises
    ------
    OutputRefusedError
        With the reason.
    """
    check_not_input(path, inputs)
    if is_special(path):
        return
    target = os.path.realpath(path)
    parent = os.path.dirname(target)
    check_folder(parent, path)
    _check_name(target, path)
    if os.path.isdir(target):
        if not path.endswith("/"):
            raise OutputRefusedError(
                "is a folder; end the name with / for a folder of images, or name a file", path
            )
        if not os.listdir(target):
            return
    elif path.endswith("/") and os.path.lexists(target):
        raise OutputRefusedError("is a file, and the name asks for a folder", path)
    if os.path.lexists(target) and not force:
        raise OutputRefusedError(f"exists already; use {setting('force')} to replace it", path)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputRefusedError(f"can't be created: no permission to write in {parent}", path)


def check_folder(folder: str, path: str) -> None:
    """Refuse a target whose folder does not exist."""
    if not os.path.exists(folder):
        raise OutputRefusedError(
            f"can't be created: the folder {folder} does not exist; make it first", path
        )
    if not os.path.isdir(folder):
        raise OutputRefusedError(f"can't be created: {folder} is not a folder", path)


def check_not_input(path: str, inputs: tuple[str, ...]) -> None:
    """Refuse a target that is an input under any name, or lies in a folder that is one."""
    target, folder = _file_identity(path), os.path.dirname(os.path.realpath(path))
    parent = _file_identity(folder) if os.path.isdir(folder) else None
    replaces_folder = os.path.isdir(path)
    path = _STREAMS.get(path, path)
    for name in inputs:
        found = _file_identity(name)
        if found is None:
            continue
        if found == target:
            known = _STREAMS.get(name, name)
            same = "is" if known == path else f"is the same file as {known}, which is"
            raise OutputRefusedError(
                f"{same} an input; an input is never written to: choose another name", path
            )
        if replaces_folder and _file_identity(os.path.dirname(os.path.realpath(name))) == target:
            raise OutputRefusedError(f"is a folder with an input in it, {name}", path)
        if found == parent:
            raise OutputRefusedError(f"lies in the folder {name}, which is an input", path)


def is_special(path: str) -> bool:
    """Whether the target is a device, pipe or socket: written in place, never renamed over."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_space(path: str, needed: int) -> None:
    """Raise `ReadWriteError` if the file system of `path` has fewer than `needed` bytes free."""
    # The part file of an earlier run is written over.
    with contextlib.suppress(OSError):
        needed -= os.stat(part_of(path)).st_blocks * 512
    check_free(os.path.dirname(os.path.realpath(path)), needed, path)


def _check_name(target: str, path: str) -> None:
    """Refuse a name that the file system can't hold, such as one of 300 letters."""
    try:
        os.lstat(target)
    except FileNotFoundError:
        return
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutputRefusedError(f"can't be created: {reason}", path) from error


def _file_identity(path: str) -> tuple[int, int] | None:
    """Return device and inode, equal for all names of a file or folder; None for anything else."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    return status.st_dev, status.st_ino
