"""Check names of inputs and outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.errors import UsageError
from onebyone_cli.names import is_url

if TYPE_CHECKING:
    from collections.abc import Sequence


def files_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the files of inputs and weights, without datasets."""
    from onebyone_cli.formats.opening import split_inner
    from onebyone_cli.weights.formats import split_member

    return tuple(split_member(split_inner(text)[0])[0] for text in inputs if text)


def absolute(text: str) -> str:
    """Return the name of an input or a weights file as an absolute path."""
    from onebyone_cli.formats import by_prefix

    prefixed = by_prefix(text)
    if prefixed is not None and prefixed.absolute is not None:
        return prefixed.absolute(text)
    (path,) = files_of([text])
    return text if is_url(text) else os.path.abspath(path) + text.removeprefix(path)


def check_outputs(outputs: Sequence[str]) -> None:
    """Raise `UsageError` if two outputs are the same file, however they are spelled."""
    from onebyone_cli.commit.unfinished import journal_of, part_of

    paths = files_of(outputs)
    files = {path if path == "-" else os.path.realpath(path) for path in paths}
    parts = {name for path in paths for name in (part_of(path), journal_of(path))}
    if len(files) < len(paths) or files & parts:
        raise UsageError("two outputs have the same name; give each its own")


def check_archive_name(path: str, what: str) -> None:
    """Raise `UsageError` unless a file has the suffix of models and moments."""
    if not path.endswith(".npz"):
        raise UsageError(f"'{path}': the name of {what} must end in .npz")


def check_shared(flag: str, inputs: Sequence[str]) -> None:
    """Raise `UsageError` for an input that jobs on several machines can't all read."""
    paths = files_of(inputs)
    if any(os.path.exists(path) and not is_stored(path) for path in paths if path != "-"):
        raise UsageError(f"{flag} needs inputs that every job can read; a pipe is read only once")
    if "-" in paths:
        raise UsageError(f"{flag} needs inputs that every job can read, not standard input")


def is_stored(path: str) -> bool:
    """Whether an input can be read again: a file, a folder or an address, not a pipe."""
    from onebyone_cli.formats import by_prefix

    known = is_url(path) or by_prefix(path) is not None
    return known or os.path.isfile(path) or os.path.isdir(path)
