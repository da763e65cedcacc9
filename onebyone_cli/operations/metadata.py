"""Decide which metadata an output has: what is kept of its inputs, and what it says of itself.

===================  ==============================================================================
entry                where an output has it
===================  ==============================================================================
names of channels    those that the weights have for their outputs; else those of the input, where
                     each output channel comes from one input channel (selected, scaled, denoised)
wavelengths, widths  where each output channel comes from one input channel
good channels        the same
unit, long name      where the numbers still mean the same: copied, selected or denoised
nodata               the value of invalid pixels, unless NaN marks them or the user chose a value
                     with ``nan_to``, which valid pixels may have too
scale, offset        with ``scale``: those that give the result back
valid range          never
georeference, axes   always: an output has the pixels of its inputs; the coordinates of channels
                     only where each output channel comes from one input channel
history              that of the inputs, and a line for this step
other attributes     always, unless they are about stored numbers, about channels that are gone, or
                     about other objects of the input file
===================  ==============================================================================

Indices of ``argmax`` and the error of ``residual`` come from all input channels. Scores come from
none of them; their names are those of the weights.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.formats.contracts.attributes import normalised
from onebyone_cli.formats.contracts.dimensions import with_channels
from onebyone_cli.formats.contracts.metadata import Attribute, Metadata
from onebyone_cli.operations.apply.fingerprint import digest_of
from onebyone_cli.operations.meaning import Packing
from onebyone_cli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.formats.contracts.writer import AnyTarget
    from onebyone_cli.operations.apply.settings import ApplySettings, Fill
    from onebyone_cli.weights.channel_map import ChannelMap

#: Entries of outputs that some formats have no place for, with their verb.
_NOUNS = {
    "georeference": "georeferencing is",
    "channels": "names of channels are",
    "wavelengths": "wavelengths are",
    "nodata": "the nodata value is",
    "scale": "scale and offset are",
}

#: Names of outputs of weights that know no names.
_NUMBERED = re.compile(r"channel [0-9]+")

#: A time of more digits is beyond the year 9999.
_EPOCH_DIGITS = 11

#: Attributes about stored numbers, normalised: CF, GDAL, ENVI, HDF-EOS, HDF5 images and others.
_ABOUT_NUMBERS = {
    *("fillvalue", "missingvalue", "dataignorevalue", "ignorevalue", "nodata", "nodatavalue"),
    *("nodatavalues", "nullvalue", "invalidvalue", "mask", "maskvalue", "saturation"),
    *("scalefactor", "scale", "scaling", "scalefactorerr", "addoffset", "addoffseterr", "offset"),
    *("gain", "gains", "slope", "intercept", "bias", "calibratednt", "multiplier"),
    *("validmin", "validmax", "validrange", "actualrange", "missingvaluerange"),
    *("unsigned", "datatype", "dtype", "type", "class", "byteorder", "bitspersample", "bitdepth"),
    *("nbits", "leastsignificantdigit", "packingconvention", "packeddatatype", "storagetype"),
    *("min", "max", "minimum", "maximum", "mean", "std", "stddev", "stdev", "sum", "median"),
    *("validcount", "histogram", "defaultstretch", "stretch", "zplotrange", "zplottitles"),
    *("palette", "imagesubclass", "imageversion", "imagecolormodel", "imageminmaxrange"),
    *("imagewhiteiszero", "imagetransparency", "imagebackgroundindex", "interlacemode"),
    *("classes", "classnames", "classlookup", "colormap", "filetype", "interleave"),
    *("datagainvalues", "dataoffsetvalues", "reflectancescalefactor"),
    *("datareflectancegainvalues", "datareflectanceoffsetvalues", "signedness"),
}
#: Beginnings of such names.
_ABOUT_NUMBERS_FROM = ("statistics", "flag", "valid", "quantiz", "fillvalue", "nodata")

#: Attributes about what the numbers mean.
_ABOUT_MEANING = {
    *("units", "unit", "longname", "standardname", "quantity", "measurement", "cellmethods"),
    *("parameter", "variable", "variablename", "product", "title"),
}

#: Attributes about channels, of whatever length.
_ABOUT_CHANNELS = {
    *("bands", "bandnames", "bandname", "band", "channels", "channel", "channelnames"),
    *("wavelength", "wavelengths", "wavelengthunits", "wavelengthunit", "centerwavelength"),
    *("centerwavelengths", "centralwavelength", "fwhm", "bandwidth", "bandwidths", "bbl"),
    *("badbands", "goodwavelengths", "spectranames"),
}

#: Attributes whose values are numbers of channels.
_CHANNEL_NUMBERS = {"defaultbands", "rgbbands", "nbands", "numbands", "bandcount", "channelcount"}

#: Attributes that name other objects of the input file.
_ABOUT_THE_FILE = {
    *("coordinates", "gridmapping", "ancillaryvariables", "bounds", "cellmeasures"),
    *("formulaterms", "climatology", "dimensionlist", "referencelist", "dimensionlabels"),
}


class Made(NamedTuple):
    """What an output says of its own numbers.

    Attributes
    ----------
    dtype : str
    fill : Fill
        What invalid pixels are.
    packing : Packing or None
        How its stored numbers become the result.
    """

    dtype: str
    fill: Fill
    packing: Packing | None = None


def output_metadata(
    found: Metadata, layers: Sequence[Layer], settings: ApplySettings, made: Made
) -> Metadata:
    """Return the metadata of the output of a chain of 1×1 convolutions.

    `found` is the metadata of the inputs, in the order of the columns of the first layer.
    """
    channels = layers[0].map.in_channels
    sources = None if settings.collapse else source_channels(layers, channels)
    # Stored numbers have no unit without the scale and offset that give them one.
    packed = settings.asked.stored and bool(found.scale or found.offset)
    same = _means_the_same(layers, settings) and sources is not None and not packed
    packing = made.packing or Packing((), ())
    kept = Metadata(
        channels=() if settings.collapse else _names(layers, _picked(found.channels, sources)),
        nodata=_nodata(made.fill, made.dtype),
        scale=_single(packing.scale),
        offset=_single(packing.offset),
        georeference=found.georeference,
        history="\n".join(filter(None, [found.history.rstrip("\n"), _step(layers)])),
        attributes=_attributes(found.attributes, sources, same=same),
        dimensions=with_channels(found.dimensions, sources),
        grid_mapping=found.grid_mapping,
    )
    if sources is None:
        return kept if settings.collapse else kept._replace(**_restored(layers[-1].map))
    wavelengths, widths = _picked(found.wavelengths, sources), _picked(found.widths, sources)
    return kept._replace(
        wavelengths=wavelengths,
        wavelength_unit=found.wavelength_unit if wavelengths or widths else "",
        widths=widths,
        good=_picked(found.good, sources),
        unit=found.unit if same else "",
    )


def _step(layers: Sequence[Layer]) -> str:
    """Describe this step in a line: what the bytes depend on, and no time unless one is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    when = ""
    if epoch.isascii() and epoch.isdigit() and len(epoch) <= _EPOCH_DIGITS:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(int(epoch)))
    return f"{when}onebyone {__version__} apply, weights sha256:{digest_of(layers)[:12]}"


