"""The registry of learners: a name here, a file beside this one, and the rest follows.

A learner is a function ``fit_<name>`` in ``fit/<name>.py`` from what was learned of the pixels
(`moments.Moments`, or less) to a `model.Model`. It sees numbers, never files. This module imports
neither numpy nor a learner before one is asked for, so that help stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from onebyone_cli.fit.model import Model

#: In the order in which help lists them.
NAMES = ("pca", "svd", "random", "unmix")


def load(name: str) -> Callable[..., Model]:
    """Import one learner by its name in `NAMES`.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in NAMES:
        raise UsageError(f"--method {name} is unknown; choose from {', '.join(NAMES)}")
    learner: Callable[..., Model] = getattr(
        import_module(f"onebyone_cli.fit.{name}"), f"fit_{name}"
    )
    return learner
