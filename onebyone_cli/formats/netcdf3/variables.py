"""Open variables of netCDF-3 files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from onebyone_cli.axes import places_of
from onebyone_cli.errors import DataError, open_error
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import array_layout
from onebyone_cli.formats.arrays.source import about_array
from onebyone_cli.formats.contracts.about import Dataset
from onebyone_cli.formats.contracts.axis_names import layout_of_labels
from onebyone_cli.formats.contracts.cf import NAMING, UNSIGNED, type_of
from onebyone_cli.formats.netcdf3.header import TEXT, parse_header
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.reader import Reader, Source
    from onebyone_cli.formats.netcdf3.header import Header, Variable

_MOST_LISTED = 10


def read_variable(source: Source) -> Reader:
    """Open the variable that `source` names, or the only one that can be a stack."""
    with _opened(source.path) as (file, header):
        variable = _wanted(header, source)
        told = "" if source.layout else layout_of_labels(variable.dimensions)
        asked = source._replace(layout=source.layout or told)
        layout = _layout(variable, asked)
        about = about_array(source.name, (source.path,), layout, asked, "netCDF-3 variable")
        assert about.container is not None
        labels = variable.dimensions if told else ()
        about = about._replace(
            inner=variable.name,
            container=about.container._replace(labels=labels),
            load_metadata=_load_metadata(source.path, header, variable, layout),
        )
        size = os.fstat(file.fileno()).st_size
        if variable.end > size:
            raise DataError(
                f"is truncated: has {size} bytes, and its numbers would end at {variable.end}; "
                "copy or make it again",
                source.name,
            )
        return ArrayReader(os.dup(file.fileno()), layout, about)


def list_variables(path: str) -> list[Dataset]:
    """List the variables that can be stacks, in the order of the file."""
    with _opened(path) as (_, header):
        return [
            Dataset(each.name, each.shape, _dtype(each))
            for each in header.variables.values()
            if _is_candidate(each)
        ]


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, Header]]:
    with _open_file(path) as file:
        yield file, parse_header(file, os.fstat(file.fileno()).st_size, path)


def _open_file(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise open_error(path, error) from error


def _is_candidate(variable: Variable) -> bool:
    return len(variable.shape) > 1 and variable.dtype != TEXT


def _wanted(header: Header, source: Source) -> Variable:
    """Return the variable that `source` names, or the only one that can be a stack."""
    found = header.variables
    name = source.inner.strip("/")
    fitting = [each for each in found.values() if _is_candidate(each)]
    if name and name in found:
        if found[name].dtype == TEXT:
            raise DataError("holds text; expected numbers", source.name)
        return found[name]
    if name:
        raise DataError(
            f"has no variable '{printable(name)}'; {_choices(fitting, source)}", source.path
        )
    others = {
        word
        for each in found.values()
        for attribute in NAMING
        for word in str(each.attributes.get(attribute, "")).split()
    }
    main = [each for each in fitting if each.name not in others] or fitting
    if len(main) == 1:
        return main[0]
    what = f"has {len(main)} variables it could be" if main else "has no variable to read"
    raise DataError(f"{what}; {_choices(main, source)}", source.path)


def _choices(fitting: list[Variable], source: Source) -> str:
    if not fitting:
        return "expected a variable of numbers with two or more axes"
    names = [printable(each.name) for each in fitting]
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    listed = ", ".join(names[:_MOST_LISTED])
    return f"name one of {listed}{more}, as in {source.path}:{names[0]}"


def _dtype(variable: Variable) -> str:
    name = np.dtype(variable.dtype).newbyteorder("=").name
    return type_of(name, variable.attributes.get(UNSIGNED))


def _layout(variable: Variable, source: Source) -> ArrayLayout:
    layout = array_layout(
        variable.shape,
        _dtype(variable),
        source.name,
        layout=source.layout,
        big_endian=True,
        offset=variable.offset,
    )
    if not variable.step:
        return layout
    # Records of all variables follow each other.
    strides = list(layout.strides)
    strides[places_of(layout.axes)[0]] = variable.step
    return layout._replace(strides=tuple(strides))


def _load_metadata(
    path: str, header: Header, variable: Variable, layout: ArrayLayout
) -> Callable[[], Metadata]:
    def load() -> Metadata:
        from onebyone_cli.formats.netcdf3.metadata import Place, read_metadata

        with _opened(path) as (file, _):
            return read_metadata(Place(file, header, variable, layout))

    return cache(load)
