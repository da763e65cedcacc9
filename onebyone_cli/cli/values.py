"""Words of the command line turned into checked values; what commands share."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from onebyone_cli.errors import UsageError
from onebyone_cli.spec import ITEM_BYTES
from onebyone_cli.units import parse_bytes

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.console import Console
    from onebyone_cli.commit.checkpoint import Policy
    from onebyone_cli.formats.contracts.about import RawSpec
    from onebyone_cli.formats.contracts.writer import Storage
    from onebyone_cli.plan.shards import Shard

#: Sizes of more digits are none that any array has.
_SIZE_DIGITS = 19


def check_names(inputs: Sequence[str], others: Sequence[str], maps: Sequence[str] = ()) -> None:
    """Refuse names of files that can't be meant.

    Parameters
    ----------
    inputs, others : sequence of str
        Inputs, and other files that have to be named.
    maps : sequence of str
        What else is read as inputs are, such as a mask; empty where it was not given.

    Raises
    ------
    UsageError
        If standard input is named twice, or a name is empty.
    """
    if [*inputs, *maps].count("-") > 1:
        raise UsageError("standard input is named twice, and it can be read only once")
    if "" in (*inputs, *others):
        raise UsageError("one of the file names is empty; is a variable of the shell not set?")


def inputs_of(named: Sequence[str], list_name: str, maps: Sequence[str] = ()) -> list[str]:
    """Put the inputs together: those of the command line, then those of ``--inputs-from``.

    Parameters
    ----------
    named : sequence of str
        On the command line.
    list_name : str
        Of the file with more names; empty where there is none.
    maps : sequence of str
        What else is read as inputs are.

    Raises
    ------
    UsageError
        If there is none in all, or standard input would be read twice.
    """
    if list_name == "-" and "-" in (*named, *maps):
        raise UsageError("standard input is named as an input and as the list of --inputs-from")
    if list_name:
        from onebyone_cli.cli.options.name_list import read_names

        more = read_names(list_name)
        if list_name == "-" and "-" in more:
            raise UsageError("the list of --inputs-from is standard input, and names it as input")
        return [*named, *more]
    if not named:
        raise UsageError("no input; name one, or a list of them with --inputs-from FILE")
    return list(named)


def check_outputs(outputs: Sequence[str]) -> None:
    """Raise `UsageError` if two outputs are the same file, however they are spelled."""
    from onebyone_cli.commit.unfinished import journal_of, part_of
    from onebyone_cli.formats import opening

    paths = [opening.split_inner(text)[0] for text in outputs if text]
    files = {path if path == "-" else os.path.realpath(path) for path in paths}
    parts = {name for path in paths for name in (part_of(path), journal_of(path))}
    if len(files) < len(paths) or files & parts:
        raise UsageError("two outputs have the same name; give each its own")


def check_whole_output(output: str, *, if_changed: bool, depfile: str, shard: str = "") -> None:
    """Refuse what is for an output that this very run publishes as a file."""
    if if_changed and output == "-":
        raise UsageError("--if-changed compares with an existing file; name one with -o, not -")
    for flag in ["--if-changed"] * if_changed + ["--depfile"] * bool(depfile):
        if shard:
            raise UsageError(f"{flag} is for a run that publishes its output, not for --shard")


def check_archive_name(path: str, what: str) -> None:
    """Raise `UsageError` unless a file is called as a model or moments are."""
    if not path.endswith(".npz"):
        raise UsageError(f"{what} a .npz file, and '{path}' is not called so")


def files_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """Name the files of inputs, without datasets: none of them may be written to."""
    from onebyone_cli.formats import opening

    return tuple(opening.split_inner(text)[0] for text in inputs if text)


def memory_of(text: str) -> int:
    """Read ``--memory``: bytes, or the default where nothing was given."""
    from onebyone_cli.system.limits import default_memory

    if not text:
        return default_memory()
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise UsageError(f"--memory: {error}") from error


def threads_of(number: int | None) -> int:
    """Check ``--threads``: the default where nothing was given."""
    from onebyone_cli.system.limits import default_threads

    if number is not None and number < 1:
        raise UsageError(f"--threads {number} is too few; give 1 or more")
    return number or default_threads()


def tell_defaults(memory: str, threads: int | None, console: "Console") -> None:
    """Tell those who ask for more where the defaults of the machine come from."""
    from onebyone_cli.system import limits

    if not console.verbose:
        return
    if threads is None:
        console.detail(f"threads {limits.threads_allowed()}")
    if not memory:
        console.detail(f"memory {limits.memory_allowed()}")


def dtype_of(text: str) -> str:
    """Check ``--dtype``; empty where nothing was given."""
    if text and text not in ITEM_BYTES:
        raise UsageError(f"--dtype {text} is unknown; choose from {', '.join(ITEM_BYTES)}")
    return text


def raw_of(raw: bool, shape: str, dtype: str) -> "RawSpec | None":
    """Read what inputs without a header hold; None where they have headers."""
    from onebyone_cli.formats.contracts.about import RawSpec

    if not raw and (shape or dtype):
        raise UsageError("--shape and --dtype-in are for inputs without a header; give --raw, too")
    if not raw:
        return None
    if not (shape and dtype):
        raise UsageError("--raw needs --shape, as in 50,600,600, and --dtype-in, as in f4")
    name, big_endian = _type_in(dtype)
    return RawSpec(_shape_in(shape), name, big_endian)


def _shape_in(text: str) -> tuple[int, ...]:
    sizes = text.split(",")
    if not all(size.isascii() and size.isdigit() and len(size) < _SIZE_DIGITS for size in sizes):
        raise UsageError(f"--shape {text} is not a shape; write C,H,W, as in 50,600,600")
    shape = tuple(map(int, sizes))
    if 0 in shape:
        raise UsageError(f"--shape {text} holds no pixels; give sizes of 1 or more")
    if len(shape) < 2:
        raise UsageError(f"--shape {text} has one axis; write C,H,W, or H,W for a single channel")
    return shape


def _type_in(text: str) -> tuple[str, bool]:
    """Read the name of a type, and whether it is big-endian."""
    from onebyone_cli.npy_header import TYPE_NAMES

    code = text[1:] if text[0] in "<>" else text
    name = TYPE_NAMES.get(code, code)
    if name not in ITEM_BYTES:
        known = ", ".join((*TYPE_NAMES, *ITEM_BYTES))
        raise UsageError(
            f"--dtype-in {text} is unknown; choose from {known}; < or > may come first"
        )
    return name, text[0] == ">"


def number_of(option: str, text: str, example: str = "0 or -9999") -> float:
    """Read the number of an option."""
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{option} {text} is not a number; write it like {example}") from error


def seed_of(number: int | None) -> int:
    """Check ``--seed``: the default where nothing was given."""
    if number is not None and number < 0:
        raise UsageError(f"--seed {number} is negative; give 0 or more")
    return number or 0


def range_of(option: str, text: str) -> tuple[int, int] | None:
    """Read FIRST:END, the end being the one after the last; None where nothing was given."""
    if not text:
        return None
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"{option} {text} is not a range; write FIRST:END, as in 0:100")
    first, end = map(int, parts)
    if first >= end:
        raise UsageError(f"{option} {text} is empty; END is the one after the last, as in 0:100")
    return first, end


def scale_of(text: str) -> Literal["auto"] | tuple[float, float] | None:
    """Read ``--scale``; None where nothing was given."""
    if not text:
        return None
    if text == "auto":
        return "auto"
    parts = text.split(",")
    if len(parts) != 2:
        raise UsageError(f"--scale {text} is not a range; write auto or MIN,MAX, as in 0,255")
    low, high = (number_of("--scale", part) for part in parts)
    if low == high:
        raise UsageError(f"--scale {text} is no range: both ends are the same; give MIN,MAX")
    return low, high


def checkpoints_of(
    inputs: Sequence[str],
    output: str,
    resume: str,
    restart: bool,
    every: float,
    status: int | None,
    *,
    sharded: bool = False,
) -> "Policy | None":
    """Say how checkpoints are taken; None where a later run could not go on with this one."""
    from onebyone_cli.commit.checkpoint import Policy
    from onebyone_cli.formats import opening

    if math.isnan(every):
        raise UsageError("--checkpoint-every nan is no time; write seconds, as in 60")
    if resume == "off" and not sharded:
        if restart:
            raise UsageError("--restart is for --resume auto, and that is off")
        return None
    paths = [opening.split_inner(text)[0] for text in inputs]
    # What comes through a pipe is gone, and standard output has no name to go on under.
    if output == "-" or not all(os.path.isfile(path) or os.path.isdir(path) for path in paths):
        return None
    return Policy(every, restart, status, always=sharded)


def shard_of(
    text: str, inputs: Sequence[str], output: str, scale: str, each: bool
) -> "Shard | None":
    """Read ``--shard``, and refuse it where shares can't be put together."""
    from onebyone_cli.plan.shards import parse_shard

    if not text:
        return None
    check_shares("--shard", inputs, output, scale, each)
    return parse_shard(text)


