"""Open files that earlier runs left, and refuse those that another user could have made."""

from __future__ import annotations

import os
import stat

from onebyone_cli.errors import OutputRefusedError
from onebyone_cli.system.rename import temporary_beside

#: Refuse a link in place of the file, and do not wait for the other end of a pipe.
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_owned(name: str, flags: int = os.O_RDONLY) -> int:
    """Open a regular file of this user with a single name; return its descriptor.

    Parameters
    ----------
    name : str
    flags : int
        As for `os.open`.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    OutputRefusedError
        If it is anything else, belongs to another user or can't be opened.
    """
    try:
        fd = os.open(name, flags | _FLAGS, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        kind = _kind_of(name)
        found = f"is {kind}" if kind else f"can't be opened: {os.strerror(error.errno or 0)}"
        raise _refusal(name, found) from error
    try:
        _check_owned(os.fstat(fd), name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_owned(name: str, limit: int) -> bytes:
    """Read a small file of this user.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    OutputRefusedError
        As `open_owned`, or if it has more than `limit` bytes.
    """
    with open(open_owned(name), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _refusal(name, f"has more than {limit} bytes")
    return content


def _check_owned(found: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refusal(name, "is not a regular file")
    if found.st_uid != os.geteuid() and not _is_uid_of_ours(found.st_uid, name):
        raise _refusal(name, f"belongs to {_user(found.st_uid)}")
    if found.st_nlink > 1:
        raise _refusal(name, "is the second name of another file")


def default_mode() -> int:
    """Return the permissions of a new file."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _is_uid_of_ours(uid: int, name: str) -> bool:
    """Whether the file system gives this owner to our files, as some network mounts do."""
    probe = temporary_beside(name)
    try:
        fd = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _FLAGS, 0o600)
    except OSError:
        return False
    try:
        return os.fstat(fd).st_uid == uid
    finally:
        os.close(fd)
        os.unlink(probe)


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _kind_of(name: str) -> str:
    try:
        mode = os.lstat(name).st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "" if stat.S_ISREG(mode) else "no regular file"


def _refusal(name: str, found: str) -> OutputRefusedError:
    return OutputRefusedError(f"{found}; remove it or write somewhere else", name)
