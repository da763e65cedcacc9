"""The registry of formats.

To add a format, write ``formats/<name>.py`` with a ``FORMAT`` (see `contracts.format.Format`) and
add its name to `NAMES`. Detection of files, help and the conformance tests read this registry.
Format modules import numpy and their third-party library inside functions, so that help stays
quick.
"""

from __future__ import annotations

import os
import stat
from importlib import import_module
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, UsageError, open_error, setting
from onebyone_cli.file_kinds import LOOK_BYTES, look, look_in_folder
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.names import is_url, suffix_of
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: In the order of help.
NAMES = (
    *("npy", "npz", "safetensors", "hdf5", "netcdf3", "mat", "zarr", "tiff"),
    *("images", "netpbm", "envi", "gdal", "raw"),
)


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
    """Return the format of an input: by its first bytes, else by its suffix.

    A file with the suffix of a format whose numbers have no first bytes is of that format if the
    files beside it say so.

    Raises
    ------
    InputMissingError
        If the input does not exist.
    DataError
        If it is of no format.
    """
    if path == "-":
        return of_streams()
    prefixed = by_prefix(path)
    if prefixed is not None:
        return prefixed
    if is_url(path):
        return of_stores()
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        _check_colon(path)
        raise open_error(path, error) from error
    if stat.S_ISDIR(mode):
        return _folder_format(path)
    named = _by_suffix(path)
    if not stat.S_ISREG(mode):
        return named or of_streams()  # a pipe such as /dev/fd/63 has no suffix
    start = _first_bytes(path)
    found = _by_content(path, start, named) or named
    kind = None if found is not None and found.is_described else look(start)
    if found is None or kind is not None:
        what = f"is {kind.text}" if kind else f"has no known suffix; expected {suffix_list()}"
        raise DataError(what, path)
    return found


def by_prefix(path: str) -> Format | None:
    """Return the format whose inputs have names that begin as this one; None if there is none.

    A file of such a name counts more.
    """
    if os.path.lexists(path):
        return None
    return _first(lambda each: bool(each.prefixes) and path.startswith(each.prefixes))


def misnamed(path: str, found: Format) -> str:
    """Tell that a file is of another format than its suffix says; empty if it is not."""
    if path == "-" or by_prefix(path):
        return ""
    named = _by_suffix(path)
    is_named = named in (None, found) or suffix_of(path) in found.also
    return "" if is_named else f"{path} is {found.noun}, whatever its name"


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
    found = by_prefix(path) or _by_suffix(path.rstrip("/"))
    if path.endswith("/") or os.path.isdir(path):
        found = found if found is not None and found.folders else _first(lambda f: bool(f.folder))
    elif found is None and not os.path.isfile(path) and os.path.exists(path):
        found = of_streams()  # /dev/null and named pipes
    if found is not None and not found.is_written:
        raise UsageError(f"'{path}': {found.noun} can be read, not written; name a .npy file")
    if found is None:
        raise UsageError(
            f"'{path}' has no known suffix; expected {suffix_list(_written())}, "
            f"a folder name ending in /, or {setting('format')}"
        )
    return found, ""


def _by_name(path: str, name: str) -> tuple[Format, str]:
    """Return the format of a value of ``--format``, and the kind within it."""
    if path.endswith("/") or os.path.isdir(path):
        found = _first(lambda each: name in dict(each.folder_kinds))
        if found is not None:
            return found, name
    for candidate in _written():
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


def of_bytes(peek: Callable[[int], bytes]) -> Format:
    """Return the format of a stream by its first bytes; `peek` returns so many of them."""
    known = [each for each in _each() if each.streams]
    start = peek(max(len(magic) for each in known for magic in each.magic))
    return next((each for each in known if start.startswith(each.magic)), known[0])


def of_datasets(path: str) -> bool:
    """Return whether ``path:name`` can mean a dataset, by the first bytes or suffix of the file."""
    found = by_prefix(path) or _by_suffix(path)
    if os.path.isfile(path):
        found = _by_content(path, _first_bytes(path), found) or found
    elif found is None and os.path.isdir(path):
        found = _by_folder(path)
    return found is not None and found.has_datasets


