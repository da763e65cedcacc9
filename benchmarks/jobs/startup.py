"""Commands that do no work."""

from __future__ import annotations

import sys

from measuring import Contender, measure_in_turns, warm_up
from tables import print_table

from jobs.commands import ONEBYONE, Options, ours, python_script


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
    measure_in_turns(contenders, options.runs or 21, options.keep)
    print_table("startup", contenders, reference=python)
