"""All that one pass over pixels can gather for learners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.fit.channel_statistics import ChannelStatistics, no_statistics
from onebyone_cli.fit.moments import Moments, no_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Evidence:
    """What is known of a set of pixels; what was not asked for stays empty.

    Attributes
    ----------
    pixels : Moments
        Of the pixels that are valid in every channel.
    differences : dict of Moments
        Of the differences of neighbours, by direction.
    classes : dict of Moments
        Of the pixels of each class, by its label.
    statistics : ChannelStatistics or None
        Of each channel by itself.
    sample : list of ndarray of float64, shape (C, n)
        Some of the pixels themselves.
    noise : Moments or None
        Of the pixels of another stack, one of noise alone.
    endmembers : ndarray of float64, shape (C, K), or None
        Spectra that are known beforehand, one in each column.
    """

    def __init__(self, pixels: Moments) -> None:
        self.pixels = pixels
        self.statistics: ChannelStatistics | None = None
        self.differences: dict[str, Moments] = {}
        self.classes: dict[int, Moments] = {}
        self.sample: list[NDArray[np.float64]] = []
        self.noise: Moments | None = None
        self.endmembers: NDArray[np.float64] | None = None

    @property
    def channels(self) -> int:
        """C."""
        return self.pixels.channels

    @property
    def overall(self) -> Moments:
        """Moments of all pixels that were counted in, of whatever class."""
        whole = no_moments(self.channels)
        for moments in (self.pixels, *self.classes.values()):
            whole.merge(moments)
        return whole

    @property
    def kinds(self) -> list[str]:
        """Say what is there of what can be saved, in words of the command line."""
        kinds = ["moments"] if self.pixels.count or self.pixels.invalid else []
        kinds += [f"--noise {direction}" for direction in sorted(self.differences)]
        return kinds + ["statistics"] * (self.statistics is not None)

    @property
    def count(self) -> int:
        """Pixels that were counted in."""
        return self.pixels.count + sum(each.count for each in self.classes.values())

    @property
    def invalid(self) -> int:
        """Pixels that were left out."""
        return self.pixels.invalid

    @property
    def sampled(self) -> NDArray[np.float64]:
        """The sample in one piece, shape (C, n)."""
        return np.concatenate([np.empty((self.channels, 0)), *self.sample], axis=1)

    def merge(self, other: Evidence) -> None:
        """Count in the pixels of another set; the order of merging changes the last bits."""
        self.pixels.merge(other.pixels)
        if other.statistics is not None:
            self.statistics = self.statistics or no_statistics(self.channels)
            self.statistics.merge(other.statistics)
        _merge_each(self.differences, other.differences, self.channels)
        _merge_each(self.classes, other.classes, self.channels)
        self.sample += other.sample


def _merge_each(into: dict[Any, Moments], other: dict[Any, Moments], channels: int) -> None:
    for key, moments in other.items():
        into.setdefault(key, no_moments(channels)).merge(moments)


def no_evidence(channels: int) -> Evidence:
    """Know nothing yet."""
    return Evidence(no_moments(channels))
