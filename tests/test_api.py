"""The face for notebooks: the bytes of the command, parts of files, errors, and manners."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import environment, onebyone
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import (
    Array,
    laid_out,
    layouts,
    new_folder,
    numbers,
    numbers_of,
    same_numbers,
    save_npy,
    seeds,
    specs,
    stored,
)

import onebyone_cli
from onebyone_cli import errors
from onebyone_cli.api import apply, fit, open_stack
from onebyone_cli.cli.typer_app import app
from onebyone_cli.errors import OneByOneWarning, ShapeMismatchError
from onebyone_cli.spec import StackSpec
from onebyone_cli.stack.in_memory import ArrayInput

SAMPLES = Path(__file__).parents[1] / "sample_data"


def command(*args: str | Path) -> None:
    """Run the command line in this process."""
    app([*map(str, args), "-q"], standalone_mode=False)


# ------------------------------------------------------------------------------ the same bytes


@given(specs(), layouts, seeds, st.integers(1, 4), st.booleans(), st.data())
def test_apply_gives_what_the_command_writes(
    spec: StackSpec, layout: str, seed: int, k: int, big_endian: bool, data: st.DataObject
) -> None:
    stack = numbers_of(seed, spec)
    weight = numbers(seed + 1, (k, spec.channels), "float64")
    order = data.draw(st.sampled_from("CF"))
    array = stored(stack, layout, order, big_endian=big_endian)
    with new_folder() as folder:
        save_npy(folder / "x.npy", array)
        np.save(folder / "w.npy", weight)
        names = [folder / "x.npy", "-w", folder / "w.npy", "--layout", layout]
        command("apply", *names, "-o", folder / "y.npy")
        wanted = np.load(folder / "y.npy")
        result = apply(array, weight, layout=layout)
        assert same_numbers(result, wanted)
        assert result.tobytes() == wanted.tobytes()
        with open_stack(folder / "x.npy", layout=layout) as opened:
            assert same_numbers(apply(opened, weight), wanted)
        report = apply(array, weight, layout=layout, output=folder / "z.npy")
        assert report.output.shape == wanted.shape
        assert (folder / "z.npy").read_bytes() == (folder / "y.npy").read_bytes()


CHOICES: list[tuple[dict[str, Any], list[str]]] = [
    ({"dtype": "uint8"}, ["--dtype", "uint8"]),
    ({"dtype": np.int16, "bias": [1, -2]}, ["--dtype", "int16", "--bias", "1 -2"]),
    ({"scale": "auto"}, ["--scale", "auto"]),
    ({"scale": (0, 9), "dtype": "uint16"}, ["--scale", "0,9", "--dtype", "uint16"]),
    ({"activation": "softmax"}, ["--activation", "softmax"]),
    ({"argmax": True}, ["--argmax"]),
    ({"compute": "float64", "nodata": 3.0}, ["--compute", "float64", "--nodata", "3"]),
    ({"nodata": 3.0, "nan_to": -1.0}, ["--nodata", "3", "--nan-to", "-1"]),
]


@pytest.mark.parametrize(("options", "flags"), CHOICES)
def test_options_mean_what_they_mean_to_the_command(
    options: dict[str, Any], flags: list[str], tmp_path: Path
) -> None:
    x = np.random.default_rng(5).integers(0, 9, (3, 40, 50)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", np.array([[1, 0.5, -1], [0, 2, 1]]))
    names = [tmp_path / "x.npy", "-w", tmp_path / "w.npy", *flags]
    command("apply", *names, "-o", tmp_path / "y.npy")
    result = apply(x, tmp_path / "w.npy", **options)
    assert same_numbers(result, np.load(tmp_path / "y.npy"))


def test_a_chain_of_a_matrix_a_file_and_a_model() -> None:
    x = np.load(SAMPLES / "flower/flower.npy")
    model = fit(x, 2)
    hidden = [[1.0, 2.0], [3.0, 4.0], [0.0, -1.0]]
    grey = SAMPLES / "flower/grey_rec709.csv"
    together = apply(x, [model, np.array(hidden), grey], activation="relu")
    step = apply(apply(x, model, activation="relu"), hidden, activation="relu")
    assert np.array_equal(together, apply(step, str(grey), activation="relu"))


def test_several_inputs_are_stacked() -> None:
    maps = [SAMPLES / f"digits/digit2_map{number}.npy" for number in (1, 2)]
    wanted = np.load(SAMPLES / "digits/digit2_output.npy")
    arrays = [np.load(name) for name in maps]
    assert np.array_equal(apply(maps, [[1, 1]]), wanted)
    assert np.array_equal(apply(arrays, [[1, 1]]), wanted)
    with open_stack(maps[0]) as first:
        assert np.array_equal(apply([first, arrays[1]], np.ones((1, 2, 1, 1))), wanted)


METHODS: list[tuple[dict[str, Any], list[str]]] = [
    ({"k": 2}, ["-k", "2"]),
    ({}, ["-k", "all"]),
    ({"variance": 0.9, "standardize": True}, ["--variance", "0.9", "--standardize"]),
    ({"k": 2, "whiten": True, "sample": 2000}, ["-k", "2", "--whiten", "--sample", "2000"]),
    ({"method": "svd", "k": 1, "nodata": 255}, ["--method", "svd", "-k", "1", "--nodata", "255"]),
    ({"method": "mnf", "snr": 3.0}, ["--method", "mnf", "--snr", "3"]),
    (
        {"method": "maf", "k": 1, "noise": "right"},
        ["--method", "maf", "-k", "1", "--noise", "right"],
    ),
    ({"method": "ica", "k": 2, "seed": 4}, ["--method", "ica", "-k", "2", "--seed", "4"]),
    ({"method": "random", "k": 5}, ["--method", "random", "-k", "5"]),
]


@pytest.mark.filterwarnings("ignore:nodata=255 occurs nowhere")
@pytest.mark.parametrize(("options", "flags"), METHODS)
def test_a_saved_model_has_the_bytes_of_the_command(
    options: dict[str, Any], flags: list[str], tmp_path: Path
) -> None:
    path = str(SAMPLES / "flower/flower.npy")
    command("fit", path, *flags, "-o", tmp_path / "command.npz")
    fit(path, **options).save(tmp_path / "face.npz")
    assert (tmp_path / "face.npz").read_bytes() == (tmp_path / "command.npz").read_bytes()


def test_labels_masks_and_endmembers(tmp_path: Path) -> None:
    x = np.load(SAMPLES / "flower/flower.npy")
    labels = (x[0] > 99).astype("uint8") + (x[1] > 99)
    np.save(tmp_path / "labels.npy", labels)
    spectra = np.array([[1.0, 0.2], [0.3, 1.0], [0.1, 0.4]])
    np.savetxt(tmp_path / "spectra.csv", spectra, delimiter=",")
    name = SAMPLES / "flower/flower.npy"
    lda = ["--method", "lda", "-k", "1", "--labels", tmp_path / "labels.npy"]
    command("fit", name, *lda, "--mask", tmp_path / "labels.npy", "-o", tmp_path / "lda.npz")
    model = fit(x, 1, method="lda", labels=labels, mask=tmp_path / "labels.npy")
    with np.load(tmp_path / "lda.npz") as wanted:
        assert np.array_equal(model.weight, wanted["weight"])
        assert np.array_equal(model.bias, wanted["bias"])
    unmixed = fit(x, method="unmix", endmembers=spectra)
    assert np.array_equal(
        unmixed.weight, fit(x, method="unmix", endmembers=tmp_path / "spectra.csv").weight
    )
    assert np.allclose(unmixed.weight @ spectra, np.eye(2))


def test_a_model_tells_what_it_learned_and_goes_back() -> None:
    x = np.load(SAMPLES / "flower/flower.npy")
    pixels = x.reshape(3, -1).astype(float)
    model = fit(x)
    assert np.allclose(model.mean, pixels.mean(axis=1))
    assert np.allclose(model.eigenvalues, np.linalg.eigvalsh(np.cov(pixels))[::-1])
    assert np.isclose(model.explained_variance_ratio.sum(), 1)
    assert np.allclose(model.bias, -model.weight @ model.mean)
    assert (model.method, model.pixels, model.invalid_pixels) == ("pca", 120 * 160, 0)
    assert model.scale.tolist() == [1, 1, 1]
    assert repr(model) == "<Model pca: 3 channels to 3>"
    back = model.inverse(model.apply(x), dtype="uint8")
    assert np.array_equal(back, x)


#: Whether numpy was there first, and what the environment said.
ORDERS = [
    ("", {}, True),
    ("import numpy;", {"OPENBLAS_NUM_THREADS": "1"}, True),
    ("import numpy;", {}, False),
]


@pytest.mark.parametrize(("before", "env", "same"), ORDERS)
def test_the_blas_is_set_up_unless_numpy_is_there(
    before: str, env: dict[str, str], same: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.standard_normal((50, 90, 100)).astype("float32"))
    np.save(tmp_path / "w.npy", rng.standard_normal((20, 50)))
    assert onebyone("apply", "x.npy", "-w", "w.npy", "-o", "y.npy", cwd=tmp_path).returncode == 0
    if env:
        from onebyone_cli.system import blas  # what the docstring says is to be set

        env = {**env, **({"OPENBLAS_CORETYPE": "Zen"} if blas._is_zen_3_or_4() else {})}
    code = f"""{before}
