"""Measure onebyone against other ways to do the same job and print one table for each job.

    python benchmarks/run.py [--jobs small,fit,...] [--runs N] [--folder DATA]

Whole processes are measured, from start to exit, as `time` would. `jobs/` has a file for each
kind of job, `contenders/` the scripts that onebyone is up against; README.md beside this file
tells what is compared and why.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path

from inputs import HERE, LARGE_SIDE
from jobs import JOBS
from jobs.commands import Options
from tables import print_machine


def parse_arguments() -> Options:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description="Measure onebyone against other programs.")
    parser.add_argument("--jobs", type=job_names, default=list(JOBS), help=",".join(JOBS))
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
    unknown = [name for name in names if name not in JOBS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no job {', '.join(unknown)}; there are {', '.join(JOBS)}"
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
    for name, measure in JOBS.items():
        if name in options.jobs:
            measure(options)


if __name__ == "__main__":
    main()
