"""Virtual rasters of GDAL that compute a 1×1 convolution.

GDAL 3.9 and later read them: a VRTProcessedDataset with the step BandAffineCombination.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn
from xml.sax.saxutils import escape, quoteattr

from onebyone_cli.errors import DataError
from onebyone_cli.weights.formats.contract import WeightsFile, WeightsFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD = """\
<VRTDataset subClass="VRTProcessedDataset">
  <Input>
    <SourceFilename relativeToVRT={relative}>{source}</SourceFilename>
  </Input>
  <ProcessingSteps>
    <Step name="1x1 convolution">
      <Algorithm>BandAffineCombination</Algorithm>
"""


def _read(source: WeightsFile) -> NoReturn:
    raise DataError(
        "is a virtual raster of GDAL, which is only written; give the weights it was made of",
        source.path,
    )


def _write(fields: Mapping[str, Any], suffix: str) -> bytes:
    weight, source = fields["weight"], str(fields["source"])
    names = fields.get("outputs") or []
    is_relative = not (source.startswith("/") or "://" in source)
    lines = [_HEAD.format(relative=quoteattr(str(int(is_relative))), source=escape(source))]
    for number, (row, bias) in enumerate(zip(weight, fields["bias"], strict=True), 1):
        numbers = ",".join(map(repr, [float(bias), *row.tolist()]))
        lines.append(f'      <Argument name="coefficients_{number}">{numbers}</Argument>\n')
    lines.append("    </Step>\n  </ProcessingSteps>\n")
    for number in range(1, len(weight) + 1):
        band = f'dataType="Float32" band="{number}" subClass="VRTProcessedRasterBand"'
        name = escape(names[number - 1]) if len(names) == len(weight) else ""
        inner = f">\n    <Description>{name}</Description>\n  </VRTRasterBand>" if name else "/>"
        lines.append(f"  <VRTRasterBand {band}{inner}\n")
    lines.append("</VRTDataset>\n")
    return "".join(lines).encode(errors="replace")


def _holds(name: str, value: Any) -> bool:
    is_names = isinstance(value, list) and all(
        isinstance(each, str) and each.isprintable() for each in value
    )
    return name == "bias" or (name == "outputs" and is_names)


FORMAT = WeightsFormat(read=_read, write=_write, holds=_holds, sourced=True)
