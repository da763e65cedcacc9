"""The registry of formats of weights files.

To add one, write ``weights/formats/<name>.py`` with a ``FORMAT`` (see `contract.WeightsFormat`) and
add its suffixes to `KINDS`. Help reads the suffixes without importing a format or numpy.
"""

from importlib import import_module

from onebyone_cli.names import split_inner, suffix_of
from onebyone_cli.weights.formats.contract import WeightsFormat

#: Suffixes by format, in the order of help.
KINDS = {
    "npy": (".npy",),
    "npz": (".npz",),
    "text": (".csv", ".tsv", ".txt"),
    "json": (".json",),
}

SUFFIXES = tuple(suffix for suffixes in KINDS.values() for suffix in suffixes)

#: Suffixes of weights and moments only; a ``.npy`` file may also be a stack.
ONLY_WEIGHTS = tuple(suffix for suffix in SUFFIXES if suffix != ".npy")

#: Suffixes of files with named arrays, which ``file.npz:name`` selects.
_WITH_MEMBERS = (".npz",)

#: Suffixes of files that need pickle.
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")


def describe() -> str:
    """List the suffixes, for help and messages."""
    return ", ".join(SUFFIXES[:-1]) + f" or {SUFFIXES[-1]}"


def split_member(text: str) -> tuple[str, str]:
    """Split ``file.npz:member`` into file and member; see `names.split_inner`."""
    return split_inner(text, lambda path: suffix_of(path) in _WITH_MEMBERS)


def of_path(path: str) -> WeightsFormat | None:
    """Import the format of a file by its suffix; None if no format has it."""
    suffix = suffix_of(path)
    name = next((name for name, suffixes in KINDS.items() if suffix in suffixes), "")
    if not name:
        return None
    found = import_module(f"{__name__}.{name}").FORMAT
    assert isinstance(found, WeightsFormat)
    return found
