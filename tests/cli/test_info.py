"""``onebyone info`` says what numpy and h5py say, and what ``apply`` will say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import Completed, Terminal, environment, onebyone, run, shell
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import DTYPES

from onebyone_cli.errors import DataError
from onebyone_cli.operations.info.archives import inspect_weights
from onebyone_cli.operations.info.stacks import inspect_stack
from onebyone_cli.operations.inputs import Reading


def told(*args: str | Path, cwd: Path, **options: Any) -> list[dict[str, Any]]:
    done = onebyone("info", "--json", *args, cwd=cwd, **options)
    assert (done.returncode, done.stderr) == (0, "")
    paths: list[dict[str, Any]] = json.loads(done.stdout)["paths"]
    return paths


# ------------------------------------------------------------------------------------- stacks


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5),
    st.sampled_from(DTYPES),
    st.sampled_from("<>"),
    st.sampled_from("CF"),
    st.sampled_from(["CHW", "HWC", "HCW"]),
)
def test_a_npy_file_is_told_as_numpy_knows_it(
    tmp_path_factory: pytest.TempPathFactory,
    shape: list[int],
    dtype: str,
    ends: str,
    order: str,
    layout: str,
) -> None:
    path = tmp_path_factory.mktemp("npy") / "stack.npy"
    array = np.zeros(shape, np.dtype(dtype).newbyteorder(ends), order="C" if order == "C" else "F")
    np.save(path, array)
    facts = inspect_stack(str(path), Reading(layout if len(shape) > 2 else "", 0))
    spec, container = facts.spec, facts.container
    assert container.shape == array.shape
    assert spec.dtype == array.dtype.name
    assert container.big_endian == (ends == ">" and array.itemsize > 1)
    # Along a single axis both orders are the same, and numpy says C.
    assert container.fortran_order == (array.flags.f_contiguous and not array.flags.c_contiguous)
    assert spec.data_bytes == array.nbytes == container.stored_bytes
    assert facts.file_bytes == path.stat().st_size
    sizes = dict(zip(container.axes[-3:], array.shape[-3:], strict=True))
    assert (spec.height, spec.width, spec.channels) == (sizes["H"], sizes["W"], sizes.get("C", 1))
    assert spec.batch == array.shape[:-3]
    assert (facts.needs.arithmetic == "float32") == np.can_cast(array.dtype, "f4")


def make_inputs(folder: Path) -> None:
    """The kinds of input that a plan tells apart."""
    rng = np.random.default_rng(3)
    stack = rng.integers(0, 99, (6, 70, 90)).astype(np.uint16)
    np.save(folder / "stack.npy", stack)
    np.save(folder / "wide.npy", stack.astype(">i8"))
    np.save(folder / "batch.npy", stack.reshape(3, 2, 70, 90).astype("f4"))
    with h5py.File(folder / "cube.h5", "w") as file:
        file["plain"] = stack
        file.create_dataset("small", data=stack, chunks=(1, 10, 90), compression="gzip")
        file.create_dataset("tall", data=stack, chunks=(6, 70, 10), compression="lzf")
    (folder / "maps").mkdir()
    for channel, plane in enumerate(stack):
        Image.fromarray(plane).save(folder / "maps" / f"band {channel}.png")


INPUTS = ["stack.npy", "wide.npy", "batch.npy", "cube.h5:plain", "cube.h5:small", "cube.h5:tall"]


@pytest.mark.parametrize("name", [*INPUTS, "maps", "-", "- HWC"])
def test_the_plan_is_that_of_apply(name: str, tmp_path: Path) -> None:
    make_inputs(tmp_path)
    path, _, layout = name.partition(" ")
    chosen = ["--layout", layout or "CHW"]
    pipe = f'cat {"wide.npy" if path == "-" else "/dev/null"} | "$0" "$@"'
    env = environment(ONEBYONE_THREADS="2")
    done = shell(pipe, "info", "--json", path, *chosen, cwd=tmp_path, env=env)
    (facts,) = json.loads(done.stdout)["paths"]
    np.save(tmp_path / "weights.npy", np.eye(facts["channels"]))
    apply = ["apply", path, *chosen, "-w", "weights.npy", "-o", "out.npy", "--dry-run", "--json"]
    done = shell(pipe, *apply, cwd=tmp_path, env=env)
    job = json.loads(done.stdout)
    assert facts["apply"]["plan"] == job["plan"]
    assert facts["apply"]["arithmetic"] == job["arithmetic"]


def test_a_dataset_is_told_as_h5py_knows_it(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    with h5py.File(tmp_path / "cube.h5") as file:
        dataset = file["small"]
        (facts,) = told("cube.h5:/small", cwd=tmp_path)
        assert facts["shape"] == list(dataset.shape)
        assert facts["chunks"] == list(dataset.chunks)
        assert facts["stored_bytes"] == dataset.id.get_storage_size()
        assert facts["filters"] == ["gzip 4"]
        assert (facts["dtype"], facts["dataset"]) == ("uint16", "/small")


def test_a_format_that_tells_nothing_of_its_files_is_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_inputs(tmp_path)
    monkeypatch.setattr("onebyone_cli.formats.hdf5._container", lambda *args, **more: None)
    container = inspect_stack(f"{tmp_path}/cube.h5:small").container
    assert (container.shape, container.axes) == ((6, 70, 90), "CHW")
    assert container.title.startswith("HDF5")


def test_a_folder_tells_the_names_of_channels(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    (facts,) = told("maps", cwd=tmp_path)
    assert facts["channel_names"] == [f"band {channel}" for channel in range(6)]
    assert facts["file_bytes"] == sum(p.stat().st_size for p in (tmp_path / "maps").iterdir())


def test_no_pixel_is_read(tmp_path: Path) -> None:
    # A hole of a tebibyte; reading it would take all day.
    np.save(tmp_path / "stack.npy", np.zeros((1, 1, 1), np.float32))
    path = tmp_path / "huge.npy"
    header = np.lib.format.header_data_from_array_1_0(np.zeros(1, np.float32))
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (256, 1 << 16, 1 << 14)})
        file.truncate(file.tell() + (1 << 40))
    (facts,) = told("huge.npy", cwd=tmp_path)
    assert facts["data_bytes"] == 1 << 40
    assert facts["apply"]["plan"]["total_bytes"] <= 256 << 20


def test_a_stack_that_no_default_plan_fits_is_told_all_the_same(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        # One chunk, larger than what is set aside for decoding.
        shape = (4, 3000, 9000)
        big = file.create_dataset("big", shape, "f4", chunks=shape, compression="gzip")
        big.id.write_direct_chunk((0, 0, 0), b"compressing so many numbers takes seconds")
    (facts,) = told("cube.h5", cwd=tmp_path)
    assert facts["shape"] == [4, 3000, 9000]
    assert facts["apply"]["plan"] is None
    assert "--memory" in facts["apply"]["refusal"]
    assert b"more --memory" in onebyone("info", "cube.h5", "cube.h5", cwd=tmp_path).stdout


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{'descr'"])
def test_damaged_files_are_refused_as_apply_refuses_them(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "stack.npy"
    path.write_bytes(damage)
    with pytest.raises(DataError):
        inspect_stack(str(path))
    by_info = onebyone("info", "stack.npy", cwd=tmp_path)
    by_apply = onebyone("apply", "stack.npy", "--kernel", "1", "-o", "out.npy", cwd=tmp_path)
    assert (by_info.returncode, by_info.stderr) == (by_apply.returncode, by_apply.stderr)


# ------------------------------------------------------------------------------ several paths


def test_one_that_is_missing_does_not_hide_the_others(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    args = ["stack.npy", "bad.npy", "gone.npy", "batch.npy"]
    done = onebyone("info", "--get", "channels", *args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (65, b"6\n2\n")  # that of the first error
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["bad.npy", "gone.npy"]
    document = json.loads(onebyone("info", "--json", *args, cwd=tmp_path).stdout)
    codes = [each.get("error", {}).get("code") for each in document["paths"]]
    assert codes == [None, 65, 66, None]
    assert document["error"] == document["paths"][1]["error"]


def test_quiet_leaves_only_the_status(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", np.zeros((2, 3, 4)))
    assert onebyone("info", "-q", "stack.npy", cwd=tmp_path) == (0, b"", "")
    done = onebyone("info", "-q", "stack.npy", "gone.npy", cwd=tmp_path)
    assert done == (66, b"", "onebyone: gone.npy: no such file or folder\n")


def test_names_write_nothing_to_a_terminal(tmp_path: Path) -> None:
    name = "a\x1b[31m.npy"
    np.save(tmp_path / name, np.zeros((2, 3, 4)))
    for args in ([name], [name, name], ["--json", name]):
        with Terminal() as terminal:
            subprocess.run(
                [sys.executable, "-m", "onebyone_cli", "info", *args],
                cwd=tmp_path,
                env=environment(NO_COLOR="1", TERM="xterm"),
                stdout=terminal.near,
                check=True,
            )
            assert b"\x1b[31m" not in terminal.shown()


# ------------------------------------------------------------------------- weights and moments


def test_weights_of_others_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "strange.npz"
    np.savez(
        path,
        weight=np.eye(2, 3),
        method=np.arange(3),
        channels=np.array(["a", "b"]),
        explained_variance_ratio=np.zeros(7),
        inputs=np.arange(2),
        count=np.arange(4),
    )
    facts = inspect_weights(str(path))
    assert (facts.out_channels, facts.in_channels, facts.has_bias) == (2, 3, False)
    assert (facts.method, facts.explained, facts.channel_names) == ("", (), ())
    assert (facts.inputs, facts.pixels) == ((), None)


def test_a_document_about_strange_weights_is_json(tmp_path: Path) -> None:
    shares = np.array([np.nan, np.inf])
    np.savez(tmp_path / "a.npz", weight=np.eye(2), explained_variance_ratio=shares)
    np.savez(tmp_path / "b.npz", weight=np.eye(2) * 1e200, method=shares, title=shares)
    (tmp_path / "c.json").write_text('{"weight": [[1], [2]], "method": NaN, "count": true}')
    for name in ("a.npz", "b.npz", "c.json"):
        for command in (("info",), ("weights", "show")):
            done = onebyone(*command, "--json", name, cwd=tmp_path)
            assert (done.returncode, done.stderr) == (0, "")
            told = json.loads(done.stdout, parse_constant=pytest.fail)
            told = told["paths"][0] if "paths" in told else told
            assert (told["method"], told["explained_variance_ratio"] or None) == (None, None)


def test_a_model_as_json_tells_what_it_explains(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", weight=np.eye(2), explained_variance_ratio=np.array([0.75, 0.25]))
    assert onebyone("weights", "convert", "m.npz", "m.json", cwd=tmp_path).returncode == 0
    assert inspect_weights(str(tmp_path / "m.json")).explained == (0.75, 0.25)


def test_an_archive_of_nothing_to_read_is_told_as_apply_tells_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-9])
    for name, said in (("other.npz", "holds a line of 3"), ("cut.npz", "is not a whole .npz")):
        done = onebyone("info", name, cwd=tmp_path)
        assert done.returncode == 65
        assert said in done.stderr


def test_a_model_and_moments_remember(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    assert onebyone("fit", "maps", "-k", "2", "-o", "m.npz", cwd=tmp_path).returncode == 0
    assert onebyone("stats", "maps", "--noise", "both", "-o", "p.npz", cwd=tmp_path).returncode == 0
    model, moments = told("m.npz", "p.npz", cwd=tmp_path)
    with np.load(tmp_path / "m.npz") as saved:
        assert model["explained_variance_ratio"] == saved["explained_variance_ratio"].tolist()
    assert (model["method"], model["shape"], model["inputs"]) == ("pca", [2, 6], ["maps"])
    assert moments["holds"] == ["pixels", "differences.lower", "differences.right", "statistics"]
    for each in (model, moments):
        assert each["pixels"] == 70 * 90
        assert each["channel_names"] == [f"band {channel}" for channel in range(6)]


# ------------------------------------------------------------------------------- stopped jobs

#: Starts the program, and stops it at the second slab that it writes.
_STOPPED = """
import os, signal
from onebyone_cli.__main__ import main

