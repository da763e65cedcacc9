"""What a cluster does of a command: shards, each a command line that any machine can run."""

import inspect
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, OneByOneError, ReadWriteError, Stopped, UsageError

if TYPE_CHECKING:
    from onebyone_cli.cluster.client import Cluster, Place
    from onebyone_cli.commit.merge import Published
    from onebyone_cli.learners.statistics import Evidence
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings
    from onebyone_cli.operations.learn.job import LearnJob
    from onebyone_cli.operations.learn.settings import Wanted

#: What shards are not told as it was typed: it is done here, or is their own.
_OURS = {
    *("inputs", "inputs_from", "output", "force", "if_changed", "depfile"),
    *("resume", "restart", "requeue_exit_code", "shard", "threads", "noise", "sample", "seed"),
    *("dry_run", "json", "quiet", "verbose", "progress", "debug"),
    *("scheduler", "scheduler_file", "workers"),
}

#: How long what other machines have written may take to be seen, and how often we look.
_SEEN_S, _LOOK_S = 90.0, 1.0

#: Options whose values are read as inputs are, and others whose values may be names of files.
_MAPS = {"mask", "labels"}
_FILES = {"weights", "bias"}


class OnCluster(NamedTuple):
    """The cluster of a command.

    Attributes
    ----------
    context : typer.Context
        The command line.
    place : Place
        Where the cluster is.
    threads : int
        Of each shard.
    inputs : list of str
        Those of the command.
    """

    context: typer.Context
    place: "Place"
    threads: int
    inputs: Sequence[str]

    @property
    def flag(self) -> str:
        """The option that asks for the cluster."""
        if self.place.workers:
            return "--workers"
        return "--scheduler" if self.place.scheduler else "--scheduler-file"

    def check_apply(
        self, inputs: Sequence[str], output: str, scale: str, *, each: bool = False
    ) -> None:
        """Refuse what can't be computed in shards, as far as names and options tell."""
        values.check_shares(self.flag, inputs, output, scale, each)

    def check_learning(self, inputs: Sequence[str], *, sample: bool) -> None:
        """Refuse what can't be gathered in shards."""
        from onebyone_cli.operations.learn.run import are_moments

        maps = [self.context.params.get(name) for name in _MAPS]
        values.check_shared(self.flag, [*inputs, *filter(None, maps)])
        why = ""
        if are_moments(inputs, raw=bool(self.context.params.get("raw"))):
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
        from onebyone_cli.cli.commands.apply import apply
        from onebyone_cli.commit.merge import check_left, discard_shards
        from onebyone_cli.commit.unfinished import part_of
        from onebyone_cli.operations.apply.settings import ApplyReport

        assert job.shard is not None
        assert job.identity is not None
        count = job.shard.count
        if restart:
            discard_shards(output)
        went_on = check_left(output, count, job.identity)
        line = ["apply", *self._inputs(), "-o", os.path.abspath(output), *self._typed(apply)]
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
                stop.status = self.context.params.get("requeue_exit_code")
            raise
        done = _publish(output, publication)
        return ApplyReport(job.input, job.output, done.counts, done.changed, went_on)

    def gather(
        self, jobs: "Sequence[LearnJob]", console: Console, progress: bool | None
    ) -> "Evidence":
        """Have what a pass over all stacks gathers gathered in shards."""
        from onebyone_cli.cli.commands.stats import stats
        from onebyone_cli.learners.moments_file import load_moments
        from onebyone_cli.plan.shards import shards_of_pass

        size = sum(job.input.data_bytes for job in jobs)
        count = shards_of_pass(size)
        line = ["stats", *self._inputs(), *_noise(jobs[0].wanted), *self._typed(stats)]
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
            typed = [*self.inputs, *_words(self.context.params.values())]
            names = {os.path.abspath(name): name for name in typed}
            error.path = names.get(error.path, error.path)
            raise

    def _shards(self, line: list[str], count: int) -> list[list[str]]:
        threads = ["--threads", str(self.threads)]
        return [[*line, *threads, "--shard", f"{index}/{count}"] for index in range(count)]

    def _inputs(self) -> list[str]:
        return [_absolute(text) for text in self.inputs]

    def _typed(self, command: Callable[..., Any]) -> list[str]:
        """Type again what was typed, as far as another command has the same options."""
        words: list[str] = []
        known = inspect.signature(command).parameters.keys() - _OURS
        for option in self.context.command.params:
            name = option.name or ""
            source = self.context.get_parameter_source(name)
            if name not in known or source is None or source.name != "COMMANDLINE":
                continue
            found = self.context.params[name]
            if isinstance(found, bool):
                words += [option.opts[-1]] * found
                continue
            for value in found if isinstance(found, list | tuple) else [found]:
                words += [option.opts[-1], self._named(name, str(value))]
        return words

    def _named(self, name: str, value: str) -> str:
        if name in _MAPS:
            return _absolute(value)
        if name not in _FILES or not os.path.exists(value):
            return value
        values.check_shared(self.flag, [value])
        return os.path.abspath(value)


def _absolute(text: str) -> str:
    """Name an input, and the dataset in it, from wherever one is."""
    from onebyone_cli.formats.opening import split_inner

    path, inner = split_inner(text)
    return ":".join(filter(None, [os.path.abspath(path), inner]))


def _publish(output: str, publication: Publication) -> "Published":
    """Publish an output all of whose shards are done, as soon as this machine sees them.

    A network file system shows what others have written when it looks again.
    """
    from onebyone_cli.commit.merge import publish_shards
    from onebyone_cli.commit.unfinished import part_of

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


def cluster_of(
    context: typer.Context,
    scheduler: str,
    scheduler_file: str,
    workers: int | None,
    threads: int | None,
    inputs: list[str],
) -> OnCluster | None:
    """Read which cluster is asked for; None for none.

    Raises
    ------
    UsageError
        If more than one is, or options mean nothing beside it.
    DependencyMissingError
        If Dask is not installed.
    """
    if not (scheduler or scheduler_file or workers is not None):
        return None
    if bool(scheduler) + bool(scheduler_file) + (workers is not None) > 1:
        raise UsageError("give one of --scheduler, --scheduler-file and --workers")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers} is too few; give 1 or more")
    from onebyone_cli.cluster.client import Place, require_dask

    if threads is None:
        # A worker of a cluster runs as many shards at once as it has threads.
        share = values.threads_of(None) // workers if workers else 1
        threads = max(1, share)
    found = OnCluster(
        context,
        Place(scheduler, scheduler_file, workers or 0),
        values.threads_of(threads),
        inputs,
    )
    if context.params.get("shard"):
        raise UsageError(f"--shard computes one share and {found.flag} all of them; give one")
    require_dask()
    return found


def _words(found: Iterable[Any]) -> Iterator[str]:
    """Find all texts among the values of options."""
    for value in found:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | tuple):
            yield from _words(value)


def _noise(wanted: "Wanted") -> list[str]:
    """Name the differences of neighbours that a learner needs, as ``--noise`` does."""
    from onebyone_cli.learners.differences import DIRECTIONS

    names = [name for name, directions in DIRECTIONS.items() if directions == wanted.differences]
    return ["--noise", names[0]] if wanted.differences else []
