r"""Read and write the header of ``.npy`` files, versions 1.0, 2.0 and 3.0, in exact integers.

Layout, from NumPy Enhancement Proposal 1: the bytes ``\x93NUMPY``, two version bytes, the length of
the header (little-endian; 2 bytes in version 1, 4 bytes in 2 and 3), then the header. It is a
Python dict literal with the keys ``descr``, ``fortran_order`` and ``shape``, padded with spaces and
ended by a newline. Text is Latin-1 in versions 1 and 2, and UTF-8 in 3.

The literal is parsed token by token, never evaluated, so the cost is bounded by its length. Sizes
are Python integers: numpy multiplies the shape in int64, and accepts ``True`` and ``-1`` as sizes.
"""

import re
from collections.abc import Callable
from math import prod
from typing import NamedTuple

from onebyone_cli.errors import DataError, PolicyError, UsageError, setting
from onebyone_cli.file_kinds import look
from onebyone_cli.spec import CODED_BYTES, ITEM_BYTES

MAGIC = b"\x93NUMPY"

#: Longest accepted header. numpy writes about 100 bytes for a plain array.
_MAX_HEADER = 65536

_MAX_AXES = 64

_MAX_DIGITS = 19

#: Padding with which numpy lets the first axis grow in place (20 digits of a 64-bit number and 1).
#: Files of this program are therefore the bytes of ``numpy.save``.
_GROWTH_DIGITS = 21

#: Types by numpy's codes without the byte order.
TYPE_NAMES = {
    "b1": "bool", "i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32",
    "u4": "uint32", "i8": "int64", "u8": "uint64", "f2": "float16", "f4": "float32",
    "f8": "float64",
}  # fmt: skip
_CODES = {name: code for code, name in TYPE_NAMES.items()}

#: Codes of numbers whose type numpy does not name, by their bytes: ml_dtypes saves bfloat16 so.
_UNNAMED = {"V1": 1, "f1": 1, "V2": 2}

_OTHER_KINDS = {
    "c": "complex numbers",
    "S": "byte strings",
    "U": "text",
    "M": "dates",
    "m": "time spans",
    "V": "structured or raw bytes",
    "T": "text",
}


class NpyHeader(NamedTuple):
    """The header of one array.

    Attributes
    ----------
    shape : tuple of int
        Sizes of the axes as stored.
    fortran_order : bool
        Whether the first axis varies fastest in the file.
    dtype : str
        A key of `spec.ITEM_BYTES`, or of `spec.CODED_BYTES` if that was allowed.
    big_endian : bool
    data_offset : int
        Bytes from the start of the file to the first number.
    is_named : bool
        Whether the header names the type.
    """

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: str
    big_endian: bool
    data_offset: int
    is_named: bool = True

    def check_stated(self, stated: str, path: str) -> None:
        """Raise `UsageError` if a type is stated that the header names."""
        if stated and self.is_named:
            raise UsageError(
                f"'{path}' says that its numbers are {self.dtype}; leave out "
                f"{setting('dtype_in', stated)}"
            )

    @property
    def data_bytes(self) -> int:
        """Bytes of all numbers, exact."""
        return prod(self.shape) * (ITEM_BYTES | CODED_BYTES)[self.dtype]


