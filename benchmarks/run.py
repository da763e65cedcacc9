"""Measure onebyone against other ways to do the same job and print one table for each job.

    python benchmarks/run.py [--jobs small,fit,...] [--runs N] [--folder DATA]

Whole processes are measured, from start to exit, as `time` would: wall clock, processor time and
the largest resident memory, which the system reports for each child when it ends. README.md
beside this file tells what is compared and why.

Only the standard library is imported here, and that matters: on Linux a child's largest resident
memory is never reported below what its parent had at the start of the child.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median

Command = Sequence[str | Path]

HERE = Path(__file__).resolve().parent
GENERATOR = HERE.parent / "sample_data" / "make_sample_data.py"
ONEBYONE = Path(sys.executable).parent / "onebyone"

CHANNELS, FILTERS = 50, 20
FLOAT32 = 4
SMALL_SIDE, PIPE_SIDE, LARGE_SIDE = 600, 2317, 6000  # 72 MB, 1 GiB, 7.2 GB
# A .npy header with the padding that NumPy gives it.
NPY_HEADER = 128

MEBIBYTE = 2**20
# Left free on the disk besides what the job itself writes.
DISK_RESERVE = 1024 * MEBIBYTE

DEFAULT_RUNS = {
    "startup": 21,
    "small": 15,
    "fit": 15,
    "pipe": 7,
    "large": 3,
    "fit-large": 5,
    "dask": 3,
}


# ------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Sample:
    """What one process took."""

    wall: float
    processor: float
    memory: int


@dataclass
class Contender:
    """One command of a job, with what its runs took.

    A contender whose `missing` says why it can't run keeps its line in the table.
    """

    name: str
    command: Command = ()
    output: Path | None = None
    missing: str | None = None
    samples: list[Sample] = field(default_factory=list)

    def middle(self, measure: Callable[[Sample], float]) -> float:
        """Return the median of one measure over all runs."""
        return median(map(measure, self.samples))

    def ratio(self, reference: Contender, measure: Callable[[Sample], float]) -> float:
        """Return the median of the ratios to `reference`, each taken within one round."""
        pairs = zip(self.samples, reference.samples, strict=True)
        return median(measure(ours) / measure(theirs) for ours, theirs in pairs)


def wall(sample: Sample) -> float:
    """Return the seconds from start to exit."""
    return sample.wall


def memory(sample: Sample) -> float:
    """Return the largest resident memory in bytes."""
    return sample.memory


def run_once(command: Command) -> Sample:
    """Run a command to its end and return what it took."""
    # A run must not wait until the pages that an earlier one wrote have gone to the disk.
    os.sync()
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"exit status {process.returncode} from: {shlex.join(map(str, command))}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def measure_in_turns(contenders: Iterable[Contender], runs: int, keep: bool) -> None:
    """Run all commands once per round, `runs` rounds, so that all see the same moods."""
    present = [contender for contender in contenders if not contender.missing]
    for round_number in range(runs):
        for contender in present:
            remove(contender.output)
            contender.samples.append(run_once(contender.command))
            if not (keep and round_number == runs - 1):
                remove(contender.output)


def warm_up(contenders: Iterable[Contender]) -> None:
    """Run every command once unmeasured, which also fills the page cache; keep the outputs."""
    for contender in contenders:
        if not contender.missing:
            remove(contender.output)
            run_once(contender.command)


def remove(path: Path | None) -> None:
    """Delete a file if it is there."""
    if path:
        path.unlink(missing_ok=True)


# -------------------------------------------------------------------------------------- printing


def print_table(title: str, contenders: Sequence[Contender], reference: Contender) -> None:
    """Print the medians of a job, and each command's ratios to the reference."""
    runs = len(reference.samples)
    print(f"\n{title}: medians of {runs} runs in turns; × is the ratio to {reference.name}")
    print(f"  {'':34}{'wall':>11}{'×':>7}{'user+sys':>11}{'peak memory':>13}{'×':>7}")
    for contender in contenders:
        if contender.missing:
            print(f"  {contender.name:34}{contender.missing:>11}")
            continue
        cells = (
            f"{milliseconds(contender.middle(wall)):>11}"
            f"{contender.ratio(reference, wall):>7.2f}"
            f"{milliseconds(contender.middle(lambda sample: sample.processor)):>11}"
            f"{mebibytes(contender.middle(memory)):>13}"
            f"{contender.ratio(reference, memory):>7.2f}"
        )
        print(f"  {contender.name:34}{cells}")


