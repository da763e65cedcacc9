"""A job that was killed goes on when the same command is run again, and ends with the same bytes.

The jobs are real processes, small ones that write slowly, so that signals find them at work.
``KILLS=500`` kills that many of them in place of a few, as ``make kills`` does.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import (
    PROGRAM,
    Completed,
    environment,
    files_in,
    onebyone,
    run,
    run_python,
    start_python,
)

from onebyone_cli.commit.unfinished import journal_of, part_of

KILLS = int(os.environ.get("KILLS", "12"))

#: What the program promises, from the signal to the end of the process.
PATIENCE_S = 2.0

#: For a process that is not in a hurry.
DEADLINE_S = 30.0

OLD = b"what was there before"

#: Starts the program, and makes writing so slow that a job takes about so many seconds.
_SLOWLY = """
import os, time
from onebyone_cli.__main__ import main

def pwritev(fd, pieces, offset, write=os.pwritev, rate=float(os.environ["TEST_OF_RUN_RATE"])):
    time.sleep(sum(memoryview(piece).nbytes for piece in pieces) * rate)
    return write(fd, pieces, offset)

os.pwritev = pwritev
main()
"""

#: Height and width of the stacks: 62 tiles.
SIDE = 500


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stacks and weights."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(7)
    stack = rng.normal(size=(5, SIDE, SIDE)).astype(np.float32)
    stack += np.arange(5, dtype=np.float32)[:, None, None] * stack[:1]
    stack[1, ::9, ::7] = -9999
    stack[2, ::11, ::5] = np.nan
    np.save(folder / "stack.npy", stack)
    np.save(folder / "batch.npy", rng.integers(0, 99, (250, 5, 30, 40)).astype(np.uint8))
    np.save(folder / "weights.npy", rng.normal(size=(3, 5)))
    np.save(folder / "other.npy", rng.normal(size=(3, 5)))
    with h5py.File(folder / "packed.h5", "w") as file:
        file.create_dataset("sr", data=np.nan_to_num(100 * stack, nan=-9999).astype("i2"))
        said = {"_FillValue": np.int16(-9999), "scale_factor": 1e-4, "valid_max": np.int16(900)}
        file["sr"].attrs.update({**said, "add_offset": 270.0, "channels": list("abcde")})
    mask = rng.random((SIDE, SIDE)) > 0.1
    np.save(folder / "mask.npy", mask)
    meta = {"weight": rng.normal(size=(2, 4)), "bias": np.zeros(2), "mean": np.full(4, 270.0)}
    np.savez(folder / "named.npz", **meta, channels=list("ecab"))
    return folder


@dataclass(frozen=True)
class Job:
    """A command that can be stopped and run again; it takes some seconds when it is slow."""

    inputs: Path
    folder: Path
    output: str
    options: tuple[str, ...]
    seconds: float = 3.0

    def args(self, *more: str) -> list[str]:
        return [*self.options, "-o", self.output, "--json", *more]

    def start(self, *more: str) -> "subprocess.Popen[bytes]":
        """Start it, slowly."""
        args = self.args("--memory", "2M", "--threads", "2", *more)
        env = environment(TEST_OF_RUN_RATE=str(self.seconds / (3 * 4 * SIDE * SIDE)))
        return start_python(_SLOWLY, *args, cwd=self.folder, env=env)

    def run(self, *more: str) -> Completed:
        """Run it to its end, as fast as it can."""
        return onebyone(*self.args(*more), cwd=self.folder)

    def begin(self, *more: str) -> "subprocess.Popen[bytes]":
        """Start it, and wait until there is a journal with tiles in it."""
        process = self.start("--checkpoint-every", "0", *more)
        deadline = time.monotonic() + DEADLINE_S
        while not self.tiles_done():
            assert process.poll() is None, process.communicate()[1].decode()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return process

    def stop(self, *more: str, number: int = signal.SIGTERM) -> Completed:
        """Run it until there is a journal, and stop it."""
        process = self.begin(*more)
        process.send_signal(number)
        return end(process)

    @property
    def path(self) -> Path:
        return self.folder / self.output

    @property
    def part(self) -> Path:
        return Path(part_of(str(self.path)))

    @property
    def journal(self) -> Path:
        return Path(journal_of(str(self.path)))

    def tiles_done(self) -> int:
        try:
            content = json.loads(self.journal.read_bytes())
        except FileNotFoundError:
            return 0
        return sum(stop - start for start, stop in content["written"]["tiles"])

    def files(self) -> list[str]:
        return files_in(self.folder)


def end(process: "subprocess.Popen[bytes]") -> Completed:
    out, said = process.communicate(timeout=DEADLINE_S)
    return Completed(process.returncode, out, said.decode())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


#: Reported numbers that must not depend on how often a job was stopped.
_COUNTS = ("invalid_pixels", "saturated", "replaced", "moved", "shape", "dtype")


def counts(stdout: bytes) -> dict[str, Any]:
    document = json.loads(stdout)
    return {name: document.get(name) for name in _COUNTS}


JOBS = {
    "npy": ("out.npy", "apply", "stack.npy", "-w", "weights.npy"),
    "hdf5": ("out.h5", "apply", "stack.npy", "-w", "weights.npy"),
    "nodata": (
        *("out.npy", "apply", "stack.npy", "-w", "weights.npy"),
        *("--nodata", "-9999", "--nan-to", "-128", "--dtype", "int8"),
    ),
    "scaled": (
        *("out.h5", "apply", "stack.npy", "-w", "weights.npy"),
        *("--scale", "auto", "--nan-to", "0"),
    ),
    "batch": ("out.npy", "apply", "batch.npy", "-w", "weights.npy"),
    # Packing, names in another order, nodata, a valid range, a selection, a mask and centring.
    **{
        f"everything to {name}": (
            *(f"out.{name}", "apply", "packed.h5", "-w", "named.npz", "--mask", "mask.npy"),
            *("--channels", "!d", "--dtype", "int16", "--scale", "-9,9", "--nan-to", "-1"),
        )
        for name in ("h5", "tif")
    },
    "reduce": ("out.npy", "reduce", "stack.npy", "-k", "3", "--nodata", "-9999"),
}


def make_job(inputs: Path, folder: Path, kind: str = "npy", *more: str) -> Job:
    output, *options = JOBS[kind]
    suffixes = (".npy", ".npz", ".h5")
    named = [str(inputs / word) if word.endswith(suffixes) else word for word in options]
    folder.mkdir(exist_ok=True)
    return Job(inputs, folder, output, (*named, *more))


@pytest.fixture
def job(inputs: Path, tmp_path: Path) -> Job:
    return make_job(inputs, tmp_path / "out")


@pytest.fixture(scope="module", params=list(JOBS))
def undisturbed(
    request: pytest.FixtureRequest, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str, dict[str, Any]]:
    """A kind of job, the digest of its output and what it counts."""
    job = make_job(inputs, tmp_path_factory.mktemp("undisturbed"), request.param)
    done = job.run("--resume", "off")
    assert done.returncode == 0, done.stderr
    return request.param, digest(job.path), counts(done.stdout)


# ------------------------------------------------------------------------------------ random kills

_REQUEUED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU)
_STOPS = [*[signal.SIGKILL] * 4, *_REQUEUED, signal.SIGINT, signal.SIGHUP]


def test_random_kills(
    undisturbed: tuple[str, str, dict[str, Any]], inputs: Path, tmp_path: Path
) -> None:
    kind, wanted, counted = undisturbed
    kills = 0
    while kills < KILLS / len(JOBS):
        job = replace(make_job(inputs, tmp_path / str(kills), kind), seconds=0.5)
        stops, done = kill_until_done(job, random.Random())
        kills += stops
        assert digest(job.path) == wanted
        assert counts(done.stdout) == counted
        assert job.files() == [job.output]
        shutil.rmtree(job.folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_image_with_a_header_beside_it_is_resumed(
    inputs: Path, tmp_path: Path, number: int
) -> None:
    """ENVI: the header appears with the data, and both are those of a run that was not stopped."""
    whole = make_job(inputs, tmp_path / "whole")
    assert replace(whole, output="out.img").run("--resume", "off").returncode == 0
    job = replace(make_job(inputs, tmp_path / "stopped"), output="out.img")
    job.stop(number=number)
    done = job.tiles_done()
    assert done
    assert not {"out.img", "out.hdr"} & set(job.files())
    assert job.run().returncode == 0
    assert job.files() == ["out.hdr", "out.img"]
    for name in job.files():
        assert digest(job.folder / name) == digest(whole.folder / name)


def kill_until_done(job: Job, rng: random.Random) -> tuple[int, Completed]:
    """Run a job again and again, and kill it at random times, until it is done."""
    stops = 0
    while True:
        files, tiles = set(job.files()), job.tiles_done()
        every = rng.choice(["0", "0.05", "0.05", "10"])
        memory, threads = rng.choice(["2M", "3M", "20M"]), rng.choice("124")
        process = job.start(
            *("--checkpoint-every", every, "--memory", memory, "--threads", threads)
        )
        number = rng.choice(_STOPS) if rng.random() < 0.9 else 0
        time.sleep(rng.uniform(0, 1.1 * job.seconds))
        if number:
            process.send_signal(number)
        done = end(process)
        if done.returncode == 0:
            return stops, done
        assert number, done.stderr
        stops += 1
        check_what_is_left(job, done, number, files)
        assert job.path.exists() or job.tiles_done() >= tiles
        if job.path.exists():  # published, and killed before it could say so
            return stops, finish_again(job)


def check_what_is_left(job: Job, done: Completed, number: int, before: set[str]) -> None:
    """The output, nothing, a checkpoint, or what was there; and the status says which."""
    left = set(job.files())
    if "KeyboardInterrupt" in done.stderr:  # Python's own, before the program has begun
        assert left == before
        return
    assert "Traceback" not in done.stderr
    names = {job.output, job.part.name, job.journal.name}
    if number == signal.SIGKILL:
        assert done.returncode == -number
        new = {name for name in left if name.startswith(f"{job.journal.name}.new-")}
        assert len(new) <= 1
        assert left <= names | new
        return
    assert done.returncode == (75 if "stopped" in done.stderr and number in _REQUEUED else -number)
    assert left in (before, set(), {job.output}, {job.part.name, job.journal.name})


def finish_again(job: Job) -> Completed:
    """Have the counts of a job whose output is there."""
    os.rename(job.path, job.path.with_name("there"))
    done = job.run()
    assert done.returncode == 0
    assert digest(job.path) == digest(job.path.with_name("there"))
    os.unlink(job.path.with_name("there"))
    return done


# ------------------------------------------------------------------------------------------ signals


@pytest.mark.parametrize("number", _REQUEUED)
def test_a_signal_of_a_batch_system_leaves_a_checkpoint_at_once(number: int, job: Job) -> None:
    process = job.begin()
    began = time.monotonic()
    process.send_signal(number)
    done = end(process)
    assert time.monotonic() - began < PATIENCE_S
    assert done.returncode == 75
    told = json.loads(done.stdout)["error"]
    assert (told["code"], told["path"]) == (75, "out.npy")
    assert done.stderr == (
        "onebyone: out.npy: stopped; run the same command again to resume, or with --resume "
        "restart to start over\n"
    )
    assert job.files() == ["out.npy.part", "out.npy.part.json"]
    done = job.run()
    assert done.returncode == 0
    # Of a job that two runs have done together nobody knows how fast it was.
    assert json.loads(done.stdout)["bytes_per_second"] is None
    assert json.loads(job.run("--force").stdout)["bytes_per_second"] > 0
    assert job.files() == ["out.npy"]


def test_a_resumed_job_warns_that_no_pixel_is_valid(job: Job) -> None:
    """By what was counted, since it has not seen the numbers."""
    np.save(job.folder / "none.npy", np.zeros((SIDE, SIDE), "u1"))
    masked = replace(job, options=(*job.options, "--mask", "none.npy"))
    masked.stop()
    done = onebyone(*masked.options, "-o", masked.output, cwd=masked.folder)
    assert done.returncode == 0
    assert "warning: no pixel is valid; check NaN, nodata and mask\n" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_who_goes_away_can_come_back(number: int, job: Job) -> None:
    done = job.stop(number=number)
    assert done.returncode == -number
    assert "run the same command again to resume, or with --resume restart" in done.stderr
    assert job.files() == ["out.npy.part", "out.npy.part.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGXCPU])
def test_a_short_job_leaves_nothing(number: int, job: Job) -> None:
    process = job.start()
    wait_for(job.part)
    time.sleep(random.uniform(0, 0.2))
    process.send_signal(number)
    done = end(process)
    assert (done.returncode, done.stderr) == (-number, "")
    assert job.files() == []


def test_what_a_short_job_left_when_it_was_killed_is_cleared(job: Job) -> None:
    process = job.start()
    wait_for(job.part)
    time.sleep(0.1)
    process.kill()
    end(process)
    assert job.files() == ["out.npy.part"]
    wanted = reference(job)
    assert job.run().returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def reference(job: Job) -> str:
    """The digest of what an undisturbed run writes."""
    other = make_job(job.inputs, job.folder.parent / "reference")
    if not other.path.exists():
        assert other.run("--resume", "off").returncode == 0
    return digest(other.path)


#: Starts the program, and has a signal arrive right after some system call.
_SIGNAL_AFTER_CALL = """
import os, signal, time
from onebyone_cli.__main__ import main

