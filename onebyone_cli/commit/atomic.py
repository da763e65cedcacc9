"""Outputs that appear whole or not at all.

A temporary is made beside the target, filled, checked for its size and renamed. Everything that
is under way is also noted in one place, so that the program can clear it up on its way out,
whatever stopped it.
"""

import contextlib
import errno
import os
import stat

from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.errors import OneByOneError, OutputRefusedError, ReadWriteError, read_write_error
from onebyone_cli.system.pipes import write_all
from onebyone_cli.system.rename import publish, swap, sync_folder, temporary_beside

_under_way: set[str] = set()

#: Folders made for outputs; those that nothing was published in go as well.
_made: list[str] = []

#: Files are compared in pieces of this size.
_BLOCK_BYTES = 1 << 18


def discard_all() -> None:
    """Remove every temporary that was neither published nor discarded, and folders left empty."""
    for path in list(_under_way):
        _remove(path)
    while _made:
        with contextlib.suppress(OSError):
            os.rmdir(_made.pop())


def claim(*paths: str) -> None:
    """Have `discard_all` remove these, unless they are let go."""
    _under_way.update(paths)


def let_go(*paths: str) -> None:
    """Leave these as they are: they are published, or for others to find."""
    _under_way.difference_update(paths)


def remove_claimed(*paths: str) -> None:
    """Remove those of these that are claimed."""
    for path in _under_way.intersection(paths):
        _remove(path)


def make_folder(path: str) -> None:
    """Make a folder for several outputs, which `discard_all` removes if it is empty.

    Raises
    ------
    OutputRefusedError
        If it can't be made.
    """
    _made.append(path)  # before it is there: a signal may come at once
    try:
        os.mkdir(path)
    except OSError as error:
        _made.remove(path)
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutputRefusedError(f"can't be created: {reason}", path) from error


