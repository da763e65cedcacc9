"""Check that all that is learned from together has the same channels in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onebyone_cli.stack.identity import Identity


def check_order(
    channels: Identity, path: str, first: Identity, first_path: str, say: Callable[[str], None]
) -> None:
    """Raise `DataError` if both know their channels and have them in different orders.

    Channels of which only some are known to both, at other places, are taken in their order, and
    `say` takes a warning. Those of another kind, such as those of another date, need none.

    Parameters
    ----------
    channels, first : Identity
        Equally many, or unknown.
    path, first_path : str
        Whose they are, for messages.
    """
    if channels == first:
        return
    from onebyone_cli.stack.identity import find_channels
    from onebyone_cli.stack.name_matching import some_of

    found = find_channels(first, channels)
    if found is None or found.are_in_order:
        return
    here, there = some_of(found.known), some_of(found.wanted)
    if None in found.places:
        say(
            f"warning: {path}: has the channels {here} and {first_path} has {there}; "
            "they are taken in their order"
        )
        return
    raise DataError(
        f"has the channels of {first_path} in another order: {here} and not {there}; "
        f"read all in one order, as with {setting('channels', _spec(first, found.wanted))}",
        path,
    )


def _spec(channels: Identity, texts: Sequence[str]) -> str:
    """Write a selection of all channels by name or wavelength."""
    if texts != channels.names:
        return ",".join(text.replace(" ", "") for text in texts)
    return ",".join(f"'{text}'" if set(text) & set(",:!' ") else text for text in texts)
