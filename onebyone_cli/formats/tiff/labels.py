"""The axes of the pages of a file, as the programs that wrote it tell them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What XML may hold that makes a parser read other files, or grow without bound.
DOCTYPE = re.compile(r"<!DOCTYPE|<!ENTITY", re.IGNORECASE)


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


def without_ones(axes: str, sizes: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """Leave out axes of size 1."""
    kept = [(axis, size) for axis, size in zip(axes, sizes, strict=True) if size > 1]
    return "".join(axis for axis, _ in kept), tuple(size for _, size in kept)