name, wanted, number = os.environ["TEST_OF_RUN_CALL"].split()
real, count = getattr(os, name), 0

def call(*args, **options):
    global count
    result = real(*args, **options)
    count += 1
    if count == int(wanted):
        os.kill(os.getpid(), int(number))
    return result

setattr(os, name, call)
main()
"""

#: Calls between which a part file is opened, locked, filled, saved, closed and published.
_CALLS = [
    *(f"open {n}" for n in range(1, 5)),
    *(f"fstat {n}" for n in range(1, 4)),
    *("lstat 1", "lstat 2", "lstat 3", "ftruncate 1", "ftruncate 2", "pwritev 1", "pwritev 20"),
    *("fsync 1", "fsync 2", "replace 1", "replace 2", "dup 1", "close 1", "close 2", "close 3"),
    *("unlink 1", "unlink 2", "unlink 3", "rename 1"),
]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("found", [False, True], ids=["new", "found"])
def test_whatever_is_interrupted(number: int, found: bool, job: Job) -> None:
    wanted = reference(job)
    if found:
        job.stop()
    kept = job.folder.parent / "kept"
    shutil.copytree(job.folder, kept)
    before = job.tiles_done()
    for call in random.sample(_CALLS, min(len(_CALLS), KILLS // 4)):
        env = environment(TEST_OF_RUN_CALL=f"{call} {int(number)}")
        args = job.args("--checkpoint-every", "0")
        process = run_python(_SIGNAL_AFTER_CALL, *args, cwd=job.folder, env=env)
        assert process.returncode in (0, 75, -number), process.stderr
        if number != signal.SIGKILL:
            assert job.files() in ([], ["out.npy"], ["out.npy.part", "out.npy.part.json"]), call
        assert job.path.exists() or job.tiles_done() >= before, call
        if job.path.exists():
            job.path.rename(job.folder.parent / "there")
            assert digest(job.folder.parent / "there") == wanted, call
        assert job.run().returncode == 0
        assert (digest(job.path), job.files()) == (wanted, ["out.npy"]), call
        shutil.rmtree(job.folder)
        shutil.copytree(kept, job.folder)


# ---------------------------------------------------------------------------------- what must agree


def test_restart_discards(job: Job) -> None:
    wanted = reference(job)
    job.stop("--dtype", "float64")
    assert job.run().returncode == 73
    assert job.run("--resume", "restart").returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


def test_an_old_journal_never_speaks_of_new_bytes(job: Job) -> None:
    wanted = reference(job)
    job.stop()
    done = job.tiles_done()
    # Another run begins anew, and is killed before it has anything to save.
    process = job.start("--resume", "restart")
    while job.journal.exists():
        assert process.poll() is None
    process.kill()
    end(process)
    assert done
    assert not job.journal.exists()
    assert job.run().returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


def test_another_command_is_refused_and_told_why(job: Job) -> None:
    job.stop()
    refused(job, "the type of the output was float32 and is float64", "--dtype", "float64")
    refused(job, "nodata was null and is -9999.0", "--nodata", "-9999")
    refused(job, "nan_to was null and is 0.0", "--nan-to", "0")
    refused(job, "the type of the arithmetic was float32 and is", "--compute", "float64")
    refused(job, "the shape of the output was 3 and is 1", "--argmax", "--dtype", "float32")
    refused(job, "the digest of the weights was", "--bias", "1 2 3")
    refused(job, "the digest of the weights was", "--activation", "relu")
    scaled = ("--scale", "0,1", "--dtype", "uint8", "--nan-to", "0")
    refused(job, "the type of the output was float32 and is uint8", *scaled)
    assert job.run().returncode == 0


def refused(job: Job, field: str, *options: str) -> None:
    before = {name: (job.folder / name).read_bytes() for name in job.files()}
    done = job.run(*options)
    assert done.returncode == 73
    assert field in done.stderr
    assert "another command" in done.stderr
    assert "discard it with --resume restart" in done.stderr
    assert done.stderr.count("\n") == 1
    assert {name: (job.folder / name).read_bytes() for name in job.files()} == before


def test_another_input_or_other_weights_are_refused(inputs: Path, tmp_path: Path) -> None:
    own = tmp_path / "inputs"
    shutil.copytree(inputs, own)
    job = make_job(own, tmp_path / "out")
    job.stop()
    shutil.copyfile(own / "other.npy", own / "weights.npy")
    refused(job, "the digest of the weights was")
    shutil.copyfile(inputs / "weights.npy", own / "weights.npy")
    times = os.stat(own / "stack.npy")
    os.utime(own / "stack.npy")
    refused(job, f"the input was {own}/stack.npy of {times.st_size} bytes at 20")
    os.utime(own / "stack.npy", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert job.run().returncode == 0
    assert digest(job.path) == reference(job)


def test_statistics_that_decide_on_centring_are_part_of_a_job(inputs: Path, tmp_path: Path) -> None:
    def save(variance: float) -> None:
        arrays = {"weight": np.ones((1, 5)), "mean": np.full(5, 1e5), "method": "pca"}
        np.savez(own / "w.npz", **arrays, explained_variance=np.array([variance]))

    own = tmp_path / "inputs"
    own.mkdir()
    job = make_job(inputs, tmp_path / "out")
    swapped = tuple(str(own / "w.npz") if "weights" in word else word for word in job.options)
    job = replace(job, options=swapped)
    save(1e20)  # float32 is good enough for scores that vary so much
    job.stop()
    save(1.0)
    refused(job, "what is subtracted first was null and is ")
    save(1e20)
    assert job.run().returncode == 0


#: Starts the program, which gives up when it reads pixels.
_BEFORE_READING = """
import os
from onebyone_cli.__main__ import main
os.preadv = lambda *args: os._exit(3)
main()
"""


def test_reduce_refuses_what_it_can_before_it_learns(inputs: Path, tmp_path: Path) -> None:
    job = make_job(inputs, tmp_path / "out", "reduce")
    job.stop()
    for options, status in (((), 3), (("--nodata", "5"), 73), (("--whiten",), 3)):
        done = run_python(_BEFORE_READING, *job.args(*options), cwd=job.folder)
        assert done.returncode == status
    refused(job, "nodata was -9999.0 and is -9999.0, 5.0", "--nodata", "5")
    refused(job, "the digest of the weights was", "--whiten")
    assert job.run().returncode == 0


def test_another_dataset_of_the_output_is_another_job(inputs: Path, tmp_path: Path) -> None:
    job = make_job(inputs, tmp_path / "out", "hdf5")
    job.stop()
    refused(job, "the output was /data in a file of HDF5", "-o", "out.h5:/a/longer/name")
    refused(job, "the output was /data in a file of HDF5", "--format", "npy")


@pytest.mark.parametrize("sabotage", ["truncated", "not JSON", "cut"])
def test_what_is_damaged_is_refused(sabotage: str, job: Job) -> None:
    wanted = reference(job)
    job.stop()
    if sabotage == "truncated":
        os.truncate(job.journal, job.journal.stat().st_size // 2)
        message = "can't be read as a checkpoint"
    elif sabotage == "not JSON":
        job.journal.write_bytes(b"\x93NUMPY\0")
        message = "can't be read as a checkpoint"
    else:
        os.truncate(job.part, job.part.stat().st_size - 1)
        message = "bytes, and the job that left it wrote"
    done = job.run()
    assert done.returncode == 73
    assert message in done.stderr
    assert "discard it with --resume restart" in done.stderr
    assert job.run("--resume", "restart").returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


# ----------------------------------------------------------------------------------------- two runs


@pytest.mark.parametrize(
    "options",
    [
        (),
        (
            "--resume",
            "restart",
        ),
        ("--force",),
        ("--resume", "restart", "--force"),
    ],
)
def test_a_second_run_is_refused_and_the_first_undisturbed(
    options: tuple[str, ...], job: Job
) -> None:
    wanted = reference(job)
    first = replace(job, seconds=0.5).begin()
    first.send_signal(signal.SIGSTOP)
    second = job.run(*options)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 73
    assert "is being written by another run, which holds" in second.stderr
    assert end(first).returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


def test_of_many_runs_one_wins(job: Job) -> None:
    wanted = reference(job)
    runs = [replace(job, seconds=1).start("--checkpoint-every", "0") for _ in range(4)]
    statuses = sorted(end(each).returncode for each in runs)
    assert statuses == [0, 73, 73, 73]
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


# --------------------------------------------------------------------------------- disks and names


def test_a_full_disk_keeps_the_checkpoint(inputs: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() or run(mount, cwd=tmp_path).returncode:
        pytest.skip("only root can make a disk that is full")
    try:
        job = make_job(inputs, disk / "out")
        process = replace(job, seconds=1).begin()
        filler = disk / "filler"
        fill_up(filler)
        done = end(process)
        assert done.returncode == 74
        assert "No space left on device; free some space or write somewhere else" in done.stderr
        assert "what is done is kept: run the same command again to resume" in done.stderr
        assert job.files() == ["out.npy.part", "out.npy.part.json"]
        tiles = job.tiles_done()
        assert tiles
        # Still full.
        assert job.run().returncode == 74
        assert job.tiles_done() == tiles
        filler.unlink()
        assert job.run().returncode == 0
        other = make_job(inputs, tmp_path / "reference")
        assert other.run().returncode == 0
        assert digest(job.path) == digest(other.path)
        assert job.files() == ["out.npy"]
    finally:
        run(["umount", str(disk)], cwd=tmp_path)


def fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_limit_of_the_size_of_files_is_told_at_once(job: Job) -> None:
    line = 'ulimit -f 1000; exec "$0" "$@"'
    done = run(["bash", "-c", line, PROGRAM, *job.args()], cwd=job.folder)
    assert done.returncode == 74
    assert "ulimit -f" in done.stderr
    assert job.files() == []


def test_without_resume_it_is_as_it_was(job: Job) -> None:
    process = job.start("--resume", "off", "--checkpoint-every", "0")
    deadline = time.monotonic() + DEADLINE_S
    while not any(name.startswith(".out.npy.onebyone-") for name in job.files()):
        assert time.monotonic() < deadline
    time.sleep(0.1)
    process.terminate()
    done = end(process)
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
    assert job.files() == []


@pytest.mark.parametrize("force", [False, True])
def test_killed_between_two_steps_of_publishing(force: bool, job: Job) -> None:
    """Where a file can't be renamed in one step it has both names for a moment."""
    wanted = reference(job)
    job.stop()
    shutil.copyfile(job.folder.parent / "reference" / "out.npy", job.path)
    job.part.unlink()
    os.link(job.path, job.part)
    inode = job.path.stat().st_ino
    done = job.run(*["--force"] * force)
    assert done.returncode == (0 if force else 73)
    assert digest(job.path) == wanted
    if force:
        assert job.path.stat().st_ino != inode
        assert job.files() == ["out.npy"]


