"""Shards: several processes fill one file, and merge publishes it whole or not at all."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command import environment, onebyone

COMMAND = ("apply", "x.npy", "-w", "w.npy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(6, 700, 900)).astype(np.float32)
    x[2, 100, 50:70] = np.nan
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", rng.normal(size=(3, 6)))
    return tmp_path


def run(folder: Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = onebyone(*arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.parametrize("output", ["out.npy", "out.h5"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_shards_make_the_bytes_of_one_job(folder: Path, output: str, count: int):
    run(folder, *COMMAND, "-o", f"whole_{output}")
    for index in reversed(range(count)):
        threads = str(1 + index % 2)
        shard = ("--shard", f"{index}/{count}", "--threads", threads)
        run(folder, *COMMAND, "-o", output, *shard, "--memory", "2M")
        assert not (folder / output).exists()
    run(folder, "merge", output)
    assert (folder / output).read_bytes() == (folder / f"whole_{output}").read_bytes()
    assert sorted(os.listdir(folder)) == sorted(["x.npy", "w.npy", output, f"whole_{output}"])


def test_at_the_same_time(folder: Path):
    run(folder, *COMMAND, "-o", "whole.npy")
    jobs = [
        subprocess.Popen(
            ["onebyone", *COMMAND, "-o", "out.npy", "-q", "--shard", f"{index}/4"],
            cwd=folder,
            env=environment(),
        )
        for index in range(4)
    ]
    assert [job.wait() for job in jobs] == [0] * 4
    run(folder, "merge", "out.npy")
    assert (folder / "out.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_a_batch_of_small_planes(tmp_path: Path):
    rng = np.random.default_rng()
    np.save(tmp_path / "x.npy", rng.normal(size=(500, 4, 20, 30)))
    np.save(tmp_path / "w.npy", rng.normal(size=(2, 4)))
    run(tmp_path, *COMMAND, "-o", "whole.npy")
    for index in range(3):
        run(tmp_path, *COMMAND, "-o", "out.npy", "--shard", f"{index}/3")
    run(tmp_path, "merge", "out.npy")
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_every_step_may_be_run_twice(folder: Path):
    for index in (0, 1, 0):
        run(folder, *COMMAND, "-o", "out.npy", "--shard", f"{index}/2")
    run(folder, "merge", "out.npy")
    content = (folder / "out.npy").read_bytes()
    again = run(folder, "merge", "out.npy", "--json")
    assert json.loads(again.stdout) == {"outputs": [{"output": "out.npy", "shards": 0}]}
    assert (folder / "out.npy").read_bytes() == content


def test_journals_of_a_part_that_is_gone_count_nothing(folder: Path):
    run(folder, *COMMAND, "-o", "whole.npy")
    for kernel in ("w.npy", "other.npy"):  # notes of the same command, and of another
        np.save(folder / "other.npy", np.load(folder / "w.npy") + 1)
        for index in range(3):
            run(folder, "apply", "x.npy", "-w", kernel, "-o", "out.npy", "--shard", f"{index}/3")
        (folder / "out.npy.part").unlink()
        for index in (2, 0, 1):
            run(folder, *COMMAND, "-o", "out.npy", "--shard", f"{index}/3")
        run(folder, "merge", "out.npy")
        assert (folder / "out.npy").read_bytes() == (folder / "whole.npy").read_bytes()
        (folder / "out.npy").unlink()
    assert sorted(os.listdir(folder)) == ["other.npy", "w.npy", "whole.npy", "x.npy"]


def test_the_journal_of_a_plain_run_counts_nothing_for_a_part_of_shards(folder: Path):
    run(folder, *COMMAND, "-o", "whole.npy")
    line = (*COMMAND, "-o", "out.npy", "--checkpoint-every", "0", "--memory", "2M")
    with subprocess.Popen(["onebyone", *line], cwd=folder, env=environment()) as job:
        while not (folder / "out.npy.part.json").exists() and job.poll() is None:
            time.sleep(0.001)
        job.send_signal(signal.SIGKILL)
    (folder / "out.npy.part").unlink()
    for index in range(2):
        run(folder, *COMMAND, "-o", "out.npy", "--shard", f"{index}/2")
    refused = run(folder, *COMMAND, "-o", "out.npy", status=73)
    assert "has shards" in refused.stderr
    run(folder, "merge", "out.npy")
    assert (folder / "out.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_a_missing_shard_is_named(folder: Path):
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "1/3")
    refused = run(folder, "merge", "out.npy", status=65)
    assert "run shard 0/3, 2/3 again" in refused.stderr
    assert not (folder / "out.npy").exists()


def test_shards_of_other_weights_are_refused(folder: Path):
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/2")
    np.save(folder / "w.npy", np.load(folder / "w.npy") + 1)
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "1/2")
    refused = run(folder, "merge", "out.npy", status=65)
    assert "the weights was" in refused.stderr
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/2", status=73)
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/2", "--restart")
    run(folder, "merge", "out.npy")
    run(folder, *COMMAND, "-o", "whole.npy")
    assert (folder / "out.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_shards_of_another_number_are_refused(folder: Path):
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/2")
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "1/3")
    assert "shards of 2 and of 3" in run(folder, "merge", "out.npy", status=65).stderr


def test_a_part_of_another_size_is_refused(folder: Path):
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/2")
    other = ("--dtype", "float64", "-o", "out.npy", "--shard", "1/2")
    refused = run(folder, *COMMAND, *other, status=73)
    assert "of another job" in refused.stderr


def test_nothing_to_merge(folder: Path):
    assert "has no shards" in run(folder, "merge", "out.npy", status=66).stderr


def test_an_output_that_exists_stays(folder: Path):
    (folder / "out.npy").write_bytes(b"old")
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/1", status=73)
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/1", "--force")
    assert (folder / "out.npy").read_bytes() == b"old"
    run(folder, "merge", "out.npy", status=73)
    assert (folder / "out.npy").read_bytes() == b"old"
    run(folder, "merge", "out.npy", "--force")
    assert np.load(folder / "out.npy").shape == (3, 700, 900)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "out/", "--format", "tiff", "--shard", "0/2"),
        ("-o", "out.h5", "--compression", "gzip", "--shard", "0/2"),
        ("-o", "-", "--shard", "0/2"),
        ("-o", "out", "--each", "--shard", "0/2"),
        ("-o", "out.npy", "--scale", "auto", "--shard", "0/2"),
        ("-o", "out.npy", "--shard", "2/2"),
        ("-o", "out.npy", "--shard", "auto"),
    ],
)
def test_what_can_not_be_shared(folder: Path, arguments: tuple[str, ...]):
    refused = run(folder, *COMMAND, *arguments, status=2)
    assert "--shard" in refused.stderr
    assert sorted(os.listdir(folder)) == ["w.npy", "x.npy"]


def test_a_shard_that_was_killed_goes_on(folder: Path):
    run(folder, *COMMAND, "-o", "whole.npy")
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/2")
    for wait in (0.15, 0.2, 0.25, 0.3):
        shard = ("--shard", "1/2", "--checkpoint-every", "0")
        job = subprocess.Popen(
            ["onebyone", *COMMAND, "-o", "out.npy", "-q", *shard],
            cwd=folder,
            env=environment(),
        )
        time.sleep(wait)
        job.send_signal(signal.SIGKILL)
        job.wait()
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "1/2")
    run(folder, "merge", "out.npy")
    assert (folder / "out.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_moments_of_shards_are_those_of_the_whole(folder: Path):
    parts = []
    for index in range(3):
        parts.append(f"part{index}.npz")
        shard = ("--noise", "both", "--shard", f"{index}/3")
        run(folder, "stats", "x.npy", *shard, "-o", parts[-1], "-q")
    run(folder, "merge", *parts, "-o", "joined.npz", "-q")
    for inputs, method in (
        (parts, ("--method", "pca")),
        (["joined.npz"], ("--method", "mnf", "--noise", "both")),
    ):
        run(folder, "fit", *inputs, *method, "-k", "2", "-o", "a.npz", "-f")
        run(folder, "fit", "x.npy", *method, "-k", "2", "-o", "b.npz", "-f")
        one, two = np.load(folder / "a.npz"), np.load(folder / "b.npz")
        np.testing.assert_allclose(one["eigenvalues"], two["eigenvalues"], rtol=1e-12)
        np.testing.assert_allclose(one["weight"], two["weight"], rtol=1e-8, atol=1e-10)


def test_the_same_part_twice_is_told(folder: Path):
    run(folder, "stats", "x.npy", "--shard", "0/2", "-o", "a.npz", "-q")
    run(folder, "stats", "x.npy", "--shard", "1/2", "-o", "b.npz", "-q")
    assert "counted in already" not in run(folder, "merge", "a.npz", "b.npz", "-o", "c.npz").stderr
    assert "counted in already" in run(folder, "merge", "a.npz", "a.npz", "-o", "d.npz").stderr
