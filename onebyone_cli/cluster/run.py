"""What a cluster does of a command: shards, each a command line that any machine can run."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, OneByOneError, ReadWriteError, Stopped, UsageError
from onebyone_cli.operations.names import absolute, check_shared

if TYPE_CHECKING:
    from onebyone_cli.cluster.client import Cluster, Place
    from onebyone_cli.commit.merge import Published
    from onebyone_cli.learners.statistics import Evidence
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings
    from onebyone_cli.operations.learn.job import LearnJob
    from onebyone_cli.operations.learn.settings import Wanted

#: How long what other machines have written may take to be seen, and how often we look.
_SEEN_S, _LOOK_S = 90.0, 1.0


class OnCluster(NamedTuple):
    """The cluster of a command.

    Attributes
    ----------
    place : Place
        Where the cluster is.
    threads : int
        Of each shard.
    inputs : sequence of str
        Those of the command.
    apply_words, stats_words : tuple of str
        Options of the command that its shards have, too, as shards of ``apply`` and ``stats``.
    names : mapping of str to str
        Names of files as typed, by their absolute names.
    """

    place: "Place"
    threads: int
    inputs: Sequence[str]
    apply_words: tuple[str, ...]
    stats_words: tuple[str, ...]
    names: "Mapping[str, str]"

    @property
    def flag(self) -> str:
        """The option that asks for the cluster."""
        if self.place.workers:
            return "--workers"
        return "--scheduler" if self.place.scheduler else "--scheduler-file"

    def check_learning(
        self, inputs: Sequence[str], maps: Sequence[str], *, sample: bool, raw: bool
    ) -> None:
        """Refuse what can't be gathered in shards: of inputs, and of maps, empty if not given."""
        from onebyone_cli.operations.learn.run import are_moments

        check_shared(self.flag, [*inputs, *filter(None, maps)])
        why = ""
        if are_moments(inputs, raw=raw):
            why = "moments are joined at once"
        elif sample:
            why = "--sample looks at few pixels, here"
        if why:
            raise UsageError(f"{why}; leave out {self.flag}")

    def plan(
        self, output: str, make_job: "Callable[..., ApplyJob]", settings: "ApplySettings"
    ) -> "ApplyJob":
        """Check a job, and cut it: what is made is its first shard.

        Parameters
        ----------
        output : str
            Where the result goes.
        make_job : callable
            Makes the job, given `settings`.
        settings : ApplySettings
            Those of the command.
        """
        from onebyone_cli.plan.shards import Shard, shards_of_output

        settings = settings._replace(threads=self.threads)
        whole = make_job(settings=settings._replace(checkpoints=None))
        if not whole.has_fixed_offsets:
            raise UsageError(
                f"{self.flag} needs an output with fixed offsets, and {output} has none; "
                "write .npy, or .h5 without compression and chunks"
            )
        count = shards_of_output(whole.input.data_bytes + whole.output.data_bytes, whole.output)
        return make_job(settings=settings._replace(shard=Shard(0, count)))

    def fill(
        self,
        job: "ApplyJob",
        output: str,
        console: Console,
        progress: bool | None,
        *,
        publication: Publication,
        restart: bool,
        weights: bytes | None = None,
    ) -> "ApplyReport":
        """Have all shards of a job computed, and publish its output.

        Parameters
        ----------
        job : ApplyJob
            As `plan` has made it.
        output : str
            Where the result goes.
        publication : Publication
            How it is published.
        restart : bool
            As in all commands.
        weights : bytes, optional
            What was learned just now, if no option of the command line names the weights.

        Returns
        -------
        ApplyReport
            What all shards together have done.
        """
        from onebyone_cli.commit.merge import check_left, discard_shards
        from onebyone_cli.commit.part import part_of
        from onebyone_cli.operations.apply.settings import ApplyReport

        assert job.shard is not None
        assert job.identity is not None
        count = job.shard.count
        if restart:
            discard_shards(output)
        went_on = check_left(output, count, job.identity)
        line = ["apply", *self._inputs(), "-o", os.path.abspath(output), *self.apply_words]
        line += ["--force"] * publication.may_replace
        try:
            with self._cluster(console) as cluster, Progress(console, progress) as on_progress:
                on_done = _Counting(on_progress, "applying", job.input.data_bytes, count)
                cluster.fill(self._shards(line, count), weights, on_done)
        except DataError:
            # As everywhere: nobody goes on with a job whose data are at fault.
            discard_shards(output)
            raise
        except Stopped as stop:
            if os.path.exists(part_of(output)):
                stop.checkpoint = output
            raise
        done = _publish(output, publication)
        return ApplyReport(job.input, job.output, done.counts, done.changed, went_on)

    def gather(
        self, jobs: "Sequence[LearnJob]", console: Console, progress: bool | None
    ) -> "Evidence":
        """Have what a pass over all stacks gathers gathered in shards."""
        from onebyone_cli.learners.moments_file import load_moments
        from onebyone_cli.plan.shards import shards_of_pass

        size = sum(job.input.data_bytes for job in jobs)
        count = shards_of_pass(size)
        line = ["stats", *self._inputs(), *_noise(jobs[0].wanted), *self.stats_words]
        with self._cluster(console) as cluster, Progress(console, progress) as on_progress:
            on_done = _Counting(on_progress, "learning", size, count)
            moments = cluster.gather(self._shards(line, count), on_done)
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "moments.npz")
            with open(name, "xb") as file:
                file.write(moments)
            evidence, _ = load_moments(name)
        if evidence.classes is not None and not jobs[0].wanted.pixels:
            evidence.leave_out_unlabelled()
        return evidence

    @contextmanager
    def _cluster(self, console: Console) -> "Iterator[Cluster]":
        """Connect, and name files in errors as the user does."""
        from onebyone_cli.cluster.client import Cluster

        try:
            with Cluster(self.place, console.say, verbose=console.verbose) as cluster:
                yield cluster
        except OneByOneError as error:
            error.path = self.names.get(error.path, error.path)
            raise

    def _shards(self, line: list[str], count: int) -> list[list[str]]:
        threads = ["--threads", str(self.threads)]
        return [[*line, *threads, "--shard", f"{index}/{count}"] for index in range(count)]

    def _inputs(self) -> list[str]:
        return [absolute(text) for text in self.inputs]


