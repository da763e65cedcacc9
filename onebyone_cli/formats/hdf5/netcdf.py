"""Write netCDF-4: HDF5 with dimensions, coordinates and the attributes of CF.

A dimension is an HDF5 dimension scale with a number of its own, and the file notes the order in
which its objects were made: without both the netCDF library can't add to the file. A coordinate
variable is the scale itself. Names of channels, wavelengths and widths that are no scale are
variables that the attribute ``coordinates`` lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.contracts.attributes import attributes_of, field_of
from onebyone_cli.formats.contracts.cf import mapping_of
from onebyone_cli.formats.contracts.dimensions import Dimension
from onebyone_cli.formats.contracts.metadata import Georeference, Metadata
from onebyone_cli.formats.hdf5.attributes import write_attributes
from onebyone_cli.formats.hdf5.coordinates import NO_VARIABLE
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.output import OutputFile
from onebyone_cli.names import suffix_of
from onebyone_cli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import StackSpec

#: Value of ``--format``, and suffixes of its files.
KIND = "netcdf"
SUFFIXES = (".nc", ".nc4")

_CONVENTIONS = "CF-1.11"

#: Names of axes that the input does not name.
_NAMES = ("channel", "y", "x")

#: Types of HDF5 that netCDF lacks, and those to use.
_MISSING = {"bool": "uint8", "float16": "float32"}

#: The variable of the reference system, as GDAL and rioxarray call it.
_MAPPING = "spatial_ref"

#: Standard names and units of coordinates of columns and rows.
_ON_MAPS = ("projection_x_coordinate", "projection_y_coordinate")
_ON_EARTH = (("longitude", "degrees_east"), ("latitude", "degrees_north"))
_GEOGRAPHIC = ("GEOGCS", "GEOGCRS", "GEODCRS", "EPSG:4326")


class _Variable(NamedTuple):
    """A variable of the file besides the stack: its dimension, entries and attributes."""

    dimension: str
    values: Any = None
    attributes: Mapping[str, Any] = {}


def is_netcdf(target: Target) -> bool:
    """Return whether an output is to be netCDF-4."""
    return target.kind == KIND or (not target.kind and suffix_of(target.path) in SUFFIXES)


def check_target(target: Target, spec: StackSpec) -> None:
    """Raise `UsageError` if netCDF-4 has no such type or compression."""
    if spec.dtype in _MISSING:
        use = setting("dtype", _MISSING[spec.dtype])
        raise UsageError(f"netCDF has no {spec.dtype}; use {use}, or an .h5 output", target.path)
    if target.storage.compression == "lzf":
        raise UsageError(
            "programs that read netCDF can't unpack lzf; "
            f"use {setting('compression', 'gzip')}, or an .h5 output",
            target.path,
        )


class NetcdfFile(OutputFile):
    """A netCDF-4 file with one variable, its dimensions and coordinates; see `OutputFile`."""

    keeps_order = True

    def create(self, name: bytes, spec: StackSpec, chunk: tuple[int, ...]) -> None:
        """Create the variables in the open file; only the numbers of the stack are missing."""
        metadata, last = self.target.metadata, name.rpartition(b"/")[2].decode()
        root = load_h5py().h5g.open(self.h5.id, b"/")
        made_by = f"version=2,onebyone={__version__},hdf5={load_h5py().version.hdf5_version}"
        said = {"Conventions": _CONVENTIONS, "history": metadata.history}
        write_attributes(root, {key: text for key, text in said.items() if text}, is_netcdf=True)
        load_h5py().AttributeManager(self.h5).create("_NCProperties", np.bytes_(made_by))
        group = self.make_groups(name)
        axes = _axes(metadata, spec, last)
        names = [axis.name for axis in axes]
        near = _near(metadata, axes[-3], {*names, last})
        scales = [self._make_scale(group, axis, at) for at, axis in enumerate(axes)]
        for each, variable in near.items():
            self._make_variable(group, each, variable, dict(zip(names, scales, strict=True)))
        self.make_dataset(group, last.encode(), spec, chunk)
        for at, scale in enumerate(scales):
            load_h5py().h5ds.attach_scale(self.dataset, scale, at)
        write_attributes(
            self.dataset, _attributes(metadata, {*names}, near), spec.dtype, is_netcdf=True
        )

    def _make_scale(self, group: Any, axis: Dimension, at: int) -> Any:
        h5py = load_h5py()
        if axis.values:
            scale = self._make(group, axis.name, axis.values, axis.attributes)
            h5py.h5ds.set_scale(scale, axis.name.encode())
        else:
            kind, space = h5py.h5t.IEEE_F32BE, h5py.h5s.create_simple((axis.size,))
            plist = self.make_plist(h5py.h5p.DATASET_CREATE)
            scale = h5py.h5d.create(group, axis.name.encode(), kind, space, plist)
            h5py.h5ds.set_scale(scale, b"%s.%10d" % (NO_VARIABLE, axis.size))
        h5py.AttributeManager(h5py.Dataset(scale)).create("_Netcdf4Dimid", np.int32(at))
        return scale

    def _make_variable(
        self, group: Any, name: str, variable: _Variable, scales: Mapping[str, Any]
    ) -> None:
        values = np.int32(0) if variable.values is None else variable.values
        made = self._make(group, name, values, variable.attributes)
        if variable.dimension:
            load_h5py().h5ds.attach_scale(made, scales[variable.dimension], 0)

    def _make(self, group: Any, name: str, values: Any, attributes: Mapping[str, Any]) -> Any:
        """Create a small variable with its numbers or texts."""
        h5py = load_h5py()
        array = np.asarray(values)
        is_text = array.dtype.kind == "U"
        dtype = h5py.string_dtype() if is_text else array.dtype.newbyteorder("<")
        kind, space = h5py.h5t.py_create(dtype, logical=True), h5py.h5s.create_simple(array.shape)
        plist = self.make_plist(h5py.h5p.DATASET_CREATE)
        made = h5py.h5d.create(group, name.encode(), kind, space, plist)
        h5py.Dataset(made)[()] = array.astype(object if is_text else dtype)
        write_attributes(made, attributes, array.dtype.name, is_netcdf=True)
        return made


def _axes(metadata: Metadata, spec: StackSpec, taken: str) -> list[Dimension]:
    """Return the axes of an output, each with a name of its own, and coordinates where known."""
    shape, known = spec.shape, metadata.dimensions
    known = known if len(known) == len(shape) else (Dimension(),) * len(shape)
    batch = len(spec.batch)
    names = [f"batch{at}" if batch > 1 else "batch" for at in range(batch)] + [*_NAMES]
    used, found = {taken}, []
    for axis, size, name in zip(known, shape, names, strict=True):
        own = axis if axis.size == size else Dimension(size=size)
        found.append(own._replace(name=_free(own.name or name, used), size=size))
        used.add(found[-1].name)
    found[-3] = _channels(metadata, found[-3])
    return _on_the_ground(metadata.georeference, found)


def _free(name: str, used: set[str]) -> str:
    return name if name not in used else _free(f"{name}_", used)


def _channels(metadata: Metadata, axis: Dimension) -> Dimension:
    """Give the axis of channels its wavelengths as coordinates, if it is one of these, or names."""
    if field_of(axis.name) == "wavelengths" and metadata.wavelengths:
        values = tuple(map(float, metadata.wavelengths))
        return axis._replace(values=values, attributes=_of_wavelengths(metadata))
    if axis.values or not metadata.channels:
        return axis
    return axis._replace(
        values=metadata.channels, attributes={"long_name": "names of the channels"}
    )


def _of_wavelengths(metadata: Metadata) -> dict[str, Any]:
    unit = {"units": metadata.wavelength_unit} if metadata.wavelength_unit else {}
    return {"standard_name": "radiation_wavelength", **unit}


def _on_the_ground(where: Georeference, axes: list[Dimension]) -> list[Dimension]:
    """Give columns and rows the coordinates of the centres of their pixels, where they are lines.

    Coordinates of the input stay.
    """
    rows, columns = axes[-2:]
    if len(where.transform) != 6 or rows.values or columns.values:
        return axes
    x, dx, x_turn, y, y_turn, dy = where.transform
    if x_turn or y_turn:
        return axes
    is_earth = where.crs.lstrip().upper().startswith(_GEOGRAPHIC)
    made = []
    for at, (axis, start, step) in enumerate(((columns, x, dx), (rows, y, dy))):
        said = {"standard_name": _ON_MAPS[at], "axis": "XY"[at]}
        if is_earth:
            said |= dict(zip(("standard_name", "units"), _ON_EARTH[at], strict=True))
        values = (start + step * (np.arange(axis.size) + 0.5)).tolist()
        made.append(axis._replace(values=tuple(values), attributes=said))
    return [*axes[:-2], made[1], made[0]]


def _near(metadata: Metadata, channels: Dimension, used: set[str]) -> dict[str, _Variable]:
    """Return the variables of the channels, and the one of the grid mapping."""
    found: dict[str, _Variable] = {}
    is_length = channels.values == tuple(map(float, metadata.wavelengths))
    unit = {"units": metadata.wavelength_unit} if metadata.wavelength_unit else {}
    tables: list[tuple[str, Any, Mapping[str, Any]]] = []
    if metadata.channels and channels.values != metadata.channels:
        tables.append(("channel_name", metadata.channels, {}))
    if metadata.wavelengths and not is_length:
        values = np.array(metadata.wavelengths, np.float64)
        tables.append(("wavelength", values, _of_wavelengths(metadata)))
    if metadata.widths:
        tables.append(("fwhm", np.array(metadata.widths, np.float64), unit))
    if metadata.good:
        tables.append(("good_wavelengths", np.array(metadata.good, np.int8), {}))
    for name, values, said in tables:
        found[_free(name, used)] = _Variable(channels.name, values, said)
    where, mapping = metadata.georeference, metadata.grid_mapping
    # Lines of coordinates tell the transform.
    has_lines = all(axis.values for axis in metadata.dimensions[-2:]) and metadata.dimensions
    if where.crs or mapping or (where.transform and not has_lines):
        said = mapping_of(where.crs) | dict(mapping)
        if where.transform:
            said["GeoTransform"] = " ".join(map(repr, where.transform))
        found[_free(_MAPPING, used)] = _Variable("", None, said)
    return found


def _attributes(
    metadata: Metadata, names: set[str], near: Mapping[str, _Variable]
) -> dict[str, Any]:
    """Return the attributes of the stack: all that no variable has."""
    rest = metadata._replace(
        channels=(),
        wavelengths=(),
        wavelength_unit="",
        widths=(),
        good=(),
        georeference=Georeference(),
        history="",
        attributes={name: each for name, each in metadata.attributes.items() if name not in names},
    )
    values = attributes_of(rest)
    if near:
        values["coordinates"] = " ".join(near)
    mappings = [name for name, each in near.items() if not each.dimension]
    return values | ({"grid_mapping": mappings[0]} if mappings else {})
