"""Endmembers of any orientation, with the names and wavelengths of their file."""

import io

import h5py
import numpy as np
import pytest
from command import onebyone

import onebyone_cli
from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError
from onebyone_cli.weights.endmembers import load_endmembers
from onebyone_cli.weights.load import load_weights

RANDOM = np.random.default_rng(0)
M = RANDOM.uniform(0.1, 1, (12, 3))
NM = np.linspace(400, 2500, 12)
NAMES = ("soil", "leaf", "water")
SPILL = ",In115,Pr141,Nd142\nIn115,1,0.02,0\nPr141,0,1,0.05\nNd142,0.01,0,1\n"


def text_of(rows: np.ndarray, header: str = "", labels: tuple[str, ...] = ()) -> str:
    lines = [",".join(map(repr, row)) for row in rows.tolist()]
    if labels:
        lines = [f"{label},{line}" for label, line in zip(labels, lines, strict=True)]
    return "\n".join(filter(None, [header, *lines])) + "\n"


def savetxt(rows: np.ndarray, header: str = "") -> str:
    out = io.StringIO()
    np.savetxt(out, rows, delimiter=",", header=header, fmt="%.18e")
    return out.getvalue()


WITH_NM = np.c_[NM, M]
NANOMETRES = ",".join(map(repr, NM.tolist()))
#: Text of a file; whether it has names, and wavelengths.
LIBRARIES = {
    "bare": (text_of(M), False, False),
    "turned": (text_of(M.T), False, False),
    "wavelengths": (text_of(WITH_NM), False, True),
    "wavelengths, turned": (text_of(WITH_NM.T), False, True),
    "header": (text_of(M, "soil,leaf,water"), True, False),
    "header and wavelengths": (text_of(WITH_NM, "wavelength,soil,leaf,water"), True, True),
    "header of savetxt": (savetxt(WITH_NM, "wavelength,soil,leaf,water"), True, True),
    "micrometres": (text_of(np.c_[NM / 1000, M], "um,soil,leaf,water"), True, True),
    "labels": (text_of(M.T, "", NAMES), True, False),
    "labels and wavelengths": (text_of(M.T, f"name,{NANOMETRES}", NAMES), True, True),
}


@pytest.mark.parametrize("channels", [12, None])
@pytest.mark.parametrize("kind", LIBRARIES)
def test_libraries(tmp_path, kind, channels):
    text, has_names, has_wavelengths = LIBRARIES[kind]
    (tmp_path / "lib.csv").write_text(text)
    found = load_endmembers(str(tmp_path / "lib.csv"), channels)
    assert found.matrix.tolist() == M.tolist()
    assert found.names == (NAMES if has_names else ())
    assert found.channels == ()
    wavelengths = NM / 1000 if kind == "micrometres" else NM
    assert found.wavelengths == (tuple(wavelengths.tolist()) if has_wavelengths else ())


@pytest.mark.parametrize("unit", [1, 1000])
def test_the_wavelengths_of_the_stack_are_no_endmember(tmp_path, unit):
    path = str(tmp_path / "lib.npy")
    for matrix in (np.c_[NM / unit, M], np.c_[NM / unit, M].T):
        np.save(path, matrix)
        found = load_endmembers(path, 12, tuple(NM))
        assert found.matrix.tolist() == M.tolist()
        assert found.wavelengths == tuple((NM / unit).tolist())
        assert any("equals the wavelengths of the stack" in note for note in found.notes)


def test_a_square_matrix_has_one_endmember_in_each_column(tmp_path):
    (tmp_path / "spill.csv").write_text(SPILL)
    found = load_endmembers(str(tmp_path / "spill.csv"), 3)
    assert found.matrix[:, 1].tolist() == [0.02, 1, 0]
    assert found.names == found.channels == ("In115", "Pr141", "Nd142")
    assert found.notes == ("each column is read as an endmember, each row as a channel",)


def test_neither_side_fits(tmp_path):
    np.save(tmp_path / "lib.npy", M)
    with pytest.raises(ShapeMismatchError, match="has 12 rows and the stack has 7 channels"):
        load_endmembers(str(tmp_path / "lib.npy"), 7)


def fit(folder, *inputs, endmembers="lib.csv"):
    args = ("--method", "unmix", "--endmembers", endmembers, "-f", "-o", "u.npz")
    return onebyone("fit", *inputs, *args, cwd=folder)


