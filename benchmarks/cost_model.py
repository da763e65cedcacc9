"""Model the costs of jobs: cost_model.py STACK.npy LARGE.npy WEIGHTS.npy, as run.py makes them.

Measures constants of this machine: each operation separately, and the overhead of a tile from a
whole job on STACK. Compares predictions with measurements of the jobs on LARGE, and prints
predictions for larger stacks and clusters. See docs/scaling.md.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from onebyone_cli.system import blas

blas.set_up()

import numpy as np  # noqa: E402

from onebyone_cli.system.buffers import empty_rows  # noqa: E402

CHANNELS, FILTERS, BYTES = 50, 20, 4
APPLY_TILE, LEARN_TILE = 4096, 8192
HEADER = 128  # of a .npy file, as numpy writes it
ROUNDS, RUNS = 41, 7
GB, TB, PB = 1e9, 1e12, 1e15
ONEBYONE = Path(sys.executable).parent / "onebyone"

#: The cluster of the predictions: nodes of 16 cores with 25 Gbit/s each, and a file system that
#: gives all of them together 100 GB/s.
CORES, NODE_NETWORK, FILE_SYSTEM = 16, 25e9 / 8, 100e9


class Constants(NamedTuple):
    """Seconds of one core."""

    read: float  # a byte, from the page cache
    write: float  # a byte, into it
    multiply: float  # a multiply-add in float32
    square: float  # a multiply-add in float64, a tile with its transpose
    centre: float  # a number brought to float64 and centred
    apply_tile: float = 0.0  # a tile of apply, besides
    learn_tile: float = 0.0  # a tile of a pass that learns, besides
    start: float = 0.0  # a process from start to exit

    def apply_pixel(self, channels: int, filters: int) -> float:
        """Seconds of one core for a pixel of apply."""
        moved = BYTES * (channels * self.read + filters * self.write)
        return moved + channels * filters * self.multiply + self.apply_tile / APPLY_TILE

    def learn_pixel(self, channels: int) -> float:
        """Seconds of one core for a pixel of a pass that learns."""
        each = BYTES * self.read + self.centre
        squares = channels * (channels + 1) / 2 * self.square
        return channels * each + squares + self.learn_tile / LEARN_TILE


def seconds_of(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median of the seconds that something takes."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def measure_parts(stack: Path) -> Constants:
    """Measure what can be measured by itself."""
    pixels = 2 * LEARN_TILE
    piece = empty_rows((CHANNELS, pixels), np.float32)
    plane = pixels_of(stack) * BYTES
    step = piece.nbytes // CHANNELS
    with stack.open("rb") as file:

        def read() -> None:
            for start in range(HEADER, HEADER + plane - step, step):
                for channel in range(CHANNELS):
                    os.preadv(file.fileno(), [piece[channel].data], start + channel * plane)

        reading = seconds_of(read, rounds=5) / (plane // step)
    weights = np.ones((FILTERS, CHANNELS), np.float32)
    x, out = piece[:, :APPLY_TILE], empty_rows((FILTERS, APPLY_TILE), np.float32)
    product = seconds_of(lambda: np.matmul(weights, x, out=out))
    block, source = empty_rows((CHANNELS, LEARN_TILE), np.float64), piece[:, :LEARN_TILE]

    centre, ones = np.ones((CHANNELS, 1)), np.ones(LEARN_TILE)

    def centring() -> None:
        np.copyto(block, source)
        np.subtract(block, centre, out=block)
        np.matmul(block, ones)

    centred, square = seconds_of(centring), seconds_of(lambda: block @ block.T)
    with tempfile.TemporaryFile(dir=stack.parent) as file:
        numbers, places = np.ones(1 << 20, np.uint8), iter(range(1 << 20))
        writing = seconds_of(lambda: os.pwrite(file.fileno(), numbers, next(places) << 20))
    return Constants(
        read=reading / (CHANNELS * pixels * BYTES),
        write=writing / numbers.size,
        multiply=product / (CHANNELS * FILTERS * APPLY_TILE),
        square=square / (CHANNELS * (CHANNELS + 1) / 2 * LEARN_TILE),
        centre=centred / (CHANNELS * LEARN_TILE),
    )


class Took(NamedTuple):
    """What a whole process took, in seconds."""

    wall: float
    processor: float


def run(*args: str | Path) -> Took:
    """Run the program several times; return medians."""
    walls, processors = [], []
    output = Path(args[args.index("-o") + 1])
    for _ in range(RUNS):
        output.unlink(missing_ok=True)
        os.sync()
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([ONEBYONE, *map(str, args)], check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return Took(median(walls), median(processors))


def jobs(stack: Path, weights: Path, folder: Path) -> tuple[Sequence[str | Path], ...]:
    """Return the arguments of apply and of fit."""
    apply = ["apply", stack, "-w", weights, "-o", folder / "model_out.npy", "-q"]
    fit = ["fit", stack, "-k", str(FILTERS), "-o", folder / "model_out.npz", "-q"]
    return apply, fit


def pixels_of(stack: Path) -> int:
    """Return how many pixels a stack of 50 float32 channels has."""
    return stack.stat().st_size // (CHANNELS * BYTES)


def calibrated(found: Constants, stack: Path, weights: Path) -> Constants:
    """Add what whole jobs on the smaller stack give: start, and the overhead of a tile."""
    tiny = stack.parent / "model_tiny.npy"
    np.save(tiny, np.random.default_rng().random((CHANNELS, 20, 20), np.float32))
    starts = [run(*job) for job in jobs(tiny, weights, stack.parent)]
    tiny.unlink()
    pixels = pixels_of(stack)
    apply, fit = (run(*job).processor for job in jobs(stack, weights, stack.parent))
    more = apply - starts[0].processor - pixels * found.apply_pixel(CHANNELS, FILTERS)
    more_fit = fit - starts[1].processor - pixels * found.learn_pixel(CHANNELS)
    return found._replace(
        apply_tile=max(0.0, more / pixels * APPLY_TILE),
        learn_tile=max(0.0, more_fit / pixels * LEARN_TILE),
        start=starts[0].wall,
    )


def print_constants(found: Constants) -> None:
    """Print the constants as a table."""
    print("| constant | here |\n|---|---|")
    print(f"| read, from the page cache | {1e-9 / found.read:.1f} GB/s of one core |")
    print(f"| write, into the page cache | {1e-9 / found.write:.1f} GB/s |")
    print(f"| multiply-adds in float32, (20, 50) × (50, 4096) | {1e-9 / found.multiply:.1f} G/s |")
    print(f"| multiply-adds in float64, (50, 8192) by itself | {1e-9 / found.square:.1f} G/s |")
    print(f"| conversion to float64, with centring | {1e-9 / found.centre:.2f} G/s |")
    print(f"| overhead of a block of `apply` | {found.apply_tile * 1e6:.0f} µs |")
    print(f"| overhead of a block of `fit` | {found.learn_tile * 1e6:.0f} µs |")
    print(f"| start to exit | {found.start * 1e3:.0f} ms |")


def print_check(found: Constants, stack: Path, weights: Path) -> None:
    """Compare predictions with jobs."""
    pixels, cores = pixels_of(stack), len(os.sched_getaffinity(0))
    size = stack.stat().st_size / GB
    print(f"\n| {size:.1f} GB, {cores} cores | predicted | measured |\n|---|---|---|")
    each = (found.apply_pixel(CHANNELS, FILTERS), found.learn_pixel(CHANNELS))
    for job, pixel in zip(jobs(stack, weights, stack.parent), each, strict=True):
        took, work = run(*job), pixels * pixel
        for what, predicted, measured in (
            ("processor", work + found.start, took.processor),
            ("wall", work / cores + found.start, took.wall),
        ):
            print(f"| `{job[0]}`, {what} | {predicted:.2f} s | {measured:.2f} s |")
    for name in ("model_out.npy", "model_out.npz"):
        (stack.parent / name).unlink(missing_ok=True)


def wall(size: float, nodes: int, core_pixel: float, bytes_pixel: float, start: float) -> float:
    """Predict the seconds of a job on a cluster: cores, or what feeds them, whichever is slower."""
    pixels = size / (CHANNELS * BYTES)
    cores = pixels * core_pixel / (nodes * CORES)
    fed = pixels * bytes_pixel / min(nodes * NODE_NETWORK, FILE_SYSTEM)
    return start + max(cores, fed)


def print_predictions(found: Constants) -> None:
    """Print what jobs on a cluster would take."""
    print("\n| stack | nodes | `apply` to 20 | `fit` | bound by |\n|---|---|---|---|---|")
    apply, learn = found.apply_pixel(CHANNELS, FILTERS), found.learn_pixel(CHANNELS)
    for name, size in (("1 TB", TB), ("1 PB", PB)):
        for nodes in (1, 10, 100, 1000):
            applying = wall(size, nodes, apply, (CHANNELS + FILTERS) * BYTES, found.start)
            learning = wall(size, nodes, learn, CHANNELS * BYTES, found.start)
            bound = "the network" if nodes * NODE_NETWORK < FILE_SYSTEM else "the file system"
            if learning > found.start + size / min(nodes * NODE_NETWORK, FILE_SYSTEM):
                bound = "cores"
            print(f"| {name} | {nodes} | {human(applying)} | {human(learning)} | {bound} |")


def human(seconds: float) -> str:
    """Say a time in its unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def main() -> None:
    """Measure, check, predict."""
    stack, large, weights = map(Path, sys.argv[1:])
    found = calibrated(measure_parts(stack), stack, weights)
    print_constants(found)
    print_check(found, large, weights)
    print_predictions(found)


if __name__ == "__main__":
    main()
