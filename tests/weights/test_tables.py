"""What names rows and columns of a table is never taken for weights, nor weights for names."""

import h5py
import numpy as np
import pytest
from command import onebyone

from onebyone_cli.errors import DataError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.load import load_bias, load_weights, read_weights
from onebyone_cli.weights.save import save_weights

LUMA = [[0.2126, 0.7152, 0.0722], [1, 0, -1]]
BODY = "0.2126,0.7152,0.0722\n1,0,-1\n"
RGB = {"channels": ["red", "green", "blue"]}
ROWS = {"outputs": ["luma", "edge"]}
NM = {"wavelengths": [650.5, 550.1, 450.2]}

#: Name of the file, its text, and what beside the matrix is read from it.
TABLES = {
    "bare": ("w.csv", BODY, {}),
    "header": ("w.csv", "red,green,blue\n" + BODY, RGB),
    "header in quotes": ("w.csv", '"red","green" , "blue"\n' + BODY, RGB),
    "comma in a name": (
        "w.csv",
        '"red, far",green,"a ""b"""\n' + BODY,
        {"channels": ["red, far", "green", 'a "b"']},
    ),
    "header in a comment": ("w.csv", "# made today\n#red,green,blue\n" + BODY, RGB),
    "comment of other words": ("w.csv", "# made today by hand, twice\n" + BODY, {}),
    "pandas": ("w.csv", ",red,green,blue\nluma,0.2126,0.7152,0.0722\nedge,1,0,-1\n", RGB | ROWS),
    "pandas, no names": ("w.csv", ",0,1,2\n0,0.2126,0.7152,0.0722\n1,1,0,-1\n", {}),
    "pandas, columns": ("w.csv", ",red,green,blue\n0,0.2126,0.7152,0.0722\n1,1,0,-1\n", RGB),
    "pandas, no index": ("w.csv", "0,1,2\n" + BODY, {}),
    "R": ("w.txt", '"red" "green" "blue"\n"1" 0.2126 0.7152 0.0722\n"2" 1 0 -1\n', RGB),
    "R, names": ("w.txt", "red green blue\nluma 0.2126 0.7152 0.0722\nedge 1 0 -1\n", RGB | ROWS),
    "names of rows alone": ("w.csv", "luma,0.2126,0.7152,0.0722\nedge,1,0,-1\n", ROWS),
    "a corner": ("w.csv", "name,red,green,blue\nluma,0.2126,0.7152,0.0722\nedge,1,0,-1\n",
                 RGB | ROWS),
    "wavelengths": ("nm.csv", "650.5,550.1,450.2\n" + BODY, NM),
    "wavelengths and names": (
        "nm.csv",
        "wavelength,650.5,550.1,450.2\nluma,0.2126,0.7152,0.0722\nedge,1,0,-1\n",
        NM | ROWS,
    ),
    "tabs": ("w.tsv", "red\tgreen\tblue\n0.2126\t0.7152\t0.0722\n1\t0\t-1\n", RGB),
    "tabs in another file": ("w.csv", "far red\tgreen\tblue\n0.2126\t0.7152\t0.0722\n1\t0\t-1\n",
                             {"channels": ["far red", "green", "blue"]}),
    "semicolons": ("w.csv", "red;green;blue\n0.2126;0.7152;0.0722\n1;0;-1\n", RGB),
    "decimal commas": ("w.csv", "red;green;blue\n0,2126;0,7152;0,0722\n1;0;-1\n", RGB),
    "decimal commas, wavelengths": ("w.csv",
                                    ";650,5;550,1;450,2\na;0,2126;0,7152;0,0722\nb;1;0;-1\n",
                                    NM | {"outputs": ["a", "b"]}),
    "blanks": ("w.csv", "red green  blue\n0.2126 0.7152 0.0722\n1 0 -1\n", RGB),
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_names_are_no_weights(tmp_path, kind):
    name, text, known = TABLES[kind]
    (tmp_path / name).write_text(text)
    found = load_weights(str(tmp_path / name))
    assert found.weight.tolist() == LUMA
    assert dict(found.meta) == known


WEIGHTS = [
    "1,2,3\n4,5,6\n",
    "0,1\n1,0\n",
    "0,1\n0.5,0.5\n",
    "0,1,2\n1,1,1\n",
    "0.0,1.0,2.0\n0.2,0.7,0.1\n",
    "0,1,2\n",
    "0\n1\n2\n",
    "0,1\n1,0\n2,5\n",
    "100,200\n0.1,0.2\n",
    "100,200,300\n0.1,0.2,30\n",
    "100,300,200\n0.1,0.2,0.3\n",
    "0.45,0.55,0.65\n0.1,0.9,0.1\n",
    "+100,200,300\n0.1,0.2,0.3\n",
]


@pytest.mark.parametrize("text", WEIGHTS)
def test_weights_are_no_header(tmp_path, text):
    (tmp_path / "w.csv").write_text(text)
    expected = [[float(number) for number in row.split(",")] for row in text.split()]
    assert load_weights(str(tmp_path / "w.csv")).weight.tolist() == expected


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("0,1,2\n" + BODY, "the first row (0 to 2) is taken for a header"),
        ("650.5,550.1,450.2\n" + BODY, "the first row (650.5 to 450.2) is taken for a header"),
        ("450,0.1\n550,0.2\n650,0.1\n", "the first column (450 to 650) is taken for a header"),
        ("0,0.1\n1,0.2\n2,0.1\n", "the first column (0 to 2) is taken for a header"),
        ("nm,soil\n450,0.1\n650,0.1\n", "the first column ('nm') is taken for a header"),
        ("0,1\n0.5,0.5\n", "the first row (0 to 1) is read as numbers of the matrix; if it is"),
        ("0,5;0,25\n", "commas between semicolons are decimal points"),
    ],
)
def test_what_is_not_plain_is_told_once(tmp_path, text, note):
    (tmp_path / "w.csv").write_text(text)
    (found,) = load_weights(str(tmp_path / "w.csv")).notes
    assert found.startswith(note)