class AtomicFile:
    """A file under a temporary name until it is committed.

    Parameters
    ----------
    path : str
        The target, as the user wrote it. Symbolic links are followed: what they point to is
        replaced, the link stays.
    publication : Publication
        How it is published.

    Attributes
    ----------
    fd : int
        Descriptor of the temporary, open for reading and writing.
    temporary : str
        Its path.
    found : bool
        Whether what comes before the numbers is there already; never so here.
    """

    found = False

    def __init__(self, path: str, publication: Publication = NEW) -> None:
        self.path = path
        self.publication = publication
        self.fd = -1
        self._target = os.path.realpath(path)
        self.temporary = temporary_beside(self._target)
        claim(self.temporary)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self.fd = os.open(self.temporary, flags, 0o666)
            if publication.may_replace:
                self._keep_mode()
        except OSError as error:
            self.discard()
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OutputRefusedError(f"can't be created: {reason}", path) from error

    def commit(self, expected_bytes: int | None = None) -> bool:
        """Publish the file.

        Parameters
        ----------
        expected_bytes : int, optional
            Size the file must have by now.

        Returns
        -------
        bool
            Whether anything has changed: False where an equal file was kept.

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
            if self.publication.if_changed and have_same_bytes(self.temporary, self._target):
                if self.publication.fsync:
                    sync_file(self._target)
                self.discard()
                return False
            if self.publication.fsync:
                os.fsync(self.fd)
            self._close()
            publish(self.temporary, self._target, force=self.publication.may_replace)
            if self.publication.fsync:
                sync_folder(self._target)
        except OneByOneError:
            raise
        except FileExistsError as error:
            raise OutputRefusedError(
                "has appeared while this was running; use --force to replace it", self.path
            ) from error
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error
        let_go(self.temporary)
        return True

    def settle(self, size: int, header: bytes = b"") -> None:
        """Say what was written before the numbers; see `PartFile` and `SharedFile`.

        Parameters
        ----------
        size : int
            Of the whole file.
        header : bytes
            What comes before the numbers.
        """

    def sync(self) -> None:
        """Flush what was written to disk, where the machine that publishes it will find it."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def keep(self) -> None:
        """Close the file and leave it for a later run or another job; a temporary is removed."""
        self.discard()

    def discard(self) -> None:
        """Close and remove the temporary. Harmless after `commit`."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            # The file goes away: an error on closing it has nothing left to spoil.
            with contextlib.suppress(OSError):
                os.close(fd)
        remove_claimed(self.temporary)

    def _close(self) -> None:
        """Close the file: some systems tell only now that it could not be written."""
        fd, self.fd = self.fd, -1
        os.close(fd)

    def _keep_mode(self, more: int = 0) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(self.fd, stat.S_IMODE(os.stat(self._target).st_mode) | more)


def write_file(path: str, data: bytes, publication: Publication = NEW) -> bool:
    """Write and publish a small file at once.

    Parameters
    ----------
    path, publication
        As in `AtomicFile`.
    data : bytes
        Its content.

    Returns
    -------
    bool
        Whether anything has changed, as `AtomicFile.commit` says.
    """
    file = AtomicFile(path, publication)
    try:
        write_all(file.fd, memoryview(data), path)
        return file.commit(len(data))
    finally:
        file.discard()


class AtomicFolder:
    """A folder under a temporary name until it is committed.

    Replacing an existing folder is done only where every file in it is one that this program
    would write (`replaceable`), so that ``--force`` can't take anything else away.

    Parameters
    ----------
    path : str
        The target, as the user wrote it.
    publication : Publication
        How it is published.

    Attributes
    ----------
    temporary : str
        Path of the folder to fill.
    """

    def __init__(self, path: str, publication: Publication = NEW) -> None:
        self.path = path
        self.publication = publication
        self._target = os.path.realpath(path)
        self.temporary = temporary_beside(self._target)
        claim(self.temporary)
        try:
            os.mkdir(self.temporary)
        except OSError as error:
            let_go(self.temporary)
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OutputRefusedError(f"can't be created: {reason}", path) from error

    def commit(self) -> bool:
        """Publish the folder; the one it replaces, if any, is gone afterwards.

        Returns
        -------
        bool
            Whether anything has changed: False where an equal folder was kept.

        Raises
        ------
        OutputRefusedError
            If a folder of that name has appeared in the meantime and `force` is off.
        ReadWriteError
            If the system fails. The old folder, if any, is untouched.
        """
        try:
            if self.publication.if_changed and _have_same_files(self.temporary, self._target):
                if self.publication.fsync:
                    _sync_files(self._target)
                self.discard()
                return False
            if self.publication.fsync:
                _sync_files(self.temporary)
            if self.publication.may_replace and os.path.isdir(self._target):
                swap(self.temporary, self._target)
            else:
                # Renaming a folder over an existing one succeeds only if that one is empty.
                os.rename(self.temporary, self._target)
            if self.publication.fsync:
                sync_folder(self._target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise OutputRefusedError(
                    "has appeared while this was running; use --force to replace it", self.path
                ) from error
            raise read_write_error("writing", self.path, error) from error
        # Under the temporary's name there is nothing now, or the folder that was replaced.
        self.discard()
        return True

    def discard(self) -> None:
        """Remove the temporary folder. Harmless after `commit`."""
        remove_claimed(self.temporary)


def have_same_bytes(one: str, two: str) -> bool:
    """Whether two files hold the same; a size tells most that do not.

    What is not there, or can't be read, is not the same as anything.
    """
    try:
        with open(one, "rb", buffering=0) as first, open(two, "rb", buffering=0) as second:
            sizes = [os.fstat(file.fileno()).st_size for file in (first, second)]
            if sizes[0] != sizes[1]:
                return False
            while block := first.read(_BLOCK_BYTES):
                if second.read(len(block)) != block:
                    return False
            return not second.read(1)
    except OSError:
        return False


def _have_same_files(one: str, two: str) -> bool:
    """Whether two folders of files hold the same under the same names."""
    try:
        names = set(os.listdir(one))
        if names != set(os.listdir(two)):
            return False
    except OSError:
        return False
    return all(have_same_bytes(os.path.join(one, name), os.path.join(two, name)) for name in names)


def _sync_files(folder: str) -> None:
    """Have all files of a folder on the disk."""
    for name in os.listdir(folder):
        sync_file(os.path.join(folder, name))


def sync_file(path: str) -> None:
    """Have the bytes of a file on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
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
    let_go(path)