def milliseconds(seconds: float) -> str:
    """Return a time for the table."""
    return f"{seconds * 1000:,.0f} ms"


def mebibytes(count: float) -> str:
    """Return a memory size for the table."""
    return f"{count / MEBIBYTE:,.1f} MiB"


def print_target(what: str, found: float, limit: float, unit: str = "") -> None:
    """Print a stated target beside the figure found."""
    verdict = "met" if found <= limit else "MISSED"
    print(f"  target: {what} at most {limit:g}{unit}: {found:.4g}{unit}, {verdict}")


def print_machine() -> None:
    """Print what the figures depend on."""
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {version_of(name)}" for name in ("numpy", "typer", "onebyone-cli")]
    print(f"machine: {processor_name()}, {usable_cores()} cores, {platform.system()}")
    print(f"versions: {', '.join(versions)}, {vips_version()}")


def version_of(distribution: str) -> str:
    """Return the installed version of a Python package."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def vips_version() -> str:
    """Return the version of vips, if there is one."""
    if not shutil.which("vips"):
        return "vips not installed"
    output = subprocess.run(["vips", "--version"], capture_output=True, text=True, check=True)
    return output.stdout.strip()


def processor_name() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# ------------------------------------------------------------------------------------------ data


def stack_bytes(channels: int, side: int) -> int:
    """Return the size of a float32 .npy stack."""
    return NPY_HEADER + channels * side * side * FLOAT32


def stack_file(folder: Path, side: int) -> Path:
    """Return where the generator puts the stack."""
    return folder / f"large_{CHANNELS}x{side}x{side}.npy"


def weights_file(folder: Path) -> Path:
    """Return where the generator puts the weights."""
    return folder / f"large_weights_{FILTERS}x{CHANNELS}.npy"


def provide_stack(folder: Path, side: int) -> Path:
    """Make the stack and the weights unless they are there already."""
    stack = stack_file(folder, side)
    if not (stack.exists() and weights_file(folder).exists()):
        print(f"making {stack} ...", file=sys.stderr)
        command: Command = [sys.executable, GENERATOR, "--large", folder, "--side", str(side)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return stack


def provide_numbers(stack: Path) -> Path:
    """Make a file of the numbers of a stack alone, without the header, unless it is there."""
    numbers = stack.with_suffix(".raw")
    if not numbers.exists():
        part = numbers.with_suffix(".part")
        with open(stack, "rb") as whole, open(part, "wb") as rest:
            whole.seek(NPY_HEADER)
            shutil.copyfileobj(whole, rest, 16 * MEBIBYTE)
        part.rename(numbers)
    return numbers


def provide_vips_input(folder: Path, stack: Path, side: int) -> tuple[Path, Path]:
    """Make the stack in vips' own format, and its matrix, unless they are there already."""
    image, matrix = stack.with_suffix(".v"), weights_file(folder).with_suffix(".mat")
    if not (image.exists() and matrix.exists()):
        pixels = stack.with_suffix(".raw")
        run_tool("vips_input.py", stack, weights_file(folder), pixels, matrix)
        size = [str(side), str(side), str(CHANNELS)]
        subprocess.run(["vips", "rawload", pixels, image, *size, "--format", "float"], check=True)
        pixels.unlink()
    return image, matrix


def run_tool(script: str, *arguments: Path) -> None:
    """Run a helper script of this folder; its complaint ends the benchmark."""
    if subprocess.run(python_script(script, *arguments), check=False).returncode:
        sys.exit(f"{script} failed")


def compare_outputs(ours: Contender, reference: Contender) -> None:
    """Check that a contender did the same job, once, on what the warm-up left behind."""
    if ours.missing or not (ours.output and reference.output):
        return
    run_tool("compare.py", ours.output, reference.output)


# ------------------------------------------------------------------------------------------ jobs


@dataclass(frozen=True)
class Options:
    """The command line."""

    jobs: list[str]
    runs: int | None
    folder: Path
    large_side: int
    keep: bool

    def runs_of(self, job: str) -> int:
        """Return how many measured runs a job gets."""
        return self.runs or DEFAULT_RUNS[job]


def python_script(name: str, *arguments: Path) -> list[str | Path]:
    """Return the command that runs a script of this folder."""
    return [sys.executable, HERE / name, *arguments]


def onebyone_apply(stack: Path, weights: Path, output: Path) -> Contender:
    """Return our own command for the job."""
    command: Command = [ONEBYONE, "apply", stack, "-w", weights, "-o", output, "-f", "-q"]
    return ours("onebyone apply", command, output)


