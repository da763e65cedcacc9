"""What a benchmark prints: the machine, a table for each job, and targets beside what was found."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from measuring import Contender, memory, wall

MEBIBYTE = 2**20


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
