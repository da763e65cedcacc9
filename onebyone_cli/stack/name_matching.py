"""Match names of channels with each other, as people write them.

Case does not count, nor do zeros before a number, nor a beginning or an end that all names of a
stack share: ``T32_B01`` is ``b1``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    #: A name, cut into numbers and single letters.
    Tokens = tuple[str, ...]

#: A number, or any other character.
_TOKEN = re.compile(r"[0-9]+|[^0-9]")

#: Most names that a message lists.
_LISTED = 6


class NameMatch(NamedTuple):
    """The places of wanted names among the names of a stack.

    Attributes
    ----------
    places : list of int or None
        For each wanted name; None if the stack has no such name, or several.
    ambiguous : list of str
        Wanted names that several channels of the stack have.
    """

    places: list[int | None]
    ambiguous: list[str]

    @property
    def found(self) -> int:
        """Number of wanted names that the stack has once."""
        return sum(place is not None for place in self.places)


def match_names(
    wanted: Sequence[str], names: Sequence[str], *, as_typed: bool = False
) -> NameMatch:
    """Find wanted names among the names of a stack.

    Equal names win. Otherwise names are compared without what the names of each side share, with
    as much of it as makes the most names equal. What wanted names share counts if they are
    `as_typed`, not all names of another stack.
    """
    if not names:
        return NameMatch([None] * len(wanted), [])
    exact = _Index([(name,) for name in names]).look_up([(name,) for name in wanted], wanted)
    if exact.found == len(wanted):
        return exact
    theirs = _Side.of(names)
    ours = _Side((), [_tokens(name) for name in wanted], ()) if as_typed else _Side.of(wanted)
    best = exact
    for their_names, our_names in _alignments(theirs, ours):
        found = _Index(their_names).look_up(our_names, wanted, may_repeat=as_typed)
        if (found.found, len(found.ambiguous)) > (best.found, len(best.ambiguous)):
            best = found
    return best


def some_of(names: Sequence[str]) -> str:
    """List the first names for a message."""
    listed = ", ".join(names[:_LISTED])
    more = len(names) - _LISTED
    return f"{listed} and {more} more" if more > 0 else listed


class _Index:
    """Channels by their names in one form."""

    def __init__(self, names: Sequence[Tokens]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._counts = Counter(names)

    def look_up(
        self, names: Sequence[Tokens], written: Sequence[str], *, may_repeat: bool = False
    ) -> NameMatch:
        counts = [self._counts[name] for name in names]
        # Two wanted names that would be one channel are as ambiguous as two channels.
        own = Counter(() if may_repeat else names)
        doubtful = [
            count > 1 or (count == 1 and own[name] > 1)
            for name, count in zip(names, counts, strict=True)
        ]
        return NameMatch(
            [
                None if doubt else self._places.get(name)
                for name, doubt in zip(names, doubtful, strict=True)
            ],
            [name for name, doubt in zip(written, doubtful, strict=True) if doubt],
        )


class _Side(NamedTuple):
    """Names without what they share: ``before + cores[i] + after`` is name i."""

    before: Tokens
    cores: list[Tokens]
    after: Tokens

    @classmethod
    def of(cls, names: Sequence[str]) -> _Side:
        cut = [_tokens(name) for name in names]
        # One token of each name is its own, however much they share.
        room = min(map(len, cut)) - 1
        start = 0
        while start < room and len({name[start] for name in cut}) == 1:
            start += 1
        end = 0
        while end < room - start and len({name[-1 - end] for name in cut}) == 1:
            end += 1
        cores = [name[start : len(name) - end] for name in cut]
        return cls(cut[0][:start], cores, cut[0][len(cut[0]) - end :])

    def kept(self, before: int, after: int) -> list[Tokens]:
        """Return the names with the last and first tokens of what they share."""
        head, tail = self.before[len(self.before) - before :], self.after[:after]
        return [head + core + tail for core in self.cores]


def _tokens(name: str) -> Tokens:
    found = _TOKEN.findall(name.casefold())
    tokens = []
    for at, token in enumerate(found):
        # Zeros of 0.05 are not before a number.
        decimals = at > 1 and found[at - 1] == "." and found[at - 2].isdigit()
        tokens.append(token if decimals or not token.isdigit() else token.lstrip("0") or "0")
    return tuple(tokens) or ("",)


def _alignments(one: _Side, other: _Side) -> Iterator[tuple[list[Tokens], list[Tokens]]]:
    """Yield both sides with more or less of what their names share, the least first.

    At each end at most one side keeps some, since what both keep counts for nothing.
    """
    for before in _kept_lengths(one.before, other.before, one.cores, other.cores, at_end=False):
        for after in _kept_lengths(one.after, other.after, one.cores, other.cores, at_end=True):
            yield (
                one.kept(max(before, 0), max(after, 0)),
                other.kept(max(-before, 0), max(-after, 0)),
            )


def _kept_lengths(
    one: Tokens, other: Tokens, ones: Sequence[Tokens], others: Sequence[Tokens], *, at_end: bool
) -> list[int]:
    """List numbers of shared tokens to keep: of `one` above 0, of `other` below.

    Only those count with which some name of the other side begins, or ends.
    """
    found = [0]
    for sign, shared, cores in ((1, one, others), (-1, other, ones)):
        for length in range(1, len(shared) + 1):
            part = shared[:length] if at_end else shared[-length:]
            if any((core[-length:] if at_end else core[:length]) == part for core in cores):
                found.append(sign * length)
    return found
