"""Names and coordinates of the axes of a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

#: Attributes of a coordinate that name other variables of its file, or are about its bytes.
_DROPPED = {
    *("bounds", "climatology", "coordinates", "formula_terms", "grid_mapping"),
    *("_FillValue", "missing_value", "valid_min", "valid_max", "valid_range", "actual_range"),
    *("scale_factor", "add_offset", "_Unsigned"),
}


class Dimension(NamedTuple):
    """An axis of a stack, as a file names it.

    Attributes
    ----------
    name : str
        Empty if the file has none.
    size : int
        Number of steps; 0 if the file does not know the axis.
    values : tuple of float or str
        A coordinate for each step; empty if there are none.
    attributes : mapping of str to str, number or list
        What the file says about the coordinates, such as their ``units``.
    """

    name: str = ""
    size: int = 0
    values: tuple[Any, ...] = ()
    attributes: Mapping[str, Any] = MappingProxyType({})

    def picked(self, steps: Sequence[int]) -> Dimension:
        """Return the axis of some of its steps."""
        values = tuple(self.values[at] for at in steps) if self.values else ()
        return self._replace(size=len(steps), values=values)


def described(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a coordinate that stay true in another file, as plain values."""
    return {
        name: value.tolist() if hasattr(value, "tolist") else value
        for name, value in values.items()
        if name not in _DROPPED
    }


def joined_dimensions(parts: Sequence[tuple[Dimension, ...]]) -> tuple[Dimension, ...]:
    """Join the axes of stacks along the channels: what no two disagree on, and no coordinates.

    Each part has one entry for each of the axes ``(*batch, C, H, W)``, or none.
    """
    known = [part for part in parts if part]
    if not known or len({len(part) for part in known}) > 1:
        return ()
    first, place = known[0], len(known[0]) - 3
    joined = [
        axis if all(part[at] == axis for part in known) else Dimension()
        for at, axis in enumerate(first)
    ]
    names = {part[place].name for part in known}
    size = sum(part[place].size for part in known) if len(known) == len(parts) else 0
    joined[place] = Dimension(first[place].name if len(names) == 1 else "", size)
    return tuple(joined)


def with_channels(
    dimensions: tuple[Dimension, ...], steps: Sequence[int] | None
) -> tuple[Dimension, ...]:
    """Return the axes of a stack of some channels; None stands for channels of another kind."""
    if not dimensions:
        return ()
    channels = Dimension() if steps is None else dimensions[-3].picked(steps)
    return (*dimensions[:-3], channels, *dimensions[-2:])
