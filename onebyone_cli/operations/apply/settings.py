"""Settings of a job of `apply`, and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from onebyone_cli.arithmetic.cast import CastCounts
from onebyone_cli.arithmetic.conv1x1 import Convolution, argmax_dtype
from onebyone_cli.arithmetic.scale import Scale, parse_scale
from onebyone_cli.errors import ShapeMismatchError, UsageError, setting
from onebyone_cli.operations.machine import memory_of, threads_of
from onebyone_cli.operations.meaning import Asked
from onebyone_cli.spec import ITEM_BYTES, StackSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.commit.checkpoint import Policy
    from onebyone_cli.commit.publication import Publication
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.plan.shards import Shard


#: Types of the arithmetic.
_COMPUTE = ("auto", "float32", "float64")

#: Counts of a tile, in the order of reports.
_COUNTED = ("invalid_pixels", *CastCounts._fields)


class ApplySettings(NamedTuple):
    """Choices about the numbers and the machine.

    Attributes
    ----------
    memory, threads : int
        Budget in bytes; most workers.
    compute : str
        ``"auto"``, ``"float32"`` or ``"float64"``.
    dtype : str
        Type of the output; empty for that of the arithmetic.
    collapse : str
        What replaces the output channels: ``"argmax"``, the index of the largest; ``"rms"``, their
        root mean square; empty for the channels themselves.
    asked : Asked
        What the numbers of the inputs mean.
    nan_to : float or None
        Output value for NaN.
    scale : Scale or None
        Range that is mapped onto the whole range of an integer output.
    checkpoints : Policy or None
        How a later run can resume this one; None if it can't.
    shard : Shard or None
        The share of the output to compute; None for all of it.
    by_position : bool
        Whether names of channels do not count.
    """

    memory: int
    threads: int
    compute: str = "auto"
    dtype: str = ""
    collapse: Literal["", "argmax", "rms"] = ""
    asked: Asked = Asked()
    nan_to: float | None = None
    scale: Scale | None = None
    checkpoints: Policy | None = None
    shard: Shard | None = None
    by_position: bool = False

    def pixel(self, channels: int) -> tuple[int, str]:
        """Return the channels and the type of a result, of which `channels` are computed.

        An empty type is that of the arithmetic.
        """
        dtype = self.dtype or ("uint8" if self.scale is not None else "")
        if self.collapse == "argmax":
            dtype = dtype or argmax_dtype(channels)
        return (1 if self.collapse else channels), dtype

    def publication(self, asked: Publication) -> Publication:
        """Add the treatment of part files to how the output is published."""
        resume = None if self.checkpoints is None else not self.checkpoints.restart
        return asked._replace(resume=resume, shared=self.shard is not None)


def checked_settings(
    *,
    memory: int | str | None = None,
    threads: int | None = None,
    compute: str = "auto",
    dtype: str | None = None,
    argmax: bool = False,
    asked: Asked | None = None,
    nan_to: float | None = None,
    scale: Scale | str | tuple[float, float] | None = None,
    by_position: bool = False,
) -> ApplySettings:
    """Check the choices of a user; parameters are those of `ApplySettings`.

    `memory` and `threads` are resolved by `memory_of` and `threads_of`, and `scale` by `scale_of`.

    Raises
    ------
    UsageError
        If one is out of range or unknown.
    """
    if compute not in _COMPUTE:
        raise UsageError(
            f"{setting('compute', compute)} is unknown; choose from {', '.join(_COMPUTE)}"
        )
    if dtype and dtype not in ITEM_BYTES:
        raise UsageError(
            f"{setting('dtype', dtype)} is unknown; choose from {', '.join(ITEM_BYTES)}"
        )
    return ApplySettings(
        memory=memory_of(memory),
        threads=threads_of(threads),
        compute=compute,
        dtype=dtype or "",
        collapse="argmax" if argmax else "",
        asked=asked or Asked(),
        nan_to=nan_to,
        scale=scale_of(scale),
        by_position=by_position,
    )


def scale_of(scale: Scale | str | tuple[float, float] | None) -> Scale | None:
    """Return a scale: a text as in `parse_scale`, or the two ends of a range."""
    if isinstance(scale, str):
        return parse_scale(scale)
    if scale is None or isinstance(scale, Scale):
        return scale
    low, high = scale
    return Scale("range", float(low), float(high))


class Fill(NamedTuple):
    """What invalid pixels are in the output.

    Attributes
    ----------
    value : float or None
        None for NaN, which an integer type can't hold.
    is_nodata : bool
        Whether only invalid pixels have the value. Valid results that equal it are moved to the
        next number, and the output states it.
    origin : str
        What chose the value: the name of a setting, ``"file"``, ``"picture"``, or empty.
    """

    value: float | None = None
    is_nodata: bool = False
    origin: str = ""


class ApplyReport(NamedTuple):
    """The result of a job.

    Attributes
    ----------
    counts : mapping
        `invalid_pixels`, `saturated`, `replaced` and `moved`, of a share those that no other share
        counts. Empty if they are unknown.
    changed : bool
        False if an equal output existed and was kept.
    went_on : bool
        Whether the job resumed an earlier run.
    fill : Fill
        What invalid pixels are.
    warnings : tuple of str
        What the user must know of the pixels, a line each.
    """

    input: StackSpec
    output: StackSpec
    counts: Mapping[str, int]
    changed: bool = True
    went_on: bool = False
    fill: Fill = Fill()
    warnings: tuple[str, ...] = ()

    @property
    def invalid_pixels(self) -> int:
        """Pixels that are masked, or have an invalid number in a channel."""
        return self.counts.get("invalid_pixels", 0)

    @property
    def saturated(self) -> int:
        """Values beyond the range of the output's type."""
        return self.counts.get("saturated", 0)

    @property
    def replaced(self) -> int:
        """NaN values replaced by `nan_to`."""
        return self.counts.get("replaced", 0)

    @property
    def moved(self) -> int:
        """Valid values moved to the next number, because they equalled the nodata value."""
        return self.counts.get("moved", 0)


def _check_channels(
    spec: StackSpec, inputs: Sequence[Reader | StreamReader], layers: Sequence[Layer]
) -> None:
    names = " + ".join(reader.path for reader in inputs)
    try:
        layers[0].map.check_channels(spec.channels, names)
    except ShapeMismatchError as error:
        hint = _layout_hint(spec, inputs, layers[0].map.in_channels)
        if not hint:
            raise
        raise ShapeMismatchError(f"{error.message}; {hint}", error.path) from error


def _layout_hint(spec: StackSpec, inputs: Sequence[Reader | StreamReader], wanted: int) -> str:
    """Name the layout in which inputs would have the channels that are wanted; empty if none."""
    if any(reader.about.axes[-3:] != "CHW" for reader in inputs):
        return ""
    if len(inputs) == wanted > 1 and not spec.batch:
        planes = {reader.spec.channels for reader in inputs}
        are_frames = len(planes) == 1 and planes != {1}
        layout = setting("layout", "NHW")
        return (
            f"if each input is one channel of several frames, give {layout}" if are_frames else ""
        )
    layout = "HWC" if wanted == spec.width else "HCW" if wanted == spec.height else ""
    if not layout or len(inputs) > 1:
        return ""
    return f"if it is stored {'×'.join(layout)}, give {setting('layout', layout)}"


def _output_spec(spec: StackSpec, convolution: Convolution, settings: ApplySettings) -> StackSpec:
    channels, dtype = settings.pixel(convolution.out_channels)
    return spec._replace(channels=channels, dtype=dtype or spec.dtype)
