"""Parse the header of an ENVI file, an image or a library of spectra."""

from onebyone_cli.errors import DataError
from onebyone_cli.units import printable

#: Dtypes by data type code; 6 and 9 are complex.
TYPES = {
    "1": "uint8",
    "2": "int16",
    "3": "int32",
    "4": "float32",
    "5": "float64",
    "12": "uint16",
    "13": "uint32",
    "14": "int64",
    "15": "uint64",
}

#: Longest header that is read: thousands of bands take a few hundred kilobytes.
MOST_BYTES = 1 << 26

#: Longest value in a message.
_SHOWN = 40


def parse_header(text: str, path: str) -> dict[str, str]:
    """Return the values of a header by lower-case key, with their braces.

    The last of several values of a key counts. `path` is for messages.

    Raises
    ------
    DataError
        If it is not an ENVI header, or a brace is not closed.
    """
    lines = iter(text.splitlines())
    if next(lines, "").strip() != "ENVI":
        raise DataError("is not an ENVI header: its first line is not ENVI", path)
    values: dict[str, str] = {}
    for line in lines:
        if line.lstrip().startswith(";") or "=" not in line:
            continue
        name, _, value = line.partition("=")
        key, value = " ".join(name.lower().split()), value.strip()
        while value.startswith("{") and not value.endswith("}"):
            following = next(lines, None)
            if following is None:
                raise DataError(f"has no closing brace for '{shown(key)}'", path)
            if not following.lstrip().startswith(";"):
                value = f"{value}\n{following.strip()}"
        values[key] = value
    return values


def decode_header(content: bytes, path: str) -> str:
    """Return the text of a header; raises `DataError` for more than `MOST_BYTES`."""
    if len(content) > MOST_BYTES:
        raise DataError("is too long for an ENVI header", path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def shown(value: str) -> str:
    """Shorten a value for a message."""
    return printable(" ".join(value.split()))[:_SHOWN] or "nothing"


def inner(text: str) -> str:
    """Return a value without its braces."""
    return text.removeprefix("{").removesuffix("}").strip()


def entries(text: str) -> list[str]:
    """Return the entries of a value in braces.

    >>> entries("{a, b,}")
    ['a', 'b']
    """
    return [entry.strip() for entry in inner(text).rstrip().rstrip(",").split(",")]
