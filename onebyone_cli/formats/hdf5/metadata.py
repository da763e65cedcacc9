"""Put together what a file says about a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.formats.contracts.attributes import metadata_of
from onebyone_cli.formats.contracts.cf import made_unsigned, without_structure
from onebyone_cli.formats.hdf5.attributes import fill_value, read_attributes
from onebyone_cli.formats.hdf5.coordinates import grid_mapping, read_dimensions
from onebyone_cli.formats.hdf5.neighbours import find_near
from onebyone_cli.formats.hdf5.reading import Place

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.metadata import Metadata

__all__ = ["Place", "read_metadata"]

#: Origin of a nodata value that no attribute names.
_FILL = "the fill value of the dataset"


def read_metadata(place: Place) -> Metadata:
    """Read the attributes of a dataset, what stands near it, and its fill value."""
    values = read_attributes(place.dataset)
    made_unsigned(values, place.spec.dtype)
    near = find_near(place, values)
    found = metadata_of(values, place.spec, near)
    dimensions = read_dimensions(place)
    found = found._replace(dimensions=dimensions, grid_mapping=grid_mapping(place, values))
    found = found._replace(attributes=without_structure(found))
    fill = None if found.nodata else fill_value(place.dataset)
    if fill is None:
        return found
    return found._replace(nodata=((fill,),), origins={**found.origins, "nodata": _FILL})
