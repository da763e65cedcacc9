"""Draw an RGB array as text: two pixels in each character cell, or an ASCII ramp.

A character cell is about twice as high as wide. The upper half block ``▀`` divides it into two
square pixels: the foreground is the upper pixel, the background the lower. The escape sequences
are SGR of ECMA-48, section 8.3.117, with xterm's extensions for 256 and 24-bit colours.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

UPPER, LOWER = "▀", "▄"
RESET = "\x1b[0m"

#: From dark to bright on a dark terminal.
RAMP = " .:-=+*#%@"

#: Character of an invalid pixel where there are no colours.
INVALID = "?"

#: Luma coefficients of Rec. 709.
_LUMA = (0.2126, 0.7152, 0.0722)

#: Beginnings of ``TERM`` of terminals without colours.
_COLOURLESS = ("dumb", "unknown", "vt1", "vt2", "vt3", "vt5", "ansi-m", "linux-m", "xterm-mono")

#: Levels of the cube in xterm's 256 colours, numbers 16 to 231; then greys, 8 to 238 by 10.
_CUBE = (0, 95, 135, 175, 215, 255)

#: xterm's first 16 colours; themes change them a little.
PALETTE_16 = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
    (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
    (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip

#: Thresholds of ordered dithering: Bayer, "An optimum method for two-level rendition of
#: continuous-tone pictures", ICC 1973.
_BAYER = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))

#: Amplitude of dithering: about the distance between neighbouring greys of the palette.
_DITHER_SPREAD = {8: 220.0, 16: 115.0}

#: Code of a pixel that is not drawn.
_NOTHING = -1


class Colours(IntEnum):
    """Number of colours of a terminal; `NONE` is plain ASCII."""

    NONE = 0
    EIGHT = 8
    SIXTEEN = 16
    PALETTE = 256
    TRUE = 1 << 24


class Label(NamedTuple):
    """A text over a picture: its first cell, and the most cells it may take."""

    row: int
    column: int
    text: str
    cells: int


def colours_of(environ: Mapping[str, str], *, is_terminal: bool) -> Colours:
    """Return the number of colours that the output can show.

    ``NO_COLOR``, ``TERM``, ``COLORTERM`` and the locale in the environment decide.
    """
    term = environ.get("TERM", "")
    if not is_terminal or environ.get("NO_COLOR") or not _is_utf8(environ):
        return Colours.NONE
    if not term or term.startswith(_COLOURLESS):
        return Colours.NONE
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return Colours.TRUE
    if "256color" in term:
        return Colours.PALETTE
    return Colours.SIXTEEN if "16color" in term else Colours.EIGHT


def _is_utf8(environ: Mapping[str, str]) -> bool:
    """Return whether the locale is UTF-8, by the first variable that is set, as in C."""
    names = (environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in names if name), "").lower()
    return "utf-8" in locale or "utf8" in locale


def terminal_size(environ: Mapping[str, str], fd: int) -> tuple[int, int] | None:
    """Return columns and rows of a terminal; None if the size is unknown.

    ``COLUMNS`` and ``LINES`` in the environment override what the terminal reports.
    """
    try:
        found = os.get_terminal_size(fd)
    except OSError:
        return None
    named = [environ.get(name, "") for name in ("COLUMNS", "LINES")]
    sizes = [
        int(text) if text.isascii() and text.isdigit() and int(text) else size
        for text, size in zip(named, found, strict=True)
    ]
    # Some terminals, such as serial lines, report a size of 0.
    return (sizes[0], sizes[1]) if all(sizes) else None


def text_lines(
    rgb: NDArray[Any],
    colours: Colours,
    *,
    invalid: NDArray[Any] | None = None,
    empty: NDArray[Any] | None = None,
    labels: Sequence[Label] = (),
) -> list[str]:
    """Draw a picture as text.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        Two rows make one line of text; one column makes one cell.
    colours : Colours
    invalid : ndarray of bool, shape (height, width), optional
        Pixels drawn as ``?`` where there are no colours.
    empty : ndarray of bool, shape (height, width), optional
        Pixels that are not drawn.
    labels : sequence of Label
        Texts in place of pixels, in the terminal's default colours.

    Returns
    -------
    list of str
        Lines without newlines, none wider than the picture. Each ends in the default colours.
    """
    import numpy as np

    height, width, _ = rgb.shape
    empty = np.zeros((height, width), bool) if empty is None else empty
    invalid = np.zeros((height, width), bool) if invalid is None else invalid
    if height % 2:
        rgb = np.concatenate([rgb, rgb[-1:]])
        empty = np.concatenate([empty, np.ones((1, width), bool)])
        invalid = np.concatenate([invalid, np.zeros((1, width), bool)])
    texts = [_placed(labels, row, width) for row in range(len(rgb) // 2)]
    if colours is Colours.NONE:
        lines = _ascii_lines(rgb, invalid, empty)
        return [_overlaid(line, text) for line, text in zip(lines, texts, strict=True)]
    codes = np.where(empty, _NOTHING, _codes(rgb, colours)).tolist()
    return [
        _colour_line(codes[2 * row], codes[2 * row + 1], text, colours)
        for row, text in enumerate(texts)
    ]


# ------------------------------------------------------------------------------- without colours


def _ascii_lines(rgb: NDArray[Any], invalid: NDArray[Any], empty: NDArray[Any]) -> list[str]:
    import numpy as np

    drawn = np.where(empty, 0.0, rgb @ np.array(_LUMA))
    count = (~empty).reshape(-1, 2, empty.shape[1]).sum(axis=1)
    bright = drawn.reshape(-1, 2, drawn.shape[1]).sum(axis=1) / np.maximum(count, 1)
    index = np.minimum(bright * len(RAMP) / 255, len(RAMP) - 1).astype(int)
    chars = np.array(list(RAMP))[index]
    chars[(invalid & ~empty).reshape(-1, 2, invalid.shape[1]).any(axis=1)] = INVALID
    return ["".join(row) for row in chars.tolist()]


def _overlaid(line: str, text: Mapping[int, str]) -> str:
    cells = [text.get(column, cell) for column, cell in enumerate(line)]
    return "".join(c if c.isascii() else "?" for c in cells).rstrip()


# ---------------------------------------------------------------------------------- with colours


def _colour_line(
    upper: Sequence[int], lower: Sequence[int], text: Mapping[int, str], colours: Colours
) -> str:
    """Write one line, with an escape sequence only where a colour changes."""
    parts: list[str] = []
    now = (_NOTHING, _NOTHING)
    for column, (top, bottom) in enumerate(zip(upper, lower, strict=True)):
        if column in text:
            cell, wanted = text[column], (_NOTHING, _NOTHING)
        elif top == bottom == _NOTHING:
            cell, wanted = " ", (_NOTHING, _NOTHING)
        elif top == _NOTHING:
            cell, wanted = LOWER, (bottom, _NOTHING)
        else:
            cell, wanted = UPPER, (top, bottom)
        parts.append(_change(now, wanted, colours) + cell)
        now = wanted
    if now != (_NOTHING, _NOTHING):
        parts.append(RESET)
        return "".join(parts)
    return "".join(parts).rstrip(" ")


def _change(now: tuple[int, int], wanted: tuple[int, int], colours: Colours) -> str:
    if now == wanted:
        return ""
    if wanted == (_NOTHING, _NOTHING):
        return RESET
    changed = [layer for layer in (0, 1) if now[layer] != wanted[layer]]
    codes = [_sgr(wanted[layer], layer, colours) for layer in changed]
    return f"\x1b[{';'.join(codes)}m"


def _sgr(code: int, layer: int, colours: Colours) -> str:
    """Return the SGR parameters of a colour; layer 0 is the foreground, 1 the background."""
    if code == _NOTHING:
        return str(39 + 10 * layer)
    if colours is Colours.TRUE:
        return f"{38 + 10 * layer};2;{code >> 16};{code >> 8 & 255};{code & 255}"
    if colours is Colours.PALETTE:
        return f"{38 + 10 * layer};5;{code}"
    return str((30 if code < 8 else 82) + code + 10 * layer)


def _codes(rgb: NDArray[Any], colours: Colours) -> NDArray[Any]:
    """Return the colour number of each pixel, as `_sgr` takes it."""
    import numpy as np

    if colours is Colours.TRUE:
        red, green, blue = np.moveaxis(rgb.astype(int), -1, 0)
        packed: NDArray[Any] = (red << 16) | (green << 8) | blue
        return packed
    if colours is Colours.PALETTE:
        return _nearest_of_256(rgb.astype(int))
    palette = np.array(PALETTE_16[: int(colours)], float)
    return _nearest(_dithered(rgb, _DITHER_SPREAD[colours]), palette)


def _nearest_of_256(rgb: NDArray[Any]) -> NDArray[Any]:
    """Find the nearest colour of xterm's cube and greys."""
    import numpy as np

    levels = np.array(_CUBE)
    index = np.searchsorted((levels[1:] + levels[:-1]) / 2, rgb)
    grey = np.clip((rgb.mean(axis=-1) - 8 + 5) // 10, 0, 23).astype(int)
    to_cube = ((levels[index] - rgb) ** 2).sum(axis=-1)
    to_grey = ((8 + 10 * grey[..., np.newaxis] - rgb) ** 2).sum(axis=-1)
    cube: NDArray[Any] = 16 + index @ np.array([36, 6, 1])
    return np.where(to_grey < to_cube, 232 + grey, cube)


def _dithered(rgb: NDArray[Any], spread: float) -> NDArray[Any]:
    import numpy as np

    height, width, _ = rgb.shape
    threshold = np.tile((np.array(_BAYER) + 0.5) / 16 - 0.5, (height // 4 + 1, width // 4 + 1))
    moved = rgb + spread * threshold[:height, :width, np.newaxis]
    return np.clip(moved, 0, 255)


def _nearest(rgb: NDArray[Any], palette: NDArray[Any]) -> NDArray[Any]:
    """Find the nearest colour of a palette, with more weight on hue, so that greys stay grey."""
    import numpy as np

    rgb, palette = _stressing_hue(rgb), _stressing_hue(palette)
    # One palette colour at a time: a picture times a palette would take much memory.
    best = np.full(rgb.shape[:2], np.inf)
    code = np.zeros(rgb.shape[:2], int)
    for number, colour in enumerate(palette):
        distance = ((rgb - colour) ** 2).sum(axis=-1)
        code[distance < best] = number
        best = np.minimum(best, distance)
    return code


def _stressing_hue(rgb: NDArray[Any]) -> NDArray[Any]:
    stressed: NDArray[Any] = 2 * rgb - rgb.mean(axis=-1, keepdims=True)
    return stressed


# ---------------------------------------------------------------------------------------- labels


def _placed(labels: Sequence[Label], row: int, width: int) -> dict[int, str]:
    """Assign the labels of a line to cells. A wide character takes two cells, the second empty."""
    cells: dict[int, str] = {}
    for label in labels:
        if label.row == row:
            end = min(label.column + label.cells, width)
            column = label.column
            for character in shortened(label.text, end - column):
                _put(cells, column, character)
                column += _cells_of(character)
    return cells


def _put(cells: dict[int, str], column: int, character: str) -> None:
    """Put a character into its cells, and blank the other half of an overwritten wide character."""
    last = column + _cells_of(character) - 1
    if cells.get(column) == "":
        cells[column - 1] = " "
    if cells.get(last + 1) == "":
        cells[last + 1] = " "
    cells[last] = ""
    cells[column] = character


def shortened(text: str, cells: int) -> str:
    """Cut a text to a number of cells; characters that are not printable become ``?``."""
    kept, used = "", 0
    for character in text:
        shown = character if character.isprintable() and _cells_of(character) else "?"
        if used + _cells_of(shown) > cells:
            return kept
        kept, used = kept + shown, used + _cells_of(shown)
    return kept


def _cells_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
