"""``onebyone reduce``: fit, then apply what was learned to the same stack."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.cluster import run as on_cluster
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.operations.depfile import DepFile
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.operations.learn.request import Asked, Choice, choice_of
from onebyone_cli.picture import scree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.learners.model import Model
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings
    from onebyone_cli.operations.learn.run import Known
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.weights import ChannelMap

EXAMPLES = """\b
Examples:
  onebyone reduce stack.npy -k 3 -o scores.npy
  onebyone reduce cube.h5 --variance 0.99 -o scores.h5 --save model.npz
  onebyone reduce cube.npy --method mnf -k 10 -o scores.npy --residual error.npy
  onebyone reduce huge.npy -k 3 -o scores.npy --scheduler tcp://host:8786
  onebyone reduce features.npy -k 3 --scale auto -o rgb.png
"""


def reduce(
    context: typer.Context,
    inputs: inputs.Inputs,
    output: inputs.Output,
    components: inputs.Components = None,
    variance: inputs.Variance = "",
    snr: inputs.SNR = "",
    all_components: inputs.AllComponents = False,
    method: inputs.Method = "pca",
    standardize: inputs.Standardize = False,
    whiten: inputs.Whiten = False,
    noise: inputs.Noise = None,
    noise_rows: inputs.NoiseRows = "",
    noise_cols: inputs.NoiseColumns = "",
    noise_from: inputs.NoiseFrom = "",
    labels: inputs.Labels = "",
    endmembers: inputs.Endmembers = "",
    kind: inputs.Kind = None,
    seed: inputs.Seed = None,
    mask: inputs.Mask = "",
    sample: inputs.Sample = None,
    save: inputs.SaveModel = "",
    residual: inputs.Residual = "",
    plot: inputs.Plot = "",
    inputs_from: inputs.InputsFrom = "",
    force: inputs.Force = False,
    if_changed: inputs.IfChanged = False,
    depfile: inputs.DepFile = "",
    format_name: inputs.FormatName = "",
    layout: inputs.Layout = "CHW",
    raw: inputs.Raw = False,
    shape: inputs.Shape = "",
    dtype_in: inputs.DTypeIn = "",
    dtype: inputs.DType = "",
    scale: inputs.Scale = "",
    compute: inputs.Compute = "auto",
    nodata: inputs.NoData = "",
    nan_to: inputs.NanTo = "",
    memory: inputs.Memory = "",
    threads: inputs.Threads = None,
    fsync: inputs.FSync = False,
    resume: inputs.Resume = "auto",
    restart: inputs.Restart = False,
    checkpoint_every: inputs.CheckpointEvery = 10.0,
    requeue_exit_code: inputs.RequeueExitCode = None,
    scheduler: inputs.Scheduler = "",
    scheduler_file: inputs.SchedulerFile = "",
    workers: inputs.Workers = None,
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    verbose: inputs.Verbose = False,
    progress: inputs.ShowProgress = None,
    debug: inputs.Debug = False,
) -> None:
    """Learn the components of a stack and write it in them.

    The same as fit, then apply with what fit has learned; the input is read twice, and a pipe is
    laid aside for that. A mask leaves pixels out of the learning only.
    """
    from onebyone_cli.operations.apply.settings import ApplySettings

    console = Console(quiet=quiet, verbose=verbose, json=json)
    asked = Asked(
        method=method,
        k=components,
        variance=variance,
        snr=snr,
        all_components=all_components,
        standardize=standardize,
        whiten=whiten,
        kind=kind or "",
        seed=seed,
        noise=noise or "",
        noise_rows=noise_rows,
        noise_cols=noise_cols,
        noise_from=noise_from,
        labels=labels,
        endmembers=endmembers,
    )
    choice = choice_of(asked, mask=mask, sampling=sample is not None, plot=plot)
    choice.check_stacks()
    inputs = values.inputs_of(inputs, inputs_from, [mask, labels, noise_from])
    values.check_names(inputs, [output], [mask, labels, noise_from])
    values.check_whole_output(output, if_changed=if_changed, depfile=depfile)
    values.tell_defaults(memory, threads, console)
    if json and "-" in (output, residual):
        flag = "-o" if output == "-" else "--residual"
        raise UsageError(f"--json and {flag} - both want standard output; name a file for one")
    cluster = on_cluster.cluster_of(context, scheduler, scheduler_file, workers, threads, inputs)
    if cluster is not None:
        cluster.check_apply(inputs, output, scale)
        cluster.check_learning(inputs, sample=sample is not None)
        if residual:
            raise UsageError(f"--residual is computed here; leave it out, or {cluster.flag}")
    settings = ApplySettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        compute=compute,
        dtype=values.dtype_of(dtype),
        nodata=values.number_of("--nodata", nodata) if nodata else None,
        nan_to=values.number_of("--nan-to", nan_to) if nan_to else None,
        scale=values.scale_of(scale),
        checkpoints=values.checkpoints_of(
            inputs,
            output,
            resume,
            restart,
            checkpoint_every,
            requeue_exit_code,
            sharded=cluster is not None,
        ),
    )
    read = values.files_of([*inputs, mask, labels, noise_from, endmembers, inputs_from])
    publication = Publication(force, fsync, if_changed)
    rules = DepFile(depfile, publication)
    outputs = _Outputs(output, save, residual, plot, format_name, publication, read, rules)
    outputs.check()
    reading = Reading(layout, settings.memory, values.raw_of(raw, shape, dtype_in))
    number = values.seed_of(seed)
    task = _Task(choice, outputs, settings, reading, mask, labels, sample, number, cluster, restart)
    with ExitStack() as stack:
        task.run(inputs, console, progress, stack)


class _Outputs(NamedTuple):
    """Where results go, and the files that are read, to which none may go."""

    path: str
    model: str
    residual: str
    plot: str
    format_name: str
    publication: Publication
    read: tuple[str, ...]
    rules: DepFile

    def check(self) -> None:
        """Refuse what can't be written, as far as that is known from names."""
        values.check_outputs([self.path, self.model, self.residual, self.plot, self.rules.path])
        self.rules.check(self.path)
        if self.model:
            values.check_archive_name(self.model, "a model is")
            targets.check_target(self.model, force=self.publication.may_replace, inputs=self.read)
        if self.plot:
            scree.check_plot(self.plot, force=self.publication.may_replace, inputs=self.read)

    def save(self, model: "Model", known: "Known") -> None:
        """Write what goes beside the result, which is there by now."""
        if self.model:
            learning.save(
                model,
                known,
                self.model,
                self.publication,
            )
        if self.plot:
            scree.draw_scree(model, self.plot, self.publication)
        self.rules.write()