import os
seen = dict(os.environ)
import onebyone_cli
result = onebyone_cli.apply("x.npy", "w.npy")
import numpy
numpy.save("z.npy", result)
print(os.environ == seen)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(**env),
        capture_output=True,
        text=True,
        check=True,
    )
    wanted, found = np.load(tmp_path / "y.npy"), np.load(tmp_path / "z.npy")
    assert np.allclose(found, wanted, rtol=1e-4, atol=1e-4)
    if same:
        assert found.tobytes() == wanted.tobytes()
    assert done.stdout == ("True\n" if before else "False\n")


# ------------------------------------------------------------------------------ parts of files


def slices(size: int) -> st.SearchStrategy[Any]:
    ends = st.none() | st.integers(-size - 2, size + 2)
    steps = st.none() | st.integers(-3, 3).filter(bool)
    return st.builds(slice, ends, ends, steps) | st.integers(-size, size - 1)


@st.composite
def indices(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    known = draw(st.integers(0, len(shape)))
    first = draw(st.integers(0, known))
    begin = [draw(slices(size)) for size in shape[:first]]
    if known == len(shape):
        return (*begin, *(draw(slices(size)) for size in shape[first:]))
    end = [draw(slices(size)) for size in shape[len(shape) - (known - first) :]]
    return (*begin, ..., *end)


@given(specs(), layouts, seeds, st.sampled_from(["npy", "contiguous", "chunked"]), st.data())
def test_a_part_of_a_file_is_that_part_of_the_array(
    spec: StackSpec, layout: str, seed: int, kind: str, data: st.DataObject
) -> None:
    stack = numbers_of(seed, spec)
    with new_folder() as folder:
        if kind == "npy":
            path = save_npy(folder / "x.npy", stored(stack, layout, "F"))
        else:
            path = folder / "x.h5"
            with h5py.File(path, "w") as file:
                array = laid_out(stack, layout)
                chunks = tuple(min(2, size) for size in array.shape) if kind == "chunked" else None
                file.create_dataset("x", data=array, chunks=chunks)
        with open_stack(path, layout=layout) as opened:
            assert (opened.shape, opened.dtype, opened.ndim) == (
                stack.shape,
                stack.dtype,
                stack.ndim,
            )
            assert (opened.size, opened.nbytes) == (stack.size, stack.nbytes)
            assert len(opened) == len(stack)
            for _ in range(3):
                index = data.draw(indices(stack.shape))
                assert same_numbers(opened[index], stack[index])
            assert same_numbers(np.asarray(opened), stack)


def test_several_files_are_one_stack(tmp_path: Path) -> None:
    one = numbers(1, (2, 4, 5), "int8")
    two = numbers(2, (3, 4, 5), "uint8")
    np.save(tmp_path / "one.npy", one)
    np.save(tmp_path / "two.npy", two)
    whole = np.concatenate([one, two]).astype("int16")
    with open_stack([tmp_path / "one.npy", str(tmp_path / "two.npy")]) as opened:
        assert opened.dtype == np.int16
        for index in (slice(1, 4), slice(None, None, -2), 3, -1):
            assert np.array_equal(opened[index], whole[index])


def test_images_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.full((4, 5), number, "uint8")).save(tmp_path / f"{number}.png")
    with open_stack(tmp_path) as opened:
        assert opened.channels == ("0", "1", "2")
        assert opened[1, 2, 3] == 1
        assert apply(opened, [[1, 1, 1]]).max() == 3  # and again
        assert opened[2].max() == 2


