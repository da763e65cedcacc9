"""The examples do what they say: make does what is needed and no more, and jobs are taken up."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cluster.dask import missing_for_dask
from cluster.slurm import Slurm, Task, missing_for_slurm
from command import TAKEN, Completed, environment, onebyone, run
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"

#: Long enough for any machine; what is waited for here takes seconds.
ENDS_S = 120.0

has_slurm = pytest.mark.skipif(bool(missing_for_slurm()), reason=missing_for_slurm())
has_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def times(folder: Path, pattern: str) -> dict[str, int]:
    """When files were changed last."""
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob(pattern))}


# ---------------------------------------------------------------------------------------- make


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile and two stacks of four images each."""
    numbers = np.random.default_rng(1)
    for name in ("one", "two stacks"):
        folder = tmp_path / "stacks" / name.replace(" ", "_")
        folder.mkdir(parents=True)
        for channel in range(4):
            image = Image.fromarray(numbers.integers(0, 255, (6, 5), np.uint8))
            image.save(folder / f"channel {channel}.png")
    shutil.copy(EXAMPLES / "Makefile", tmp_path)
    # Whatever is made is younger, however coarse the clock of the file system is.
    for path in tmp_path.rglob("*"):
        os.utime(path, (1, 1))
    return tmp_path


def make(project: Path, *args: str) -> str:
    done = run(["make", *args], cwd=project)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@has_make
def test_make_does_nothing_the_second_time(project: Path) -> None:
    assert make(project, "-j2").count("onebyone apply") == 2
    before = times(project / "results", "*.npy")
    assert set(before) == {"one.npy", "two_stacks.npy"}
    assert "onebyone" not in make(project)
    assert times(project / "results", "*.npy") == before


@has_make
def test_make_repeats_only_what_depends_on_an_image(project: Path) -> None:
    make(project)
    before = times(project / "results", "*.npy") | times(project, "model.npz")
    os.utime(project / "stacks" / "one" / "channel 2.png")  # which changes no number
    told = make(project)
    after = times(project / "results", "*.npy") | times(project, "model.npz")
    assert told.count("onebyone fit") == 1
    assert told.count("onebyone apply") == 1
    assert {name for name in after if after[name] != before[name]} == {"one.npy"}
    assert "onebyone" not in make(project)


@has_make
def test_make_repeats_all_for_another_model(project: Path) -> None:
    make(project)
    Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5)).save(
        project / "stacks" / "one" / "channel 2.png"
    )
    assert make(project).count("onebyone apply") == 2
    assert "onebyone" not in make(project)


@has_make
def test_make_goes_on_without_a_file_that_was_there(project: Path) -> None:
    make(project)
    for folder in (project / "stacks").iterdir():
        (folder / "channel 3.png").unlink()
    assert make(project).count("onebyone apply") == 2
    make(project, "clean")
    assert {path.name for path in project.iterdir()} == {"Makefile", "stacks"}


# -------------------------------------------------------------------------------------- parallel


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A folder with weights, and scenes with names that a shell must not take apart."""
    numbers = np.random.default_rng(2)
    (tmp_path / "scenes").mkdir()
    np.save(tmp_path / "weights.npy", numbers.random((2, 3), np.float32))
    for name in ("a.npy", "b c.npy", "d'$e;.npy"):
        np.save(tmp_path / "scenes" / name, numbers.random((3, 4, 5), np.float32))
    return tmp_path


@pytest.fixture(params=["parallel", "xargs"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Surroundings with GNU parallel, or with another program of that name."""
    if request.param == "parallel":
        found = run(["bash", "-c", "parallel --version"], cwd=tmp_path)
        if not found.stdout.startswith(b"GNU parallel"):
            pytest.skip("GNU parallel is not installed: apt-get install parallel")
        return environment(HOME=str(tmp_path))
    (tmp_path / "bin").mkdir()
    other = tmp_path / "bin" / "parallel"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    return environment(PATH=f"{tmp_path / 'bin'}:{environment()['PATH']}")