def test_a_journal_without_its_part_counts_nothing(job: Job) -> None:
    """As it is left by a kill right after the output has got its name."""
    wanted = reference(job)
    job.stop()
    job.part.unlink()
    process = job.start()
    wait_for(job.part)
    time.sleep(0.2)
    process.kill()
    end(process)
    assert not job.journal.exists()
    # Nor does it get in the way of another command.
    job.stop("--dtype", "float64")
    job.part.unlink()
    assert job.run().returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


def test_the_old_output_stays_until_the_new_one_is_there(job: Job) -> None:
    wanted = reference(job)
    job.path.write_bytes(OLD)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        job.stop("--force", number=number)
        assert job.path.read_bytes() == OLD
    # Without --force it is refused as ever, and the checkpoint stays.
    assert "exists already; use --force" in job.run().stderr
    assert job.run("--force").returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


def test_an_output_that_appears_meanwhile_costs_nothing(job: Job) -> None:
    wanted = reference(job)
    process = replace(job, seconds=0.5).begin()
    job.path.write_bytes(OLD)
    done = end(process)
    assert done.returncode == 73
    assert "has appeared while this was running" in done.stderr
    assert job.path.read_bytes() == OLD
    assert job.run("--force").returncode == 0
    assert (digest(job.path), job.files()) == (wanted, ["out.npy"])


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_other_file(mask: int, job: Job) -> None:
    old = os.umask(mask)
    try:
        job.stop()
        assert job.run().returncode == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(job.path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644])
