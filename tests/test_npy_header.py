"""The header of ``.npy`` files: numpy's own is read as it is, a hostile one costs nothing."""

import io
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, dtypes

from onebyone_cli.errors import DataError, PolicyError
from onebyone_cli.npy_header import MAGIC, NpyHeader, format_header, read_header
from onebyone_cli.spec import ITEM_BYTES

#: What the module says it believes, and a little for the fixed part.
MOST_READ = 65536 + 12

PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

shapes = st.lists(st.integers(0, 2**40), max_size=6).map(tuple)
versions = st.sampled_from([(1, 0), (2, 0), (3, 0)])


class Counted:
    """A file that remembers what it was asked for."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self.asked = 0

    def __call__(self, count: int) -> bytes:
        assert count >= 0
        self.asked += count
        return self._file.read(count)


def wrap(text: str | bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """Put a header's text into a file."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8")
    size = 2 if version[0] == 1 else 4
    return MAGIC + bytes(version) + len(raw).to_bytes(size, "little") + raw


def read(data: bytes) -> NpyHeader:
    """Read a header and see to it that no more was asked for than may be believed."""
    file = Counted(data)
    try:
        return read_header(file, "x.npy")
    finally:
        assert file.asked <= MOST_READ


def numpy_header(
    shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool, version: Any
) -> bytes:
    """Have numpy write a header, without the numbers."""
    file = io.BytesIO()
    fields = {
        "shape": shape,
        "fortran_order": fortran,
        "descr": np.lib.format.dtype_to_descr(dtype),
    }
    if version == (1, 0):
        np.lib.format.write_array_header_1_0(file, fields)
    else:
        np.lib.format.write_array_header_2_0(file, fields)
    data = file.getvalue()
    return data[:6] + bytes(version) + data[8:]


