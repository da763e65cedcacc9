"""Names of files, as users write them."""

import os
from collections.abc import Collection


def suffix_of(path: str) -> str:
    """Return the suffix of a name in lower case, with its dot; empty if there is none."""
    return os.path.splitext(path)[1].lower()


def split_inner(text: str, suffixes: Collection[str]) -> tuple[str, str]:
    """Split ``file.h5:/path/to/dataset`` or ``file.npz:member``.

    The colon must follow one of `suffixes`, and no file may have the whole name.

    Parameters
    ----------
    text : str
        As the user wrote it.
    suffixes : collection of str
        Of files that hold several arrays, lower case, with the dot.

    Returns
    -------
    path, inner : str
        `inner` is empty where no array is named.
    """
    if ":" not in text or os.path.lexists(text):
        return text, ""
    colons = [at for at, letter in enumerate(text) if letter == ":"]
    parts = [(text[:at], text[at + 1 :]) for at in colons if suffix_of(text[:at]) in suffixes]
    # Of several readings, the one of a file that is there, else the shortest name.
    there = [part for part in parts if os.path.lexists(part[0])]
    return (there or parts or [(text, "")])[0]
