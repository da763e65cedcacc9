"""Selections of channels, as typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.stack.name_matching import match_names, some_of
from onebyone_cli.stack.wavelengths import Wavelengths, find, in_nanometres, parse_wavelengths
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: A channel or a half-open range.
_NUMBERS = re.compile(r"([0-9]{1,9})|([0-9]{0,9}):([0-9]{0,9})", re.ASCII)

#: A part with or without ``!``, up to the next comma that is not in quotes.
_PART = re.compile(r"""(!?)("[^"]*"|'[^']*'|[^,"']*)(?:,|$)""")


class Part(NamedTuple):
    """Channels that a part of a selection names.

    Attributes
    ----------
    kind : {"numbers", "waves", "name", "good"}
        Numbers of channels, wavelengths, a name, or the channels that are not bad.
    text : str
        As typed; a name without its quotes.
    is_left_out : bool
        Whether the part excludes them.
    first, end : int or None
        A range of numbers, to one before `end`; None is the first or the last of all.
    waves : Wavelengths or None
    """

    kind: Literal["numbers", "waves", "name", "good"]
    text: str
    is_left_out: bool = False
    first: int | None = None
    end: int | None = None
    waves: Wavelengths | None = None

    @property
    def is_one(self) -> bool:
        """Whether this names one channel."""
        if self.is_left_out or self.kind == "good":
            return False
        if self.kind == "numbers":
            return self.end == (self.first or 0) + 1
        return self.waves is None or self.waves.is_one


class Selection(NamedTuple):
    """A selection of channels: the text as typed, its parts in order, and the option it is of."""

    text: str
    parts: tuple[Part, ...]
    option: str = "channels"

    def indices(self, channels: int, load: Callable[[], Metadata] = Metadata) -> list[int]:
        """List the selected channels of a stack, in the order of the selection.

        `load` returns the metadata of the stack, if the selection needs it. Raises `UsageError` if
        the stack has no such channel, one is selected twice, or none is left.
        """
        left_out: set[int] = set()
        found: list[int] = []
        for part in self.parts:
            named = self._channels_of(part, channels, load)
            if part.is_left_out:
                left_out |= set(named)
            else:
                found += named
        if all(part.is_left_out for part in self.parts):
            found = list(range(channels))
        found = [channel for channel in found if channel not in left_out]
        self._check(found)
        return found

    def listed(self) -> list[int]:
        """List the channels of an unknown stack: numbers only, no open ends, nothing left out."""
        if any(part.is_left_out or part.end is None for part in self.parts):
            raise self._refusal(
                "the stack is not known here; list the channels, as in 3,1,2 or 10:51"
            )
        found = [at for part in self.parts for at in range(part.first or 0, part.end or 0)]
        self._check(found)
        return found

    def _channels_of(
        self, part: Part, channels: int, load: Callable[[], Metadata]
    ) -> range | list[int]:
        if part.kind == "numbers":
            return self._numbers(part, channels)
        if part.kind == "good":
            good = load().good
            if not good:
                raise self._refusal("the stack has no list of bad channels")
            return [at for at, is_good in enumerate(good) if is_good]
        if part.waves is not None:
            return self._of_wavelengths(part.waves, part.text, load())
        return [self._named(part.text, load().channels)]

    def _numbers(self, part: Part, channels: int) -> range:
        named = range(part.first or 0, channels if part.end is None else part.end)
        if named.stop > channels or (named.start >= channels and part.end is None):
            beyond = max(named.start, named.stop - 1)
            raise UsageError(
                f"{setting(self.option, self.text)} names channel {beyond}, and the stack has "
                f"{count(channels, 'channel')}, counted from 0"
            )
        return named

    def _named(self, name: str, names: tuple[str, ...]) -> int:
        if not names:
            raise self._refusal(
                f"the stack has no names of channels, such as {name}; give numbers, as in 3 or "
                "10:51"
            )
        found = match_names([name], names, as_typed=True)
        place = found.places[0]
        if place is None:
            problem = "could be several channels" if found.ambiguous else "is not a channel"
            raise self._refusal(f"{name} {problem}; there are {some_of(names)}")
        return place

    def _of_wavelengths(self, wanted: Wavelengths, text: str, said: Metadata) -> list[int]:
        known = in_nanometres(said)
        if known:
            found = find(wanted, known)
            if not found:
                raise self._refusal(
                    f"no channel is at {text}; the wavelengths are from {min(known):.6g} to "
                    f"{max(known):.6g} nm"
                )
            return found
        if wanted.is_one and said.channels:
            return [self._named(text, said.channels)]
        unit = said.wavelength_unit if said.wavelengths else ""
        why = f"wavelengths in {unit}" if unit else "no wavelengths"
        raise self._refusal(f"the stack has {why}")

    def _refusal(self, why: str) -> UsageError:
        return UsageError(f"{setting(self.option, self.text)}: {why}")

    def _check(self, found: list[int]) -> None:
        if not found:
            raise UsageError(f"{setting('channels', self.text)} leaves no channel")
        if len(set(found)) < len(found):
            twice = next(channel for channel in found if found.count(channel) > 1)
            raise UsageError(f"{setting('channels', self.text)} selects channel {twice} twice")


