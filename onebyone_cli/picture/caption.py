"""Draw text on pictures, with the font of Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Caption(NamedTuple):
    """A line of text, and the top left corner and width in pixels of its box."""

    top: int
    left: int
    width: int
    text: str


def write_captions(
    rgb: NDArray[Any],
    captions: Sequence[Caption],
    *,
    size: int,
    colour: tuple[int, int, int],
) -> NDArray[Any]:
    """Return a copy of an RGB picture (uint8, (height, width, 3)) with lines of text.

    Text wider than its box ends in an ellipsis. `size` is the font height in pixels.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    font = _font(size)
    for caption in captions:
        text = _fitted(caption.text, caption.width, font)
        draw.text((caption.left, caption.top), text, fill=colour, font=font)
    return np.asarray(image)


def framed(rgb: NDArray[Any], margin: int, colour: tuple[int, int, int]) -> NDArray[Any]:
    """Add a border of `margin` pixels of one colour."""
    import numpy as np

    height, width, _ = rgb.shape
    sheet = np.empty((height + 2 * margin, width + 2 * margin, 3), np.uint8)
    sheet[:] = colour
    sheet[margin : margin + height, margin : margin + width] = rgb
    return sheet


def _font(size: int) -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except ImportError:  # Pillow without FreeType has a font of one size only
        return ImageFont.load_default()


def _fitted(text: str, width: int, font: Any) -> str:
    """Shorten a text to a width in pixels. The number at its start is kept whole or dropped."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    if font.getlength(shown) <= width:
        return shown
    number = shown.split(" ")[0]
    while len(shown) > len(number) + 1:
        shown = shown[:-1]
        if font.getlength(shown.rstrip() + "…") <= width:
            return shown.rstrip() + "…"
    return number if font.getlength(number) <= width else ""
