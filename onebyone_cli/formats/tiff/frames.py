"""Decide which pages of a file are channels, and which are items of a batch.

Pages are channels, unless the file labels its axes, or the user names others.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.axes import stored_axes
from onebyone_cli.errors import DataError, setting

if TYPE_CHECKING:
    from onebyone_cli.formats.tiff.page import Page


class Labels(NamedTuple):
    """The axes of the planes of a file.

    Attributes
    ----------
    source : str
        Who tells them, such as ``"ImageJ"``.
    axes : str
        A letter for each axis of the pages, the slowest first; C are channels.
    sizes : tuple of int
        Of these axes.
    channels : tuple of str
        Names of the channels; empty if there are none.
    pages : tuple of int
        Page of each plane, in the order of `axes`; empty if that is the order of the pages.
    together : int
        Planes that follow each other behind the first page, if the others have no page; else 0.
    """

    source: str
    axes: str
    sizes: tuple[int, ...]
    channels: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    together: int = 0


class Frames(NamedTuple):
    """The place of each page in a stack.

    Attributes
    ----------
    batch : tuple of int
        Sizes of the leading axes of the stack.
    pages : tuple of tuple of int
        Pages of each item, in channel order.
    shape : tuple of int
        Sizes of the axes as stored.
    axes : str
        A letter for each of them.
    is_told : bool
        Whether the file tells them.
    """

    batch: tuple[int, ...]
    pages: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    axes: str
    is_told: bool = False


def arrange(page: Page, planes: int, labels: Labels | None, layout: str, path: str) -> Frames:
    """Arrange the pages of a file.

    Parameters
    ----------
    page : Page
        The first one.
    planes : int
        Number of pages, or of planes that follow each other.
    labels : Labels or None
        What the file tells.
    layout : str
        What the user says, from `axes.checked_layout`; empty for nothing. C, H and W alone say that
        pages are channels, whatever the file tells: a page defines where its samples are.
    path : str
        Name for messages.

    Raises
    ------
    DataError
        If the layout does not fit the axes.
    """
    plain = ("C", (planes,)) if planes > 1 else ("", ())
    if not layout:
        told = labels is not None
        axes, sizes = (labels.axes, labels.sizes) if labels else plain
        order = labels.pages if labels else ()
    elif sorted(layout) == ["C", "H", "W"]:
        told, (axes, sizes), order = False, plain, ()
    else:
        told, order = False, labels.pages if labels else ()
        axes, sizes = _typed(page, labels.sizes if labels else plain[1], plain[1], layout, path)
    return _arranged(page, axes, sizes, order or tuple(range(planes)))._replace(is_told=told)


def _typed(
    page: Page, labelled: tuple[int, ...], plain: tuple[int, ...], layout: str, path: str
) -> tuple[str, tuple[int, ...]]:
    """Return letters and sizes of the axes of pages that the user names."""
    inner, inside = _inside(page)
    sizes = labelled if len(labelled) + len(inner) == len(layout) else plain
    letters = stored_axes((*sizes, *inside), layout, path)
    if letters[len(sizes) :] != inner:
        raise DataError(
            f"has pages of {'×'.join(map(str, inside))} ({inner}), and {setting('layout', layout)} "
            f"ends in another order; end it in {inner}",
            path,
        )
    return letters[: len(sizes)], sizes


def _inside(page: Page) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a page."""
    if page.samples == 1:
        return "HW", (page.height, page.width)
    if page.is_planar:
        return "CHW", (page.samples, page.height, page.width)
    return "HWC", (page.height, page.width, page.samples)


def _arranged(page: Page, axes: str, sizes: tuple[int, ...], order: tuple[int, ...]) -> Frames:
    strides = [prod(sizes[at + 1 :]) for at in range(len(sizes))]
    pairs = list(zip(axes, sizes, strides, strict=True))
    batch = [(size, stride) for axis, size, stride in pairs if axis != "C"]
    channels = [range(0, size * stride, stride) for axis, size, stride in pairs if axis == "C"]
    starts = product(*(range(0, size * stride, stride) for size, stride in batch))
    inner, inside = _inside(page)
    return Frames(
        tuple(size for size, _ in batch),
        tuple(
            tuple(order[sum(start) + at] for at in (channels[0] if channels else (0,)))
            for start in starts
        ),
        (*sizes, *inside),
        axes + inner,
    )
