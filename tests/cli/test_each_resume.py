"""Many inputs: a stopped ``--each`` is resumed with --skip-existing, and a bad file stops none."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from command import Completed, environment, files_in, onebyone, start

STACKS = 40
KILLS = int(os.environ.get("KILLS", "12"))
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write stacks that take some milliseconds each, and weights."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng()
    for number in range(STACKS):
        np.save(folder / f"{number}.npy", rng.random((4, 200, 300), np.float32))
    np.save(folder / "w.npy", rng.random((2, 4)))
    return folder


@pytest.fixture(scope="module")
def expected(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("expected")
    done = onebyone(*command(inputs), cwd=folder)
    assert done.returncode == 0, done.stderr
    return content_of(folder / "out")


def command(inputs: Path, *more: str) -> list[str]:
    stacks = [str(inputs / f"{number}.npy") for number in range(STACKS)]
    return ["apply", *stacks, "--each", "-w", str(inputs / "w.npy"), "-o", "out", *more]


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stopped(inputs: Path, folder: Path, number: int, *more: str) -> Completed:
    """Run the command, and stop it when some outputs are there."""
    process = start(*command(inputs, *more), cwd=folder, env=environment())
    wanted = random.randint(1, STACKS // 2)
    deadline = time.monotonic() + DEADLINE_S
    while len(list(folder.glob("out/*.npy"))) < wanted and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)
    return Completed(process.returncode, out, err.decode())


def test_random_kills_lose_nothing_and_do_nothing_twice(
    inputs: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    for attempt in range(KILLS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        stopped(inputs, folder, random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        times = {path: path.stat().st_mtime_ns for path in folder.glob("out/*.npy")}
        done = onebyone(*command(inputs, "--skip-existing", "--json"), cwd=folder)
        assert done.returncode == 0, done.stderr
        skipped = [each for each in json.loads(done.stdout)["outputs"] if each.get("skipped")]
        assert len(skipped) == len(times)
        assert all(path.stat().st_mtime_ns == when for path, when in times.items())
        outputs = content_of(folder / "out")
        assert outputs == expected


@pytest.mark.parametrize(
    ("number", "more", "status"),
    [
        (signal.SIGTERM, [], 75),
        (signal.SIGUSR1, ["--skip-existing"], 75),
        (signal.SIGINT, [], -signal.SIGINT),
    ],
)
def test_a_signal_says_how_to_resume(
    inputs: Path, tmp_path: Path, number: int, more: list[str], status: int
) -> None:
    folders = (tmp_path / str(attempt) for attempt in range(9))
    for folder in folders:
        folder.mkdir()
        done = stopped(inputs, folder, number, *more)
        if len(list(folder.glob("out/*.npy"))) < STACKS:  # the signal came before the end
            break
    assert done.returncode == status
    again = "run the same command again" + ("" if more else " with --skip-existing")
    assert f"{again} to resume" in done.stderr.splitlines()[-1]
    assert onebyone(*command(inputs, "--skip-existing"), cwd=folder).returncode == 0


def test_where_nothing_can_go_on_nothing_is_promised(inputs: Path, tmp_path: Path) -> None:
    done = stopped(inputs, tmp_path, signal.SIGTERM, "--resume", "off")
    assert (done.returncode, "to resume" in done.stderr) == (-signal.SIGTERM, False)
    assert not list(tmp_path.glob("out/.*"))


def test_without_the_option_existing_outputs_are_refused(inputs: Path, tmp_path: Path) -> None:
    assert onebyone(*command(inputs), cwd=tmp_path).returncode == 0
    before = content_of(tmp_path / "out")
    done = onebyone(*command(inputs), cwd=tmp_path)
    assert (done.returncode, done.stderr.count("exists already")) == (73, 1)
    assert content_of(tmp_path / "out") == before
    assert onebyone(*command(inputs, "--force"), cwd=tmp_path).returncode == 0


# ---------------------------------------------------------------------------- a bad file


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Write three good stacks; one has other channels, one is no array."""
    for name in ("a", "b", "c"):
        np.save(tmp_path / f"{name}.npy", np.ones((2, 3, 4), np.float32))
    np.save(tmp_path / "other.npy", np.ones((5, 3, 4), np.float32))
    (tmp_path / "damaged.npy").write_bytes(b"no array")
    np.save(tmp_path / "w.npy", np.ones((1, 2)))
    return tmp_path


MIXED = ("apply", "a.npy", "other.npy", "b.npy", "missing.npy", "damaged.npy", "c.npy", "--each")
GOOD = ["a.npy", "b.npy", "c.npy"]


def run(folder: Path, *arguments: str) -> Completed:
    return onebyone(*arguments, "-w", "w.npy", "-o", "out", cwd=folder)


def test_one_bad_file_stops_everything_unless_told(mixed: Path) -> None:
    done = run(mixed, *MIXED)
    assert (done.returncode, done.stderr.count("\n")) == (66, 1)
    assert not (mixed / "out").exists()