def test_no_more_is_read_than_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.zeros((50, 60, 70), "float32"))
    read: list[int] = []
    real = os.preadv

    def counting(fd: int, buffers: list[Any], offset: int) -> int:
        read.append(real(fd, buffers, offset))
        return read[-1]

    with open_stack(tmp_path / "x.npy") as opened:
        monkeypatch.setattr(os, "preadv", counting)
        assert opened[3].shape == (60, 70)
        assert sum(read) == 60 * 70 * 4
        read.clear()
        assert opened[:, 10:20, 5].shape == (50, 10)
        assert sum(read) == 50 * 10 * 70 * 4


def test_a_closed_stack_and_a_changed_one(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4)))
    opened = open_stack(tmp_path / "x.npy")
    with (tmp_path / "x.npy").open("ab") as file:
        file.write(b"more")
    with pytest.raises(OSError, match="was changed"):
        opened[0]
    opened.close()
    opened.close()
    with pytest.raises(ValueError, match="was closed"):
        opened[0]


@pytest.mark.parametrize("index", [[0], None, True, np.array([True, False]), 1.0, (0, 0, 0, 0), 2])
def test_other_indices_are_refused(index: Any) -> None:
    with (
        open_stack(SAMPLES / "digits/digit2_output.npy") as opened,
        pytest.raises(IndexError),
    ):
        opened[index]


