"""Resolve memory and threads of an operation: the user's choice, or the machine's default."""

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.units import parse_bytes


def memory_of(memory: int | str | None) -> int:
    """Return the memory budget in bytes; a text is a size such as ``"256M"``."""
    if memory is None or memory == "":
        from onebyone_cli.system.limits import default_memory

        return default_memory()
    try:
        return parse_bytes(str(memory))
    except ValueError as error:
        raise UsageError(f"{setting('memory')}: {error}") from error


def threads_of(threads: int | None) -> int:
    """Return the number of workers."""
    if threads is None:
        from onebyone_cli.system.limits import default_threads

        return default_threads()
    if threads < 1:
        raise UsageError(f"{setting('threads', threads)} is too few; give 1 or more")
    return threads
