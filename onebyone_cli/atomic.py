"""Outputs that appear whole or not at all.

A temporary is made beside the target, filled, checked for its size and renamed. Everything that
is under way is also noted in one place, so that the program can clear it up on its way out,
whatever stopped it.
"""

import contextlib
import errno
import os
import stat

from onebyone_cli.errors import OutputRefusedError, ReadWriteError, read_write_error

_under_way: set[str] = set()

#: Longest part of the target's name that a temporary repeats: file names end at 255 bytes.
_NAME_BYTES = 180


def discard_all() -> None:
    """Remove every temporary that was neither published nor discarded."""
    for path in list(_under_way):
        _remove(path)


class AtomicFile:
    """A file under a temporary name until it is committed.

    Parameters
    ----------
    path : str
        The target, as the user wrote it. Symbolic links are followed: what they point to is
        replaced, the link stays.
    force : bool
        Whether an existing file may be replaced.
    fsync : bool
        Have the bytes on the disk before they are published, and the name after.

    Attributes
    ----------
    fd : int
        Descriptor of the temporary, open for reading and writing.
    temporary : str
        Its path.
    """

    def __init__(self, path: str, *, force: bool = False, fsync: bool = False) -> None:
        self.path = path
        self.fd = -1
        self._target = os.path.realpath(path)
        self._force = force
        self._fsync = fsync
        self.temporary = temporary_beside(self._target)
        _under_way.add(self.temporary)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self.fd = os.open(self.temporary, flags, 0o666)
            if force:
                self._keep_mode()
        except OSError as error:
            self.discard()
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OutputRefusedError(f"can't be created: {reason}", path) from error

    def commit(self, expected_bytes: int | None = None) -> None:
        """Publish the file.

        Parameters
        ----------
        expected_bytes : int, optional
            Size the file must have by now.

        Raises
        ------
        ReadWriteError
            If the size is another, or the system fails. The old file, if any, is untouched.
        OutputRefusedError
            If a file of that name has appeared in the meantime and `force` is off.
        """
        try:
            size = os.fstat(self.fd).st_size
            if expected_bytes is not None and size != expected_bytes:
                raise ReadWriteError(
                    f"has {size} bytes after writing and should have {expected_bytes}", self.path
                )
            if self._fsync:
                os.fsync(self.fd)
            fd, self.fd = self.fd, -1
            os.close(fd)
            publish(self.temporary, self._target, force=self._force)
            if self._fsync:
                sync_folder(self._target)
        except FileExistsError as error:
            raise OutputRefusedError(
                "has appeared while this was running; use --force to replace it", self.path
            ) from error
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error
        _under_way.discard(self.temporary)

    def discard(self) -> None:
        """Close and remove the temporary. Harmless after `commit`."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            # The file goes away: an error on closing it has nothing left to spoil.
            with contextlib.suppress(OSError):
                os.close(fd)
        if self.temporary in _under_way:
            _remove(self.temporary)

    def _keep_mode(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(self.fd, stat.S_IMODE(os.stat(self._target).st_mode))


class AtomicFolder:
    """A folder under a temporary name until it is committed.

    Replacing an existing folder is done only where every file in it is one that this program
    would write (`replaceable`), so that ``--force`` can't take anything else away.

    Parameters
    ----------
    path : str
        The target, as the user wrote it.
    force : bool
        Whether an existing folder may be replaced.
    fsync : bool
        Have the files on the disk before they are published.

    Attributes
    ----------
    temporary : str
        Path of the folder to fill.
    """

    def __init__(self, path: str, *, force: bool = False, fsync: bool = False) -> None:
        self.path = path
        self._target = os.path.realpath(path)
        self._force = force
        self._fsync = fsync
        self.temporary = temporary_beside(self._target)
        _under_way.add(self.temporary)
        try:
            os.mkdir(self.temporary)
        except OSError as error:
            _under_way.discard(self.temporary)
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OutputRefusedError(f"can't be created: {reason}", path) from error

    def commit(self) -> None:
        """Publish the folder; the one it replaces, if any, is gone afterwards.

        Raises
        ------
        OutputRefusedError
            If a folder of that name has appeared in the meantime and `force` is off.
        ReadWriteError
            If the system fails. The old folder, if any, is untouched.
        """
        try:
            if self._fsync:
                self._sync_files()
            if self._force and os.path.isdir(self._target):
                _swap(self.temporary, self._target)
            else:
                # Renaming a folder over an existing one succeeds only if that one is empty.
                os.rename(self.temporary, self._target)
            if self._fsync:
                sync_folder(self._target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise OutputRefusedError(
                    "has appeared while this was running; use --force to replace it", self.path
                ) from error
            raise read_write_error("writing", self.path, error) from error
        # Under the temporary's name there is nothing now, or the folder that was replaced.
        self.discard()

    def discard(self) -> None:
        """Remove the temporary folder. Harmless after `commit`."""
        if self.temporary in _under_way:
            _remove(self.temporary)

    def _sync_files(self) -> None:
        for name in os.listdir(self.temporary):
            fd = os.open(os.path.join(self.temporary, name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def write_all(fd: int, data: memoryview, path: str) -> None:
    """Write to a descriptor until everything is through.

    Raises
    ------
    BrokenPipeError
        If the reader of standard output has gone, which is no error of ours.
    ReadWriteError
        If the system fails in another way.
    """
    try:
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                wait_until_ready(fd, writing=True)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and fd == 1:
            raise
        raise read_write_error("writing", path, error) from error


def wait_until_ready(fd: int, *, writing: bool = False) -> None:
    """Wait for a pipe that somebody has set not to wait by itself."""
    import select

    # poll, since select fails for descriptors of 1024 and more.
    waiting = select.poll()
    waiting.register(fd, select.POLLOUT if writing else select.POLLIN)
    waiting.poll()


def temporary_beside(target: str) -> str:
    """Name a temporary in the folder of `target`, hidden and not in use."""
    folder, name = os.path.split(target)
    short = os.fsdecode(os.fsencode(name)[:_NAME_BYTES])
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
            os.unlink(temporary)
            return
    inode = os.stat(temporary).st_ino
    try:
        os.rename(temporary, target)
    except OSError:
        # On NFS a rename may have been done although the answer was lost.
        if not (os.path.exists(target) and os.stat(target).st_ino == inode):
            raise


def _swap(one: str, two: str) -> None:
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


def _exchange(one: str, two: str) -> bool:
    """Exchange two names in one step with renameat2(2), where system and file system have it."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if renameat2(here, os.fsencode(one), here, os.fsencode(two), exchange) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number))


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


def _remove(path: str) -> None:
    """Remove a file or a folder of files, as far as the system lets us.

    An error here is passed over: the one that led here is the one to report.
    """
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            with os.scandir(path) as entries:
                for entry in entries:
                    os.unlink(entry.path)
            os.rmdir(path)
        else:
            os.unlink(path)
    _under_way.discard(path)
