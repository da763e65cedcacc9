"""``onebyone view``: show a stack in the terminal or as a PNG file."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from onebyone_cli.cli.options.inputs import Input, Raw
from onebyone_cli.cli.options.messages import SlowMessages
from onebyone_cli.cli.options.picture import Picture, PictureOutput
from onebyone_cli.cli.options.running import Memory
from onebyone_cli.cli.terminal import view_report
from onebyone_cli.cli.terminal.console import Console, print_out
from onebyone_cli.cli.terminal.picture_output import PAPER, png_canvas, terminal_canvas
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.names import files_of

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
    from onebyone_cli.operations.view.run import ViewRequest
    from onebyone_cli.operations.view.stacks import Picture as Place
    from onebyone_cli.operations.view.stacks import plan_view

    console, path = messages.console(), output.output
    inputs = input.listed(maps=[input.mask])
    kind, channels, scale = picture.kind(), picture.channels(), picture.range()
    request = ViewRequest(kind, channels, scale, picture.item, picture.colormap, input.asked())
    if picture.numbers and path:
        raise UsageError("--numbers prints on standard output; -o is for pictures")
    if messages.json and path in ("", "-") and not picture.numbers:
        raise UsageError("--json and the picture both want standard output; give -o FILE.png")
    reading = input.reading(resources.budget(), raw.spec(), console.hint)
    canvas = png_canvas(path, picture.size) if path else terminal_canvas(picture.size)
    room = None if picture.numbers else canvas.room
    place = Place(path, room, output.force, files_of([input.inputs_from, input.mask]))
    with ExitStack() as stack:
        job = plan_view(inputs, reading, request, place, stack, mask=input.mask)
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
