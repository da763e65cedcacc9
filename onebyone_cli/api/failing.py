"""Errors as Python's users expect them."""

from collections.abc import Iterator
from contextlib import contextmanager

from onebyone_cli import errors

#: What else an error is. Within the program none is an `OSError`: there that is what the system
#: says, and is caught to be told in our words.
_BUILTIN: dict[type[errors.OneByOneError], type[Exception]] = {
    errors.UsageError: ValueError,
    errors.InputMissingError: FileNotFoundError,
    errors.DependencyMissingError: ImportError,
    errors.OutputRefusedError: OSError,
    errors.ReadWriteError: OSError,
    errors.PolicyError: OSError,
}
_BOTH: dict[type[errors.OneByOneError], type[errors.OneByOneError]] = {
    kind: type(kind.__name__, (kind, builtin), {"__module__": kind.__module__})
    for kind, builtin in _BUILTIN.items()
}


@contextmanager
def as_python_has_it() -> Iterator[None]:
    """Raise errors that are also of the classes that Python has for such."""
    try:
        yield
    except errors.OneByOneError as error:
        kind = type(error)
        if kind not in _BUILTIN:
            raise
        raise _BOTH[kind](error.message, error.path) from error.__cause__
