"""Find the dataset that is meant, without leaving the file.

Every link on the way is looked at before it is followed: one that leads into another file would
make this program read what it was not asked to read.
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

#: Soft links that HDF5 itself would follow one after another.
_MAX_HOPS = 16

#: A search ends here, so that a file of millions of objects costs seconds, not hours.
_MAX_OBJECTS = 10_000
_MAX_DEPTH = 64

#: Candidates that a message lists.
_MAX_LISTED = 10


def find_dataset(root: Any, source: Source) -> tuple[str, Any]:
    """Open the dataset that `source` names, or the only one that can be meant.

    Parameters
    ----------
    root : h5py.h5g.GroupID
        Root group of the file.
    source : Source
        Its `inner` is the name, with or without a slash in front, or empty.

    Returns
    -------
    name : str
        The dataset's path in the file, with a slash in front.
    dataset : h5py.h5d.DatasetID
        The dataset.

    Raises
    ------
    DataError
        If there is none of that name, or no or more than one candidate; up to ten are listed.
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
    # A list would help, but that it can't be made is not what is wrong.
    with suppress(DataError):
        names = sorted(candidates(root, source))
    raise DataError(f"{what}; {_choices(names, source)}", source.path)


def _only_candidate(root: Any, source: Source) -> str:
    names = sorted(candidates(root, source))
    if len(names) == 1:
        return names[0]
    found = f"has {len(names)} datasets it could be" if names else "has nothing to read"
    raise DataError(f"{found}; {_choices(names, source)}", source.path)


def _choices(names: list[str], source: Source) -> str:
    if not names:
        return "expected a dataset of numbers with two or more axes"
    listed = ", ".join(printable(name) for name in names[:_MAX_LISTED])
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"name one of {listed}{more}, as in {source.path}:{printable(names[0])}"


def _follow(root: Any, name: str, path: str) -> Any:
    """Open what `name` leads to; None if it leads nowhere."""
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
                raise DataError(f"'{printable(name)}' is a soft link that goes in a circle", path)
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
    """Names of the datasets that could be a stack: numbers, two or more axes.

    Only hard links are followed: a soft link leads to what is found anyway. Groups are known by
    their address, since hard links can make circles.

    Raises
    ------
    DataError
        If there are too many objects to search.
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
        # Anything but None ends the iteration.
        return True if len(names) > _MAX_OBJECTS else None

    group.links.iterate(take)
    return names


def _object_info(group: Any, name: bytes) -> Any:
    """Look at what a hard link leads to; None for other links and broken objects."""
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
