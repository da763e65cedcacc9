"""Every fault of the text and JSON grammars is refused with its place."""

import pytest

from onebyone_cli.errors import DataError, OneByOneError, ShapeMismatchError
from onebyone_cli.weights.load import load_weights
from onebyone_cli.weights.typed import parse_bias, parse_kernel

# name, contents, where, what
FILES = [
    (
        "w.csv",
        "1,2\n3,4,5\n",
        "line 2, column 5",
        "found 3 numbers in this row, but 2 in the first",
    ),
    ("w.csv", "1,2\n\n3\n", "line 3, column 1", "found 1 number in this row, but 2"),
    ("w.csv", "1,,3\n", "line 1, column 3", "field is empty"),
    ("w.csv", "1, 2,\n", "line 1, column 6", "field is empty"),
    ("w.csv", ",1\n", "line 1, column 1", "field is empty"),
    ("w.csv", "1,2\n3, abc\n", "line 2, column 4", "'abc' is not a number"),
    ("w.csv", "1,2\n3," + "x" * 99, "line 2, column 3", f"'{'x' * 19}…' is not a number"),
    ("w.csv", "1,\x1b[31m\n", "line 1, column 3", r"'\x1b[31m' is not a number"),
    ("w.csv", "red,green\n", "line 1, column 1", "'red' is not a number"),
    ("w.csv", "red,green\n1,2,3\n", "line 1: the header has 2 names", "rows have 3 numbers"),
    ("w.csv", "x,1\n1,2\n", "line 2, column 1", "'1' is no name; rows before it begin with one"),
    ("w.csv", "a,b,c\nx,1,2\ny,3,four\n", "line 3, column 5", "'four' is not a number"),
    ("w.csv", "1,2\nred,green\n", "line 2, column 1", "'red' is not a number"),
    ("w.csv", "0,5;0.25\n", "line 1, column 5", "'0.25' is not a number"),
    ("w.csv", "1,5,2;3\n", "line 1, column 1", "expected semicolons between numbers"),
    ("w.csv", "1.5;2,5\n", "line 1, column 5", "write '.' as the decimal point"),
    ("w.tsv", "1\t0,5\n", "line 1, column 3", "write '.' as the decimal point"),
    ("w.txt", "1 2\n0,5 1\n", "line 2, column 1", "write '.' as the decimal point"),
    ("w.txt", "1,2\n3 4\n", "line 2, column 1", "holds several numbers"),
    ("w.csv", "1,2 3\n", "line 1, column 3", "holds several numbers; expected commas"),
    ("w.tsv", "1\t2 3\n", "line 1, column 3", "expected tabs"),
    ("w.csv", "1,0x10\n", "line 1, column 3", "hexadecimal"),
    ("w.csv", "1,1_000\n", "line 1, column 3", "thousands separators"),
    ("w.csv", "1,1'000'000.5\n", "line 1, column 3", "thousands separators"),
    ("w.csv", "1,1.000.000\n", "line 1, column 3", "thousands separators"),
    ("w.csv", '"1","2"\n', "line 1, column 1", "in quotes"),
    ("w.csv", "1,\u22122\n", "line 1, column 3", "typographic minus"),
    ("w.csv", "1,\u0661\n", "line 1, column 3", "is not a number"),
    ("w.csv", "1,1e\n", "line 1, column 3", "is not a number"),
    ("w.csv", "1,+-1\n", "line 1, column 3", "is not a number"),
    ("w.csv", "1,.\n", "line 1, column 3", "is not a number"),
    ("w.csv", "1,2 # c\n", "line 1, column 3", "is not a number"),
    ("w.csv", "1\r2\n", "line 1, column 1", r"'1\r2' holds a line break"),
    ("w.csv", "1,NaN\n", "line 1, column 3", "'NaN' is not finite"),
    ("w.csv", "1,2\n3,-Infinity\n", "line 2, column 3", "allow_nonfinite="),
    ("w.csv", "1,1e999\n", "line 1, column 3", "'1e999' overflows to infinity"),
    ("w.csv", b"1,\xe92\n", "line 1, column 3", "byte 0xe9 is not UTF-8"),
    ("w.csv", b"\xff\xfe1\x00", "line 1, column 1", "UTF-16"),
    ("w.csv", b"1,2\x00\n", "line 1, column 3", r"'2\x00' is not a number"),
    ("w.csv", "", "", "holds no numbers"),
    ("w.csv", "# only\n\n", "", "holds no numbers"),
    ("w.json", "[[1, 2],\n [3, 4,]]", "line 2, column 8", "not JSON"),
    ("w.json", "[[1, 2]] junk", "line 1, column 10", "Extra data"),
    ("w.json", "", "line 1, column 1", "not JSON"),
    ("w.json", b"[[1,\n \xff]]", "line 2, column 2", "byte 0xff is not UTF-8"),
    ("w.json", "[[1, 2], [3]]", "weight[1]", "has 1 number, but the first row 2"),
    ("w.json", "[[1, 2], [3, true]]", "weight[1][1]", "is true or false; expected a number"),
    ("w.json", '{"weight": [[1], ["2"]]}', "weight[1][0]", "is text ('2')"),
    ("w.json", '{"weight": [[1], [null]]}', "weight[1][0]", "is null"),
    ("w.json", "[[1], [[2]]]", "weight[1][0]", "is a list; expected a number"),
    ("w.json", "[1, 2]", "weight[0]", "expected a row"),
    ("w.json", '{"weight": 3}', "weight", "is a number; expected a list"),
    ("w.json", '{"weight": [[1]], "bias": [1, "x"]}', "bias[1]", "is text"),
    ("w.json", '{"weight": [[1]], "weight": [[2]]}', "", "has the key 'weight' twice"),
    ("w.json", '{"weight": [[1]], "meta": {"a": 1, "a": 2}}', "", "has the key 'a' twice"),
    ("w.json", '{"Weight": [[1]]}', "", "has no 'weight' but 'Weight'"),
    ("w.json", "{}", "", "has no 'weight' but nothing at all"),
    ("w.json", "3", "", "holds a number; expected [[...], [...]]"),
    ("w.json", "[[1, 2], [3, NaN]]", "weight[1][1]", "is nan; expected finite numbers"),
    ("w.json", '{"weight": [[1]], "bias": [-Infinity]}', "bias[0]", "is -inf"),
    ("w.json", "[[1e999]]", "weight[0][0]", "allow_nonfinite="),
    ("w.json", "[[1" + "0" * 5000 + "]]", "weight[0][0]", "is inf"),
    ("w.json", "[" * 1_000_000, "", "nested too deeply"),
    ("w.json", '{"a":' * 100_000, "", "nested too deeply"),
    ("w.json", "[]", "", "shape (0, 0)"),
    ("w.json", "[[], []]", "", "shape (2, 0)"),
]


