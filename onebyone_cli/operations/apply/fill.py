"""Decide what invalid pixels are in the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.arithmetic.cast import is_integer, limits
from onebyone_cli.operations.apply.settings import Fill

if TYPE_CHECKING:
    from onebyone_cli.operations.apply.settings import ApplySettings
    from onebyone_cli.stack.validity import Validity


def choose_fill(
    settings: ApplySettings,
    validity: Validity,
    dtype: str,
    channels: int,
    background: float | None,
) -> Fill:
    """Choose what invalid pixels are in the output.

    The choice of the user comes first: `nan_to`, then the first nodata value. Float types hold NaN.
    For integer types it is the first nodata value of the files that the type holds; in a picture
    it is black.

    Parameters
    ----------
    settings : ApplySettings
    validity : Validity
        Of the inputs.
    dtype : str
        Type of the output.
    channels : int
        K, the number of channels before argmax.
    background : float or None
        Value of pixels without data in a picture; None for other outputs.
    """
    nan_to, asked = settings.nan_to, settings.asked.nodata
    if nan_to is not None:
        return Fill(None if np.isnan(nan_to) else nan_to, origin="nan_to")
    # An index equal to the nodata value can't be moved: the next number is another index.
    indices = range(channels) if settings.collapse == "argmax" else range(0)
    if asked is not None and asked.first is not None and not np.isnan(asked.first):
        return Fill(asked.first, dtype != "bool" and asked.first not in indices, "nodata")
    if not is_integer(dtype):
        return Fill()
    said = [low for entry in validity.nodata for low, high in entry if low == high]
    held = [value for value in said if _holds(dtype, value) and value not in indices]
    if held:
        return Fill(held[0], is_nodata=True, origin="file")
    if background is None or background in indices:
        return Fill()
    return Fill(background, origin="picture")


def _holds(dtype: str, value: float) -> bool:
    low, high = limits(dtype)
    return dtype != "bool" and low <= value <= high and value == int(value)
