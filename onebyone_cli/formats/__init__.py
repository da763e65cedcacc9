"""The registry of formats.

To add a format, write ``formats/<name>.py`` with a ``FORMAT`` (see `contracts.format.Format`) and
add its name to `NAMES`. Detection of files, help and the conformance tests read this registry.
Format modules import numpy and their third-party library inside functions, so that help stays
quick.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, UsageError, open_error, setting
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.names import suffix_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: In the order of help.
NAMES = ("npy", "hdf5", "tiff", "images", "envi")

_MAGIC_BYTES = 16


def load(name: str) -> Format:
    """Import a format by its name in `NAMES`."""
    module = import_module(f"onebyone_cli.formats.{name}")
    loaded = module.FORMAT
    assert isinstance(loaded, Format)
    return loaded


def all_formats() -> list[Format]:
    """Return every format, in the order of `NAMES`."""
    return list(_each())


def of_input(path: str) -> Format:
    """Return the format of an input: by suffix, else by first bytes, else by the files beside it.

    Raises
    ------
    InputMissingError
        If the input does not exist.
    DataError
        If it is of no format.
    """
    if path == "-":
        return of_streams()
    try:
        os.stat(path)
    except OSError as error:
        raise open_error(path, error) from error
    if os.path.isdir(path):
        return _folder_format(path)
    found = _by_suffix(path)
    if found is None and not os.path.isfile(path):
        return of_streams()  # a named pipe such as /dev/fd/63 has no suffix
    found = found or _by_magic(path) or _first(lambda f: f.claims is not None and f.claims(path))
    if found is None:
        raise DataError(f"has no known suffix; expected {suffix_list()}", path)
    return found


def of_output(path: str, name: str = "") -> tuple[Format, str]:
    """Return the format of an output: by ``--format``, else by the ending of its name.

    Returns
    -------
    format : Format
    kind : str
        A value of ``--format`` within the format, such as ``"png"``; else empty.

    Raises
    ------
    UsageError
        If neither identifies a format.
    """
    if name:
        return _by_name(path, name)
    if path == "-":
        return of_streams(), ""
    found = _by_suffix(path.rstrip("/"))
    if path.endswith("/") or os.path.isdir(path):
        found = found if found is not None and found.folders else _first(lambda f: bool(f.folders))
    elif found is None and not os.path.isfile(path) and os.path.exists(path):
        found = of_streams()  # /dev/null and named pipes
    if found is None:
        raise UsageError(
            f"'{path}' has no known suffix; expected {suffix_list()}, "
            f"a folder name ending in /, or {setting('format')}"
        )
    return found, ""


def _by_name(path: str, name: str) -> tuple[Format, str]:
    """Return the format of a value of ``--format``, and the kind within it."""
    if path.endswith("/") or os.path.isdir(path):
        found = _first(lambda each: name in each.folder_kinds)
        if found is not None:
            return found, name
    for candidate in _each():
        if name == candidate.name:
            return candidate, ""
        if name in candidate.kinds:
            return candidate, name
    raise UsageError(
        f"{setting('format', name)} is unknown; choose from {', '.join(format_names())}"
    )


def of_streams() -> Format:
    """Return the format of standard input, standard output and pipes."""
    found = _first(lambda each: bool(each.streams))
    assert found is not None, "one format takes streams"
    return found


def of_datasets(path: str) -> bool:
    """Return whether ``path:name`` can mean a dataset, by the suffix or first bytes of the file."""
    found = _by_suffix(path)
    if found is None and os.path.isfile(path):
        found = _by_magic(path)
    return found is not None and found.has_datasets


def main_file(path: str) -> str:
    """Return the file with the numbers of an output, for formats of several files."""
    found = _by_suffix(path)
    return path if found is None or found.main_file is None else found.main_file(path)


def suffix_list() -> str:
    """Return all suffixes, for messages and help."""
    return ", ".join(suffix for each in _each() for suffix in each.suffixes)


def format_names() -> list[str]:
    """Return all values of ``--format``, sorted."""
    return sorted({name for each in _each() for name in (each.name, *each.kinds)})


def describe_inputs() -> str:
    """Describe the possible inputs, for help: a sentence without its full stop."""
    known = all_formats()
    files = [each.noun for each in known] + [each.folder for each in known if each.folder]
    text = f"{', '.join(files)}, or - for {of_streams().streams} on standard input"
    return text[0].upper() + text[1:]


def describe_outputs() -> str:
    """Describe how the name of an output selects the format, for help."""
    known = all_formats()
    suffixes = ", ".join(each.new_suffix for each in known if each.new_suffix != "/")
    folders = " or ".join(each.folder for each in known if each.folder)
    return (
        f"The suffix picks the format ({suffixes}, or that of an image); a name that ends in / is "
        f"{folders}; - is {of_streams().streams} on standard output"
    )


def with_storage(option: str) -> str:
    """Return the suffixes of outputs that support a storage option, as in ``".h5"``."""
    return " and ".join(each.new_suffix for each in _each() if option in each.storage)


def _each() -> Iterator[Format]:
    """Import and yield one format after another."""
    return map(load, NAMES)


def _first(fits: Callable[[Format], bool]) -> Format | None:
    return next(filter(fits, _each()), None)


def _by_suffix(path: str) -> Format | None:
    suffix = suffix_of(path)
    return _first(lambda each: suffix in each.suffixes)


def _by_magic(path: str) -> Format | None:
    try:
        with open(path, "rb") as file:
            start = file.read(_MAGIC_BYTES)
    except OSError as error:
        raise open_error(path, error) from error
    return _first(lambda each: bool(each.magic) and start.startswith(each.magic))


def _folder_format(path: str) -> Format:
    found = _first(lambda each: each.folders is not None and each.folders(path))
    if found is None:
        raise DataError("is a folder of no known format", path)
    return found
