"""Find the invalid pixels of a slab, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.stack.validity import Marks, Validity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.operations.apply.value_watch import OverflowWatch, ValueWatch
    from onebyone_cli.operations.nodata_watch import NodataWatch
    from onebyone_cli.spec import Slab
    from onebyone_cli.stack.pixel_map import PixelMap

    Bools = NDArray[np.bool_]

#: Bytes for each number of a tile while marks are compared: the marks, and three comparisons.
_MARK_BYTES = 4


class Rules(NamedTuple):
    """What makes pixels of a stack invalid.

    Attributes
    ----------
    validity : Validity
    stored : tuple of str
        Type of each channel in its file.
    mask : PixelMap or None
        Open; pixels where it is 0 or invalid are invalid.
    """

    validity: Validity
    stored: tuple[str, ...]
    mask: PixelMap | None = None

    @property
    def tile_pixel_bytes(self) -> int:
        """Memory for each pixel of a tile."""
        return _MARK_BYTES * len(self.stored) if self.validity.is_needed else 0

    @property
    def slab_pixel_bytes(self) -> int:
        """Memory for each pixel of a slab: the numbers of the mask, and what follows from them."""
        return 0 if self.mask is None else 2 * self.mask.pixel_bytes + 2


class Watches(NamedTuple):
    """What is noticed while pixels are processed."""

    nodata: NodataWatch
    values: ValueWatch
    overflow: OverflowWatch


class Inspector:
    """Finds the invalid pixels of the slabs of one worker.

    Integers without marks and mask are not looked at. Without marks, floating-point numbers are
    searched only where the result of the first layer is not finite: NaN or an infinity in any
    channel shows in every output channel.

    Parameters
    ----------
    rules : Rules
    dtype : str
        Type in which tiles are read.
    watches : Watches
        What is noticed on the way.
    """

    def __init__(self, rules: Rules, dtype: str, watches: Watches) -> None:
        self._values = watches.values
        self._look_for_nodata = watches.nodata.looker(rules.stored, dtype)
        self._mask = rules.mask
        self._marks = Marks(rules.validity, rules.stored, dtype)
        self._masked: Bools | None = None
        self._has_floats = any(each.startswith("float") for each in rules.stored)

    @property
    def looks_at_results(self) -> bool:
        """Whether results that are not finite show invalid pixels."""
        return self._has_floats and not self._marks.are_needed

    def begin(self, slab: Slab) -> None:
        """Read the mask of a slab."""
        if self._mask is not None:
            self._masked = self._mask.masked(slab)

    def before(self, x: NDArray[Any], start: int) -> Bools | None:
        """Mark invalid pixels of a tile before it is convolved.

        Parameters
        ----------
        x : ndarray of shape (items, C, pixels)
            Without the padding of the tile.
        start : int
            First pixel of the tile within the slab.

        Returns
        -------
        ndarray of bool, shape (items, pixels), or None
            None where there is nothing to compare with.
        """
        self._look_for_nodata(x)
        found: Bools | None = None
        if self._masked is not None:
            of_slab = self._masked[:, start : start + x.shape[2]]
            found = np.broadcast_to(of_slab, (len(x), x.shape[2]))
        if not self._marks.are_needed:
            return found
        marked, masked = self._marks.pixels(x), found
        both = marked if masked is None else marked | masked
        self._values.look(x, both, lambda x: _both(self._marks.numbers(x), masked))
        return both

    def after(self, x: NDArray[Any], before: Bools | None, *, suspicious: bool) -> Bools | None:
        """Mark invalid pixels of a tile after it was convolved.

        `x` is as in `before`, whose result is `before`. Pixels with NaN or an infinity are marked
        as well if the result is `suspicious`: not finite.
        """
        found = before
        if suspicious:
            infinite = ~np.isfinite(x).all(axis=1)
            found = infinite if before is None else infinite | before
        if not self._marks.are_needed:
            # What was subtracted from the pixels left NaN and infinities as they are.
            self._values.look(x, found, lambda x: _both(~np.isfinite(x), before))
        return found


def _both(numbers: Bools, pixels: Bools | None) -> Bools:
    """Return which numbers are invalid by themselves or by their pixel."""
    return numbers if pixels is None else numbers | pixels[:, np.newaxis]


def rules_of(validity: Validity, inputs: Sequence[Any], mask: PixelMap | None) -> Rules:
    """Return the rules of a stack of inputs."""
    stored = tuple(each.spec.dtype for each in inputs for _ in range(each.spec.channels))
    return Rules(validity, stored, mask)
