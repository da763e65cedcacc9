"""Convolve a slab tile by tile and cast the result."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from onebyone_cli.arithmetic.cast import CastCounts
from onebyone_cli.arithmetic.conv1x1 import argmax, rms
from onebyone_cli.operations.apply.invalid import Inspector
from onebyone_cli.system.buffers import empty_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from onebyone_cli.arithmetic.cast import Cast
    from onebyone_cli.arithmetic.conv1x1 import Convolution
    from onebyone_cli.formats.contracts.writer import Writer
    from onebyone_cli.operations.apply.invalid import Rules, Watches
    from onebyone_cli.plan.memory import Plan
    from onebyone_cli.plan.shards import Share
    from onebyone_cli.spec import Slab
    from onebyone_cli.stack.stack import Stack

    Write = Callable[[Slab, NDArray[Any]], None]
    Measure = Callable[[NDArray[Any]], None]


class Steps(NamedTuple):
    """What is done with each tile before the cast.

    Attributes
    ----------
    convolution : Convolution
        The chain of layers.
    rules : Rules
        What makes a pixel invalid.
    watches : Watches
        What is noticed on the way.
    collapse : str
        As in `ApplySettings`.
    """

    convolution: Convolution
    rules: Rules
    watches: Watches
    collapse: Literal["", "argmax", "rms"] = ""

    def is_in_place(self, cast: Cast) -> bool:
        """Whether the convolution can write straight into the output's buffer."""
        return cast.is_identity and not self.collapse


class Convolver:
    """One worker and its buffers.

    Parameters
    ----------
    plan : Plan
        Sizes of slabs and tiles.
    steps : Steps
        What is done with each tile.
    cast : Cast
        From the type of the arithmetic to that of the output.
    source : Stack
        The stack, readable, in the type of the arithmetic.
    write : callable or None
        Takes a slab and its result, of shape (items, K, pixels); None to measure only.
    share : Share or None
        The share of the output to compute; None for all of it.
    measure : callable, optional
        Takes the result of a tile, of shape (items, K, pixels), when nothing is written.
    """

    def __init__(
        self,
        plan: Plan,
        steps: Steps,
        cast: Cast,
        source: Stack,
        write: Write | None,
        share: Share | None,
        measure: Measure | None = None,
    ) -> None:
        items, pixels, tile = plan.slab_items, plan.slab_pixels, plan.tile_pixels
        self._source = source
        self._write = write
        self._share = share
        self._measure = measure
        self._convolution = convolution = steps.convolution
        self._cast = cast
        self._collapse = {"": None, "argmax": argmax, "rms": rms}[steps.collapse]
        self._inspector = Inspector(steps.rules, source.spec.dtype, steps.watches)
        self._overflow = steps.watches.overflow
        self._tile = tile
        number = source.spec.dtype
        channels = 1 if steps.collapse else convolution.out_channels
        self._x = empty_rows((items, source.spec.channels, pixels), number)
        self._out = empty_rows((items, channels, pixels), cast.target)
        self._scratch = np.empty(source.scratch_bytes, np.uint8)
        self._hidden = convolution.hidden_buffers(items, tile)
        self._in_place = steps.is_in_place(cast)
        if not self._in_place:
            self._y = empty_rows((items, convolution.out_channels, tile), number)
        self._casts, self._invalid_pixels = CastCounts(), 0

    def process(self, slab: Slab) -> dict[str, int]:
        """Read, convolve and write one slab; return its counts."""
        self._casts, self._invalid_pixels = CastCounts(), 0
        x = self._x[: slab.items]
        # Overflow and NaN are results here, and are counted.
        with np.errstate(all="ignore"):
            self._source.read(slab, x[:, :, : slab.pixels], self._scratch)
            self._inspector.begin(slab)
            # The last tile is padded to the shape of all others.
            whole = -(-slab.pixels // self._tile) * self._tile
            x[:, :, slab.pixels : whole] = 0
            for start in range(0, slab.pixels, self._tile):
                stop = min(start + self._tile, slab.pixels)
                self._process_tile(x[:, :, start : start + self._tile], slab, start, stop)
        if self._write is not None:
            self._write(slab, self._out[: slab.items, :, : slab.pixels])
        return {"invalid_pixels": self._invalid_pixels, **self._casts._asdict()}

    def _process_tile(self, x: NDArray[Any], slab: Slab, start: int, stop: int) -> None:
        """Compute the pixels [start, stop) of a slab, a tile of each of its items."""
        pixels = stop - start
        place = self._out[:, :, start : start + self._tile] if self._in_place else self._y
        y, inspector = place[: slab.items], self._inspector
        invalid = inspector.before(x[:, :, :pixels], start)
        look = inspector.looks_at_results
        suspicious = self._convolution.apply(x, y, self._hidden, look=look)
        invalid = inspector.after(x[:, :, :pixels], invalid, suspicious=suspicious)
        if suspicious:
            self._overflow.look(y[:, :, :pixels], invalid)
        if invalid is not None and invalid.any():
            y[:, :, :pixels].swapaxes(0, 1)[:, invalid] = np.nan
        for items, is_ours in self._parts(slab, slab.start + start):
            casts = self._finish(y[items], self._out[items, :, start:stop], pixels)
            if is_ours:
                if invalid is not None:
                    self._invalid_pixels += int(np.count_nonzero(invalid[items]))
                self._casts = self._casts.plus(casts)

    def _parts(self, slab: Slab, pixel: int) -> Iterator[tuple[slice, bool]]:
        """Split the items of a slab by whether this share counts their tile at `pixel`."""
        share = self._share
        if share is None:
            yield slice(0, slab.items), True
            return
        parts = groupby(range(slab.items), lambda index: share.counts(slab.item + index, pixel))
        for is_ours, part in parts:
            items = list(part)
            yield slice(items[0], items[-1] + 1), is_ours

    def _finish(self, y: NDArray[Any], out: NDArray[Any], pixels: int) -> CastCounts:
        """Cast the numbers of a tile, or only measure their range."""
        if self._collapse is not None:
            self._collapse(y, y[:, :1])
            y = y[:, :1]
        if self._measure is not None:
            self._measure(y[:, :, :pixels])
        elif not self._in_place:
            return self._cast.apply(y, out, pixels)
        return CastCounts()


def write_share(writer: Writer, share: Share, slab: Slab, block: NDArray[Any]) -> None:
    """Write only the part of a slab that belongs to a share."""
    for index in range(slab.items):
        for channel in range(share.spec.channels):
            numbers = block[index, channel]
            item = slab.item + index
            for start, stop in share.runs(item, channel, slab.start, slab.stop):
                part = numbers[start - slab.start : stop - slab.start]
                writer.write_run(item, channel, start, part)
