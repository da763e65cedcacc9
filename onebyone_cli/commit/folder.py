"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.commit.publishing import have_same_bytes, reporting, sync_file
from onebyone_cli.commit.temporaries import claim, let_go, refusal, remove_claimed
from onebyone_cli.system.rename import swap, sync_folder, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterator


class AtomicFolder:
    """A folder under a temporary name until it is committed.

    Parameters
    ----------
    path : str
        The target, as the user wrote it.
    publication : Publication
    existing : str
        A folder that is there already and becomes the output; empty to make a new one.

    Attributes
    ----------
    temporary : str
        Path of the folder to fill.
    """

    def __init__(self, path: str, publication: Publication = NEW, *, existing: str = "") -> None:
        self.path = path
        self.publication = publication
        self._target = os.path.realpath(path)
        if existing:
            self.temporary = existing
            return
        self.temporary = temporary_beside(self._target)
        claim(self.temporary)
        try:
            os.mkdir(self.temporary)
        except OSError as error:
            let_go(self.temporary)
            raise refusal(path, error) from error

    def commit(self) -> bool:
        """Publish the folder in place of an existing one; return False if an equal one was kept.

        Raises
        ------
        OutputRefusedError
            If a folder of that name has appeared in the meantime and may not be replaced.
        ReadWriteError
            If the system fails. The old folder, if any, is untouched.
        """
        with reporting(self.path):
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
        # The temporary name is free now, or names the folder that was replaced.
        self.discard()
        return True

    def discard(self) -> None:
        """Remove the temporary folder. No effect after `commit`."""
        remove_claimed(self.temporary)


def _names_in(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the relative path of everything in a folder, and whether it is a folder."""

    def fail(error: OSError) -> None:
        raise error

    for at, folders, files in os.walk(folder, onerror=fail):
        within = os.path.relpath(at, folder)
        for name in (*folders, *files):
            yield os.path.normpath(os.path.join(within, name)), name in folders


def _have_same_files(one: str, two: str) -> bool:
    """Whether two folders hold the same files under the same names."""
    try:
        names = set(_names_in(one))
        if names != set(_names_in(two)):
            return False
    except OSError:
        return False
    both = (
        (os.path.join(one, name), os.path.join(two, name)) for name, is_dir in names if not is_dir
    )
    return all(have_same_bytes(first, second) for first, second in both)


def _sync_files(folder: str) -> None:
    """Flush all files of a folder to disk, and its subfolders."""
    for name, is_folder in _names_in(folder):
        path = os.path.join(folder, name)
        if not is_folder:
            sync_file(path)
            if os.path.dirname(name):
                sync_folder(path)