def as_numpy_reads(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type according to numpy; raises what numpy raises."""
    file = io.BytesIO(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of headers made by Python 2
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file, max_header_size=MOST_READ)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file, max_header_size=MOST_READ)
        # Version 3 has no public reader of its header: fill in the numbers and load all of it.
        array = np.load(io.BytesIO(data + bytes(1 << 16)), max_header_size=MOST_READ)
        return array.shape, np.isfortran(array), array.dtype


# ------------------------------------------------------------------------ what numpy writes


@given(shapes, dtypes, st.booleans(), st.sampled_from("<>"), versions)
def test_headers_of_numpy_are_read(
    shape: tuple[int, ...], name: str, fortran: bool, order: str, version: tuple[int, int]
):
    data = numpy_header(shape, np.dtype(name).newbyteorder(order), fortran, version)
    header = read(data + b"numbers")
    big = order == ">" and ITEM_BYTES[name] > 1
    assert header == NpyHeader(shape, fortran, name, big, len(data))
    exact = ITEM_BYTES[name]
    for size in shape:
        exact *= size
    assert header.data_bytes == exact


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("name", DTYPES)
def test_files_of_numpy_are_read(name: str, byte_order: str, order: Any, version: tuple[int, int]):
    for axes in range(7):
        shape = tuple(range(2, 2 + axes))
        array = np.zeros(shape, np.dtype(name).newbyteorder(byte_order), order)
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version)
        header = read(file.getvalue())
        assert (header.shape, header.dtype) == (shape, name)
        assert header.fortran_order == (order == "F" and axes > 1)
        assert header.big_endian == (byte_order == ">" and array.dtype.itemsize > 1)
        assert header.data_offset + header.data_bytes == len(file.getvalue())


@given(st.lists(st.integers(0, 4), max_size=12).map(tuple), dtypes)
@example((1, 10, 10, *(1,) * 11), "float32")  # as long as a whole number of 64 bytes
def test_written_headers_are_those_of_numpy_save(shape: tuple[int, ...], name: str):
    file = io.BytesIO()
    array = np.zeros(shape, name)
    np.save(file, array)
    header = format_header(shape, name)
    assert header == file.getvalue()[: len(file.getvalue()) - array.nbytes]
    assert len(header) % 64 == 0


@given(st.lists(st.integers(1, 2**62), max_size=8).map(tuple), dtypes)
def test_written_headers_of_any_size(shape: tuple[int, ...], name: str):
    header = format_header(shape, name)
    assert header == numpy_header(shape, np.dtype(name).newbyteorder("<"), False, (1, 0))
    assert read(header) == NpyHeader(shape, False, name, False, len(header))


# ------------------------------------------------------------------- the hostile catalogue
# Row numbers are those of the catalogue of bad inputs the project works from.


def refused(data: bytes, *words: str, error: type[Exception] = DataError) -> None:
    with pytest.raises(error) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith("x.npy: ")
    assert "pickle=" not in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_row_1_nothing_or_a_few_bytes():
    refused(b"", "is empty")
    whole = wrap(PLAIN)
    for length in range(1, 6):
        refused(whole[:length], "does not begin with")
    for length in range(6, len(whole)):
        refused(whole[:length], "ends inside the .npy header")


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"PK\x03\x04", ".npz"),
        (b"\x80\x04\x95", "a Python pickle"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"II*\x00", "a TIFF file"),
        (b"MM\x00*", "a TIFF file"),
        (b"\x93NUMPZ", "does not begin with"),
        (b"1 2 3\n", "does not begin with"),
    ],
)
def test_row_2_something_else(start: bytes, what: str):
    refused(start + bytes(100), "is not a .npy array", what)


@pytest.mark.parametrize("version", [(4, 0), (0, 0), (1, 1), (2, 1), (3, 1), (255, 255), (0, 1)])
def test_row_3_versions(version: tuple[int, int]):
    refused(wrap(PLAIN, version), f"version {version[0]}.{version[1]}", "expected 1.0, 2.0 or 3.0")


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
@pytest.mark.parametrize("length", [65537, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF])
def test_row_4_a_header_of_4_gib_is_not_read(version: tuple[int, int], length: int):
    asked = 0

    def endless(count: int) -> bytes:
        nonlocal asked
        asked += count
        assert asked <= 12, "asked for a header that can't be believed"
        return (MAGIC + bytes(version) + length.to_bytes(4, "little"))[asked - count : asked]

    with pytest.raises(DataError, match=f"claims {length} bytes"):
        read_header(endless, "x.npy")


@given(versions, st.integers(1, 65536))
def test_row_5_header_longer_than_the_file(version: tuple[int, int], more: int):
    size = 2 if version[0] == 1 else 4
    length = min(len(PLAIN) + more, 65535)
    data = MAGIC + bytes(version) + length.to_bytes(size, "little") + PLAIN.encode()
    refused(data, "ends inside the .npy header", str(10 + size - 2 + length))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 9000,
        "{" * 9000,
        "[" * 60000,
        "-" * 60000,
        PLAIN.replace("(2, 3)", "(" * 4000 + ")" * 4000),
        PLAIN.replace("2", "9" * 9000),
        PLAIN.replace("2", "9" * 20),
        PLAIN.replace("(2, 3)", "(" + "1, " * 20000 + ")"),
        " " * 60000,
        "'" * 60000,
        "{'descr': '" + "<" * 60000 + "'}",
    ],
)
def test_row_6_headers_that_cost_something_to_evaluate(text: str):
    refused(wrap(text, (2, 0)))


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('false')",
        PLAIN.replace("'<f4'", "str('<f4')"),
        PLAIN.replace("'<f4'", "f'<f4'"),
        PLAIN.replace("'<f4'", "b'<f4'"),
        PLAIN.replace("'<f4'", "'<' 'f4'"),
        PLAIN.replace("'<f4'", "'<f' + '4'"),
        PLAIN.replace("(2, 3)", "tuple(x for x in (2, 3))"),
        PLAIN.replace("(2, 3)", "(1 + 1, 3)"),
        PLAIN.replace("(2, 3)", "(2, *(3,))"),
        PLAIN.replace("2", "0x2"),
        PLAIN.replace("2", "1_0"),
        PLAIN.replace("2", "2e0"),
        PLAIN.replace("False", "not True"),
        PLAIN.replace("False", "0"),
        PLAIN.replace("False", "None"),
        PLAIN.replace("False", "'False'"),
        PLAIN.replace("}", "} # comment"),
        PLAIN + ";",
        PLAIN + PLAIN,
        "dict(descr='<f4', fortran_order=False, shape=(2, 3))",
        "('<f4', False, (2, 3))",
    ],
)
def test_row_7_only_a_plain_dict_is_read(text: str):
    refused(wrap(text))


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_row_8_text_that_is_not_utf_8(bad: bytes):
    raw = PLAIN.encode().replace(b"<f4", b"<f4" + bad)
    refused(wrap(raw, (3, 0)), "not UTF-8")
    refused(wrap(raw, (1, 0)), "not portable")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", ["lacks 'descr'"]),
        (PLAIN.replace("'descr': '<f4', ", ""), ["lacks 'descr'"]),
        (PLAIN.replace("'fortran_order': False, ", ""), ["lacks 'fortran_order'"]),
        (PLAIN.replace("'shape': (2, 3), ", ""), ["lacks 'shape'"]),
        (PLAIN.replace("{", "{'extra': 1, "), ["unknown key 'extra'"]),
        (PLAIN.replace("{", "{'shape': (9, 9), "), ["has 'shape' twice"]),
        (PLAIN.replace("{", "{'descr': '|O', "), ["has 'descr' twice"]),
        (PLAIN.replace("}", '"shape": (9, 9)}'), ["has 'shape' twice"]),
        (PLAIN.replace("}", "shape: (9, 9)}"), []),
        (PLAIN.replace("'shape'", "shape"), []),
        (PLAIN.replace("'shape'", "1"), []),
        (PLAIN.replace("'shape'", "'Shape'"), ["unknown key 'Shape'"]),
    ],
)
def test_row_9_keys(text: str, words: list[str]):
    refused(wrap(text), *words)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "\x00" * 20, "{'descr': '<f4", "{'descr': '''", " \\\n{}", "\t\n  {\n", "é", "{,}",
     PLAIN[:-1], PLAIN.replace(",", ""), PLAIN.replace("'shape':", "'shape'"),
     PLAIN.replace("(2, 3)", "(2 3)"), PLAIN.replace("(2, 3)", "(2,, 3)"),
     PLAIN.replace("(2, 3)", "(2, 3"), PLAIN.replace("(2, 3)", "(,)"), PLAIN.replace(", }", ",,}")],
)  # fmt: skip
def test_row_10_garbage(text: str):
    refused(wrap(text))


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_row_11_long_integers_of_python_2(version: tuple[int, int]):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = read(wrap(PLAIN.replace("2, 3", "2L, 3L"), version))
    assert header.shape == (2, 3)


@pytest.mark.parametrize(
    "shape",
    ["[2, 3]", "2", "(2)", "(2.0, 3)", "(True, 3)", "(2, False)", "None", "'2, 3'", "{2, 3}",
     "((2, 3),)", "(2, (3,))", "(2, None)", "(2j, 3)", "(002, 3)", "(2, 03)", "2, 3"],
)  # fmt: skip
def test_row_12_shapes_that_are_no_tuple_of_integers(shape: str):
    refused(wrap(PLAIN.replace("(2, 3)", shape)))


@pytest.mark.parametrize("shape", ["(-1, 4, 4)", "(-2, -3)", "(2, -0)", "(+2, 3)", "(--2, 3)"])
def test_row_13_signs(shape: str):
    refused(wrap(PLAIN.replace("(2, 3)", shape)))


@given(st.lists(st.integers(2**31, 2**63 - 1), min_size=2, max_size=8).map(tuple))
@example((2**32, 2**32, 1))
@example((2**63 - 1,) * 8)
def test_row_14_products_beyond_int64_are_exact(shape: tuple[int, ...]):
    text = PLAIN.replace("(2, 3)", str(shape))
    exact = 4
    for size in shape:
        exact *= size
    assert read(wrap(text)).data_bytes == exact


def test_row_15_a_claim_costs_nothing():
    assert read(wrap(PLAIN.replace("(2, 3)", f"({10**18}, 1, 1)"))).data_bytes == 4 * 10**18
    refused(wrap(PLAIN.replace("(2, 3)", f"({10**19}, 1, 1)")), "no array can have")


def test_row_19_more_axes_than_numpy_has():
    assert len(read(wrap(PLAIN.replace("(2, 3)", str((1,) * 64)))).shape) == 64
    refused(wrap(PLAIN.replace("(2, 3)", str((1,) * 65))), "no array can have")


@pytest.mark.parametrize("descr", ["|O", "O", "<O", ">O", "O8", "|O8", "=O"])
def test_row_24_python_objects(descr: str):
    refused(wrap(PLAIN.replace("<f4", descr)), "Python objects", error=PolicyError)


@pytest.mark.parametrize(
    "descr",
    ["[('a', '<f4')]", "[('a', '<f4'), ('b', '<i2')]", "[('a', '<f4', (3,))]", "('<f4', (3,))",
     "[('a', [('b', '<f4')])]", "[('a', '|O')]", "{'names': ['a'], 'formats': ['<f4']}", "[]"],
)  # fmt: skip
def test_row_25_structured_types(descr: str):
    refused(wrap(PLAIN.replace("'<f4'", descr)))
    refused(wrap(PLAIN.replace("'<f4'", descr).replace("'", '"')))


@pytest.mark.parametrize(
    ("descr", "what"),
    [
        ("|S5", "byte strings"), ("<U5", "text"), ("|V8", "raw bytes"), ("<M8[ns]", "dates"),
        ("<m8[s]", "time spans"), ("|T16", "text"),
        ("<c8", "complex numbers"), (">c16", "complex numbers"), ("<c32", "complex numbers"),
        ("<f16", "not portable"), ("<f12", "not portable"), ("<f1", "not portable"),
        ("<i16", "not portable"), ("<f3", "not portable"), ("|b2", "not portable"),
        ("|V0", "raw bytes"), ("|S0", "byte strings"), ("<U0", "text"),
        ("", "not portable"), ("<", "not portable"), ("float32", "not portable"),
        ("<<f4", "not portable"), ("2<f4", "not portable"), ("<f4,<f4", "not portable"),
        ("(2,)<f4", "not portable"), ("a", "not portable"), ("?", "not portable"),
    ],
)  # fmt: skip
def test_rows_26_28_29_30_other_types(descr: str, what: str):
    refused(wrap(PLAIN.replace("<f4", descr)), what, repr(descr))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("order", ["<", ">", "=", "|", ""])
def test_rows_22_23_27_types_that_are_read(name: str, order: str):
    code = np.dtype(name).str[1:]
    header = read(wrap(PLAIN.replace("<f4", order + code).replace("False", "True")))
    assert (header.dtype, header.fortran_order) == (name, True)
    assert header.big_endian == (order == ">" and ITEM_BYTES[name] > 1)


# ------------------------------------------------------------------------------------ fuzz


def only_known_errors(data: bytes) -> NpyHeader | None:
    try:
        return read(data)
    except (DataError, PolicyError):
        return None


def small(header: NpyHeader) -> bool:
    return math.prod(size or 1 for size in header.shape) <= 1 << 13


def accepted_by_numpy_too(data: bytes) -> None:
    """Whatever is accepted here means the same to numpy: one file never has two meanings."""
    header = only_known_errors(data)
    if header is None or (data[6] == 3 and not small(header)):
        return
    shape, fortran, dtype = as_numpy_reads(data)
    assert header.shape == shape
    assert header.dtype == dtype.newbyteorder("=").name
    if data[6] < 3:
        assert header.fortran_order == fortran
    assert header.big_endian == (dtype.byteorder == ">")


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes):
    only_known_errors(data)
    accepted_by_numpy_too(data)


@given(st.binary(max_size=200), versions)
def test_random_bytes_in_a_wrapping(data: bytes, version: tuple[int, int]):
    accepted_by_numpy_too(wrap(data, version))


PIECES = st.sampled_from(
    ["{", "}", "(", ")", ",", ":", " ", "\n", "'", '"', "'descr'", "'fortran_order'", "'shape'",
     "descr", "shape", "True", "False", "None", "2", "03", "3L", "-1", "1.5", "'<f4'", "'>i8'",
     "'|O'", "[", "]", "\\", "#", "\t", "\x0c", "\x0b", "\x1c", "\x85", "\xa0", "\u2003", "\x00",
     "é", "L", "'''", "u'<f4'", "(2, 3)", "'f4'", "'|b1'", ", ", "\r", "9" * 19]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join), versions)
def test_random_words(text: str, version: tuple[int, int]):
    accepted_by_numpy_too(wrap(text, version))


@given(st.data(), shapes, dtypes, st.booleans(), versions)
def test_mutated_headers(
    data: Any, shape: tuple[int, ...], name: str, fortran: bool, version: tuple[int, int]
):
    text = str({"descr": np.dtype(name).str, "fortran_order": fortran, "shape": shape})
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 3)))
        text = text[:start] + data.draw(st.one_of(st.just(""), PIECES)) + text[stop:]
    accepted_by_numpy_too(wrap(text, version))


@given(st.data(), versions)
def test_flipped_bytes(data: Any, version: tuple[int, int]):
    raw = bytearray(wrap(PLAIN, version))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    accepted_by_numpy_too(bytes(raw))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "text",
    [
        "{descr: '<f4', fortran_order: False, shape: (2, 3)}",
        PLAIN.replace("'shape'", "shape"),
        PLAIN.replace("(2, 3)", "(02, 3)"),
        PLAIN.replace("2", "2L"),
        *(PLAIN.replace(", 'shape'", f",{blank}'shape'") for blank in "\x0b\x1c\x1f\x85\xa0\u2003"),
        "\x0b" + PLAIN,
        PLAIN + "\xa0",
        "\n " + PLAIN,
    ],
)
def test_numpy_would_not_read_it_and_neither_do_we(text: str, version: tuple[int, int]):
    raw = text.encode("utf-8" if version == (3, 0) else "latin-1", "ignore")
    accepted_by_numpy_too(wrap(raw, version))
