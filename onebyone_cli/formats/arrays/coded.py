"""Numbers of short types that numpy lacks, read as float32, which holds each of them exactly.

bfloat16 is the upper half of a float32. float8_e5m2 is the upper half of a float16. float8_e4m3fn
has 4 bits of exponent, no infinity, and one NaN of each sign (Micikevicius et al. 2022,
"FP8 formats for deep learning").
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Numbers that are converted at a time, so that their copies stay in the cache of a core.
_PIECE = 1 << 14


def copy_decoded(out: NDArray[Any], bits: NDArray[Any], coded: str) -> None:
    """Convert numbers into `out`, of the same shape and any type.

    Parameters
    ----------
    out : ndarray
    bits : ndarray of unsigned integers
        The stored numbers.
    coded : str
        A key of `spec.CODED_BYTES`.
    """
    if bits.size <= _PIECE:
        with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
            np.copyto(out, _decoded(bits, coded), casting="unsafe")
        return
    axis = int(np.argmax(bits.shape))
    half = bits.shape[axis] // 2
    for part in (slice(half), slice(half, None)):
        place = (slice(None),) * axis + (part,)
        copy_decoded(out[place], bits[place], coded)


def _decoded(bits: NDArray[Any], coded: str) -> NDArray[np.float32]:
    if coded == "bfloat16":
        wide = bits.astype(np.uint32)
        wide <<= np.uint32(16)
        return wide.view(np.float32)
    return np.take(_table(coded), bits)


@cache
def _table(coded: str) -> NDArray[np.float32]:
    """Return the numbers of all 256 bytes."""
    every = np.arange(256, dtype=np.uint16)
    if coded == "float8_e5m2":
        return (every << 8).view(np.float16).astype(np.float32)
    exponent, fraction = (every >> 3 & 15).astype(np.int32), (every & 7).astype(np.float32)
    # Without the hidden bit, the exponent is that of the smallest number with it.
    whole = np.where(exponent > 0, 8 + fraction, fraction)
    values: NDArray[np.float32] = np.ldexp(whole, np.maximum(exponent, 1) - 10)
    values[every & 127 == 127] = np.nan
    values[128:] *= -1
    return values
