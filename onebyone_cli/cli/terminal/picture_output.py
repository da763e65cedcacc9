"""Write a picture to a PNG file or the terminal."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from onebyone_cli.cli.terminal.console import print_out

if TYPE_CHECKING:
    from onebyone_cli.operations.view.drawing import Drawing
    from onebyone_cli.picture.sheet import Room, Sheet
    from onebyone_cli.picture.terminal import Colours

#: Paper is neither black nor white, so that it differs from cells.
PAPER, _INK = (221, 221, 221), (48, 48, 48)

#: Default longer side of a PNG in pixels.
_SIZE = 1024

#: Of a PNG: pixels around a contact sheet and between its cells, and the height of its letters.
_MARGIN, _GAP, _LETTERS = 6, 4, 12

#: Room for a line of them above a cell; cells of a sheet get no smaller than `_LEAST`.
_CAPTION, _LEAST = 16, 32

#: Columns and rows without a terminal.
_UNWATCHED = (80, 40)

#: Rows of a terminal below the picture: the closing line and the next prompt.
_LEFT_ROWS = 2

#: Smallest cell of a sheet in a terminal; a character is 1×2.
_LEAST_IN_TERMINAL = 10


class Canvas(NamedTuple):
    """The place for a picture: a PNG, or the terminal if `output` is empty.

    `height` and `width` are the most pixels; `colours` are those of the terminal.
    """

    height: int
    width: int
    output: str = ""
    colours: "Colours | None" = None

    def room(self, cells: int) -> "Room":
        """Return the room for a sheet; a single picture has neither margin nor caption."""
        from onebyone_cli.picture.sheet import Room

        if cells == 1:
            return Room(self.height, self.width)
        if not self.output:
            least = _LEAST_IN_TERMINAL
            return Room(self.height, self.width, gap=1, caption=2, least=least, multiple=2)
        height, width = (max(1, side - 2 * _MARGIN) for side in (self.height, self.width))
        return Room(height, width, gap=_GAP, gap_below=_GAP, caption=_CAPTION, least=_LEAST)

    def put(
        self, drawing: "Drawing", names: Sequence[str], sheet: "Sheet", *, force: bool = False
    ) -> dict[str, int]:
        """Write a picture; return its height and width in pixels.

        `names` are the captions of the cells of a contact sheet.
        """
        rgb = drawing.rgb
        if self.output:
            from onebyone_cli.picture.png import write_png

            rgb = self._captioned(drawing, names, sheet)
            write_png(rgb, self.output, force=force)
        else:
            self._print(drawing, names, sheet)
        return {"height": rgb.shape[0], "width": rgb.shape[1]}

    def _captioned(self, drawing: "Drawing", names: Sequence[str], sheet: "Sheet") -> Any:
        from onebyone_cli.picture.caption import Caption, framed, write_captions

        rgb: Any = drawing.rgb
        if sheet.room.caption:
            captions = [
                Caption(top + _MARGIN - _CAPTION, left + _MARGIN, sheet.cell_width, name)
                for (top, left), name in zip(drawing.places, names, strict=True)
            ]
            rgb = framed(rgb, _MARGIN, PAPER)
            rgb = write_captions(rgb, captions, size=_LETTERS, colour=_INK)
        return rgb

    def _print(self, drawing: "Drawing", names: Sequence[str], sheet: "Sheet") -> None:
        from onebyone_cli.picture.terminal import Label, text_lines

        labels = []
        if sheet.room.caption:
            labels = [
                Label(top // 2 - 1, left, name, sheet.cell_width)
                for (top, left), name in zip(drawing.places, names, strict=True)
            ]
        assert self.colours is not None
        lines = text_lines(
            drawing.rgb,
            self.colours,
            invalid=drawing.invalid,
            empty=drawing.empty,
            labels=labels,
        )
        print_out("\n".join(lines))


def png_canvas(output: str, size: int | None) -> Canvas:
    """Return the canvas of a PNG, whose longer side is `size`."""
    return Canvas(size or _SIZE, size or _SIZE, output)


def terminal_canvas(size: int | None) -> Canvas:
    """Return a canvas of what the terminal shows without scrolling, `size` pixels at most."""
    from onebyone_cli.picture.terminal import colours_of, terminal_size

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    columns, rows = (terminal_size(os.environ, 1) if is_terminal else None) or _unwatched_size()
    height, width = 2 * max(1, rows - _LEFT_ROWS), columns
    if size is not None:
        height, width = min(height, size), min(width, size)
    colours = colours_of(os.environ, is_terminal=is_terminal and _takes_blocks(sys.stdout))
    return Canvas(height, width, colours=colours)


def _takes_blocks(stream: TextIO) -> bool:
    """Whether Python can write half blocks, which PYTHONIOENCODING may prevent."""
    return stream.encoding.lower().replace("-", "") == "utf8"


def _unwatched_size() -> tuple[int, int]:
    named = os.environ.get("COLUMNS", "")
    columns = int(named) if named.isascii() and named.isdigit() and int(named) else _UNWATCHED[0]
    return columns, _UNWATCHED[1]
