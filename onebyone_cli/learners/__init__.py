"""The registry of learners.

A learner is a function ``fit_<name>`` in ``learners/<name>.py`` from the statistics of pixels
(`statistics.Statistics`) to a `model.Model`; its ``LEARNER`` says what it needs and which options
it takes. It sees numbers, never files. This module imports neither numpy nor a learner before one
is asked for, so that help stays quick.
"""

from __future__ import annotations

from importlib import import_module

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.learners.learner import Learner

#: In the order in which help lists them.
NAMES = ("pca", "svd", "mnf", "maf", "lda", "ica", "random", "unmix")


def load(name: str) -> Learner:
    """Import one learner by its name in `NAMES`; raise `UsageError` for any other."""
    if name not in NAMES:
        raise UsageError(f"{setting('method', name)} is unknown; choose from {', '.join(NAMES)}")
    loaded = import_module(f"onebyone_cli.learners.{name}").LEARNER
    assert isinstance(loaded, Learner)
    return loaded
