"""The statistics that one pass over pixels gathers for learners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, setting
from onebyone_cli.learners.channel_statistics import ChannelStatistics, no_statistics
from onebyone_cli.learners.moments import Moments, no_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.weights.endmembers import Endmembers

#: Most classes: labels of 16 bits. A map with more does not hold classes.
MOST_CLASSES = 2**16


class Statistics:
    """Statistics of a set of pixels; those not asked for stay empty.

    Attributes
    ----------
    pixels : Moments
        Of the pixels that are valid in every channel, of all classes.
    differences : dict of Moments
        Of the differences of neighbours, by direction.
    classes : dict of Moments or None
        Of the pixels of each class found, by its label; None without labels.
    per_channel : ChannelStatistics or None
        Of each channel on its own.
    sample : list of ndarray of float64, shape (C, n)
        Some of the pixels.
    noise : Moments or None
        Of the pixels of a stack of noise.
    endmembers : Endmembers or None
        Known spectra.
    found : ndarray of bool, shape (C,), or None
        Channels with a valid number, as far as parts without a valid pixel tell; None if there was
        no such part.
    """

    def __init__(self, pixels: Moments) -> None:
        self.pixels = pixels
        self.per_channel: ChannelStatistics | None = None
        self.differences: dict[str, Moments] = {}
        self.classes: dict[int, Moments] | None = None
        self.sample: list[NDArray[np.float64]] = []
        self.noise: Moments | None = None
        self.endmembers: Endmembers | None = None
        self.found: NDArray[np.bool_] | None = None

    @property
    def channels(self) -> int:
        """Number of channels, C."""
        return self.pixels.channels

    @property
    def overall(self) -> Moments:
        """Moments of all pixels counted: those of classes, if there are no others."""
        whole = no_moments(self.channels)
        for moments in self._counted:
            whole.merge(moments)
        return whole

    @property
    def _counted(self) -> list[Moments]:
        """Sets that together hold every pixel once."""
        return [self.pixels] if self.pixels.count else list((self.classes or {}).values())

    @property
    def kinds(self) -> list[str]:
        """Names of the statistics present, as the options that ask for them."""
        kinds = ["moments"] if self.pixels.count or self.pixels.invalid else []
        kinds += [setting("noise", direction) for direction in sorted(self.differences)]
        kinds += [setting("labels")] * (self.classes is not None)
        return kinds + ["statistics"] * (self.per_channel is not None)

    @property
    def count(self) -> int:
        """Number of pixels counted."""
        return sum(each.count for each in self._counted)

    @property
    def invalid(self) -> int:
        """Number of pixels left out."""
        return self.pixels.invalid

    @property
    def sampled(self) -> NDArray[np.float64]:
        """The sample as one array, shape (C, n)."""
        return np.concatenate([np.empty((self.channels, 0)), *self.sample], axis=1)

    @property
    def without_value(self) -> list[int]:
        """Channels without any valid number; empty where that is not known."""
        if self.per_channel is not None:
            return np.flatnonzero(self.per_channel.count == 0).tolist()
        if self.found is None or self.count:
            return []
        return np.flatnonzero(~self.found).tolist()

    def merge(self, other: Statistics) -> None:
        """Add the pixels of another set; the order of merging changes the last bits."""
        self.pixels.merge(other.pixels)
        if other.per_channel is not None:
            self.per_channel = self.per_channel or no_statistics(self.channels)
            self.per_channel.merge(other.per_channel)
        _merge_each(self.differences, other.differences, self.channels)
        if other.classes is not None:
            self.classes = self.classes or {}
            _merge_each(self.classes, other.classes, self.channels)
        self.sample += other.sample
        if other.found is not None:
            self.found = other.found if self.found is None else self.found | other.found

    def rescale(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> None:
        """Make them the statistics of ``scale * x + offset``; both have shape (C,)."""
        self.pixels.rescale(scale, offset)
        for moments in self.differences.values():
            moments.rescale(scale, 0.0)
        for moments in (self.classes or {}).values():
            moments.rescale(scale, offset)
        if self.per_channel is not None:
            self.per_channel.rescale(scale, offset)
        columns = scale[:, np.newaxis], offset[:, np.newaxis]
        self.sample = [pixels * columns[0] + columns[1] for pixels in self.sample]

    def check_classes(self, source: str) -> None:
        """Raise `DataError` if there are more classes than `MOST_CLASSES`."""
        if len(self.classes or ()) > MOST_CLASSES:
            raise DataError(
                f"brings the classes to more than {MOST_CLASSES}; expected fewer: is it a map of "
                "classes, or one of numbers that are measured?",
                source,
            )

    def leave_out_unlabelled(self) -> None:
        """Count pixels of no class as left out, as if only classes were asked for."""
        labelled = sum(each.count for each in (self.classes or {}).values())
        nothing = no_moments(self.channels)
        nothing.invalid = self.pixels.invalid + self.pixels.count - labelled
        self.pixels = nothing


def _merge_each(into: dict[Any, Moments], other: dict[Any, Moments], channels: int) -> None:
    for key, moments in other.items():
        into.setdefault(key, no_moments(channels)).merge(moments)


def empty_statistics(channels: int) -> Statistics:
    """Return empty statistics."""
    return Statistics(no_moments(channels))
