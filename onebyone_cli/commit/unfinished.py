"""The part file and journals of a stopped job, and their states."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from enum import Enum

from onebyone_cli.commit.owned import open_owned
from onebyone_cli.commit.publishing import replace_file
from onebyone_cli.commit.temporaries import claim, is_claimed, let_go, remove, remove_claimed
from onebyone_cli.errors import OutputRefusedError
from onebyone_cli.names import is_url
from onebyone_cli.system.rename import NAME_BYTES, sync_folder

_ENDING = ".part"

_SHARD = re.compile(r"\.(\d+)-of-(\d+)\.json$")

_SHORTENED = re.compile(rb".{%d}-[0-9a-f]{16}" % NAME_BYTES, re.DOTALL)

#: On some file systems a part has two names for an instant while it is created.
_PATIENCE_S, _APART_S = 0.5, 0.02


class State(Enum):
    """State of an unfinished output; see `onebyone_cli.commit`."""

    ABSENT = "absent"
    BEGUN = "begun"
    NOTED = "noted"
    SHARDED = "sharded"
    PUBLISHED = "published"


class Unfinished:
    """The part file and the journals of an output. No other code names, opens or removes them.

    Parameters
    ----------
    path : str
        The output, as the user wrote it.
    shard : Shard, optional
        The shard of `journal`; None for a run that writes the whole output.

    Attributes
    ----------
    part, journal : str
        Paths of the files, which need not exist.
    folder : str
        Path of a folder that becomes the output; then the part file has a description of it.
    """

    def __init__(self, path: str, shard: object = None) -> None:
        self.path = path
        self.part = part_of(path)
        self.journal = journal_of(path, shard)
        self.folder = f"{self.part}.store"
        self._target = os.path.realpath(path)

    @property
    def state(self) -> State:
        """Current state."""
        try:
            found = os.lstat(self.part)
        except OSError:
            return State.ABSENT
        if self._is_target(found):
            return State.PUBLISHED
        # An empty part is new: an existing journal describes an older part.
        if found.st_size and os.path.lexists(journal_of(self.path)):
            return State.NOTED
        return State.SHARDED if self.shards() else State.BEGUN

    def shards(self) -> dict[tuple[int, int], str]:
        """Return the journals of shards, by shard and number of shards."""
        found = {}
        for name in _that_begin(self.part + "."):
            match = _SHARD.search(name)
            if match:
                found[int(match[1]), int(match[2])] = name
        return found

    def open(self, flags: int) -> int:
        """Open the part file.

        Raises
        ------
        FileNotFoundError
            If it does not exist, or is the published output: then the publication is completed.
        OutputRefusedError
            See `open_owned`.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self.finish()
            try:
                return open_owned(self.part, flags)
            except OutputRefusedError:
                if time.monotonic() > deadline or not _has_second_name(self.part):
                    raise
            time.sleep(_APART_S)

    def size(self) -> int:
        """Size of the part file in bytes; raises as `open` does."""
        fd = self.open(os.O_RDONLY)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def finish(self) -> bool:
        """Complete an interrupted publication; return whether there was one."""
        if self.state is not State.PUBLISHED:
            return False
        remove(self.part)
        self.remove_journals()
        return True

    def tidy(self) -> None:
        """Remove the part and journals of a published output."""
        if not self.finish() and os.path.lexists(self._target):
            with contextlib.suppress(OSError):
                self.remove_orphans()

    def forget(self) -> None:
        """Remove the journal, which must never describe new bytes.

        Raises
        ------
        OSError
            If it can't be removed.
        """
        if os.path.lexists(self.journal):
            os.unlink(self.journal)
            sync_folder(self.part)

    def write(self, content: bytes) -> None:
        """Replace the journal atomically; several processes may do so."""
        replace_file(self.journal, f"{self.journal}.new-{os.urandom(6).hex()}", content)

    def remove_journals(self) -> None:
        """Remove all journals; warn of those that stay."""
        for name in (journal_of(self.path), *self.shards().values()):
            _remove_journal(name)

    def remove_orphans(self) -> None:
        """Remove journals without a part, which would be taken for journals of a new one.

        Other jobs may create the new part meanwhile; journals that have changed are theirs.

        Raises
        ------
        OSError
            If one can't be removed.
        """
        found = {}
        for name in (journal_of(self.path), *self.shards().values()):
            with contextlib.suppress(FileNotFoundError):
                found[name] = os.lstat(name).st_mtime_ns
        if not found or os.path.lexists(self.part):
            return
        for name, changed in found.items():
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(name).st_mtime_ns == changed:
                    os.unlink(name)
        sync_folder(self.part)

    def clear_folder(self) -> None:
        """Remove the folder of an earlier run."""
        remove(self.folder)

    def claim(self) -> None:
        """Let the program remove part and journal at exit, unless they are kept or published."""
        claim(self.part, self.journal, self.folder)

    def let_go(self) -> None:
        """Keep part and journal for a later run or another job."""
        let_go(self.part, self.journal, self.folder)

    def remove_claimed(self) -> None:
        """Remove part and journal if they are claimed."""
        remove_claimed(self.part)
        remove_claimed(self.folder)
        if is_claimed(self.journal):
            _remove_journal(self.journal)

    def _is_target(self, found: os.stat_result) -> bool:
        if os.path.isdir(self._target):
            # The folder exists before the part file has its description.
            return bool(found.st_size) and not os.path.isdir(self.folder)
        with contextlib.suppress(OSError):
            return found.st_nlink > 1 and os.path.samestat(os.lstat(self._target), found)
        return False


def _remove_journal(name: str) -> None:
    """Remove a journal, and temporaries of killed runs."""
    for found in (name, *_that_begin(f"{name}.new-")):
        remove(found)


def _that_begin(start: str) -> list[str]:
    """Return the paths that begin with `start`; none if the folder can't be read."""
    folder, name = os.path.split(start)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return []
    return [os.path.join(folder, found) for found in names if found.startswith(name)]


def _has_second_name(path: str) -> bool:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        return stat.S_ISREG(found.st_mode) and found.st_nlink > 1
    return False


def part_of(path: str) -> str:
    """Return the part file of an output; a long name is shortened, a shortened one stays.

    That of an address lies in the working folder.
    """
    local = path.rstrip("/").rpartition("/")[2] if is_url(path) else path
    folder, name = os.path.split(os.path.realpath(local))
    encoded = os.fsencode(name)
    if len(encoded) > NAME_BYTES and not _SHORTENED.fullmatch(encoded):
        import hashlib

        digest = hashlib.sha256(encoded).hexdigest()[:16]
        name = f"{os.fsdecode(encoded[:NAME_BYTES])}-{digest}"
    return os.path.join(folder, name + _ENDING)


def journal_of(path: str, shard: object = None) -> str:
    """Return the journal of an output or of a shard: ``OUT.part.2-of-8.json`` for ``2/8``."""
    name = "" if shard is None else "." + str(shard).replace("/", "-of-")
    return f"{part_of(path)}{name}.json"
