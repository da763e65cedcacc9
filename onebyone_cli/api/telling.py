"""Tell programs what was found in files: warnings of Python, and messages of its logging."""

import logging
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from onebyone_cli.errors import OneByOneWarning, spelled

_WARNING = "warning: "
_PACKAGE = str(Path(__file__).parents[1])


def tell(text: str) -> None:
    """Give a warning, or log what is no warning at the level INFO."""
    line = spelled(text)
    if line.startswith(_WARNING):
        message = line.removeprefix(_WARNING)
        warnings.warn(message, OneByOneWarning, stacklevel=_frames_of_package())
    else:
        logging.getLogger("onebyone_cli").info(line)


def tell_all(texts: Iterable[str]) -> None:
    """Tell several lines."""
    for text in texts:
        tell(text)


def _frames_of_package() -> int:
    """Return the ``stacklevel`` with which `tell` points at the line of the user."""
    depth = 1
    while sys._getframe(depth).f_code.co_filename.startswith(_PACKAGE):
        depth += 1
        if sys._getframe(depth).f_back is None:
            break
    return depth
