"""MATLAB files of versions 5 to 7.2: one array, read only. Those of version 7.3 are HDF5.

An array that is not compressed lies at a fixed offset; a compressed one is unpacked as it is read.
So neither is ever in memory as a whole, as it would be with a library.
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
    """Open an array of a file; see `Format`.

    Raises
    ------
    DataError
        If the file is damaged, or there is no such array of numbers.
    """
    from onebyone_cli.formats.mat.arrays import read_array

    return read_array(source)


def datasets(path: str) -> list[Dataset]:
    """List the arrays that can be stacks, in the order of the file; raises as `read` does."""
    from onebyone_cli.formats.mat.arrays import list_arrays

    return list_arrays(path)


def write(target: Target, spec: StackSpec) -> Writer:
    """Refuse: MATLAB files are only read."""
    del spec
    raise UsageError(
        f"'{target.path}': MATLAB files are read, not written; MATLAB reads .h5 and .nc files"
    )


FORMAT = Format(
    name="mat",
    title="array of a MATLAB file (.mat; file.mat:name)",
    noun="a .mat file (file.mat:name)",
    suffixes=(".mat",),
    read=read,
    write=write,
    new_suffix="",
    magic=(b"MATLAB 5.0",),
    datasets=datasets,
)
