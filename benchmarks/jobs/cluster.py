"""One worker of a Dask cluster, and two."""

from __future__ import annotations

import importlib.util

from inputs import (
    CHANNELS,
    FILTERS,
    has_room,
    provide_stack,
    stack_bytes,
    stack_file,
    weights_file,
)
from measuring import Contender, measure_in_turns, wall, warm_up
from tables import print_table, print_target

from jobs.commands import ONEBYONE, Options, compare_outputs


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
    measure_in_turns(contenders, options.runs or 3, options.keep)
    size = f"{stack_bytes(CHANNELS, side) / 1e9:.1f} GB"
    title = f"dask, {CHANNELS}×{side}×{side} float32 ({size})"
    print_table(title, contenders, reference=contenders[0])
    if missing:
        return
    for command, (one, two) in (("apply", contenders[1:3]), ("fit", contenders[4:6])):
        print_target(f"{command}, two workers", two.ratio(one, wall), 0.7, " × one worker")
