"""Memory and threads of an operation: what is asked for, or what the machine allows."""

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.units import parse_bytes


def memory_of(memory: int | str | None) -> int:
    """Return the memory budget in bytes.

    Parameters
    ----------
    memory : int, str or None
        Bytes, or a size such as ``"256M"``; None or empty for the default of the machine.

    Raises
    ------
    UsageError
        If it is not a size.
    """
    if memory is None or memory == "":
        from onebyone_cli.system.limits import default_memory

        return default_memory()
    try:
        return parse_bytes(str(memory))
    except ValueError as error:
        raise UsageError(f"{setting('memory')}: {error}") from error


def threads_of(threads: int | None) -> int:
    """Return the number of workers; None stands for the default of the machine.

    Raises
    ------
    UsageError
        If it is less than 1.
    """
    if threads is None:
        from onebyone_cli.system.limits import default_threads

        return default_threads()
    if threads < 1:
        raise UsageError(f"{setting('threads', threads)} is too few; give 1 or more")
    return threads