@given(specs(), seeds)
def test_an_array_of_any_strides(spec: StackSpec, seed: int) -> None:
    stack = numbers_of(seed, spec)
    turned = stack[..., ::-1, ::-1]
    weight = np.eye(spec.channels)
    assert np.array_equal(apply(turned, weight), apply(turned.copy(), weight), equal_nan=True)
    assert ArrayInput(turned).spec == spec


# ------------------------------------------------------------------------------------- errors

X: Array = np.zeros((3, 4, 5), "float32")

FAILURES: list[tuple[Any, type[errors.OneByOneError], type[Exception], str]] = [
    (lambda: apply("no.npy", [[1]]), errors.InputMissingError, FileNotFoundError, "no such file"),
    (lambda: apply(X, "no.npy"), errors.InputMissingError, FileNotFoundError, "no such file"),
    (lambda: apply(X, [[1, 2]]), errors.ShapeMismatchError, ValueError, "array has 3"),
    (lambda: apply(X, [1, 2, 3]), errors.DataError, ValueError, r"reshape it to \(1, 3\)"),
    (lambda: apply(X, [["a"]]), errors.DataError, ValueError, "not an array of real numbers"),
    (lambda: apply(X, [[1, 2, float("nan")]]), errors.DataError, ValueError, "is nan"),
    (lambda: apply(X, []), errors.UsageError, ValueError, "no weights"),
    (lambda: apply([], [[1]]), errors.UsageError, ValueError, "no input"),
    (lambda: apply(X * 1j, [[1, 1, 1]]), errors.DataError, ValueError, "complex64"),
    (lambda: apply(np.ma.masked_all((3, 4, 5)), np.eye(3)), errors.DataError, ValueError, "masked"),
    (lambda: apply(X[0, 0], [[1]]), errors.DataError, ValueError, "a line of 5 numbers"),
    (lambda: apply(3, [[1]]), errors.DataError, ValueError, "can't be made of int"),
    (lambda: apply(X, np.eye(3), layout="WHH"), errors.UsageError, ValueError, "layout=WHH"),
    (lambda: apply(X, np.eye(3), dtype="complex64"), errors.UsageError, ValueError, "complex64"),
    (lambda: apply(X, np.eye(3), compute="half"), errors.UsageError, ValueError, "half"),
    (lambda: apply(X, np.eye(3), memory="much"), errors.UsageError, ValueError, "much"),
    (lambda: apply(X, np.eye(3), threads=0), errors.UsageError, ValueError, "threads=0"),
    (lambda: apply(X, np.eye(3), output="-"), errors.UsageError, ValueError, "name a file"),
    (lambda: apply(X, np.eye(3), output="x.pt"), errors.UsageError, ValueError, "suffix"),
    (lambda: apply(X, np.eye(3), output="no/x.npy"), errors.OutputRefusedError, OSError, "folder"),
    (lambda: apply(X, "w.pt"), errors.PolicyError, OSError, "pickle"),
    (lambda: fit(X, 4), errors.DataError, ValueError, "3 channels, and 4 components"),
    (lambda: fit(X, 0), errors.UsageError, ValueError, "no component"),
    (lambda: fit(X, 1, variance=0.5), errors.UsageError, ValueError, "found k= and variance="),
    (lambda: fit(X, method="magic"), errors.UsageError, ValueError, "magic"),
    (lambda: fit(X, snr=3), errors.UsageError, ValueError, "snr= is for method=mnf, not for pca"),
    (lambda: fit(X, 1, labels=X[0]), errors.UsageError, ValueError, "labels= is for method=lda"),
    (
        lambda: fit(X, 1, seed=1),
        errors.UsageError,
        ValueError,
        "seed= without sample= is",
    ),
    (lambda: fit(X, 1, method="lda"), errors.UsageError, ValueError, "needs labels="),
    (lambda: fit(X, method="unmix"), errors.UsageError, ValueError, "needs endmembers="),
    (lambda: fit(X, method="random"), errors.UsageError, ValueError, "needs k="),
    (lambda: fit(X, 1, method="mnf", noise="up"), errors.UsageError, ValueError, "up"),
    (
        lambda: fit(X, method="unmix", endmembers=np.eye(2)),
        errors.ShapeMismatchError,
        ValueError,
        "one row per channel",
    ),
    (lambda: open_stack("no.h5"), errors.InputMissingError, FileNotFoundError, "no such file"),
    (lambda: open_stack([]), errors.UsageError, ValueError, "no input"),
]


