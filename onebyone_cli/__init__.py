"""Apply 1×1 convolutions to tensor files: C×H×W stacks in, K×H×W out, streaming.

`apply`, `fit` and `open_stack` are the command ``onebyone`` for notebooks and scripts. They are
imported when they are first used; see `onebyone_cli.api`.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onebyone_cli.api import ApplyReport, Model, OpenStack, apply, fit, open_stack
    from onebyone_cli.errors import OneByOneError

__version__ = "0.1.0"

__all__ = ["ApplyReport", "Model", "OneByOneError", "OpenStack", "apply", "fit", "open_stack"]


class _Package(ModuleType):
    """The package, which imports what the names above stand for when one is asked for."""

    @property
    def fit(self) -> Any:
        """The function; the folder of learners has the same name, and is found by imports only."""
        return self.__getattr__("fit")

    @fit.setter
    def fit(self, folder: ModuleType) -> None:
        """Let the folder of learners be imported, which sets it here."""

    def __getattr__(self, name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if "numpy" not in sys.modules:
            from onebyone_cli import blas

            blas.set_up()
        from onebyone_cli import api

        return getattr(api, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
