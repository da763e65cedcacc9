"""Rename finished files to their names."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit.temporaries import claim, let_go, remove
from onebyone_cli.errors import (
    OneByOneError,
    OutputRefusedError,
    ReadWriteError,
    read_write_error,
    setting,
)
from onebyone_cli.system.pipes import write_all
from onebyone_cli.system.rename import publish, sync_folder, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from onebyone_cli.commit.publication import Publication

_BLOCK_BYTES = 1 << 18


class Sidecar(NamedTuple):
    """A small file in the folder of an output that is published with it, such as a header."""

    path: str
    content: str


def sidecar_beside(path: str, name: str, content: str) -> Sidecar:
    """Return a sidecar of that name in the folder of an output."""
    return Sidecar(os.path.join(os.path.dirname(path), os.path.basename(name)), content)


def sidecar_of(extra: Mapping[str, Any], path: str) -> Sidecar | None:
    """Return the sidecar that a journal describes; see `noted_of`."""
    match extra.get("sidecar"):
        case [str(name), str(content)]:
            return sidecar_beside(path, name, content)
    return None


def noted_of(fd: int, sidecar: Sidecar | None) -> dict[str, Any]:
    """Describe a finished file, for the job that publishes it, as JSON values."""
    found = os.fstat(fd)
    noted = {"size": found.st_size, "inode": found.st_ino}
    return noted if sidecar is None else {**noted, "sidecar": list(sidecar)}


def write_sidecar(sidecar: Sidecar) -> None:
    """Write a missing sidecar."""
    new = temporary_beside(os.path.realpath(sidecar.path))
    claim(new)
    try:
        _write_new(new, sidecar.content.encode(), sidecar.path, fsync=True)
        publish(new, os.path.realpath(sidecar.path), force=False)
    finally:
        remove(new)


@contextmanager
def reporting(path: str) -> Iterator[None]:
    """Report system errors of publishing an output."""
    try:
        yield
    except OneByOneError:
        raise
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise read_write_error("writing", path, error) from error
        message = f"has appeared while this was running; use {setting('force')} to replace it"
        raise OutputRefusedError(message, path) from error


def publish_file(
    fd: int,
    temporary: str,
    target: str,
    publication: Publication,
    *,
    path: str,
    size: int | None = None,
    sidecar: Sidecar | None = None,
) -> bool:
    """Close a finished file and rename it; a sidecar is published with it, or neither is.

    Parameters
    ----------
    fd, temporary : int, str
        Its descriptor, closed in any case, and its present name.
    target, path : str
        Its new name, with links resolved; the output as the user wrote it.
    publication : Publication
    size : int, optional
        Expected size in bytes.
    sidecar : Sidecar, optional

    Returns
    -------
    bool
        False if an equal output was kept; then the temporary is removed.

    Raises
    ------
    ReadWriteError
        If the size differs, or the system fails. The old output, if any, is untouched.
    OutputRefusedError
        If the output has appeared in the meantime and may not be replaced.
    """
    with reporting(path):
        with ExitStack() as opened:
            opened.callback(os.close, fd)  # some systems report write errors only then
            found = os.fstat(fd).st_size
            if size is not None and found != size:
                raise ReadWriteError(
                    f"has {found} bytes after writing and should have {size}", path
                )
            is_equal = publication.if_changed and _is_published(temporary, target, sidecar)
            if publication.fsync and not is_equal:
                os.fsync(fd)
        if is_equal:
            if publication.fsync:
                sync_file(target)
            remove(temporary)
            return False
        if sidecar is None:
            publish(temporary, target, force=publication.may_replace)
        else:
            _publish_pair(temporary, target, sidecar, publication)
        if publication.fsync:
            sync_folder(target)
    return True


def _is_published(temporary: str, target: str, sidecar: Sidecar | None) -> bool:
    return have_same_bytes(temporary, target) and (sidecar is None or _holds(sidecar))


def _publish_pair(temporary: str, target: str, sidecar: Sidecar, publication: Publication) -> None:
    """Publish data and sidecar, so that no sidecar is ever beside data of another output.

    The old sidecar is moved away first, then the data are renamed, then the sidecar. A run killed
    in between leaves data without a sidecar; an error or a signal undoes all steps.
    """
    header = os.path.realpath(sidecar.path)
    new, old_header, old_data = (temporary_beside(each) for each in (header, header, target))
    is_forced = publication.may_replace
    claim(new)
    try:
        _write_new(new, sidecar.content.encode(), sidecar.path, fsync=publication.fsync)
        with ExitStack() as undo:
            # Registered before it is done: a signal may come at once.
            if is_forced and os.path.lexists(header):
                undo.callback(_move_back, old_header, header)
                os.rename(header, old_header)
            if is_forced and os.path.lexists(target):
                undo.callback(_move_back, old_data, target)
                _keep_as(target, old_data)
            else:
                undo.callback(_take_back, os.lstat(temporary), target, temporary)
            publish(temporary, target, force=is_forced)
            undo.callback(_take_back, os.lstat(new), header, new)
            publish(new, header, force=is_forced)
            undo.pop_all()
    finally:
        remove(new)
    for each in (old_header, old_data):
        remove(each)


def _keep_as(target: str, other: str) -> None:
    try:
        os.link(target, other, follow_symlinks=False)
    except OSError:  # a file system without hard links
        os.rename(target, other)


def _move_back(aside: str, name: str) -> None:
    if os.path.lexists(aside):
        os.replace(aside, name)
    if os.path.lexists(aside):  # two names of one file: renaming removes neither
        os.unlink(aside)


def _take_back(found: os.stat_result, target: str, temporary: str) -> None:
    if os.path.lexists(target) and os.path.samestat(os.lstat(target), found):
        _move_back(target, temporary)


def _write_new(path: str, content: bytes, name: str, *, fsync: bool) -> None:
    """Write a small file that must not exist; `name` is for messages."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o666)
    try:
        write_all(fd, memoryview(content), name)
        if fsync:
            os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: str, new: str, content: bytes) -> None:
    """Replace a small file atomically, or a link in its place; `new` is a temporary name."""
    claim(new)
    try:
        _write_new(new, content, path, fsync=True)
        os.replace(new, path)
        let_go(new)
    except BaseException:
        remove(new)
        raise


def have_same_bytes(one: str, two: str) -> bool:
    """Whether two files hold the same bytes; False if one is missing or can't be read."""
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


def _holds(sidecar: Sidecar) -> bool:
    content = sidecar.content.encode()
    try:
        with open(sidecar.path, "rb") as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False


def sync_file(path: str) -> None:
    """Flush a file to disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