calls = []

def pwritev(fd, pieces, offset, write=os.pwritev):
    calls.append(offset)
    if len(calls) == 20:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    return write(fd, pieces, offset)

os.pwritev = pwritev
main()
"""


def stop_a_job(folder: Path) -> list[str]:
    np.save(folder / "stack.npy", np.zeros((2, 500, 500), np.float32))
    job = ["apply", "stack.npy", "--kernel", "1 1; 1 -1", "-o", "out.npy", "--threads", "1"]
    more = ["--memory", "1M", "--checkpoint-every", "0"]
    done: Completed = run([sys.executable, "-c", _STOPPED, *job, *more], cwd=folder)
    assert done.returncode == 75, done.stderr
    return job


def test_a_stopped_job_tells_how_far_it_is(tmp_path: Path) -> None:
    job = stop_a_job(tmp_path)
    plan = json.loads(onebyone(*job, "--dry-run", "--json", cwd=tmp_path).stdout)["plan"]
    journal = json.loads((tmp_path / "out.npy.part.json").read_text())
    done = sum(stop - start for start, stop in journal["written"]["tiles"])
    for name in ("out.npy", "out.npy.part"):
        (facts,) = told(name, cwd=tmp_path)
        assert facts["kind"] == "unfinished"
        assert (facts["path"], facts["part"]) == ("out.npy", "out.npy.part")
        assert facts["tiles"] == -(-500 * 500 // plan["tile_pixels"])
        assert 0 < facts["tiles_done"] == done < facts["tiles"]
        assert (facts["shape"], facts["dtype"]) == ([2, 500, 500], "float32")
        assert "run the same command again" in facts["advice"]
    assert onebyone(*job, cwd=tmp_path).returncode == 0
    assert told("out.npy", cwd=tmp_path)[0]["kind"] == "stack"
    assert onebyone("info", "out.npy.part", cwd=tmp_path).returncode == 66


def test_shards_tell_which_are_missing(tmp_path: Path) -> None:
    # Larger than three of the blocks of a mebibyte that shards are made of.
    np.save(tmp_path / "stack.npy", np.zeros((2, 1100, 1100), np.float32))
    job = ["apply", "stack.npy", "--kernel", "1 1", "-o", "out.npy", "--shard"]
    assert onebyone(*job, "1/3", cwd=tmp_path).returncode == 0
    (facts,) = told("out.npy", cwd=tmp_path)
    assert (facts["shards"], facts["shards_done"], facts["shards_missing"]) == (3, [1], [0, 2])
    assert 0 < facts["tiles_done"] < facts["tiles"]
    assert "run shard 0/3, 2/3, then: onebyone merge out.npy" in facts["advice"]
    for shard in ("0/3", "2/3"):
        assert onebyone(*job, shard, cwd=tmp_path).returncode == 0
    (facts,) = told("out.npy.part", cwd=tmp_path)
    assert facts["tiles_done"] == facts["tiles"]
    assert facts["advice"] == "publish it with: onebyone merge out.npy"
    assert onebyone("merge", "out.npy", cwd=tmp_path).returncode == 0
    assert told("out.npy", cwd=tmp_path)[0]["kind"] == "stack"


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    stop_a_job(tmp_path)
    (tmp_path / "out.npy.part.json").write_text("{}")
    done = onebyone("info", "out.npy.part", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (65, b"")
    assert "can't be read as a checkpoint" in done.stderr


# ----------------------------------------------------------------------------------- metadata


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A packed cube that says a lot."""
    with h5py.File(tmp_path / "l2.h5", "w") as file:
        cube = file.create_dataset("sr", data=np.zeros((4, 5, 6), "i2"))
        cube.attrs.update(
            {
                "_FillValue": np.int16(-9999),
                "missing_value": np.int16(-1),
                "scale_factor": 1e-4,
                "add_offset": -0.1,
                "valid_range": np.array([0, 10000], "i2"),
                "Scale_Factor": np.array([10000.0], "f4"),
                "band_names": ["coastal", "blue", "green", "red"],
                "bbl": [1, 0, 0, 1],
                "units": "1",
                "credit": "somebody " * 30,
                "history": "made\ncorrected",
                "crs_wkt": "PROJCS[...]",
                "GeoTransform": "500000 30 0 4000000 0 -30",
            }
        )
        file["tables/Wavelength"] = np.array([443.0, 482, 562, 655])
        file["tables/Wavelength"].attrs["units"] = "nm"
    return tmp_path


