"""The ``.safetensors`` format: one array of a file, at a fixed offset, read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.formats.arrays.byte_source import open_bytes
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.arrays.source import about_array
from onebyone_cli.formats.contracts.about import Dataset
from onebyone_cli.formats.contracts.format import Format
from onebyone_cli.safetensors_header import read_entries
from onebyone_cli.units import listed, printable

if TYPE_CHECKING:
    from onebyone_cli.formats.arrays.byte_source import ByteSource
    from onebyone_cli.formats.contracts.reader import Reader, Source
    from onebyone_cli.formats.contracts.writer import Target, Writer
    from onebyone_cli.safetensors_header import Entry
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader:
    """Open the array that `source` names, or the only one of two axes or more.

    Raises
    ------
    DataError
        If the file is damaged, or has no such array.
    """
    opened = _open(source.path)
    try:
        entries = read_entries(opened.read, opened.size, source.path)
        name = _wanted(entries, source)
        entry, source = entries[name], source._replace(inner=name)
        if not entry.dtype:
            raise DataError(f"has the type {printable(entry.named[:20])}", source.name)
        layout = array_layout(
            entry.shape, entry.dtype, source.name, layout=source.layout, offset=entry.begin
        )
        about = about_array(source.name, (source.path,), layout, source, "safetensors array")
        return ArrayReader(opened.fd, layout, about._replace(inner=name))
    except BaseException:
        opened.close()
        raise


def datasets(path: str) -> list[Dataset]:
    """List the arrays that can be stacks, in the order of the file; raises as `read` does."""
    opened = _open(path)
    try:
        entries = read_entries(opened.read, opened.size, path)
    finally:
        opened.close()
    return [Dataset(name, entries[name].shape, entries[name].dtype) for name in _stacks(entries)]


def write(target: Target, spec: StackSpec) -> Writer:
    """Refuse: such files are only read."""
    del spec
    raise UsageError(f"'{target.path}': .safetensors files are read, not written; name a .npy file")


def _open(path: str) -> ByteSource:
    opened = open_bytes(path, ".safetensors ")
    if not opened.is_file:
        opened.close()
        raise DataError("is a pipe; expected a file", path)
    return opened


def _stacks(entries: dict[str, Entry]) -> list[str]:
    return [name for name, each in entries.items() if each.dtype and len(each.shape) > 1]


def _wanted(entries: dict[str, Entry], source: Source) -> str:
    """Return the name of the array to read."""
    if source.inner in entries:
        return source.inner
    known = _stacks(entries)
    if not source.inner and len(known) == 1:
        return known[0]
    names = listed("{}", "{}", [printable(name) for name in known])
    if source.inner:
        raise DataError(
            f"has no array '{printable(source.inner)}'; it has {names or 'no stack'}", source.path
        )
    found = f"several: {names}; choose one, as FILE:NAME" if known else "none of two axes or more"
    raise DataError(f"holds {found}", source.path)


FORMAT = Format(
    name="safetensors",
    title="array of a safetensors file (file.safetensors:name)",
    noun="a .safetensors file (file.safetensors:name)",
    suffixes=(".safetensors",),
    read=read,
    write=write,
    new_suffix="",
    datasets=datasets,
)