@pytest.mark.parametrize(("name", "text", "place", "what"), FILES)
def test_file(tmp_path, name, text, place, what):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        load_weights(str(path))
    assert caught.value.path == str(path)
    assert caught.value.message.startswith(place)
    assert what in caught.value.message
    assert caught.value.message.isprintable()


def test_positions_do_not_count_the_bom(tmp_path):
    path = tmp_path / "w.csv"
    path.write_bytes("\ufeff1,x".encode())
    with pytest.raises(DataError, match="line 1, column 3"):
        load_weights(str(path))


def test_bias_of_another_length_in_the_same_file(tmp_path):
    path = tmp_path / "w.json"
    path.write_text('{"weight": [[1]], "bias": [1, 2]}')
    with pytest.raises(ShapeMismatchError, match="but the weight has 1 row"):
        load_weights(str(path))


@pytest.mark.parametrize(("name", "text"), [("w.csv", "1,nan"), ("w.json", "[[1, NaN]]")])
def test_nonfinite_on_request(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    weight = load_weights(str(path), allow_nonfinite=True).weight
    assert repr(weight.tolist()) == "[[1.0, nan]]"


KERNELS = [
    ("", "", "holds no numbers"),
    (" ; ", "", "holds no numbers"),
    ("1 2;3", "row 2, column 1 (character 5)", "found 1 number in this row, but 2"),
    ("1 2;3 4 5", "row 2, column 3 (character 9)", "found 3 numbers"),
    ("1,,2", "row 1, column 2 (character 3)", "field is empty"),
    ("1 2; x 4", "row 2, column 1 (character 6)", "'x' is not a number"),
    ("1;;2", "row 2, column 1 (character 3)", "field is empty"),
    ("1;2;;", "row 3, column 1 (character 5)", "field is empty"),
    ("1 2\n3 4", "row 1, column 2 (character 3)", "rows of a typed matrix are apart by ';'"),
    ("1 inf", "row 1, column 2 (character 3)", "allow_nonfinite="),
    ("1 1e999", "row 1, column 2 (character 3)", "overflows"),
    ("0x10", "row 1, column 1 (character 1)", "hexadecimal"),
]


@pytest.mark.parametrize(("text", "place", "what"), KERNELS)
def test_kernel(text, place, what):
    with pytest.raises(DataError) as caught:
        parse_kernel(text)
    assert caught.value.path == "kernel"
    assert caught.value.message.startswith(place)
    assert what in caught.value.message


BIASES = [
    ("", "holds no numbers"),
    ("1;2", "has 2 rows; expected one, without ';'"),
    ("1 x", "column 2 (character 3): 'x' is not a number"),
    ("nosuch", "no file has this name"),
    ("nan", "allow_nonfinite="),
]


@pytest.mark.parametrize(("text", "what"), BIASES)
def test_bias(text, what):
    with pytest.raises(DataError) as caught:
        parse_bias(text)
    assert caught.value.path == "bias"
    assert what in caught.value.message


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("b.csv", "1,2\n3,4\n", "the bias has shape (2, 2)"),
        ("b.json", "[[1, 2], [3, 4]]", "the bias has shape (2, 2)"),
        ("b.json", '{"weight": [[1]]}', "has no 'bias'"),
        ("b.json", '{"bias": null}', "bias is null"),
        ("b.json", "[]", "expected one number at least"),
        ("b.csv", "1,nan", "allow_nonfinite="),
    ],
)
def test_bias_file(tmp_path, name, text, what):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(OneByOneError) as caught:
        parse_bias(str(path))
    assert what in caught.value.message
    assert caught.value.path == str(path)
