"""Files under a name of their own, ``OUT.part``, which later runs and other jobs find.

`PartFile` is one run's, until it is done or another goes on with it; `SharedFile` is filled by
several jobs at the same time. The journals beside them are those of `checkpoint`.
"""

import contextlib
import fcntl
import os
import stat

from onebyone_cli.commit import atomic
from onebyone_cli.commit.atomic import AtomicFile
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import OneByOneError, OutputRefusedError, read_write_error
from onebyone_cli.system.rename import NAME_BYTES, publish, sync_folder

#: How often a part file is looked for that other runs make and remove at the same time.
_ATTEMPTS = 100


class PartFile(AtomicFile):
    """A file under a name of its own, ``OUT.part``, which a later run finds again.

    The file is locked from the moment it is opened until it has its own name or none at all. What
    an earlier run has left stays, whatever happens, until somebody takes it over.

    Parameters
    ----------
    path, publication
        As in `AtomicFile`; begun anew unless ``publication.resume`` is true.

    Attributes
    ----------
    found : bool
        Whether an earlier run has left it, with a journal to go by.

    Raises
    ------
    OutputRefusedError
        If another run is writing it, or it can't be created.
    """

    def __init__(self, path: str, publication: Publication) -> None:
        self.path = path
        self.publication = publication
        self.fd = self._lock_fd = -1
        self._target = os.path.realpath(path)
        self.temporary = part_of(path)
        try:
            self._open_locked()
            self.found = bool(publication.resume) and is_left(self.temporary, journal_of(path))
            if not self.found:
                self.take()
                self._empty()
            if publication.may_replace:
                self._keep_mode(stat.S_IRUSR | stat.S_IWUSR)  # a later run has to open it
        except BaseException as error:
            self.discard()
            if isinstance(error, OneByOneError) or not isinstance(error, OSError):
                raise
            reason = os.strerror(error.errno) if error.errno else str(error)
            name = error.filename or self.temporary
            raise OutputRefusedError(f"can't be created: {name}: {reason}", path) from error

    def take(self) -> None:
        """Take over what was found: if it is not kept, it is removed."""
        atomic.claim(*self._names())

    def settle(self, size: int, header: bytes = b"") -> None:
        """Give the file the size it will have, and refuse one that has another.

        Raises
        ------
        OutputRefusedError
            If what was found has been cut off or added to.
        ReadWriteError
            If the system fails.
        """
        del header
        if not self.found:
            try:
                os.ftruncate(self.fd, size)
            except OSError as error:
                raise read_write_error("writing", self.path, error) from error
        elif (found := os.fstat(self.fd).st_size) != size:
            raise OutputRefusedError(
                f"{self.temporary} has {found} bytes, and the job that left it wrote {size}; "
                "discard it with --resume restart",
                self.path,
            )

    def keep(self) -> None:
        """Close the file and leave it, with its journal, for a later run."""
        atomic.let_go(*self._names())
        self.discard()

    def discard(self) -> None:
        """Close and remove the file and its journal. Harmless after `commit` and `keep`."""
        # Names go first: as soon as the lock is gone, another run may take them.
        atomic.remove_claimed(*self._names())
        super().discard()
        self._unlock()

    def commit(self, expected_bytes: int | None = None) -> bool:
        """Publish the file; see `AtomicFile.commit`. The journal goes last: a stop loses nothing.

        Without its part a journal counts nothing.
        """
        changed = super().commit(expected_bytes)
        self.discard()
        return changed

    def _close(self) -> None:
        if self.publication.may_replace:
            self._keep_mode()
        self._lock_fd = os.dup(self.fd)
        super()._close()

    def _unlock(self) -> None:
        if self._lock_fd >= 0:
            fd, self._lock_fd = self._lock_fd, -1
            os.close(fd)

    def _names(self) -> tuple[str, ...]:
        journal = journal_of(self.path)
        return self.temporary, journal, journal + ".new"

    def _empty(self) -> None:
        """Begin anew. An old journal goes first, for good: it must never speak of new bytes."""
        size = os.fstat(self.fd).st_size
        if size and _has_shards(self.temporary):
            self.keep()
            raise OutputRefusedError(
                f"has shards in {self.temporary}; onebyone merge publishes them, or remove "
                f"{self.temporary}*",
                self.path,
            )
        journals = [name for name in self._names()[1:] if os.path.lexists(name)]
        for name in journals:
            os.unlink(name)
        if journals:
            sync_folder(self.temporary)
        if size:  # ext4 writes a file out on closing that was emptied, even if it was empty
            os.ftruncate(self.fd, 0)

    def _open_locked(self) -> None:
        """Open the file, or make it, so that no other run has it open."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        for _ in range(_ATTEMPTS):
            try:
                self.fd = os.open(self.temporary, flags)
            except FileNotFoundError:
                self.take()  # before it is there: a signal may come at once
                with contextlib.suppress(FileExistsError):
                    self.fd = os.open(self.temporary, flags | os.O_CREAT | os.O_EXCL, 0o666)
            if self.fd >= 0 and self._lock():
                return
            self.keep()  # it is another run's by now, or has got its name: look again
        raise OutputRefusedError("is being written by other runs; try again", self.path)

    def _lock(self) -> bool:
        """Lock the open file; say whether it has its name still, and no other."""
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
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            raise OutputRefusedError(
                f"can't be created: {self.temporary} is in the way, and no file", self.path
            )
        if found.st_nlink > 1:  # published under its own name already, where that takes two steps
            os.unlink(self.temporary)
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.lstat(self.temporary), found)
        return False


class SharedFile(AtomicFile):
    """A part file, ``OUT.part``, that several jobs fill at the same time.

    Whoever comes first makes it under another name, whole but for the numbers, and gives it its
    name when it is ready for others. It is published by whoever finds that all have done their
    part, and never removed here.

    Parameters
    ----------
    path, publication
        As in `AtomicFile`.

    Attributes
    ----------
    found : bool
        Whether another job has made it.

    Raises
    ------
    OutputRefusedError
        If a run that wants the file for itself is writing it, or it can't be created.
    """

    def __init__(self, path: str, publication: Publication) -> None:
        self._part = part_of(path)
        self.found = os.path.exists(self._part)
        if not self.found:
            super().__init__(path, publication)
            return
        if is_left(self._part, journal_of(path)):
            raise OutputRefusedError(
                f"{self._part} is the checkpoint of a run without --shard; go on with that one, "
                f"or remove {self._part}*",
                path,
            )
        self.path, self.publication, self.fd = path, publication, -1
        self._target = os.path.realpath(path)
        self.temporary = ""
        self._open_found()

    def settle(self, size: int, header: bytes = b"") -> None:
        """Let others have the file: what comes before and after the numbers is written.

        Parameters
        ----------
        size : int
            Of the whole file.
        header : bytes
            What comes before the numbers.

        Raises
        ------
        OutputRefusedError
            If the file that was found is of another job.
        ReadWriteError
            If the system fails.
        """
        try:
            if not self.found:
                os.ftruncate(self.fd, size)
                _remove_orphans(self._part)
                with contextlib.suppress(FileExistsError):
                    publish(self.temporary, self._part, force=False)
                    atomic.let_go(self.temporary)
                self.discard()  # closes it; removes it only if another job was quicker
                self._open_found()
            if os.fstat(self.fd).st_size != size or os.pread(self.fd, len(header), 0) != header:
                raise OutputRefusedError(
                    f"{self._part} is of another job; remove it if nobody needs it", self.path
                )
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def _open_found(self) -> None:
        try:
            self.fd = os.open(self._part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OutputRefusedError(
                f"{self._part} can't be opened: {reason}", self.path
            ) from error
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.discard()
            raise OutputRefusedError(
                f"is being written by a run without --shard, which holds {self._part}", self.path
            ) from error
        except OSError:  # a file system without locks
            return


def create_file(path: str, publication: Publication) -> AtomicFile:
    """Create the temporary or part file of an output, as `Publication` asks for."""
    if publication.shared:
        return SharedFile(path, publication)
    if publication.resume is None:
        return AtomicFile(path, publication)
    return PartFile(path, publication)


def part_of(path: str) -> str:
    """Name the part file of an output."""
    folder, name = os.path.split(os.path.realpath(path))
    encoded = os.fsencode(name)
    if len(encoded) > NAME_BYTES:
        import hashlib

        digest = hashlib.sha256(encoded).hexdigest()[:16]
        name = f"{os.fsdecode(encoded[:NAME_BYTES])}-{digest}"
    return os.path.join(folder, name + ".part")


def journal_of(path: str, shard: object = None) -> str:
    """Name the journal that lies beside the part file of an output; see `checkpoint`.

    Every shard has its own, by what it is called: ``2/8`` is ``OUT.part.2-of-8.json``.
    """
    name = "" if shard is None else "." + str(shard).replace("/", "-of-")
    return f"{part_of(path)}{name}.json"


def is_part(path: str) -> bool:
    """Say whether there is a part file, and it is not published under another name as well."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        return stat.S_ISREG(found.st_mode) and found.st_nlink <= 1
    return False