def test_info_tells_what_is_said_and_what_is_done_with_it(scene: Path) -> None:
    done = onebyone("info", "l2.h5", cwd=scene)
    shown = done.stdout.decode()
    assert max(map(len, shown.splitlines())) <= 80
    lines = (line.strip().partition("  ") for line in shown.splitlines()[1:])
    told = {word: text.strip() for word, _, text in lines}
    assert told["channels"] == "4: coastal, blue, green, red (band_names)"
    assert told["wavelengths"] == "443 to 655 nm (/tables/Wavelength)"
    assert told["bad channels"] == "2 of 4: 1:3 (bbl); --channels good leaves them out"
    assert told["nodata"] == "-9999 or -1 (_FillValue, missing_value): used"
    assert told["valid range"] == "0 to 10000 (valid_range): numbers outside are invalid"
    assert told["scale"] == "0.0001, offset -0.1 (scale_factor, add_offset): applied"
    assert told["Scale_Factor"] == "10000: a divisor that no convention defines; not applied"
    assert told["position"].startswith("corner 500000, 4000000, pixels of 30 × 30, PROJCS[...]")
    assert told["history"] == "corrected; 1 more"
    assert told["attributes"].startswith("credit somebody")


def test_a_nodata_value_that_the_type_lacks_is_not_used(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = np.zeros((2, 3, 4), "u1")
        file["cube"].attrs["nodata"] = "-9999"
    done = onebyone("info", "a.h5", cwd=tmp_path)
    assert b"-9999 (nodata): not used, since uint8 can't hold it" in done.stdout


def test_the_document_tells_it_too(scene: Path) -> None:
    (facts,) = told("l2.h5", cwd=scene)
    said = facts["metadata"]
    assert said["nodata"] == [[-9999, -1]]
    assert said["valid_range"] == [[0, 10000]]
    assert (said["scale"], said["offset"]) == ([1e-4], [-0.1])
    assert said["not_applied"] == ["Scale_Factor"]
    assert said["origins"]["wavelengths"] == "/tables/Wavelength"
    assert said["transform"] == [500000, 30, 0, 4000000, 0, -30]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("names", "coastal,blue,green,red"),
        ("wavelengths", "443.0,482.0,562.0,655.0"),
        ("wavelength_unit", "nm"),
        ("bad", "1,2"),
        ("nodata", "-9999:-1"),
        ("valid_range", "0:10000"),
        ("scale", "0.0001"),
        ("offset", "-0.1"),
        ("unit", "1"),
        ("transform", "500000,30,0,4000000,0,-30"),
        ("crs", "PROJCS[...]"),
        ("channels", "4"),
    ],
)
def test_one_field_alone(scene: Path, field: str, value: str) -> None:
    done = onebyone("info", "--get", field, "l2.h5", cwd=scene)
    assert done.stdout.decode() == value + "\n", done.stderr


def test_a_field_that_is_not_said(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4)))
    done = onebyone("info", "--get", "nodata", "x.npy", cwd=tmp_path)
    assert done.returncode == 65
    assert "has no nodata to print" in done.stderr


def test_archives_of_stacks_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 3, 4)), b=np.zeros((5, 6), "u1"))
    np.savez(tmp_path / "one.npz", features=np.zeros((2, 3, 4)), labels=np.zeros(3))
    done = onebyone("info", "two.npz", cwd=tmp_path)
    assert done.stdout.decode().split("\n")[:3] == [
        *("two.npz: NumPy archive of 2 arrays", "  two.npz:a  2×3×4 float64"),
        "  two.npz:b  5×6 uint8",
    ]
    done = onebyone("info", "one.npz", cwd=tmp_path)
    assert "features of one.npz; others are labels" in done.stdout.decode()
    assert "weight" not in done.stdout.decode() + done.stderr
