"""Temporaries in use, so that the program can remove them however it ends."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from onebyone_cli.errors import OutputRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

_under_way: set[str] = set()

#: Folders made for outputs; empty ones are removed as well.
_made: list[str] = []


_warn: Callable[[str], object] = str  # ignores the text


def warn_with(warn: Callable[[str], None]) -> None:
    """Set the function that receives warnings of files that can't be removed."""
    global _warn  # noqa: PLW0603
    _warn = warn


def discard_all() -> None:
    """Remove all claimed temporaries, and folders that are empty."""
    for path in list(_under_way):
        remove(path)
    while _made:
        with contextlib.suppress(OSError):
            os.rmdir(_made.pop())


def claim(*paths: str) -> None:
    """Let `discard_all` remove these paths until `let_go`."""
    _under_way.update(paths)


def let_go(*paths: str) -> None:
    """Release these paths: they are published, or kept for a later run."""
    _under_way.difference_update(paths)


def is_claimed(path: str) -> bool:
    """Whether a path is claimed."""
    return path in _under_way


def remove_claimed(path: str) -> None:
    """Remove a temporary if it is claimed."""
    if is_claimed(path):
        remove(path)


def remove(path: str) -> None:
    """Remove a file or a folder with its content; warn if it stays.

    No error is raised: the one that led here is reported.
    """
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil

            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        _warn(f"{path} can't be removed: {error.strerror}; remove it")
    let_go(path)


def make_folder(path: str) -> None:
    """Make a folder for several outputs; `discard_all` removes it if it is empty.

    Raises
    ------
    OutputRefusedError
        If it can't be made.
    """
    _made.append(path)  # before it exists: a signal may come at once
    try:
        os.mkdir(path)
    except OSError as error:
        _made.remove(path)
        raise refusal(path, error) from error


def refusal(path: str, error: OSError, name: str = "") -> OutputRefusedError:
    """Return the error of an output that can't be created."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OutputRefusedError(f"can't be created: {name and name + ': '}{reason}", path)
