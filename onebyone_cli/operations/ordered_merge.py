"""Merge the findings of workers in the order of the stack."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mergeable(Protocol):
    """A finding in a part of a stack."""

    def merge(self, other: Self, /) -> None:
        """Add a finding of a later part."""


Found = TypeVar("Found", bound=Mergeable)


class OrderedMerge(Generic[Found]):
    """Merge findings in the order of the tiles, in whatever order they arrive.

    A worker far ahead of the others waits for them, which bounds the memory of findings.

    Parameters
    ----------
    total : Mergeable
        An empty finding. The attribute of this name is the sum so far.
    order : iterator of (int, int)
        Item and first pixel of every tile.
    most_waiting : int
        Findings that may wait for their turn.
    """

    def __init__(
        self, total: Found, order: Iterator[tuple[int, int]], *, most_waiting: int
    ) -> None:
        self.total = total
        self._order = order
        self._most_waiting = most_waiting
        self._turn = threading.Condition()
        self._stopped = False
        self._next = next(order, None)
        self._waiting: dict[tuple[int, int], Found] = {}

    def stop(self) -> None:
        """Release all workers that wait; there will be no result."""
        self._stopped = True
        with self._turn:
            self._turn.notify_all()

    def add(self, tile: tuple[int, int], found: Found) -> None:
        """Add the finding of a tile, or wait until there is room for it."""
        with self._turn:
            while tile != self._next and len(self._waiting) >= self._most_waiting:
                if self._stopped:
                    return
                self._turn.wait()
            self._waiting[tile] = found
            while self._next is not None and self._next in self._waiting:
                self.total.merge(self._waiting.pop(self._next))
                self._next = next(self._order, None)
            self._turn.notify_all()