def _single(entries: tuple[float, ...]) -> tuple[float, ...]:
    """Return one entry for all channels where they are equal."""
    return entries[:1] if len(set(entries)) == 1 else entries


def source_channels(layers: Sequence[Layer], channels: int) -> list[int] | None:
    """Find the one input channel that each output channel comes from.

    Returns None if some output channel combines several.
    """
    sources = list(range(channels))
    if _is_denoising(layers):
        return sources
    for layer in layers:
        weight = layer.map.weight
        if layer.activation == "softmax" or not ((weight > 0).sum(axis=1) == 1).all():
            return None
        if np.count_nonzero(weight) != len(weight):
            return None
        sources = [sources[at] for at in weight.argmax(axis=1)]
    return sources


def _is_denoising(layers: Sequence[Layer]) -> bool:
    """Whether the last layer transforms back to the channels of the input."""
    return len(layers) == 2 and bool(layers[-1].map.meta.get("restores"))


def _means_the_same(layers: Sequence[Layer], settings: ApplySettings) -> bool:
    """Whether numbers of the output are in the unit of the input."""
    if settings.scale is not None or settings.collapse:
        return False
    return _is_denoising(layers) or all(
        layer.activation in ("none", "relu")
        and not layer.map.bias.any()
        and set(np.unique(layer.map.weight)) <= {0.0, 1.0}
        for layer in layers
    )


