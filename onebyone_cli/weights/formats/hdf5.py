"""Weights in HDF5 files, such as those of Keras.

Only links within the file are followed, and soft ones only if the user names them: a link to
another file could read what the user did not name.
"""

from __future__ import annotations

from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from onebyone_cli.errors import DataError, DependencyMissingError, OneByOneError, PolicyError
from onebyone_cli.system.hdf5 import load_h5py
from onebyone_cli.units import printable
from onebyone_cli.weights.formats.contract import NetworkLayer, Stored, WeightsFile, WeightsFormat
from onebyone_cli.weights.formats.members import choose, choose_for, layers_in
from onebyone_cli.weights.rules import MAX_ARRAY_BYTES, SHAPES, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from onebyone_cli.weights.orders import Shape

#: Limits of a search, and most soft links in a row.
_MAX_OBJECTS, _MAX_DEPTH, _MAX_HOPS = 10_000, 64, 16

#: Types by numpy's kind and size.
_KINDS = "biuf"
_MAX_ITEM = 8

#: Errors of h5py for a malformed file.
_DAMAGED = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError, MemoryError)


def _read(source: WeightsFile) -> dict[str, Any]:
    with _opened(source.file, source.path) as root:
        found = _found(root, source.member, source.path)
        shapes = {name: tuple(map(int, each.shape)) for name, each in found.items()}
        chosen = choose_for(source, shapes, _absolute(source.member))
        return chosen.fields(lambda name, field: _array(found[name], name, field, source.path))


def _look(file: BinaryIO, member: str, path: str) -> Stored:
    with _opened(file, path) as root:
        found = _found(root, member, path)
        shapes = {name: tuple(map(int, each.shape)) for name, each in found.items()}
        names = choose(shapes, "weight", _absolute(member), path).names
        return Stored(_type_of(found[names["weight"]]), tuple(found), tuple(names.values()))


def _layers(file: BinaryIO, path: str) -> list[NetworkLayer]:
    with _opened(file, path) as root:
        found = _found(root, "", path)
        shapes = {name: tuple(map(int, each.shape)) for name, each in found.items()}
        return [each._replace(dtype=_type_of(found[each.name])) for each in layers_in(shapes)]


def _type_of(dataset: Any) -> str:
    name: str = dataset.dtype.newbyteorder("=").name
    return name


FORMAT = WeightsFormat(read=_read, write=None, look=_look, layers=_layers)


@contextmanager
def _opened(file: BinaryIO, path: str) -> Iterator[Any]:
    """Open the root group; errors of HDF5 become one line."""
    try:
        with load_h5py().File(file, "r") as opened:
            yield opened["/"].id
    except OneByOneError:
        raise
    except _DAMAGED as error:
        reason = printable(" ".join(str(error).split())[:160]) or type(error).__name__
        raise DataError(f"can't be understood by HDF5: {reason}", path) from error


def _absolute(member: str) -> str:
    return "/" + "/".join(part for part in member.split("/") if part) if member else ""


def _found(root: Any, member: str, path: str) -> dict[str, Any]:
    """Return the datasets of numbers by name, with the one that the user names."""
    found = _search(root, path)
    name = _absolute(member)
    if name and name not in found:
        target = _follow(root, name, path)
        if target is not None:
            found[name] = target
    return found


def _search(root: Any, path: str) -> dict[str, Any]:
    h5py = load_h5py()
    found: dict[str, Any] = {}
    seen = {_address(h5py.h5o.get_info(root))}
    todo = [("", root, 0)]
    while todo:
        prefix, group, depth = todo.pop()
        for raw in _links(group):
            if group.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
                continue
            info = h5py.h5o.get_info(group, raw)
            if _address(info) in seen:
                continue
            seen.add(_address(info))
            if len(seen) > _MAX_OBJECTS or depth > _MAX_DEPTH:
                raise DataError(
                    f"has too many groups to search; expected up to {_MAX_OBJECTS} objects and "
                    f"{_MAX_DEPTH} levels",
                    path,
                )
            name = f"{prefix}/{raw.decode('utf-8', 'surrogateescape')}"
            if info.type == h5py.h5o.TYPE_GROUP:
                todo.append((name, h5py.h5o.open(group, raw), depth + 1))
            elif info.type == h5py.h5o.TYPE_DATASET:
                dataset = h5py.h5d.open(group, raw)
                if _is_numeric(dataset):
                    found[name] = dataset
    return dict(sorted(found.items()))