def run_parallel(scenes: Path, tools: dict[str, str]) -> Completed:
    files = sorted(str(path) for path in (scenes / "scenes").iterdir())
    command = [str(EXAMPLES / "parallel.sh"), "weights.npy", "out", *files]
    return run(command, cwd=scenes, env=tools | {"JOBS": "2"})


def test_parallel(scenes: Path, tools: dict[str, str]) -> None:
    assert run_parallel(scenes, tools) == (0, b"", "")
    weights = np.load(scenes / "weights.npy")
    for path in (scenes / "scenes").iterdir():
        wanted = np.einsum("kc,chw->khw", weights, np.load(path))
        np.testing.assert_allclose(np.load(scenes / "out" / path.name), wanted, rtol=1e-5)
    before = times(scenes / "out", "*")
    assert run_parallel(scenes, tools).returncode == 0
    assert times(scenes / "out", "*") == before


def test_parallel_fails_where_one_fails(scenes: Path, tools: dict[str, str]) -> None:
    (scenes / "scenes" / "broken.npy").write_bytes(b"no array")
    done = run_parallel(scenes, tools)
    assert done.returncode != 0
    assert "broken.npy" in done.stderr
    assert len(list((scenes / "out").iterdir())) == 3


def test_parallel_says_how_it_is_called(tmp_path: Path) -> None:
    done = run([str(EXAMPLES / "parallel.sh"), "weights.npy"], cwd=tmp_path)
    assert done == (2, b"", "usage: parallel.sh WEIGHTS FOLDER FILE...\n")


# ------------------------------------------------------------------------------------------ Dask


@pytest.mark.skipif(bool(missing_for_dask()), reason=missing_for_dask())
@pytest.mark.cluster
def test_a_cluster_for_one_job(scenes: Path) -> None:
    stack = sorted((scenes / "scenes").iterdir())[0]
    command = [sys.executable, str(EXAMPLES / "dask_jobqueue.py"), str(stack), "weights.npy"]
    done = run([*command, "out.npy", "1"], cwd=scenes)
    assert done.returncode == 0, done.stderr
    # A worker of Dask may complain behind it that the scheduler ends first.
    assert "out.npy: 2×4×5 float32" in TAKEN.sub("", done.stderr).splitlines()
    plain = onebyone("apply", stack, "-w", "weights.npy", "-o", "plain.npy", cwd=scenes)
    assert plain.returncode == 0, plain.stderr
    assert (scenes / "out.npy").read_bytes() == (scenes / "plain.npy").read_bytes()
    again = run([*command, "out.npy", "1"], cwd=scenes)
    assert again.returncode == 73, again.stderr


# ----------------------------------------------------------------------------------------- Slurm

#: Found by Python at its start: writing takes its time, so that there is time to be stopped.
SLOW = """\
import time
from onebyone_cli.system import blas
blas.set_up()
from onebyone_cli.formats.arrays.writer import ArrayWriter
def slower(write, seconds):
    def slowly(*args):
        write(*args)
        time.sleep(seconds)
    return slowly
ArrayWriter.write = slower(ArrayWriter.write, 0.5)
ArrayWriter.write_run = slower(ArrayWriter.write_run, 0.4)  # of shares, channel by channel
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A folder with weights, three stacks and a list of them; programs are slow there."""
    numbers = np.random.default_rng(3)
    np.save(tmp_path / "weights.npy", numbers.random((8, 4), np.float32))
    names = ["small.npy", "large one.npy", "other.npy"]
    for name in names:
        size = 1200 if name.startswith("large") else 10
        np.save(tmp_path / name, numbers.random((4, size, size), np.float32))
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in names))
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW)
    return tmp_path


