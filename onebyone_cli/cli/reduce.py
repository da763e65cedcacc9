"""``onebyone reduce``: fit, then apply what was learned to the same stack."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

from onebyone_cli import targets
from onebyone_cli.cli import gathering, options, report, scree, values
from onebyone_cli.cli.choice import Asked, Choice, choice_of
from onebyone_cli.cli.console import Console
from onebyone_cli.cli.progress import Progress
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.cli.gathering import Known
    from onebyone_cli.formats.base import Reader, StreamReader, StreamWriter, Writer
    from onebyone_cli.pipeline import ApplyJob, ApplyReport, ApplySettings
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.weights import ChannelMap

EXAMPLES = """\b
Examples:
  onebyone reduce stack.npy -k 3 -o scores.npy
  onebyone reduce cube.h5 --variance 0.99 -o scores.h5 --save model.npz
  onebyone reduce cube.npy --method mnf -k 10 -o scores.npy --residual error.npy
  onebyone reduce features.npy -k 3 --scale auto -o rgb.png
"""


def reduce(
    inputs: options.Inputs,
    output: options.Output,
    components: options.Components = None,
    variance: options.Variance = "",
    snr: options.SNR = "",
    all_components: options.AllComponents = False,
    method: options.Method = "pca",
    standardize: options.Standardize = False,
    whiten: options.Whiten = False,
    noise: options.Noise = None,
    noise_rows: options.NoiseRows = "",
    noise_cols: options.NoiseColumns = "",
    noise_from: options.NoiseFrom = "",
    labels: options.Labels = "",
    endmembers: options.Endmembers = "",
    kind: options.Kind = None,
    seed: options.Seed = None,
    mask: options.Mask = "",
    sample: options.Sample = None,
    save: options.SaveModel = "",
    residual: options.Residual = "",
    plot: options.Plot = "",
    force: options.Force = False,
    format_name: options.FormatName = "",
    layout: options.Layout = "CHW",
    dtype: options.DType = "",
    scale: options.Scale = "",
    compute: options.Compute = "auto",
    nodata: options.NoData = "",
    nan_to: options.NanTo = "",
    memory: options.Memory = "",
    threads: options.Threads = None,
    fsync: options.FSync = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    progress: options.ShowProgress = None,
    debug: options.Debug = False,
) -> None:
    """Learn the components of a stack and write it in them.

    The same as fit, then apply with what fit has learned; the input is read twice, and a pipe is
    laid aside for that. A mask leaves pixels out of the learning only.
    """
    from onebyone_cli.pipeline import ApplySettings

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
    choice = choice_of(asked, sampling=sample is not None)
    values.check_names(inputs, [output])
    if json and output == "-":
        raise UsageError("--json and -o - both want standard output; name a file for one")
    settings = ApplySettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        compute=compute,
        dtype=values.dtype_of(dtype),
        nodata=values.number_of("--nodata", nodata) if nodata else None,
        nan_to=values.number_of("--nan-to", nan_to) if nan_to else None,
        scale=values.scale_of(scale),
    )
    outputs = _Outputs(output, save, residual, plot, format_name, force, fsync)
    outputs.check([*inputs, mask, labels, noise_from, endmembers])
    task = _Task(choice, outputs, settings, layout, mask, labels, sample, seed or 0)
    with ExitStack() as stack:
        task.run(inputs, console, progress, stack)


@dataclass(frozen=True, slots=True)
class _Outputs:
    """Where results go."""

    path: str
    model: str
    residual: str
    plot: str
    format_name: str
    force: bool
    fsync: bool

    def check(self, inputs: Sequence[str]) -> None:
        """Refuse what can't be written, as far as that is known from names."""
        read = values.files_of(inputs)
        written = [path for path in (self.path, self.model, self.residual, self.plot) if path]
        if len(set(written)) < len(written):
            raise UsageError("two outputs have the same name; give each its own")
        if self.model:
            values.check_model_name(self.model)
            targets.check_target(self.model, force=self.force, inputs=read)
        if self.plot:
            scree.check_plot(self.plot, force=self.force, inputs=read)


