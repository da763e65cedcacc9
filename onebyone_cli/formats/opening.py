"""Open inputs and make writers by the names that the user gives."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from onebyone_cli import names
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.errors import OutputRefusedError, UsageError, setting
from onebyone_cli.formats import (
    by_prefix,
    misnamed,
    of_bytes,
    of_datasets,
    of_input,
    of_output,
    with_layouts,
    with_storage,
)
from onebyone_cli.formats.arrays.byte_source import open_bytes
from onebyone_cli.formats.contracts.about import Dataset
from onebyone_cli.formats.contracts.reader import Reader, Series, Source, StreamReader
from onebyone_cli.formats.contracts.writer import Storage, Target
from onebyone_cli.names import is_url
from onebyone_cli.system.open_files import allow_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from onebyone_cli.formats.contracts.about import RawSpec
    from onebyone_cli.formats.contracts.format import Format


def split_inner(text: str) -> tuple[str, str]:
    """Split ``file.h5:/path/to/dataset`` into file and dataset; see `names.split_inner`."""
    return (text, "") if by_prefix(text) else names.split_inner(text, of_datasets)


def open_input(
    text: str,
    *,
    layout: str = "",
    memory: int = 1 << 26,
    raw: RawSpec | None = None,
    indices: bool = False,
) -> Reader | StreamReader:
    """Open an input by its name; read its header only.

    Parameters
    ----------
    text : str
        A file, a folder, ``file.h5:/dataset`` or ``-``.
    layout : str
        From `axes.checked_layout`.
    memory : int
        Bytes for its caches and decoders.
    raw : RawSpec, optional
        Shape and dtype of numbers without a header, or their dtype where a header lacks it.
    indices : bool
        Whether the numbers of an image with a palette are its indices, as in a label map.

    Raises
    ------
    UsageError
        If a dtype is given and the header of such a format always has one.
    """
    if raw is not None and raw.shape:
        from onebyone_cli.formats.raw import read as read_raw

        return read_raw(Source(text, "", layout, memory, raw))
    path, inner = split_inner(text)
    found = of_input(path)
    source = Source(path, inner, layout, memory, raw, indices=indices)
    if found.streams and is_stream(path):
        found, source = _open_stream(source)
        return found.read(source)
    _check_stated(raw, found, text)
    reader = found.read(source)
    note = misnamed(path, found)
    if note:
        reader.about = reader.about._replace(notes=(note, *reader.about.notes))
    return reader


def _open_stream(source: Source) -> tuple[Format, Source]:
    """Open a stream, and return its format by its first bytes."""
    opened = open_bytes(source.path, ".npy or Netpbm ")
    try:
        found = of_bytes(opened.peek)
        _check_stated(source.raw, found, source.path)
    except BaseException:
        opened.close()
        raise
    return found, source._replace(opened=opened)


def _check_stated(raw: RawSpec | None, found: Format, path: str) -> None:
    if raw is not None and not found.lacks_types and not raw.may_be_named:
        raise UsageError(
            f"'{path}' names the type of its numbers; leave out {setting('dtype_in', raw.dtype)}"
        )


def list_datasets(text: str) -> Sequence[Dataset]:
    """List the datasets of an input that names none; empty for other formats."""
    path, inner = split_inner(text)
    found = None if inner else of_input(path).datasets
    return found(path) if found else ()


def is_stream(text: str) -> bool:
    """Return whether an input can hold several stacks one after another: ``-`` or a pipe."""
    if text == "-":
        return True
    try:
        mode = os.stat(text).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def open_series(text: str, *, layout: str, raw: RawSpec | None, stack: ExitStack) -> Series:
    """Open a stream of several stacks, which `stack` closes; reads nothing.

    `is_stream` must be true of `text`. `layout` and `raw` apply to every stack, as in `open_input`.
    """
    source = Source(text, layout=layout, raw=raw)
    if raw is not None and raw.shape:
        from onebyone_cli.formats.raw import series

        opened = series(source)
    else:
        found, source = _open_stream(source)
        assert found.series is not None, "a format of streams has a series"
        opened = found.series(source)
    stack.callback(opened.close)
    return opened


def open_inputs(
    texts: Sequence[str],
    *,
    layout: str,
    memory: int,
    stack: ExitStack,
    raw: RawSpec | None = None,
    indices: bool = False,
) -> list[Reader | StreamReader]:
    """Open the inputs of a job, which `stack` closes; parameters as in `open_input`, for each."""
    allow_files(len(texts))
    opened: list[Reader | StreamReader] = []
    for text in texts:
        opened.append(open_input(text, layout=layout, memory=memory, raw=raw, indices=indices))
        stack.callback(opened[-1].close)
    return opened


def make_target(
    text: str,
    *,
    inputs: Sequence[Reader | StreamReader] = (),
    also_read: Sequence[str] = (),
    format_name: str = "",
    layout: str = "",
    publication: Publication = NEW,
    storage: Storage | None = None,
) -> Target:
    """Select the format of an output and check its name; creates nothing.

    Parameters
    ----------
    text : str
        A file, a folder ending in ``/``, ``file.h5:/dataset`` or ``-``.
    inputs : sequence of Reader or StreamReader
        Never written to; the name of their dataset is the default.
    also_read : sequence of str
        Other files that are read, such as weights.
    format_name : str
        Value of ``--format``, or empty.
    layout : str
        Order of the axes, or empty for that of the format.
    publication : Publication
    storage : Storage, optional

    Raises
    ------
    UsageError
        If the format is unknown or does not support `storage`.
    OutputRefusedError
        If the target exists, is an input or can't be created.
    """
    path, inner = split_inner(text)
    found, kind = of_output(path, format_name)
    path = found.main_file(path) if found.main_file else path
    storage = storage or Storage()
    _check_storage(found, storage)
    if layout and layout not in found.layouts:
        raise UsageError(
            f"{setting('layout_out', layout)} is for {with_layouts()} outputs, not for {found.noun}"
        )
    inner = inner or next((each.about.inner for each in inputs if each.about.inner), "")
    read = (*(name for reader in inputs for name in reader.about.files), *also_read)
    if is_url(path):
        _check_not_read(path, inputs)
    elif path == "-":
        targets.check_not_input("/dev/stdout", read)
    else:
        targets.check_not_input(path, read)
        if publication.resume is not None:
            left = Unfinished(path)
            for name in (left.part, left.journal):
                targets.check_not_input(name, read)
            left.tidy()
        # The slash asks for a folder.
        whole = f"{path.rstrip('/')}/" if found.seal and not targets.is_special(path) else path
        targets.check_target(whole, force=publication.may_replace, inputs=read)
    return Target(
        path,
        found.write,
        inner=inner,
        kind=kind,
        layout=layout,
        inputs=read,
        publication=publication,
        keeps=dict(found.folder_kinds).get(kind, found.keeps),
        packs_channels=found.packs_channels,
        background=found.background,
        storage=storage,
    )


def _check_not_read(path: str, inputs: Sequence[Reader | StreamReader]) -> None:
    """Refuse an address that is an input."""
    for reader in inputs:
        one, other = (f"{split_inner(text)[0].rstrip('/')}/" for text in (path, reader.path))
        if one.startswith(other) or other.startswith(one):
            raise OutputRefusedError("is an input, or in one; choose another name", path)


def _check_storage(found: Format, storage: Storage) -> None:
    for option in storage.asked:
        if option == "shards" and option not in found.storage:
            raise UsageError(
                f"{setting('chunks')} of shards is for {with_storage(option)} outputs, not for "
                f"{found.noun}"
            )
        if option not in found.storage:
            raise UsageError(
                f"{setting(option)} is for {with_storage(option)} outputs, not for {found.noun}"
            )
