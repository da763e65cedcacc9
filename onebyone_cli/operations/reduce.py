"""Learn the components of a stack, and apply them to the same stack."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.commit import targets
from onebyone_cli.errors import UsageError, setting
from onebyone_cli.operations.apply.run import Output, plan_apply
from onebyone_cli.operations.learn import gathered as saving
from onebyone_cli.operations.learn.gathered import Gathered, are_moments, headers_of
from onebyone_cli.operations.learn.given import add_given
from onebyone_cli.operations.learn.run import LearnPass, PixelMaps, gather
from onebyone_cli.operations.learn.settings import LearnSettings
from onebyone_cli.operations.names import check_archive_name, check_outputs
from onebyone_cli.picture import scree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.learners.model import Model
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings
    from onebyone_cli.operations.depfile import DepFile
    from onebyone_cli.operations.elsewhere import Elsewhere
    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.operations.learn.gathered import Say
    from onebyone_cli.operations.learn.request import CheckedRequest
    from onebyone_cli.stack.sources import OnProgress
    from onebyone_cli.weights.channel_map import ChannelMap

    Inputs = Sequence[Reader | StreamReader]


class ReduceOutputs(NamedTuple):
    """The files of results; empty for none."""

    result: Output
    model: str
    residual: str
    plot: str
    rules: DepFile | None = None

    def check(self) -> None:
        """Refuse what can't be written, as far as names and files show it.

        Raises
        ------
        UsageError
            If two outputs are the same file, or a name does not fit.
        OutputRefusedError
            If a file exists already, or is an input.
        """
        result, read = self.result, self.result.also_read
        depfile = self.rules.path if self.rules else ""
        check_outputs([result.path, self.model, self.residual, self.plot, depfile])
        if self.model:
            check_archive_name(self.model, "a model")
            targets.check_target(self.model, force=result.publication.may_replace, inputs=read)
        if self.plot:
            scree.check_plot(self.plot, force=result.publication.may_replace, inputs=read)

    def save(self, model: Model, gathered: Gathered) -> None:
        """Write the other files, after the result."""
        publication = self.result.publication
        if self.model:
            saving.save(model, gathered, self.model, publication)
        if self.plot:
            scree.draw_scree(model, self.plot, publication)
        if self.rules is not None:
            self.rules.write()


class ReduceReport(NamedTuple):
    """What was learned and written.

    `errors` are the root mean square errors of the channels, and `moved` the bytes of pixels read
    and written; empty and 0 if unknown.
    """

    model: Model
    gathered: Gathered
    result: ApplyReport
    residual: ApplyReport | None
    errors: list[float]
    moved: int


class Reduce(NamedTuple):
    """One run of the operation.

    Memory, threads and nodata of `settings` hold for learning as well.
    """

    request: CheckedRequest
    outputs: ReduceOutputs
    settings: ApplySettings
    reading: Reading
    elsewhere: Elsewhere | None = None

    def run(self, names: Sequence[str], *, on_progress: OnProgress, say: Say) -> ReduceReport:
        """Check everything, learn, apply, and write all outputs.

        `names` are the inputs of one stack. `say` takes warnings, a line each.
        """
        self.outputs.check()
        if are_moments(names, raw=self.reading.raw is not None):
            raise UsageError(
                f"reduce needs pixels, and {names[0]} is an archive, as moments are; "
                "learn from it with fit, then apply the model to stacks"
            )
        with ExitStack() as stack:
            opened = self.reading.open(names, stack)
            return self._run(" ".join(names), opened, stack, on_progress, say)

    def _run(
        self, source: str, opened: Inputs, stack: ExitStack, on_progress: OnProgress, say: Say
    ) -> ReduceReport:
        from onebyone_cli.stack.sources import hold_streams

        maps = self._check(source, opened, stack)
        held, memory = opened, self.settings.memory
        if self.elsewhere is None:
            held, memory = hold_streams(opened, memory, stack, on_progress)
        gathered = self._gather(held, maps, memory, on_progress, say)
        model = self.request.learn(gathered.statistics, source)
        job = self._result_job(opened, held, maps, model.map, memory)
        lost = job.lost()
        told = () if self.request.learner.reads_pixels else job.meaning.notes
        for note in (*told, *(lost.notes if lost else ())):
            say(note)
        if self.elsewhere is None:
            result = job.run(on_progress)
        else:
            result = self.elsewhere.fill(job, saving.model_bytes(model, gathered))
        for warning in () if self.request.learner.reads_pixels else result.warnings:
            say(warning)
        rest = None
        if self.outputs.residual:
            residual = self._residual_job(opened, held, maps, model.residual(), memory)
            rest = residual.run(on_progress)
        self.outputs.save(model, gathered)
        moments = gathered.statistics.overall
        errors = model.channel_errors(moments).tolist() if moments.count else []
        moved = 0 if result.went_on else job.input_bytes + job.output.data_bytes
        if moved and self.request.learner.reads_pixels and self.request.request.sample is None:
            moved += gathered.pixel_bytes
        return ReduceReport(model, gathered, result, rest, errors, moved)

    def _check(self, source: str, opened: Inputs, stack: ExitStack) -> PixelMaps:
        """Refuse what can be refused before pixels are read; open the maps."""
        outputs, memory = self.outputs, self.settings.memory
        if outputs.rules is not None:
            files = (name for reader in opened for name in reader.about.files)
            outputs.rules.add(outputs.result.path, (*files, *outputs.result.also_read))
        channels = sum(reader.spec.channels for reader in opened)
        self.request.check_channels(channels, source)
        stand_in = self.request.stand_in(channels)
        way = self._way(memory)
        maps = way.open_maps(stack)
        self._result_job(opened, opened, maps, stand_in, memory, is_rehearsal=True)
        if outputs.residual:
            self._residual_job(opened, opened, maps, stand_in, memory, is_rehearsal=True)
        way.jobs([opened], maps)
        return maps

    def _way(self, memory: int) -> LearnPass:
        wanted = self.request.wanted()
        if self.outputs.residual and not self.request.request.has("labels"):
            wanted = wanted._replace(pixels=True)  # errors are computed from moments
        settings = LearnSettings(memory, self.settings.threads, self.settings.asked, wanted)
        way = LearnPass.of(self.request, settings)
        return way._replace(gather=self.elsewhere.gather if self.elsewhere else None)

    def _gather(
        self,
        held: Inputs,
        maps: PixelMaps,
        memory: int,
        on_progress: OnProgress,
        say: Say,
    ) -> Gathered:
        way = self._way(memory)

        def check(gathered: Gathered) -> None:
            add_given(
                gathered,
                self.request.request,
                self.reading,
                way.settings,
                on_progress=on_progress,
                say=say,
            )

        if self.request.learner.reads_pixels or self.outputs.residual:
            return gather([held], way, check, on_progress, maps=maps, say=say)
        gathered = headers_of([held])
        check(gathered)
        return gathered

    def _result_job(
        self,
        opened: Inputs,
        held: Inputs,
        maps: PixelMaps,
        weights: ChannelMap,
        memory: int,
        *,
        is_rehearsal: bool = False,
    ) -> ApplyJob:
        settings, output = self.settings._replace(memory=memory), self.outputs.result

        def make_job(settings: ApplySettings) -> ApplyJob:
            return _job(opened, held, maps, weights, output, settings, is_rehearsal)

        return (
            make_job(settings)
            if self.elsewhere is None
            else self.elsewhere.plan(make_job, settings)
        )

    def _residual_job(
        self,
        opened: Inputs,
        held: Inputs,
        maps: PixelMaps,
        weights: ChannelMap,
        memory: int,
        *,
        is_rehearsal: bool = False,
    ) -> ApplyJob:
        from onebyone_cli.spec import arithmetic_dtype

        # The residual is a small difference of large numbers: in float64, whatever the input.
        settings = self.settings._replace(
            memory=memory,
            compute="float64",
            dtype=arithmetic_dtype([reader.spec.dtype for reader in held]),
            scale=None,
            collapse="rms",
        )
        path = self.outputs.residual
        output = self.outputs.result._replace(path=path, format_name="", layout="", storage=None)
        try:
            return _job(opened, held, maps, weights, output, settings, is_rehearsal)
        except UsageError as error:
            # The rest of the message names settings of the result.
            found = error.message.partition("; ")[0]
            raise UsageError(
                f"{setting('residual', path)}: {found}; name a .npy or .h5 file"
            ) from error


def _job(
    opened: Inputs,
    held: Inputs,
    maps: PixelMaps,
    weights: ChannelMap,
    output: Output,
    settings: ApplySettings,
    is_rehearsal: bool,
) -> ApplyJob:
    from onebyone_cli.arithmetic.conv1x1 import make_layers

    layers = make_layers([weights], [])
    return plan_apply(
        opened, layers, output, settings, held=held, mask=maps.mask, is_rehearsal=is_rehearsal
    )