def is_left(part: str, journal: str) -> bool:
    """Say whether an earlier run has left a part file, with a journal to go by."""
    with contextlib.suppress(OSError):
        is_file = stat.S_ISREG(os.lstat(journal).st_mode)
        return is_file and is_part(part) and os.path.getsize(part) > 0
    return False


def _has_shards(part: str) -> bool:
    return bool(_journals_of_shards(part))


def _journals_of_shards(part: str) -> list[str]:
    folder, name = os.path.split(part)
    with os.scandir(folder) as entries:
        return [
            entry.path
            for entry in entries
            if entry.name.startswith(name + ".")
            and entry.name.endswith(".json")
            and entry.name != name + ".json"
        ]


def _remove_orphans(part: str) -> None:
    """Remove what was noted of a part file that is gone: of a new one it would be believed.

    Other jobs may make the new one at this very time, and begin to take notes. What was there
    before the part was seen missing is not theirs.
    """
    found = {}
    for path in (f"{part}.json", *_journals_of_shards(part)):
        with contextlib.suppress(FileNotFoundError):
            found[path] = os.lstat(path).st_mtime_ns
    if os.path.lexists(part):
        return
    for path, changed in found.items():
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(path).st_mtime_ns == changed:
                os.unlink(path)
    if found:
        sync_folder(part)