def test_one_bad_file_stops_no_other(mixed: Path) -> None:
    done = run(mixed, *MIXED, "--keep-going")
    assert done.returncode == 65
    *errors, summary = done.stderr.splitlines()
    assert sorted(line.split()[1] for line in errors) == ["damaged.npy:", "missing.npy:", "w.npy:"]
    assert summary.startswith("out: 3 stacks written, 3 failed")
    assert sorted(files_in(mixed / "out")) == GOOD


def test_a_line_for_each_file_only_when_asked(mixed: Path) -> None:
    arguments = ("apply", *GOOD, "--each")
    assert run(mixed, *arguments).stderr.count("\n") == 1
    done = run(mixed, *arguments, "--skip-existing", "-v")
    assert [f"out/{name}: exists, skipped" in done.stderr for name in GOOD] == [True] * 3
    assert "out: 0 stacks written, 3 skipped" in done.stderr
    assert run(mixed, *arguments, "--skip-existing", "-q").stderr == ""


def test_what_failed_is_in_the_document(mixed: Path) -> None:
    np.save(mixed / "d.npy", np.ones((2, 3, 4), np.float32))
    assert run(mixed, "apply", "a.npy", "--each").returncode == 0
    done = run(mixed, *MIXED, "d.npy", "--keep-going", "--skip-existing", "--json")
    assert done.returncode == 65
    outputs = json.loads(done.stdout)["outputs"]
    codes = {each["input"]: each["error"]["code"] for each in outputs if "error" in each}
    assert codes == {"missing.npy": 66, "other.npy": 65, "damaged.npy": 65}
    assert [each["input"] for each in outputs if each.get("skipped")] == ["a.npy"]
    written = [each["output"] for each in outputs if "shape" in each]
    assert written == ["out/b.npy", "out/c.npy", "out/d.npy"]


def test_a_stream_that_breaks_off_stops_no_other(mixed: Path) -> None:
    whole = (mixed / "a.npy").read_bytes()
    done = onebyone(
        *("apply", "-", "b.npy", "--each", "--keep-going", "-w", "w.npy", "-o", "out"),
        cwd=mixed,
        input=whole + whole[:-4],
    )
    assert done.returncode == 65
    assert sorted(files_in(mixed / "out")) == ["b.npy", "stdin_0.npy"]


def test_stacks_of_a_stream_are_skipped(mixed: Path) -> None:
    whole = (mixed / "a.npy").read_bytes()
    arguments = ("apply", "-", "--each", "-w", "w.npy", "-o", "out", "--skip-existing", "-v")
    assert onebyone(*arguments, cwd=mixed, input=whole).returncode == 0
    done = onebyone(*arguments, cwd=mixed, input=whole * 2)
    assert done.returncode == 0, done.stderr
    assert "out/stdin_0.npy: exists, skipped" in done.stderr
    assert sorted(files_in(mixed / "out")) == ["stdin_0.npy", "stdin_1.npy"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--skip-existing"], "is for --each"),
        (["--keep-going"], "is for --each"),
        (["--each", "--skip-existing", "--force"], "give one"),
        (["--each", "--skip-existing", "--depfile", "d"], "leave out --skip-existing"),
    ],
)
def test_what_does_not_go_together(mixed: Path, more: list[str], words: str) -> None:
    done = run(mixed, "apply", "a.npy", *more)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_each_becomes_one_image_where_an_image_can_hold_it(tmp_path: Path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, 256, (4, 5, 6), np.uint8))
    np.save(tmp_path / "batch.npy", rng.integers(0, 256, (2, 4, 5, 6), np.uint8))
    stacks = ["cat.npy", "dog.npy"]

    def names(kernel: str, form: str, *more: str, of: list[str] = stacks) -> list[str]:
        done = onebyone(
            *("apply", *of, "--each", "--kernel", kernel, "--format", form, "-o", "out", *more),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        names = sorted(str(path.relative_to(tmp_path / "out")) for path in found)
        shutil.rmtree(tmp_path / "out")
        return names

    grey, colour, two = "1 0 0 0", "1 0 0 0; 0 1 0 0; 0 0 1 0", "1 0 0 0; 0 1 0 0"
    assert names(colour, "png", "--scale", "0,255") == ["cat.png", "dog.png"]
    assert names(colour, "ppm", "--dtype", "uint8") == ["cat.ppm", "dog.ppm"]
    assert names(two, "png", "--argmax") == ["cat.png", "dog.png"]
    assert names(grey, "pfm") == ["cat.pfm", "dog.pfm"]
    assert names(two, "png", "--dtype", "uint8", of=["cat.npy"]) == ["cat/0.png", "cat/1.png"]
    of_channels = ["cat/0.png", "cat/1.png", "cat/2.png"]
    assert names(colour, "png", "--dtype", "uint16", of=["cat.npy"]) == of_channels
    assert names(colour, "images", "--dtype", "uint8", of=["cat.npy"]) == of_channels
    batch = names(colour, "images", "--dtype", "uint8", of=["batch.npy"])
    assert batch == ["batch/0.png", "batch/1.png"]