@pytest.mark.parametrize("kind", LIBRARIES)
@pytest.mark.parametrize("with_stack", [True, False])
def test_fit_and_apply_name_the_amounts(tmp_path, kind, with_stack):
    text, has_names, _ = LIBRARIES[kind]
    (tmp_path / "lib.csv").write_text(text)
    amounts = RANDOM.uniform(0, 1, (3, 4, 5))
    np.save(tmp_path / "x.npy", np.einsum("cm,mhw->chw", M, amounts))
    done = fit(tmp_path, *["x.npy"] * with_stack)
    assert done.returncode == 0, done.stderr
    assert "12 channels to 3" in done.stderr
    done = onebyone("apply", "x.npy", "-w", "u.npz", "-o", "y.h5:/y", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "y.h5") as file:
        np.testing.assert_allclose(file["y"], amounts, rtol=1e-9, atol=1e-12)
        named = file["y"].attrs.get("channels")
    assert (named is not None) == has_names
    if has_names:
        assert [each.decode() if isinstance(each, bytes) else each for each in named] == list(NAMES)


def test_the_model_knows_the_channels_of_the_file(tmp_path):
    (tmp_path / "spill.csv").write_text(SPILL)
    assert fit(tmp_path, endmembers="spill.csv").returncode == 0
    meta = load_weights(str(tmp_path / "u.npz")).meta
    assert list(meta["channels"]) == list(meta["outputs"]) == ["In115", "Pr141", "Nd142"]
    matrix = load_endmembers(str(tmp_path / "spill.csv")).matrix
    # A stack with its channels in another order, and one more.
    for name, number in (("Nd142", 2), ("Er168", 0), ("In115", 0), ("Pr141", 1)):
        np.save(tmp_path / f"{name}.npy", np.full((2, 2), matrix[number] @ [1.0, 2.0, 3.0]))
    stack = ("Nd142.npy", "Er168.npy", "In115.npy", "Pr141.npy")
    for again in ((), stack):
        assert fit(tmp_path, *again, endmembers="spill.csv").returncode == 0
        done = onebyone("apply", *stack, "-w", "u.npz", "-f", "-o", "y.npy", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.load(tmp_path / "y.npy")[:, 0, 0], [1, 2, 3], rtol=1e-6)


@pytest.mark.parametrize("kind", ["wavelengths", "wavelengths, turned", "micrometres", "names"])
def test_selected_channels_are_found_in_a_library_of_all(tmp_path, kind):
    bands = [f"B{at}" for at in range(12)]
    text = LIBRARIES[kind][0] if kind in LIBRARIES else text_of(M.T, ",".join(["", *bands]), NAMES)
    (tmp_path / "lib.csv").write_text(text)
    amounts = RANDOM.uniform(0, 1, (3, 4, 5))
    cube = np.einsum("cm,mhw->chw", M, amounts)
    cube[4:6] = np.nan
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=cube)
        data.attrs.update({"band_names": bands, "wavelength": NM, "wavelength_units": "nm"})
    done = fit(tmp_path, "x.h5", "--channels", "!4:6")
    assert done.returncode == 0, done.stderr
    done = onebyone("apply", "x.h5", "-w", "u.npz", "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), amounts, rtol=1e-9, atol=1e-12)
    (tmp_path / "lib.csv").write_text(text_of(np.c_[NM + 30, M], "nm,soil,leaf,water"))
    refused = fit(tmp_path, "x.h5", "--channels", "!4:6")
    assert refused.returncode == 65
    assert "has 12 channels and" in refused.stderr


def test_other_methods_need_a_stack(tmp_path):
    for method in ("pca", "random"):
        done = onebyone("fit", "--method", method, "-k", "2", "-o", "m.npz", cwd=tmp_path)
        assert (done.returncode, "no input" in done.stderr) == (2, True)


def test_in_python():
    model = onebyone_cli.fit(None, method="unmix", endmembers=M)
    np.testing.assert_allclose(model.weight @ M, np.eye(3), atol=1e-12)
    with pytest.raises(UsageError, match="no stack"):
        onebyone_cli.fit(None, 2)
    with pytest.raises(DataError, match="not an array of real numbers"):
        onebyone_cli.fit(None, method="unmix", endmembers=[["a"]])
