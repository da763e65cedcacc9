"""Find a dataset without leaving the file.

Every link is examined before it is followed: a link to another file could read what the user did
not name.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError, PolicyError
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.search import search
from onebyone_cli.system.hdf5 import follow, name_parts, name_text
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Source

#: Most candidates in a message.
_MAX_LISTED = 10


def find_dataset(root: Any, source: Source) -> tuple[str, Any, tuple[str, ...]]:
    """Open the dataset that `source` names, or the only candidate below the root group.

    Returns
    -------
    name : str
        Path of the dataset in the file, with a leading slash.
    dataset : h5py.h5d.DatasetID
    notes : tuple of str
        What could hold numbers as well and was passed over, if `source` names no dataset.

    Raises
    ------
    DataError
        If the name does not exist, or there is not exactly one candidate; lists up to ten. A mask
        or quality layer is no candidate where anything was passed over.
    PolicyError
        If a link on the way leads to another file.
    """
    h5py = load_h5py()
    name, notes = (source.inner, ()) if source.inner else _only_candidate(root, source)
    found = follow(root, name, source.path)
    if isinstance(found, h5py.h5d.DatasetID):
        return name_text(b"/" + b"/".join(name_parts(name))), found, notes
    shown = printable(name)
    what = f"has no dataset '{shown}'"
    if found is not None:
        what = f"'{shown}' is {'a group' if isinstance(found, h5py.h5g.GroupID) else 'a type'}"
    names: list[str] = []
    # A failure to list candidates must not hide the error.
    with suppress(DataError):
        names = list(search(root, source.path).datasets)
    raise DataError(f"{what}; {_choices(names, source)}", source.path)


def open_object(root: Any, name: str) -> Any:
    """Open the object of a name; None if there is none, or it can't be opened without a link."""
    with suppress(DataError, PolicyError, OSError, RuntimeError, LookupError, ValueError):
        return follow(root, name, "")
    return None


def _only_candidate(root: Any, source: Source) -> tuple[str, tuple[str, ...]]:
    found = search(root, source.path)
    names, passed_over = list(found.datasets), found.passed_over
    if found.only:
        note = f"{printable(found.only)} of {source.path} is read; the file also has {passed_over}"
        return found.only, (note,) if passed_over else ()
    if len(names) > 1:
        more = f"; it also has {passed_over}" if passed_over else ""
        what = f"has {len(names)} datasets it could be; {_choices(names, source)}{more}"
        raise DataError(what, source.path)
    what = "has no dataset to read"
    if names:
        what = (
            f"has no dataset to read but {printable(names[0])}, a mask or quality layer by its name"
        )
    if not passed_over:
        raise DataError(f"{what}; {_choices(names, source)}", source.path)
    files = list(dict.fromkeys(printable(link.file) for link in found.links))
    advice = [f"name {' or '.join(files[:2])}"] if files else []
    advice += [f"{source.path}:{printable(name)} to read that" for name in names]
    end = f"; {', or '.join(advice)}" if advice else ""
    raise DataError(f"{what}; it has {passed_over}{end}", source.path)


def _choices(names: list[str], source: Source) -> str:
    if not names:
        return "expected a dataset of numbers with two or more axes"
    listed = ", ".join(printable(name) for name in names[:_MAX_LISTED])
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"name one of {listed}{more}, as in {source.path}:{printable(names[0])}"
