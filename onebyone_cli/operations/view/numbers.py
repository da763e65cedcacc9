"""Read the numbers of a small stack, to print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.picture.sheet import Room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader

#: Most numbers that are printed.
MOST_NUMBERS = 10_000


def room_for_numbers(opened: Sequence[Reader | StreamReader], cells: int) -> Room:
    """Return the room of a sheet on which every number has a pixel of its own.

    Raises
    ------
    UsageError
        If there are more than `MOST_NUMBERS`.
    """
    first = opened[0]
    total = cells * first.spec.height * first.spec.width
    if total > MOST_NUMBERS:
        raise UsageError(
            f"{setting('numbers')} prints up to {MOST_NUMBERS} numbers, and {first.path} has "
            f"{total} ({cells}×{first.spec.height}×{first.spec.width}); choose channels with "
            f"{setting('channels')}, or see them summed up by stats"
        )
    return Room(first.spec.height, first.spec.width * cells)
