"""Rename finished files and folders atomically.

A file is overwritten only on request. At every instant a name has its old or its new content.
"""

import contextlib
import errno
import os

#: Errors of file systems without hard links. Some answer as if the folder were on another one.
_NO_LINKS = (
    *(errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK),
    *(errno.EINVAL, errno.EXDEV),
)

#: Longest part of the target's name in a temporary name; file names end at 255 bytes.
NAME_BYTES = 180


def temporary_beside(target: str) -> str:
    """Return an unused hidden name in the folder of `target`."""
    folder, name = os.path.split(target)
    short = os.fsdecode(os.fsencode(name)[:NAME_BYTES])
    return os.path.join(folder, f".{short}.onebyone-{os.urandom(6).hex()}.part")


def publish(temporary: str, target: str, *, force: bool) -> None:
    """Rename a finished file to its target.

    Without `force` nothing is overwritten, not even a file that appears at the same instant: a hard
    link fails where the name exists, which a rename would not.

    Raises
    ------
    FileExistsError
        If the target exists and `force` is off.
    OSError
        If the system call fails.
    """
    if not force and _renameat2(temporary, target, 1):  # RENAME_NOREPLACE
        return
    if not force:
        try:
            os.link(temporary, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Without hard links the check and the rename are two steps.
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
        else:
            _unlink(temporary)
            return
    found = os.stat(temporary)
    inode = found.st_ino
    try:
        os.rename(temporary, target)
    except OSError:
        # On NFS a rename can succeed although the answer is lost.
        if not (os.path.exists(target) and os.stat(target).st_ino == inode):
            raise

    if found.st_nlink > 1 and os.path.lexists(temporary):
        _unlink(temporary)  # it was another name of the target: renaming such does nothing


def _unlink(path: str) -> None:
    """Remove a name that another run may remove as well: the file has its new one already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def swap(one: str, two: str) -> None:
    """Exchange the names of two folders, so that neither name is ever missing."""
    if _exchange(one, two):
        return
    # In two steps where the system has no exchange. An interruption undoes the first.
    aside = temporary_beside(two)
    try:
        os.rename(two, aside)
        os.rename(one, two)
    except BaseException:
        if os.path.isdir(aside) and not os.path.lexists(two):
            os.rename(aside, two)
        raise
    os.rename(aside, one)


def _exchange(one: str, two: str) -> bool:
    return _renameat2(one, two, 2)  # RENAME_EXCHANGE


def _renameat2(one: str, two: str, flags: int) -> bool:
    """Call renameat2 of Linux; return False, with nothing done, where it is not supported."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here = -100  # AT_FDCWD
    if renameat2(here, os.fsencode(one), here, os.fsencode(two), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), two)


def sync_folder(path: str) -> None:
    """Flush the folder entry of `path` to disk, where the file system supports it."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)
