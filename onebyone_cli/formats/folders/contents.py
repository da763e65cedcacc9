"""The contents of a folder of images.

Every file is a channel, but for what other programs leave beside images. That is passed over:

- hidden files, and files and folders of desktops, archives and network disks, by their names;
- the log of a microscope, ``metadata.txt``;
- what belongs to an image by its name: world files, projections, statistics, pyramids and masks
  of geographic programs (``a.tfw``, ``a.tif.aux.xml``, ``a.tif.ovr``, ``a.tif.msk``), settings and
  notes of others (``a.jpg.xmp``, ``a.json``, ``a.txt``), and copies of editors (``a.png~``).

Anything else is refused, since it could be a channel with a misspelt suffix.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError, open_error, setting
from onebyone_cli.formats.folders.order import natural_order
from onebyone_cli.units import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Files and folders of Windows, macOS, zip archives, Synology and Linux; logs of Micro-Manager.
_LEFTOVERS = {
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "__macosx"),
    *("@eadir", "$recycle.bin", "system volume information", "lost+found"),
    *("metadata.txt", "display_and_comments.txt", "display_settings.json"),
}

#: Endings that stand behind the name of an image, with its suffix or in place of it.
_BESIDE = (
    *(".aux.xml", ".xml", ".aux", ".ovr", ".rrd", ".msk", ".msk.ovr", ".enp", ".sta"),
    *(".wld", ".prj", ".qpj", ".tab", ".points"),
    *(".tfw", ".tifw", ".tiffw", ".tfwx", ".pgw", ".pngw", ".jgw", ".jpgw", ".jpegw", ".bpw"),
    *(".bmpw", ".xmp", ".pp3", ".thm", ".json", ".txt", ".yaml", ".yml", ".md5", ".sha256", "~"),
)

#: Files of a Zarr array or group.
_ZARR = {".zarray", ".zgroup", "zarr.json"}


class Contents(NamedTuple):
    """Paths of the images of a folder, in natural order, and names that were passed over.

    Hidden files and files of desktops are not in `beside`.
    """

    images: list[str]
    beside: list[str]


def list_folder(folder: str, suffixes: Sequence[str]) -> Contents:
    """List the images of a folder; `suffixes` are theirs, in lower case.

    Raises
    ------
    InputMissingError
        If the folder can't be opened.
    DataError
        If it has no images, or something else; see the module.
    """
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir() for entry in entries}
    except OSError as error:
        raise open_error(folder, error) from error
    if _ZARR & found.keys():
        raise DataError("is a Zarr store, not a folder of images; export it as .npy or .h5", folder)
    shown = [name for name in found if not _is_leftover(name)]
    images = [
        name for name in natural_order(shown) if _suffix_of(name) in suffixes and not found[name]
    ]
    owners = {name.lower() for name in images}
    owners |= {os.path.splitext(name)[0] for name in owners}
    beside = []
    for name in natural_order(set(shown) - set(images)):
        if found[name]:
            raise DataError(
                f"is a folder within a folder of images; {_ways_out(folder, images)}",
                os.path.join(folder, name),
            )
        if not _is_beside(name, owners):
            raise DataError(
                f"is in a folder of images and has another suffix than {', '.join(suffixes)}; "
                f"{_ways_out(folder, images)}",
                os.path.join(folder, name),
            )
        beside.append(name)
    if not images:
        raise DataError("is a folder without images", folder)
    return Contents([os.path.join(folder, name) for name in images], beside)


def notes_beside(beside: Sequence[str]) -> Iterator[str]:
    """Return what users should know of the files beside images."""
    masks = [name for name in beside if name.lower().endswith(".msk")]
    if masks:
        text = listed("{}", "{}", masks)
        yield f"masks that are not used; give one as {setting('mask')}: {text}"


def _suffix_of(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _is_leftover(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFTOVERS


def _is_beside(name: str, owners: set[str]) -> bool:
    """Whether a file belongs to an image; `owners` are names with and without suffix."""
    small = name.lower()
    return any(small.endswith(end) and small[: -len(end)] in owners for end in _BESIDE)


def _ways_out(folder: str, images: Sequence[str]) -> str:
    """Return what to do about a file that does not belong."""
    if not images:
        return "move it away"
    pattern = os.path.join(folder, f"*{os.path.splitext(images[0])[1]}")
    return f"move it away, or name the images as inputs ({pattern})"
