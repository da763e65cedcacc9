"""Match the inputs of weights with the channels of a stack, and leave out what is not used.

Weights and stacks that both know names are matched by name, those that both know wavelengths by
wavelength, and the layers of a chain by name; all others by position. A channel whose weights are
all zero has no part in the result: it is not read, it makes no pixel invalid, and it does not have
to be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, UsageError, setting
from onebyone_cli.formats.contracts.metadata import selected_metadata
from onebyone_cli.stack.identity import Found, Identity, find_channels, identity_of
from onebyone_cli.stack.name_matching import match_names, some_of
from onebyone_cli.stack.selected import select_channels
from onebyone_cli.stack.stack import stacked_metadata
from onebyone_cli.stack.wavelengths import find, in_nanometres, parse_wavelengths, to_nanometres
from onebyone_cli.units import count
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.endmembers import equal_wavelengths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader

    Inputs = Sequence[Reader | StreamReader]

#: Members of `ChannelMap.meta` with one entry for each input channel.
_PER_INPUT = ("channels", "wavelengths", "mean", "scale", "inverse")


class Match(NamedTuple):
    """Weights and the channels that they use.

    Attributes
    ----------
    inputs : sequence of Reader or StreamReader
        The channels that are read, in the order of the stack.
    layers : tuple of Layer
        The chain; the first layer has one column for each of these channels.
    given_inputs, given_layers
        The stack and the chain before.
    order : tuple of int
        The channel of the stack for each column of the weights as given.
    used : tuple of int
        The channels of the stack that are read, ascending.
    notes, details : tuple of str
        What users must know; what they may want to know.
    """

    inputs: Inputs
    layers: tuple[Layer, ...]
    given_inputs: Inputs
    given_layers: tuple[Layer, ...]
    order: tuple[int, ...]
    used: tuple[int, ...]
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def metadata(self) -> Metadata:
        """Return the metadata of the stack, its channels in the order of the weights as given."""
        total = sum(reader.spec.channels for reader in self.given_inputs)
        return selected_metadata(stacked_metadata(self.given_inputs), self.order, total)


def match(
    inputs: Inputs,
    layers: Sequence[Layer],
    by_position: bool = False,
    *,
    is_rehearsal: bool = False,
) -> Match:
    """Match the first of `layers` with the channels of `inputs`.

    Nothing is left out if weights without names do not have one column for each channel; the caller
    refuses them. Nor is anything in a rehearsal, where the weights are not known yet.

    Raises
    ------
    DataError
        If some names of the weights are names of the stack, and another is not.
    """
    total = sum(reader.spec.channels for reader in inputs)
    first, told = _without_header(layers[0].map, inputs)
    given = (layers[0]._replace(map=first.taking(total)), *layers[1:])
    if not by_position:
        advice = f". {setting('by_position')} takes them in their order"
        maps = chained([layer.map for layer in given], advice)
        given = tuple(each._replace(map=own) for each, own in zip(given, maps, strict=True))
    every = tuple(range(total))
    found = Match(inputs, given, inputs, given, every, every, told)
    if is_rehearsal:
        return found
    first = given[0].map
    if any(layer.map.meta.get("by_name") for layer in layers[1:]):
        raise UsageError(f"{setting('kernel')}: only the first layer can name channels")
    if first.meta.get("by_name"):
        found = _as_named(found, first)
    elif not by_position:
        found = _as_known(found, first)
    if found.layers[0].map.in_channels != len(found.order):
        return found
    return _without_unused(found, total)


def chained(layers: Sequence[ChannelMap], advice: str = "") -> list[ChannelMap]:
    """Put the columns of later layers in the order of the outputs before them, by their names.

    Raises
    ------
    DataError
        If some names of a layer are outputs of the one before, and another is not; `advice` ends
        its message.
    """
    chain = [*layers[:1]]
    for layer in layers[1:]:
        chain.append(_following(layer, chain[-1], advice))
    return chain


def _following(weights: ChannelMap, before: ChannelMap, advice: str) -> ChannelMap:
    names, outputs = _names_of(weights), _texts(before.meta.get("outputs"))
    if not names or len(outputs) != len(names) or names == outputs:
        return weights
    found = match_names(names, outputs)
    places = [place for place in found.places if place is not None]
    if not places or found.ambiguous:
        return weights
    if len(places) < len(names):
        missing = names[found.places.index(None)]
        raise DataError(
            f"takes the channel {missing}, and {before.source} has no output of that name; it has "
            f"{some_of(outputs)}{advice}",
            weights.source,
        )
    return _with_columns(weights, sorted(range(len(places)), key=places.__getitem__))


def _texts(given: Any) -> tuple[str, ...]:
    return () if given is None or isinstance(given, str) else tuple(map(str, given))


def _names_of(weights: ChannelMap) -> tuple[str, ...]:
    """Return the names that weights have for their inputs; none if they do not fit."""
    names = _texts(weights.meta.get("channels"))
    return names if len(names) == weights.in_channels else ()


def channels_of(weights: ChannelMap) -> Identity:
    """Return what weights know of the channels they take."""
    said = weights.meta.get("wavelengths")
    unit = str(weights.meta.get("wavelength_unit", ""))
    try:
        waves = to_nanometres(tuple(map(float, () if said is None else said)), unit)
    except (TypeError, ValueError):  # other programs have other fields of that name
        waves = []
    return Identity(_names_of(weights), tuple(waves) if len(waves) == weights.in_channels else ())


def _without_header(weights: ChannelMap, inputs: Inputs) -> tuple[ChannelMap, tuple[str, ...]]:
    """Take the first row of a table for a header if it equals the wavelengths of the stack.

    Also returns what is said of it.
    """
    known = stacked_metadata(inputs).wavelengths if weights.may_have_header else ()
    if not equal_wavelengths(weights.weight[0], known):
        return weights, ()
    note = "the first row equals the wavelengths of the stack and is taken for a header"
    names = weights.meta.get("outputs")
    meta = {**weights.meta, **({"outputs": names[1:]} if names else {})}
    rest = ChannelMap(weights.weight[1:], weights.bias[1:], weights.source, meta)
    return rest, (f"{weights.source}: {note}",)


def _as_named(given: Match, weights: ChannelMap) -> Match:
    """Find the channels that a typed kernel names: all of them, by name or wavelength."""
    names, said = _names_of(weights), stacked_metadata(given.inputs)
    places = match_names(names, said.channels, as_typed=True).places
    known = in_nanometres(said)
    order: dict[int, str] = {}
    for name, place in zip(names, places, strict=True):
        wanted = parse_wavelengths(name)
        near = find(wanted, known) if place is None and wanted and wanted.is_one else []
        at = near[0] if near else place
        if at is None:
            raise DataError(f"names {name}, and the stack {_known(said)}", weights.source)
        if at in order:
            raise DataError(f"{order[at]} and {name} are one channel; name it once", weights.source)
        order[at] = name
    return given._replace(order=tuple(order))


def _known(said: Metadata) -> str:
    """Say which channels can be named, after "the stack"."""
    if not (said.channels or said.wavelengths):
        return "has no names of channels; give a number for each channel, as in 1,-1,0"
    waves = [f"{at:.6g} {said.wavelength_unit}".strip() for at in said.wavelengths]
    return f"has {some_of(said.channels or waves)}"


def _as_known(given: Match, weights: ChannelMap) -> Match:
    """Find the channels that weights know, by name or wavelength."""
    known, stack = channels_of(weights), identity_of(given.inputs)
    found = None if known == stack else find_channels(known, stack)
    if found is None:
        return given
    places = [place for place in found.places if place is not None]
    if 0 < len(places) < len(found.places):
        columns = [at for at, place in enumerate(found.places) if place is not None]
        if _are_enough(columns, given.given_layers):
            return _as_known(*_with_some(given, columns))
    if len(places) == len(found.places):
        order = tuple(places)
        if order == given.order:
            return given
        how = "name" if found.wanted == known.names else "wavelength"
        detail = f"matched by {how}: {_listed(found, order)}"
        return given._replace(order=order, details=(f"{weights.source}: {detail}",))
    none_known = not places and not found.ambiguous
    if none_known or (found.ambiguous and len(found.known) == len(found.wanted)):
        why = (
            f"the name {found.ambiguous[0]} could be several channels"
            if found.ambiguous
            else f"none of its channels ({some_of(found.wanted)}) is one of the stack "
            f"({some_of(found.known)})"
        )
        return given._replace(notes=(*given.notes, f"{weights.source}: {why}; matched by position"))
    raise _missing(found, weights.source)


def _missing(found: Found, source: str) -> DataError:
    """Return the error for the first channel that a stack lacks, or has several times."""
    missing = found.wanted[found.places.index(None)]
    problem = (
        f"the channel {missing} could be several of the stack"
        if missing in found.ambiguous
        else f"takes the channel {missing}, and the stack has none of that name"
    )
    return DataError(
        f"{problem}; it has {some_of(found.known)}. {setting('by_position')} takes channels in "
        "their order, whatever their names",
        source,
    )


def _are_enough(columns: list[int], layers: Sequence[Layer]) -> bool:
    """Whether all other columns of the first layer have no weight, and no layer restores them."""
    is_used = (layers[0].map.weight != 0).any(axis=0)
    restores = any(layer.map.meta.get("restores") for layer in layers)
    return not restores and bool(is_used.any()) and set(np.flatnonzero(is_used)) <= set(columns)


def _with_some(given: Match, columns: list[int]) -> tuple[Match, ChannelMap]:
    """Return arguments of `_as_known` without columns that have no weight."""
    first, *rest = given.given_layers
    weights = _with_columns(first.map, columns)
    layers = (first._replace(map=weights), *rest)
    return given._replace(layers=layers, given_layers=layers), weights


def _listed(found: Found, order: Sequence[int]) -> str:
    pairs = zip(found.wanted, order, strict=True)
    return some_of([f"{name} is {found.known[at]}" for name, at in pairs])


def _without_unused(found: Match, total: int) -> Match:
    """Leave out channels without weight; put the others in the order of the stack."""
    first = found.layers[0].map
    is_used = (first.weight != 0).any(axis=0)
    is_used[0] |= not is_used.any()
    columns = sorted(np.flatnonzero(is_used).tolist(), key=found.order.__getitem__)
    used = tuple(found.order[column] for column in columns)
    layers = found.layers
    if columns != list(range(first.in_channels)):
        layers = (layers[0]._replace(map=_with_columns(first, columns)), *layers[1:])
    if len(used) == total:
        return found._replace(layers=layers)
    inputs = select_channels(found.inputs, used)
    detail = f"reads {len(used)} of {count(total, 'channel')}; the others have no weight"
    return found._replace(inputs=inputs, layers=layers, used=used, details=(*found.details, detail))


def _with_columns(weights: ChannelMap, columns: list[int]) -> ChannelMap:
    """Return weights with some of their columns, in the order given."""
    meta = {
        name: _picked(value, columns, weights.in_channels) if name in _PER_INPUT else value
        for name, value in weights.meta.items()
    }
    return ChannelMap(weights.weight[:, columns], weights.bias, weights.source, meta)


def _picked(value: Any, columns: list[int], total: int) -> Any:
    """Pick entries of an array or a list; return anything else as it is."""
    if isinstance(value, np.ndarray) and value.ndim and len(value) == total:
        return value[columns]
    if isinstance(value, list | tuple) and len(value) == total:
        return [value[column] for column in columns]
    return value
