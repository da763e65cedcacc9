"""The registry of formats of weights files.

To add one, write ``weights/formats/<name>.py`` with a ``FORMAT`` (see `contract.WeightsFormat`),
add its suffixes to `KINDS` or `READ_ONLY`, and how its files begin to `of_content`. Help reads the
suffixes without importing a format or numpy.
"""

import os
from importlib import import_module

from onebyone_cli.names import split_inner, suffix_of
from onebyone_cli.weights.formats.contract import WeightsFormat

#: Suffixes by format, in the order of help.
KINDS = {
    "npy": (".npy",),
    "npz": (".npz",),
    "table": (".csv", ".tsv", ".txt"),
    "json": (".json",),
    "safetensors": (".safetensors",),
    "onnx": (".onnx",),
    "matrix": (".mat",),
    "vrt": (".vrt",),
}

#: Suffixes of formats that are only read.
READ_ONLY = {
    "hdf5": (".h5", ".hdf5"),
    "envi": (".sli",),
}

SUFFIXES = tuple(suffix for suffixes in KINDS.values() for suffix in suffixes)

#: Suffixes of weights and moments only; other files may also be stacks.
ONLY_WEIGHTS = tuple(suffix for suffix in SUFFIXES if suffix not in (".npy", ".mat", ".vrt"))

#: Formats of files with named arrays, which ``file.npz:name`` selects.
_WITH_MEMBERS = ("npz", "safetensors", "onnx", "hdf5")

#: Formats whose files are never empty, by suffix alone.
BINARY = ("hdf5", "safetensors", "onnx")

#: Suffixes of files that need pickle.
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")

#: Bytes from the beginning of a file that show its format.
HEAD_BYTES = 1024

_PICKLE = "pickle"

#: How files begin, by format.
_MAGIC = (
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"PK\x05\x06", "npz"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    *((b"\x80" + bytes([protocol]), _PICKLE) for protocol in range(2, 6)),
)

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def describe() -> str:
    """List the suffixes that are read and written, for help and messages."""
    return _listed(SUFFIXES)


def describe_read() -> str:
    """List the suffixes that are read."""
    read = (suffix for suffix in SUFFIXES if suffix != ".vrt")
    return _listed((*read, *(suffixes[0] for suffixes in READ_ONLY.values())))


def _listed(suffixes: tuple[str, ...]) -> str:
    return ", ".join(suffixes[:-1]) + f" or {suffixes[-1]}"


def split_member(text: str) -> tuple[str, str]:
    """Split ``file.npz:member`` into file and member; see `names.split_inner`."""
    return split_inner(text, _has_members)


def _has_members(path: str) -> bool:
    name = _of_suffix(suffix_of(path))
    if name in _WITH_MEMBERS:
        return True
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return of_content(file.read(HEAD_BYTES)) in _WITH_MEMBERS
    except (OSError, ValueError):  # opening it later raises the error
        return False


def of_content(head: bytes) -> str:
    """Return the name of the format that files begin with `head` in; empty if unknown.

    It is ``"pickle"`` for pickles. Text is ``"json"`` if it begins as JSON does, else ``"table"``.
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[512:].startswith(_HDF5_MAGIC):  # behind a block of another program, as in .mat
        return "hdf5"
    # Versions of the format, then the name of the producer or the next field.
    is_version = head[:1] == b"\x08" and b"\0" < head[1:2] < b"\x20"
    if is_version and head[2:3] in (b"\x12", b"\x3a", b"\x42"):
        return "onnx"
    # The length of a header of JSON, in 8 bytes.
    if head[8:9] == b"{" and head[4:8] == b"\0\0\0\0":
        return "safetensors"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or _is_binary(text, is_cut=len(head) == HEAD_BYTES):
        return ""
    return "json" if text[:1] in (b"{", b"[") else "table"


def _is_binary(head: bytes, *, is_cut: bool) -> bool:
    """Return whether bytes can't be text of a table: control characters, or no UTF-8."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if not is_cut or error.start < len(head) - 4:  # a letter may be cut
            return True
        text = head[: error.start].decode()
    return not all(letter.isprintable() or letter in "\t\r\n" for letter in text)


def of_path(path: str) -> WeightsFormat | None:
    """Import the format of an output by its suffix; None if no format has it."""
    name = _of_suffix(suffix_of(path))
    return load(name) if name in KINDS else None


def of_file(path: str, head: bytes) -> str:
    """Return the name of the format of a file that begins with `head`; empty if unknown.

    The first bytes decide. Those that could be text of several kinds leave it to the suffix.
    """
    found, named = of_content(head), _of_suffix(suffix_of(path))
    if found in ("", "table") or (found == "json" and named == "json"):
        return named or found
    return found


def _of_suffix(suffix: str) -> str:
    kinds = (KINDS | READ_ONLY).items()
    return next((name for name, suffixes in kinds if suffix in suffixes), "")


def load(name: str) -> WeightsFormat:
    """Import a format by its name."""
    found = import_module(f"{__name__}.{name}").FORMAT
    assert isinstance(found, WeightsFormat)
    return found
