"""Check that the images of a folder are channels of one stack."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.images.headers import Page


def check_agreement(pages: Sequence[Page]) -> None:
    """Check that pictures have one size, one number of channels and one type.

    Raises
    ------
    ShapeMismatchError
        If one has another height or width than the first.
    DataError
        If one has other channels, or another type, than most of them.
    """
    for page in pages[1:]:
        _check_same_size(pages[0], page)
    kinds = Counter(_kind(page) for page in pages)
    if len(kinds) == 1:
        return
    usual = max(kinds, key=lambda kind: kinds[kind])  # the first of equals
    odd = next(page for page in pages if _kind(page) != usual)
    like = next(page for page in pages if _kind(page) == usual)
    others = f"{kinds[usual]} others have" if kinds[usual] > 1 else f"{like.path} has"
    if odd.numbers.channels != like.numbers.channels:
        advice = "save each channel of it as an image of its own, or save it as greyscale"
        if odd.numbers.channels < like.numbers.channels:
            advice = "move it away"
    else:
        advice = f"save it as {like.numbers.dtype}"
    raise DataError(
        f"has {_described(odd)}, and {others} {_described(like)}; {advice}, or name the "
        "images as inputs to stack them as they are",
        odd.path,
    )


def _kind(page: Page) -> tuple[int, str]:
    return page.numbers.channels, page.numbers.dtype


def _described(page: Page) -> str:
    return f"{count(page.numbers.channels, 'channel')} of {page.numbers.dtype}"


def _check_same_size(first: Page, other: Page) -> None:
    if (first.height, first.width) == (other.height, other.width):
        return
    turned = next((page for page in (other, first) if page.orientation.title), None)
    told = f" ({turned.path} is {turned.orientation.title})" if turned else ""
    raise ShapeMismatchError(
        f"has {other.height}×{other.width} pixels (height×width) and {first.path} has "
        f"{first.height}×{first.width}{told}; all channels must have the same height and width",
        other.path,
    )
