"""What is under way, so that the program can remove it on its way out, whatever stopped it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from onebyone_cli.errors import OutputRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

_under_way: set[str] = set()

#: Folders made for outputs; those that nothing was published in are removed as well.
_made: list[str] = []


def _say_nothing(text: str) -> None:
    """Stand in for `_warn` where no face of the program has chosen one."""


_warn: Callable[[str], None] = _say_nothing


def warn_with(warn: Callable[[str], None]) -> None:
    """Choose what is done with the line that says what could not be removed."""
    global _warn  # noqa: PLW0603
    _warn = warn


def discard_all() -> None:
    """Remove every temporary that was neither published nor discarded, and folders left empty."""
    for path in list(_under_way):
        remove(path)
    while _made:
        with contextlib.suppress(OSError):
            os.rmdir(_made.pop())


def claim(*paths: str) -> None:
    """Have `discard_all` remove these, unless they are let go."""
    _under_way.update(paths)


def let_go(*paths: str) -> None:
    """Leave these as they are: they are published, or for others to find."""
    _under_way.difference_update(paths)


def is_claimed(path: str) -> bool:
    """Whether this run is to remove it, unless it is let go."""
    return path in _under_way


def remove_claimed(path: str) -> None:
    """Remove a temporary if it is claimed."""
    if is_claimed(path):
        remove(path)


def remove(path: str) -> None:
    """Remove a file, or a folder with all that is in it, and warn if it stays.

    There is no error: the one that led here is the one to report.
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
        raise refusal(path, error) from error


def refusal(path: str, error: OSError, name: str = "") -> OutputRefusedError:
    """Make the error of an output that can't be created."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OutputRefusedError(f"can't be created: {name and name + ': '}{reason}", path)
