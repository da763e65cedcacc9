"""Tell channels apart: by their names, or else by their wavelengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.stack.name_matching import match_names
from onebyone_cli.stack.stack import channel_names, stacked_metadata
from onebyone_cli.stack.wavelengths import in_nanometres, nearest_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader


class Identity(NamedTuple):
    """What tells the channels of a stack, or those that weights take, apart.

    Attributes
    ----------
    names : tuple of str
        Their names; empty if unknown.
    wavelengths : tuple of float
        Their wavelengths in nanometres; empty if unknown.
    """

    names: tuple[str, ...] = ()
    wavelengths: tuple[float, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Names for messages: wavelengths where there are no names."""
        return self.names or tuple(f"{each:.7g} nm" for each in self.wavelengths)


class Found(NamedTuple):
    """The places of wanted channels in a stack.

    Attributes
    ----------
    places : list of int or None
        For each wanted channel; None if the stack has no such channel, or several.
    ambiguous : list of str
        Wanted channels that could be several of the stack.
    wanted, known : tuple of str
        The channels on both sides as messages name them.
    """

    places: list[int | None]
    ambiguous: list[str]
    wanted: tuple[str, ...]
    known: tuple[str, ...]

    @property
    def are_in_order(self) -> bool:
        """Whether each wanted channel that was found is at its own place."""
        return all(place is None or place == at for at, place in enumerate(self.places))


def identity_of(inputs: Sequence[Reader | StreamReader]) -> Identity:
    """Return what tells the channels of a stack apart."""
    return Identity(channel_names(inputs), tuple(in_nanometres(stacked_metadata(inputs))))


def find_channels(wanted: Identity, among: Identity) -> Found | None:
    """Find wanted channels in a stack: by name, or by wavelength if no name is found.

    Returns None if the two sides do not have the same kind of knowledge.
    """
    by_name = None
    if wanted.names and among.names:
        found = match_names(wanted.names, among.names)
        by_name = Found(found.places, found.ambiguous, wanted.names, among.names)
        if found.found or found.ambiguous:
            return by_name
    if wanted.wavelengths and among.wavelengths:
        places = nearest_of_each(wanted.wavelengths, among.wavelengths)
        texts = [Identity((), each.wavelengths).texts for each in (wanted, among)]
        if by_name is None or any(place is not None for place in places):
            return Found(places, [], *texts)
    return by_name
