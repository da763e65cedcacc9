"""Running commands in turns, and what each took: wall clock, processor time, resident memory.

Only the standard library is imported, here and by whoever imports this, and that matters: on Linux
a child's largest resident memory is never reported below what its parent had at the start of the
child.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

Command = Sequence[str | Path]


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
