"""A GiB through a pipe."""

from __future__ import annotations

import shlex
from pathlib import Path

from inputs import (
    CHANNELS,
    PIPE_SIDE,
    provide_numbers,
    provide_stack,
    weights_file,
)
from measuring import Contender, measure_in_turns, wall, warm_up
from tables import print_table, print_target

from jobs.commands import ONEBYONE, Options


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
    measure_in_turns(contenders, options.runs or 7, options.keep)
    print_table(
        f"pipe, {CHANNELS}×{PIPE_SIDE}×{PIPE_SIDE} float32 (1 GiB)", contenders, reference=cat
    )
    for contender in (mine, hwc):
        print_target("wall time", contender.ratio(cat, wall), 1.5, " × cat in | cat > out")


def piped(name: str, pipeline: str, output: Path) -> Contender:
    """Return a contender that is a pipeline of the shell into a file."""
    line = f"set -o pipefail; {pipeline} >{shlex.quote(str(output))}"
    return Contender(name, ["bash", "-c", line], output)
