"""Checkpoints: what a stopped job leaves so that the same command can resume it.

Beside ``OUT.part``, the unfinished output, lies a small journal, ``OUT.part.json``: the job, the
tiles that are done, and their counts. It is written periodically, atomically, and only while the
input is unchanged. Tiles on the disk are listed apart from tiles that were only written: the
latter count only if the system was not restarted since.
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

#: Least time between two flushes to disk.
_LEAST_S = 0.5


class Ledger:
    """Records which tiles are done; safe for several threads."""

    def __init__(self) -> None:
        self.done = NOTHING
        self._lock = threading.Lock()

    def add(self, start: int, stop: int, counts: Mapping[str, int]) -> None:
        """Record that tiles [start, stop) are done."""
        with self._lock:
            # A signal may interrupt anywhere: a single assignment is atomic.
            self.done = self.done.with_more(start, stop, counts)


class Policy(NamedTuple):
    """Settings of checkpoints.

    Attributes
    ----------
    every : float
        Seconds between checkpoints; 0 writes one after every slab.
    restart : bool
        Discard the checkpoint of an earlier run.
    always : bool
        Keep a journal from the beginning, and when everything is done.
    """

    every: float = 10.0
    restart: bool = False
    always: bool = False


class Checkpoint(Ledger):
    """The journal of one output.

    Parameters
    ----------
    left : Unfinished
        The part file and the journal.
    describe : callable
        Describes the job as JSON values; called only when needed. A run is resumed only if all of
        them are equal.
    tiles : int
        Number of tiles.
    check : callable
        Raises `ReadWriteError` if the input has changed; then nothing more is recorded.
    policy : Policy

    Raises
    ------
    OutputRefusedError
        If there is a checkpoint of another job.

    Attributes
    ----------
    extra : dict
        More values that the job stores in the journal.
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
        """Begin to record tiles of an open, locked part file."""
        self.done, self._synced, self.extra = NOTHING, NOTHING, {}
        if part.found and not self.policy.restart:
            self._load()
        elif self.policy.always:
            self._left.forget()
        if self.done.ranges and self.done.ranges[-1][1] > self._tiles:
            raise OutputRefusedError(
                f"{self._left.journal} has too many blocks; discard it with "
                f"{setting('resume', 'restart')}",
                self.path,
            )
        self._part = part
        if isinstance(part, PartFile):
            part.take()
        if self.policy.every == 0 or self.policy.always:
            self._save()

    def add(self, start: int, stop: int, counts: Mapping[str, int]) -> None:
        """Record that tiles [start, stop) have been written.

        Raises
        ------
        ReadWriteError
            If the file could not be flushed to disk.
        """
        super().add(start, stop, counts)
        self._check_disk()
        if self.policy.every == 0:
            self._save()
        # Most jobs end before the first checkpoint is due, and need no thread for it.
        with self._lock:
            begins = not self._noting and time.monotonic() - self._began >= self.policy.every
            self._noting |= begins
        if begins:
            with contextlib.suppress(RuntimeError):  # no more threads: only the last checkpoint
                threading.Thread(target=self._take_notes, daemon=True).start()

    def stop(self) -> bool:
        """Stop recording; return whether there is a checkpoint.

        A job stopped before its first checkpoint is due keeps nothing.
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
        """Stop recording: the output is complete, but not published.

        Raises
        ------
        ReadWriteError
            If it could not be flushed to disk.
        """
        self._end.set()
        with self._lock:  # wait for a journal being written
            self._check_disk()

    def complete(self, **extra: Any) -> None:
        """Stop recording, and store in the journal that everything is done.

        Raises
        ------
        ReadWriteError
            If the journal can't be written.
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
        """Write the journal unless the job has ended; a failure is not reported."""
        with self._lock, contextlib.suppress(OSError, ReadWriteError):
            if not self._end.is_set():
                self._write()

    def _write(self) -> None:
        """Write the journal atomically."""
        self._check()
        if self._is_late():
            return
        content = journal_bytes(self.describe(), self.done, self._synced, self.extra)
        self._left.write(content)

    def _is_late(self) -> bool:
        """Return whether another run of the same shard has completed it.

        A cluster gives the shard of an unreachable worker to another, so both may write it. They
        write the same bytes; the journal of the complete one is kept.
        """
        if not self.policy.always or "complete" in self.extra:
            return False
        try:
            return read_journal(self._left.journal).extra.get("complete") is True
        except (FileNotFoundError, DataError, OutputRefusedError):
            return False

    def _take_notes(self) -> None:
        """Flush the file to disk and write the journal, from time to time."""
        apart = min(max(self.policy.every, _LEAST_S), threading.TIMEOUT_MAX)
        try:
            # Linux reports a write error once per descriptor, and publication needs it too.
            fd = self._left.open(os.O_RDWR)
        except OSError:
            return
        try:
            while not self._end.is_set():
                done = self.done
                if _sync(fd, self._left.folder):
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
        """Return whether a later run could resume anything."""
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
        """Return whether an earlier run may have left a checkpoint."""
        state = self._left.state
        return state is State.NOTED or (self.policy.always and state is State.SHARDED)

    def _load(self) -> None:
        journal = find_journal(self._left.journal, self.path, self.describe)
        if journal is not None:
            self.done = journal.done
            self._synced, self.extra = journal.synced, journal.extra


def _sync(fd: int, folder: str) -> bool:
    """Flush a part file, or the files of a folder; return False where that is not supported."""
    try:
        if os.path.isdir(folder):
            os.sync()  # the files are many, and each is written once
        else:
            os.fdatasync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
        return False
    return True