def parse_selection(text: str) -> Selection:
    """Read a selection: channels, half-open ranges, names and wavelengths, separated by commas.

    ``!`` excludes a part; a range without an end goes to the last channel. A wavelength is the
    channel nearest to it, and ``good`` all that are not bad. A name in quotes can be anything.
    Raises `UsageError`.

    Examples
    --------
    >>> parse_selection("0:4,!2").indices(10)
    [0, 1, 3]
    """
    return Selection(text, tuple(_part(text, *found) for found in _split(text)))


def selection_of(channels: str | int | Sequence[int | str] | None) -> Selection | None:
    """Return a selection: a text as in `parse_selection`, a number, or a list of numbers and names.

    None selects all channels.
    """
    if channels is None or isinstance(channels, str):
        return None if channels is None else parse_selection(channels)
    listed = [channels] if isinstance(channels, int) else list(channels)
    parts = [Part("name", each) if isinstance(each, str) else _number(int(each)) for each in listed]
    return Selection(",".join(part.text for part in parts), tuple(parts))


def _number(channel: int) -> Part:
    if channel < 0:
        raise UsageError(f"{setting('channels', channel)}: channels count from 0")
    return Part("numbers", str(channel), first=channel, end=channel + 1)


def _split(text: str) -> Iterator[tuple[bool, str]]:
    """Cut a text at the commas that are not in quotes."""
    at = 0
    while True:
        found = _PART.match(text, at)
        if found is None:
            raise _not_a_selection(text)
        yield bool(found[1]), found[2]
        at = found.end()
        if not found[0].endswith(","):
            return


def _part(text: str, is_left_out: bool, word: str) -> Part:
    if word[:1] in ("'", '"') and len(word) > 2:
        return Part("name", word[1:-1], is_left_out)
    word = word.strip()
    numbers = _NUMBERS.fullmatch(word)
    if numbers and word != ":":
        alone, first, end = numbers.groups()
        if alone:
            first, end = alone, str(int(alone) + 1)
        part = Part(
            "numbers", word, is_left_out, int(first) if first else None, int(end) if end else None
        )
        if part.end is not None and (part.first or 0) >= part.end:
            raise UsageError(
                f"{setting('channels', text)}: the range {word} is empty; write FIRST:END"
            )
        return part
    waves = parse_wavelengths(word)
    if waves is not None:
        if waves.low > waves.high:
            raise UsageError(
                f"{setting('channels', text)}: the range {word} is empty; write LOW:HIGH"
            )
        return Part("waves", word, is_left_out, waves=waves)
    if word == "good":
        return Part("good", word, is_left_out)
    if ":" in word or not any(map(str.isalpha, word)):
        raise _not_a_selection(text)
    return Part("name", word, is_left_out)


def _not_a_selection(text: str) -> UsageError:
    return UsageError(
        f"{setting('channels', text)} is not a selection; write channels and ranges, as in "
        "3, 10:51 or 0:50,!6:8, names and wavelengths, as in B08,650nm or 450nm:900nm, or good"
    )
