"""Applying weights: the small job, and the one that is larger than memory ought to be."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from inputs import (
    CHANNELS,
    FILTERS,
    SMALL_SIDE,
    has_room,
    provide_stack,
    provide_vips_input,
    stack_bytes,
    weights_file,
)
from measuring import Contender, measure_in_turns, memory, wall, warm_up
from tables import MEBIBYTE, print_table, print_target

from jobs.commands import Options, compare_outputs, onebyone_apply, python_script


def measure_small(options: Options) -> None:
    """Measure the 72 MB job."""
    folder = options.folder
    stack, weights = provide_stack(folder, SMALL_SIDE), weights_file(folder)
    script_output = folder / "small_script.npy"
    script_command = python_script("numpy_script.py", stack, weights, script_output)
    script = Contender("NumPy script of three lines", script_command, script_output)
    mine = onebyone_apply(stack, weights, folder / "small_onebyone.npy")
    contenders = [script, vips_recomb(folder, stack), mine]
    warm_up(contenders)
    compare_outputs(mine, script)
    measure_in_turns(contenders, options.runs or 15, options.keep)
    title = f"small, {CHANNELS}×{SMALL_SIDE}×{SMALL_SIDE} float32 to {FILTERS} channels"
    print_table(title, contenders, reference=script)
    if not mine.missing:
        print_target("wall time", mine.ratio(script, wall), 1.15, " × the script")
        print_target("peak memory", mine.ratio(script, memory), 0.6, " × the script")
    options.found["small"] = mine


def vips_recomb(folder: Path, stack: Path) -> Contender:
    """Return the same job for vips, on its own format."""
    name = "vips recomb, .v to .v"
    if not shutil.which("vips"):
        return Contender(name, missing="not installed")
    image, matrix = provide_vips_input(folder, stack, SMALL_SIDE)
    output = folder / "small_vips.v"
    return Contender(name, ["vips", "recomb", image, output, matrix], output)


def measure_large(options: Options) -> None:
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
    measure_in_turns(contenders, options.runs or 3, options.keep)
    size = f"{stack_bytes(CHANNELS, side) / 1e9:.1f} GB"
    title = f"large, {CHANNELS}×{side}×{side} float32 ({size}) to {FILTERS} channels"
    print_table(title, contenders, reference=copy)
    if not mine.missing:
        print_large_targets(mine, copy, options.found.get("small"))


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