def _publish(output: str, publication: Publication) -> "Published":
    """Publish an output all of whose shards are done, as soon as this machine sees them.

    A network file system shows what others have written when it looks again.
    """
    from onebyone_cli.commit.merge import publish_shards
    from onebyone_cli.commit.part import part_of

    deadline = time.monotonic() + _SEEN_S
    while True:
        is_late = time.monotonic() > deadline
        try:
            if os.path.exists(part_of(output)):
                return publish_shards(output, publication)
        except DataError:
            if is_late:
                raise
        if is_late:
            raise ReadWriteError("all shards are done, and this machine does not see them", output)
        time.sleep(_LOOK_S)


class _Counting:
    """Turns shards that are done into bytes that are."""

    def __init__(self, on_progress: Progress, step: str, size: int, count: int) -> None:
        self._on_progress, self._step = on_progress, step
        self._size, self._count, self._done = size, count, 0
        on_progress(step, 0, size)  # from now on there is a rate

    def __call__(self, index: int) -> None:
        self._done += 1
        self._on_progress(self._step, self._size * self._done // self._count, self._size)


def _noise(wanted: "Wanted") -> list[str]:
    """Name the differences of neighbours that a learner needs, as ``--noise`` does."""
    from onebyone_cli.learners.differences import DIRECTIONS

    names = [name for name, directions in DIRECTIONS.items() if directions == wanted.differences]
    return ["--noise", names[0]] if wanted.differences else []