def ours(name: str, command: Command, output: Path | None = None) -> Contender:
    """Return a contender that is the installed `onebyone`."""
    missing = None if ONEBYONE.exists() else f"not installed beside {sys.executable}"
    return Contender(name, command, output, missing)


def measure_startup(options: Options) -> None:
    """Measure the commands that do no work."""
    python = Contender("python -c pass", [sys.executable, "-c", "pass"])
    contenders = [
        python,
        Contender("empty Typer program", python_script("empty_typer.py")),
        ours("onebyone --version", [ONEBYONE, "--version"]),
        ours("onebyone --help", [ONEBYONE, "--help"]),
    ]
    warm_up(contenders)
    measure_in_turns(contenders, options.runs_of("startup"), options.keep)
    print_table("startup", contenders, reference=python)


def measure_small(options: Options) -> Contender:
    """Measure the 72 MB job and return our contender."""
    folder = options.folder
    stack, weights = provide_stack(folder, SMALL_SIDE), weights_file(folder)
    script_output = folder / "small_script.npy"
    script_command = python_script("numpy_script.py", stack, weights, script_output)
    script = Contender("NumPy script of three lines", script_command, script_output)
    mine = onebyone_apply(stack, weights, folder / "small_onebyone.npy")
    contenders = [script, vips_recomb(folder, stack), mine]
    warm_up(contenders)
    compare_outputs(mine, script)
    measure_in_turns(contenders, options.runs_of("small"), options.keep)
    title = f"small, {CHANNELS}×{SMALL_SIDE}×{SMALL_SIDE} float32 to {FILTERS} channels"
    print_table(title, contenders, reference=script)
    if not mine.missing:
        print_target("wall time", mine.ratio(script, wall), 1.15, " × the script")
        print_target("peak memory", mine.ratio(script, memory), 0.6, " × the script")
    return mine


def vips_recomb(folder: Path, stack: Path) -> Contender:
    """Return the same job for vips, on its own format."""
    name = "vips recomb, .v to .v"
    if not shutil.which("vips"):
        return Contender(name, missing="not installed")
    image, matrix = provide_vips_input(folder, stack, SMALL_SIDE)
    output = folder / "small_vips.v"
    return Contender(name, ["vips", "recomb", image, output, matrix], output)


def measure_pipe(options: Options) -> None:
    """Measure 1 GiB through a pipe, channel after channel and pixel after pixel."""
    folder = options.folder
    stack, weights = provide_stack(folder, PIPE_SIDE), weights_file(folder)
    # `tail`, which would leave the header out on the way, is slower than `cat`.
    read, numbers = (f"cat {shlex.quote(str(path))}" for path in (stack, provide_numbers(stack)))
    apply = f"{shlex.quote(str(ONEBYONE))} apply - -w {shlex.quote(str(weights))} -q -o -"
    pixels = f"--raw --shape {PIPE_SIDE},{PIPE_SIDE},{CHANNELS} --dtype-in f4 --layout HWC"
    cat = piped("cat in | cat > out", f"{read} | cat", folder / "pipe_cat.npy")
    mine = piped("cat in | onebyone apply -", f"{read} | {apply}", folder / "pipe_onebyone.npy")
    hwc = piped(
        "the same by pixels (HWC)", f"{numbers} | {apply} {pixels}", folder / "pipe_hwc.npy"
    )
    contenders = [cat, mine, hwc]
    warm_up(contenders)
    measure_in_turns(contenders, options.runs_of("pipe"), options.keep)
    print_table(
        f"pipe, {CHANNELS}×{PIPE_SIDE}×{PIPE_SIDE} float32 (1 GiB)", contenders, reference=cat
    )
    for contender in (mine, hwc):
        print_target("wall time", contender.ratio(cat, wall), 1.5, " × cat in | cat > out")


def piped(name: str, pipeline: str, output: Path) -> Contender:
    """Return a contender that is a pipeline of the shell into a file."""
    line = f"set -o pipefail; {pipeline} >{shlex.quote(str(output))}"
    return Contender(name, ["bash", "-c", line], output)


