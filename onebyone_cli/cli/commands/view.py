"""``onebyone view``: show a stack in the terminal or as a PNG file."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from onebyone_cli.cli.options.inputs import Input, Raw
from onebyone_cli.cli.options.messages import SlowMessages
from onebyone_cli.cli.options.picture import Picture, PictureOutput
from onebyone_cli.cli.options.running import Memory
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.picture_output import PAPER, Canvas, png_canvas, terminal_canvas
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.operations.names import files_of
from onebyone_cli.units import count, format_bytes
from onebyone_cli.weights.formats import ONLY_WEIGHTS

if TYPE_CHECKING:
    from onebyone_cli.arithmetic.scale import Scale
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.operations.view.drawing import Drawing
    from onebyone_cli.operations.view.thumbnail import Thumbnails
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.stack import Stack

EXAMPLES = """
onebyone view cube.h5
onebyone view cube.h5 --rgb 29,19,9 -o colours.png
onebyone view cube.h5 --pca -o components.png
onebyone view scores.npy --channel 0 --colormap viridis
onebyone apply cube.h5 -w model.npz -o - | onebyone view -
"""


def view(
    picture: Picture,
    input: Input,
    raw: Raw,
    output: PictureOutput,
    resources: Memory,
    messages: SlowMessages,
) -> None:
    """Look at a stack, in the terminal or as a PNG.

    Without options all channels are shown on a contact sheet; --channel shows one, --rgb three in
    colour. A terminal shows them in as many colours as it has, or in plain characters; -o writes a
    PNG. Pixels that are NaN, infinite or the nodata value have a colour of their own (magenta in
    grey and in composites). Only some rows and columns of a large stack are read, and up to 4×4
    numbers are averaged for each pixel of the picture.
    """
    console, path = messages.console(), output.output
    inputs = input.listed()
    wanted = Wanted(picture.kind(), picture.numbers(), picture.item)
    scale = picture.range()
    if messages.json and path in ("", "-"):
        raise UsageError("--json and the picture both want standard output; give -o FILE.png")
    _refuse_weights(inputs, raw=raw.raw)
    reading = input.reading(resources.budget(), raw.spec(), console.say)
    mark = input.mark()
    with ExitStack() as stack:
        opened = reading.open(inputs, stack)
        if path:
            from onebyone_cli.picture.png import check_png

            files = [name for reader in opened for name in reader.about.files]
            read = (*files, *files_of([input.inputs_from]))
            check_png(path, force=output.force, inputs=read)
        canvas = png_canvas(path, picture.size) if path else terminal_canvas(picture.size)
        job = _Job(opened, wanted, canvas, reading.memory)
        source, memory_left = job.hold(stack, console, messages.progress)
        thumbnails = job.thumbnails(source, mark, memory_left)
        drawing = job.draw(thumbnails, scale, picture.colormap)
        source.check_unchanged()
    names = job.names
    size_put = canvas.put(drawing, names, job.sheet, force=output.force)
    console.say(_closing_line(drawing, job, names))
    console.document(_document(path, drawing, job, names) | size_put)


class Wanted(NamedTuple):
    """What to show: the named channels, and the item of a batch."""

    kind: Literal["sheet", "channel", "rgb", "pca"]
    channels: tuple[int, ...]
    item: int | None

    def check(self, path: str, spec: "StackSpec") -> None:
        """Raise `UsageError` if a stack does not have what is wanted."""
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


def _refuse_weights(inputs: Sequence[str], *, raw: bool) -> None:
    for path in inputs:
        if not raw and path.lower().endswith(ONLY_WEIGHTS) and os.path.isfile(path):
            raise DataError(f"is not a stack; {_other_way(path)}", path)


def _other_way(path: str) -> str:
    """Name the command for a file that is not a stack."""
    from onebyone_cli.formats.npz.archive import Contents
    from onebyone_cli.operations.info.archives import kind_of_archive

    if kind_of_archive(path) is Contents.MOMENTS:
        return "to see the statistics that it holds: onebyone stats"
    return "to look at weights or at a model: onebyone weights show"


class _Job:
    """The planned picture, from headers alone.

    Parameters
    ----------
    opened : sequence of Reader or StreamReader
        Inputs, in channel order.
    wanted : Wanted
        What to show.
    canvas : Canvas
        Where to show it.
    memory : int
        Budget in bytes.

    Raises
    ------
    UsageError
        If the stack does not have what is wanted, or the picture needs too much memory.
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
        """Return the bytes held besides numbers being read; refuse too many."""
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
        """Channels for people: numbers, with other names from files."""
        from onebyone_cli.stack.stack import channel_names

        names = channel_names(self._opened)
        # Channels selected from one file keep their numbers in it.
        selected = self._opened[0].about.selected if len(self._opened) == 1 else ()
        numbers = {at: str(selected[at] if selected else at) for at in self.channels}
        if not names:
            return list(numbers.values())
        return [n if names[at] == n else f"{n} {names[at]}" for at, n in numbers.items()]

    def hold(
        self, stack: ExitStack, console: Console, progress: bool | None
    ) -> tuple["Stack", int]:
        """Spool streams, so that all can be read at any place; return the memory that is left."""
        from onebyone_cli.cli.terminal.progress import Progress
        from onebyone_cli.stack.sources import hold_streams
        from onebyone_cli.stack.stack import Stack

        with Progress(console, progress) as on_progress:
            readers, left = hold_streams(self._opened, self._memory_left, stack, on_progress)
        return Stack(readers, self.spec.dtype), left

    def thumbnails(self, source: "Stack", nodata: float | None, memory: int) -> "Thumbnails":
        """Return the planes to read of a stack."""
        from onebyone_cli.operations.view.thumbnail import Thumbnails

        height, width = self.sheet.shown_height, self.sheet.shown_width
        return Thumbnails(source, self.item, self.channels, height, width, nodata, memory)

    def draw(self, thumbnails: "Thumbnails", scale: "Scale", colormap: str) -> "Drawing":
        """Read and draw."""
        from onebyone_cli.operations.view import drawing
        from onebyone_cli.picture.colormap import load

        if self.kind == "pca":
            return drawing.draw_components(thumbnails, self.sheet, scale)
        if self.kind == "rgb":
            return drawing.draw_composite(thumbnails, self.sheet, scale)
        return drawing.draw_sheet(thumbnails, self.sheet, scale, load(colormap), PAPER)


def _spread(channels: int, cells: int) -> list[int]:
    """Choose channels if not all fit: the first, the last, and others evenly between."""
    if cells == 1:
        return [0]
    return [cell * (channels - 1) // (cells - 1) for cell in range(cells)]


def _closing_line(drawing: "Drawing", job: _Job, names: list[str]) -> str:
    shares = ", ".join(f"{number} ({share:.1%})" for number, share in enumerate(drawing.shares))
    what = {
        "sheet": _sheet_text(job, names),
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


def _sheet_text(job: _Job, names: list[str]) -> str:
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
