"""Find a dataset without leaving the file.

Every link is examined before it is followed: a link to another file could read what the user did
not name.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError, PolicyError
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.header import is_bool
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.contracts.reader import Source

#: Most soft links in a row, as in HDF5.
_MAX_HOPS = 16

#: Limits of a search: a file of millions of objects must cost seconds, not hours.
_MAX_OBJECTS = 10_000
_MAX_DEPTH = 64

#: Most candidates in a message.
_MAX_LISTED = 10


def find_dataset(root: Any, source: Source) -> tuple[str, Any]:
    """Open the dataset that `source` names, or the only candidate below the root group.

    Returns
    -------
    name : str
        Path of the dataset in the file, with a leading slash.
    dataset : h5py.h5d.DatasetID

    Raises
    ------
    DataError
        If the name does not exist, or there is not exactly one candidate; lists up to ten.
    PolicyError
        If a link on the way leads to another file.
    """
    h5py = load_h5py()
    name = source.inner or _only_candidate(root, source)
    found = _follow(root, name, source.path)
    if isinstance(found, h5py.h5d.DatasetID):
        return _text(b"/" + b"/".join(_parts(name))), found
    shown = printable(name)
    what = f"has no dataset '{shown}'"
    if found is not None:
        what = f"'{shown}' is {'a group' if isinstance(found, h5py.h5g.GroupID) else 'a type'}"
    names: list[str] = []
    # A failure to list candidates must not hide the error.
    with suppress(DataError):
        names = sorted(candidates(root, source))
    raise DataError(f"{what}; {_choices(names, source)}", source.path)


def _only_candidate(root: Any, source: Source) -> str:
    names = sorted(candidates(root, source))
    if len(names) == 1:
        return names[0]
    found = f"has {len(names)} datasets it could be" if names else "has no dataset to read"
    raise DataError(f"{found}; {_choices(names, source)}", source.path)


def _choices(names: list[str], source: Source) -> str:
    if not names:
        return "expected a dataset of numbers with two or more axes"
    listed = ", ".join(printable(name) for name in names[:_MAX_LISTED])
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"name one of {listed}{more}, as in {source.path}:{printable(names[0])}"


def _follow(root: Any, name: str, path: str) -> Any:
    """Open the object at `name`; None if there is none."""
    h5py = load_h5py()
    todo, node, hops = _parts(name), root, 0
    while todo:
        part = todo.pop(0)
        if not isinstance(node, h5py.h5g.GroupID) or not node.links.exists(part):
            return None
        kind = node.links.get_info(part).type
        if kind == h5py.h5l.TYPE_HARD:
            node = h5py.h5o.open(node, part)
        elif kind == h5py.h5l.TYPE_SOFT:
            hops += 1
            if hops > _MAX_HOPS:
                raise DataError(f"'{printable(name)}' is a circular soft link", path)
            value = _text(node.links.get_val(part))
            node = root if value.startswith("/") else node
            todo[:0] = _parts(value)
        else:
            raise PolicyError(
                f"'{printable(_text(part))}' is a link to another file, which is not followed; "
                "name that file, or copy the dataset into this one",
                path,
            )
    return node


def _parts(name: str) -> list[bytes]:
    raw = name.encode("utf-8", "surrogateescape")
    return [part for part in raw.split(b"/") if part not in (b"", b".")]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def candidates(root: Any, source: Source) -> Iterator[str]:
    """Yield the names of datasets that can be a stack: numbers, two or more axes.

    Soft links are skipped: hard links lead to the same objects. Hard links can be circular, so
    groups are identified by their address.

    Raises `DataError` if there are too many objects to search.
    """
    h5py = load_h5py()
    seen = {_address(h5py.h5o.get_info(root))}
    todo = [(b"", 0)]
    while todo:
        prefix, depth = todo.pop()
        group = h5py.h5o.open(root, prefix) if prefix else root
        for name in _links(group):
            full = prefix + b"/" + name
            info = _object_info(group, name)
            if info is None or _address(info) in seen:
                continue
            seen.add(_address(info))
            if len(seen) > _MAX_OBJECTS or depth > _MAX_DEPTH:
                raise DataError(
                    f"has too many groups to search (over {_MAX_OBJECTS} objects or "
                    f"{_MAX_DEPTH} levels); name the dataset, as in {source.path}:/group/name",
                    source.path,
                )
            if info.type == h5py.h5o.TYPE_GROUP:
                todo.append((full, depth + 1))
            elif info.type == h5py.h5o.TYPE_DATASET and _is_candidate(group, name):
                yield _text(full)


def _links(group: Any) -> list[bytes]:
    names: list[bytes] = []

    def take(name: bytes) -> bool | None:
        names.append(name)
        # Any value but None ends the iteration.
        return True if len(names) > _MAX_OBJECTS else None

    group.links.iterate(take)
    return names


def _object_info(group: Any, name: bytes) -> Any:
    """Return information on the target of a hard link; None for other links and broken objects."""
    h5py = load_h5py()
    try:
        if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            return None
        return h5py.h5o.get_info(group, name)
    except (OSError, RuntimeError, LookupError, ValueError):
        return None


def _address(info: Any) -> tuple[int, int]:
    return info.fileno, info.addr


def _is_candidate(group: Any, name: bytes) -> bool:
    h5py = load_h5py()
    try:
        dataset = h5py.h5d.open(group, name)
        kind = dataset.get_type()
        is_number = kind.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or is_bool(kind)
        return is_number and dataset.rank >= 2
    except (OSError, RuntimeError, LookupError, ValueError, TypeError):
        return False
