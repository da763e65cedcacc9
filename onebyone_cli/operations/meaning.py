"""Decide what the stored numbers of a stack mean, from its files and from the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.stack.validity import Validity, in_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.stack.validity import Nodata, Range

    Input = Reader | StreamReader

_NO_LIMITS = (float("-inf"), float("inf"))


class Asked(NamedTuple):
    """What the user says about the numbers.

    Attributes
    ----------
    nodata : Nodata or None
        In place of what the files say; None to use that.
    stored : bool
        Whether scales and offsets of the files are left unused.
    invalid : {"any", "all"}
        As `Validity.rule`.
    """

    nodata: Nodata | None = None
    stored: bool = False
    invalid: Literal["any", "all"] = "any"


class Packing(NamedTuple):
    """How stored numbers become physical values: ``scale * stored + offset``.

    Attributes
    ----------
    scale, offset : tuple of float
        One entry per channel.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def selected(self, channels: Sequence[int]) -> Packing | None:
        """Return the packing of some channels; None where stored numbers are the values."""
        scale, offset = (tuple(each[at] for at in channels) for each in self)
        return Packing(scale, offset) if set(scale) != {1.0} or set(offset) != {0.0} else None


class Meaning(NamedTuple):
    """What the stored numbers of a stack mean.

    Attributes
    ----------
    validity : Validity
    packing : Packing or None
        None where stored numbers are the values.
    notes : tuple of str
        What was taken from the files, for the user.
    """

    validity: Validity = Validity()
    packing: Packing | None = None
    notes: tuple[str, ...] = ()

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Scale and offset of each channel as arrays, shape (C,); None without packing."""
        if self.packing is None:
            return None
        scale, offset = (np.array(each, np.float64) for each in self.packing)
        return scale, offset


def meaning_of(inputs: Sequence[Input], asked: Asked) -> Meaning:
    """Find out what the numbers of inputs mean that are stacked along the channels.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        In channel order; only their metadata is read.
    asked : Asked

    Raises
    ------
    UsageError
        If no input can hold a nodata value of the user.
    """
    _check_held(inputs, asked.nodata)
    notes: dict[str, None] = {}
    nodata: list[tuple[Range, ...]] = []
    valid: list[Range] = []
    scale: list[float] = []
    offset: list[float] = []
    for each in inputs:
        said, channels = each.about.metadata, each.spec.channels
        if asked.nodata is None:
            values = _spread(said.nodata, channels, ())
            # NaN and infinities are invalid without being named.
            nodata += [
                tuple((each, each) for each in entry if np.isfinite(each)) for entry in values
            ]
        else:
            nodata += [asked.nodata.ranges] * channels
        hears = asked.nodata is None or bool(asked.nodata.ranges)
        limits = _spread(said.valid_range, channels, None) if hears else [None] * channels
        valid += [_NO_LIMITS if pair is None else pair for pair in limits]
        if not asked.stored:
            scale += _spread(said.scale, channels, 1.0)
            offset += _spread(said.offset, channels, 0.0)
        notes |= dict.fromkeys((*_notes(said, asked, each.spec.dtype), *each.about.notes))
    has_limits = any(pair != _NO_LIMITS for pair in valid)
    validity = Validity(
        tuple(nodata) if any(nodata) else (), tuple(valid) if has_limits else (), asked.invalid
    )
    packing = Packing(tuple(scale), tuple(offset))
    is_packed = any(each != 1 for each in scale) or any(each != 0 for each in offset)
    return Meaning(validity, packing if is_packed else None, tuple(notes))


def _spread(entries: Sequence[Any], channels: int, missing: Any) -> list[Any]:
    if not entries:
        return [missing] * channels
    return list(entries) * channels if len(entries) == 1 else list(entries)


def _check_held(inputs: Sequence[Input], nodata: Nodata | None) -> None:
    """Raise `UsageError` for a value that the type of no input holds."""
    types = list(dict.fromkeys(each.spec.dtype for each in inputs))
    for low, high in () if nodata is None else nodata.ranges:
        if low != high or np.isnan(low) or any(holds(dtype, low) for dtype in types):
            continue
        text = str(int(low)) if abs(low) <= 2**64 and low == int(low) else f"{low:.10g}"
        listed = " and ".join(types)
        hint = ""
        if low < 0 and low == int(low) and len(types) == 1 and types[0].startswith("uint"):
            wrapped = low + (np.iinfo(types[0]).max + 1)
            if wrapped > np.iinfo(types[0]).max // 2:
                hint = f"; numbers that were signed once would be {wrapped:.10g} here"
        raise UsageError(
            f"{setting('nodata', text)}: no number of the input can be {text}, since the type is "
            f"{listed}{hint}"
        )


def holds(dtype: str, value: float) -> bool:
    """Return whether a type of a file holds a number."""
    if np.isnan(value):
        return dtype.startswith("float")
    with np.errstate(over="ignore"):
        return not np.isnan(in_type(value, dtype))


def _notes(said: Metadata, asked: Asked, dtype: str) -> Iterator[str]:
    """Describe what is taken from a file."""
    values = dict.fromkeys(value for entry in said.nodata for value in entry)
    if dtype.startswith("float"):
        values = dict.fromkeys(filter(np.isfinite, values))
    if asked.nodata is None and values:
        text = (
            " or ".join(f"{value:.10g}" for value in values) if len(values) < 5 else "of channels"
        )
        unheld = [value for value in values if not holds(dtype, value)]
        more = f"; {dtype} can't hold it, so it is not used" if unheld == list(values) else ""
        yield f"nodata {text}{_origin(said, 'nodata')}{more}"
    hears = asked.nodata is None or bool(asked.nodata.ranges)
    if hears and said.valid_range:
        pairs = list({pair for pair in said.valid_range if pair and pair != _NO_LIMITS})
        if len(pairs) == 1:
            yield f"valid range {range_text(*pairs[0])}{_origin(said, 'valid_range')}"
        elif pairs:
            yield f"valid ranges of channels{_origin(said, 'valid_range')}"
    if not asked.stored:
        if any(each != 1 for each in said.scale):
            yield f"scale {_one(said.scale)}{_origin(said, 'scale')}"
        if any(each != 0 for each in said.offset):
            yield f"offset {_one(said.offset)}{_origin(said, 'offset')}"


def range_text(low: float, high: float) -> str:
    """Format a range of numbers, of which one end may be infinite.

    >>> range_text(float("-inf"), 5.0), range_text(0, 10000)
    ('at most 5', '0 to 10000')
    """
    if low == _NO_LIMITS[0]:
        return f"at most {high:.10g}"
    return f"at least {low:.10g}" if high == _NO_LIMITS[1] else f"{low:.10g} to {high:.10g}"


def _one(entries: Sequence[float]) -> str:
    different = dict.fromkeys(entries)
    return f"{entries[0]:.10g}" if len(different) == 1 else "of each channel"


def _origin(said: Metadata, field: str) -> str:
    origin = said.origins.get(field, "")
    return f", from {origin}" if origin else ""
