"""Search a file for datasets that could be stacks, and note what can't be one.

Links to other files are noted, never followed. Soft links are skipped: hard links lead to the same
objects. Hard links can be circular, so groups are identified by their address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.header import number_type
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Limits of a search: a file of millions of objects must cost seconds, not hours.
_MAX_OBJECTS = 10_000
_MAX_DEPTH = 64

#: Groups in which programs keep what is theirs: PyTables its indices, MATLAB its references.
_INTERNAL = re.compile(rb"_i_|#refs#$|#subsystem#$")

#: Words of the names of masks and quality layers.
_QUALITY_WORDS = {
    *("mask", "masks", "quality", "qa", "qc", "qf", "dq", "dqf", "flag", "flags"),
    *("pixelmask", "pixelquality", "badpixel", "badpixels", "cloudmask", "qualityflag"),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

#: Most names of each kind in a message.
_MOST_LISTED = 10

_UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError)


class Link(NamedTuple):
    """A link to an object of another file: its name in this one, and the file."""

    name: str
    file: str


class Found(NamedTuple):
    """What a search found.

    Attributes
    ----------
    datasets : tuple of str
        Numbers with two or more axes.
    quality : frozenset of str
        Those of `datasets` that are masks or quality layers, by their names and types.
    links : tuple of Link
        Links to other files.
    others : tuple of str
        Groups that can't be opened, and datasets with two or more axes of types that can't be read,
        each with the reason.
    """

    datasets: tuple[str, ...]
    quality: frozenset[str]
    links: tuple[Link, ...]
    others: tuple[str, ...]

    @property
    def only(self) -> str:
        """The dataset to read if none is named; empty if it is not certain.

        Masks and quality layers beside it do not count.
        """
        values = [name for name in self.datasets if name not in self.quality]
        if len(values) == 1:
            return values[0]
        if len(self.datasets) != 1:
            return ""
        passed_over = self.links or self.others
        return "" if self.quality and passed_over else self.datasets[0]

    @property
    def passed_over(self) -> str:
        """What could hold numbers as well, for messages; empty if nothing could."""
        texts = []
        if self.links:
            each = [printable(f"{name} ({file})") for name, file in self.links[:_MOST_LISTED]]
            several = len(self.links) > 1
            what = (
                "links to other files, which are" if several else "a link to another file, which is"
            )
            texts.append(f"{what} not followed: {_listed(each, len(self.links))}")
        if self.others:
            each = [printable(name) for name in self.others[:_MOST_LISTED]]
            texts.append(f"data that can't be read: {_listed(each, len(self.others))}")
        layers = sorted(self.quality - {self.only})
        if layers and self.only:
            each = [printable(name) for name in layers[:_MOST_LISTED]]
            what = "masks or quality layers, which are" if layers[1:] else "a mask, which is"
            texts.append(f"{what} not used: {_listed(each, len(layers))}")
        return "; and ".join(texts)


def _listed(shown: list[str], total: int) -> str:
    more = total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def search(root: Any, path: str) -> Found:
    """Search all groups below the root; `path` is for messages.

    Raises
    ------
    DataError
        If there are too many objects to search.
    """
    h5py = load_h5py()
    datasets: list[str] = []
    quality: list[str] = []
    links: list[Link] = []
    others: list[str] = []
    for name, group, last, kind in walk(root, path):
        if isinstance(kind, Link):
            links.append(kind)
        elif kind == h5py.h5o.TYPE_DATASET:
            seen = _look_at(group, last)
            if seen.reason:
                others.append(f"{name} ({seen.reason})")
            elif seen.is_number:
                datasets.append(name)
                quality += [name] * (seen.is_whole and is_quality(name))
        elif kind is None:
            others.append(f"{name} (can't be opened)")
    return Found(tuple(sorted(datasets)), frozenset(quality), tuple(links), tuple(others))


def is_quality(name: str) -> bool:
    """Return whether a dataset is a mask or a quality layer, by its name.

    Examples
    --------
    >>> is_quality("/entry/instrument/detector/pixel_mask"), is_quality("/entry/data/masked_mean")
    (True, False)
    """
    words = {word.casefold() for word in _WORD.findall(name.rpartition("/")[2])}
    return bool(words & _QUALITY_WORDS)


def walk(root: Any, path: str) -> Iterator[tuple[str, Any, bytes, Any]]:
    """Yield each object below the root but for internal ones: name, group, name in it, kind.

    The kind is a type of `h5py.h5o`, a `Link`, or None for a group that can't be opened. Raises
    `DataError` if there are too many objects.
    """
    h5py = load_h5py()
    seen = {_address(h5py.h5o.get_info(root))}
    todo = [(b"", 0)]
    while todo:
        prefix, depth = todo.pop()
        try:
            group = h5py.h5o.open(root, prefix) if prefix else root
        except _UNREADABLE:
            yield _text(prefix), root, b"", None
            continue
        for last in _names(group):
            full = prefix + b"/" + last
            info = _look_up(group, last)
            if isinstance(info, str):
                yield _text(full), group, last, Link(_text(full), info)
            if info is None or isinstance(info, str) or _address(info) in seen:
                continue
            seen.add(_address(info))
            if len(seen) > _MAX_OBJECTS or depth > _MAX_DEPTH:
                raise DataError(
                    f"has too many groups to search (over {_MAX_OBJECTS} objects or "
                    f"{_MAX_DEPTH} levels); name the dataset, as in {path}:/group/name",
                    path,
                )
            if info.type == h5py.h5o.TYPE_GROUP and not _INTERNAL.match(last):
                todo.append((full, depth + 1))
            yield _text(full), group, last, info.type


def _names(group: Any) -> list[bytes]:
    names: list[bytes] = []

    def take(name: bytes) -> bool | None:
        names.append(name)
        # Any value but None ends the iteration.
        return True if len(names) > _MAX_OBJECTS else None

    group.links.iterate(take)
    return names


def _look_up(group: Any, name: bytes) -> Any:
    """Return information on an object, the file of a link to another, or None.

    None stands for soft links and objects that can't be opened.
    """
    h5py = load_h5py()
    try:
        kind = group.links.get_info(name).type
        if kind == h5py.h5l.TYPE_EXTERNAL:
            return _text(group.links.get_val(name)[0])
        return h5py.h5o.get_info(group, name) if kind == h5py.h5l.TYPE_HARD else None
    except _UNREADABLE:
        return None


def _address(info: Any) -> tuple[int, int]:
    return info.fileno, info.addr


class _Seen(NamedTuple):
    """Whether a dataset has numbers in two or more axes, whole ones, or the reason why not."""

    is_number: bool = False
    is_whole: bool = False
    reason: str = ""


def _look_at(group: Any, name: bytes) -> _Seen:
    h5py = load_h5py()
    try:
        dataset = h5py.h5d.open(group, name)
        kind = dataset.get_type()
        if dataset.rank < 2 or kind.get_class() == h5py.h5t.STRING:
            return _Seen()
    except _UNREADABLE:
        return _Seen(reason="can't be opened")
    try:
        number_type(kind, "")
    except DataError as error:
        # A number of an unusual kind is refused when it is read.
        is_number = kind.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT)
        return _Seen(is_number=True) if is_number else _Seen(reason=error.message.partition(";")[0])
    return _Seen(is_number=True, is_whole=kind.get_class() != h5py.h5t.FLOAT)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
