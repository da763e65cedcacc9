"""Part files: `PartFile` is one run's, `SharedFile` is filled by several jobs at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from onebyone_cli.commit.atomic import AtomicFile
from onebyone_cli.commit.owned import default_mode
from onebyone_cli.commit.temporaries import let_go, refusal
from onebyone_cli.commit.unfinished import State, Unfinished
from onebyone_cli.errors import OneByOneError, OutputRefusedError, read_write_error, setting
from onebyone_cli.names import is_url
from onebyone_cli.system.rename import publish

if TYPE_CHECKING:
    from onebyone_cli.commit.publication import Publication
    from onebyone_cli.commit.publishing import Sidecar

#: Attempts to open a part file that other runs create and remove at the same time.
_ATTEMPTS = 100


class PartFile(AtomicFile):
    """The file ``OUT.part``, which a later run can resume.

    It is locked from opening until it is published or removed. Its old content stays until `take`.
    An existing file is emptied unless ``publication.resume`` is true.

    Attributes
    ----------
    found : bool
        Whether an earlier run left it, with a journal.

    Raises
    ------
    OutputRefusedError
        If another run is writing it, it belongs to another user, or it can't be created.
    """

    def __init__(self, path: str, publication: Publication) -> None:
        self.path = path
        self.publication = publication
        self.fd = self._lock_fd = -1
        self._target = os.path.realpath(path)
        self._left = Unfinished(path)
        self.temporary = self._left.part
        try:
            self._open_locked()
            self.found = bool(publication.resume) and self._left.state is State.NOTED
            if not self.found:
                self.take()
                self._empty()
            if publication.may_replace:
                self._keep_mode(stat.S_IRUSR | stat.S_IWUSR)  # a later run has to open it
        except BaseException as error:
            self.discard()
            if isinstance(error, OneByOneError) or not isinstance(error, OSError):
                raise
            raise refusal(path, error, error.filename or self.temporary) from error

    def take(self) -> None:
        """Take over the file: from now on it is removed unless it is kept or published."""
        self._left.claim()

    def settle(self, size: int, header: bytes = b"") -> None:
        """Set the size of a new file; check that of a found one.

        Raises
        ------
        OutputRefusedError
            If a found file has another size.
        ReadWriteError
            If the system fails.
        """
        del header
        if not self.found:
            try:
                os.ftruncate(self.fd, size)
            except OSError as error:
                raise read_write_error("writing", self.path, error) from error
        elif self._found_bytes != size:
            raise OutputRefusedError(
                f"{self.temporary} has {self._found_bytes} bytes, and the job that left it wrote "
                f"{size}; discard it with {setting('resume', 'restart')}",
                self.path,
            )

    def keep(self) -> None:
        """Close the file and leave it, with its journal, for a later run."""
        self._left.let_go()
        self.discard()

    def discard(self) -> None:
        """Close and remove the file and its journal. No effect after `commit` and `keep`."""
        # Before the lock is released: then another run may create files of these names.
        self._left.remove_claimed()
        super().discard()
        if self._lock_fd >= 0:
            fd, self._lock_fd = self._lock_fd, -1
            with contextlib.suppress(OSError):  # it only holds the lock
                os.close(fd)

    def commit(self, expected_bytes: int | None = None, sidecar: Sidecar | None = None) -> bool:
        """Publish the file; see `AtomicFile.commit`.

        The journal is removed last, so that a stop loses nothing: without a part it does not count.
        """
        if self.publication.may_replace:
            self._keep_mode()
        self._lock_fd = os.dup(self.fd)
        changed = super().commit(expected_bytes, sidecar)
        self.discard()
        return changed

    def _empty(self) -> None:
        """Empty the file. The journal is removed first: it must never describe new bytes."""
        size = os.fstat(self.fd).st_size
        if size and self._left.shards():
            self.keep()
            raise OutputRefusedError(
                f"has shards in {self.temporary}; onebyone merge publishes them, or remove "
                f"{self.temporary}*",
                self.path,
            )
        self._left.forget()
        if size:  # ext4 flushes a truncated file when it is closed, even if it was empty
            os.ftruncate(self.fd, 0)

    def _open_locked(self) -> None:
        """Open or create the file, and lock it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        for _ in range(_ATTEMPTS):
            is_new = False
            try:
                self.fd = self._left.open(os.O_RDWR)
            except FileNotFoundError:
                is_new = True
                self.take()  # before it exists: a signal may come at once
                with contextlib.suppress(FileExistsError):
                    self.fd = os.open(self.temporary, flags, 0o666)
            if self.fd >= 0 and self._lock():
                if not is_new:  # an earlier run may have had another umask
                    os.fchmod(self.fd, default_mode())
                self._found_bytes = os.fstat(self.fd).st_size
                return
            self.keep()  # another run has replaced or published it
        raise OutputRefusedError("is being written by other runs; try again", self.path)

    def _lock(self) -> bool:
        """Lock the open file; return whether it still has its name."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.keep()
            raise OutputRefusedError(
                f"is being written by another run, which holds {self.temporary}; wait for it",
                self.path,
            ) from error
        except OSError:
            pass  # a file system without locks
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.lstat(self.temporary), os.fstat(self.fd))
        return False


class SharedFile(AtomicFile):
    """The file ``OUT.part`` that several jobs fill at the same time.

    The first job creates it under another name, complete but for the numbers, and renames it.
    `merge` publishes it when all jobs are done; it is never removed here.

    Attributes
    ----------
    found : bool
        Whether another job has created it.

    Raises
    ------
    OutputRefusedError
        If a run without shards is writing it, it belongs to another user, or it can't be created.
    """

    def __init__(self, path: str, publication: Publication) -> None:
        self._left = Unfinished(path)
        if self._left.state is State.NOTED:
            raise OutputRefusedError(
                f"{self._left.part} is the checkpoint of a run without {setting('shard')}; resume "
                f"that run, or remove {self._left.part}*",
                path,
            )
        self.path, self.publication, self.temporary = path, publication, ""
        try:
            self._open_found()
            self.found = True
        except FileNotFoundError:
            # That of an address is here, in the working folder.
            super().__init__(self._left.part if is_url(path) else path, publication)
            self.path = path

    def settle(self, size: int, header: bytes = b"") -> None:
        """Share the file with other jobs, once all but the numbers is written.

        Raises
        ------
        OutputRefusedError
            If the file belongs to another job.
        ReadWriteError
            If the system fails.
        """
        try:
            if not self.found:
                os.ftruncate(self.fd, size)
                self._left.remove_orphans()
                with contextlib.suppress(FileExistsError):
                    publish(self.temporary, self._left.part, force=False)
                    let_go(self.temporary)
                self.discard()  # closes it; removes it only if another job was first
                self._open_found()
            if os.fstat(self.fd).st_size != size or os.pread(self.fd, len(header), 0) != header:
                raise OutputRefusedError(
                    f"{self._left.part} is of another job; remove it if it is not needed", self.path
                )
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def _open_found(self) -> None:
        self.fd = self._left.open(os.O_RDWR)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.discard()
            raise OutputRefusedError(
                f"is being written by a run without {setting('shard')}, which holds "
                f"{self._left.part}",
                self.path,
            ) from error
        except OSError:  # a file system without locks
            return


def create_file(path: str, publication: Publication) -> AtomicFile:
    """Create the temporary or part file of an output."""
    if publication.shared:
        return SharedFile(path, publication)
    if publication.resume is None:
        return AtomicFile(path, publication)
    return PartFile(path, publication)
