"""Stores written by several jobs, by killed ones, and on an object store: the same numbers."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Completed, environment, onebyone, start, start_python
from formats.object_store import ObjectStore

zarr = pytest.importorskip("zarr", minversion="3", reason="zarr-python 3 is not installed")

#: Height and width: 8 bands of a default output.
SIDE = 480

#: Makes the writing of each file of chunks take some time.
_SLOWLY = """
import time
from onebyone_cli.__main__ import main
from onebyone_cli.formats.zarr import writer

def store_band(self, *args, store=writer.BandWriter._store_band):
    time.sleep(0.3)
    return store(self, *args)

writer.BandWriter._store_band = store_band
main()
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(5)
    stack = rng.normal(size=(6, SIDE, SIDE)).astype(np.float32)
    stack[1, ::9, ::7] = np.nan
    np.save(folder / "x.npy", stack)
    np.save(folder / "batch.npy", rng.integers(0, 99, (5, 6, 60, 70)).astype(np.uint8))
    np.save(folder / "w.npy", rng.normal(size=(4, 6)))
    for name in ("x", "batch"):
        succeeds(onebyone("apply", f"{name}.npy", "-w", "w.npy", "-o", f"{name}-y.npy", cwd=folder))
    return folder


@pytest.fixture
def work(inputs: Path, tmp_path: Path) -> Path:
    for path in inputs.iterdir():
        os.link(path, tmp_path / path.name)
    return tmp_path


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    pytest.importorskip("moto", reason="moto, an S3 server for tests, is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    with ObjectStore() as running:
        yield running


def succeeds(done: Completed) -> Completed:
    assert done.returncode == 0, done.stderr
    return done


def numbers_of(path: Path) -> Any:
    return zarr.open_group(path, mode="r")["data"][:]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def tiles_in(journal: Path) -> Any:
    """Return the tiles that a journal records; none if it is not there."""
    with contextlib.suppress(FileNotFoundError):
        return json.loads(journal.read_text())["written"]["tiles"]
    return []


STORAGES = [
    (),
    ("--compression", "zstd"),
    ("--chunks", "2x32x100/4x64x200", "--compression", "zstd"),
    ("--compression", "zstd", "--shuffle", "--chunks", "1x50x480"),
]


@pytest.mark.parametrize("options", STORAGES, ids=" ".join)
def test_memory_and_threads_change_no_byte(work: Path, options: tuple[str, ...]):
    apply = ("apply", "x.npy", "-w", "w.npy", *options)
    succeeds(onebyone(*apply, "-o", "one.zarr", "--threads", "1", cwd=work))
    succeeds(onebyone(*apply, "-o", "two.zarr", "--threads", "2", "--memory", "48M", cwd=work))
    assert files_of(work / "one.zarr") == files_of(work / "two.zarr")
    expected = np.load(work / "x-y.npy")
    assert numbers_of(work / "one.zarr").tobytes() == expected.tobytes()


@pytest.mark.parametrize("options", STORAGES, ids=" ".join)
@pytest.mark.parametrize("name", ["x", "batch"])
def test_four_shards_write_one_store(work: Path, name: str, options: tuple[str, ...]):
    if name == "batch" and "--chunks" in options:
        options = ("--chunks", "1x25x70")
    apply = ("apply", f"{name}.npy", "-w", "w.npy", *options)
    succeeds(onebyone(*apply, "-o", "whole.zarr", cwd=work))
    for index in (2, 0, 3, 1):
        assert not (work / "parts.zarr").exists()
        succeeds(onebyone(*apply, "-o", "parts.zarr", "--shard", f"{index}/4", cwd=work))
    done = succeeds(onebyone("merge", "parts.zarr", "--json", cwd=work))
    whole = succeeds(onebyone(*apply[:4], "-o", "again.npy", "--json", cwd=work))
    counts = json.loads(done.stdout)["outputs"][0]
    assert counts["invalid_pixels"] == json.loads(whole.stdout)["invalid_pixels"]
    assert files_of(work / "parts.zarr") == files_of(work / "whole.zarr")
    assert not list(work.glob("*.part*"))


def test_a_missing_shard_is_named_and_nothing_appears(work: Path):
    apply = ("apply", "x.npy", "-w", "w.npy", "-o", "y.zarr")
    succeeds(onebyone(*apply, "--shard", "0/2", cwd=work))
    done = onebyone("merge", "y.zarr", cwd=work)
    assert done.returncode == 65
    assert "run shard 1/2 again" in done.stderr
    assert not (work / "y.zarr").exists()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("name", ["x", "batch"])
def test_a_killed_job_is_resumed(work: Path, stop: int, name: str):
    """Pixels of a band that was not complete are computed again, and those of others are not."""
    apply = ("apply", f"{name}.npy", "-w", "w.npy", "-o", "y.zarr", "--checkpoint-every", "0")
    apply = (*apply, "--chunks", "4x10x70") if name == "batch" else apply
    process = start_python(_SLOWLY, *apply, "--threads", "1", cwd=work)
    chunks = work / "y.zarr.part.store"
    deadline = time.monotonic() + 60
    while not tiles_in(work / "y.zarr.part.json"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(stop)
    process.communicate()
    assert not (work / "y.zarr").exists()
    assert tiles_in(work / "y.zarr.part.json")
    before = {path: path.stat().st_mtime_ns for path in chunks.rglob("*") if path.is_file()}
    succeeds(onebyone(*apply, cwd=work))
    after = [
        work / "y.zarr" / path.relative_to(chunks)
        for path, time_ns in before.items()
        if (work / "y.zarr" / path.relative_to(chunks)).stat().st_mtime_ns == time_ns
    ]
    assert after, "some bands were kept"
    assert numbers_of(work / "y.zarr").tobytes() == np.load(work / f"{name}-y.npy").tobytes()
    assert not list(work.glob("*.part*"))


def test_a_store_is_replaced_only_by_force_and_as_a_whole(work: Path):
    apply = ("apply", "x.npy", "-w", "w.npy", "-o", "y.zarr")
    zarr.create_array(work / "y.zarr", shape=(3, 3), dtype="u1")[:] = 7
    done = onebyone(*apply, cwd=work)
    assert (done.returncode, "use --force" in done.stderr) == (73, True)
    succeeds(onebyone(*apply, "--force", cwd=work))
    assert numbers_of(work / "y.zarr").shape == (4, SIDE, SIDE)
    (work / "folder.zarr").mkdir()
    (work / "folder.zarr" / "thesis.txt").write_text("years")
    done = onebyone(*apply[:-1], "folder.zarr", "--force", cwd=work)
    assert done.returncode == 73
    assert (work / "folder.zarr" / "thesis.txt").read_text() == "years"
    assert sorted(path.name for path in work.glob("*.zarr*")) == ["folder.zarr", "y.zarr"]


# ---------------------------------------------------------------------------- object stores


def of_bucket(bucket: ObjectStore, name: str) -> Any:
    options = {
        "key": "test",
        "secret": "test",
        "client_kwargs": {"endpoint_url": bucket.url, "region_name": "us-east-1"},
    }
    group = zarr.open_group(f"s3://bucket/{name}", mode="r", storage_options=options)
    return group["data"][:]


def test_four_jobs_at_once_write_one_store_on_s3(work: Path, bucket: ObjectStore):
    env = environment(**bucket.variables)
    apply = ("apply", "x.npy", "-w", "w.npy", "--compression", "zstd")
    out = ("-o", "s3://bucket/shards.zarr")
    jobs = [start(*apply, *out, "--shard", f"{index}/4", cwd=work, env=env) for index in range(4)]
    for job in jobs:
        _, err = job.communicate()
        assert job.returncode == 0, err
    done = onebyone("info", "s3://bucket/shards.zarr:data", cwd=work, env=env)
    assert done.returncode != 0, "it has no metadata before the end"
    succeeds(onebyone("merge", "s3://bucket/shards.zarr", cwd=work, env=env))
    expected = np.load(work / "x-y.npy")
    assert of_bucket(bucket, "shards.zarr").tobytes() == expected.tobytes()
    assert not list(work.glob("*.part*"))
    succeeds(onebyone("compare", "s3://bucket/shards.zarr", "x-y.npy", cwd=work, env=env))


def test_an_address_is_read_written_and_not_replaced(work: Path, bucket: ObjectStore):
    env = environment(**bucket.variables)
    apply = ("apply", "x.npy", "-w", "w.npy", "-o", "s3://bucket/a/y.zarr")
    succeeds(onebyone(*apply, cwd=work, env=env))
    assert onebyone(*apply, cwd=work, env=env).returncode == 73
    succeeds(onebyone(*apply, "--force", cwd=work, env=env))
    read = ("compare", "x-y.npy", "s3://bucket/a/y.zarr/data")
    succeeds(onebyone(*read, cwd=work, env=env))
    done = onebyone("info", "s3://bucket/none.zarr", cwd=work, env=env)
    assert done.returncode == 66
    assert not list(work.glob("*.part*"))


@pytest.mark.cluster
@pytest.mark.xdist_group("dask")
def test_dask_writes_a_store_on_s3(work: Path, bucket: ObjectStore):
    pytest.importorskip("distributed", reason="Dask is not installed")
    env = environment(**bucket.variables)
    apply = ("apply", "x.npy", "-w", "w.npy", "--workers", "2", "-o", "s3://bucket/dask.zarr")
    succeeds(onebyone(*apply, cwd=work, env=env))
    expected = np.load(work / "x-y.npy")
    assert of_bucket(bucket, "dask.zarr").tobytes() == expected.tobytes()
