"""Channels that are not used are not read: the bytes that the system is asked for are counted."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from onebyone_cli.api import apply, fit
from onebyone_cli.arithmetic.scale import parse_scale
from onebyone_cli.formats.opening import open_input
from onebyone_cli.operations.compare.job import CompareJob, CompareSettings
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.operations.view.run import ViewJob, ViewRequest
from onebyone_cli.picture.sheet import Room
from onebyone_cli.stack.selected import select
from onebyone_cli.stack.selection import parse_selection, selection_of

_COUNTER = Path("/proc/self/io")

pytestmark = pytest.mark.skipif(not _COUNTER.exists(), reason="no counter of bytes that are read")

CHANNELS, SIDE, USED = 224, 48, (10, 100, 200)

MEMORY = 1 << 28


def bytes_read() -> int:
    """Return how many bytes this process has read from files so far."""
    name, value = _COUNTER.read_text().split("\n", 1)[0].split()
    assert name == "rchar:"
    return int(value)


def as_npy(path: Path, x: Any) -> str:
    np.save(path / "x.npy", x)
    return "x.npy"


def as_hdf5(path: Path, x: Any) -> str:
    with h5py.File(path / "x.h5", "w") as file:
        file["x"] = x
    return "x.h5"


def as_chunks(path: Path, x: Any) -> str:
    with h5py.File(path / "c.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(1, SIDE, SIDE), compression=1)
    return "c.h5"


def as_envi(path: Path, x: Any) -> str:
    (path / "x.img").write_bytes(x.tobytes())
    sizes = f"samples = {SIDE}\nlines = {SIDE}\nbands = {CHANNELS}"
    (path / "x.hdr").write_text(f"ENVI\n{sizes}\ndata type = 4\ninterleave = bsq\n")
    return "x.img"


def as_tiff(path: Path, x: Any) -> str:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path / "x.tif", x, photometric="minisblack", planarconfig="separate")
    return "x.tif"


@contextmanager
def opened(path: Path, channels: tuple[int, ...]) -> Iterator[list[Any]]:
    """Open a stack and select channels."""
    with open_input(str(path)) as reader:
        yield select([reader], selection_of(channels))


def applied(path: Path, channels: tuple[int, ...]) -> None:
    apply(path, np.ones((2, len(channels))), channels=channels)


def applied_with_zeros(path: Path, channels: tuple[int, ...]) -> None:
    """Use weights that are zero for all other channels."""
    weight = np.zeros((2, CHANNELS))
    weight[:, channels] = 1
    apply(path, weight)


def fitted(path: Path, channels: tuple[int, ...]) -> None:
    fit(path, k=1, channels=channels)


def fitted_to_noise(path: Path, channels: tuple[int, ...]) -> None:
    """Differences of neighbours are read with the rows below."""
    fit(path, k=1, method="mnf", channels=channels)


def counted(path: Path, channels: tuple[int, ...]) -> None:
    with opened(path, channels) as readers:
        LearnJob(readers, LearnSettings(MEMORY, 2, wanted=Wanted(per_channel=True))).run(nothing)


def compared(path: Path, channels: tuple[int, ...]) -> None:
    with opened(path, channels) as (a,), opened(path, channels) as (b,):
        CompareJob(a, b, CompareSettings(MEMORY, 2)).run(nothing)


def viewed(path: Path, channels: tuple[int, ...]) -> None:
    shown = tuple(parse_selection(str(at)) for at in range(len(channels)))
    with ExitStack() as stack, opened(path, channels) as readers:
        request = ViewRequest("rgb", shown, parse_scale("0,1"))
        job = ViewJob(readers, request, lambda cells: Room(200, 200), MEMORY)
        job.run(stack, nothing, (0, 0, 0))


def nothing(*progress: Any) -> None:
    """Report no progress."""


@pytest.mark.parametrize("save", [as_npy, as_hdf5, as_chunks, as_envi, as_tiff])
@pytest.mark.parametrize(
    "use",
    [applied, applied_with_zeros, fitted, fitted_to_noise, counted, compared, viewed],
)
def test_other_channels_are_not_read(
    tmp_path: Path,
    save: Callable[[Path, Any], str],
    use: Callable[[Path, tuple[int, ...]], None],
) -> None:
    # Random numbers, which compression makes hardly smaller.
    x = np.random.default_rng(0).normal(size=(CHANNELS, SIDE, SIDE)).astype("f4")
    path = tmp_path / save(tmp_path, x)
    use(path, USED)  # imports what it needs
    before = bytes_read()
    use(path, USED)
    taken = bytes_read() - before
    assert 0.8 * x[: len(USED)].nbytes <= taken <= 0.1 * x.nbytes
