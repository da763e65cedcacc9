"""Memory does not grow with the input, and stays inside the budget."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import peak_memory

from onebyone_cli.npy_header import format_header

MEBIBYTE = 1 << 20
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="there is no /proc to read the memory from"
)


def empty_stack(path: Path, side: int) -> Path:
    """A stack of zeros that takes no room on the disk."""
    header = format_header((16, side, side), "float32")
    path.write_bytes(header)
    os.truncate(path, len(header) + 16 * side * side * 4)
    return path


def compressed_stack(path: Path, side: int) -> Path:
    with h5py.File(path, "w") as file:
        chunks = (16, 8, side)
        x = file.create_dataset("x", (16, side, side), "f4", chunks=chunks, compression="gzip")
        rows = np.zeros(chunks, np.float32)
        rows[:, :, : side // 2] = 1
        for row in range(0, side, 8):  # h5py takes 20 times as long to fill with one number
            x[:, row : row + 8] = rows
    return path


@pytest.mark.parametrize("command", ["apply", "fit"])
def test_memory_does_not_grow_with_the_input(command: str, tmp_path: Path):
    np.save(tmp_path / "w.npy", np.ones((1, 16)))
    job = {
        "apply": ["-w", "w.npy", "-o", "out.npy", "--nan-to", "0"],
        "fit": ["--method", "svd", "-k", "1", "-o", "out.npz"],
    }[command]
    peaks = []
    for side in (900, 2000):  # 52 MB and 256 MB
        stack = empty_stack(tmp_path / "x.npy", side)
        if command == "fit":
            with open(stack, "r+b") as file:  # something has to vary
                file.seek(-4, os.SEEK_END)
                file.write(np.float32(1).tobytes())
        budget = ["--memory", "8M", "--threads", "2", "-q", "-f"]
        peaks.append(peak_memory(command, stack, *job, *budget, cwd=tmp_path))
    assert peaks[1] - peaks[0] < 4 * MEBIBYTE


def test_memory_follows_the_budget(tmp_path: Path):
    np.save(tmp_path / "w.npy", np.ones((1, 16)))
    job = ["-w", "w.npy", "-o", "out.npy", "-q", "-f", "--threads", "2"]
    small = empty_stack(tmp_path / "small.npy", 8)
    base = peak_memory("apply", small, *job, cwd=tmp_path)
    stack = empty_stack(tmp_path / "x.npy", 1500)
    for budget in (4, 16):
        used = peak_memory("apply", stack, *job, "--memory", f"{budget}M", cwd=tmp_path)
        # The allocator keeps some of what it has given out; the threads have stacks.
        assert used - base < (budget * 1.1 + 4) * MEBIBYTE


def test_a_stream_stays_inside_the_budget_whatever_the_length_of_rows(tmp_path: Path):
    np.save(tmp_path / "w.npy", np.ones((1, 16)))
    job = ["-w", "w.npy", "-o", "/dev/null", "-q", "--threads", "2", "--memory", "8M"]
    base = peak_memory("apply", empty_stack(tmp_path / "small.npy", 8), *job, cwd=tmp_path)
    stack = tmp_path / "x.npy"
    header = format_header((16, 1, 9_000_000), "float32")  # rows of 34 MiB
    stack.write_bytes(header)
    os.truncate(stack, len(header) + 16 * 9_000_000 * 4)
    used = peak_memory("apply", stack, *job, cwd=tmp_path)
    assert used - base < (8 * 1.1 + 4) * MEBIBYTE


def test_chunks_stay_inside_the_budget(tmp_path: Path):
    np.save(tmp_path / "w.npy", np.ones((1, 16)))
    job = ["-w", "w.npy", "-o", "out.npy", "-q", "-f", "--threads", "2", "--memory", "16M"]
    base = peak_memory("apply", compressed_stack(tmp_path / "s.h5", 16), *job, cwd=tmp_path)
    used = peak_memory("apply", compressed_stack(tmp_path / "x.h5", 1600), *job, cwd=tmp_path)
    assert used - base < (16 * 1.1 + 8) * MEBIBYTE


def test_comparing_stays_inside_the_budget(tmp_path: Path):
    job = ["--threads", "2", "-q"]
    small = empty_stack(tmp_path / "small.npy", 8)
    base = peak_memory("compare", small, small, *job, cwd=tmp_path)
    one, other = (empty_stack(tmp_path / name, 1000) for name in ("a.npy", "b.npy"))
    picture = ["--difference", "d.png", "-f"]
    for budget, more in ((8, []), (24, []), (24, picture)):
        given = [*job, "--memory", f"{budget}M", *more]
        used = peak_memory("compare", one, other, *given, cwd=tmp_path)
        # Drawing imports Pillow, and colours take some room when all pixels are through.
        assert used - base < (budget * 1.1 + 4 + 32 * bool(more)) * MEBIBYTE


@pytest.mark.parametrize("job", [["stats"], ["reduce", "--method", "random", "-k", "2"]])
def test_many_channels_take_no_memory_for_what_is_not_gathered(job: list[str], tmp_path: Path):
    """The co-moment of 6000 channels would take 288 MB."""
    more = ["-q", "-f", "--memory", "16M", *["-o", "out.npy"] * (job[0] == "reduce")]
    for name, channels in (("few.npy", 6), ("many.npy", 6000)):
        np.save(tmp_path / name, np.ones((channels, 8, 9), np.float32))
    base, used = (peak_memory(*job, name, *more, cwd=tmp_path) for name in ("few.npy", "many.npy"))
    assert used - base < 24 * MEBIBYTE


def test_blocks_of_gdal_stay_inside_the_budget(tmp_path: Path):
    rasterio = pytest.importorskip("rasterio")
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    ground = {"crs": "EPSG:32612", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 4e6)}
    for side in (256, 3072):
        shape = {"count": 4, "height": side, "width": side, "dtype": "float32"}
        with rasterio.open(tmp_path / f"{side}.tif", "w", "GTiff", **shape, **ground, **tiles):
            pass
    job = ["--kernel", "1 2 3 4", "-o", "out.npy", "-q", "-f", "--threads", "2"]
    base = peak_memory("apply", "gdal:256.tif", *job, cwd=tmp_path)
    for budget in (48, 96):
        given = ["--memory", f"{budget}M", *job]
        used = peak_memory("apply", "gdal:3072.tif", *given, cwd=tmp_path)
        assert used - base < (budget * 1.1 + 8) * MEBIBYTE
