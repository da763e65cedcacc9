"""A real Slurm for tests: one node on this machine, with everything it needs in one folder.

It is started from what Debian and Ubuntu package as `slurm-wlm` and `munge`. Nothing in /etc or
/var is read or written, and several of them (and any Slurm of the machine) live side by side: each
has its own ports, its own munge key and its own sockets.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from command import environment

#: The commands a test needs, and what Debian and Ubuntu call the packages they are in.
_PACKAGES = {
    "munge": "munged munge",
    "slurm-wlm": "slurmctld slurmd sbatch scancel scontrol sinfo squeue srun",
}

#: Daemons lie where the PATH of most users does not lead.
_SBIN = ("/usr/sbin", "/sbin")

#: Runs a command as the parent of all its orphans.
_REAPER = (sys.executable, "-IS", str(Path(__file__).with_name("reaper.py")))

#: Long enough for a busy machine; it starts in two seconds.
_START_S = 60.0
#: How long any one command of Slurm may take.
_COMMAND_S = 60.0
#: How long whatever was asked to end may take, before it is killed.
_GRACE_S = 30.0
#: How long what watched over a job may take to end after Slurm has called the job ended.
_LAST_S = 5.0
#: How often we look whether what we wait for has happened.
_POLL_S = 0.1

#: The states of `squeue` that a task of a job never leaves.
_FINAL_STATES = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
}

# What is not said here keeps its default, for a default is what every version of Slurm accepts.
#
# cred_expire is what makes a requeued job start again soon: Slurm holds it back (BeginTime) until
# the credential of its last start has surely expired, which is a second more than this and 121
# seconds by default. It must be longer than the start of a job takes on a busy machine.
#
# KillWait is what a job has between SIGTERM and SIGKILL. Jobs stay known (MinJobAge) longer than
# any test takes, so that their end can be read. config_overrides takes CPUs and memory as they
# are written here, whatever the machine has. The ports are open on all addresses, for Slurm would
# else take the one of the machine's name, if it has one; the key of munge guards them.
#
# proctrack/pgid ends what a script started and left behind, as the cgroups of a cluster do, but
# needs none: a container may have none. proctrack/linuxproc would let it run on, beside the same
# job requeued.
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=2
InactiveLimit=0
MinJobAge=86400
MailProg=/bin/true
NodeName=node NodeHostname=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=65536 State=UNKNOWN
PartitionName=main Nodes=node Default=YES MaxTime=INFINITE State=UP
"""

# Nothing above uses cgroups, but slurmd would look which kind there is, and end if it cannot have
# that kind as it wants it, for example in a container without systemd. The old kind is not touched
# before it is used, whether it is there or not. ("disabled" is what newer versions have for this.)
_CGROUPS = "CgroupPlugin=cgroup/v1\n"


def missing_for_slurm() -> str:
    """Say why `Slurm` cannot run here; empty if it can."""
    if sys.platform != "linux":
        return f"a Slurm of our own needs Linux, and this is {sys.platform}"
    missing = [
        package
        for package, commands in _PACKAGES.items()
        if not all(shutil.which(command, path=_path()) for command in commands.split())
    ]
    if missing:
        return f"Slurm is not installed: apt-get install {' '.join(missing)}"
    if os.geteuid() != 0:
        return "a Slurm of our own must be started as root"
    return ""


class Task(NamedTuple):
    """How a job, or one task of an array, ended.

    `exit_code` is the status of its script (0 if a signal ended it), `restarts` how often it was
    requeued, and `array_index` is None if the job is no array.
    """

    array_index: int | None
    state: str
    exit_code: int
    restarts: int