class _Task(NamedTuple):
    """One call of the command, with everything that was asked for."""

    choice: Choice
    outputs: _Outputs
    settings: "ApplySettings"
    reading: Reading
    mask: str
    labels: str
    sample: int | None
    seed: int
    cluster: on_cluster.OnCluster | None
    restart: bool

    def run(
        self, inputs: Sequence[str], console: Console, progress: bool | None, stack: ExitStack
    ) -> None:
        """Learn, apply, tell."""
        from onebyone_cli.stack.sources import hold_streams

        if learning.are_moments(inputs, raw=self.reading.raw is not None):
            raise UsageError(
                f"reduce needs pixels, and {inputs[0]} is an archive, as moments are; "
                "learn from it with fit, then apply the model to stacks"
            )
        memory = self.settings.memory
        opened = self.reading.open(inputs, stack)
        files = (name for reader in opened for name in reader.about.files)
        self.outputs.rules.add(self.outputs.path, (*files, *self.outputs.read))
        channels = sum(reader.spec.channels for reader in opened)
        source = " ".join(inputs)
        self.choice.check_channels(channels, source)
        # What can be refused is refused before the long reading.
        stand_in = self.choice.stand_in(channels)
        self._apply_job(opened, opened, stand_in, memory, is_rehearsal=True)
        if self.outputs.residual:
            self._residual_job(opened, opened, stand_in, memory, is_rehearsal=True)
        maps = self._way(memory).open_maps(stack)
        self._way(memory).jobs([opened], maps)
        started = time.monotonic()
        held: Sequence[Reader | StreamReader] = opened
        if self.cluster is None:
            with Progress(console, progress) as on_progress:
                held, memory = hold_streams(opened, memory, stack, on_progress)
        known = self._known(held, maps, memory, console, progress)
        model = self.choice.learn(known.evidence, source)
        job = self._apply_job(opened, held, model.map, memory)
        rest = None
        with Progress(console, progress) as on_progress:
            if self.cluster is None:
                done = job.run(on_progress)
            else:
                done = self._fill(self.cluster, job, model, known, console, progress)
            if self.outputs.residual:
                rest = self._residual_job(opened, held, model.residual(), memory).run(on_progress)
        outputs = self.outputs
        outputs.save(model, known)
        learned = self.choice.learner.reads_pixels and self.sample is None
        applied = 0 if done.went_on else job.input_bytes + job.output.data_bytes
        moved = applied and applied + known.pixel_bytes * learned
        self._tell(model, known, done, rest, spent_since(started, moved), console)

    def _fill(
        self,
        cluster: on_cluster.OnCluster,
        job: "ApplyJob",
        model: "Model",
        known: "Known",
        console: Console,
        progress: bool | None,
    ) -> "ApplyReport":
        """Have the result computed by a cluster."""
        import tempfile

        outputs = self.outputs

        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "model.npz")
            learning.save(model, known, name, Publication())
            with open(name, "rb") as file:
                weights = file.read()
        return cluster.fill(
            job,
            outputs.path,
            console,
            progress,
            publication=outputs.publication,
            restart=self.restart,
            weights=weights,
        )

    def _tell(
        self,
        model: "Model",
        known: "Known",
        done: "ApplyReport",
        rest: "ApplyReport | None",
        spent: Spent,
        console: Console,
    ) -> None:
        outputs = self.outputs
        report.tell(model, console)
        moments = known.evidence.overall
        errors = model.channel_errors(moments).tolist() if moments.count else []
        if rest is not None:
            report.tell_errors(errors, known.names, console)
            console.say(report.applied(outputs.residual, rest))
        console.say(report.applied(outputs.path, done, spent))
        console.document(
            {
                "output": outputs.path,
                "shape": list(done.output.shape),
                "dtype": done.output.dtype,
                **done.counts,
                **report.document(model),
                "rmse": [error if isfinite(error) else None for error in errors],
                "changed": done.changed,
                **spent.document(),
            }
        )

    def _way(self, memory: int) -> learning.Pass:
        from onebyone_cli.operations.learn.settings import LearnSettings

        wanted = self.choice.wanted()
        if self.outputs.residual and not self.labels:  # errors are told from moments
            wanted = wanted._replace(pixels=True)
        settings = LearnSettings(memory, self.settings.threads, self.settings.nodata, wanted)
        return learning.Pass(settings, self.mask, self.labels, self.sample, self.seed, self.cluster)

    def _known(
        self,
        held: "Sequence[Reader | StreamReader]",
        maps: learning.Maps,
        memory: int,
        console: Console,
        progress: bool | None,
    ) -> "Known":
        way = self._way(memory)

        def add(known: "Known") -> None:
            learning.add_given(known, self.choice.asked, self.reading.layout, way.settings, console)

        if self.choice.learner.reads_pixels or self.outputs.residual:
            return learning.gather([held], way, add, console, progress, maps)
        known = learning.headers_of([held])
        add(known)
        return known

    def _apply_job(
        self,
        opened: "Sequence[Reader | StreamReader]",
        held: "Sequence[Reader | StreamReader]",
        weights: "ChannelMap",
        memory: int,
        *,
        is_rehearsal: bool = False,
    ) -> "ApplyJob":
        def make_job(settings: "ApplySettings") -> "ApplyJob":
            return self._job(opened, held, weights, self.outputs.path, settings, is_rehearsal)

        settings = self.settings._replace(memory=memory)
        if self.cluster is not None:
            return self.cluster.plan(self.outputs.path, make_job, settings)
        return make_job(settings)

    def _residual_job(
        self,
        opened: "Sequence[Reader | StreamReader]",
        held: "Sequence[Reader | StreamReader]",
        weights: "ChannelMap",
        memory: int,
        *,
        is_rehearsal: bool = False,
    ) -> "ApplyJob":
        from onebyone_cli.spec import arithmetic_dtype

        # The rest is a small difference of large numbers: in float64, whatever the input.
        settings = self.settings._replace(
            memory=memory,
            compute="float64",
            dtype=arithmetic_dtype([reader.spec.dtype for reader in held]),
            scale=None,
            collapse="rms",
        )
        return self._job(opened, held, weights, self.outputs.residual, settings, is_rehearsal)

    def _job(
        self,
        opened: "Sequence[Reader | StreamReader]",
        held: "Sequence[Reader | StreamReader]",
        weights: "ChannelMap",
        path: str,
        settings: "ApplySettings",
        is_rehearsal: bool,
    ) -> "ApplyJob":
        from onebyone_cli.arithmetic.conv1x1 import make_layers
        from onebyone_cli.formats import opening
        from onebyone_cli.operations.apply.job import ApplyJob

        outputs = self.outputs

        is_residual = path == outputs.residual
        with _residual_named(path) if is_residual else nullcontext():
            target = opening.make_target(
                path,
                inputs=opened,
                also_read=outputs.read,
                format_name="" if is_residual else outputs.format_name,
                publication=settings.publication(outputs.publication),
            )
        layers = make_layers([weights], [])
        return ApplyJob(
            held,
            layers,
            _ResidualTarget(target) if is_residual else target,
            settings,
            is_rehearsal=is_rehearsal,
        )


class _ResidualTarget(NamedTuple):
    """The output of ``--residual``."""

    target: "Target"

    def make_writer(
        self, spec: "StackSpec", describe: "Callable[[], Metadata]" = Metadata
    ) -> "Writer | StreamWriter":
        with _residual_named(self.target.path):
            return self.target.make_writer(spec, describe)


@contextmanager
def _residual_named(path: str) -> "Iterator[None]":
    """Replace the remedies in errors: --dtype, --scale and --format are not for --residual."""
    try:
        yield
    except UsageError as error:
        found = error.message.partition("; ")[0]
        raise UsageError(f"--residual {path}: {found}; name a .npy or .h5 file") from error
