"""How much of the machine is ours, told by made-up control groups, batch systems and limits."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onebyone_cli.system import blas, limits
from onebyone_cli.system.limits import (
    DEFAULT_MEMORY,
    default_memory,
    default_threads,
    memory_allowed,
    threads_allowed,
)

GROUP_V2 = "0::/system.slice/slurmstepd.scope/job_7/step_0\n"
GROUP_V1 = "5:cpu,cpuacct:/slurm/uid_1/job_7\n4:memory:/slurm/uid_1/job_7\n1:name=systemd:/x\n"

#: In each, the processors of a task are found.
PROCESSORS = (
    *("SLURM_CPUS_PER_TASK", "NCPUS", "PBS_NUM_PPN", "LSB_DJOB_NUMPROC", "NSLOTS"),
    "OMP_NUM_THREADS",
)
VARIABLES = (
    *PROCESSORS,
    *("ONEBYONE_THREADS", "ONEBYONE_USERS_OMP_NUM_THREADS"),
    *("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"),
)

junk = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    st.sampled_from(["max", "-1", "0", "1e9", " 4", "4 ", "+4", "4.0", "٤", "²", "0x10", "1_000"]),
    st.just("9" * 5000),
)


@contextmanager
def machine(
    files: dict[str, str] | None = None, *, affinity: int = 64, rlimit: int = 0, **environ: str
) -> Iterator[None]:
    """Pretend that a machine has these files below the mount of control groups, and nothing else.

    ``/proc/self/cgroup`` is called ``self``.
    """

    def read(path: str) -> str:
        name = "self" if path == "/proc/self/cgroup" else path.removeprefix(limits._CGROUP + "/")
        return (files or {}).get(name, "").strip()

    soft = rlimit or resource.RLIM_INFINITY
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setattr(limits, "_read", read)
        patch.setattr(os, "sched_getaffinity", lambda pid: set(range(affinity)))
        patch.setattr(resource, "getrlimit", lambda which: (soft, resource.RLIM_INFINITY))
        yield


# ------------------------------------------------------------------------------------ memory


def test_a_machine_that_says_nothing():
    with machine():
        assert default_memory() == DEFAULT_MEMORY
        assert default_threads() == 64


@given(st.integers(2, 1 << 40))
def test_half_of_the_control_group(limit: int):
    with machine({"self": "0::/job\n", "job/memory.max": f"{limit}\n"}):
        assert default_memory() == min(DEFAULT_MEMORY, limit // 2)


@given(st.lists(st.one_of(st.none(), st.integers(2, 1 << 40)), min_size=5, max_size=5))
def test_the_lowest_limit_on_the_way_up_holds(values: list[int | None]):
    folders = [
        "",
        "system.slice/",
        "system.slice/slurmstepd.scope/",
        "system.slice/slurmstepd.scope/job_7/",
        "system.slice/slurmstepd.scope/job_7/step_0/",
    ]
    files = {"self": GROUP_V2}
    for folder, value in zip(folders, values, strict=True):
        files[f"{folder}memory.max"] = "max" if value is None else str(value)
    real = [value for value in values if value is not None]
    with machine(files):
        assert default_memory() == min([DEFAULT_MEMORY, *(value // 2 for value in real)])


@given(st.integers(2, 1 << 40), st.integers(2, 1 << 40))
def test_version_1_of_control_groups(own: int, parent: int):
    files = {
        "self": GROUP_V1,
        "memory/slurm/uid_1/job_7/memory.limit_in_bytes": str(own),
        "memory/slurm/memory.limit_in_bytes": str(parent),
        "memory/memory.limit_in_bytes": "9223372036854771712",
        # Of somebody else:
        "memory/slurm/uid_2/memory.limit_in_bytes": "4096",
        "cpu/slurm/uid_1/job_7/memory.limit_in_bytes": "4096",
    }
    with machine(files):
        assert default_memory() == min(DEFAULT_MEMORY, own // 2, parent // 2)


def test_no_limit_in_version_1_is_no_limit():
    with machine({"self": GROUP_V1, "memory/memory.limit_in_bytes": "9223372036854771712"}):
        assert default_memory() == DEFAULT_MEMORY


@given(st.integers(1, 1 << 20), st.integers(1, 1 << 20), st.integers(1, 512))
def test_slurm_counts_in_mib(node: int, cpu: int, cpus: int):
    with machine(SLURM_MEM_PER_NODE=str(node), SLURM_MEM_PER_CPU=str(cpu)):
        assert default_memory() == min(DEFAULT_MEMORY, node << 19)
    with machine(SLURM_MEM_PER_CPU=str(cpu), SLURM_CPUS_PER_TASK=str(cpus)):
        assert default_memory() == min(DEFAULT_MEMORY, (cpu * cpus) << 19)
    with machine(SLURM_MEM_PER_CPU=str(cpu)):
        assert default_memory() == min(DEFAULT_MEMORY, cpu << 19)
    with machine(SLURM_MEM_PER_NODE="0"):  # all there is
        assert default_memory() == DEFAULT_MEMORY


@given(st.integers(2, 1 << 62), st.integers(2, 1 << 62), st.integers(1, 1 << 30))
def test_the_least_of_all_counts(rlimit: int, group: int, node: int):
    files = {"self": "0::/\n", "memory.max": str(group)}
    with machine(files, rlimit=rlimit, SLURM_MEM_PER_NODE=str(node)):
        # From 2**60 on it is how version 1 writes no limit.
        groups = [group // 2] if group < 1 << 60 else []
        assert default_memory() == min(DEFAULT_MEMORY, rlimit // 2, node << 19, *groups)


# ----------------------------------------------------------------------------------- threads


@given(st.integers(1, 4096), st.integers(1, 64))
def test_our_own_variable_decides(threads: int, cpus: int):
    files = {"self": "0::/\n", "cpu.max": "100000 100000"}
    with machine(files, ONEBYONE_THREADS=str(threads), SLURM_CPUS_PER_TASK=str(cpus), affinity=2):
        assert default_threads() == threads


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 10**7), st.integers(1, 10**6))
def test_the_least_of_slurm_affinity_and_quota(slurm: int, affinity: int, quota: int, period: int):
    expected = max(1, min(slurm, affinity, -(-quota // period)))
    files = {"self": "0::/a/b\n", "a/cpu.max": f"{quota} {period}", "a/b/cpu.max": "max 100000"}
    with machine(files, affinity=affinity, SLURM_CPUS_PER_TASK=str(slurm)):
        assert default_threads() == expected
    files = {
        "self": GROUP_V1,
        "cpu/slurm/cpu.cfs_quota_us": str(quota),
        "cpu/slurm/cpu.cfs_period_us": str(period),
        "cpu/cpu.cfs_quota_us": "-1",
        "cpu/cpu.cfs_period_us": "100000",
    }
    with machine(files, affinity=affinity, SLURM_CPUS_PER_TASK=str(slurm)):
        assert default_threads() == expected


@pytest.mark.parametrize("name", PROCESSORS)
def test_every_batch_system_is_obeyed(name: str):
    with machine(affinity=8, **{name: "3"}):
        assert default_threads() == 3
        assert threads_allowed().source == name


def test_what_the_user_has_set_holds_after_blas_was_set_up():
    with machine(affinity=8, OMP_NUM_THREADS="4,2"), pytest.MonkeyPatch.context() as patch:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE"):
            patch.setenv(name, "")
        blas.set_up()
        blas.set_up()  # as a child process does
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert default_threads() == 4
        patch.delenv("ONEBYONE_USERS_OMP_NUM_THREADS")


def test_where_there_is_no_affinity():
    with machine(), pytest.MonkeyPatch.context() as patch:
        patch.delattr(os, "sched_getaffinity")
        patch.setattr(os, "cpu_count", lambda: 3)
        assert default_threads() == 3
        patch.setattr(os, "cpu_count", lambda: None)
        assert default_threads() == 1


# ------------------------------------------------------------------------- who says so, in a line


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole machine below a folder, without limits and with 8 processors."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    return tmp_path


def lay_out(root: Path, groups: str, files: dict[str, str]) -> None:
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def told(root: Path) -> tuple[str, str]:
    """What people are told, with the root taken away."""
    threads, memory = threads_allowed(str(root)), memory_allowed(str(root))
    return str(threads).replace(str(root), ""), str(memory).replace(str(root), "")


def test_nobody_says_anything(root: Path) -> None:
    assert told(root) == (
        "8: processors this process may run on",
        "256.0 MiB: the default, no limit is lower",
    )


def test_version_2_says_so_at_any_level(root: Path) -> None:
    group = "sys/fs/cgroup/system.slice"
    files = {
        f"{group}/memory.max": str(300 << 20),
        f"{group}/job/memory.max": "max",
        f"{group}/cpu.max": "max 100000",
        f"{group}/job/cpu.max": "250000 100000",
    }
    lay_out(root, "0::/system.slice/job", files)
    assert told(root) == (
        f"3: cgroup quota /{group}/job/cpu.max",
        f"150.0 MiB of 300.0 MiB: cgroup limit /{group}/memory.max",
    )


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_version_1_says_so_under_either_name(root: Path, mount: str) -> None:
    cpu, memory = f"sys/fs/cgroup/{mount}/slurm", "sys/fs/cgroup/memory/slurm/uid_1/job_7"
    files = {
        f"{cpu}/cpu.cfs_quota_us": "200000",
        f"{cpu}/cpu.cfs_period_us": "100000",
        f"{cpu}/uid_1/cpu.cfs_quota_us": "-1",
        f"{memory}/memory.limit_in_bytes": str(1 << 27),
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str((1 << 63) - 4096),
    }
    lay_out(root, GROUP_V1, files)
    assert told(root) == (
        f"2: cgroup quota /{cpu}/cpu.cfs_quota_us",
        f"64.0 MiB of 128.0 MiB: cgroup limit /{memory}/memory.limit_in_bytes",
    )


def test_version_2_beside_version_1(root: Path) -> None:
    file = "sys/fs/cgroup/unified/a/memory.max"
    lay_out(root, "1:name=systemd:/a\n0::/a", {file: str(1 << 20)})
    assert told(root)[1] == f"512.0 KiB of 1.0 MiB: cgroup limit /{file}"


def test_the_batch_system_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "50")
    assert told(root) == ("4: SLURM_CPUS_PER_TASK", "100.0 MiB of 200.0 MiB: SLURM_MEM_PER_CPU")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    assert told(root)[1] == "50.0 MiB of 100.0 MiB: SLURM_MEM_PER_NODE"
    monkeypatch.setenv("ONEBYONE_THREADS", "99")
    assert told(root)[0] == "99: ONEBYONE_THREADS"
    # What Slurm was asked for comes before what it made of it.
    monkeypatch.delenv("ONEBYONE_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    assert told(root)[0] == "4: SLURM_CPUS_PER_TASK"


@pytest.mark.parametrize(("gibibytes", "threads"), [(0.125, 1), (0.5, 2), (1, 6), (2, 14), (9, 64)])
def test_threads_have_room_in_the_address_space(gibibytes: float, threads: int):
    rlimit = int(gibibytes * (1 << 30))
    with machine(affinity=64, rlimit=rlimit):
        assert default_threads() == threads
        assert (threads_allowed().source == "ulimit -v") == (threads < 64)
    with machine(affinity=64, rlimit=rlimit, ONEBYONE_THREADS="99"):
        assert default_threads() == 99


@pytest.mark.parametrize(("which", "flag"), [("RLIMIT_AS", "-v"), ("RLIMIT_DATA", "-d")])
def test_limits_of_the_shell_say_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, which: str, flag: str
) -> None:
    limited = {getattr(resource, which): 1 << 26}
    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda each: (limited.get(each, infinite), infinite))
    assert told(root)[1] == f"32.0 MiB of 64.0 MiB: ulimit {flag}"


# -------------------------------------------------------------------------------------- junk


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(VARIABLES, junk)))
@example({"ONEBYONE_THREADS": "9" * 5000})
def test_junk_in_the_environment(environ: dict[str, str]):
    with machine(**environ):
        assert default_memory() >= 0
        assert default_threads() >= 1


@given(st.lists(junk, min_size=4, max_size=4), st.one_of(junk, st.just(GROUP_V2 + GROUP_V1)))
@example(["9" * 5000] * 4, GROUP_V1)
def test_junk_in_control_groups(values: list[str], groups: str):
    names = ("memory.max", "cpu.max", "memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us")
    with machine({"self": groups} | dict(zip(names, values, strict=True))):
        assert default_memory() >= 0
        assert default_threads() >= 1


@given(st.text(max_size=60).map(lambda text: text.replace("\0", "")))
def test_junk_in_the_list_of_groups(text: str):
    with machine({"self": text, "memory.max": "4096", "memory/memory.limit_in_bytes": "4096"}):
        assert default_memory() in (2048, DEFAULT_MEMORY)


# ---------------------------------------------------------------------- files as they really are


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A real tree of files, whose root is the mount of control groups."""
    monkeypatch.setattr(limits, "_CGROUP", str(tmp_path))
    read = limits._read

    def from_tree(path: str) -> str:
        return read(str(tmp_path / "self") if path == "/proc/self/cgroup" else path)

    monkeypatch.setattr(limits, "_read", from_tree)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (-1, -1))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    return write


def test_a_tree_of_files(tree: Callable[[str, str], None]):
    tree("self", GROUP_V2)
    tree("system.slice/memory.max", "max\n")
    tree("system.slice/slurmstepd.scope/job_7/memory.max", "1048576\n")
    tree("system.slice/slurmstepd.scope/job_7/cpu.max", "50000 100000\n")
    assert default_memory() == 1 << 19
    assert default_threads() == 1


def test_files_that_are_folders_or_no_text(tree: Callable[[str, str], None]):
    tree("self", "0::/a\n")
    tree("a/memory.max/file", "")
    tree("memory.max", "é\xff4096\n")
    assert default_memory() == DEFAULT_MEMORY


def test_no_files_at_all(tree: Callable[[str, str], None]):
    assert default_memory() == DEFAULT_MEMORY
    assert default_threads() == len(os.sched_getaffinity(0))


def test_this_very_machine():
    assert 0 < default_memory() <= DEFAULT_MEMORY
    assert default_threads() >= 1
