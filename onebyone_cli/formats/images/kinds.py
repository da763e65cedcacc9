"""The types of image files: names, suffixes, and what each can hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import StackSpec


class ImageKind(NamedTuple):
    """A type of image file, restricted to what it holds without loss.

    Attributes
    ----------
    name, family : str
        Value of ``--format``; Pillow's name of the format.
    suffixes : tuple of str
        Suffixes of file names; new files get the first.
    dtypes : tuple of str
        Types of a single channel.
    colour : bool
        Whether three channels of uint8 fit into one file.
    plain : bool
        Whether files are uncompressed.
    limit : int
        Largest height or width.
    """

    name: str
    family: str
    suffixes: tuple[str, ...]
    dtypes: tuple[str, ...]
    colour: bool
    plain: bool
    limit: int = 2**31 - 1


#: By name, in the order in which help lists them.
KINDS = {
    kind.name: kind
    for kind in (
        ImageKind("png", "PNG", (".png",), ("bool", "uint8", "uint16"), True, False),
        ImageKind("tiff", "TIFF", (".tif", ".tiff"), tuple(ITEM_BYTES), True, False),
        # libjpeg's limit, 35 below that of the file format.
        ImageKind("jpeg", "JPEG", (".jpg", ".jpeg"), ("uint8",), True, False, limit=65500),
        ImageKind("bmp", "BMP", (".bmp",), ("bool", "uint8"), True, True),
        ImageKind("pgm", "PPM", (".pgm",), ("uint8", "uint16"), False, True),
        ImageKind("ppm", "PPM", (".ppm",), (), True, True),
        ImageKind("pfm", "PPM", (".pfm",), ("float32",), False, True),
    )
}

#: Suffixes of images of which no output is made here.
_ONLY_READ = (".pnm", ".pbm", ".pam")

#: Pillow's format by suffix.
FAMILIES = {suffix: kind.family for kind in KINDS.values() for suffix in kind.suffixes} | (
    dict.fromkeys(_ONLY_READ, "PPM")
)

#: Formats that read and write the files of a family in place of Pillow.
OTHER_FORMATS = {"TIFF": "tiff", "PPM": "netpbm"}

#: Name of the format in messages, by suffix.
TITLES = {suffix: kind.name.upper() for kind in KINDS.values() for suffix in kind.suffixes} | {
    suffix: suffix[1:].upper() for suffix in _ONLY_READ
}

#: TIFF and BMP files have 32-bit offsets.
_FILE_LIMIT = 2**32 - 2**16


def suffix_of(path: str) -> str:
    """Return the suffix of a file name in lower case, with the dot."""
    return os.path.splitext(path)[1].lower()


def file_suffix(name: str, channels: int, dtype: str) -> str:
    """Return the suffix of one image that holds a stack, by the name of its kind; empty if none."""
    kind = KINDS.get(name)
    if kind is None or not ((channels == 1 and kind.dtypes) or _is_colour(kind, channels, dtype)):
        return ""
    return kind.suffixes[0]


def is_folder(path: str) -> bool:
    """Return whether an output is a folder of images."""
    return path.endswith("/") or os.path.isdir(path)


def kind_of(target: Target, spec: StackSpec) -> ImageKind:
    """Choose the type of image for an output and check that it can hold the result.

    Raises `UsageError` if it can't; names an alternative.
    """
    if not is_folder(target.path):
        kind = _kind_of_file(target, spec)
        _check_file(kind, spec)
    else:
        kind = KINDS[target.kind or _usual_kind(spec)]
        check = _check_batch if is_by_stack(kind, spec) else _check_folder
        check(kind, spec)
    _check_size(kind, spec, channels_together(kind, target.path, spec))
    return kind


def is_by_stack(kind: ImageKind, spec: StackSpec) -> bool:
    """Return whether a folder has an image for each stack, not for each channel.

    It has for a batch, also of one. A batch of one that an image can't hold is one stack.
    """
    held = _is_colour(kind, spec.channels, spec.dtype) or (
        spec.dtype in kind.dtypes and (spec.channels == 1 or kind.family == "TIFF")
    )
    return spec.items > 1 or (bool(spec.batch) and held)


def channels_together(kind: ImageKind, path: str, spec: StackSpec) -> int:
    """Return the channels of one image: all, but in a folder with an image for each channel."""
    return 1 if is_folder(path) and not is_by_stack(kind, spec) else spec.channels


def _usual_kind(spec: StackSpec) -> str:
    return "png" if spec.dtype in KINDS["png"].dtypes else "tiff"


def _kind_of_file(target: Target, spec: StackSpec) -> ImageKind:
    suffix = suffix_of(target.path)
    named = next((kind.name for kind in KINDS.values() if suffix in kind.suffixes), "")
    if not (named or target.kind):
        raise UsageError(
            f"'{target.path}' has no suffix of an image; end the name with / for a folder of "
            f"images, or with {', '.join(FAMILIES)}"
        )
    if named and target.kind and target.kind != named:
        raise UsageError(
            f"{setting('format', target.kind)} makes {KINDS[target.kind].suffixes[0]} files, and "
            f"'{target.path}' ends in {suffix}; change one of them"
        )
    return KINDS[target.kind or named]


def _check_folder(kind: ImageKind, spec: StackSpec) -> None:
    if not kind.dtypes:
        raise UsageError(
            f"{kind.name} holds three channels in one image, a folder has an image for each "
            f"channel; use {setting('format', 'pgm')}, or name a single file"
        )
    if spec.dtype not in kind.dtypes:
        other = _other_kind(spec.dtype)
        remedy = setting("format", other.name) if other else "write .npy or .h5"
        raise UsageError(_cannot_hold(kind, spec.dtype, remedy))


def _check_batch(kind: ImageKind, spec: StackSpec) -> None:
    if _is_colour(kind, spec.channels, spec.dtype):
        return
    if spec.channels != 1 and kind.family == "TIFF":  # it holds any number of channels
        _check_folder(kind, spec)
        return
    if spec.channels != 1 or not kind.dtypes:
        remedy = "write .npy or .h5"
        if spec.channels == 3 and kind.colour:
            remedy = f"use {setting('dtype', 'uint8')} with {setting('scale', 'auto')}, or {remedy}"
        raise UsageError(
            f"a folder gets one image for each stack of a batch; {_held(kind, spec)}; {remedy}"
        )
    _check_folder(kind, spec)


def _is_colour(kind: ImageKind, channels: int, dtype: str) -> bool:
    return channels == 3 and kind.colour and dtype == "uint8"


def _held(kind: ImageKind, spec: StackSpec) -> str:
    held = "1 channel, or 3 of uint8" if kind.colour else "1 channel"
    return (
        f"one {kind.name} image holds {held if kind.dtypes else '3 channels of uint8'}, the "
        f"result has {spec.channels} of {spec.dtype}"
    )


def _check_file(kind: ImageKind, spec: StackSpec) -> None:
    if _is_colour(kind, spec.channels, spec.dtype):
        return
    if spec.channels != 1 and kind.family == "TIFF":  # it holds any number of channels
        _check_folder(kind, spec)
        return
    if spec.channels != 1:
        raise UsageError(
            f"{_held(kind, spec)}; end the name with / for a folder of images, or write .npy"
        )
    if not kind.dtypes:
        raise UsageError(f"{kind.name} holds 3 channels, the result has 1; name it .pgm or .png")
    if spec.dtype not in kind.dtypes:
        other = _other_kind(spec.dtype)
        remedy = f"name it {other.suffixes[0]}" if other else "write .npy or .h5"
        raise UsageError(_cannot_hold(kind, spec.dtype, remedy))


def _other_kind(dtype: str) -> ImageKind | None:
    return next((kind for kind in KINDS.values() if dtype in kind.dtypes), None)


def _cannot_hold(kind: ImageKind, dtype: str, remedy: str) -> str:
    if "float32" in kind.dtypes:
        choice = setting("dtype", "float32")
    else:
        names = " or ".join(name for name in kind.dtypes if name != "bool")
        choice = f"{setting('dtype', names)} with {setting('scale', 'auto')}"
    return f"{kind.name} can't hold {dtype}; use {choice}, or {remedy}"


def _check_size(kind: ImageKind, spec: StackSpec, together: int) -> None:
    too_long = max(spec.height, spec.width) > kind.limit
    if too_long or (kind.plain and plain_bytes(spec, together) > _FILE_LIMIT):
        raise UsageError(
            f"{spec.height}×{spec.width} pixels are more than a {kind.name} image can hold; "
            "write .npy or .h5"
        )


def plain_bytes(spec: StackSpec, channels: int) -> int:
    """Return the bytes of the numbers of some channels in uncompressed image files."""
    row = -(-spec.width // 8) if spec.dtype == "bool" else spec.width * spec.item_bytes
    return row * spec.height * channels