@has_slurm
@pytest.mark.cluster
def test_a_slurm_array_is_requeued_and_goes_on(slurm: Slurm, listed: Path) -> None:
    job = slurm.submit(
        "--array=1-3",
        EXAMPLES / "slurm_array.sh",
        "list.txt",
        "weights.npy",
        "out",
        cwd=listed,
        env={
            "CHECKPOINT_EVERY": "0",
            "ONEBYONE_THREADS": "1",
            "PYTHONPATH": str(listed / "slow"),
        },
    )
    wait_for_tiles(listed / "out" / "large one.npy.part.json")
    warned = slurm.run("scancel", "--batch", "--signal=USR1", f"{job}_2", cwd=listed)
    assert warned.returncode == 0, warned.stderr
    ended = slurm.wait(job, ENDS_S)
    logs = {path.name: path.read_text() for path in listed.glob("*.log")}
    assert not any("sitecustomize" in text for text in logs.values()), logs
    assert ended == [
        Task(1, "COMPLETED", 0, 0),
        Task(2, "COMPLETED", 0, 1),
        Task(3, "COMPLETED", 0, 0),
    ], logs
    assert "stopped; run the same command again" in logs[f"onebyone_{job}_2.log"]
    assert {path.name for path in (listed / "out").iterdir()} == {
        "small.npy",
        "large one.npy",
        "other.npy",
    }
    for name in ("small.npy", "large one.npy", "other.npy"):
        done = onebyone("apply", name, "-w", "weights.npy", "-o", "plain.npy", "-f", cwd=listed)
        assert done.returncode == 0, done.stderr
        assert (listed / "out" / name).read_bytes() == (listed / "plain.npy").read_bytes()


@has_slurm
@pytest.mark.cluster
def test_a_slurm_task_that_fails_is_not_requeued(slurm: Slurm, listed: Path) -> None:
    (listed / "list.txt").write_text("missing.npy\n")
    script = EXAMPLES / "slurm_array.sh"
    job = slurm.submit("--array=1", script, "list.txt", "weights.npy", "out", cwd=listed)
    assert slurm.wait(job, ENDS_S) == [Task(1, "FAILED", 66, 0)]


@has_slurm
@pytest.mark.cluster
def test_shards_of_slurm_write_one_output_and_a_last_job_publishes_it(
    slurm: Slurm, listed: Path
) -> None:
    job = slurm.submit(
        "--array=0-2",
        EXAMPLES / "slurm_shards.sh",
        "large one.npy",
        "weights.npy",
        "whole.npy",
        cwd=listed,
        env={"ONEBYONE_THREADS": "1", "PYTHONPATH": str(listed / "slow")},
    )
    last = slurm.submit(
        f"--dependency=afterok:{job}", "--wrap=onebyone merge whole.npy", cwd=listed
    )
    wait_for(listed / "whole.npy.part.1-of-3.json")  # which is there from the beginning
    warned = slurm.run("scancel", "--signal=USR1", f"{job}_1", cwd=listed)
    assert warned.returncode == 0, warned.stderr
    ended = slurm.wait(job, ENDS_S)
    logs = {path.name: path.read_text() for path in listed.glob("*.log")}
    assert not any("sitecustomize" in text for text in logs.values()), logs
    assert ended == [
        Task(0, "COMPLETED", 0, 0),
        Task(1, "COMPLETED", 0, 1),
        Task(2, "COMPLETED", 0, 0),
    ], logs
    slurm.wait(last, ENDS_S)
    done = onebyone("apply", "large one.npy", "-w", "weights.npy", "-o", "plain.npy", cwd=listed)
    assert done.returncode == 0, done.stderr
    assert (listed / "whole.npy").read_bytes() == (listed / "plain.npy").read_bytes()
    assert not list(listed.glob("whole.npy.part*"))


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + ENDS_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def wait_for_tiles(journal: Path) -> None:
    """Wait until a journal tells of tiles that are done."""
    deadline = time.monotonic() + ENDS_S
    while not (journal.exists() and '"written": {"tiles": [[' in journal.read_text()):
        assert time.monotonic() < deadline, f"{journal} never told of a tile"
        time.sleep(0.02)
