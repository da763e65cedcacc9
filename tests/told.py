"""Stacks whose files and users say what their numbers mean, and what numpy makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st
from strategies import Array, seeds

from onebyone_cli.api.asked import asked_of
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.operations.meaning import Asked
from onebyone_cli.stack.in_memory import ArrayInput
from onebyone_cli.stack.selected import select
from onebyone_cli.stack.selection import Selection, parse_selection


def described(array: Array, said: dict[str, Any], path: str = "array") -> ArrayInput:
    """An array of a file with metadata."""
    reader = ArrayInput(array, path=path)
    reader.about = About(path, load_metadata=lambda: Metadata(**said))
    return reader


@dataclass
class Told:
    """Inputs (C, H, W) that are stacked, with what files and the user say of them."""

    arrays: list[Array]
    said: list[dict[str, Any]]
    nodata: Any = None
    stored: bool = False
    rule: Any = "any"
    kept: Array | None = None
    channels: str = ""
    seed: int = 0
    mask_said: dict[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> Asked:
        """What the user says."""
        return asked_of(self.nodata, stored=self.stored, invalid=self.rule)

    @property
    def selection(self) -> Selection | None:
        """The channels that the user selects."""
        return parse_selection(self.channels) if self.channels else None

    def readers(self) -> list[Any]:
        """The inputs, opened."""
        pairs = zip(self.arrays, self.said, strict=True)
        opened = [described(array, said, f"in{at}") for at, (array, said) in enumerate(pairs)]
        return select(opened, self.selection)

    def mask(self) -> ArrayInput | None:
        """The mask, opened."""
        return None if self.kept is None else described(self.kept, self.mask_said)

    @cached_property
    def chosen(self) -> list[int]:
        """Channels of the whole stack that are used."""
        total = sum(map(len, self.arrays))
        return self.selection.indices(total) if self.selection else list(range(total))

    @cached_property
    def numbers(self) -> Array:
        """Stored numbers (C, H, W) in float64, which holds them all."""
        return np.concatenate([array.astype(np.float64) for array in self.arrays])[self.chosen]

    @cached_property
    def invalid(self) -> Array:
        """Numbers (C, H, W) that are invalid besides NaN and infinity."""
        found = [
            _invalid(plane, entry, limits, self.nodata)
            for array, said in zip(self.arrays, self.said, strict=True)
            for plane, entry, limits in zip(
                array,
                _each(said, "nodata", (), len(array)),
                _each(said, "valid_range", None, len(array)),
                strict=True,
            )
        ]
        return np.array(found)[self.chosen]

    @cached_property
    def masked(self) -> Array:
        """Pixels (H, W) that the mask leaves out."""
        if self.kept is None:
            return np.zeros(self.numbers.shape[1:], bool)
        masked = (self.kept == 0) | np.isnan(self.kept)
        if self.nodata != "none":
            for value in (value for entry in self.mask_said.get("nodata", ()) for value in entry):
                masked |= self.kept == value
        return masked

    @cached_property
    def invalid_pixels(self) -> Array:
        """Pixels (H, W) that nothing counts."""
        together = np.any if self.rule == "any" else np.all
        found = together(self.invalid, axis=0) | ~np.isfinite(self.numbers).all(axis=0)
        return np.asarray(found | self.masked)

    @cached_property
    def scale(self) -> Array:
        """Factor of each channel, shape (C, 1, 1)."""
        return self._packing("scale", 1.0)

    @cached_property
    def offset(self) -> Array:
        """What is added to each channel, shape (C, 1, 1)."""
        return self._packing("offset", 0.0)

    @cached_property
    def values(self) -> Array:
        """What is meant (C, H, W)."""
        return self.numbers * self.scale + self.offset

    @property
    def pixels(self) -> Array:
        """Values of the valid pixels (C, n)."""
        return self.values[:, ~self.invalid_pixels]

    def _packing(self, name: str, missing: float) -> Array:
        found = [
            entry
            for array, said in zip(self.arrays, self.said, strict=True)
            for entry in _each({} if self.stored else said, name, missing, len(array))
        ]
        return np.array(found)[self.chosen, np.newaxis, np.newaxis]


def _each(said: dict[str, Any], name: str, missing: Any, channels: int) -> list[Any]:
    entries = list(said.get(name, ())) or [missing]
    return entries * channels if len(entries) == 1 else entries


def _invalid(plane: Array, entry: Any, limits: Any, nodata: Any) -> Array:
    """Mark invalid numbers of a channel, one after the other."""
    to_type = plane.dtype.type if plane.dtype.kind == "f" else float
    if nodata == "none":
        entry, limits = (), None
    elif nodata is not None:
        entry = nodata
    found = np.zeros(plane.shape, bool)
    for value in entry:
        low, high = value if isinstance(value, tuple) else (value, value)
        found |= (plane >= to_type(low)) & (plane <= to_type(high))
    if limits is not None:
        found |= (plane < to_type(limits[0])) | (plane > to_type(limits[1]))
    return found


#: Whole numbers that every type holds, and a fraction.
_VALUES = st.sampled_from([0.0, 1.0, 7.0, 100.0, 99.5])
_TYPES = st.sampled_from(["uint8", "int16", "uint16", "float32", "float64"])
_LIMITS = st.sampled_from([(2.0, 250.0), (1.0, float("inf")), (float("-inf"), 110.5)])


@st.composite
def told_stacks(draw: st.DrawFn, *, side: int = 24) -> Told:
    """Stacks of one or two inputs, with holes of every kind."""
    rng = np.random.default_rng(draw(seeds))
    height, width = draw(st.integers(2, side)), draw(st.integers(2, side))
    arrays, said = [], []
    for _ in range(draw(st.integers(1, 2))):
        dtype, channels = draw(_TYPES), draw(st.integers(1, 3))
        x = rng.integers(0, 120, (channels, height, width)).astype(dtype)
        if x.dtype.kind == "f":
            holes = rng.random(x.shape) < draw(st.sampled_from([0, 0.02]))
            x[holes] = rng.choice([np.nan, np.inf, -np.inf, 99.5], np.count_nonzero(holes))
        x[rng.random(x.shape) < 0.03] = draw(st.sampled_from([0, 1, 7, 100]))
        arrays.append(x)
        said.append(draw(_sayings(channels)))
    total = sum(map(len, arrays))
    kept = rng.choice([0.0, 1.0, 3.0, np.nan], (height, width), p=[0.05, 0.8, 0.1, 0.05])
    dtype = draw(st.sampled_from(["uint8", "float32", "bool"]))
    kept = np.nan_to_num(kept).astype(dtype) if dtype != "float32" else kept.astype(dtype)
    return Told(
        arrays,
        said,
        nodata=draw(st.sampled_from([None, None, "none", [7], [100, 0], [(6, 8), 100]])),
        stored=draw(st.booleans()),
        rule=draw(st.sampled_from(["any", "all"])),
        kept=draw(st.sampled_from([None, kept])),
        channels=draw(st.sampled_from(["", "!0"])) if total > 1 else "",
        seed=draw(seeds),
        mask_said=draw(st.sampled_from([{}, {"nodata": ((3.0,),)}])),
    )


@st.composite
def _sayings(draw: st.DrawFn, channels: int) -> dict[str, Any]:
    """What a file says, of all channels or of each."""

    def entries(each: st.SearchStrategy[Any]) -> Any:
        sizes = st.sampled_from(sorted({0, 1, channels}))
        return tuple(draw(each) for _ in range(draw(sizes)))

    return {
        "nodata": entries(st.lists(_VALUES, max_size=2).map(tuple)),
        "valid_range": entries(st.none() | _LIMITS),
        "scale": entries(st.sampled_from([0.5, -2.0, 1e-4, 1.0])),
        "offset": entries(st.sampled_from([0.0, -0.2, 273.15])),
    }