def _address(info: Any) -> tuple[int, int]:
    return info.fileno, info.addr


def _links(group: Any) -> list[bytes]:
    names: list[bytes] = []

    def take(name: bytes) -> bool | None:
        names.append(name)
        # Any value but None ends the iteration.
        return True if len(names) > _MAX_OBJECTS else None

    group.links.iterate(take)
    return names


def _is_numeric(dataset: Any) -> bool:
    try:
        return _number_type(dataset) is not None
    except _DAMAGED:
        return False


def _number_type(dataset: Any) -> np.dtype[Any] | None:
    """Return the type of a dataset; None unless it is one of numpy's in every bit."""
    h5py = load_h5py()
    kind = dataset.get_type()
    dtype = kind.dtype
    if dtype.kind not in _KINDS or dtype.itemsize > _MAX_ITEM or dataset.shape is None:
        return None
    return dtype if kind.equal(h5py.h5t.py_create(dtype, logical=True)) else None


def _follow(root: Any, name: str, path: str) -> Any:
    """Open the dataset that the user names, without leaving the file; None if there is none."""
    h5py = load_h5py()
    todo, node, hops = _parts(name), root, 0
    while todo:
        part = todo.pop(0)
        if not isinstance(node, h5py.h5g.GroupID) or not node.links.exists(part):
            return None
        kind = node.links.get_info(part).type
        if kind == h5py.h5l.TYPE_HARD:
            node = h5py.h5o.open(node, part)
        elif kind == h5py.h5l.TYPE_SOFT and hops < _MAX_HOPS:
            hops += 1
            value = node.links.get_val(part)
            node = root if value.startswith(b"/") else node
            todo[:0] = _parts(value.decode("utf-8", "surrogateescape"))
        elif kind == h5py.h5l.TYPE_SOFT:
            raise DataError(f"{quote(name)} is a circular soft link", path)
        else:
            raise PolicyError(
                f"{quote(name)} is behind a link to another file, which is not followed; "
                "name that file",
                path,
            )
    if not isinstance(node, h5py.h5d.DatasetID):
        return None
    if not _is_numeric(node):
        raise DataError(f"{quote(name)} does not hold numbers that are read here", path)
    return node


def _parts(name: str) -> list[bytes]:
    raw = name.encode("utf-8", "surrogateescape")
    return [part for part in raw.split(b"/") if part not in (b"", b".")]


def _array(dataset: Any, name: str, field: str, path: str) -> NDArray[np.float64]:
    h5py = load_h5py()
    shape: Shape = SHAPES[field](tuple(map(int, dataset.shape)), path)
    _check_inside(dataset, name, path)
    plist = dataset.get_create_plist()
    chunk = plist.get_chunk() if plist.get_layout() == h5py.h5d.CHUNKED else ()
    largest = max(prod(shape), prod(chunk))
    if 8 * largest > MAX_ARRAY_BYTES:
        raise DataError(
            f"{quote(name)} claims {largest} numbers; a weights file may hold up to "
            f"{MAX_ARRAY_BYTES // 8}",
            path,
        )
    for index in range(plist.get_nfilters()):
        code = plist.get_filter(index)[0]
        if not h5py.h5z.filter_avail(code):
            raise DependencyMissingError(
                f"{quote(name)} uses HDF5 filter {code}, which is not available; write it again "
                "with gzip, as h5repack -f GZIP=4 does",
                path,
            )
    stored = np.empty(tuple(dataset.shape), dtype=_number_type(dataset))
    if stored.size:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, stored)
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return stored.astype(np.float64).reshape(shape)


def _check_inside(dataset: Any, name: str, path: str) -> None:
    plist = dataset.get_create_plist()
    if plist.get_layout() == load_h5py().h5d.VIRTUAL:
        raise PolicyError(
            f"{quote(name)} is a virtual dataset, put together from other files; copy it into a "
            "plain one first",
            path,
        )
    if plist.get_external_count():
        raise PolicyError(
            f"{quote(name)} keeps its numbers in another file, which is not opened; copy it into "
            "a plain dataset first",
            path,
        )
