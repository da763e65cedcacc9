"""Import h5py, and walk through files without leaving them."""

import os
from typing import Any

from onebyone_cli.errors import DataError, PolicyError
from onebyone_cli.units import printable

#: Most soft links in a row, as in HDF5.
_MAX_HOPS = 16


def load_h5py() -> Any:
    """Import h5py so that no data file can make it load code.

    HDF5 loads a plugin, which is code, where a file names a filter that it lacks. ``::`` switches
    that off; HDF5 reads the variable once, when h5py is imported. If the user sets either variable,
    it stays.
    """
    if not {"HDF5_PLUGIN_PRELOAD", "HDF5_PLUGIN_PATH"} & os.environ.keys():
        os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
    import h5py

    return h5py


def follow(root: Any, name: str, path: str) -> Any:
    """Open the object of a name below a group; None if there is none.

    Every link is examined before it is followed: a link to another file could read what the user
    did not name. `path` is for messages.

    Raises
    ------
    DataError
        If soft links go in a circle.
    PolicyError
        If a link on the way leads to another file.
    """
    h5py = load_h5py()
    todo, node, hops = name_parts(name), root, 0
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
            value = name_text(node.links.get_val(part))
            node = root if value.startswith("/") else node
            todo[:0] = name_parts(value)
        else:
            raise PolicyError(
                f"'{printable(name_text(part))}' is a link to another file, which is not followed; "
                "name that file, or copy the dataset into this one",
                path,
            )
    return node


def name_parts(name: str) -> list[bytes]:
    """Return the names of the links on the way to an object."""
    raw = name.encode("utf-8", "surrogateescape")
    return [part for part in raw.split(b"/") if part not in (b"", b".")]


def name_text(name: bytes) -> str:
    """Return a name as text; bytes that are no UTF-8 become surrogates."""
    return name.decode("utf-8", "surrogateescape")


def link_names(group: Any, most: int) -> list[bytes]:
    """Return the names of the links of a group, of which there may be one more than `most`."""
    names: list[bytes] = []

    def take(name: bytes) -> bool | None:
        names.append(name)
        # Any value but None ends the iteration.
        return True if len(names) > most else None

    group.links.iterate(take)
    return names


def address_of(info: Any) -> tuple[int, int]:
    """Return what tells an object from all others: hard links can lead to it by several names."""
    return info.fileno, info.addr
