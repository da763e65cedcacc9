"""How much memory and how many processors this process may use.

Linux says it in several places (control groups of version 1 and 2, resource limits, affinity) and
batch systems in the environment. Nothing here trusts the size of the whole machine.
"""

import os
from collections.abc import Iterator
from math import ceil

#: Default budget where nothing sets a lower limit: enough for slabs to be as long as is useful,
#: little enough to be welcome on a login node.
DEFAULT_MEMORY = 256 << 20

_CGROUP = "/sys/fs/cgroup"


def default_memory() -> int:
    """Bytes of pixel buffers to use when the user does not say.

    The smaller of 256 MiB and half of what control groups, Slurm and resource limits allow: the
    other half is for Python and its libraries.
    """
    allowed = [limit for limit in (_cgroup_memory(), _slurm_memory(), _rlimit_memory()) if limit]
    return min(DEFAULT_MEMORY, *(limit // 2 for limit in allowed)) if allowed else DEFAULT_MEMORY


def default_threads() -> int:
    """Worker threads to use when the user does not say.

    ``ONEBYONE_THREADS``, else ``SLURM_CPUS_PER_TASK``, never more than affinity and the quota of
    the control group give.
    """
    ours = _number(os.environ.get("ONEBYONE_THREADS"))
    if ours:
        return ours
    allowed = [_affinity()]
    slurm = _number(os.environ.get("SLURM_CPUS_PER_TASK"))
    quota = _cgroup_cpus()
    allowed += [limit for limit in (slurm, quota) if limit]
    return max(1, min(allowed))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rlimit_memory() -> int:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if soft == resource.RLIM_INFINITY else soft


def _slurm_memory() -> int:
    """Memory of this task on this node, given by Slurm in MiB."""
    node = _number(os.environ.get("SLURM_MEM_PER_NODE"))
    if node:
        return node << 20
    cpu = _number(os.environ.get("SLURM_MEM_PER_CPU"))
    cpus = _number(os.environ.get("SLURM_CPUS_PER_TASK")) or 1
    return (cpu * cpus) << 20 if cpu else 0


def _cgroup_memory() -> int:
    limits = [_number(_read(f"{folder}/memory.max")) for folder in _groups("")]
    limits += [_number(_read(f"{folder}/memory.limit_in_bytes")) for folder in _groups("memory")]
    # Version 1 writes "no limit" as the largest multiple of a page.
    real = [limit for limit in limits if 0 < limit < 1 << 60]
    return min(real, default=0)


def _cgroup_cpus() -> int:
    quotas = [_read(f"{folder}/cpu.max").split() for folder in _groups("")]
    quotas += [
        [_read(f"{folder}/cpu.cfs_quota_us"), _read(f"{folder}/cpu.cfs_period_us")]
        for folder in _groups("cpu")
    ]
    counts = [
        ceil(_number(quota[0]) / _number(quota[1]))
        for quota in quotas
        if len(quota) == 2 and _number(quota[0]) and _number(quota[1])
    ]
    return min(counts, default=0)


def _groups(controller: str) -> Iterator[str]:
    """Folders of the process's own control group and of all above it.

    A limit anywhere on the way up holds, so the own group alone does not tell.

    Parameters
    ----------
    controller : str
        A controller of version 1, or empty for version 2.
    """
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            yield "/".join([_CGROUP, *filter(None, [controller]), *parts[:depth]])


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _number(text: str | None) -> int:
    """Read a positive number; 0 for anything else, such as ``max``, ``-1`` or junk."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else 0
