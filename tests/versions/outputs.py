"""Compare what two installs have left of one command line: files, standard output, statuses."""

import io
import json
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import h5py
from running import Step

#: Keys of JSON documents that differ from run to run, or name the version.
VOLATILE = frozenset({"seconds", "bytes_per_second", "peak_bytes", "version"})

#: The one member of a .npz file that holds free text.
FREE_TEXT = "meta.npy"

_HDF5 = b"\x89HDF\r\n\x1a\n"

_VERSION = re.compile(rb'"version": "[^"]*"')
_VERSION_UTF32 = re.compile('"version": "'.encode("utf-32-le") + rb"(?:[^\"]\0\0\0)*")
_NPY_HEADER_BYTES = 128


@dataclass
class Comparison:
    """What differs, and what differs in text alone."""

    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare_steps(old: Sequence[Step], new: Sequence[Step], found: Comparison) -> None:
    """Compare the statuses and the standard output of all steps."""
    for number, (before, after) in enumerate(zip(old, new, strict=True)):
        if before.status != after.status:
            found.differences.append(
                f"step {number}: status {before.status}, now {after.status}: {after.command}\n"
                f"  stderr old: {before.stderr.strip()[-600:]}\n"
                f"  stderr new: {after.stderr.strip()[-600:]}"
            )
        if before.stdout != after.stdout:
            _compare_stdout(number, before.stdout, after.stdout, found)


def compare_folders(old: Path, new: Path, found: Comparison) -> None:
    """Compare all files of two folders: names, kinds, permissions, bytes."""
    names_old, names_new = _names(old), _names(new)
    found.differences += [f"{name}: only in old" for name in sorted(names_old - names_new)]
    found.differences += [f"{name}: only in new" for name in sorted(names_new - names_old)]
    for name in sorted(names_old & names_new):
        before, after = old / name, new / name
        modes = [path.lstat().st_mode for path in (before, after)]
        if modes[0] != modes[1]:
            found.differences.append(f"{name}: {' now '.join(map(stat.filemode, modes))}")
        elif before.is_file():
            _compare_files(name, before.read_bytes(), after.read_bytes(), found)


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _compare_files(name: str, old: bytes, new: bytes, found: Comparison) -> None:
    if old == new:
        return
    if name.endswith(".npz"):
        _compare_archives(name, old, new, found)
    elif old.startswith(_HDF5) and new.startswith(_HDF5):
        _compare_hdf5(name, old, new, found)
    elif name.endswith(".json") and _VERSION.sub(b"", old) == _VERSION.sub(b"", new):
        found.notes.append(f"{name}: names another version")
    else:
        found.differences.append(f"{name}: {_first_difference(old, new)}")


def _compare_hdf5(name: str, old: bytes, new: bytes, found: Comparison) -> None:
    """Compare what HDF5 files hold; a line of their history that has come is a note."""
    before, after = _objects(old), _objects(new)
    if before == after:
        found.differences.append(f"{name}: same objects, but {_first_difference(old, new)}")
    for place in sorted(before.keys() | after.keys()):
        if place not in before and place.endswith("@history"):
            found.notes.append(f"{name}: {place} has come")
        elif before.get(place) != after.get(place):
            texts = [str(each.get(place))[:80] for each in (before, after)]
            found.differences.append(f"{name}: {place} is {texts[0]}, now {texts[1]}")


def _objects(data: bytes) -> dict[str, Any]:
    """Return the datasets and attributes of an HDF5 file by place."""
    objects: dict[str, Any] = {}

    def note(place: str, each: Any) -> None:
        if isinstance(each, h5py.Dataset):
            form = (each.shape, each.dtype.str, each.chunks, each.compression, each.shuffle)
            objects[place] = (*form, each.fletcher32, each[()].tobytes())
        for key, value in each.attrs.items():
            objects[f"{place}@{key}"] = repr(value)

    with h5py.File(io.BytesIO(data)) as file:
        note("/", file)
        file.visititems(note)
    return objects


def _compare_archives(name: str, old: bytes, new: bytes, found: Comparison) -> None:
    """Compare the arrays of .npz files byte for byte, and their free text by itself."""
    members_old, members_new = _members(old), _members(new)
    come = [member for member in members_new if member not in members_old]
    if list(members_old) == [member for member in members_new if member not in come]:
        found.notes += [f"{name}: {member} has come" for member in come]
    else:
        found.differences.append(f"{name}: arrays {list(members_old)}, now {list(members_new)}")
    for member in members_old.keys() & members_new.keys():
        before, after = members_old[member], members_new[member]
        if before == after:
            continue
        if member != FREE_TEXT:
            found.differences.append(f"{name}/{member}: {_first_difference(before, after)}")
        elif _without_version(before) == _without_version(after):
            found.notes.append(f"{name}/{member}: names another version")
        else:
            texts = (_text(before), _text(after))
            found.notes.append(f"{name}/{member}: " + "; ".join(_json_changes(*texts)))
    if members_old == members_new:
        found.differences.append(f"{name}: same arrays, but {_first_difference(old, new)}")


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _without_version(npy: bytes) -> bytes:
    return _VERSION_UTF32.sub(b"", npy[_NPY_HEADER_BYTES:])


def _text(npy: bytes) -> Any:
    return json.loads(npy[_NPY_HEADER_BYTES:].decode("utf-32-le").rstrip("\0"))


def _json_changes(old: Any, new: Any) -> list[str]:
    removed, added = _changes(old, new)
    return [*removed, *added] or ["written otherwise"]


def _compare_stdout(number: int, old: bytes, new: bytes, found: Comparison) -> None:
    try:
        documents = json.loads(old), json.loads(new)
    except ValueError:
        found.differences.append(f"step {number}: stdout: {_first_difference(old, new)}")
        return
    changed, added = _changes(*documents)
    found.differences += [f"step {number}: stdout: {change}" for change in changed]
    found.notes += [f"step {number}: stdout: {addition}" for addition in added]


def _changes(old: Any, new: Any) -> tuple[list[str], list[str]]:
    """Return what has changed or gone in a JSON document, and what has come."""
    before, after = dict(_leaves(old, "")), dict(_leaves(new, ""))
    changed = [
        f"{path} is {value}, now {after.get(path, 'gone')}"
        for path, value in before.items()
        if after.get(path, object()) != value
    ]
    return changed, [f"{path} has come" for path in after if path not in before]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every value of a JSON document, without the volatile ones."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            if key not in VOLATILE:
                yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, json.dumps(value)


def _first_difference(old: bytes, new: bytes) -> str:
    """Return where two byte strings differ first."""
    at = next(index for index, (a, b) in enumerate(zip_longest(old, new)) if a != b)
    sizes = f"{len(old)} bytes" if len(old) == len(new) else f"{len(old)} bytes, now {len(new)}"
    around = slice(max(at - 8, 0), at + 24)
    return f"{sizes}, differ from byte {at}: {old[around]!r}, now {new[around]!r}"
