"""Compute shards of an operation outside of this process, such as on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from onebyone_cli.errors import UsageError
from onebyone_cli.plan.shards import Shard, shards_of_output, shards_of_pass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onebyone_cli.learners.statistics import Statistics as Statistics  # noqa: PLC0414  the cluster has it from here
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings
    from onebyone_cli.operations.learn.job import LearnJob


class Elsewhere(Protocol):
    """Computes jobs in shards, outside of this process."""

    def plan(
        self, make_job: Callable[[ApplySettings], ApplyJob], settings: ApplySettings
    ) -> ApplyJob:
        """Check a job and return its first shard."""

    def fill(self, job: ApplyJob, weights: bytes | None) -> ApplyReport:
        """Compute all shards of a job from `plan`, and publish its output.

        `weights` are the bytes of a file that was learned just now; None if weights are in files.
        """

    def gather(self, jobs: Sequence[LearnJob]) -> Statistics:
        """Gather the statistics of all jobs together."""


def plan_shards(
    make_job: Callable[[ApplySettings], ApplyJob], settings: ApplySettings, needed_by: str
) -> ApplyJob:
    """Check a job, divide it into shards, and return the first of them.

    `needed_by` is the setting that asks for shards, for messages.

    Raises
    ------
    UsageError
        If the output has no fixed offsets.
    """
    whole = make_job(settings._replace(checkpoints=None))
    if not whole.takes_shares:
        raise UsageError(
            f"{needed_by} needs an output with fixed offsets, and {whole.path} has none; "
            "write .npy, .zarr, or .h5 without compression and chunks"
        )
    size = whole.stack.data_bytes + whole.output.data_bytes
    return make_job(settings._replace(shard=Shard(0, shards_of_output(size, whole.output))))


def count_shards(jobs: Sequence[LearnJob]) -> tuple[int, int]:
    """Return the number of shards of a pass over stacks, and the bytes of all stacks."""
    size = sum(job.input.data_bytes for job in jobs)
    return shards_of_pass(size), size
