"""Masks that files have themselves, beside the one that the user gives."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.spec import Slab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.stack.validity import Nodata

#: Pixels of a mask that are looked at together.
_STEP = 1 << 16

#: Most bytes of a number of a mask.
_ITEM_BYTES = 8


def with_own_masks(
    given: Reader | StreamReader | None,
    inputs: Sequence[Reader | StreamReader],
    nodata: Nodata | None,
) -> Reader | StreamReader | None:
    """Return one mask for all inputs: the given one, and 0 where a mask of a file is.

    Parameters
    ----------
    given : Reader or StreamReader, optional
        The mask of the user, open; the caller closes it.
    inputs : sequence of Reader or StreamReader
    nodata : Nodata, optional
        What the user says; where nothing of files is to be heard, their masks are not used.

    Raises
    ------
    UsageError
        If a mask can't be read at any place.
    """
    openers = [opens for each in inputs for opens in each.about.masks]
    if not openers or (nodata is not None and not nodata.ranges):
        return given
    with ExitStack() as stack:
        own = []
        for opens in openers:
            mask = opens()
            stack.callback(mask.close)
            own.append(_readable(mask))
        first = own[0] if given is None else _readable(given)
        return _AllMasks(first, own[1:] if given is None else own, stack.pop_all())


def _readable(mask: Reader | StreamReader) -> Reader:
    if isinstance(mask, Reader):
        return mask
    raise UsageError(
        f"its mask takes more memory to read than is set aside for that; use a larger "
        f"{setting('memory')}, or {setting('nodata', 'none')} to leave it unused",
        mask.path,
    )


class _AllMasks(Reader):
    """The numbers of the first mask, and 0 where another one is 0.

    `opened` closes masks with this reader, or when nothing refers to it any more.
    """

    def __init__(self, first: Reader, others: Sequence[Reader], opened: ExitStack) -> None:
        self.about = first.about
        self.spec = first.spec
        every = [first, *others]
        self.scratch_bytes = max(each.scratch_bytes for each in every) + _STEP * _ITEM_BYTES
        self.cache_bytes = sum(each.cache_bytes for each in every)
        self._first, self._others = first, others
        self._close = weakref.finalize(self, opened.close)

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab; see `Reader.read`."""
        room, rest = scratch[: _STEP * _ITEM_BYTES], scratch[_STEP * _ITEM_BYTES :]
        self._first.read(slab, out, rest)
        for other in self._others:
            part = room.view(other.spec.dtype)[:_STEP]
            for index in range(slab.items):
                item = (slab.item + index) % other.spec.items
                for start in range(slab.start, slab.stop, _STEP):
                    stop = min(start + _STEP, slab.stop)
                    numbers = part[: stop - start].reshape(1, 1, -1)
                    other.read(Slab(item, 1, start, stop), numbers, rest)
                    place = slice(start - slab.start, stop - slab.start)
                    out[index, 0, place][numbers[0, 0] == 0] = 0

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if a file has changed since it was opened."""
        for each in (self._first, *self._others):
            each.check_unchanged()

    def close(self) -> None:
        """Close the masks of files."""
        self._close()