def read_header(
    read: Callable[[int], bytes],
    path: str,
    *,
    stated: str | None = None,
    may_be_named: bool = False,
) -> NpyHeader:
    """Read and check a header.

    Parameters
    ----------
    read : callable
        ``read(n)`` returns the next n bytes, or fewer at the end of the file. The header is read
        only after its length has been checked.
    path : str
        Name for messages.
    stated : str, optional
        Type of the numbers if the header does not name it; empty if the user states none. With
        None, types of `spec.CODED_BYTES` are refused.
    may_be_named : bool
        Whether a header that names the type is read, whatever is stated.

    Raises
    ------
    DataError
        If the bytes are not an ``.npy`` header, or the type is not a number.
    PolicyError
        If the array holds Python objects, which only pickle can load.
    UsageError
        If a type is stated and the header names one.
    """
    start = read(10)
    if start[:6] != MAGIC:
        raise DataError(_not_npy(start), path)
    if len(start) < 10:
        raise DataError(
            f"ends inside the .npy header, after {len(start)} bytes; copy it again", path
        )
    version = (start[6], start[7])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise DataError(
            f".npy version {version[0]}.{version[1]} is unknown; expected 1.0, 2.0 or 3.0", path
        )
    more = read(2) if version[0] > 1 else b""
    length = int.from_bytes(start[8:] + more, "little")
    offset = 10 + len(more) + length
    if length > _MAX_HEADER:
        raise DataError(
            f"the .npy header claims {length} bytes; no array needs more than {_MAX_HEADER}", path
        )
    raw = read(length)
    if len(raw) < length or len(more) < (2 if version[0] > 1 else 0):
        raise DataError(
            f"ends inside the .npy header; expected {offset} bytes of it: copy it again", path
        )
    header = _parse(raw, version[0], offset, path, stated)
    if not may_be_named:
        header.check_stated(stated or "", path)
    return header


