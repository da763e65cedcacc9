"""Giving finished files and folders their names, as safely as the file system can.

Nothing is replaced that was not to be, and at no instant is a name without what it had or what it
is to have.
"""

import contextlib
import errno
import os

#: Longest part of the target's name that a temporary repeats: file names end at 255 bytes.
NAME_BYTES = 180


def temporary_beside(target: str) -> str:
    """Name a temporary in the folder of `target`, hidden and not in use."""
    folder, name = os.path.split(target)
    short = os.fsdecode(os.fsencode(name)[:NAME_BYTES])
    return os.path.join(folder, f".{short}.onebyone-{os.urandom(6).hex()}.part")


def publish(temporary: str, target: str, *, force: bool) -> None:
    """Give a finished file its name.

    Without `force` this never replaces anything, not even a file that appears at the same
    instant: a hard link fails where the name is taken, which a rename would not.

    Raises
    ------
    FileExistsError
        If the name is taken and `force` is off.
    OSError
        If the system fails.
    """
    if not force and _rename_new(temporary, target):
        return
    if not force:
        try:
            os.link(temporary, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            # A file system without hard links: look, then rename.
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
        # On NFS a rename may have been done although the answer was lost.
        if not (os.path.exists(target) and os.stat(target).st_ino == inode):
            raise

    if found.st_nlink > 1 and os.path.lexists(temporary):
        _unlink(temporary)  # it was another name of the target: renaming such does nothing


def _unlink(path: str) -> None:
    """Remove a name that another run may remove as well: the file has its new one already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def swap(one: str, two: str) -> None:
    """Exchange the names of two folders: at no instant is either name without a folder."""
    if _exchange(one, two):
        return
    # The system can't do it in one step. Whatever interrupts the two renames undoes the first.
    aside = temporary_beside(two)
    try:
        os.rename(two, aside)
        os.rename(one, two)
    except BaseException:
        if os.path.isdir(aside) and not os.path.lexists(two):
            os.rename(aside, two)
        raise
    os.rename(aside, one)


def _rename_new(one: str, two: str) -> bool:
    """Rename in one step, only if the new name is free; see `_renameat2`."""
    return _renameat2(one, two, 1)  # RENAME_NOREPLACE


def _exchange(one: str, two: str) -> bool:
    """Exchange two names in one step; see `_renameat2`."""
    return _renameat2(one, two, 2)  # RENAME_EXCHANGE


def _renameat2(one: str, two: str, flags: int) -> bool:
    """Rename as Linux can; False where system or file system can't, and nothing was done."""
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
    """Have the name of `path` on the disk, where the file system can do that."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)
