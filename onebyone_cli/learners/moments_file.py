"""Files of statistics, which other jobs merge and learn from.

A ``.npz`` that plain numpy reads. Arrays are named by set and field, as in ``pixels.comoment``,
``differences.right.mean``, ``classes.7.rest`` or ``statistics.minimum``. The JSON member ``meta``
holds the counts of each set as exact integers, the labels of classes, and the provenance.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, OneByOneError, open_error
from onebyone_cli.learners.channel_statistics import ChannelStatistics
from onebyone_cli.learners.differences import STEPS
from onebyone_cli.learners.model import all_finite
from onebyone_cli.learners.moments import Moments
from onebyone_cli.learners.statistics import MOST_CLASSES, Statistics
from onebyone_cli.weights.formats.npz import read_arrays
from onebyone_cli.weights.save import save_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float64]]

_KIND = "onebyone moments"
_LABEL = re.compile("-?[1-9][0-9]{0,19}")
_FIELDS = ("mean", "rest", "comoment")
_STATISTICS = ("minimum", "maximum", "mean", "rest", "squares")


def save_moments(
    path: str, statistics: Statistics, meta: Mapping[str, Any], publication: Publication
) -> None:
    """Save statistics to a ``.npz`` file; equal statistics give equal bytes.

    `meta` is provenance for people. Raises the errors of `weights.save.save_model`.
    """
    arrays: Arrays = {}
    counts: dict[str, Any] = {}
    for name, moments in _sets(statistics).items():
        counts[name] = {"count": moments.count, "invalid": moments.invalid}
        arrays |= {f"{name}.{field}": getattr(moments, field) for field in _FIELDS}
    if statistics.classes is not None:  # empty where a part has no labelled pixel
        # As text, since JSON readers may round integers of 64 bits.
        counts["classes"] = {"labels": list(map(str, sorted(statistics.classes)))}
    per_channel = statistics.per_channel
    if per_channel is not None:
        counts["statistics"] = {"count": per_channel.count.tolist()}
        arrays |= {f"statistics.{field}": getattr(per_channel, field) for field in _STATISTICS}
    save_model(path, arrays, {**meta, "kind": _KIND, "sets": counts}, publication)


def load_moments(path: str) -> tuple[Statistics, dict[str, Any]]:
    """Load statistics, equal to the last bit, and their provenance.

    Raises
    ------
    InputMissingError
        If the file can't be opened.
    DataError
        If it holds something else, or is damaged.
    """
    try:
        with open(path, "rb") as file:
            arrays, meta = read_arrays(file, path)
    except OneByOneError:
        raise
    except OSError as error:
        raise open_error(path, error) from error
    if meta.get("kind") != _KIND:
        found = "a model or other weights" if "weight" in arrays else "an archive"
        raise DataError(f"is {found}; expected moments, as stats -o writes them", path)
    try:
        statistics = _statistics_of(arrays, meta["sets"])
        _check_classes(statistics)
        _check_record(meta, statistics.channels)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(
            "is not what stats -o writes; was it altered? make it again", path
        ) from error
    if not _is_finite(statistics):
        raise DataError(
            "holds moments that are infinite or unknown: the pixels were too large to be squared, "
            "or the file was altered; rescale them and make it again",
            path,
        )
    return statistics, meta


def _sets(statistics: Statistics) -> dict[str, Moments]:
    differences = {f"differences.{name}": each for name, each in statistics.differences.items()}
    classes = {f"classes.{label}": each for label, each in (statistics.classes or {}).items()}
    return {"pixels": statistics.pixels, **differences, **classes}


def _statistics_of(arrays: Arrays, counts: Mapping[str, Any]) -> Statistics:
    """Make statistics of arrays and counts; a built-in error means that they do not fit."""
    channels = len(arrays["pixels.mean"])
    if not channels:
        raise ValueError(channels)

    def moments(name: str) -> Moments:
        fields = {field: arrays[f"{name}.{field}"] for field in _FIELDS}
        shapes = [array.shape for array in fields.values()]
        if shapes != [(channels,), (channels,), (channels, channels)]:
            raise ValueError(shapes)
        return Moments(_count(counts[name]["count"]), _count(counts[name]["invalid"]), **fields)

    statistics = Statistics(moments("pixels"))
    for name in counts:
        if name.startswith("differences."):
            direction = name.removeprefix("differences.")
            if direction not in STEPS:
                raise ValueError(direction)
            statistics.differences[direction] = moments(name)
    if "classes" in counts:
        labels = _labels(counts["classes"]["labels"])
        statistics.classes = {int(label): moments(f"classes.{label}") for label in labels}
    if "statistics" in counts:
        statistics.per_channel = _per_channel(arrays, counts["statistics"]["count"], channels)
    return statistics


def _per_channel(arrays: Arrays, count: Any, channels: int) -> ChannelStatistics:
    each = [_count(number) for number in count]
    fields = {field: arrays[f"statistics.{field}"] for field in _STATISTICS}
    if {array.shape for array in fields.values()} | {(len(each),)} != {(channels,)}:
        raise ValueError("statistics")
    if np.any((-np.inf < fields["squares"]) & (fields["squares"] < 0)):
        raise ValueError("squares")
    return ChannelStatistics(np.array(each, np.int64), **fields)


def _count(value: Any) -> int:
    # numpy integers end at 64 bits; JSON true is not a count.
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def _labels(value: Any) -> list[str]:
    """Check labels of classes: integers that a label map can hold, but 0."""
    if not isinstance(value, list) or not len(set(value)) == len(value) <= MOST_CLASSES:
        raise ValueError("labels")
    if not all(_LABEL.fullmatch(label) and -(2**63) <= int(label) < 2**64 for label in value):
        raise ValueError("labels")
    return value


def _check_classes(statistics: Statistics) -> None:
    """Raise `ValueError` if classes have more pixels than there are."""
    labelled = sum(moments.count for moments in (statistics.classes or {}).values())
    if labelled > statistics.pixels.count:
        raise ValueError(labelled)


def _check_record(meta: Mapping[str, Any], channels: int) -> None:
    """Raise `ValueError` unless names are texts and wavelengths are numbers."""
    names = meta.get("channels", [""] * channels)
    waves = meta.get("wavelengths", [0.0] * channels)
    inputs = meta.get("inputs", [])
    if not all(isinstance(each, list) for each in (names, waves, inputs)):
        raise ValueError("no list")
    fits = len(names) == len(waves) == channels and all(isinstance(name, str) for name in names)
    named = all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in inputs)
    if not fits or not named or not all(type(wave) in (int, float) for wave in waves):
        raise ValueError("names")


def _is_finite(statistics: Statistics) -> bool:
    """Return whether all is finite, the range of channels without pixels apart."""
    numbers = [getattr(each, field) for each in _sets(statistics).values() for field in _FIELDS]
    per_channel = statistics.per_channel
    if per_channel is not None:
        counted = per_channel.count > 0
        numbers += [per_channel.mean, per_channel.rest, per_channel.squares]
        numbers += [per_channel.minimum[counted], per_channel.maximum[counted]]
    return all_finite(*numbers)
