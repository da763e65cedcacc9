"""Options for running: memory, threads, checkpoints and machines."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from onebyone_cli.cli.groups import Group, option
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.console import Console
    from onebyone_cli.cluster.client import Place
    from onebyone_cli.cluster.run import OnCluster
    from onebyone_cli.commit.checkpoint import Policy
    from onebyone_cli.plan.shards import Shard

_MEMORY = option(
    "--memory",
    metavar="SIZE",
    daily=True,
    help="Most memory for pixels, caches and decoders, as in 256M or 2G. Default: "
    "the smaller of 256M and half of what the machine allows.",
)


class Memory(Group):
    """The memory of a command."""

    heading = "Resources"

    memory: str = _MEMORY

    def budget(self) -> int:
        """Read ``--memory``: bytes."""
        from onebyone_cli.operations.machine import memory_of

        return memory_of(self.memory)


class Resources(Memory):
    """The memory and the threads of a command."""

    memory: str = _MEMORY
    threads: int | None = option(
        "--threads",
        type=int,
        metavar="N",
        help="Most worker threads. Default: the processors this process may use.",
    )

    def workers(self) -> int:
        """Read ``--threads``."""
        from onebyone_cli.operations.machine import threads_of

        return threads_of(self.threads)

    def show(self, console: "Console") -> None:
        """Print the sources of the defaults with ``-v``."""
        from onebyone_cli.system import limits

        if not console.verbose:
            return
        if self.threads is None:
            console.detail(f"threads {limits.threads_allowed()}")
        if not self.memory:
            console.detail(f"memory {limits.memory_allowed()}")


class Checkpoints(Group):
    """How a stopped job is resumed."""

    heading = "Stop and go on"

    resume: Literal["auto", "restart", "off"] = option(
        "--resume",
        default="auto",
        choices=("auto", "restart", "off"),
        help="auto: a long job that is stopped leaves OUTPUT.part and a journal, and the same "
        "command resumes it (.npy, ENVI, and .h5 without compression); restart: discard what a "
        "stopped job has left; off: leave nothing. Default: auto.",
    )
    checkpoint_every: float = option(
        "--checkpoint-every",
        type=float,
        default=10.0,
        least=0,
        metavar="SECONDS",
        help="Time between checkpoints; a job that is stopped before the first leaves nothing. 0 "
        "records everything at once. Default: 10.",
    )

    def policy(
        self, inputs: Sequence[str], output: str, *, sharded: bool = False
    ) -> "Policy | None":
        """Read how checkpoints are taken; None if a later run could not resume this one."""
        from onebyone_cli.commit.checkpoint import Policy
        from onebyone_cli.operations.names import files_of, is_stored

        if math.isnan(self.checkpoint_every):
            raise UsageError(
                f"--checkpoint-every {self.checkpoint_every} is not a time; write seconds, as in 60"
            )
        if self.resume == "off" and not sharded:
            return None
        # A pipe can't be read again, and standard output has no part file.
        if output == "-" or not all(map(is_stored, files_of(inputs))):
            return None
        return Policy(self.checkpoint_every, self.resume == "restart", always=sharded)


class ApplyCheckpoints(Checkpoints):
    """How ``apply`` continues after a stop or a file that can't be read."""

    skip_existing: bool = option(
        "--skip-existing",
        type=bool,
        help="With --each: skip inputs whose output exists.",
    )
    keep_going: bool = option(
        "--keep-going",
        type=bool,
        help="With --each: continue with the other inputs after one that fails; the exit status "
        "is then 65.",
    )

    def check(self, *, each: bool, force: bool, depfile: str) -> None:
        """Raise `UsageError` for options for many outputs that contradict others."""
        for flag, given in (
            ("--skip-existing", self.skip_existing),
            ("--keep-going", self.keep_going),
        ):
            if given and not each:
                raise UsageError(f"{flag} is for --each; add it, or leave out {flag}")
        if self.skip_existing and force:
            raise UsageError("--skip-existing keeps outputs and --force replaces them; give one")
        if self.skip_existing and depfile:
            raise UsageError("--depfile needs all outputs; leave out --skip-existing")


class Machines(Group):
    """The cluster that runs a command."""

    heading = "Many machines"

    scheduler: str = option(
        "--scheduler",
        metavar="ADDRESS",
        help="Compute on the workers of a Dask cluster, as in tcp://host:8786. They must see the "
        "same files. Each shard has --memory and one thread, or --threads.",
    )
    scheduler_file: str = option(
        "--scheduler-file",
        metavar="FILE",
        help="The same; the file, written by dask scheduler or dask-mpi, holds the address.",
    )
    workers: int | None = option(
        "--workers",
        type=int,
        metavar="N",
        help="The same with N processes on this machine, which share its processors.",
    )

    def place(self, shard: str = "") -> "Place | None":
        """Return the cluster that is asked for; None for none.

        Raises
        ------
        UsageError
            If there are several, or `shard` asks for one share.
        """
        flags = {
            "--scheduler": bool(self.scheduler),
            "--scheduler-file": bool(self.scheduler_file),
            "--workers": self.workers is not None,
        }
        asked = [flag for flag, given in flags.items() if given]
        if not asked:
            return None
        if len(asked) > 1:
            raise UsageError("give one of --scheduler, --scheduler-file and --workers")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers {self.workers} is too few; give 1 or more")
        if shard:
            raise UsageError(f"--shard computes one share and {asked[0]} all of them; give one")
        from onebyone_cli.cluster.client import Place

        return Place(self.scheduler, self.scheduler_file, self.workers or 0)

    def cluster(
        self,
        resources: Resources,
        inputs: Sequence[str],
        groups: Sequence[Group],
        console: "Console",
        **more: Any,
    ) -> "OnCluster | None":
        """Return the cluster that is asked for, as `shares.cluster_of` makes it; None for none."""
        place = self.place(getattr(self, "shard", ""))
        if place is None:
            return None
        from onebyone_cli.cli.shares import cluster_of

        threads = None if resources.threads is None else resources.workers()
        return cluster_of(place, threads, inputs, [*groups, resources], console, **more)


class ApplyMachines(Machines):
    """A shard of ``apply``, or a cluster."""

    shard: str = option(
        "--shard",
        metavar="I/N|auto",
        complete=lambda: ("auto",),
        help="Compute share I of N, counting from 0, into OUTPUT.part; auto asks the array of "
        "Slurm, LSF or SGE, auto/N that of PBS. When all are done: onebyone merge OUTPUT.",
    )

    def share(self) -> "Shard | None":
        """Read ``--shard``; None if not given."""
        if not self.shard:
            return None
        from onebyone_cli.plan.shards import parse_shard

        return parse_shard(self.shard)


class StatsMachines(ApplyMachines):
    """A shard of ``stats``, or a cluster."""

    shard: str = option(
        "--shard",
        metavar="I/N|auto",
        complete=lambda: ("auto",),
        help="Read share I of N of every input, counting from 0, and save its moments with -o; "
        "auto asks the array of Slurm, LSF or SGE, auto/N that of PBS.",
    )