@pytest.mark.parametrize(("do", "ours", "pythons", "words"), FAILURES)
def test_errors_are_ours_and_pythons(
    do: Any,
    ours: type[Exception],
    pythons: type[Exception],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ours, match=words) as one:
        do()
    assert isinstance(one.value, pythons)
    assert isinstance(one.value, onebyone_cli.OneByOneError)
    assert type(one.value).__module__ == "onebyone_cli.errors"
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "y.npy"
    path.write_bytes(b"mine")
    with pytest.raises(OSError, match="exists already"):
        apply(X, np.eye(3), output=path)
    assert path.read_bytes() == b"mine"
    apply(X, np.eye(3), output=path, force=True)
    with pytest.raises(OSError, match="is an input"):
        apply(path, np.eye(3), output=path, force=True)
    assert np.array_equal(np.load(path), X)
    model = fit(np.arange(60.0).reshape(3, 4, 5), 1)
    model.save(tmp_path / "m.npz")
    with pytest.raises(OSError, match="exists already"):
        model.save(tmp_path / "m.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        model.save(tmp_path / "m.npy")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.npz", "y.npy"]


def test_a_matrix_is_no_file_whatever_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("weights", "bias"):
        os.mkdir(name)
        apply(X, np.eye(3), bias=[0, 0, 0], output=f"{name}/y.npy")
        assert np.array_equal(np.load(f"{name}/y.npy"), X)
    np.save("w.npy", np.eye(3))
    with pytest.raises(OSError, match="is an input"):
        apply(X, [np.eye(3), "w.npy"], output="w.npy", force=True)


