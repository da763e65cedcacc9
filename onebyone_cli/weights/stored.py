"""What a weights file holds beyond what is read of it."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

from onebyone_cli.npy_header import read_header
from onebyone_cli.weights.rules import SHAPES

if TYPE_CHECKING:
    from onebyone_cli.weights.channel_map import ChannelMap


def stored_type(path: str) -> str:
    """Name the type of the numbers in a file that `load_weights` has read, or ``text``."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".npy":
        with open(path, "rb") as file:
            return read_header(file.read, path).dtype
    if suffix == ".npz":
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, "weight")) as member:
            return read_header(member.read, path).dtype
    return "text"


def unread_members(path: str, weights: ChannelMap) -> list[str]:
    """Name the members of an archive that `load_weights` has left alone, such as matrices."""
    if os.path.splitext(path)[1].lower() != ".npz":
        return []
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    known = {*SHAPES, *weights.meta, "meta"}
    return sorted(set(names) - known)


def _member(archive: zipfile.ZipFile, name: str) -> str:
    return next(found for found in archive.namelist() if found.removesuffix(".npy") == name)
