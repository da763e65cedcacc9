"""The description of an array, and what is refused because of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError
from onebyone_cli.formats.arrays.layout import ArrayLayout, array_layout
from onebyone_cli.formats.contracts.about import Container
from onebyone_cli.formats.contracts.axis_names import layout_of_labels
from onebyone_cli.formats.zarr import ome
from onebyone_cli.spec import ITEM_BYTES
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.formats.contracts.reader import Source

#: The attribute with the names of the axes in version 2.
DIMENSIONS = "_ARRAY_DIMENSIONS"

#: Whether integers are to be read as unsigned, in netCDF.
UNSIGNED = "_Unsigned"


def number_type(array: Any) -> str:
    """Return the name of the type of an array, a key of `spec.ITEM_BYTES`; empty for others."""
    name = str(getattr(array.dtype, "name", array.dtype))
    return name if name in ITEM_BYTES else ""


def dimension_names(array: Any) -> tuple[str, ...]:
    """Return the names of the axes of an array; an empty one is not known."""
    names = getattr(array.metadata, "dimension_names", None)
    if names is None:
        names = array.attrs.asdict().get(DIMENSIONS)
    fits = isinstance(names, list | tuple) and len(names) == array.ndim
    return tuple(name if isinstance(name, str) else "" for name in names) if fits else ()


def read_layout(
    array: Any, image: Mapping[str, Any], source: Source
) -> tuple[ArrayLayout, tuple[str, ...]]:
    """Return how an array is read as a stack, and the names of its axes if they decided it.

    Raises
    ------
    DataError
        If it does not hold numbers, has fewer than two axes, or one of size 0.
    """
    dtype = number_type(array)
    if not dtype:
        raise DataError(
            f"holds {printable(str(array.dtype))}; expected bool, integers of 8 to 64 bits, "
            "or float16, float32 or float64",
            source.name,
        )
    if dtype.startswith("int") and array.attrs.asdict().get(UNSIGNED) == "true":
        dtype = f"u{dtype}"
    named = ome.axis_names(image)
    labels = named if len(named) == array.ndim else dimension_names(array)
    layout = "" if source.layout else layout_of_labels(labels)
    shape = tuple(map(int, array.shape))
    found = array_layout(shape, dtype, source.name, layout=source.layout or layout)
    return found, labels if layout else ()


def container_of(
    array: Any, layout: ArrayLayout, labels: tuple[str, ...], *, asked: bool
) -> Container:
    """Describe how an array is stored."""
    shards = () if array.shards is None else (f"in shards of {'×'.join(map(str, array.shards))}",)
    return Container(
        f"Zarr {array.metadata.zarr_format} array",
        layout.shape,
        layout.axes,
        big_endian=_is_big_endian(array),
        fortran_order=getattr(array.metadata, "order", "C") == "F",
        chunk=tuple(map(int, array.chunks)),
        filters=(*_codecs(array), *shards),
        labels=labels,
        is_assumed=not (asked or labels),
    )


def _is_big_endian(array: Any) -> bool:
    if array.metadata.zarr_format == 2:
        return bool(array.dtype.byteorder == ">")
    endian = getattr(array.serializer, "endian", None)
    return getattr(endian, "value", endian) == "big"


def _codecs(array: Any) -> tuple[str, ...]:
    """Name the filters and compressions of chunks in their order."""
    found = []
    for codec in (*array.filters, *array.compressors):
        said = codec.to_dict() if hasattr(codec, "to_dict") else codec.get_config()
        name = said.get("name") or said.get("id") or type(codec).__name__
        options = said.get("configuration") or said
        kind, effort = options.get("cname"), options.get("level", options.get("clevel"))
        found.append(" ".join(str(each) for each in (name, kind, effort) if each is not None))
    return tuple(map(printable, found))