class Slurm:
    """Slurm with one node, from `with` to the end of its block.

    Parameters
    ----------
    folder : Path
        Where its configuration, state and logs go; made if it is not there. It must not be in use
        by another one.
    cpus : int
        How many processors the node says it has: so many tasks run at once, however many
        processors the machine has.

    Attributes
    ----------
    environment : dict of str to str
        What a command must have in its environment to find this Slurm.
    """

    def __init__(self, folder: Path, *, cpus: int = 4) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}
        self._cpus = cpus
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            reached = self._link_folder(undo)
            self._configure(reached)
            undo.callback(self._end_everything_else)
            self._start_munge(undo, reached)
            # -c: no state but our own can be in a folder that we made, so none need be found.
            self._start(undo, "slurmctld", "-D", "-c")
            self._start(undo, "slurmd", "-D", "-N", "node", through=_REAPER)
            self._wait_until("its node to be idle", self._is_idle, _START_S)
            undo.callback(self._end_jobs)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._undo.close()

    def run(
        self,
        *command: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that shall find this Slurm, in the surroundings of all tests and `env`."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=self._surroundings(**(env or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=_COMMAND_S,
            check=False,
        )

    def submit(self, *args: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
        """Give `sbatch` a job, and return the job's number."""
        done = self.run("sbatch", "--parsable", *args, cwd=cwd, env=env)
        if done.returncode:
            raise RuntimeError(f"sbatch ended with {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def tasks(self, job_id: str) -> list[Task]:
        """Tell how a job stands: its tasks in order, or the one task of a job without an array."""
        whole = {"SLURM_BITSTR_LEN": "0"}  # a list of waiting tasks is else cut at 64 bytes
        done = self.run("scontrol", "-o", "show", "job", job_id, cwd=self.folder, env=whole)
        if done.returncode:
            raise RuntimeError(f"scontrol cannot show job {job_id}: {done.stderr}")
        tasks = [task for line in done.stdout.splitlines() for task in _read_tasks(line)]
        return sorted(tasks, key=lambda task: task.array_index or 0)

    def wait(self, job_id: str, timeout: float) -> list[Task]:
        """Wait until all tasks of a job have ended for good, and tell how.

        Raises
        ------
        TimeoutError
            After `timeout` seconds; it shows how the job stands and the last lines of the logs.
        """
        tasks: list[Task] = []

        def ended() -> bool:
            tasks[:] = self.tasks(job_id)
            return all(task.state in _FINAL_STATES for task in tasks)

        self._wait_until(f"the end of job {job_id}", ended, timeout, tasks)
        return tasks

    def processes(self) -> set[int]:
        """Find everything of this Slurm that runs: its daemons, its jobs, and what those started.

        All inherited the path of its configuration, which is no one else's. They cannot be found
        as children: what watches over a job (`slurmstepd`) is an orphan by design.
        """
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return {pid for pid in pids if mark in _environment_of(pid)}

    def _surroundings(self, **more: str) -> dict[str, str]:
        return environment(**{"PATH": _path(), **self.environment, **more})

    def _link_folder(self, undo: contextlib.ExitStack) -> Path:
        """Make a short way to the folder, and return it.

        The path of a socket may have 107 bytes, and slurm.conf cannot quote blanks and commas.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        short = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp")))
        link = short / "test"
        link.symlink_to(self.folder.resolve())
        return link

    def _configure(self, reached: Path) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        controller_port, node_port = _free_ports(2)
        (self.folder / "slurm.conf").write_text(
            _CONFIGURATION.format(
                folder=reached,
                controller_port=controller_port,
                node_port=node_port,
                cpus=self._cpus,
            )
        )
        (self.folder / "cgroup.conf").write_text(_CGROUPS)
        self.environment = {"SLURM_CONF": f"{reached}/slurm.conf"}

    def _start_munge(self, undo: contextlib.ExitStack, reached: Path) -> None:
        """Start what vouches for users, and wait until it does: all others need it at once."""
        files = {
            "socket": "munge.socket",
            "key-file": "munge.key",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "munged.seed",
        }
        options = [f"--{option}={reached / name}" for option, name in files.items()]
        # --force: a temporary folder is closed to other users, and munged wants it open to them.
        self._start(undo, "munged", "--foreground", "--force", *options)
        check = ["munge", "--no-input", f"--socket={reached / 'munge.socket'}"]
        self._wait_until(
            "munged to answer",
            lambda: self.run(*check, cwd=self.folder).returncode == 0,
            _START_S,
        )

    def _start(
        self, undo: contextlib.ExitStack, *command: str, through: tuple[str, ...] = ()
    ) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            daemon = subprocess.Popen(
                [*through, *command],
                cwd=self.folder,
                env=self._surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # Control-C ends pytest, which then ends the daemons in their order.
                process_group=0,
            )
        self._daemons.append(daemon)
        undo.callback(_stop, daemon)

    def _is_idle(self) -> bool:
        done = self.run("sinfo", "--noheader", "--format=%t", cwd=self.folder)
        return done.stdout.strip() == "idle"

    def _wait_until(
        self, what: str, happened: Callable[[], bool], timeout: float, stand: object = ""
    ) -> None:
        """Wait until something has happened; `stand` is shown if it does not."""
        deadline = time.monotonic() + timeout
        while not happened():
            gone = [daemon for daemon in self._daemons if daemon.poll() is not None]
            if gone:
                raise RuntimeError(self._story(f"{gone[0].args!r} ended", stand))
            if time.monotonic() > deadline:
                raise TimeoutError(self._story(f"waited {timeout} s for {what}", stand))
            time.sleep(_POLL_S)

    def _story(self, what: str, stand: object) -> str:
        """Make a message of an error and of what the daemons said last."""
        parts = [f"Slurm: {what}; {stand}" if stand else f"Slurm: {what}"]
        for name in ("munged", "slurmctld", "slurmd"):
            for log in (self.folder / f"{name}.out", self.folder / f"{name}.log"):
                if log.exists():
                    lines = log.read_text(errors="backslashreplace").splitlines()
                    parts += [f"--- the end of {log.name}", *lines[-20:]]
        return "\n".join(parts)

    def _end_jobs(self) -> None:
        """Cancel all jobs and wait until Slurm has cleared up after them."""
        if any(daemon.poll() is not None for daemon in self._daemons):
            return  # `_end_everything_else` does it without the help of Slurm
        self.run("scancel", "--quiet", "--user=root", cwd=self.folder)
        self._wait_until("cancelled jobs to end", self._is_empty, _GRACE_S)

    def _is_empty(self) -> bool:
        done = self.run("squeue", "--noheader", "--all", cwd=self.folder)
        return done.returncode == 0 and not done.stdout.strip()

    def _see_them_end(self) -> None:
        """Wait until nothing of ours runs, or for some seconds."""
        deadline = time.monotonic() + _LAST_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _end_everything_else(self) -> None:
        """See to it that nothing of ours runs, after the daemons have stopped.

        Raises
        ------
        RuntimeError
            If something had to be killed: a job has left a process that Slurm knew nothing of.
        """
        self._see_them_end()
        left = {pid: _command_line(pid) for pid in self.processes()}
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if left:
            self._see_them_end()  # a killed process runs until the system comes to it
            raise RuntimeError(self._story("processes were left and have been killed", left))


def _path() -> str:
    return os.pathsep.join([environment()["PATH"], *_SBIN])


def _free_ports(count: int) -> list[int]:
    """Find ports that nobody uses; all are held until the last is found, so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _environment_of(pid: int) -> list[bytes]:
    """Read with what variables a process was started; none if it has ended or is not ours."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="backslashreplace").replace("\0", " ")
    except OSError:
        return "(ended)"


def _read_tasks(line: str) -> list[Task]:
    """Read a line of ``scontrol -o show job``; tasks that wait together share one."""
    pairs = (word.split("=", 1) for word in line.split() if "=" in word)
    # The first of its name counts: free text, such as a comment, comes later.
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    exit_code = int(fields["ExitCode"].split(":")[0])
    return [
        Task(index, fields["JobState"], exit_code, int(fields["Restarts"]))
        for index in _read_indices(fields.get("ArrayTaskId"))
    ]


def _read_indices(text: str | None) -> list[int | None]:
    """Read what ``--array`` takes, such as ``0-3,7%2``; a job without an array has one task."""
    if text is None:
        return [None]
    indices: list[int | None] = []
    for part in text.split("%")[0].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        indices += range(int(first), int(last or first) + 1, int(step or 1))
    return indices
