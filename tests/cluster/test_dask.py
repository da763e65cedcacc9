"""Commands on a Dask cluster give what they give without it, whatever becomes of workers."""

import json
import os
import platform
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from cluster.dask import Dask, missing_for_dask, processes_with, wait_until
from command import TAKEN, Completed, environment, files_in, onebyone, shell, start
from numpy.typing import NDArray

pytestmark = [
    pytest.mark.skipif(bool(missing_for_dask()), reason=missing_for_dask()),
    pytest.mark.cluster,
    pytest.mark.xdist_group("dask"),
]

#: An output of 8 shards: a float64 channel of these has 68 blocks.
SIDE = 3000

APPLY = ("apply", "x.npy", "-w", "w.npy", "--compute", "float64")


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    with Dask(tmp_path_factory.mktemp("dask") / "cluster") as running:
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack, weights, and what must become of them."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(7)
    np.save(folder / "x.npy", make_stack(rng, SIDE))
    np.save(folder / "small.npy", make_stack(rng, SIDE * 3 // 5))
    np.save(folder / "w.npy", rng.normal(size=(1, 3)))
    along = np.arange(SIDE * 3 // 5)
    labels = ((along[:, None] // 200 + along // 300) % 4 - 1).astype(np.int8)
    labels[: SIDE // 4] = 0  # whole shards have no class
    np.save(folder / "labels.npy", labels)
    with h5py.File(folder / "labels.h5", "w") as file:
        file["of/pixels"] = labels
    succeeds(onebyone(*APPLY, "-o", "plain.npy", cwd=folder))
    return folder


def make_stack(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Three channels whose directions differ in variance and in noise, so that none is chance."""
    x = rng.integers(0, [[[4]], [[12]], [[40]]], (3, side, side), np.uint8)
    ramp = (np.arange(side) * 100 // side).astype(np.uint8)
    x[0] += ramp
    x[1] += ramp[:, None] // 2 + x[0] // 4
    return x


@pytest.fixture
def work(data: Path, tmp_path: Path) -> Path:
    """A folder with links to the data."""
    for path in data.iterdir():
        os.link(path, tmp_path / path.name)
    return tmp_path


def succeeds(done: Completed) -> Completed:
    assert done.returncode == 0, done.stderr
    return done


def has_equal_bytes(one: Path, two: Path) -> bool:
    return one.read_bytes() == two.read_bytes()


GIVEN = ["labels.h5", "labels.npy", "plain.npy", "small.npy", "w.npy", "x.npy"]


# ---------------------------------------------------------------------------------- results


def test_an_output_survives_a_killed_worker(work: Path, tmp_path: Path) -> None:
    with Dask(work / "cluster") as dask:
        job = start(*APPLY, "-o", "out.npy", "--scheduler", dask.address, cwd=work)
        with job:
            wait_until("a shard", lambda: is_complete(list(work.glob("out.npy.part.*.json"))))
            victim = dask.workers[0]
            wait_until("a child", lambda: dask.children_of(victim))
            orphans = dask.children_of(victim)
            victim.kill()
            victim.wait()
            wait_until("the orphans to end", lambda: not orphans & dask.children().keys())
            assert job.wait() == 0
            assert job.stderr is not None
            told = job.stderr.read().decode()
        assert TAKEN.sub("", told) == f"out.npy: 1×{SIDE}×{SIDE} float64\n"
        assert not dask.children()
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")
    names = [name for name in files_in(work) if not name.startswith("cluster/")]
    assert names == sorted([*GIVEN, "out.npy"])


def is_complete(journals: list[Path]) -> bool:
    return any('"complete": true' in journal.read_text() for journal in journals)


def test_the_file_of_a_scheduler_tells_where_it_is(dask: Dask, work: Path) -> None:
    where = ("--scheduler-file", dask.scheduler_file)
    succeeds(onebyone(*APPLY, "-o", "out.npy", *where, "--json", cwd=work))
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")
    assert files_in(work) == sorted([*GIVEN, "out.npy"])


def test_workers_of_this_machine(work: Path) -> None:
    done = succeeds(onebyone(*APPLY, "-o", "out.h5", "--workers", "2", "--json", cwd=work))
    assert json.loads(done.stdout)["shards"] == 8
    assert done.stderr == ""
    succeeds(onebyone(*APPLY, "-o", "plain.h5", cwd=work))
    assert has_equal_bytes(work / "out.h5", work / "plain.h5")
    assert files_in(work) == sorted([*GIVEN, "out.h5", "plain.h5"])


def test_workers_of_this_machine_are_reached_from_nowhere_else(work: Path) -> None:
    with start(*APPLY, "-o", "out.npy", "--workers", "2", cwd=work) as job:
        wait_until("a shard", lambda: list(work.glob("out.npy.part.*.json")))
        addresses = listening(job.pid)
        assert job.wait() == 0
    assert addresses <= {"0100007F"}  # 127.0.0.1


def listening(pid: int) -> set[str]:
    """Find the addresses at which a process takes connections, as the system writes them."""
    folder = Path(f"/proc/{pid}")
    opened = {os.readlink(fd) for fd in (folder / "fd").iterdir() if fd.is_symlink()}
    found = set()
    for kind in ("tcp", "tcp6"):
        for line in (folder / "net" / kind).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in opened:
                found.add(words[1].split(":")[0])
    return found


@pytest.mark.parametrize(
    "inputs",
    [
        "x.npy",
        "small.npy --method mnf",
        "small.npy small.npy --each --nodata 3",
        "small.npy --method lda --labels labels.npy",
        "small.npy --method lda --labels labels.h5:/of/pixels --mask labels.npy --nodata 3",
        "small.npy --method ica --seed 5",
        "small.npy small.npy --each --method ica --mask labels.npy",
    ],
)
def test_a_model_is_that_of_one_process(dask: Dask, work: Path, inputs: str) -> None:
    line = ("fit", *inputs.split(), "-k", "2")
    succeeds(onebyone(*line, "-o", "plain.npz", cwd=work))
    succeeds(onebyone(*line, "-o", "model.npz", "--scheduler", dask.address, cwd=work))
    assert are_close(work / "model.npz", work / "plain.npz")


def are_close(one: Path, two: Path) -> bool:
    """Compare models: the arrays to 1e-12 of their largest number, and what they were made of."""
    with np.load(one) as first, np.load(two) as second:
        assert first.files == second.files
        for name in set(first.files) - {"meta"}:
            a, b = first[name], second[name]
            assert np.abs(a - b).max(initial=0) <= 1e-12 * np.abs(b).max(initial=0), name
        return json.loads(str(first["meta"])) == json.loads(str(second["meta"]))


def test_a_model_is_the_same_every_time(dask: Dask, work: Path) -> None:
    """Whoever is done first: the tree has one shape, and so has every shard."""
    line = ("fit", "small.npy", "-k", "2", "--scheduler", dask.address)
    succeeds(onebyone(*line, "-o", "one.npz", cwd=work))
    succeeds(onebyone(*line, "-o", "two.npz", "--memory", "8M", cwd=work))
    assert has_equal_bytes(work / "one.npz", work / "two.npz")


@pytest.mark.parametrize("method", ["pca", "lda --labels labels.npy", "ica --seed 2"])
def test_a_stack_is_reduced_as_in_one_process(dask: Dask, work: Path, method: str) -> None:
    line = ("reduce", "small.npy", "-k", "1", "--compute", "float64", "--method", *method.split())
    succeeds(onebyone(*line, "-o", "one.npy", "--save", "one.npz", cwd=work))
    where = ("--scheduler", dask.address)
    succeeds(onebyone(*line, "-o", "two.npy", "--save", "two.npz", *where, cwd=work))
    assert are_close(work / "two.npz", work / "one.npz")
    one, two = np.load(work / "one.npy"), np.load(work / "two.npy")
    assert np.abs(one - two).max() <= 1e-12 * np.abs(one).max()
    made = ["one.npy", "one.npz", "two.npy", "two.npz"]
    assert files_in(work) == sorted([*GIVEN, *made])


@pytest.mark.parametrize(
    "line",
    [
        'apply x.npy --kernel "1e8 1e8 1e8" --dtype int32 --nodata 3',
        "reduce x.npy -k 1 --dtype int32 --scale -9,9 --nodata 3",
    ],
)
def test_what_is_counted_is_what_one_process_counts(dask: Dask, work: Path, line: str) -> None:
    words = (*shlex.split(line), "-o", "out.npy", "--force")
    where = ("--scheduler", dask.address)
    plain, on_cluster = (succeeds(onebyone(*words, *more, cwd=work)) for more in ((), where))
    for what in ("invalid pixels", "values saturated", "values filled in for NaN"):
        assert what in plain.stderr
    assert TAKEN.sub("", on_cluster.stderr) == TAKEN.sub("", plain.stderr)
    one, many = (
        json.loads(succeeds(onebyone(*words, *more, "--json", cwd=work)).stdout)
        for more in ((), where)
    )
    assert many.pop("shards", 4) == 4  # reduce does not say
    assert one.keys() == many.keys()
    for name in ("shape", "dtype", "invalid_pixels", "saturated", "replaced", "changed"):
        assert many[name] == one[name]


def test_an_equal_output_is_left_alone(dask: Dask, work: Path) -> None:
    def told(*more: str) -> str:
        line = (*APPLY, "-o", "out.npy", "--if-changed", "--scheduler", dask.address, *more)
        return TAKEN.sub("", succeeds(onebyone(*line, cwd=work)).stderr)

    made = f"out.npy: 1×{SIDE}×{SIDE} float64"
    assert told() == f"{made}\n"
    os.utime(work / "out.npy", (1, 1))
    assert told("--fsync") == f"{made}, unchanged\n"
    assert (work / "out.npy").stat().st_mtime == 1
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")
    assert told("--bias", "1") == f"{made}\n"
    assert not has_equal_bytes(work / "out.npy", work / "plain.npy")
    assert files_in(work) == sorted([*GIVEN, "out.npy"])


def test_statistics_are_those_of_one_process(dask: Dask, work: Path) -> None:
    mask = np.zeros(np.load(work / "small.npy", mmap_mode="r").shape[1:], np.uint8)
    mask[100:900] = 1
    np.save(work / "mask.npy", mask)
    line = ("stats", "small.npy", "--mask", "mask.npy", "--noise", "both")
    one = succeeds(onebyone(*line, "-o", "one.npz", cwd=work))
    two = succeeds(onebyone(*line, "-o", "two.npz", "--scheduler", dask.address, cwd=work))
    assert two.stdout == one.stdout
    told = TAKEN.sub("", one.stderr).replace("one.npz", "two.npz")
    assert TAKEN.sub("", two.stderr) == told
    model = ("-k", "1", "--method", "maf")
    succeeds(onebyone("fit", "one.npz", *model, "-o", "first.npz", cwd=work))
    succeeds(onebyone("fit", "two.npz", *model, "-o", "second.npz", cwd=work))
    assert are_close(work / "second.npz", work / "first.npz")


# ----------------------------------------------------------------------------------- errors


def test_an_error_of_a_worker_is_that_of_the_command(dask: Dask, work: Path) -> None:
    x = np.zeros((1, SIDE, 2 * SIDE), np.float32)
    x[0, SIDE - 500, 7] = np.nan
    np.save(work / "nan.npy", x)
    line = ("apply", "nan.npy", "--kernel", "1", "--dtype", "int32", "-o", "out.npy")
    plain = onebyone(*line, cwd=work)
    done = onebyone(*line, "--scheduler", dask.address, cwd=work)
    assert (done.returncode, done.stderr) == (65, plain.stderr)
    wait_until("the children to end", lambda: not dask.children())
    assert files_in(work) == sorted([*GIVEN, "nan.npy"])


def test_a_worker_that_does_not_see_a_file_says_who_it_is(dask: Dask, work: Path) -> None:
    raw = ("--raw", "--shape", "1,6000,6000", "--dtype-in", "u1", "--kernel", "1")
    (work / "x.raw").write_bytes(bytes(6000 * 6000))
    line = '"$0" "$@" 9< x.raw'  # a file for whoever has this descriptor, and for nobody else
    where = ("--scheduler", dask.address)
    done = shell(line, "apply", "/dev/fd/9", *raw, "-o", "out.npy", *where, cwd=work)
    assert done.returncode == 66, done.stderr
    assert "/dev/fd/9: no such file or folder" in done.stderr
    assert f"(on the worker {platform.node()}; all workers must see the files" in done.stderr
    assert not (work / "out.npy").exists()


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        (("--scheduler", "tcp://127.0.0.1:9"), 69, "tcp://127.0.0.1:9: no scheduler answers"),
        (("--scheduler", "nothing://here"), 69, "nothing://here: no scheduler answers"),
        (("--scheduler-file", "none.json"), 66, "none.json: no such file or folder"),
        (("--scheduler-file", "x.npy"), 65, "x.npy: holds no address"),
    ],
)
def test_a_scheduler_that_is_not_there(
    work: Path, address: tuple[str, str], status: int, told: str
) -> None:
    done = onebyone(*APPLY, "-o", "out.npy", *address, cwd=work)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
    assert done.stderr.startswith(f"onebyone: {told}")
    assert files_in(work) == GIVEN


def test_a_cluster_without_workers_is_waited_for(work: Path) -> None:
    with Dask(work / "cluster", workers=0) as dask:
        log = work / "log.txt"
        with log.open("wb") as err:
            job = start(*APPLY, "-o", "out.npy", "--scheduler", dask.address, cwd=work, stderr=err)
        with job:
            wait_until("it to be said", lambda: "has no workers; waiting" in log.read_text())
            dask.add_worker()
            assert job.wait() == 0, log.read_text()
        assert log.read_text().count("has no workers") == 1
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")


def test_a_scheduler_that_is_lost(work: Path) -> None:
    with Dask(work / "cluster", workers=0) as dask:
        log = work / "log.txt"
        with log.open("wb") as err:
            where = ("--scheduler", dask.address)
            job = start(*APPLY, "-o", "out.npy", *where, cwd=work, stderr=err)
        with job:
            wait_until("the connection", lambda: "has no workers" in log.read_text())
            dask.stop_scheduler()
            assert job.wait() == 69, log.read_text()
        assert "the scheduler was lost; what is done is kept" in log.read_text()


def test_a_shard_that_ends_its_workers_is_given_up(work: Path) -> None:
    none_too_many = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with Dask(work / "cluster", workers=1, **none_too_many) as dask:
        with start(*APPLY, "-o", "out.npy", "--scheduler", dask.address, cwd=work) as job:
            wait_until("a child", dask.children)
            dask.workers[0].kill()
            dask.workers[0].wait()
            dask.add_worker()
            assert job.wait() == 69
            assert job.stderr is not None
            told = job.stderr.read().decode()
        assert "one worker after another was lost" in told, told
        succeeds(onebyone(*APPLY, "-o", "out.npy", "--scheduler", dask.address, cwd=work))
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")


# --------------------------------------------------------------------------------- stopping


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 75)]
)
def test_a_job_that_is_stopped_goes_on(dask: Dask, work: Path, number: int, status: int) -> None:
    line = (*APPLY, "-o", "out.npy")
    with start(*line, "--scheduler", dask.address, cwd=work) as job:
        wait_until("a shard", lambda: is_complete(list(work.glob("out.npy.part.*.json"))))
        job.send_signal(number)
        assert job.wait() == status
        assert job.stderr is not None
        told = job.stderr.read().decode()
    assert told.startswith("onebyone: out.npy: stopped; run the same command again")
    assert not dask.children()
    assert (work / "out.npy.part").exists()
    other = onebyone(*line, "--bias", "1", "--workers", "1", cwd=work)
    assert (other.returncode, "of another command" in other.stderr) == (73, True), other.stderr
    succeeds(onebyone(*line, "--workers", "3", cwd=work))
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")
    assert files_in(work) == sorted([*GIVEN, "out.npy"])


@pytest.mark.parametrize("on_cluster", [True, False])
def test_nothing_runs_on_for_a_command_that_was_killed(
    dask: Dask, work: Path, on_cluster: bool
) -> None:
    where = ("--scheduler", dask.address) if on_cluster else ("--workers", "2")
    mark = f"TEST_KILLED={work}"
    name, value = mark.split("=")
    env = environment(**{name: value})
    with start(*APPLY, "-o", "out.npy", *where, cwd=work, env=env) as job:
        wait_until("a shard", lambda: is_complete(list(work.glob("out.npy.part.*.json"))))
        job.kill()
    wait_until("the children to end", lambda: not (dask.children() or processes_with(mark)))
    succeeds(onebyone(*APPLY, "-o", "out.npy", *where, cwd=work))
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")


@pytest.mark.parametrize("index", [0, 5])
def test_shards_of_another_command_are_refused_before_any_is_begun(work: Path, index: int) -> None:
    succeeds(onebyone(*APPLY, "-o", "out.npy", "--shard", f"{index}/8", cwd=work))
    before = files_in(work)
    line = (*APPLY, "-o", "out.npy", "--workers", "2")
    other = onebyone(*line, "--bias", "1", cwd=work)
    assert (other.returncode, "of another command" in other.stderr) == (73, True), other.stderr
    assert files_in(work) == before
    succeeds(onebyone(*line, cwd=work))
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")


def test_restart_begins_anew(work: Path) -> None:
    for shard in ("0/3", "1/3"):
        succeeds(onebyone(*APPLY, "-o", "out.npy", "--shard", shard, cwd=work))
    line = (*APPLY, "-o", "out.npy", "--workers", "2")
    done = onebyone(*line, cwd=work)
    assert (done.returncode, "has shards of 3, and this command makes 8" in done.stderr) == (
        73,
        True,
    )
    succeeds(onebyone(*line, "--resume", "restart", cwd=work))
    assert has_equal_bytes(work / "out.npy", work / "plain.npy")
    assert files_in(work) == sorted([*GIVEN, "out.npy"])


def test_any_shard_of_another_command_is_seen_at_once(work: Path) -> None:
    """Else workers would fill in the rest, and neither command could go on."""
    other = (*APPLY, "-o", "out.npy", "--bias", "1")
    succeeds(onebyone(*other, "--shard", "5/8", cwd=work))
    before = files_in(work)
    done = onebyone(*APPLY, "-o", "out.npy", "--workers", "2", cwd=work)
    assert (done.returncode, "5-of-8.json is a checkpoint of another command" in done.stderr) == (
        73,
        True,
    )
    assert files_in(work) == before
    succeeds(onebyone(*other, "--workers", "2", cwd=work))


# --------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ("apply - --kernel 1 -o out.npy", 2, "not standard input"),
        ("apply x.npy --each -w w.npy -o out", 2, "--scheduler is for one output"),
        ("apply x.npy -w w.npy --scale auto -o out.npy", 2, "--scale auto looks at the whole"),
        ("apply x.npy -w w.npy -o -", 2, "name one with -o"),
        ("apply x.npy -w w.npy --dtype uint8 -o out.png", 2, "fixed offsets"),
        ("apply x.npy -w w.npy --compression gzip -o out.h5", 2, "fixed offsets"),
        ("apply x.npy -w w.npy -o out.npy --shard 0/2", 2, "--shard computes one share"),
        ("apply x.npy -w w.npy -o out.npy --workers 2", 2, "give one of --scheduler"),
        ("apply x.npy -w w.npy -o plain.npy", 73, "exists already"),
        ("apply x.npy --kernel '1 1' -o out.npy", 65, "but x.npy has 3"),
        ("fit x.npy -k 1 --method lda --labels - -o n.npz", 2, "not standard input"),
        ("fit x.npy -k 1 --mask - -o n.npz", 2, "not standard input"),
        ("fit x.npy -k 1 --method lda --labels x.npy -o n.npz", 65, "a label map has one"),
        ("fit x.npy -k 1 --method lda -o n.npz", 2, "--method lda needs --labels"),
        ("fit m.npz -k 1 --method lda -o n.npz", 2, "moments are joined at once"),
        ("fit x.npy -k 1 --sample 9 -o m.npz", 2, "--sample reads few pixels"),
        ("fit x.npy -k 9 -o n.npz", 65, "x.npy"),
        ("fit m.npz -k 1 -o n.npz", 2, "moments are joined at once"),
        ("stats - -o m.npz", 2, "not standard input"),
        ("reduce x.npy -k 1 -o out.npy --residual r.npy", 2, "--residual is computed here"),
    ],
)
def test_what_can_be_refused_is_refused_at_once(
    work: Path, line: str, status: int, told: str
) -> None:
    np.savez(work / "m.npz", weight=np.ones((1, 3)))
    before = files_in(work)
    # Where nobody answers: whoever asks for a cluster first says so, and after ten seconds.
    done = shell(f'"$0" {line} --scheduler tcp://127.0.0.1:9', cwd=work)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
    assert told in done.stderr
    assert files_in(work) == before


def test_a_dry_run_tells_the_shards_and_asks_nobody(work: Path) -> None:
    line = (*APPLY, "-o", "out.npy", "--scheduler", "tcp://127.0.0.1:9", "--dry-run")
    done = succeeds(onebyone(*line, cwd=work))
    assert done.stdout.decode().splitlines()[-1] == (
        "cluster   8 shards, each with these threads and memory"
    )


def test_without_dask_the_command_to_install_it_is_told(work: Path) -> None:
    code = (
        "import sys; sys.modules['distributed'] = None; sys.argv[0] = 'onebyone'\n"
        "from onebyone_cli.__main__ import main; main()"
    )
    args = [*APPLY, "-o", "out.npy", "--workers", "2"]
    done = subprocess.run(
        [environment()["PATH"].split(os.pathsep)[0] + "/python", "-c", code, *args],
        cwd=work,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 69
    assert "pip install 'onebyone-cli[dask]'" in done.stderr
