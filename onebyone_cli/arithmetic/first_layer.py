"""Prepare the first layer of a chain: apply it to stored numbers, and centre where digits are lost.

With scale s and offset o of the stored numbers x, and any centre c,

    W·(s∘x + o) + b  =  (W∘s)·(x − c) + W·(s∘c + o) + b

in exact arithmetic. With c = 0 nothing is subtracted from the pixels. That loses digits where sums
of large terms cancel: temperatures near 290 that vary by 0.01, for instance. A model knows the mean
of its pixels, and c near that mean leaves only small numbers to sum. An unmixing model knows its
endmembers, and where these are similar, pixels are near their mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onebyone_cli.weights.channel_map import ChannelMap

    Floats = NDArray[np.float64]
    #: Scale and offset of the stored numbers, one entry for each channel.
    Packing = tuple[Floats, Floats]

#: Loss of a score, as a share of its standard deviation, above which pixels are centred.
_LOSS = 1e-5

#: A finite float32 less a centre of this size is finite, whatever its rounding.
_LARGEST_CENTRE = 2.0**100

#: Methods whose scores have a standard deviation of 1 or more.
_OF_UNIT_SPREAD = ("mnf", "maf", "lda", "ica")

#: Assumed standard deviation of amounts: they are shares from 0 to 1, or larger numbers.
_SPREAD_OF_AMOUNTS = 0.1


class FirstLayer(NamedTuple):
    """A map of stored numbers: ``Y = weight @ (X − centre) + bias``.

    Attributes
    ----------
    weight : ndarray of float64, shape (K, C)
    bias : ndarray of float64, shape (K,)
    centre : ndarray of float64, shape (C,), or None
        Values of the type of the arithmetic; None where nothing is subtracted.
    """

    weight: Floats
    bias: Floats
    centre: Floats | None = None


def first_layer(layer: ChannelMap, dtype: str, packing: Packing | None = None) -> FirstLayer:
    """Prepare a layer for stored numbers and arithmetic of type `dtype`.

    The decision to centre depends on the layer, the packing and `dtype` alone.
    """
    weight, bias = layer.weight, layer.bias
    scale, offset = packing or (np.ones(layer.in_channels), np.zeros(layer.in_channels))
    with np.errstate(all="ignore"):
        mean = _mean(layer)
        folded = weight * scale
        if mean is not None and _loses_digits(layer, mean - offset, dtype):
            stored = np.divide(mean - offset, scale, where=scale != 0, out=np.zeros_like(mean))
            centre = stored.astype(dtype).astype(np.float64)
            if np.abs(centre).max() <= _LARGEST_CENTRE:
                # Small for a learned layer, whose bias is −weight·mean.
                rest = weight @ (scale * centre + offset - mean) + (bias + weight @ mean)
                return FirstLayer(folded, rest, centre)
        if packing is None:
            return FirstLayer(weight, bias)
        return FirstLayer(folded, bias + weight @ offset)


def _mean(layer: ChannelMap) -> Floats | None:
    """Return the mean of the pixels that a model was learned from; None if it is not known.

    That of an unmixing model is of its endmembers.
    """
    if layer.meta.get("restores"):  # its inputs are scores
        return None
    if layer.meta.get("method") == "unmix":
        endmembers = _numbers(layer.meta, "inverse")
        if endmembers is None or endmembers.shape != (layer.in_channels, layer.out_channels):
            return None
        centre: Floats = endmembers.mean(axis=1)
        return centre if np.isfinite(centre).all() else None
    mean = _numbers(layer.meta, "mean")
    if mean is None or mean.shape != (layer.in_channels,):
        return None
    if layer.meta.get("method") == "svd" and not mean.any():
        return _main_direction(layer)
    return mean if mean.any() and np.isfinite(mean).all() else None


def _main_direction(layer: ChannelMap) -> Floats | None:
    """Return the first singular vector, as long as the root mean square of its scores.

    It is near the mean where the mean is large beside the variation, and signs are positive.
    """
    squares = _numbers(layer.meta, "eigenvalues")
    if squares is None or not squares.size or not squares[0] > 0:
        return None
    along: Floats = layer.weight[0] * np.sqrt(squares[0])
    return along if np.isfinite(along).all() else None


def _loses_digits(layer: ChannelMap, mean: Floats, dtype: str) -> bool:
    """Whether a sum of terms as large as those of `mean` loses too much of some score."""
    loss = np.finfo(dtype).eps * (np.abs(layer.weight) @ np.abs(mean))
    return bool((loss > _LOSS * _spread(layer)).any())


def _spread(layer: ChannelMap) -> Any:
    """Return a lower bound of the standard deviations of the scores: shape (K,), or one for all.

    It is 0 where nothing is known.
    """
    meta = layer.meta
    method, options = meta.get("method"), meta.get("options")
    is_white = isinstance(options, dict) and options.get("whiten") is True
    if method in _OF_UNIT_SPREAD or (method == "pca" and is_white):
        return 1.0
    if method == "unmix":
        return _SPREAD_OF_AMOUNTS
    variances = _numbers(meta, "explained_variance")
    if variances is None or variances.shape != (layer.out_channels,):
        return 0.0
    return np.sqrt(np.maximum(variances, 0.0)) if method in ("pca", "svd") else 0.0


def _numbers(meta: Mapping[str, Any], name: str) -> Floats | None:
    value = meta.get(name)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return value.astype(np.float64)
    return None
