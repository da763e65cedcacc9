"""Letters of the axes of a stored array, as in ``HWC`` or ``CTZYX``.

C, H and W are the axes of a stack; Y and X are other names of H and W. Any other letter is an axis
of a batch. Without H and W, N is an axis of pixels: ``NC`` is a table with one pixel in each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import DataError, UsageError, setting

if TYPE_CHECKING:
    from collections.abc import Sequence

_STACK = "CHW"

#: Layout of a mask or label map: one axis is one of pixels, and more are as without a layout.
MAP = "N"

_SAME = str.maketrans("YX", "HW")


def checked_layout(text: str, name: str = "layout") -> str:
    """Return a layout in capital letters, with H and W in place of Y and X.

    Parameters
    ----------
    text : str
        As typed; empty for none.
    name : str
        The setting that it was typed for.

    Raises
    ------
    UsageError
        If it is not an order of axes.

    Examples
    --------
    >>> checked_layout("CTZYX")
    'CTZHW'
    """
    letters = text.upper().translate(_SAME)
    is_word = letters.isascii() and letters.isalpha()
    is_once = all(letters.count(axis) <= 1 for axis in _STACK)
    is_table = "C" in letters and letters.count("N") == 1 and not {"H", "W"} & set(letters)
    if not text or (is_word and is_once and ({"H", "W"} <= set(letters) or is_table)):
        return letters
    raise UsageError(
        f"{setting(name, text)} is not an order of axes; write H and W (or Y and X) and C once "
        "each, and another letter for each axis of a batch, as in HWC, NHWC or CTZYX; "
        "or NC or CN for a table of pixels"
    )


def stored_axes(shape: Sequence[int], layout: str, path: str) -> str:
    """Return one letter for each axis of a stored array.

    Parameters
    ----------
    shape : sequence of int
        As stored.
    layout : str
        From `checked_layout`, or `MAP`; CHW if empty. C, H and W alone, in any order, are the last
        three axes, and those before them are a batch. Two axes are H×W of one channel in CHW.
    path : str
        Name for messages.

    Raises
    ------
    DataError
        If the layout has another number of axes.
    """
    count = len(shape)
    if layout == MAP and count == 1:
        return layout
    layout = _STACK if layout in ("", MAP) else layout
    if count == 2 and layout == _STACK:
        return "HW"
    if sorted(layout) == sorted(_STACK):
        layout = "N" * (count - len(_STACK)) + layout
    if len(layout) == count:
        return layout
    shown = "×".join(map(str, shape))
    way = "name each of them"
    if count == 2:
        way = (
            f"{setting('layout', 'NC')} is a table of pixels×channels, and H×W of one channel "
            f"is read without {setting('layout')}"
        )
    raise DataError(
        f"has {count} axes ({shown}), and {setting('layout', layout)} names {len(layout)}; {way}",
        path,
    )


def matlab_axes(layout: str, count: int) -> str:
    """Return a letter for each axis of a MATLAB array, in MATLAB's order.

    Rows come first, and a third axis has the channels, unless `layout` says else; a batch comes
    last.

    >>> matlab_axes("", 2), matlab_axes("", 3), matlab_axes("CHW", 4), matlab_axes("NC", 2)
    ('HW', 'HWC', 'CHWN', 'NC')
    """
    if count == 2 and layout in ("", MAP, _STACK):
        return "HW"
    layout = "HWC" if layout in ("", MAP) else layout
    return layout + "N" * (count - len(_STACK)) if sorted(layout) == sorted(_STACK) else layout


def matlab_notes(layout: str, count: int) -> tuple[str, ...]:
    """Return what to tell of the axes that `matlab_axes` chose where the user named none."""
    if layout not in ("", MAP) or count < len(_STACK):
        return ()
    return ("axes are in MATLAB's order: rows, columns, channels",)


def places_of(axes: str) -> tuple[int, ...]:
    """Return the place of each stored axis among ``(*batch, C, H, W)``.

    >>> places_of("HWC"), places_of("CTHW"), places_of("NC")
    ((1, 2, 0), (1, 0, 2, 3), (2, 0))
    """
    own = {"C": -3, "H": -2, "W" if "W" in axes else "N": -1}
    batch = sum(axis not in own for axis in axes)
    before = iter(range(batch))
    return tuple(batch + 3 + own[axis] if axis in own else next(before) for axis in axes)
