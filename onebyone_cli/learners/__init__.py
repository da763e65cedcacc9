"""The registry of learners.

A learner is a file ``learners/<name>.py`` with a function ``fit_<name>``, from `Statistics` to a
`Model`, and a ``LEARNER`` that lists what it needs and its options. It sees numbers, never files.
This module imports no learner and no numpy before they are needed (start-up time).
"""

from __future__ import annotations

from importlib import import_module

from onebyone_cli.errors import UsageError
from onebyone_cli.learners.learner import Learner

#: In the order in which help lists them.
NAMES = ("pca", "svd", "mnf", "maf", "lda", "ica", "random", "unmix")


def load(name: str) -> Learner:
    """Import one learner by its name in `NAMES`.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in NAMES:
        raise UsageError(f"--method {name} is unknown; choose from {', '.join(NAMES)}")
    loaded = import_module(f"onebyone_cli.learners.{name}").LEARNER
    assert isinstance(loaded, Learner)
    return loaded
