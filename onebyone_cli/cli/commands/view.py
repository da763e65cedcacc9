"""``onebyone view``: show a stack in the terminal or as a PNG file."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from onebyone_cli.cli.options.inputs import Input, Raw
from onebyone_cli.cli.options.messages import SlowMessages
from onebyone_cli.cli.options.picture import Picture, PictureOutput
from onebyone_cli.cli.options.running import Memory
from onebyone_cli.cli.terminal import view_report
from onebyone_cli.cli.terminal.console import Console, print_out
from onebyone_cli.cli.terminal.picture_output import PAPER, png_canvas, terminal_canvas
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.operations.names import files_of
from onebyone_cli.weights.formats import ONLY_WEIGHTS

if TYPE_CHECKING:
    from onebyone_cli.operations.view.run import ViewJob

EXAMPLES = """
onebyone view cube.h5
onebyone view cube.h5 --rgb 29,19,9 -o colours.png
onebyone view cube.h5 --pca -o components.png
onebyone view scores.npy --channel 0 --colormap viridis
onebyone view small.npy --numbers
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
    PNG. Invalid pixels, such as NaN and nodata, have a colour of their own (magenta in grey and in
    composites). Only some rows and columns of a large stack are read, and up to 4×4
    numbers are averaged for each pixel of the picture.
    """
    from onebyone_cli.operations.inputs import open_map
    from onebyone_cli.operations.view.numbers import room_for_numbers
    from onebyone_cli.operations.view.run import ViewJob, ViewRequest

    console, path = messages.console(), output.output
    inputs = input.listed(maps=[input.mask])
    kind, channels, scale = picture.kind(), picture.channels(), picture.range()
    request = ViewRequest(kind, channels, scale, picture.item, picture.colormap, input.asked())
    if picture.numbers and path:
        raise UsageError("--numbers prints on standard output; -o is for pictures")
    if messages.json and path in ("", "-") and not picture.numbers:
        raise UsageError("--json and the picture both want standard output; give -o FILE.png")
    _refuse_weights(inputs, raw=raw.raw)
    reading = input.reading(resources.budget(), raw.spec(), console.hint)
    with ExitStack() as stack:
        opened = reading.open(inputs, stack)
        if path:
            from onebyone_cli.picture.png import check_png

            files = [name for reader in opened for name in reader.about.files]
            read = (*files, *files_of([input.inputs_from, input.mask]))
            check_png(path, force=output.force, inputs=read)
        canvas = png_canvas(path, picture.size) if path else terminal_canvas(picture.size)
        mask = open_map(input.mask, reading.memory, stack)
        room = partial(room_for_numbers, opened) if picture.numbers else canvas.room
        job = ViewJob(opened, request, room, reading.memory, mask)
        for note in job.meaning.notes:
            console.say(note)
        with Progress(console, messages.progress) as on_progress:
            if picture.numbers:
                _print_numbers(job, job.numbers(stack, on_progress), console)
                return
            drawing = job.run(stack, on_progress, PAPER)
    size_put = canvas.put(drawing, job.names, job.sheet, force=output.force)
    console.say(view_report.closing_line(drawing, job))
    console.document(view_report.document(path, drawing, job) | size_put)


def _print_numbers(job: "ViewJob", planes: list[list[list[float]]], console: Console) -> None:
    if not console.json:
        print_out("\n".join(view_report.number_lines(planes, job.names)))
    console.say(view_report.closing_line(None, job))
    console.document(view_report.numbers_document(planes, job))


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
