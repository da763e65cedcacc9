"""Find the array of a store that is a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError, InputMissingError
from onebyone_cli.formats.zarr import ome
from onebyone_cli.formats.zarr.header import number_type
from onebyone_cli.formats.zarr.store import load_zarr, one_line_errors
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.zarr.store import InputStore

#: Limits of a search: a store of many nodes must cost seconds, not hours.
_MAX_NODES = 10_000
_MAX_DEPTH = 64

#: Most candidates in a message.
_MAX_LISTED = 10


class Found(NamedTuple):
    """An array and what stands around it.

    Attributes
    ----------
    inner : str
        Path of the array in the store; empty for an array that is the root.
    array : zarr.Array
    group : zarr.Group or None
        The group that holds it.
    image : dict
        The image of OME-Zarr that it belongs to; empty if there is none.
    notes : tuple of str
        What was passed over.
    """

    inner: str
    array: Any
    group: Any
    image: dict[str, Any]
    notes: tuple[str, ...] = ()


def find_array(store: InputStore) -> Found:
    """Open the array that the address names, or the only candidate in the group that it names.

    Raises
    ------
    DataError
        If there is no such array or group, or the group has not exactly one candidate.
    """
    inner = store.address.inner
    node = store.node(inner)
    if node is None and store.is_remote and not inner:
        raise InputMissingError("is no Zarr store, or nothing is there", store.path)
    if node is None:
        raise DataError(_missing(store), store.path)
    if isinstance(node, load_zarr(store.path).Array):
        return _placed(store, inner, node)
    names: list[str] = []
    others: list[str] = []
    with one_line_errors("can't be understood as Zarr", store.path):
        for name, array in arrays_below(node, inner, store.path):
            if array.ndim >= 2:
                (names if number_type(array) else others).append(name)
    if len(names) == 1:
        found = _placed(store, names[0], store.node(names[0]))
        shown = ", ".join(printable(name) for name in others[:_MAX_LISTED])
        note = f"{printable(names[0])} is read; the store also has arrays that can't be: {shown}"
        return found._replace(notes=(note,)) if others else found
    if names:
        what = f"has {len(names)} arrays it could be"
        raise DataError(f"{what}; {_choices(names, store)}", store.path)
    what = "has no array to read"
    if others:
        what += f"; {printable(others[0])} holds a type that can't be read"
    raise DataError(f"{what}; {_choices(names, store)}", store.path)


def arrays_below(group: Any, inner: str, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a group and of the groups below it by path, ordered by their names.

    Of an image of OME-Zarr only the full resolution counts; label images are passed over.
    """
    zarr = load_zarr(path)
    todo, count = [(group, inner, 0)], 0
    while todo:
        at, prefix, depth = todo.pop(0)
        level = ome.full_resolution(ome.image_of(at.attrs.asdict()))
        members = [(level, at[level])] if level and level in at else sorted(at.members())
        for name, node in members:
            count += 1
            if count > _MAX_NODES or depth > _MAX_DEPTH:
                raise DataError(f"has over {_MAX_NODES} nodes; name the array", path)
            full = f"{prefix}/{name}" if prefix else name
            if isinstance(node, zarr.Array):
                yield full, node
            else:
                todo.append((node, full, depth + 1))


def _placed(store: InputStore, inner: str, array: Any) -> Found:
    """Return an array with the group and the image around it."""
    if not inner:
        return Found(inner, array, None, {})
    parts = inner.split("/")
    for count in range(len(parts) - 1, -1, -1):
        group = store.node("/".join(parts[:count]))
        if group is None or isinstance(group, load_zarr(store.path).Array):
            continue
        image = ome.image_of(group.attrs.asdict())
        return Found(inner, array, group, image)
    return Found(inner, array, None, {})


def _missing(store: InputStore) -> str:
    inner = store.address.inner
    if not inner:
        return "is no Zarr store: it has no zarr.json, .zarray or .zgroup"
    text = f"has no array '{printable(inner)}'"
    root = store.node("")
    if root is None or isinstance(root, load_zarr(store.path).Array):
        return text
    names = [name for name, array in arrays_below(root, "", store.path) if array.ndim >= 2]
    return f"{text}; {_choices(names, store)}"


def _choices(names: list[str], store: InputStore) -> str:
    if not names:
        return "expected an array of numbers with two or more axes"
    listed = ", ".join(map(printable, names[:_MAX_LISTED]))
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"name one of {listed}{more}, as in {store.address.root}:{printable(names[0])}"
