"""Text that a terminal turns back into the pixels it came from."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onebyone_cli.picture.terminal import (
    PALETTE_16,
    RAMP,
    Colours,
    Label,
    colours_of,
    shortened,
    text_lines,
)

PICTURES = st.tuples(st.integers(1, 9), st.integers(1, 12), st.just(3)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)
IN_COLOUR = [each for each in Colours if each is not Colours.NONE]

#: xterm's colours by their numbers.
STEPS = (0, 95, 135, 175, 215, 255)
PALETTE_256 = [
    *PALETTE_16,
    *((r, g, b) for r in STEPS for g in STEPS for b in STEPS),
    *((grey, grey, grey) for grey in range(8, 239, 10)),
]


def decoded(line: str) -> list[tuple[str, object, object]]:
    """What a terminal shows of a line: in each cell a character, its colour and what is behind."""
    front: object = None
    behind: object = None
    cells = []
    for codes, character in re.findall(r"\x1b\[([0-9;]*)m|(.)", line, re.DOTALL):
        if character:
            cells.append((character, front, behind))
            continue
        numbers = [int(code) for code in codes.split(";")]
        while numbers:
            code = numbers.pop(0)
            if code == 0:
                front = behind = None
                continue
            if code in (38, 48):
                if numbers.pop(0) == 2:
                    colour: object = tuple(numbers[:3])
                    del numbers[:3]
                else:
                    colour = PALETTE_256[numbers.pop(0)]
            elif code in (39, 49):
                colour = None
            else:
                colour = PALETTE_16[code % 10 + 8 * (code >= 90)]
            if code in (38, 39) or 30 <= code <= 37 or 90 <= code <= 97:
                front = colour
            else:
                behind = colour
    assert front is None, "the line ends as it began"
    assert behind is None
    return cells


def pixels_of(lines: list[str], width: int) -> list[list[object]]:
    """The pixels that a terminal shows; None is none."""
    rows: list[list[object]] = []
    for line in lines:
        cells = decoded(line)
        cells += [(" ", None, None)] * (width - len(cells))
        upper: list[object] = []
        lower: list[object] = []
        for character, front, behind in cells:
            top, bottom = {"▀": (front, behind), "▄": (behind, front), " ": (behind, behind)}[
                character
            ]
            upper.append(top)
            lower.append(bottom)
        rows += [upper, lower]
    return rows


@given(PICTURES, st.data())
def test_true_colours_are_the_pixels(rgb, data):
    height, width, _ = rgb.shape
    empty = data.draw(arrays(np.bool_, (height, width)))
    shown = pixels_of(text_lines(rgb, Colours.TRUE, empty=empty), width)
    for row in range(height):
        for column in range(width):
            wanted = None if empty[row, column] else tuple(rgb[row, column].tolist())
            assert shown[row][column] == wanted
    assert all(pixel is None for row in shown[height:] for pixel in row)


@given(PICTURES)
def test_256_colours_are_the_nearest(rgb):
    palette = np.array(PALETTE_256[16:], float)
    shown = np.array(pixels_of(text_lines(rgb, Colours.PALETTE), rgb.shape[1])[: len(rgb)], float)
    distances = ((rgb[:, :, np.newaxis] - palette) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(((shown - rgb) ** 2).sum(axis=-1), distances.min(axis=-1))


@pytest.mark.parametrize("colours", [Colours.EIGHT, Colours.SIXTEEN])
def test_few_colours_look_like_more(colours):
    """Where colours are few they are mixed: on average a grey is about as bright as it was."""
    for grey in (0, 60, 128, 200, 255):
        rgb = np.full((16, 16, 3), grey, np.uint8)
        shown = np.array(pixels_of(text_lines(rgb, colours), 16), float)
        assert abs(shown.mean() - grey) < 32
        assert (np.ptp(shown, axis=-1) == 0).all(), "greys stay grey"


@pytest.mark.parametrize("colours", [Colours.EIGHT, Colours.SIXTEEN])
def test_colours_of_the_palette_stay(colours):
    rgb = np.array([PALETTE_16[: int(colours)]], np.uint8)
    shown = pixels_of(text_lines(rgb, colours), int(colours))[0]
    corners = [0, 7] if colours is Colours.EIGHT else [0, 15]
    assert [shown[number] for number in corners] == [PALETTE_16[number] for number in corners]
    assert all(pixel in PALETTE_16[: int(colours)] for pixel in shown)


@pytest.mark.parametrize(("column", "line"), [(0, "x 界"), (1, " x界"), (2, "界x"), (3, "界 x")])
def test_half_a_wide_character_is_not_shown(column, line):
    labels = [Label(0, 0, "界界", 4), Label(0, column, "x", 1)]
    (found,) = text_lines(np.zeros((2, 4, 3), np.uint8), Colours.TRUE, labels=labels)
    assert re.sub(r"\x1b\[[0-9;]*m", "", found) == line


@pytest.mark.parametrize("colours", list(Colours))
@given(rgb=PICTURES, data=st.data())
def test_lines_are_no_wider_than_the_picture(colours, rgb, data):
    height, width, _ = rgb.shape
    labels = [
        Label(
            data.draw(st.integers(0, (height - 1) // 2)),
            data.draw(st.integers(0, width - 1)),
            data.draw(st.text()),
            data.draw(st.integers(0, 20)),
        )
        for _ in range(data.draw(st.integers(0, 2)))
    ]
    lines = text_lines(rgb, colours, labels=labels)
    assert len(lines) == (height + 1) // 2
    for line in lines:
        bare = re.sub(r"\x1b\[[0-9;]*m", "", line)
        assert sum(2 if shortened(c, 1) == "" else 1 for c in bare) <= width
        assert bare.isprintable()
        assert colours is not Colours.NONE or line.isascii()


def test_without_colours_bright_is_dense():
    ramp = np.repeat(np.linspace(0, 255, len(RAMP)).astype(np.uint8), 3).reshape(1, -1, 3)
    assert text_lines(np.repeat(ramp, 2, axis=0), Colours.NONE) == [RAMP]


def test_without_colours_invalid_pixels_are_told():
    rgb = np.zeros((2, 3, 3), np.uint8)
    invalid = np.array([[False, True, False], [False, False, False]])
    assert text_lines(rgb, Colours.NONE, invalid=invalid) == [" ?"]


def test_labels_stand_where_they_should():
    rgb = np.full((4, 6, 3), 255, np.uint8)
    empty = np.zeros((4, 6), bool)
    empty[:2] = True
    labels = [Label(0, 1, "name", 3), Label(0, 5, "z", 3)]
    assert text_lines(rgb, Colours.NONE, empty=empty, labels=labels) == [" nam z", "@@@@@@"]
    first, second = text_lines(rgb, Colours.TRUE, empty=empty, labels=labels)
    assert first == " nam z"
    white = "\x1b[38;2;255;255;255;48;2;255;255;255m"
    assert second == white + "▀" * 6 + "\x1b[0m"


def test_a_label_writes_nothing_but_text_to_the_terminal():
    assert shortened("a\x1b[31m\nb\u200b", 20) == "a?[31m?b?"
    assert shortened("波長", 3) == "波"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, Colours.TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, Colours.TRUE),
        ({"TERM": "xterm-direct"}, Colours.TRUE),
        ({"TERM": "xterm-256color"}, Colours.PALETTE),
        ({"TERM": "xterm-16color"}, Colours.SIXTEEN),
        ({"TERM": "linux"}, Colours.EIGHT),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Colours.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Colours.PALETTE),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Colours.NONE),
        ({"TERM": "vt100"}, Colours.NONE),
        ({}, Colours.NONE),
        ({"TERM": "xterm-256color", "LC_ALL": "C"}, Colours.NONE),
        ({"TERM": "xterm-256color", "LC_ALL": "", "LC_CTYPE": "de_DE.utf8"}, Colours.PALETTE),
    ],
)
def test_what_a_terminal_can_show(environ, expected):
    assert colours_of({"LANG": "en_GB.UTF-8", **environ}, is_terminal=True) is expected
    assert colours_of({"LANG": "en_GB.UTF-8", **environ}, is_terminal=False) is Colours.NONE
