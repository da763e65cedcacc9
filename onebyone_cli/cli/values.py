"""Words of the command line turned into checked values; what commands share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from onebyone_cli.errors import UsageError
from onebyone_cli.spec import ITEM_BYTES
from onebyone_cli.units import parse_bytes

if TYPE_CHECKING:
    from onebyone_cli.formats.base import Storage


def check_names(inputs: Sequence[str], others: Sequence[str]) -> None:
    """Refuse names of files that can't be meant.

    Raises
    ------
    UsageError
        If standard input is named twice, or a name is empty.
    """
    if inputs.count("-") > 1:
        raise UsageError("standard input is named twice, and it can be read only once")
    if "" in (*inputs, *others):
        raise UsageError("one of the file names is empty; is a variable of the shell not set?")


def check_model_name(path: str) -> None:
    """Raise `UsageError` unless a file is called as a model or moments are."""
    if not path.endswith(".npz"):
        raise UsageError(f"a model is a .npz file, and '{path}' is not called so")


def files_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """Name the files of inputs, without datasets: none of them may be written to."""
    from onebyone_cli import formats

    return tuple(formats.split_inner(text)[0] for text in inputs if text)


def memory_of(text: str) -> int:
    """Read ``--memory``: bytes, or the default where nothing was given."""
    from onebyone_cli.limits import default_memory

    if not text:
        return default_memory()
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise UsageError(f"--memory: {error}") from error


def threads_of(number: int | None) -> int:
    """Check ``--threads``: the default where nothing was given."""
    from onebyone_cli.limits import default_threads

    if number is not None and number < 1:
        raise UsageError(f"--threads {number} is too few; give 1 or more")
    return number or default_threads()


def dtype_of(text: str) -> str:
    """Check ``--dtype``; empty where nothing was given."""
    if text and text not in ITEM_BYTES:
        raise UsageError(f"--dtype {text} is unknown; choose from {', '.join(ITEM_BYTES)}")
    return text


def number_of(option: str, text: str) -> float:
    """Read the number of an option."""
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{option} {text} is not a number; write it like 0 or -9999") from error


def range_of(option: str, text: str) -> tuple[int, int] | None:
    """Read FIRST:END, the end being the one after the last; None where nothing was given."""
    if not text:
        return None
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"{option} {text} is not a range; write FIRST:END, as in 0:100")
    return int(parts[0]), int(parts[1])


def scale_of(text: str) -> Literal["auto"] | tuple[float, float] | None:
    """Read ``--scale``; None where nothing was given."""
    if not text:
        return None
    if text == "auto":
        return "auto"
    parts = text.split(",")
    if len(parts) != 2:
        raise UsageError(f"--scale {text} is not a range; write auto or MIN,MAX, as in 0,255")
    return number_of("--scale", parts[0]), number_of("--scale", parts[1])


def storage_of(
    compression: str, level: int, shuffle: bool, fletcher32: bool, chunks: str
) -> "Storage":
    """Read how an ``.h5`` output is stored."""
    from onebyone_cli.formats.base import Storage

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
