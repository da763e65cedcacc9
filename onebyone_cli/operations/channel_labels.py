"""Name channels before people: by their numbers in files, their names or wavelengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader

#: Most channels that a message names.
_MOST_NAMED = 10


class ChannelLabels(NamedTuple):
    """How messages and tables name the channels of a stack.

    Attributes
    ----------
    numbers : tuple of int
        Number of each channel as ``--channels`` counts; where channels of several files were
        selected, its place in the selection.
    texts : tuple of str
        Names, or else wavelengths with their unit; empty if files have none.
    are_of_file : bool
        Whether `numbers` are those that ``--channels`` counts.
    are_selected : bool
        Whether these are not all channels.
    """

    numbers: tuple[int, ...]
    texts: tuple[str, ...] = ()
    are_of_file: bool = True
    are_selected: bool = False

    def without_value(self, channels: Sequence[int]) -> str:
        """Say that some channels have no valid value, and how to leave them out."""
        numbers = [self.numbers[at] for at in channels]
        several = len(numbers) > 1
        named = f"channel{'s' * several} {_listed(list(map(str, numbers)))}"
        if self.texts:
            named += f" ({', '.join(_shown([self.texts[at] for at in channels]))})"
        named += f" {'have' if several else 'has'} no valid value"
        if not self.are_of_file:
            return f"{named}; leave {'them' if several else 'it'} out with {setting('channels')}"
        spec = ",".join(
            f"!{first}" if first == last else f"!{first}:{last + 1}"
            for first, last in _runs(numbers)
        )
        way = setting("channels", f"'…,{spec}'" if self.are_selected else f"'{spec}'")
        return f"{named}; leave {'them' if several else 'it'} out with {way}"


def labels_of(inputs: Sequence[Reader | StreamReader]) -> ChannelLabels:
    """Label the channels of a stack, from the metadata of its inputs."""
    from onebyone_cli.stack.stack import channel_names, stacked_metadata
    from onebyone_cli.stack.wavelengths import symbol_of

    total = sum(each.spec.channels for each in inputs)
    selected = [each.about.selected for each in inputs]
    numbers = selected[0] if len(inputs) == 1 and selected[0] else tuple(range(total))
    are_of_file = len(inputs) == 1 or not any(selected)
    texts = channel_names(inputs)
    if not texts:
        said = stacked_metadata(inputs)
        unit = symbol_of(said.wavelength_unit)
        texts = tuple(f"{each:.7g} {unit}".rstrip() for each in said.wavelengths)
    texts = texts if len(texts) == total else ()
    return ChannelLabels(numbers, texts, are_of_file, any(selected))


def _shown(words: Sequence[str]) -> list[str]:
    return [*words[:_MOST_NAMED], *["…"] * (len(words) > _MOST_NAMED)]


def _listed(words: Sequence[str]) -> str:
    if len(words) > _MOST_NAMED:
        return f"{', '.join(words[:_MOST_NAMED])} and {len(words) - _MOST_NAMED} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Group consecutive numbers: the first and the last of each run."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return runs