def test_permissions_of_what_is_replaced_are_kept(mode: int, job: Job) -> None:
    job.path.write_bytes(OLD)
    job.path.chmod(mode)
    job.stop("--force")
    # Nobody may read what is to be private, and a later run has to open it.
    assert stat.S_IMODE(job.part.stat().st_mode) == mode | 0o600
    assert job.run("--force").returncode == 0
    assert stat.S_IMODE(job.path.stat().st_mode) == mode


def test_an_input_is_never_taken_for_what_an_earlier_run_has_left(job: Job) -> None:
    stack = job.inputs / "stack.npy"
    shutil.copyfile(stack, job.part)
    (job.folder / "in.npy").symlink_to("out.npy.part")
    before = digest(job.part)
    options = [word if word != str(stack) else "in.npy" for word in job.options]
    done = onebyone(*options, "-o", "out.npy", cwd=job.folder)
    assert done.returncode == 73
    assert "is an input; an input is never written to" in done.stderr
    assert digest(job.part) == before


@pytest.mark.parametrize("length", [241, 245, 251])
def test_long_names(length: int, inputs: Path, tmp_path: Path) -> None:
    short = make_job(inputs, tmp_path / "out")
    name = "a" * (length - 4) + ".npy"
    job = Job(inputs, short.folder, name, short.options)
    assert job.stop().returncode == 75
    assert len(job.files()) == 2
    assert job.run().returncode == 0
    assert job.files() == [name]
    assert digest(job.path) == reference(job)


def test_memory_is_that_of_any_other_run(inputs: Path, tmp_path: Path) -> None:
    script = """
import os, resource
leave = os._exit
def report(status):
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
    leave(status)
os._exit = report
from onebyone_cli.__main__ import main
main()
"""
    job = make_job(inputs, tmp_path / "out")
    peaks = []
    for options in (["--resume", "off"], ["--checkpoint-every", "0"]):
        command = [sys.executable, "-c", script, *job.options, "-o", "out.npy", "-q", *options]
        done = run(command, cwd=job.folder)
        peaks.append(int(done.stdout) * 1024)
        job.path.unlink()
    assert peaks[1] - peaks[0] < 2 << 20


@pytest.mark.parametrize(("value", "status"), [("nan", 2), ("-1", 2), ("inf", 0), ("1e300", 0)])
def test_strange_times(value: str, status: int, job: Job) -> None:
    done = job.run("--checkpoint-every", value)
    assert done.returncode == status
    assert not re.search("Traceback|bug", done.stderr)
