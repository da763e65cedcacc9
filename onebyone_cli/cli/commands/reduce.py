"""``onebyone reduce``: fit, then apply what was learned to the same stack."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.cli.options.compute import Numbers
from onebyone_cli.cli.options.inputs import Input, Raw
from onebyone_cli.cli.options.learning import Learning
from onebyone_cli.cli.options.messages import RunMessages
from onebyone_cli.cli.options.output import ForMake, ReduceOutput
from onebyone_cli.cli.options.running import Checkpoints, Machines, Resources
from onebyone_cli.cli.shares import check_shares, cluster_of
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.operations.depfile import DepFile
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.operations.learn.request import Choice, choice_of
from onebyone_cli.operations.names import check_archive_name, check_outputs, files_of
from onebyone_cli.picture import scree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onebyone_cli.cluster.run import OnCluster
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer
    from onebyone_cli.learners.model import Model
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings
    from onebyone_cli.operations.learn.run import Known
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.weights import ChannelMap

EXAMPLES = """
onebyone reduce stack.npy -k 3 -o scores.npy
onebyone reduce cube.h5 --variance 0.99 -o scores.h5 --save model.npz
onebyone reduce cube.npy --method mnf -k 10 -o scores.npy --residual error.npy
onebyone reduce huge.npy -k 3 -o scores.npy --scheduler tcp://host:8786
onebyone reduce features.npy -k 3 --scale auto -o rgb.png
"""


def reduce(
    learn: Learning,
    numbers: Numbers,
    input: Input,
    raw: Raw,
    output: ReduceOutput,
    resources: Resources,
    checkpoints: Checkpoints,
    machines: Machines,
    make: ForMake,
    messages: RunMessages,
) -> None:
    """Learn the components of a stack and project it onto them.

    The same as fit and then apply with the model. The input is read twice; a pipe is buffered for
    that. A mask leaves pixels out of the learning only.
    """
    from onebyone_cli.operations.apply.settings import ApplySettings

    console, target = messages.console(), output.output
    choice = choice_of(
        learn.asked(), mask=learn.mask, sampling=learn.sample is not None, plot=output.plot
    )
    choice.check_stacks()
    maps = [learn.mask, learn.labels, learn.noise_from]
    inputs = input.listed([target], maps)
    make.check(target)
    resources.show(console)
    if messages.json and "-" in (target, output.residual):
        flag = "-o" if target == "-" else "--residual"
        raise UsageError(f"--json and {flag} - both want standard output; name a file for one")
    words = (learn, numbers, input, raw, output, checkpoints)
    cluster = cluster_of(machines, resources, inputs, words)
    if cluster is not None:
        check_shares(cluster.flag, inputs, target, numbers)
        cluster.check_learning(inputs, maps[:2], sample=learn.sample is not None, raw=raw.raw)
        if output.residual:
            raise UsageError(f"--residual is computed here; leave it out, or {cluster.flag}")
    settings = ApplySettings(
        memory=resources.budget(),
        threads=resources.workers(),
        compute=numbers.compute,
        dtype=numbers.output_type(),
        nodata=input.mark(),
        nan_to=numbers.nan_value(),
        scale=numbers.plain_range(),
        checkpoints=checkpoints.policy(inputs, target, sharded=cluster is not None),
    )
    read = files_of([*inputs, *maps, learn.endmembers, input.inputs_from])
    publication = output.publication(if_changed=make.if_changed)
    rules = DepFile(make.depfile, publication)
    outputs = _Outputs(
        *(target, output.save, output.residual, output.plot, output.format_name),
        *(publication, read, rules),
    )
    outputs.check()
    reading = input.reading(settings.memory, raw.spec())
    task = _Task(
        *(choice, outputs, settings, reading, learn.mask, learn.labels, learn.sample),
        *(learn.random_seed(), cluster, checkpoints.resume == "restart"),
    )
    with ExitStack() as stack:
        task.run(inputs, console, messages.progress, stack)


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
        check_outputs([self.path, self.model, self.residual, self.plot, self.rules.path])
        self.rules.check(self.path)
        if self.model:
            check_archive_name(self.model, "a model")
            targets.check_target(self.model, force=self.publication.may_replace, inputs=self.read)
        if self.plot:
            scree.check_plot(self.plot, force=self.publication.may_replace, inputs=self.read)

    def save(self, model: "Model", known: "Known") -> None:
        """Write what goes beside the result, which is there by now."""
        if self.model:
            learning.save(model, known, self.model, self.publication)
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
    cluster: "OnCluster | None"
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
        cluster: "OnCluster",
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
            learning.add_given(known, self.choice.asked, self.reading, way.settings, console)

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