def _names(layers: Sequence[Layer], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that the weights have for their outputs.

    `known` are those of the input channels that the outputs come from, or nothing. They are used
    where the weights have none, or only numbers, as in ``channel 3``.
    """
    last = layers[-1].map
    found = last.meta.get("outputs")
    names = () if found is None else tuple(map(str, found))
    if len(names) != last.out_channels:
        return known
    return known if known and all(map(_NUMBERED.fullmatch, names)) else names


def _restored(last: ChannelMap) -> dict[str, Any]:
    """Return the wavelengths of the channels to which the inverse of a model leads."""
    found = last.meta.get("output_wavelengths") if last.meta.get("restores") else None
    if found is None or len(found) != last.out_channels:
        return {}
    unit = str(last.meta.get("wavelength_unit", ""))
    return {"wavelengths": tuple(map(float, found)), "wavelength_unit": unit}


def _picked(entries: tuple[Any, ...], sources: list[int] | None) -> tuple[Any, ...]:
    return tuple(entries[at] for at in sources) if entries and sources is not None else ()


def _nodata(fill: Fill, dtype: str) -> tuple[tuple[float, ...], ...]:
    """Return the value of invalid pixels, rounded to the type of the output."""
    if fill.value is None or not fill.is_nodata:
        return ()
    value: float = np.asarray(fill.value).astype(dtype).item()
    return ((value,),)


def _attributes(
    attributes: Mapping[str, Attribute], sources: list[int] | None, *, same: bool
) -> dict[str, Attribute]:
    kept = {}
    for name, each in attributes.items():
        short = normalised(name)
        if short in _ABOUT_NUMBERS or short.startswith(_ABOUT_NUMBERS_FROM):
            continue
        if short in _ABOUT_THE_FILE | _CHANNEL_NUMBERS or (short in _ABOUT_MEANING and not same):
            continue
        if each.axis == "C" or short in _ABOUT_CHANNELS:
            picked = _picked_list(each.value, sources) if each.axis == "C" else None
            if picked is not None:
                kept[name] = Attribute(picked, "C")
            continue
        kept[name] = each
    return kept


def _picked_list(value: Any, sources: list[int] | None) -> Any:
    """Pick from a list of one entry for each channel; return None for any other value."""
    if sources is None or getattr(value, "ndim", 1) != 1:
        return None
    return [value[at] for at in sources]


class Lost(NamedTuple):
    """What an output has no place for: what users must know, and what they may want to know."""

    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


def lost_in(target: AnyTarget, metadata: Metadata, place: str, *, differ: bool) -> Lost:
    """Find the metadata of an output that its format can't hold.

    `place` names the format; `differ` is whether each channel has a scale of its own.
    """
    missing = [name for name in _NOUNS if name in metadata.said and name not in target.keeps]
    lines = {name: f"{_NOUNS[name]} not carried over: {place} has no place" for name in missing}
    notes = [f"{lines.pop(name)} for it" for name in ("georeference",) if name in lines]
    if differ and "scale" in target.keeps and not target.packs_channels:
        notes.append(f"the scale of each channel is not stated: {place} has a place for one scale")
    return Lost(tuple(notes), tuple(lines.values()))
