"""The limit of open files."""

from __future__ import annotations

#: Open files besides the inputs, with room to spare.
_OTHER_FILES = 64


def allow_files(count: int) -> None:
    """Raise the limit of open files: a thousand channels can be a thousand files."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