def test_apply_tells_and_leaves_the_header_out(tmp_path):
    (tmp_path / "w.csv").write_text("0,1,2\n" + BODY)
    np.save(tmp_path / "x.npy", np.ones((3, 4, 5), "f4"))
    done = onebyone("apply", "x.npy", "-w", "w.csv", "-o", "y.npy", cwd=tmp_path)
    assert done.stderr.count("w.csv: the first row (0 to 2) is taken for a header") == 1
    np.testing.assert_allclose(np.load(tmp_path / "y.npy")[:, 0, 0], [1, 0], atol=1e-7)


def test_a_bias_may_have_names(tmp_path):
    for text in ("bias\n0.5\n-1\n", "luma,0.5\nedge,-1\n", "luma,edge\n0.5,-1\n"):
        (tmp_path / "b.csv").write_text(text)
        assert load_bias(str(tmp_path / "b.csv")).tolist() == [0.5, -1]


def test_what_is_saved_is_never_read_as_a_header(tmp_path):
    row = np.array([[300, 400, 500], [-0.1, 0.2, 0.3]])
    for weight in (row, np.c_[[300, 400, 500], [-1, 2, 1]], np.c_[[200, 150, 100], row.T / 100]):
        weights = ChannelMap(weight, np.zeros(len(weight)), "w")
        for suffix in ("csv", "tsv", "txt"):
            path = str(tmp_path / f"again.{suffix}")
            save_weights(path, weights, force=True)
            assert load_weights(path).weight.tolist() == weight.tolist()


def test_names_go_to_other_formats(tmp_path):
    (tmp_path / "w.csv").write_text(TABLES["pandas"][1])
    for name in ("w.npz", "w.json"):
        done = onebyone("weights", "convert", "w.csv", name, cwd=tmp_path)
        assert "left out" not in done.stderr
        assert dict(load_weights(str(tmp_path / name)).meta) == RGB | ROWS
    assert b"luma" in onebyone("weights", "show", "w.npz", cwd=tmp_path).stdout
    assert read_weights(str(tmp_path / "w.csv")).dtype == "text"


def test_weights_with_names_find_their_channels(tmp_path):
    with open(tmp_path / "w.csv", "w") as file:
        file.write("b,a\n1,0\n")
    for name, value in (("a", 1), ("b", 2)):
        np.save(tmp_path / f"{name}.npy", np.full((2, 3), value, "f4"))
    done = onebyone("apply", "a.npy", "b.npy", "-w", "w.csv", "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 0
    assert (np.load(tmp_path / "y.npy") == 2).all()


def test_a_long_row_of_numbers_costs_no_object_for_each(tmp_path):
    # 3 million numbers; a list of their texts would take 150 MB.
    (tmp_path / "w.csv").write_text(",".join(["0.5"] * 3_000_000))
    assert load_weights(str(tmp_path / "w.csv")).in_channels == 3_000_000


def test_mixed_decimal_points_are_refused(tmp_path):
    (tmp_path / "w.csv").write_text("1;2\n0,5;1\n1.5;2\n")
    with pytest.raises(DataError, match=r"line 3, column 1: '1\.5' is not a number"):
        load_weights(str(tmp_path / "w.csv"))


@pytest.mark.parametrize("unit", [("micrometers", 1.0), ("nanometers", 1e3)])
def test_a_first_row_that_equals_the_wavelengths_of_the_stack_is_a_header(tmp_path, unit):
    name, factor = unit
    waves = [0.45, 0.55, 0.65]
    stack = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("f4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("data", data=stack)
        data.attrs["wavelength"] = [factor * wave for wave in waves]
        data.attrs["wavelength_units"] = name
    (tmp_path / "w.csv").write_text("0.45,0.55,0.65\n1,0,-1\n0,1,0\n")
    (tmp_path / "signed.csv").write_text("+0.45,0.55,0.65\n1,0,-1\n0,1,0\n")
    (tmp_path / "other.csv").write_text("0.45,0.55,0.75\n1,0,-1\n0,1,0\n")
    (tmp_path / "labels.csv").write_text("w,0.45,0.55,0.65\na,1,0,-1\nb,0,1,0\n")
    expected = np.stack([stack[0] - stack[2], stack[1]])
    for weights, rows in (("w", 2), ("labels", 2), ("signed", 3), ("other", 3)):
        words = ("apply", "x.h5", "-w", f"{weights}.csv", "-f", "-o", "y.npy")
        done = onebyone(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = np.load(tmp_path / "y.npy")
        assert found.shape == (rows, 4, 5)
        assert ("equals the wavelengths of the stack" in done.stderr) == (rows == 2)
        np.testing.assert_allclose(found[-2:], expected, rtol=1e-6)
