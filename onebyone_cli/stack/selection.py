"""Selections of channels, as typed."""

from __future__ import annotations

import re
from typing import NamedTuple

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.units import count

#: A channel or a half-open range.
_PART = re.compile(r"(!?)(?:([0-9]{1,9})|([0-9]{0,9}):([0-9]{0,9}))", re.ASCII)


class Part(NamedTuple):
    """A range of channels, from `first` to one before `end`; None is the first or the last of all.

    `is_left_out` excludes them.
    """

    first: int | None
    end: int | None
    is_left_out: bool = False

    def within(self, channels: int) -> range:
        """List the channels of the range, also those that the stack does not have."""
        return range(self.first or 0, channels if self.end is None else self.end)


class Selection(NamedTuple):
    """A selection of channels: the text as typed, and its ranges in order."""

    text: str
    parts: tuple[Part, ...]

    def indices(self, channels: int) -> list[int]:
        """List the selected channels of a stack, in the order of the selection.

        Raises `UsageError` if the stack has no such channel, one is selected twice, or none is
        left.
        """
        left_out: set[int] = set()
        found: list[int] = []
        for part in self.parts:
            named = part.within(channels)
            if named.stop > channels or (named.start >= channels and part.end is None):
                beyond = max(named.start, named.stop - 1)
                raise UsageError(
                    f"{setting('channels', self.text)} names channel {beyond}, and the stack has "
                    f"{count(channels, 'channel')}, counted from 0"
                )
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
        """List the channels of an unknown stack: no open ends, nothing left out."""
        if any(part.is_left_out or part.end is None for part in self.parts):
            raise UsageError(
                f"{setting('channels', self.text)}: the stack is not known here; "
                "list the channels, as in 3,1,2 or 10:51"
            )
        found = [channel for part in self.parts for channel in part.within(0)]
        self._check(found)
        return found

    def _check(self, found: list[int]) -> None:
        if not found:
            raise UsageError(f"{setting('channels', self.text)} leaves no channel")
        twice = [channel for channel in found if found.count(channel) > 1][:1]
        if twice:
            raise UsageError(f"{setting('channels', self.text)} selects channel {twice[0]} twice")


def parse_selection(text: str) -> Selection:
    """Read a selection: channels and half-open ranges, separated by commas.

    ``!`` excludes a range; a range without an end goes to the last channel. Raises `UsageError`.

    Examples
    --------
    >>> parse_selection("0:4,!2").indices(10)
    [0, 1, 3]
    """
    parts = []
    for word in text.split(","):
        found = _PART.fullmatch(word)
        if not found or word.removeprefix("!") == ":":
            raise UsageError(
                f"{setting('channels', text)} is not a selection; write channels and ranges, as in "
                "3, 10:51 or 0:50,!6:8"
            )
        left_out, alone, first, end = found.groups()
        if alone:
            first, end = alone, str(int(alone) + 1)
        part = Part(int(first) if first else None, int(end) if end else None, bool(left_out))
        if part.end is not None and (part.first or 0) >= part.end:
            raise UsageError(
                f"{setting('channels', text)}: the range {word} is empty; write FIRST:END"
            )
        parts.append(part)
    return Selection(text, tuple(parts))
