"""Headers of PBM, PGM, PPM, PAM and PFM images.

Sources: the manual pages pbm(5), pgm(5), ppm(5), pam(5) and pfm(5) of Netpbm.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

from onebyone_cli.errors import DataError
from onebyone_cli.units import printable

#: First bytes, and the names that users know.
TITLES = {
    b"P1": "plain PBM",
    b"P2": "plain PGM",
    b"P3": "plain PPM",
    b"P4": "PBM",
    b"P5": "PGM",
    b"P6": "PPM",
    b"P7": "PAM",
    b"Pf": "PFM",
    b"PF": "PFM",
}

_WHITE = b" \t\n\r\v\f"

#: Longest header with its comments.
_MOST_BYTES = 1 << 16

#: Largest number of pixels in a row, and of rows.
_MOST_PIXELS = 2**31 - 1

_MOST_CHANNELS = 1 << 20


class Header(NamedTuple):
    """What the header of an image says.

    Attributes
    ----------
    kind : bytes
        First two bytes; a key of `TITLES`.
    height, width, depth : int
    maxval : int
        Largest number; 0 in a PFM.
    tuple_type : str
        What the channels of a PAM are; else empty.
    scale : float
        Of a PFM: its sign is the order of bytes. 0 for others.
    """

    kind: bytes
    height: int
    width: int
    depth: int
    maxval: int = 0
    tuple_type: str = ""
    scale: float = 0.0

    @property
    def title(self) -> str:
        """Name of the kind, for messages."""
        return TITLES[self.kind]

    @property
    def is_plain(self) -> bool:
        """Whether the numbers are text."""
        return self.kind in (b"P1", b"P2", b"P3")

    @property
    def dtype(self) -> str:
        """Type of the numbers; a key of `spec.ITEM_BYTES`."""
        if self.scale:
            return "float32"
        if self.kind in (b"P1", b"P4") or (self.kind == b"P7" and self.maxval == 1):
            return "bool"
        return "uint8" if self.maxval < 256 else "uint16"


def read_header(read: Callable[[int], bytes], path: str) -> Header:
    """Read a header, and nothing behind it.

    Parameters
    ----------
    read : callable
        Returns the next bytes; fewer than asked for at the end.
    path : str
        Name for messages.

    Raises
    ------
    DataError
        If it is malformed.
    """
    text = _Text(read, path)
    kind = read(2)
    if kind not in TITLES:
        raise DataError("is not a Netpbm image (PBM, PGM, PPM, PAM or PFM); make it again", path)
    if kind == b"P7":
        header = _pam(text)
    elif kind in (b"Pf", b"PF"):
        header = _pfm(text, kind)
    else:
        width, height = text.number("width"), text.number("height")
        maxval = 1 if kind in (b"P1", b"P4") else text.number("MAXVAL")
        header = Header(kind, height, width, 3 if kind in (b"P3", b"P6") else 1, maxval)
    return _checked(header, path)


def _checked(header: Header, path: str) -> Header:
    for name, value, most in (
        ("width", header.width, _MOST_PIXELS),
        ("height", header.height, _MOST_PIXELS),
        ("depth", header.depth, _MOST_CHANNELS),
        *([] if header.scale else [("MAXVAL", header.maxval, 65535)]),
    ):
        if not 1 <= value <= most:
            raise DataError(
                f"has {name} {value} in its {header.title} header; expected 1 to {most}", path
            )
    return header


def _pam(text: _Text) -> Header:
    if text.line():
        raise DataError(
            "begins with P7 like a PAM, and no line ends there; an XV thumbnail can't be read",
            text.path,
        )
    sizes: dict[str, int] = {}
    types: list[str] = []
    while (line := text.line()) != "ENDHDR":
        key, _, value = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if key == "TUPLTYPE":
            types.append(value.strip())
        elif key in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL"):
            sizes[key] = text.number_of(value.strip(), key)
        else:
            raise DataError(f"has '{printable(line[:40])}' in its PAM header", text.path)
    missing = [key for key in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL") if key not in sizes]
    if missing:
        raise DataError(f"has no {missing[0]} in its PAM header", text.path)
    return Header(
        b"P7", sizes["HEIGHT"], sizes["WIDTH"], sizes["DEPTH"], sizes["MAXVAL"], " ".join(types)
    )


def _pfm(text: _Text, kind: bytes) -> Header:
    width, height, word = text.number("width"), text.number("height"), text.word()
    try:
        scale = float(word)
    except ValueError:
        scale = 0.0
    if not scale or not isfinite(scale):
        raise DataError(f"has scale '{printable(word[:40])}' in its PFM header", text.path)
    return Header(kind, height, width, 3 if kind == b"PF" else 1, scale=scale)


class _Text:
    """The text of a header, read letter by letter: the numbers follow at once."""

    def __init__(self, read: Callable[[int], bytes], path: str) -> None:
        self.path = path
        self._read = read
        self._left = _MOST_BYTES

    def line(self) -> str:
        """Return the rest of the line, without blanks around it."""
        found = bytearray()
        while (letter := self._letter()) != b"\n":
            found += letter
        return found.decode("latin-1").strip()

    def word(self) -> str:
        """Return the next word; the one blank behind it is read as well."""
        found = bytearray()
        while True:
            letter = self._letter()
            if letter == b"#":  # a comment is the end of its line
                self.line()
                letter = b"\n"
            if letter not in _WHITE:
                found += letter
            elif found:
                return found.decode("latin-1")

    def number(self, name: str) -> int:
        """Return the next word as a number."""
        return self.number_of(self.word(), name)

    def number_of(self, word: str, name: str) -> int:
        """Return a word as a number."""
        if not (word.isascii() and word.isdigit() and len(word) <= 20):
            raise DataError(
                f"has '{printable(word[:40])}' as {name} in its header; expected a number",
                self.path,
            )
        return int(word)

    def _letter(self) -> bytes:
        letter, self._left = self._read(1), self._left - 1
        if not letter or not self._left:
            found = "ends within" if not letter else f"has more than {_MOST_BYTES} bytes in"
            raise DataError(f"{found} its header; copy or make it again", self.path)
        return letter


def format_header(kind: str, height: int, width: int, depth: int, maxval: int) -> bytes:
    """Return the header of an image that is written.

    `kind` is pbm, pgm, ppm, pam or pfm; `maxval` is 0 where there is none.
    """
    if kind == "pam":
        words = {1: "BLACKANDWHITE" if maxval == 1 else "GRAYSCALE", 3: "RGB"}
        lines = (
            *("P7", f"WIDTH {width}", f"HEIGHT {height}", f"DEPTH {depth}", f"MAXVAL {maxval}"),
            *(f"TUPLTYPE {words.get(depth, 'CHANNELS')}", "ENDHDR"),
        )
        return "\n".join((*lines, "")).encode()
    begin = {"pbm": "P4", "pgm": "P5", "ppm": "P6", "pfm": "PF" if depth == 3 else "Pf"}[kind]
    last = "-1.0\n" if kind == "pfm" else f"{maxval}\n" if maxval and kind != "pbm" else ""
    return f"{begin}\n{width} {height}\n{last}".encode()
