"""The types of Netpbm images that are written, and what each can hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import UsageError, setting

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import StackSpec


class Kind(NamedTuple):
    """A type of image.

    Attributes
    ----------
    name : str
        Value of ``--format``; with a dot before it, the suffix.
    channels : tuple of int
        Numbers of channels; empty for any.
    dtypes : tuple of str
    """

    name: str
    channels: tuple[int, ...]
    dtypes: tuple[str, ...]


#: By name; a stack gets the first that holds it where only ``.pnm`` or nothing is asked for.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("pbm", (1,), ("bool",)),
        Kind("pgm", (1,), ("uint8", "uint16")),
        Kind("ppm", (3,), ("uint8", "uint16")),
        Kind("pam", (), ("bool", "uint8", "uint16")),
        Kind("pfm", (1, 3), ("float32",)),
    )
}

SUFFIXES = (*sorted(f".{name}" for name in KINDS), ".pnm")


def file_suffix(name: str, channels: int, dtype: str) -> str:
    """Return the suffix of the file of a stack, by the name of its kind or what fits."""
    found = KINDS[name] if name else _fitting(channels, dtype)
    return f".{found.name}" if found else ""


def kind_of(target: Target, spec: StackSpec) -> Kind:
    """Choose the type of image for an output.

    Raises `UsageError` if it can't hold the result; names an alternative.
    """
    suffix = os.path.splitext(target.path)[1].lower()
    named = suffix[1:] if suffix in SUFFIXES else ""
    if named not in ("", "pnm", target.kind or named):
        raise UsageError(
            f"{setting('format', target.kind)} makes .{target.kind} files, and '{target.path}' "
            f"ends in {suffix}; change one of them"
        )
    fitting = _fitting(spec.channels, spec.dtype)
    kind = KINDS[target.kind or (named if named in KINDS else fitting.name if fitting else "pam")]
    refused = _refusal(kind, spec.channels, spec.dtype)
    if refused:
        raise UsageError(refused)
    return kind


def _fitting(channels: int, dtype: str) -> Kind | None:
    """Return the first kind that holds a stack."""
    for kind in KINDS.values():
        if dtype in kind.dtypes and channels in (kind.channels or (channels,)):
            return kind
    return None


def _refusal(kind: Kind, channels: int, dtype: str) -> str:
    """Say why a kind can't hold a stack; empty if it can."""
    if kind.channels and channels not in kind.channels:
        held = " or ".join(map(str, kind.channels))
        fitting = _fitting(channels, dtype)
        other = fitting.name if fitting else "npy"
        plural = "channel" if held == "1" else "channels"
        return (
            f"a {kind.name} image holds {held} {plural}, the result has {channels}; write "
            f".{other} ({setting('format', other)})"
        )
    if dtype in kind.dtypes:
        return ""
    if dtype in ("", "float32", "float64") and "uint8" in kind.dtypes:
        way = f"{setting('dtype', 'uint8 or uint16')} with {setting('scale', 'auto')}"
    else:
        way = f"{setting('dtype', kind.dtypes[-1])}"
    able = [each.name for each in KINDS.values() if dtype in each.dtypes]
    or_else = f", or {setting('format', able[0])}" if able else ""
    return f"{kind.name} can't hold {dtype or 'these numbers'}; use {way}{or_else}"
