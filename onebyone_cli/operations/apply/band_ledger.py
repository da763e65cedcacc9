"""Record tiles of an output that is written in bands."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from onebyone_cli.commit.checkpoint import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from onebyone_cli.formats.contracts.writer import ResumableWriter


class BandLedger(Ledger):
    """Records tiles in another ledger when all their bands are written.

    A band that has a tile of an earlier run was written by it, because the tile was recorded. The
    tiles of other bands are computed again, all of them.
    """

    def __init__(self, ledger: Ledger, writer: ResumableWriter, tile_pixels: int) -> None:
        super().__init__()
        self.done = ledger.done
        self._ledger = ledger
        self._writer = writer
        self._tile = tile_pixels
        self._waiting: list[tuple[int, int, Mapping[str, int]]] = []
        self._own = threading.Lock()
        for start, stop in ledger.done.ranges:
            for pixels in self._pixels(start, stop):
                writer.skip(*pixels)

    def add(self, start: int, stop: int, counts: Mapping[str, int]) -> None:
        """Record that tiles [start, stop) were given to the writer."""
        with self._own:
            self._waiting.append((start, stop, counts))
            waiting, self._waiting = self._waiting, []
            ready: list[tuple[int, int, Mapping[str, int]]] = []
            for each in waiting:
                is_held = any(self._writer.is_pending(*at) for at in self._pixels(*each[:2]))
                (self._waiting if is_held else ready).append(each)
        for each in ready:
            self._ledger.add(*each)

    def _pixels(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield the item and the pixels of some tiles."""
        pixels = self._writer.spec.pixels
        tiles = -(-pixels // self._tile)
        for item in range(start // tiles, -(-stop // tiles)):
            first = max(start - item * tiles, 0) * self._tile
            yield item, first, min((stop - item * tiles) * self._tile, pixels)
