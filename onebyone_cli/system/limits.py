"""Find how much memory and how many processors this process may use.

Linux sets limits in several places (control groups of version 1 and 2, resource limits, affinity),
and batch systems in the environment. The size of the whole machine does not count.
"""

import os
from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

from onebyone_cli.system.blas import USERS_THREADS
from onebyone_cli.units import format_bytes

#: Largest default budget: enough for slabs of useful length, and acceptable on a login node.
DEFAULT_MEMORY = 256 << 20

#: Address space of Python with numpy and h5py, and of each further thread: a stack of 8 MiB, an
#: arena of the C library of 64 MiB, a BLAS buffer of 32 MiB, and our buffers. BLAS ends the process
#: if it can't allocate its buffer.
_BASE_SPACE, _THREAD_SPACE = 200 << 20, 128 << 20

#: Variables in which Slurm, PBS Pro, Torque, LSF and SGE state the processors of a task.
_PROCESSORS = ("SLURM_CPUS_PER_TASK", "NCPUS", "PBS_NUM_PPN", "LSB_DJOB_NUMPROC", "NSLOTS")

_CGROUP = "/sys/fs/cgroup"


class Limit(NamedTuple):
    """An amount, and the source of the limit."""

    amount: int
    source: str

    def __str__(self) -> str:
        """Format as in ``4: SLURM_CPUS_PER_TASK``."""
        return f"{self.amount}: {self.source}"


class Memory(NamedTuple):
    """The default budget, and the limit that it follows from; None if it is `DEFAULT_MEMORY`."""

    budget: int
    limit: Limit | None

    def __str__(self) -> str:
        """Format as in ``1.9 GiB of 3.8 GiB: SLURM_MEM_PER_NODE``."""
        if self.limit is None:
            return f"{format_bytes(self.budget)}: the default, no limit is lower"
        return f"{format_bytes(self.budget)} of {format_bytes(self.limit.amount)}: " + (
            self.limit.source
        )


def default_memory() -> int:
    """Return the default budget in bytes, see `memory_allowed`."""
    return memory_allowed().budget


def default_threads() -> int:
    """Return the default number of worker threads, see `threads_allowed`."""
    return threads_allowed().amount


def memory_allowed(root: str = "") -> Memory:
    """Find the default memory budget.

    The smaller of 256 MiB and half of what control groups, Slurm and resource limits allow. The
    other half is for Python and its libraries. `root` is the file system's root, for tests.
    """
    limits = [*_cgroup_memory(root), *_slurm_memory(), *_rlimit_memory()]
    least = min(limits, key=lambda limit: limit.amount, default=None)
    if least is None or least.amount // 2 >= DEFAULT_MEMORY:
        return Memory(DEFAULT_MEMORY, None)
    return Memory(least.amount // 2, least)


def threads_allowed(root: str = "") -> Limit:
    """Find the default number of worker threads.

    ``ONEBYONE_THREADS`` if set. Else the least of what batch systems state, ``OMP_NUM_THREADS``,
    affinity, the quota of the control group, and what a limited address space has room for (SGE
    sets such limits).
    `root` is the file system's root, for tests.
    """
    ours = _variable("ONEBYONE_THREADS")
    if ours:
        return Limit(ours, "ONEBYONE_THREADS")
    limits = [*_stated_cpus(), *_cgroup_cpus(root), _affinity(), *_rlimit_cpus()]
    # Of equal limits the first: the request to the batch system explains the others.
    least = min(limits, key=lambda limit: limit.amount)
    return Limit(max(1, least.amount), least.source)


def _affinity() -> Limit:
    if hasattr(os, "sched_getaffinity"):
        return Limit(len(os.sched_getaffinity(0)), "processors this process may run on")
    return Limit(os.cpu_count() or 1, "processors of the machine")


def _rlimit_memory() -> Iterator[Limit]:
    import resource

    for which, flag in ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")):
        soft, _ = resource.getrlimit(which)
        if soft != resource.RLIM_INFINITY and soft > 0:
            yield Limit(soft, f"ulimit {flag}")


def _rlimit_cpus() -> Iterator[Limit]:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft > 0:
        yield Limit(max(1, (soft - _BASE_SPACE) // _THREAD_SPACE), "ulimit -v")


def _stated_cpus() -> Iterator[Limit]:
    for name in _PROCESSORS:
        cpus = _variable(name)
        if cpus:
            yield Limit(cpus, name)
    openmp = os.environ.get(USERS_THREADS, os.environ.get("OMP_NUM_THREADS", ""))
    # A list has one number for each level of nested threads.
    if cpus := _number(openmp.partition(",")[0]):
        yield Limit(cpus, "OMP_NUM_THREADS")


def _slurm_memory() -> Iterator[Limit]:
    """Memory of this task on this node, which Slurm states in MiB."""
    node, cpu = _variable("SLURM_MEM_PER_NODE"), _variable("SLURM_MEM_PER_CPU")
    if node:
        yield Limit(node << 20, "SLURM_MEM_PER_NODE")
    elif cpu:
        cpus = _variable("SLURM_CPUS_PER_TASK") or 1
        yield Limit((cpu * cpus) << 20, "SLURM_MEM_PER_CPU")


def _cgroup_memory(root: str) -> Iterator[Limit]:
    files = [f"{folder}/memory.max" for folder in _groups(root, "")]
    files += [f"{folder}/memory.limit_in_bytes" for folder in _groups(root, "memory")]
    for file in files:
        limit = _number(_read(file))
        # Version 1 writes "no limit" as the largest multiple of a page.
        if 0 < limit < 1 << 60:
            yield Limit(limit, f"cgroup limit {file}")


def _cgroup_cpus(root: str) -> Iterator[Limit]:
    quotas = [
        (f"{folder}/cpu.max", _read(f"{folder}/cpu.max").split()) for folder in _groups(root, "")
    ]
    for folder in _groups(root, "cpu"):
        file = f"{folder}/cpu.cfs_quota_us"
        quotas.append((file, [_read(file), _read(f"{folder}/cpu.cfs_period_us")]))
    for file, quota in quotas:
        if len(quota) == 2 and _number(quota[0]) and _number(quota[1]):
            yield Limit(ceil(_number(quota[0]) / _number(quota[1])), f"cgroup quota {file}")


def _groups(root: str, controller: str) -> Iterator[str]:
    """Yield the folders of the process's control group and its ancestors, whose limits apply too.

    `controller` is one of version 1, or empty for version 2.
    """
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part]
        # Controllers mounted together have a folder named after all of them, and usually a link for
        # each. Version 2 beside version 1 is mounted as "unified".
        mounts = dict.fromkeys([controller, controllers]) if controller else ["", "unified"]
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                yield "/".join([f"{root}{_CGROUP}", *filter(None, [mount]), *parts[:depth]])


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _variable(name: str) -> int:
    return _number(os.environ.get(name))


def _number(text: str | None) -> int:
    """Parse a positive number; 0 for anything else, such as ``max`` or ``-1``."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else 0
