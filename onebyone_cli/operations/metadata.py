"""Decide which metadata of its inputs an output keeps.

======================  ===========================================================================
entry                   kept where
======================  ===========================================================================
names, wavelengths,     each output channel comes from one input channel (selected, scaled or
widths, good channels   denoised); else the names that the weights have for their outputs
unit, long name         the numbers still mean the same: copied, selected or denoised
nodata                  never; an output states its own, which its invalid pixels hold
valid range, scale,     never: they are about stored numbers
offset, statistics
georeference, history   always: an output has the pixels of its inputs
other attributes        always, unless they are about stored numbers, about channels that are gone,
                        or about other objects of the input file
======================  ===========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.contracts.attributes import normalised
from onebyone_cli.formats.contracts.metadata import Attribute, Metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.operations.apply.fill import Fill
    from onebyone_cli.operations.apply.settings import ApplySettings

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


def output_metadata(
    found: Metadata, layers: Sequence[Layer], settings: ApplySettings, fill: Fill, dtype: str
) -> Metadata:
    """Return the metadata of the output of a chain of 1×1 convolutions.

    `found` is the metadata of the inputs, `dtype` the type of the output.
    """
    channels = layers[0].map.in_channels
    sources = None if settings.collapse else source_channels(layers, channels)
    # Packed numbers are in no unit: the output holds them without the scale that gives them one.
    packed = bool(found.scale or found.offset)
    same = _means_the_same(layers, settings) and sources is not None and not packed
    named = () if settings.collapse else _output_names(layers)
    kept = Metadata(
        channels=named or _picked(found.channels, sources),
        nodata=_nodata(fill, dtype),
        georeference=found.georeference,
        history=found.history,
        attributes=_attributes(found.attributes, sources, same=same),
    )
    if sources is None:
        return kept
    wavelengths, widths = _picked(found.wavelengths, sources), _picked(found.widths, sources)
    return kept._replace(
        wavelengths=wavelengths,
        wavelength_unit=found.wavelength_unit if wavelengths or widths else "",
        widths=widths,
        good=_picked(found.good, sources),
        unit=found.unit if same else "",
    )


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


def _output_names(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the names that the weights have for their outputs."""
    last = layers[-1].map
    found = last.meta.get("outputs")
    names = () if found is None else tuple(map(str, found))
    return names if len(names) == last.out_channels else ()


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