def format_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Return the header of a C-order, little-endian array: the bytes of ``numpy.save``.

    `dtype` is a key of `spec.ITEM_BYTES`.
    """
    code = _CODES[dtype]
    order = "|" if ITEM_BYTES[dtype] == 1 else "<"
    sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({sizes}), }}"
    if shape:
        text += " " * (_GROWTH_DIGITS - len(str(shape[0])))
    length = len(text) + 1
    padding = 64 - (10 + length) % 64  # 64 where 0 would do, as in numpy
    return (
        MAGIC
        + b"\x01\x00"
        + (length + padding).to_bytes(2, "little")
        + (text + " " * padding + "\n").encode("ascii")
    )


_TOKEN = re.compile(r"[ \t\r\n\f]*('[^'\\]*'|\"[^\"\\]*\"|[0-9]+L?|[A-Za-z_]+|[-{}()\[\]:,.]|\Z)")


def _parse(raw: bytes, version: int, offset: int, path: str, stated: str | None) -> NpyHeader:
    try:
        text = raw.decode("utf-8" if version == 3 else "latin-1")
    except UnicodeDecodeError as error:
        raise DataError("the .npy header is not UTF-8 text", path) from error
    if re.search(r"'descr'\s*:\s*\[", text):
        raise DataError(
            "holds a structured type; expected numbers: save one field, as in array['name']", path
        )
    fields = _Fields(text, version, path).read()
    dtype, big_endian = _number_type(fields.descr, path, stated)
    is_named = fields.descr.lstrip("<>|=") not in _UNNAMED
    return NpyHeader(fields.shape, fields.fortran_order, dtype, big_endian, offset, is_named)


class _Fields:
    """Parse the three fields of a header by recursive descent."""

    def __init__(self, text: str, version: int, path: str) -> None:
        self._text = text
        self._version = version
        self._path = path
        self._at = 0
        self.descr = ""
        self.fortran_order = False
        self.shape: tuple[int, ...] = ()

    def read(self) -> "_Fields":
        seen = set()
        # Only blanks may precede it: numpy takes other white space for indented code.
        self._at = len(self._text) - len(self._text.lstrip(" \t"))
        if self._text[self._at : self._at + 1] != "{":
            raise self._error("does not begin with a dict")
        self._expect("{")
        while (token := self._next()) != "}":
            if token[:1] not in ("'", '"'):
                raise self._error(f"has {_quoted(token)} where a key was expected")
            key = token[1:-1]
            if key in seen:
                raise self._error(f"has {_quoted(key)} twice")
            seen.add(key)
            self._expect(":")
            self._read_value(key)
            if not self._ended_by_comma():
                break
        if self._next() != "":
            raise self._error("has more text after its dict")
        missing = {"descr", "fortran_order", "shape"} - seen
        if missing:
            raise self._error(f"lacks '{min(missing)}'")
        return self

    def _read_value(self, key: str) -> None:
        if key == "descr":
            self.descr = self._text_value()
        elif key == "fortran_order":
            word = self._next()
            if word not in ("True", "False"):
                raise self._error(f"has fortran_order {_quoted(word)}; expected True or False")
            self.fortran_order = word == "True"
        elif key == "shape":
            self.shape = self._sizes()
        else:
            raise self._error(f"has an unknown key {_quoted(key)}")

    def _text_value(self) -> str:
        token = self._next()
        if token[:1] not in ("'", '"'):
            raise self._error("has a type that is not text")
        return token[1:-1]

    def _sizes(self) -> tuple[int, ...]:
        self._expect("(")
        sizes: list[int] = []
        while (token := self._next()) != ")":
            if not token[:1].isdigit():
                raise self._error(f"has {_quoted(token)} in its shape; expected sizes of 0 or more")
            # Python 2 wrote long integers with an L.
            digits = token.removesuffix("L") if self._version < 3 else token
            if not digits.isdigit() or (len(digits) > 1 and digits[0] == "0"):
                raise self._error(f"has {_quoted(token)} in its shape; expected a whole number")
            if len(digits) > _MAX_DIGITS or len(sizes) == _MAX_AXES:
                raise self._error("claims a shape that no array can have")
            sizes.append(int(digits))
            if (token := self._next()) == ")":
                if len(sizes) == 1:
                    raise self._error("has a shape that is not a tuple")
                break
            if token != ",":
                raise self._error(f"has {_quoted(token)} in its shape; expected a comma")
        return tuple(sizes)

    def _ended_by_comma(self) -> bool:
        token = self._next()
        if token not in (",", "}"):
            raise self._error(f"has {_quoted(token)} where a comma or a closing brace was expected")
        return token == ","

    def _expect(self, wanted: str) -> None:
        token = self._next()
        if token != wanted:
            raise self._error(f"has {_quoted(token)} where '{wanted}' was expected")

    def _next(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._error(f"can't be read at byte {self._at}")
        self._at = match.end()
        return match[1]

    def _error(self, what: str) -> DataError:
        return DataError(f"the .npy header {what}", self._path)


def _number_type(descr: str, path: str, stated: str | None) -> tuple[str, bool]:
    order, code = (descr[:1], descr[1:]) if descr[:1] in ("<", ">", "|", "=") else ("=", descr)
    if code[:1] == "O":
        raise PolicyError(
            "holds Python objects, which only pickle can load and which could run code; "
            "save plain numbers instead",
            path,
        )
    name = TYPE_NAMES.get(code, "")
    if stated is not None and not name:
        name = code if code in CODED_BYTES else _unnamed_type(code, descr, path, stated)
    if not name:
        kind = _OTHER_KINDS.get(code[:1], "a type that is not portable")
        raise DataError(
            f"holds {kind} ({_quoted(descr)}); expected bool, integers of up to 64 bits or "
            "float16, float32 or float64",
            path,
        )
    return name, order == ">" and (ITEM_BYTES | CODED_BYTES)[name] > 1


def _unnamed_type(code: str, descr: str, path: str, stated: str) -> str:
    """Return the stated type of numbers whose type the header does not name; empty for others."""
    size = _UNNAMED.get(code)
    if size is None:
        return ""
    fitting = [name for name, bytes_of in CODED_BYTES.items() if bytes_of == size]
    if stated not in fitting:
        ways = " or ".join(setting("dtype_in", name) for name in fitting)
        raise DataError(
            f"holds numbers of {8 * size} bits whose type its header does not name "
            f"({_quoted(descr)}); give {ways}",
            path,
        )
    return stated


def _quoted(text: str) -> str:
    """Quote a short part of a file's text, with control characters escaped."""
    return ascii(text if len(text) <= 20 else text[:20] + "...")


def _not_npy(start: bytes) -> str:
    if not start:
        return "is empty; expected a .npy array"
    seen = look(start)
    if seen is not None:
        return f"is not a .npy array; it looks like {seen.text}"
    return "is not a .npy array: it does not begin with \\x93NUMPY"
