"""Outputs that appear whole or not at all.

A temporary is made beside the target, filled, checked for its size and renamed. Everything that
is under way is also noted in one place, so that the program can clear it up on its way out,
whatever stopped it.
"""

import contextlib
import errno
import fcntl
import os
import stat

from onebyone_cli.errors import OutputRefusedError, ReadWriteError, read_write_error

_under_way: set[str] = set()

#: Folders made for outputs; those that nothing was published in go as well.
_made: list[str] = []

#: Longest part of the target's name that a temporary repeats: file names end at 255 bytes.
_NAME_BYTES = 180

#: How often a part file is looked for that other runs make and remove at the same time.
_ATTEMPTS = 100

#: The largest buffer of a pipe that Linux gives everybody.
_PIPE_BYTES = 1 << 20

#: Files are compared in pieces of this size.
_BLOCK_BYTES = 1 << 18


def discard_all() -> None:
    """Remove every temporary that was neither published nor discarded, and folders left empty."""
    for path in list(_under_way):
        _remove(path)
    while _made:
        with contextlib.suppress(OSError):
            os.rmdir(_made.pop())


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
    force : bool
        Whether an existing file may be replaced.
    fsync : bool
        Have the bytes on the disk before they are published, and the name after.
    keep_equal : bool
        Leave an existing file of the same bytes as it is, with its time of modification.

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
    _keep_equal = False

    def __init__(
        self, path: str, *, force: bool = False, fsync: bool = False, keep_equal: bool = False
    ) -> None:
        self.path = path
        self.fd = -1
        self._target = os.path.realpath(path)
        self._force = force
        self._fsync = fsync
        self._keep_equal = keep_equal
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
            if self._keep_equal and _have_same_bytes(self.temporary, self._target):
                if self._fsync:
                    _sync_file(self._target)
                self.discard()
                return False
            if self._fsync:
                os.fsync(self.fd)
            self._close()
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
        return True

    def discard(self) -> None:
        """Close and remove the temporary. Harmless after `commit`."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            # The file goes away: an error on closing it has nothing left to spoil.
            with contextlib.suppress(OSError):
                os.close(fd)
        if self.temporary in _under_way:
            _remove(self.temporary)

    def _close(self) -> None:
        """Close the file: some systems tell only now that it could not be written."""
        fd, self.fd = self.fd, -1
        os.close(fd)

    def _keep_mode(self, more: int = 0) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(self.fd, stat.S_IMODE(os.stat(self._target).st_mode) | more)


class PartFile(AtomicFile):
    """A file under a name of its own, ``OUT.part``, which a later run finds again.

    The file is locked from the moment it is opened until it has its own name or none at all. What
    an earlier run has left stays, whatever happens, until somebody takes it over.

    Parameters
    ----------
    path, force, fsync, keep_equal
        As in `AtomicFile`.
    fresh : bool
        Whether to begin anew even if there is one.

    Attributes
    ----------
    found : bool
        Whether an earlier run has left it, with a journal to go by.

    Raises
    ------
    OutputRefusedError
        If another run is writing it, or it can't be created.
    """

    def __init__(
        self,
        path: str,
        *,
        force: bool = False,
        fsync: bool = False,
        keep_equal: bool = False,
        fresh: bool = False,
    ) -> None:
        self.path = path
        self.fd = self._lock_fd = -1
        self._target = os.path.realpath(path)
        self._force = force
        self._fsync = fsync
        self._keep_equal = keep_equal
        self.temporary = part_of(path)
        try:
            self._open_locked()
            self.found = not fresh and is_left(self.temporary, journal_of(path))
            if not self.found:
                self.take()
                self._empty()
            if force:
                self._keep_mode(stat.S_IRUSR | stat.S_IWUSR)  # a later run has to open it
        except BaseException as error:
            self.discard()
            if not isinstance(error, OSError):
                raise
            reason = os.strerror(error.errno) if error.errno else str(error)
            name = error.filename or self.temporary
            raise OutputRefusedError(f"can't be created: {name}: {reason}", path) from error

    def take(self) -> None:
        """Take over what was found: if it is not kept, it is removed."""
        _under_way.update(self._names())

    def settle(self, size: int) -> None:
        """Give the file the size it will have, and refuse one that has another.

        Raises
        ------
        OutputRefusedError
            If what was found has been cut off or added to.
        ReadWriteError
            If the system fails.
        """
        if not self.found:
            try:
                os.ftruncate(self.fd, size)
            except OSError as error:
                raise read_write_error("writing", self.path, error) from error
        elif (found := os.fstat(self.fd).st_size) != size:
            raise OutputRefusedError(
                f"{self.temporary} has {found} bytes, and the job that left it wrote {size}; "
                "discard it with --restart",
                self.path,
            )

    def keep(self) -> None:
        """Close the file and leave it, with its journal, for a later run."""
        _under_way.difference_update(self._names())
        self.discard()

    def discard(self) -> None:
        """Close and remove the file and its journal. Harmless after `commit` and `keep`."""
        # Names go first: as soon as the lock is gone, another run may take them.
        for name in _under_way.intersection(self._names()):
            _remove(name)
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
        if self._force:
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
    path, force, fsync
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

    def __init__(self, path: str, *, force: bool = False, fsync: bool = False) -> None:
        self._part = part_of(path)
        self.found = os.path.exists(self._part)
        if not self.found:
            super().__init__(path, force=force, fsync=fsync)
            return
        if is_left(self._part, journal_of(path)):
            raise OutputRefusedError(
                f"{self._part} is the checkpoint of a run without --shard; go on with that one, "
                f"or remove {self._part}*",
                path,
            )
        self.path, self.fd = path, -1
        self._target, self._force, self._fsync = os.path.realpath(path), force, fsync
        self.temporary = ""
        self._open_found()

    def share(self, size: int, header: bytes) -> None:
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
                    _under_way.discard(self.temporary)
                self.discard()  # closes it; removes it only if another job was quicker
                self._open_found()
            if os.fstat(self.fd).st_size != size or os.pread(self.fd, len(header), 0) != header:
                raise OutputRefusedError(
                    f"{self._part} is of another job; remove it if nobody needs it", self.path
                )
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def sync(self) -> None:
        """Have what was written on the disk, where the machine that publishes it will find it."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def keep(self) -> None:
        """Close the file."""
        self.discard()

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