def measure_large(options: Options, small: Contender | None) -> None:
    """Measure the job that is larger than memory ought to be, if the disk has room for it."""
    folder, side = options.folder, options.large_side
    if not has_room(folder, side):
        return
    stack, weights = provide_stack(folder, side), weights_file(folder)
    output_bytes = stack_bytes(FILTERS, side)
    copy = copy_contender(stack, folder / "large_copy.npy", output_bytes)
    loop_output = folder / "large_loop.npy"
    loop_command = python_script("numpy_memmap_loop.py", stack, weights, loop_output)
    loop = Contender("NumPy memmap loop", loop_command, loop_output)
    mine = onebyone_apply(stack, weights, folder / "large_onebyone.npy")
    contenders = [copy, loop, mine]
    warm_up(contenders)
    compare_outputs(mine, loop)
    measure_in_turns(contenders, options.runs_of("large"), options.keep)
    size = f"{stack_bytes(CHANNELS, side) / 1e9:.1f} GB"
    title = f"large, {CHANNELS}×{side}×{side} float32 ({size}) to {FILTERS} channels"
    print_table(title, contenders, reference=copy)
    if not mine.missing:
        print_large_targets(mine, copy, small)


def copy_contender(stack: Path, output: Path, output_bytes: int) -> Contender:
    """Return the least any program can do: read the whole input, write as much as the output."""
    read = f"cat {shlex.quote(str(stack))} >/dev/null"
    write = f"head -c {output_bytes} {shlex.quote(str(stack))} >{shlex.quote(str(output))}"
    return Contender("cat in, head out", ["sh", "-c", f"{read} && {write}"], output)


def print_large_targets(mine: Contender, copy: Contender, small: Contender | None) -> None:
    """Print the targets of the large job; the last one needs the small job in the same run."""
    peak = mine.middle(memory) / MEBIBYTE
    print_target("wall time", mine.ratio(copy, wall), 1.1, " × cat and head")
    print_target("resident memory", peak, 100, " MiB")
    if small and small.samples:
        growth = peak - small.middle(memory) / MEBIBYTE
        print_target("growth over the small job", growth, 16, " MiB")


def measure_fit(options: Options) -> None:
    """Measure learning from the 72 MB stack, and learning and applying in one go."""
    folder = options.folder
    stack, model = provide_stack(folder, SMALL_SIDE), folder / "fit_onebyone.npz"
    script_model, sklearn_model = folder / "fit_script.npz", folder / "fit_sklearn.npz"
    script = Contender(
        "NumPy script, cov and eigh",
        python_script("pca_script.py", stack, script_model),
        script_model,
    )
    sklearn = Contender(
        "scikit-learn PCA",
        python_script("pca_sklearn.py", stack, sklearn_model),
        sklearn_model,
        None if importlib.util.find_spec("sklearn") else "not installed",
    )
    components = ["-k", str(FILTERS)]
    fit = ours("onebyone fit", [ONEBYONE, "fit", stack, *components, "-o", model, "-q"], model)
    apply = onebyone_apply(stack, weights_file(folder), folder / "fit_apply.npy")
    scores = folder / "fit_reduce.npy"
    reduce = ours(
        "onebyone reduce", [ONEBYONE, "reduce", stack, *components, "-o", scores, "-q"], scores
    )
    contenders = [script, sklearn, fit, apply, reduce]
    warm_up(contenders)
    compare_outputs(fit, script)
    measure_in_turns(contenders, options.runs_of("fit"), options.keep)
    title = f"fit, {CHANNELS}×{SMALL_SIDE}×{SMALL_SIDE} float32 to {FILTERS} components"
    print_table(title, contenders, reference=script)
    if fit.missing:
        return
    print_target("wall time", fit.ratio(script, wall), 0.5, " × the script")
    if not sklearn.missing:
        print_target("wall time", fit.ratio(sklearn, wall), 0.15, " × scikit-learn")
    both = fit.middle(wall) + apply.middle(wall)
    print_target("reduce", reduce.middle(wall) / both, 1, " × fit and apply")


def measure_fit_large(options: Options) -> None:
    """Measure learning from the large stack against reading it."""
    folder, side = options.folder, options.large_side
    if not (stack_file(folder, side).exists() or has_room(folder, side)):
        return
    stack, model = provide_stack(folder, side), folder / "fit_large.npz"
    cat = Contender("cat in", ["sh", "-c", f"cat {shlex.quote(str(stack))} >/dev/null"])
    command = [ONEBYONE, "fit", stack, "-k", str(FILTERS), "-o", model, "-q"]
    fit = ours("onebyone fit", command, model)
    contenders = [cat, fit]
    warm_up(contenders)
    measure_in_turns(contenders, options.runs_of("fit-large"), options.keep)
    size = f"{stack_bytes(CHANNELS, side) / 1e9:.1f} GB"
    title = f"fit-large, {CHANNELS}×{side}×{side} float32 ({size}) to {FILTERS} components"
    print_table(title, contenders, reference=cat)
    if not fit.missing:
        seconds = median(f.wall - 2 * c.wall for f, c in zip(fit.samples, cat.samples, strict=True))
        print_target("wall time beyond 2 × cat", seconds, 2, " s")
        print_target("resident memory", fit.middle(memory) / MEBIBYTE, 100, " MiB")


