"""Check LZW codes before they are decoded: imagecodecs does not, and a wrong one crashes it.

Codes are those of TIFF 6.0, section 13: 9 bits after a clear code, and one more each time that
the table reaches 511, 1023 and 2047 entries.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The code that clears the table, its first free entry, and its size.
_CLEAR, _FIRST, _FULL = 256, 258, 4096


class _Codes(NamedTuple):
    """The codes after a clear code: their first and last bits, shifts, masks, and largest value."""

    first: NDArray[np.intp]
    end: NDArray[np.intp]
    shift: NDArray[np.uint32]
    mask: NDArray[np.uint32]
    limit: NDArray[np.uint32]


@cache
def _codes() -> _Codes:
    free = _FIRST + np.maximum(np.arange(_FULL - _FIRST + 1) - 1, 0)
    width = 9 + np.searchsorted([511, 1023, 2047], free, side="right")
    end = np.cumsum(width)
    # A code may be the entry that it completes; the first one is a byte.
    limit = np.where(np.arange(len(free)) == 0, 255, free)
    return _Codes(
        end - width,
        end,
        (32 - width).astype(np.uint32),
        ((1 << width) - 1).astype(np.uint32),
        limit.astype(np.uint32),
    )


def are_sound(data: bytes) -> bool:
    """Return whether each code is in the table at its place, up to the end code."""
    codes, bits, at = _codes(), 8 * len(data), 0
    # The four bytes from each byte on, as one number.
    words = np.ndarray(len(data), ">u4", data + bytes(3), strides=(1,))
    while True:
        count = int(np.searchsorted(codes.end, bits - at, side="right"))
        first = codes.first[:count] + at
        shift = codes.shift[:count] - (first & 7).astype(np.uint32)
        found = (words[first >> 3] >> shift) & codes.mask[:count]
        is_last = found >> 1 == _CLEAR >> 1  # the clear code, or the end code beside it
        last = int(is_last.argmax()) if count else 0
        if not count or not is_last[last] or (found[:last] > codes.limit[:last]).any():
            return False
        if found[last] != _CLEAR:
            return True
        at += int(codes.end[last])
