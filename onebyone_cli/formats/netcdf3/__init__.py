"""The netCDF-3 format: one variable of a classic file, read only.

Classic files, those with 64-bit offsets and those with 64-bit data (CDF-1, CDF-2, CDF-5) have all
their numbers at offsets that the header tells. The header is parsed here: a library would map or
read whole arrays where only the offsets are needed, and scipy's knows no CDF-5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import UsageError
from onebyone_cli.formats.contracts.format import Format

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.about import Dataset
    from onebyone_cli.formats.contracts.reader import Reader, Source
    from onebyone_cli.formats.contracts.writer import Target, Writer
    from onebyone_cli.spec import StackSpec


def read(source: Source) -> Reader:
    """Open a variable of a file; see `Format`.

    Raises
    ------
    DataError
        If the header is damaged, or there is no such variable of numbers.
    """
    from onebyone_cli.formats.netcdf3.variables import read_variable

    return read_variable(source)


def datasets(path: str) -> list[Dataset]:
    """List the variables that could be stacks, in the order of the file; raises as `read` does."""
    from onebyone_cli.formats.netcdf3.variables import list_variables

    return list_variables(path)


def write(target: Target, spec: StackSpec) -> Writer:
    """Refuse: netCDF-3 is only read."""
    del spec
    raise UsageError(f"'{target.path}': netCDF-3 is read, not written; name a .nc file (netCDF-4)")


FORMAT = Format(
    name="netcdf3",
    title="netCDF-3 (one variable; file.nc:variable)",
    noun="a netCDF-3 file (file.nc:variable)",
    suffixes=(".nc3",),
    also=(".nc", ".cdf"),
    read=read,
    write=write,
    new_suffix="",
    magic=(b"CDF\x01", b"CDF\x02", b"CDF\x05"),
    datasets=datasets,
)