def measure_dask(options: Options) -> None:
    """Measure how much sooner two workers of a Dask cluster are done with the large stack."""
    folder, side = options.folder, options.large_side
    if not (stack_file(folder, side).exists() or has_room(folder, side)):
        return
    stack, weights = provide_stack(folder, side), weights_file(folder)
    missing = None if importlib.util.find_spec("distributed") else "not installed"
    contenders = []
    for command in ("apply", "fit"):
        for workers in (0, 1, 2):
            suffix = "npy" if command == "apply" else "npz"
            output = folder / f"dask_{command}_{workers}.{suffix}"
            what = ["-w", weights] if command == "apply" else ["-k", str(FILTERS)]
            # A thread for each worker: what is compared is workers, not threads.
            where = ["--workers", str(workers)] * (workers > 0) + ["--threads", "1"]
            name = f"{command} --workers {workers}" if workers else f"{command}, one thread"
            line = [ONEBYONE, command, stack, *what, "-o", output, "-q", *where]
            contenders.append(Contender(name, line, output, missing if workers else None))
    warm_up(contenders)
    if not missing:
        compare_outputs(contenders[2], contenders[0])
    measure_in_turns(contenders, options.runs_of("dask"), options.keep)
    size = f"{stack_bytes(CHANNELS, side) / 1e9:.1f} GB"
    title = f"dask, {CHANNELS}×{side}×{side} float32 ({size})"
    print_table(title, contenders, reference=contenders[0])
    if missing:
        return
    for command, (one, two) in (("apply", contenders[1:3]), ("fit", contenders[4:6])):
        print_target(f"{command}, two workers", two.ratio(one, wall), 0.7, " × one worker")


def has_room(folder: Path, side: int) -> bool:
    """Tell whether the large job fits on the disk, and say so if it does not."""
    # The warm-up leaves the outputs of all three commands until they have been compared.
    needed = 3 * stack_bytes(FILTERS, side) + DISK_RESERVE
    if not stack_file(folder, side).exists():
        needed += stack_bytes(CHANNELS, side)
    free = shutil.disk_usage(folder).free
    if free < needed:
        print(
            f"\nlarge: skipped, {folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB"
            " are needed; name another place with --folder or a smaller --large-side"
        )
    return free >= needed


# ---------------------------------------------------------------------------------- command line


def parse_arguments() -> Options:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description="Measure onebyone against other programs.")
    parser.add_argument(
        "--jobs", type=job_names, default=list(DEFAULT_RUNS), help=",".join(DEFAULT_RUNS)
    )
    parser.add_argument("--runs", type=positive, help="measured runs of each command")
    parser.add_argument("--folder", type=Path, default=HERE / "data", help="where the data goes")
    parser.add_argument(
        "--large-side", type=positive, default=LARGE_SIDE, help="height and width (6000)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the last outputs in the folder")
    return Options(**vars(parser.parse_args()))


def job_names(text: str) -> list[str]:
    """Return a comma-separated list of known jobs."""
    names = text.split(",")
    unknown = [name for name in names if name not in DEFAULT_RUNS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no job {', '.join(unknown)}; there are {', '.join(DEFAULT_RUNS)}"
        )
    return names


def positive(text: str) -> int:
    """Return `text` as a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main() -> None:
    """Run the chosen jobs, small before large."""
    options = parse_arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    # Keeps the lines in order with those of the helper scripts, into a pipe too.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    # Installed programs have their bytecode; one that compiles itself anew is not what is measured.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print_machine()
    small = None
    if "startup" in options.jobs:
        measure_startup(options)
    if "small" in options.jobs:
        small = measure_small(options)
    if "fit" in options.jobs:
        measure_fit(options)
    if "pipe" in options.jobs:
        measure_pipe(options)
    if "large" in options.jobs:
        measure_large(options, small)
    if "fit-large" in options.jobs:
        measure_fit_large(options)
    if "dask" in options.jobs:
        measure_dask(options)


if __name__ == "__main__":
    main()
