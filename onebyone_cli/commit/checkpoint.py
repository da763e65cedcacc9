"""Checkpoints: what a stopped job leaves behind so that the same command can go on.

Beside ``OUT.part``, the unfinished output itself, lies a small journal, ``OUT.part.json``: what the
job was (so that no other continues it), which tiles are done, and what was counted in them. It is
written every so often, always whole, under another name first, and only while the input is what it
was. Tiles that were on the disk then are told apart from those that were only written, which a
crash of the machine would lose: the latter count only if the system was not started anew since.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit.journal import NOTHING, find_journal, journal_bytes, read_journal
from onebyone_cli.commit.part import PartFile
from onebyone_cli.commit.unfinished import State
from onebyone_cli.errors import (
    DataError,
    OneByOneError,
    OutputRefusedError,
    ReadWriteError,
    read_write_error,
    setting,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onebyone_cli.commit.atomic import AtomicFile
    from onebyone_cli.commit.unfinished import Unfinished

#: Time between two looks at the disk where every slab is noted at once.
_LEAST_S = 0.5


class Ledger:
    """Notes which tiles are done; several threads may write in it.

    Attributes
    ----------
    done : Done
        What is done so far.
    """

    def __init__(self) -> None:
        self.done = NOTHING
        self._lock = threading.Lock()

    def add(self, start: int, stop: int, counts: Mapping[str, int]) -> None:
        """Note that tiles [start, stop) are done."""
        with self._lock:
            # A signal may interrupt us anywhere: one assignment is done or it is not.
            self.done = self.done.with_more(start, stop, counts)


class Policy(NamedTuple):
    """What the user wants of checkpoints.

    Attributes
    ----------
    every : float
        Seconds from one to the next; 0 notes every slab at once.
    restart : bool
        Discard what an earlier run has left.
    status : int or None
        Exit status of a job that was stopped with a checkpoint; None for the usual one.
    always : bool
        Keep a journal from the very beginning, and when everything is done.
    """

    every: float = 10.0
    restart: bool = False
    status: int | None = None
    always: bool = False


class Checkpoint(Ledger):
    """The journal of one output.

    Parameters
    ----------
    left : Unfinished
        The part file and the journal.
    describe : callable
        Says what the job is, in words and numbers of JSON. All of it must be the same for a run to
        go on where another stopped. Asked only when it matters.
    tiles : int
        How many there are.
    check : callable
        Raises `ReadWriteError` if the input has changed, and nothing may be noted any more.
    policy : Policy
        What the user wants.

    Raises
    ------
    OutputRefusedError
        If there is a checkpoint of another job.

    Attributes
    ----------
    extra : dict
        Whatever else the job wants to find again.
    """

    def __init__(
        self,
        left: Unfinished,
        describe: Callable[[], Mapping[str, Any]],
        tiles: int,
        check: Callable[[], None],
        policy: Policy,
    ) -> None:
        super().__init__()
        self.path, self.policy = left.path, policy
        self._left = left
        self.describe, self._check = cache(describe), check
        self._tiles = tiles
        self._synced = NOTHING
        self.extra: dict[str, Any] = {}
        self._part: AtomicFile | None = None
        self._failure: OSError | None = None
        self._end = threading.Event()
        self._noting = False
        self._began = time.monotonic()
        if not policy.restart and self._is_left():
            self._load()

    def begin(self, part: AtomicFile) -> None:
        """Begin to take notes about an open part file, which no other run has open."""
        self.done, self._synced, self.extra = NOTHING, NOTHING, {}
        if part.found and not self.policy.restart:
            self._load()
        elif self.policy.always:
            self._left.forget()
        if self.done.ranges and self.done.ranges[-1][1] > self._tiles:
            raise OutputRefusedError(
                f"{self._left.journal} has too many tiles; discard it with "
                f"{setting('resume', 'restart')}",
                self.path,
            )
        self._part = part
        if isinstance(part, PartFile):
            part.take()
        if self.policy.every == 0 or self.policy.always:
            self._save()

    def add(self, start: int, stop: int, counts: Mapping[str, int]) -> None:
        """Note that tiles [start, stop) have been written.

        Raises
        ------
        ReadWriteError
            If the system could not have the file on the disk.
        """
        super().add(start, stop, counts)
        self._check_disk()
        if self.policy.every == 0:
            self._save()
        # The first note is due later than most jobs end, and they need no thread for it.
        with self._lock:
            begins = not self._noting and time.monotonic() - self._began >= self.policy.every
            self._noting |= begins
        if begins:
            with contextlib.suppress(RuntimeError):  # no more threads: no notes but the last
                threading.Thread(target=self._take_notes, daemon=True).start()

    def stop(self) -> bool:
        """Stop taking notes, and keep what is done if that is worth it.

        Returns
        -------
        bool
            Whether there is a checkpoint; a job stopped before its first keeps nothing.
        """
        self._end.set()
        with self._lock:
            if self._part is None or not self._is_worth_keeping():
                return False
            with contextlib.suppress(OSError, ReadWriteError):
                self._write()
            if not os.path.lexists(self._left.journal):
                return False
            self._part.keep()
            return True

    def end(self) -> None:
        """Stop taking notes: the output is complete, and only has to get its name.

        Raises
        ------
        ReadWriteError
            If the system could not have all of it on the disk.
        """
        self._end.set()
        with self._lock:  # nobody writes the journal any more
            self._check_disk()

    def complete(self, **extra: Any) -> None:
        """Stop taking notes, and note that everything is done.

        Raises
        ------
        ReadWriteError
            If that can't be written.
        """
        self.end()
        with self._lock:
            self.extra = self.extra | extra
            self._synced = self.done
            try:
                self._write()
            except OneByOneError:
                raise
            except OSError as error:
                raise read_write_error("writing", self._left.journal, error) from error
            self._part = None

    def _save(self) -> None:
        """Write the journal, unless it is too late. Notes are not worth an error."""
        with self._lock, contextlib.suppress(OSError, ReadWriteError):
            if not self._end.is_set():
                self._write()

    def _write(self) -> None:
        """Write the journal; it is whole at every instant."""
        self._check()
        if self._is_late():
            return
        content = journal_bytes(self.describe(), self.done, self._synced, self.extra)
        self._left.write(content)

    def _is_late(self) -> bool:
        """Say whether another run of the same shard has completed it while we did.

        A cluster gives the shard of a worker that it can't reach to another, and then both may be
        at it. They write the same bytes; the journal that says so has the last word.
        """
        if not self.policy.always or "complete" in self.extra:
            return False
        try:
            return read_journal(self._left.journal).extra.get("complete") is True
        except (FileNotFoundError, DataError, OutputRefusedError):
            return False

    def _take_notes(self) -> None:
        """Have the file on the disk and say so, from time to time."""
        apart = min(max(self.policy.every, _LEAST_S), threading.TIMEOUT_MAX)
        try:
            # A descriptor of our own: what is wrong with the disk is told once to each, and
            # whoever publishes the file wants to hear it, too.
            fd = self._left.open(os.O_RDWR)
        except OSError:
            return
        try:
            while not self._end.is_set():
                done = self.done
                if _sync(fd):
                    self._synced = done
                self._save()
                self._end.wait(apart)
        except OSError as error:
            self._failure = error
        finally:
            os.close(fd)

    def _check_disk(self) -> None:
        if self._failure is not None:
            raise read_write_error("writing", self.path, self._failure) from self._failure

    def _is_worth_keeping(self) -> bool:
        """Say whether there is anything that a later run could go on with."""
        if self._failure is not None:
            self.done = self._synced
        if self.policy.always:
            return True
        is_soon = time.monotonic() - self._began < self.policy.every
        if not (self.done.ranges or self.extra) or (
            is_soon and not os.path.exists(self._left.journal)
        ):
            return False
        try:
            self._check()
        except ReadWriteError:
            return False
        return self._left.state not in (State.ABSENT, State.PUBLISHED)

    def _is_left(self) -> bool:
        """Say whether there may be something to go on with."""
        state = self._left.state
        return state is State.NOTED or (self.policy.always and state is State.SHARDED)

    def _load(self) -> None:
        journal = find_journal(self._left.journal, self.path, self.describe)
        if journal is not None:
            self.done = journal.done
            self._synced, self.extra = journal.synced, journal.extra


def _sync(fd: int) -> bool:
    """Have a file on the disk; say whether that is so, which some systems can't tell."""
    try:
        os.fdatasync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
        return False
    return True
