"""The ``.npz`` format: one array among the members of a zip archive, read only.

A member that is not compressed lies at a fixed offset and is read like a ``.npy`` file, without
comparing the checksum of zip. A compressed one is read as a stream, with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import UsageError
from onebyone_cli.formats.contracts.format import Format

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.about import Dataset
    from onebyone_cli.formats.contracts.reader import Reader, Source, StreamReader
    from onebyone_cli.formats.contracts.writer import Target, Writer
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader | StreamReader:
    """Open a member of an archive; see `Format`.

    Raises
    ------
    DataError
        If the archive is damaged, or has no such array.
    PolicyError
        If the member holds Python objects.
    """
    from onebyone_cli.formats.npz.archive import read_member

    return read_member(source)


def datasets(path: str) -> list[Dataset]:
    """List the arrays that can be stacks, in the order of the archive; raises as `read` does."""
    from onebyone_cli.formats.npz.archive import list_members

    return list_members(path)


def write(target: Target, spec: StackSpec) -> Writer:
    """Refuse: archives are only read."""
    del spec
    raise UsageError(f"'{target.path}': .npz archives can be read, not written; name a .npy file")


FORMAT = Format(
    name="npz",
    title="member of a NumPy archive (.npz; file.npz:member)",
    noun="an .npz archive (file.npz:member)",
    suffixes=(".npz",),
    read=read,
    write=write,
    new_suffix="",
    magic=(b"PK\x03\x04", b"PK\x05\x06"),
    lacks_types=True,
    datasets=datasets,
)
