"""Say what was done to images that users may not expect."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.formats.folders.contents import notes_beside
from onebyone_cli.units import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onebyone_cli.formats.images.headers import Page


def notes_of(pages: Sequence[Page], beside: Sequence[str]) -> tuple[str, ...]:
    """Return notes on pictures, and on files of a folder that were passed over."""
    notes = []
    for turned in sorted({page.orientation for page in pages if page.orientation.title}):
        names = _names(page for page in pages if page.orientation == turned)
        notes.append(f"orientation {turned.number}: {turned.title}: {names}")
    with_alpha = [page for page in pages if page.numbers.has_alpha]
    if with_alpha:
        notes.append(f"alpha left out, which must be opaque everywhere: {_names(with_alpha)}")
    return (*notes, *notes_beside(beside))


def _names(pages: Iterable[Page]) -> str:
    return listed("{}", "{}", [os.path.basename(page.path) for page in pages])