def check_shares(flag: str, inputs: Sequence[str], output: str, scale: str, each: bool) -> None:
    """Raise `UsageError` where shares, which `flag` asks for, can't be put together."""
    if each:
        raise UsageError(f"{flag} is for one output; with --each give every job its own inputs")
    if scale == "auto":
        raise UsageError(f"--scale auto looks at the whole result; with {flag} give MIN,MAX")
    if output == "-":
        raise UsageError(f"{flag} writes its share into a file; name one with -o")
    check_shared(flag, inputs)


def check_shared(flag: str, inputs: Sequence[str]) -> None:
    """Raise `UsageError` for what is no file, which jobs on several machines can't all read."""
    from onebyone_cli.formats import opening

    paths = [opening.split_inner(name)[0] for name in inputs]
    if any(os.path.exists(path) and not _is_stored(path) for path in paths if path != "-"):
        raise UsageError(f"{flag} needs inputs that every job can read; a pipe is read only once")
    if "-" in paths:
        raise UsageError(f"{flag} needs inputs that every job can read, not standard input")


def _is_stored(path: str) -> bool:
    return os.path.isfile(path) or os.path.isdir(path)


def storage_of(
    compression: str, level: int, shuffle: bool, fletcher32: bool, chunks: str
) -> "Storage":
    """Read how an ``.h5`` output is stored."""
    from onebyone_cli.formats.contracts.writer import Storage

    sizes = chunks.lower().replace("×", "x").split("x") if chunks else []
    if not all(size.isascii() and size.isdigit() for size in sizes):
        raise UsageError(f"--chunks {chunks} is not a size; write CxHxW, as in 1x64x600")
    return Storage(
        compression="" if compression == "none" else compression,
        level=level,
        shuffle=shuffle,
        fletcher32=fletcher32,
        chunks=tuple(int(size) for size in sizes),
    )