def main_file(path: str) -> str:
    """Return the file with the numbers of an output, for formats of several files."""
    found = _by_suffix(path)
    return path if found is None or found.main_file is None else found.main_file(path)


def suffix_list(of: Iterable[Format] | None = None) -> str:
    """Return the suffixes of some formats, or of all, for messages and help."""
    return ", ".join(suffix for each in of or _each() for suffix in each.suffixes)


def format_names() -> list[str]:
    """Return all values of ``--format``, sorted."""
    return sorted({name for each in _written() for name in (each.name, *each.kinds)})


def describe_inputs() -> str:
    """Describe the possible inputs, for help: a sentence without its full stop."""
    known = all_formats()
    files = ", ".join(map(_shown, filter(lambda each: each.is_described, known)))
    folders = "".join(f", {each.folder}" for each in known if each.folder)
    streams = " or ".join(each.streams for each in known if each.streams)
    return (
        f"A file ({files}; FILE:NAME for one of several arrays){folders}, or - for "
        f"{streams} on standard input"
    )


def _shown(found: Format) -> str:
    """Return what the name of an input of a format begins or ends with."""
    if found.prefixes:
        return found.prefixes[0] + "NAME"
    # A format that is only read is known by the suffix that its files have.
    return (*(found.also if not found.is_written else ()), *found.suffixes)[0]


def describe_outputs() -> str:
    """Describe how the name of an output selects the format, for help."""
    known = list(_written())
    suffixes = ", ".join(each.new_suffix for each in known if each.new_suffix != "/")
    folders = " or ".join(each.folder for each in known if each.folder)
    return (
        f"The suffix picks the format ({suffixes}, or that of an image); a name that ends in / is "
        f"{folders}; - is {of_streams().streams} on standard output"
    )


def with_storage(option: str) -> str:
    """Return the suffixes of outputs that support a storage option, as in ``".h5"``."""
    *names, last = (each.new_suffix for each in _each() if option in each.storage)
    return f"{', '.join(names)} and {last}" if names else last


def with_layouts() -> str:
    """Return the suffixes of outputs whose order of axes can be chosen."""
    *first, last = (each.new_suffix for each in _each() if each.layouts)
    return f"{', '.join(first)} and {last}"


def _each() -> Iterator[Format]:
    """Import and yield one format after another."""
    return map(load, NAMES)


def _written() -> Iterator[Format]:
    """Yield the formats of outputs."""
    return (each for each in _each() if each.is_written)


def _first(fits: Callable[[Format], bool]) -> Format | None:
    return next(filter(fits, _each()), None)


def _by_suffix(path: str) -> Format | None:
    suffix = suffix_of(path)
    found = _first(lambda each: suffix in each.suffixes)
    return found if found is None or found.addresses or not is_url(path) else None


def _first_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LOOK_BYTES)
    except OSError as error:
        raise open_error(path, error) from error


def _by_content(path: str, start: bytes, named: Format | None) -> Format | None:
    """Return the format of a regular file, without its suffix; `named` is the one of that."""
    if named is not None and named.claims is not None and not named.magic and named.claims(path):
        return named
    found = _first(lambda each: bool(each.magic) and start.startswith(each.magic))
    return found or _first(lambda each: each.claims is not None and each.claims(path))


def _check_colon(path: str) -> None:
    """Raise `DataError` if a name that does not exist is ``FILE:NAME`` of a file of one array."""
    at = path.find(":")
    while at > 0:
        if os.path.isfile(path[:at]):
            found = of_input(path[:at])
            raise DataError(
                f"is {found.noun}, which has no datasets; leave out '{printable(path[at:])}'",
                path[:at],
            )
        at = path.find(":", at + 1)


def _by_folder(path: str) -> Format | None:
    return _first(lambda each: each.folders is not None and each.folders(path))


def of_stores() -> Format:
    """Return the format of stores of many files, which is the one that has addresses."""
    found = _first(lambda each: bool(each.addresses))
    assert found is not None, "one format has addresses"
    return found


def _folder_format(path: str) -> Format:
    kind = look_in_folder(path)
    if kind is not None:
        raise DataError(f"is {kind.text}", path)
    found = _by_folder(path)
    if found is None:
        raise DataError("is a folder of no known format", path)
    return found
