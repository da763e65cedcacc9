"""What every job measures with: its options, our own command and the scripts it is up against."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from inputs import HERE, run_tool
from measuring import Command, Contender

ONEBYONE = Path(sys.executable).parent / "onebyone"


@dataclass(frozen=True)
class Options:
    """The command line."""

    jobs: list[str]
    runs: int | None
    folder: Path
    large_side: int
    keep: bool
    #: Our own contender of jobs that are done, for those that compare with them.
    found: dict[str, Contender] = field(default_factory=dict)


def python_script(name: str, *arguments: Path) -> list[str | Path]:
    """Return the command that runs a script of what we are up against."""
    return [sys.executable, HERE / "contenders" / name, *arguments]


def onebyone_apply(stack: Path, weights: Path, output: Path) -> Contender:
    """Return our own command for the job."""
    command: Command = [ONEBYONE, "apply", stack, "-w", weights, "-o", output, "-f", "-q"]
    return ours("onebyone apply", command, output)


def ours(name: str, command: Command, output: Path | None = None) -> Contender:
    """Return a contender that is the installed `onebyone`."""
    missing = None if ONEBYONE.exists() else f"not installed beside {sys.executable}"
    return Contender(name, command, output, missing)


def compare_outputs(ours: Contender, reference: Contender) -> None:
    """Check that a contender did the same job, once, on what the warm-up left behind."""
    if ours.missing or not (ours.output and reference.output):
        return
    run_tool("compare.py", ours.output, reference.output)