@dataclass(frozen=True, slots=True)
class _Task:
    """One call of the command, with everything that was asked for."""

    choice: Choice
    outputs: _Outputs
    settings: "ApplySettings"
    layout: str
    mask: str
    labels: str
    sample: int | None
    seed: int

    def run(
        self, inputs: Sequence[str], console: Console, progress: bool | None, stack: ExitStack
    ) -> None:
        """Learn, apply, tell."""
        from onebyone_cli import formats
        from onebyone_cli.pipeline.sources import hold_streams

        memory = self.settings.memory
        opened = formats.open_inputs(inputs, layout=self.layout, memory=memory, stack=stack)
        channels = sum(reader.spec.channels for reader in opened)
        source = " ".join(inputs)
        self.choice.check_channels(channels, source)
        # What can be refused is refused before the long reading.
        stand_in = self.choice.stand_in(channels)
        self._apply_job(opened, opened, stand_in, memory)
        if self.outputs.residual:
            self._residual_job(opened, opened, stand_in, memory)
        self._way(memory).jobs([opened], stack)
        with Progress(console, progress) as on_progress:
            held, memory = hold_streams(opened, memory, stack, on_progress)
        known = self._known(held, memory, console, progress)
        model = self.choice.learn(known.evidence, source)
        with Progress(console, progress) as on_progress:
            done = self._apply_job(opened, held, model.map, memory).run(on_progress)
            if self.outputs.residual:
                self._residual_job(opened, held, model.residual(), memory).run(on_progress)
        outputs = self.outputs
        if outputs.model:
            gathering.save(model, known, outputs.model, force=outputs.force, fsync=outputs.fsync)
        if outputs.plot:
            scree.draw_scree(model, outputs.plot, force=outputs.force)
        report.tell(model, console)
        moments = known.evidence.overall
        errors = model.channel_errors(moments).tolist() if moments.count else []
        if outputs.residual:
            report.tell_errors(errors, known.names, console)
            console.say(f"{outputs.residual}: {done.output.height}×{done.output.width} residual")
        console.say(_closing_line(outputs.path, done))
        console.document(
            {
                "output": outputs.path,
                "shape": list(done.output.shape),
                "dtype": done.output.dtype,
                **report.document(model),
                "rmse": [error if isfinite(error) else None for error in errors],
            }
        )

    def _way(self, memory: int) -> gathering.Pass:
        from onebyone_cli.pipeline.learn import LearnSettings

        wanted = self.choice.wanted()
        if self.outputs.residual and not self.labels:  # errors are told from moments
            wanted = replace(wanted, pixels=True)
        settings = LearnSettings(memory, self.settings.threads, self.settings.nodata, wanted)
        return gathering.Pass(settings, self.mask, self.labels, self.sample, self.seed)

    def _known(
        self, held: "Sequence[Reader]", memory: int, console: Console, progress: bool | None
    ) -> "Known":
        way = self._way(memory)
        if self.choice.learner.reads_pixels or self.outputs.residual:
            known = gathering.gather([held], way, lambda channels, name: None, console, progress)
        else:
            known = gathering.headers_of([held])
        gathering.add_given(known, self.choice.asked, self.layout, way.settings, console)
        return known

    def _apply_job(
        self,
        opened: "Sequence[Reader | StreamReader]",
        held: "Sequence[Reader | StreamReader]",
        weights: "ChannelMap",
        memory: int,
    ) -> "ApplyJob":
        settings = replace(self.settings, memory=memory)
        return self._job(opened, held, weights, self.outputs.path, settings)

    def _residual_job(
        self,
        opened: "Sequence[Reader | StreamReader]",
        held: "Sequence[Reader | StreamReader]",
        weights: "ChannelMap",
        memory: int,
    ) -> "ApplyJob":
        from onebyone_cli.conv1x1 import arithmetic_dtype

        # The rest is a small difference of large numbers: in float64, whatever the input.
        settings = replace(
            self.settings,
            memory=memory,
            compute="float64",
            dtype=arithmetic_dtype([reader.spec.dtype for reader in held]),
            scale=None,
            collapse="rms",
        )
        return self._job(opened, held, weights, self.outputs.residual, settings)

    def _job(
        self,
        opened: "Sequence[Reader | StreamReader]",
        held: "Sequence[Reader | StreamReader]",
        weights: "ChannelMap",
        path: str,
        settings: "ApplySettings",
    ) -> "ApplyJob":
        from onebyone_cli import formats
        from onebyone_cli.conv1x1 import make_layers
        from onebyone_cli.pipeline import ApplyJob

        outputs = self.outputs

        def make_writer(spec: "StackSpec") -> "Writer | StreamWriter":
            return formats.make_writer(
                path,
                spec,
                inputs=opened,
                also_read=[name for name in (self.mask, self.labels) if name],
                format_name=outputs.format_name if path == outputs.path else "",
                force=outputs.force,
                fsync=outputs.fsync,
            )

        return ApplyJob(held, make_layers([weights], []), make_writer, settings)


def _closing_line(output: str, done: "ApplyReport") -> str:
    name = "standard output" if output == "-" else output
    return f"{name}: {done.output.size} {done.output.dtype}"
