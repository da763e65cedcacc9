"""``onebyone fit``: gather what a learner needs in one pass, learn weights, save them."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from onebyone_cli.cli.options.inputs import LearnInput, Raw
from onebyone_cli.cli.options.learning import Learning
from onebyone_cli.cli.options.messages import RunMessages
from onebyone_cli.cli.options.output import ForMake, ModelOutput
from onebyone_cli.cli.options.running import Machines, Resources
from onebyone_cli.cli.shares import cluster_of
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.commit import targets
from onebyone_cli.operations.depfile import DepFile
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.operations.learn.request import Choice, choice_of
from onebyone_cli.operations.names import check_archive_name, check_outputs, files_of
from onebyone_cli.picture import scree
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.learners.model import Model
    from onebyone_cli.operations.learn.run import Known, Pass

EXAMPLES = """
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
    learn: Learning,
    input: LearnInput,
    raw: Raw,
    output: ModelOutput,
    resources: Resources,
    machines: Machines,
    make: ForMake,
    messages: RunMessages,
) -> None:
    """Learn a 1×1 convolution from stacks (PCA, MNF, LDA, ...).

    One pass over the pixels, in float64. The model is an ordinary weights file for apply, with
    the centring folded into its bias. Pixels with NaN, an infinity or the nodata value in any
    channel are left out. Moments that stats has saved take the place of stacks.
    """
    from onebyone_cli.operations.learn.settings import LearnSettings

    console, target = messages.console(), output.output
    asked = learn.asked()
    choice = choice_of(asked, mask=learn.mask, sampling=learn.sample is not None, plot=output.plot)
    maps = [learn.mask, learn.labels, learn.noise_from]
    inputs = input.listed([target], maps)
    check_archive_name(target, "a model")
    check_outputs([target, output.plot, make.depfile])
    resources.show(console)
    publication = output.publication(if_changed=make.if_changed)
    rules = DepFile(make.depfile, publication)
    rules.check(target)
    settings = LearnSettings(
        memory=resources.budget(),
        threads=resources.workers(),
        nodata=input.mark(),
        wanted=choice.wanted(),
    )
    cluster = cluster_of(machines, resources, inputs, (learn, input, raw, output))
    if cluster is not None:
        cluster.check_learning(inputs, maps[:2], sample=learn.sample is not None, raw=raw.raw)
    way = learning.Pass(
        settings, learn.mask, learn.labels, learn.sample, learn.random_seed(), cluster
    )
    reading = input.reading(settings.memory, raw.spec())
    read = files_of([*inputs, *maps, learn.endmembers, input.inputs_from])
    targets.check_target(target, force=publication.may_replace, inputs=read)
    if output.plot:
        scree.check_plot(output.plot, force=publication.may_replace, inputs=(*read, target))

    def check(known: "Known") -> None:
        choice.check_channels(known.evidence.channels, known.source)
        learning.add_given(known, asked, reading, settings, console)
        rules.add(target, (*known.files, *read))

    started = time.monotonic()
    known = _known(inputs, input.each, reading, choice, way, check, console, messages.progress)
    model = choice.learn(known.evidence, known.source)
    changed = learning.save(model, known, target, publication)
    if output.plot:
        scree.draw_scree(model, output.plot, publication)
    rules.write()
    reads_all = choice.learner.reads_pixels and learn.sample is None
    spent = spent_since(started, known.pixel_bytes * reads_all)
    report.tell(model, console)
    console.say(_closing_line(target, model, spent, changed))
    content = {"output": target, **report.document(model), "changed": changed}
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
