"""The registry of formats: a name here, a file beside this one, and the rest follows.

To add a format, write ``formats/<name>.py`` with a ``FORMAT`` (see `base.Format`) and add its name
to `NAMES`. Suffix detection, help and the conformance tests read this registry. Format modules
import numpy and their third-party library inside functions, so that help stays quick.
"""

from __future__ import annotations

import os
from importlib import import_module

from onebyone_cli.errors import DataError, UsageError, open_error
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.names import suffix_of

#: In the order in which help lists them.
NAMES = ("npy", "hdf5", "images")


def load(name: str) -> Format:
    """Import one format by its name in `NAMES`."""
    module = import_module(f"onebyone_cli.formats.{name}")
    loaded = module.FORMAT
    assert isinstance(loaded, Format)
    return loaded


def all_formats() -> list[Format]:
    """Every format, in the order of `NAMES`."""
    return [load(name) for name in NAMES]


def of_input(path: str) -> Format:
    """Find the format of an input by its name, or by being a folder.

    Raises
    ------
    InputMissingError
        If nothing of that name is there.
    DataError
        If no format has its suffix.
    """
    if path == "-":
        return load("npy")
    try:
        os.stat(path)
    except OSError as error:
        raise open_error(path, error) from error
    if os.path.isdir(path):
        return load("images")
    found = _by_suffix(path)
    if found is None and not os.path.isfile(path):
        # A named pipe such as /dev/fd/63 has no suffix to go by.
        return load("npy")
    if found is None:
        raise DataError(f"has no suffix that is known here; expected {suffix_list()}", path)
    return found


def of_output(path: str, name: str = "") -> tuple[Format, str]:
    """Find the format of an output by ``--format``, or by the ending of its name.

    Returns
    -------
    format : Format
        The format.
    kind : str
        What ``--format`` named within it, such as ``"png"`` among the images; else empty.

    Raises
    ------
    UsageError
        If neither says.
    """
    if name:
        for candidate in all_formats():
            if name == candidate.name:
                return candidate, ""
            if name in candidate.kinds:
                return candidate, name
        known = sorted({n for f in all_formats() for n in (f.name, *f.kinds)})
        raise UsageError(f"--format {name} is unknown; choose from {', '.join(known)}")
    if path == "-":
        return load("npy"), ""
    if path.endswith("/") or os.path.isdir(path):
        return load("images"), ""
    found = _by_suffix(path)
    if found is None and not os.path.isfile(path) and os.path.exists(path):
        return load("npy"), ""  # /dev/null and named pipes
    if found is None:
        raise UsageError(
            f"'{path}' has no suffix that says its format; expected {suffix_list()}, "
            "a folder name ending in /, or --format"
        )
    return found, ""


def suffix_list() -> str:
    """All suffixes, for messages and help."""
    return ", ".join(suffix for f in all_formats() for suffix in f.suffixes)


def _by_suffix(path: str) -> Format | None:
    suffix = suffix_of(path)
    # One at a time: a format that is not asked for is not imported.
    return next((f for f in map(load, NAMES) if suffix in f.suffixes), None)
