"""Coordinates of rows and columns."""

from __future__ import annotations

from typing import Any

#: Relative difference of steps that still count as even.
_EVEN = 1e-4


def even_transform(x: Any, y: Any) -> list[float]:
    """Return the transform of even coordinates, which are those of the centres of pixels.

    Parameters
    ----------
    x, y : ndarray of shape (W,) and (H,), or None
        Anything else gives no transform.

    Returns
    -------
    list of float
        Six numbers in GDAL order, as in `Georeference`; empty if a step differs from the others.
    """
    import numpy as np

    ends = []
    for line in (x, y):
        if not isinstance(line, np.ndarray) or line.dtype.kind not in "iuf" or line.size < 2:
            return []
        steps = np.diff(line.astype(np.float64))
        step = float(steps.mean())
        if not step or not np.allclose(steps, step, rtol=_EVEN, atol=0):
            return []
        ends.append((float(line[0]) - step / 2, step))
    (left, dx), (top, dy) = ends
    return [left, dx, 0.0, top, 0.0, dy]
