"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.commit.publishing import publish_file
from onebyone_cli.commit.temporaries import claim, let_go, refusal, remove_claimed
from onebyone_cli.errors import read_write_error
from onebyone_cli.system.pipes import write_all
from onebyone_cli.system.rename import temporary_beside

if TYPE_CHECKING:
    from onebyone_cli.commit.publishing import Sidecar


class AtomicFile:
    """A file under a temporary name until it is committed.

    Parameters
    ----------
    path : str
        The target, as the user wrote it. Symbolic links are followed: the file they point to is
        replaced.
    publication : Publication

    Attributes
    ----------
    fd : int
        The temporary, open for reading and writing.
    temporary : str
        Its path.
    found : bool
        Whether an earlier run or another job created the file; always False here.
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
            raise refusal(path, error) from error

    def commit(self, expected_bytes: int | None = None, sidecar: Sidecar | None = None) -> bool:
        """Publish the file.

        Parameters
        ----------
        expected_bytes : int, optional
            Expected size of the file.
        sidecar : Sidecar, optional
            A file to publish with it.

        Returns
        -------
        bool
            False if an equal file was kept.

        Raises
        ------
        ReadWriteError, OutputRefusedError
            See `publish_file`.
        """
        fd, self.fd = self.fd, -1
        changed = publish_file(
            fd,
            self.temporary,
            self._target,
            self.publication,
            path=self.path,
            size=expected_bytes,
            sidecar=sidecar,
        )
        let_go(self.temporary)
        return changed

    def settle(self, size: int, header: bytes = b"") -> None:
        """Receive the size in bytes and the header; see `PartFile` and `SharedFile`."""

    def sync(self) -> None:
        """Flush the file to disk, for a job on another machine to publish."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def keep(self) -> None:
        """Close the file and leave it for a later run or another job; a temporary is removed."""
        self.discard()

    def discard(self) -> None:
        """Close and remove the temporary. No effect after `commit`."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            with contextlib.suppress(OSError):  # the file is removed anyway
                os.close(fd)
        remove_claimed(self.temporary)

    def _keep_mode(self, more: int = 0) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(self.fd, stat.S_IMODE(os.stat(self._target).st_mode) | more)


def write_file(path: str, data: bytes, publication: Publication = NEW) -> bool:
    """Write and publish a small file; return False if an equal file was kept."""
    file = AtomicFile(path, publication)
    try:
        write_all(file.fd, memoryview(data), path)
        return file.commit(len(data))
    finally:
        file.discard()
