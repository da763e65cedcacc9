"""What a job that was stopped leaves: ``OUT.part`` and its journals, and the states they are in."""

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
from onebyone_cli.system.rename import NAME_BYTES, sync_folder

_ENDING = ".part"

#: What the name of a shard's journal ends in.
_SHARD = re.compile(r"\.(\d+)-of-(\d+)\.json$")

#: A long name as `part_of` shortens it.
_SHORTENED = re.compile(rb".{%d}-[0-9a-f]{16}" % NAME_BYTES, re.DOTALL)

#: A part that is just being made has two names for an instant, on some file systems.
_PATIENCE_S, _APART_S = 0.5, 0.02


class State(Enum):
    """State of an unfinished output; see `onebyone_cli.commit`."""

    ABSENT = "absent"
    BEGUN = "begun"
    NOTED = "noted"
    SHARDED = "sharded"
    PUBLISHED = "published"


class Unfinished:
    """The part file and the journals of an output. Nothing else names, opens or removes them.

    Parameters
    ----------
    path : str
        The output, as the user wrote it.
    shard : Shard, optional
        Whose journal `journal` is; None for that of a run that writes all of the output.

    Attributes
    ----------
    part, journal : str
        Names of the files, which need not be there.
    """

    def __init__(self, path: str, shard: object = None) -> None:
        self.path = path
        self.part = part_of(path)
        self.journal = journal_of(path, shard)
        self._target = os.path.realpath(path)

    @property
    def state(self) -> State:
        """What is there now."""
        try:
            found = os.lstat(self.part)
        except OSError:
            return State.ABSENT
        if self._is_target(found):
            return State.PUBLISHED
        # An empty part has been begun anew: its journal, if there is one, speaks of an older one.
        if found.st_size and os.path.lexists(journal_of(self.path)):
            return State.NOTED
        return State.SHARDED if self.shards() else State.BEGUN

    def shards(self) -> dict[tuple[int, int], str]:
        """Find the journals of shards, by shard and number of shards."""
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
            If there is none, or it is the published output: then the publication is completed.
        OutputRefusedError
            If it is not this user's own; see `open_owned`.
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
        """Bytes of the part file; raises as `open` does."""
        fd = self.open(os.O_RDONLY)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def finish(self) -> bool:
        """Complete a publication that was cut off: the output is there, and has a second name.

        Returns
        -------
        bool
            Whether it was so.
        """
        if self.state is not State.PUBLISHED:
            return False
        remove(self.part)
        self.remove_journals()
        return True

    def tidy(self) -> None:
        """Remove what is left of an output that was published."""
        if not self.finish() and os.path.lexists(self._target):
            with contextlib.suppress(OSError):
                self.remove_orphans()

    def forget(self) -> None:
        """Remove the journal for good: it must never speak of new bytes.

        Raises
        ------
        OSError
            If it stays.
        """
        if os.path.lexists(self.journal):
            os.unlink(self.journal)
            sync_folder(self.part)

    def write(self, content: bytes) -> None:
        """Replace the journal, which is whole at every instant, whoever else writes it."""
        replace_file(self.journal, f"{self.journal}.new-{os.urandom(6).hex()}", content)

    def remove_journals(self) -> None:
        """Remove all journals, and warn of those that stay."""
        for name in (journal_of(self.path), *self.shards().values()):
            _remove_journal(name)

    def remove_orphans(self) -> None:
        """Remove journals without a part: of a new part they would be believed.

        Other jobs may make the new one at this very time, and begin to take notes. What was there
        before the part was seen missing is not theirs.

        Raises
        ------
        OSError
            If one stays.
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

    def claim(self) -> None:
        """Have part and journal removed on the way out, unless they are kept or published."""
        claim(self.part, self.journal)

    def let_go(self) -> None:
        """Keep part and journal for a later run or another job."""
        let_go(self.part, self.journal)

    def remove_claimed(self) -> None:
        """Remove part and journal if they are claimed."""
        remove_claimed(self.part)
        if is_claimed(self.journal):
            _remove_journal(self.journal)

    def _is_target(self, found: os.stat_result) -> bool:
        with contextlib.suppress(OSError):
            return found.st_nlink > 1 and os.path.samestat(os.lstat(self._target), found)
        return False


def _remove_journal(name: str) -> None:
    """Remove a journal, and what a run that was killed while it wrote a new one has left."""
    for found in (name, *_that_begin(f"{name}.new-")):
        remove(found)


def _that_begin(start: str) -> list[str]:
    """List the files whose path begins like this; none where the folder can't be read."""
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
    """Name the part file of an output; long names are shortened.

    A name that is shortened already stays: a part file can be found by its own name.
    """
    folder, name = os.path.split(os.path.realpath(path))
    encoded = os.fsencode(name)
    if len(encoded) > NAME_BYTES and not _SHORTENED.fullmatch(encoded):
        import hashlib

        digest = hashlib.sha256(encoded).hexdigest()[:16]
        name = f"{os.fsdecode(encoded[:NAME_BYTES])}-{digest}"
    return os.path.join(folder, name + _ENDING)


def journal_of(path: str, shard: object = None) -> str:
    """Name the journal beside the part file of an output.

    Every shard has one of its own: that of ``2/8`` is ``OUT.part.2-of-8.json``.
    """
    name = "" if shard is None else "." + str(shard).replace("/", "-of-")
    return f"{part_of(path)}{name}.json"
