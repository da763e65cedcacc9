"""The numbers of a finished result in the order of a stream, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.arrays.layout import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.writer import Planes


def pieces_of_item(result: Planes, item: int, stored: ArrayLayout) -> Iterator[NDArray[Any]]:
    """Yield the numbers of one item of a batch: contiguous arrays of the stored type.

    `stored` has the order CHW, HWC or HCW.
    """
    spec, run = stored.spec, stored.run_pixels
    if stored.is_plain or run == spec.pixels:
        # Not by rows: a list of pixels is one row of any length.
        step = PIECE_BYTES // spec.item_bytes
        for channel in range(spec.channels):
            for start in range(0, spec.pixels, step):
                numbers = result.pixels(item, channel, start, min(start + step, spec.pixels))
                yield np.ascontiguousarray(numbers, stored.dtype)
        return
    # HWC is HCW with rows of one pixel.
    together = max(1, PIECE_BYTES // (spec.channels * run * spec.item_bytes)) * run
    for start in range(0, spec.pixels, together):
        stop = min(start + together, spec.pixels)
        piece = np.empty(((stop - start) // run, spec.channels, run), stored.dtype)
        for channel in range(spec.channels):
            piece[:, channel] = result.pixels(item, channel, start, stop).reshape(-1, run)
        yield piece
