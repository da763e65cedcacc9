"""``onebyone fit``: gather what a learner needs in one pass, learn weights, save them."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.cluster import run as on_cluster
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.operations.depfile import DepFile
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.operations.learn.request import Asked, Choice, choice_of
from onebyone_cli.picture import scree
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.learners.model import Model
    from onebyone_cli.operations.learn.run import Known, Pass

EXAMPLES = """\b
Examples:
  onebyone fit stack.npy -k 3 -o model.npz
  onebyone fit cube.h5:/radiance --variance 0.99 --nodata -9999 -o model.npz
  onebyone fit cube.npy --method mnf --snr 10 -o model.npz
  onebyone fit scenes/*.npy --each -k 3 -o model.npz
  onebyone fit part*.npz -k 3 -o model.npz
  onebyone fit stack.npy --method lda --labels classes.npy -k 2 -o model.npz
  onebyone fit huge.npy -k 3 -o model.npz --scheduler-file scheduler.json
  cat scene*.npy | onebyone fit - --each -k 3 -o model.npz
  onebyone apply stack.npy -w model.npz -o scores.npy
"""


def fit(
    context: typer.Context,
    inputs: inputs.InputsOrMoments,
    output: inputs.Model,
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
    each: inputs.EachStack = False,
    mask: inputs.Mask = "",
    sample: inputs.Sample = None,
    plot: inputs.Plot = "",
    inputs_from: inputs.InputsFrom = "",
    force: inputs.Force = False,
    if_changed: inputs.IfChanged = False,
    depfile: inputs.DepFile = "",
    layout: inputs.Layout = "CHW",
    raw: inputs.Raw = False,
    shape: inputs.Shape = "",
    dtype_in: inputs.DTypeIn = "",
    nodata: inputs.NoDataInLearning = "",
    memory: inputs.Memory = "",
    threads: inputs.Threads = None,
    fsync: inputs.FSync = False,
    scheduler: inputs.Scheduler = "",
    scheduler_file: inputs.SchedulerFile = "",
    workers: inputs.Workers = None,
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    verbose: inputs.Verbose = False,
    progress: inputs.ShowProgress = None,
    debug: inputs.Debug = False,
) -> None:
    """Learn a 1×1 convolution from stacks, by PCA and its kin.

    One pass over the pixels, in float64. The model is an ordinary weights file for apply, with
    the centring folded into its bias. Pixels with NaN, an infinity or the nodata value in any
    channel are left out. Moments that stats has saved take the place of stacks.
    """
    from onebyone_cli.operations.learn.settings import LearnSettings

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
    inputs = values.inputs_of(inputs, inputs_from, [mask, labels, noise_from])
    values.check_names(inputs, [output], [mask, labels, noise_from])
    values.check_archive_name(output, "a model is")
    values.check_outputs([output, plot, depfile])
    values.tell_defaults(memory, threads, console)
    publication = Publication(force, fsync, if_changed)
    rules = DepFile(depfile, publication)
    rules.check(output)
    settings = LearnSettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        nodata=values.number_of("--nodata", nodata) if nodata else None,
        wanted=choice.wanted(),
    )
    cluster = on_cluster.cluster_of(context, scheduler, scheduler_file, workers, threads, inputs)
    if cluster is not None:
        cluster.check_learning(inputs, sample=sample is not None)
    way = learning.Pass(settings, mask, labels, sample, values.seed_of(seed), cluster)
    reading = Reading(layout, settings.memory, values.raw_of(raw, shape, dtype_in))
    read = values.files_of([*inputs, mask, labels, noise_from, endmembers, inputs_from])
    targets.check_target(output, force=publication.may_replace, inputs=read)
    if plot:
        scree.check_plot(plot, force=publication.may_replace, inputs=(*read, output))

    def check(known: "Known") -> None:
        choice.check_channels(known.evidence.channels, known.source)
        learning.add_given(known, asked, layout, settings, console)
        rules.add(output, (*known.files, *read))

    started = time.monotonic()
    known = _known(inputs, each, reading, choice, way, check, console, progress)
    model = choice.learn(known.evidence, known.source)
    changed = learning.save(model, known, output, publication)
    if plot:
        scree.draw_scree(model, plot, publication)
    rules.write()
    reads_all = choice.learner.reads_pixels and sample is None
    spent = spent_since(started, known.pixel_bytes * reads_all)
    report.tell(model, console)
    console.say(_closing_line(output, model, spent, changed))
    content = {"output": output, **report.document(model), "changed": changed}
    console.document(content | spent.document())


def _known(
    inputs: Sequence[str],
    each: bool,
    reading: Reading,
    choice: Choice,
    way: "Pass",
    check: "Callable[[Known], None]",
    console: Console,
    progress: bool | None,
) -> "Known":
    """Gather from stacks, or join what was gathered."""
    if learning.are_moments(inputs, raw=reading.raw is not None):
        way.refuse_for_moments()
        known = learning.join_saved(inputs, console)
        choice.check_moments(known.evidence, known.source)
        check(known)
        return known
    choice.check_stacks()
    with ExitStack() as stack:
        stacks, series = reading.open_stacks(inputs, stack, each=each)
        if choice.learner.reads_pixels:
            return learning.gather(stacks, way, check, console, progress, series=series)
        # Nothing but the number of channels counts, which every stack of a stream has.
        known = learning.headers_of(stacks or [[next(iter(series[0]))]])
        check(known)
        return known


def _closing_line(output: str, model: "Model", spent: Spent, changed: bool) -> str:
    line = f"{output}: {count(model.map.in_channels, 'channel')} to {model.map.out_channels}"
    if model.meta["count"]:
        line += f", learned from {count(model.meta['count'], 'pixel')}"
    line += f"{spent}{report.unchanged(changed)}"
    if model.meta["invalid"]:
        line += f"; {count(model.meta['invalid'], 'pixel')} left out"
    return line
