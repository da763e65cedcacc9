"""``onebyone view``: look at a stack, in the terminal or as a PNG file."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.picture_output import PAPER, Canvas, png_canvas, terminal_canvas
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.units import count, format_bytes
from onebyone_cli.weights.formats import ONLY_WEIGHTS

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.operations.view.drawing import Drawing, Stretch
    from onebyone_cli.operations.view.thumbnail import Thumbnails
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.stack import Stack

EXAMPLES = """\b
Examples:
  onebyone view cube.h5
  onebyone view cube.h5 --rgb 29,19,9 -o colours.png
  onebyone view cube.h5 --pca -o components.png
  onebyone view scores.npy --channel 0 --colormap viridis
  onebyone apply cube.h5 -w model.npz -o - | onebyone view -
"""

#: Numbers of more digits are those of no channel.
_DIGITS = 10


def view(
    inputs: inputs.Inputs,
    output: inputs.Picture = "",
    channel: inputs.OneChannel = None,
    rgb: inputs.ThreeChannels = "",
    pca: inputs.ThreeComponents = False,
    item: inputs.Item = None,
    stretch: inputs.Percentiles = "",
    value_range: inputs.ValueRange = "",
    colormap: inputs.ColormapName = "grey",
    size: inputs.PictureSize = None,
    inputs_from: inputs.InputsFrom = "",
    force: inputs.Force = False,
    layout: inputs.Layout = "CHW",
    raw: inputs.Raw = False,
    shape: inputs.Shape = "",
    dtype_in: inputs.DTypeIn = "",
    nodata: inputs.NoDataInPictures = "",
    memory: inputs.Memory = "",
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    progress: inputs.ShowProgress = None,
    debug: inputs.Debug = False,
) -> None:
    """Look at a stack, in the terminal or as a PNG.

    All channels are shown on a contact sheet, or one of them, or three in colour. A terminal shows
    them in as many colours as it has, or in plain characters; -o writes a PNG. Each channel is
    stretched by itself. Of a large stack only some rows and columns are read, and up to 4×4 numbers
    are averaged for each pixel of the picture.
    """
    console = Console(quiet=quiet, json=json)
    inputs = values.inputs_of(inputs, inputs_from)
    values.check_names(inputs, [])
    wanted = Wanted(_kind(channel, rgb, pca, colormap), _channels(channel, rgb), item)
    how = _stretch_of(stretch, value_range)
    if json and output in ("", "-"):
        raise UsageError("--json and the picture both want standard output; give -o FILE.png")
    _refuse_weights(inputs, raw=raw)
    reading = Reading(layout, values.memory_of(memory), values.raw_of(raw, shape, dtype_in))
    mark = values.number_of("--nodata", nodata) if nodata else None
    with ExitStack() as stack:
        opened = reading.open(inputs, stack)
        if output:
            from onebyone_cli.picture.png import check_png

            files = [name for reader in opened for name in reader.about.files]
            check_png(output, force=force, inputs=(*files, *values.files_of([inputs_from])))
        canvas = png_canvas(output, size) if output else terminal_canvas(size)
        job = _Job(opened, wanted, canvas, reading.memory)
        source, memory_left = job.hold(stack, console, progress)
        drawing = job.draw(job.thumbnails(source, mark, memory_left), how, colormap)
        source.check_unchanged()
    names = job.names
    size_put = canvas.put(drawing, names, job.sheet, force=force)
    console.say(_closing_line(drawing, job, names))
    console.document(_document(output, drawing, job, names) | size_put)


class Wanted(NamedTuple):
    """What is to be seen.

    Attributes
    ----------
    kind : str
        A sheet of channels, one channel, three of them in colour, or components in colour.
    channels : tuple of int
        Those that were named.
    item : int or None
        Of the batch.
    """

    kind: Literal["sheet", "channel", "rgb", "pca"]
    channels: tuple[int, ...]
    item: int | None

    def check(self, path: str, spec: "StackSpec") -> None:
        """Refuse what a stack has not.

        Raises
        ------
        UsageError
            Naming it.
        """
        for channel in self.channels:
            if channel >= spec.channels:
                flag = f"--{self.kind} asks for channel {channel}"
                raise UsageError(
                    f"{flag}, and {path} has {count(spec.channels, 'channel')}, counted from 0"
                )
        if self.item is not None and self.item >= spec.items:
            raise UsageError(
                f"--item {self.item} is not there: {path} has {count(spec.items, 'item')}, "
                "counted from 0"
            )
        if self.kind == "pca" and spec.channels < 3:
            raise UsageError(
                f"--pca shows three components, and {path} has {count(spec.channels, 'channel')}"
            )


def _kind(
    channel: int | None, rgb: str, pca: bool, colormap: str
) -> Literal["sheet", "channel", "rgb", "pca"]:
    if (channel is not None) + bool(rgb) + pca > 1:
        raise UsageError("--channel, --rgb and --pca each say what to show; give one of them")
    if (rgb or pca) and colormap != "grey":
        raise UsageError("--colormap is for single channels, not for --rgb and --pca")
    return "pca" if pca else "rgb" if rgb else "sheet" if channel is None else "channel"


def _channels(channel: int | None, rgb: str) -> tuple[int, ...]:
    parts = rgb.split(",") if rgb else []
    known = all(part.isascii() and part.isdigit() and len(part) < _DIGITS for part in parts)
    if parts and not (len(parts) == 3 and known):
        raise UsageError(f"--rgb {rgb} is not three channels; write R,G,B, as in 29,19,9")
    return tuple(map(int, parts)) if channel is None else (channel,)


def _stretch_of(percentiles: str, value_range: str) -> "Stretch":
    from onebyone_cli.operations.view.drawing import Stretch

    if percentiles and value_range:
        raise UsageError("--stretch and --range each say what is dark and bright; give one of them")
    if value_range:
        return Stretch(fixed=_two("--range", value_range, "0,255"))
    low, high = _two("--stretch", percentiles or "2,98", "2,98")
    if low < 0 or high > 100:
        raise UsageError(f"--stretch {percentiles} is beyond 0 to 100 percent")
    return Stretch(low, high)


def _two(option: str, text: str, example: str) -> tuple[float, float]:
    parts = text.split(",")
    if len(parts) != 2:
        raise UsageError(f"{option} {text} is not a range; write it like {example}")
    low, high = (values.number_of(option, part, example) for part in parts)
    if not -float("inf") < low < high < float("inf"):
        raise UsageError(f"{option} {text} is empty; the first must be less than the second")
    return low, high


def _refuse_weights(inputs: Sequence[str], *, raw: bool) -> None:
    for path in inputs:
        if not raw and path.lower().endswith(ONLY_WEIGHTS) and os.path.isfile(path):
            raise DataError(f"is no stack; {_other_way(path)}", path)


def _other_way(path: str) -> str:
    """Say what shows a file that is no stack."""
    from onebyone_cli.operations.info.archives import holds_moments

    if path.lower().endswith(".npz") and holds_moments(path):
        return "to see the statistics that it holds: onebyone stats"
    return "to look at weights or at a model: onebyone weights show"


# ----------------------------------------------------------------------------------- the picture


class _Job:
    """What is read for a picture, and how large it becomes; known from headers alone.

    Parameters
    ----------
    opened : sequence of Reader or StreamReader
        Inputs, in channel order.
    wanted : Wanted
        What is to be seen.
    canvas : Canvas
        What it is put on.
    memory : int
        Budget in bytes.

    Raises
    ------
    UsageError
        If the stack has not what is wanted, or the picture takes too much memory.
    """

    def __init__(
        self,
        opened: "Sequence[Reader | StreamReader]",
        wanted: Wanted,
        canvas: Canvas,
        memory: int,
    ) -> None:
        from onebyone_cli.picture.sheet import plan_sheet
        from onebyone_cli.spec import arithmetic_dtype
        from onebyone_cli.stack.stack import stacked_spec

        self._opened = opened
        self.path = " ".join(reader.path for reader in opened)
        self.spec = spec = stacked_spec(
            opened, arithmetic_dtype([reader.spec.dtype for reader in opened])
        )
        wanted.check(self.path, spec)
        self.kind, self.item = wanted.kind, wanted.item or 0
        cells = spec.channels if wanted.kind == "sheet" else 1
        self.sheet = plan_sheet(cells, spec.height, spec.width, canvas.room(cells))
        self.channels = list(wanted.channels) or _spread(spec.channels, self.sheet.cells)
        if wanted.kind == "pca":
            self.channels = list(range(spec.channels))
        self._memory_left = memory - self._needed(memory)

    def _needed(self, memory: int) -> int:
        """Count what is held besides numbers on their way, and refuse what is too much."""
        from onebyone_cli.operations.view.drawing import picture_bytes

        pixels = self.sheet.height * self.sheet.width
        needed = picture_bytes(pixels, len(self.channels) if self.kind == "pca" else 0)
        needed += sum(getattr(reader, "cache_bytes", 0) for reader in self._opened)
        if needed > memory:
            raise UsageError(
                f"the picture takes {format_bytes(needed)} of memory to draw, and "
                f"{format_bytes(memory)} are allowed; give a smaller --size or a larger --memory"
            )
        return needed

    @property
    def names(self) -> list[str]:
        """Channels for people: their numbers, and what files call them if it is something else."""
        from onebyone_cli.stack.stack import channel_names

        names = channel_names(self._opened)
        numbers = map(str, self.channels)
        if not names:
            return list(numbers)
        return [n if names[int(n)] == n else f"{n} {names[int(n)]}" for n in numbers]

    def hold(
        self, stack: ExitStack, console: Console, progress: bool | None
    ) -> tuple["Stack", int]:
        """Lay streams aside, so that all can be read at any place; say what memory is left."""
        from onebyone_cli.cli.terminal.progress import Progress
        from onebyone_cli.stack.sources import hold_streams
        from onebyone_cli.stack.stack import Stack

        with Progress(console, progress) as on_progress:
            readers, left = hold_streams(self._opened, self._memory_left, stack, on_progress)
        return Stack(readers, self.spec.dtype), left

    def thumbnails(self, source: "Stack", nodata: float | None, memory: int) -> "Thumbnails":
        """Say what is read of a stack."""
        from onebyone_cli.operations.view.thumbnail import Thumbnails

        height, width = self.sheet.shown_height, self.sheet.shown_width
        return Thumbnails(source, self.item, self.channels, height, width, nodata, memory)

    def draw(self, thumbnails: "Thumbnails", stretch: "Stretch", colormap: str) -> "Drawing":
        """Read and draw."""
        from onebyone_cli.operations.view import drawing
        from onebyone_cli.picture.colormap import load

        if self.kind == "pca":
            return drawing.draw_components(thumbnails, self.sheet, stretch)
        if self.kind == "rgb":
            return drawing.draw_composite(thumbnails, self.sheet, stretch)
        return drawing.draw_sheet(thumbnails, self.sheet, stretch, load(colormap), PAPER)


def _spread(channels: int, cells: int) -> list[int]:
    """Choose channels where not all fit: the first, the last, and others evenly between."""
    if cells == 1:
        return [0]
    return [cell * (channels - 1) // (cells - 1) for cell in range(cells)]


# ------------------------------------------------------------------------------- what is said of it


def _closing_line(drawing: "Drawing", job: _Job, names: list[str]) -> str:
    shares = ", ".join(f"{number} ({share:.1%})" for number, share in enumerate(drawing.shares))
    what = {
        "sheet": _told_sheet(job, names),
        "channel": f"channel {names[0]}",
        "rgb": "red {}, green {}, blue {}".format(*(names * 3)[:3]),
        "pca": f"principal components {shares}",
    }[job.kind]
    line = f"{job.path}: {job.spec.size}; {what}"
    alone = job.kind == "channel" or job.spec.channels == 1
    if alone and drawing.ranges[0]:
        line += ", {:.6g} to {:.6g}".format(*drawing.ranges[0])
    if job.spec.items > 1:
        line += f", item {job.item} of {job.spec.items}"
    return line


def _told_sheet(job: _Job, names: list[str]) -> str:
    total = job.spec.channels
    if len(names) == total:
        return count(total, "channel")
    return f"{len(names)} of {count(total, 'channel')}; --channel N shows one"


def _document(output: str, drawing: "Drawing", job: _Job, names: list[str]) -> dict[str, Any]:
    planes = [
        {"low": limits[0], "high": limits[1]} if limits else {"low": None, "high": None}
        for limits in drawing.ranges
    ]
    return {
        "output": output,
        "kind": job.kind,
        "shape": list(job.spec.shape),
        "item": job.item,
        "channels": job.channels,
        "names": names,
        "ranges": planes,
        "explained_variance_ratio": drawing.shares,
    }
