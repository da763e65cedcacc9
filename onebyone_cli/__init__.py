"""Apply 1×1 convolutions to tensor files: C×H×W stacks in, K×H×W out, streaming.

`apply`, `fit` and `open_stack` are the command ``onebyone`` for notebooks and scripts. They are
imported when they are first used; see `onebyone_cli.api`.
"""

import sys
from typing import TYPE_CHECKING, Any

from onebyone_cli.version import __version__ as __version__

if TYPE_CHECKING:
    from onebyone_cli.api import ApplyReport, Model, OpenStack, apply, fit, open_stack
    from onebyone_cli.errors import OneByOneError, OneByOneWarning

__all__ = [
    "ApplyReport",
    "Model",
    "OneByOneError",
    "OneByOneWarning",
    "OpenStack",
    "apply",
    "fit",
    "open_stack",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if "numpy" not in sys.modules:
        from onebyone_cli.system import blas

        blas.set_up()
    from onebyone_cli import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
