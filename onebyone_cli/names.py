"""Parse names of files."""

import os
import re
from collections.abc import Callable

#: Names of standard input.
_STANDARD_INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")

#: Begins an address, as in ``s3://bucket/x.zarr``.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(path: str) -> bool:
    """Return whether a name is an address, as in ``s3://bucket/x.zarr``, and not a path."""
    return _URL.match(path) is not None


def is_standard_input(path: str) -> bool:
    """Return whether a name stands for standard input."""
    return path in _STANDARD_INPUT


def suffix_of(path: str) -> str:
    """Return the suffix of a name in lower case, with its dot; empty if there is none."""
    return os.path.splitext(path)[1].lower()


def split_inner(text: str, holds_several: Callable[[str], bool]) -> tuple[str, str]:
    """Split ``file.h5:/path/to/dataset`` or ``file.npz:member``; the second part may be empty.

    The colon must follow the name of a file for which `holds_several` is true, and no file may have
    the whole name.
    """
    if ":" not in text or os.path.lexists(text):
        return text, ""
    colons = [at for at, letter in enumerate(text) if letter == ":"]
    parts = [(text[:at], text[at + 1 :]) for at in colons if holds_several(text[:at])]
    # Of several splits, the one of an existing file, else the shortest name.
    there = [part for part in parts if os.path.lexists(part[0])]
    return (there or parts or [(text, "")])[0]