def test_a_job_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(step: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(X, np.eye(3), output=tmp_path / "y.npy", on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------ manners


def test_nothing_is_said_and_no_signal_touched(capfd: pytest.CaptureFixture[str]) -> None:
    numbers_of_signals = sorted(signal.valid_signals())
    before = [signal.getsignal(number) for number in numbers_of_signals]
    steps: list[tuple[str, int, int]] = []
    apply(X, np.eye(3), on_progress=lambda *step: steps.append(step))
    fit(SAMPLES / "flower/flower.npy", 2)
    assert steps[-1] == ("applying", X.nbytes, X.nbytes)
    assert [signal.getsignal(number) for number in numbers_of_signals] == before
    assert capfd.readouterr() == ("", "")


def run_python(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_package_imports_nothing_before_it_is_asked(tmp_path: Path) -> None:
    code = """
import sys, onebyone_cli
assert "fit" in dir(onebyone_cli) and "api" not in dir(onebyone_cli)
loaded = set(sys.modules) & {"numpy", "typer", "onebyone_cli.api", "onebyone_cli.errors"}
assert not loaded, loaded
onebyone_cli.apply
assert "h5py" not in sys.modules and "PIL" not in sys.modules
"""
    assert run_python(code, tmp_path) == ""


@pytest.mark.parametrize("first", ["import onebyone_cli.learners.pca", "import onebyone_cli", ""])
def test_fit_is_the_function_whatever_was_imported(first: str, tmp_path: Path) -> None:
    code = f"""
{first}
from onebyone_cli import fit
import onebyone_cli.learners.svd, onebyone_cli
assert callable(fit) and onebyone_cli.fit is fit
from onebyone_cli.learners import NAMES, load
assert load("pca").learn
"""
    assert run_python(code, tmp_path) == ""


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="reduce"):
        _ = onebyone_cli.reduce  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------ telling


def test_what_files_say_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(24.0).reshape(2, 3, 4)
        file["x"].attrs["_FillValue"] = 5.0
    with caplog.at_level("INFO", "onebyone_cli"):
        apply(path, [[1.0, 1.0]])
        fit(path, 1)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["nodata 5, from _FillValue"] * 2


def test_doubts_are_warnings_at_the_line_of_the_user(tmp_path: Path) -> None:
    path, here = tmp_path / "x.h5", Path(__file__).name
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(24.0).reshape(2, 3, 4)
        file["x"].attrs["channels"] = ["a", "b"]
    model = fit(path, 1)
    with pytest.warns(OneByOneWarning, match=r"nodata=-9998 occurs nowhere") as found:
        apply(path, model, nodata=-9998)
    assert Path(found[0].filename).name == here
    with h5py.File(path, "a") as file:
        file["x"].attrs["channels"] = ["morning", "evening"]
    with pytest.warns(OneByOneWarning, match=r"none of its channels \(a, b\)"):
        apply(path, model)


def test_tables_of_pixels_are_folded(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    table = x.reshape(3, 20).T
    np.save(tmp_path / "t.npy", table)
    how: dict[str, Any] = {"layout": "NC", "grid": (4, 5)}
    for stack in (table, tmp_path / "t.npy"):
        np.testing.assert_allclose(apply(stack, np.eye(3), **how), x)
        np.testing.assert_array_equal(fit(stack, 1, **how).weight, fit(x, 1).weight)
    with open_stack(tmp_path / "t.npy", **how) as opened:
        np.testing.assert_array_equal(opened[1], x[1])
    with pytest.raises(ShapeMismatchError, match="grid=3x5 is 15"):
        apply(table, np.eye(3), layout="NC", grid=(3, 5))