def create_file(
    path: str,
    *,
    force: bool = False,
    fsync: bool = False,
    keep_equal: bool = False,
    resume: bool | None = None,
    shared: bool = False,
) -> AtomicFile:
    """Create the temporary of an output.

    Parameters
    ----------
    path, force, fsync, keep_equal
        As in `AtomicFile`.
    resume : bool or None
        None for a nameless temporary; else a `PartFile`, begun anew if it is False.
    shared : bool
        A `SharedFile` instead.
    """
    if shared:
        return SharedFile(path, force=force, fsync=fsync)
    if resume is None:
        return AtomicFile(path, force=force, fsync=fsync, keep_equal=keep_equal)
    return PartFile(path, force=force, fsync=fsync, keep_equal=keep_equal, fresh=not resume)


def write_file(
    path: str,
    data: bytes,
    *,
    force: bool = False,
    fsync: bool = False,
    keep_equal: bool = False,
) -> bool:
    """Write and publish a small file at once.

    Parameters
    ----------
    path, force, fsync, keep_equal
        As in `AtomicFile`.
    data : bytes
        Its content.

    Returns
    -------
    bool
        Whether anything has changed, as `AtomicFile.commit` says.
    """
    file = AtomicFile(path, force=force, fsync=fsync, keep_equal=keep_equal)
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
    force : bool
        Whether an existing folder may be replaced.
    fsync : bool
        Have the files on the disk before they are published.
    keep_equal : bool
        Leave an existing folder of the same names and bytes as it is.

    Attributes
    ----------
    temporary : str
        Path of the folder to fill.
    """

    def __init__(
        self, path: str, *, force: bool = False, fsync: bool = False, keep_equal: bool = False
    ) -> None:
        self.path = path
        self._target = os.path.realpath(path)
        self._force = force
        self._fsync = fsync
        self._keep_equal = keep_equal
        self.temporary = temporary_beside(self._target)
        _under_way.add(self.temporary)
        try:
            os.mkdir(self.temporary)
        except OSError as error:
            _under_way.discard(self.temporary)
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
            if self._keep_equal and _have_same_files(self.temporary, self._target):
                if self._fsync:
                    _sync_files(self._target)
                self.discard()
                return False
            if self._fsync:
                _sync_files(self.temporary)
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
        return True

    def discard(self) -> None:
        """Remove the temporary folder. Harmless after `commit`."""
        if self.temporary in _under_way:
            _remove(self.temporary)


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


def enlarge_pipe(fd: int) -> None:
    """Ask for the largest buffer of a pipe, if it is one: fewer turns of the two programs.

    1 GiB from ``cat`` takes a third of the time that it takes through the usual 64 KiB.
    """
    with contextlib.suppress(OSError, AttributeError):  # no pipe; a limit of the user; no Linux
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def wait_until_ready(fd: int, *, writing: bool = False) -> None:
    """Wait for a pipe that somebody has set not to wait by itself."""
    import select

    # poll, since select fails for descriptors of 1024 and more.
    waiting = select.poll()
    waiting.register(fd, select.POLLOUT if writing else select.POLLIN)
    waiting.poll()


def part_of(path: str) -> str:
    """Name the part file of an output."""
    folder, name = os.path.split(os.path.realpath(path))
    encoded = os.fsencode(name)
    if len(encoded) > _NAME_BYTES:
        import hashlib

        digest = hashlib.sha256(encoded).hexdigest()[:16]
        name = f"{os.fsdecode(encoded[:_NAME_BYTES])}-{digest}"
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
    if not force and _rename_new(temporary, target):
        return
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


def _rename_new(one: str, two: str) -> bool:
    """Rename in one step, only if the new name is free; see `_renameat2`."""
    return _renameat2(one, two, 1)  # RENAME_NOREPLACE


def _exchange(one: str, two: str) -> bool:
    """Exchange two names in one step; see `_renameat2`."""
    return _renameat2(one, two, 2)  # RENAME_EXCHANGE


def _renameat2(one: str, two: str, flags: int) -> bool:
    """Rename as Linux can; False where system or file system can't, and nothing was done."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here = -100  # AT_FDCWD
    if renameat2(here, os.fsencode(one), here, os.fsencode(two), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), two)


def _have_same_bytes(one: str, two: str) -> bool:
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
    return all(_have_same_bytes(os.path.join(one, name), os.path.join(two, name)) for name in names)


def _sync_files(folder: str) -> None:
    """Have all files of a folder on the disk."""
    for name in os.listdir(folder):
        _sync_file(os.path.join(folder, name))


def _sync_file(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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
