"""Shards: several processes fill one file, and merge publishes it whole or not at all."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from command import Completed, onebyone, start

from onebyone_cli.commit.merge import publish_shards
from onebyone_cli.commit.publication import Publication

COMMAND = ("apply", "x.npy", "-w", "w.npy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(6, 700, 900)).astype(np.float32)
    x[2, 100, 50:70] = np.nan
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", rng.normal(size=(3, 6)))
    return tmp_path


def run(folder: Path, *arguments: str, status: int = 0) -> Completed:
    done = onebyone(*arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.parametrize("output", ["out.npy", "out.h5", "out.nc"])
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
        start(*COMMAND, "-o", "out.npy", "-q", "--shard", f"{index}/4", cwd=folder)
        for index in range(4)
    ]
    assert [job.communicate()[1] for job in jobs] == [b""] * 4
    assert [job.returncode for job in jobs] == [0] * 4
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
    with start(*line, cwd=folder) as job:
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
    run(folder, *COMMAND, "-o", "out.npy", "--shard", "0/2", "--resume", "restart")
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


@pytest.mark.parametrize("fsync", [False, True])
def test_an_equal_output_can_be_kept(folder: Path, fsync: bool):
    """As commands on a cluster do with --if-changed."""
    out = folder / "out.npy"

    def publish(*more: str) -> bool:
        for index in range(2):
            run(folder, *COMMAND, "-o", "out.npy", "-f", "--shard", f"{index}/2", *more)
        return publish_shards(str(out), Publication(fsync=fsync, if_changed=True)).changed

    assert publish()
    os.utime(out, (1, 1))
    assert not publish()
    assert out.stat().st_mtime == 1
    assert publish("--bias", "1 2 3")
    assert out.stat().st_mtime != 1
    assert sorted(os.listdir(folder)) == ["out.npy", "w.npy", "x.npy"]


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
    for wait in (0.05, 0.1, 0.15, 0.2):  # numpy has been imported before
        shard = ("--shard", "1/2", "--checkpoint-every", "0")
        with start(*COMMAND, "-o", "out.npy", "-q", *shard, cwd=folder) as job:
            time.sleep(wait)
            job.send_signal(signal.SIGKILL)
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


@pytest.fixture
def labelled(folder: Path) -> Path:
    """The same with a map of classes that differ, a mask, and a third of no class."""
    x = np.load(folder / "x.npy")
    labels = np.random.default_rng(6).integers(-1, 4, x.shape[1:]).astype(np.int16)
    labels[:240] = 0
    x *= np.arange(1, 7, dtype=np.float32)[:, None, None]  # so that no component is chance
    x[:4] += np.multiply.outer([1, -2, 0.5, 3], [0, 1, 5, 2, -1])[:, labels]
    np.save(folder / "x.npy", x)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "mask.npy", np.indices(labels.shape).sum(axis=0) % 7)
    return folder


LABELS = ("--labels", "labels.npy")


def assert_same_model(one: Path, two: Path) -> None:
    """Compare models: arrays to 1e-12 of their largest number, and what they were learned from."""
    with np.load(one) as a, np.load(two) as b:
        assert a.files == b.files
        metas = [json.loads(str(each["meta"])) for each in (a, b)]
        for name in set(a.files) - {"meta"}:
            atol = 1e-12 * np.abs(b[name]).max(initial=0)
            np.testing.assert_allclose(a[name], b[name], rtol=0, atol=atol, err_msg=name)
    for meta in metas:
        del meta["inputs"]
    assert metas[0] == metas[1]


@pytest.mark.parametrize(
    "options", [(), ("--nodata", "2.5", "--mask", "mask.npy"), ("--sample", "20000")]
)
def test_classes_of_shards_are_those_of_the_whole(labelled: Path, options: tuple[str, ...]):
    run(labelled, "fit", "x.npy", "--method", "lda", "-k", "3", *LABELS, *options, "-o", "x.npz")
    run(labelled, "fit", "x.npy", "-k", "3", *options, "-o", "pca.npz")
    shards = ["0/1"] if "--sample" in options else ["0/4", "1/4", "2/4", "3/4"]
    parts = []
    for shard in shards:
        parts.append(f"part{shard[0]}.npz")
        share = () if "--sample" in options else ("--shard", shard)
        run(labelled, "stats", "x.npy", *LABELS, *options, *share, "-o", parts[-1], "-q")
    run(labelled, "merge", *parts, "-o", "joined.npz")
    for inputs in (parts, ["joined.npz"]):
        run(labelled, "fit", *inputs, "--method", "lda", "-k", "3", "-o", "a.npz", "-f")
        assert_same_model(labelled / "a.npz", labelled / "x.npz")
        run(labelled, "fit", *inputs, "-k", "3", "-o", "b.npz", "-f")
        assert_same_model(labelled / "b.npz", labelled / "pca.npz")


def test_classes_of_stacks_that_come_in_any_way(labelled: Path):
    (labelled / "names").write_text("x.npy\nx.npy\n")
    stream = (labelled / "x.npy").read_bytes() * 2
    labels = (labelled / "labels.npy").read_bytes()
    wanted = ("stats", "--each", "-q", *LABELS)
    run(labelled, *wanted, "x.npy", "x.npy", "-o", "named.npz")
    run(labelled, *wanted, "--inputs-from", "names", "-o", "listed.npz")
    piped = onebyone(*wanted, "-", "-o", "piped.npz", cwd=labelled, input=stream)
    assert piped.returncode == 0, piped.stderr
    beside = (*wanted[:-1], "-", "x.npy", "x.npy", "-o", "beside.npz")
    assert onebyone(*beside, cwd=labelled, input=labels).returncode == 0
    whole = members_of(labelled / "named.npz")
    assert "classes.-1.comoment" in whole
    for name in ("listed.npz", "piped.npz", "beside.npz"):
        assert members_of(labelled / name) == whole


def members_of(path: Path) -> dict[str, bytes]:
    """Take the arrays of an archive, bit by bit."""
    with np.load(path) as file:
        return {name: file[name].tobytes() for name in file.files if name != "meta"}


def test_labels_change_no_other_number(labelled: Path):
    run(labelled, "stats", "x.npy", *LABELS, "--noise", "both", "-o", "with.npz")
    run(labelled, "stats", "x.npy", "--noise", "both", "-o", "without.npz")
    found, expected = members_of(labelled / "with.npz"), members_of(labelled / "without.npz")
    assert {name: found[name] for name in expected} == expected
    assert all(name.startswith("classes.") for name in found.keys() - expected.keys())


def test_a_part_without_any_class_joins_others(labelled: Path):
    np.save(labelled / "none.npy", np.zeros((700, 900), np.int8))
    run(labelled, "stats", "x.npy", *LABELS, "-o", "a.npz")
    run(labelled, "stats", "x.npy", "--labels", "none.npy", "-o", "b.npz")
    run(labelled, "stats", "x.npy", "-o", "c.npz")
    for order in (["a.npz", "b.npz"], ["b.npz", "a.npz"]):
        done = run(labelled, "merge", *order, "-o", "ab.npz", "-f", "--json")
        assert [each["label"] for each in json.loads(done.stdout)["classes"]] == [-1, 1, 2, 3]
        run(labelled, "merge", "ab.npz", "c.npz", "-o", "abc.npz", status=65)
    assert (
        "no class has valid pixels"
        in run(
            labelled, "fit", "b.npz", "--method", "lda", "-k", "1", "-o", "m.npz", status=65
        ).stderr
    )


def test_the_same_part_twice_is_told(folder: Path):
    run(folder, "stats", "x.npy", "--shard", "0/2", "-o", "a.npz", "-q")
    run(folder, "stats", "x.npy", "--shard", "1/2", "-o", "b.npz", "-q")
    assert "counted in already" not in run(folder, "merge", "a.npz", "b.npz", "-o", "c.npz").stderr
    assert "counted in already" in run(folder, "merge", "a.npz", "a.npz", "-o", "d.npz").stderr


@pytest.mark.parametrize("options", [(), ("--noise", "both"), ("--labels", "labels.npy")])
def test_an_empty_share_is_saved_and_joined(tmp_path: Path, options: tuple[str, ...]):
    rng = np.random.default_rng()
    np.save(tmp_path / "tiny.npy", rng.random((3, 8, 9), np.float32))
    np.save(tmp_path / "labels.npy", rng.integers(0, 3, (8, 9)))
    parts = [f"part{index}.npz" for index in range(3)]
    for index, part in enumerate(parts):
        run(tmp_path, "stats", "tiny.npy", *options, "--shard", f"{index}/3", "-o", part, "--json")
    run(tmp_path, "stats", "tiny.npy", *options, "-o", "whole.npz", "-q")
    counts = [json.loads(run(tmp_path, "stats", part, "--json").stdout) for part in parts]
    pixels = [each["channels"][0]["valid"] for each in counts]
    assert sorted(pixels) == [0, 0, 72]
    for name in ("whole.npz", "parts"):
        inputs = parts if name == "parts" else [name]
        run(tmp_path, "fit", *inputs, "-k", "2", "-o", f"{name}.model.npz", "-q")
    assert_same_model(tmp_path / "whole.npz.model.npz", tmp_path / "parts.model.npz")
    empty = parts[pixels.index(0)]
    done = run(tmp_path, "fit", empty, "-k", "2", "-o", "none.npz", status=65)
    assert f"{empty}: holds no pixels" in done.stderr
