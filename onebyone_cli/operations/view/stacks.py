"""Open what is looked at, refuse what is no stack, and plan its picture."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.operations.inputs import open_map
from onebyone_cli.operations.view.numbers import room_for_numbers
from onebyone_cli.operations.view.run import ViewJob, ViewRequest
from onebyone_cli.weights.formats import ONLY_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.picture.sheet import Room


class Picture(NamedTuple):
    """Where a picture goes.

    Attributes
    ----------
    path : str
        A PNG file, ``-`` for standard output, or empty for the terminal.
    room : callable or None
        As in `ViewJob`; None for a sheet of numbers.
    may_replace : bool
        Whether the file may exist.
    also_read : tuple of str
        Files that are read beside the inputs.
    """

    path: str
    room: Callable[[int], Room] | None
    may_replace: bool = False
    also_read: tuple[str, ...] = ()


def plan_view(
    inputs: Sequence[str],
    reading: Reading,
    request: ViewRequest,
    picture: Picture,
    stack: ExitStack,
    *,
    mask: str = "",
) -> ViewJob:
    """Open the inputs, which `stack` closes, and check and plan the picture of them.

    Raises
    ------
    DataError
        If one is a weights file, a model or moments; the message names the command for it.
    OneByOneError
        As `ViewJob`, and if the file can't be written.
    """
    if reading.raw is None or not reading.raw.shape:
        for path in inputs:
            _refuse_weights(path)
    opened = reading.open(inputs, stack)
    if picture.path:
        from onebyone_cli.picture.png import check_png

        read = (name for reader in opened for name in reader.about.files)
        files = (*read, *picture.also_read)
        check_png(picture.path, force=picture.may_replace, inputs=files)
    found = open_map(mask, reading.memory, stack)
    room = picture.room or partial(room_for_numbers, opened)
    return ViewJob(opened, request, room, reading.memory, found)


def _refuse_weights(path: str) -> None:
    if not (path.lower().endswith(ONLY_WEIGHTS) and os.path.isfile(path)):
        return
    from onebyone_cli.formats.npz.archive import Contents
    from onebyone_cli.operations.info.archives import kind_of_archive

    kind = kind_of_archive(path)
    if kind is Contents.MOMENTS:
        way = "to see the statistics that it holds: onebyone stats"
    elif kind is Contents.WEIGHTS or not path.lower().endswith(".npz"):
        way = "to look at weights or at a model: onebyone weights show"
    else:
        return
    raise DataError(f"is not a stack; {way}", path)
