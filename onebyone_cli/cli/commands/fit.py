"""``onebyone fit``: learn a model and save it."""

import time
from typing import TYPE_CHECKING

from onebyone_cli.cli.options.inputs import LearnInput, Raw
from onebyone_cli.cli.options.learning import Learning
from onebyone_cli.cli.options.messages import RunMessages
from onebyone_cli.cli.options.output import ForMake, ModelOutput
from onebyone_cli.cli.options.running import Machines, Resources
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.commit import targets
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.operations.learn.gathered import Gathered, save
from onebyone_cli.operations.names import check_archive_name, check_outputs, files_of
from onebyone_cli.picture import scree
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.learners.model import Model

EXAMPLES = """
onebyone fit stack.npy -k 3 -o model.npz
onebyone fit cube.h5:/radiance --variance 0.99 --nodata -9999 -o model.npz
onebyone fit cube.npy --method mnf --snr 10 -o model.npz
onebyone fit scenes/*.npy --each -k 3 -o model.npz
onebyone fit part*.npz -k 3 -o model.npz
onebyone fit --method unmix --endmembers spillover.csv -o unmix.npz
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
    the centring folded into its bias. Invalid pixels (NaN, infinite, nodata, masked) are left out.
    Moments that stats has saved take the place of stacks. For unmix the endmembers are enough.
    """
    from onebyone_cli.operations.learn.settings import LearnSettings

    console, target = messages.console(), output.output
    request = learn.request(input.mask, output.plot)
    maps = [input.mask, learn.labels, learn.noise_from]
    inputs = input.listed(
        [target], [*maps, learn.endmembers], may_be_none="endmembers" in request.learner.needs
    )
    check_archive_name(target, "a model")
    check_outputs([target, output.plot, make.depfile])
    resources.show(console)
    publication = output.publication(if_changed=make.if_changed)
    rules = make.rules(target, publication)
    settings = LearnSettings(
        resources.budget(), resources.workers(), input.asked(), request.wanted()
    )
    groups = (learn, input, raw, output)
    noise = settings.wanted.differences
    cluster = machines.cluster(resources, inputs, groups, console, noise=noise)
    if cluster is not None:
        from onebyone_cli.cli.shares import check_learning

        check_learning(cluster, inputs, maps[:2], sample=learn.sample is not None, raw=raw.raw)
    reading = input.reading(settings.memory, raw.spec(), console.hint)
    read = files_of([*inputs, *maps, learn.endmembers, input.inputs_from])
    targets.check_target(target, force=publication.may_replace, inputs=read)
    if output.plot:
        scree.check_plot(output.plot, force=publication.may_replace, inputs=(*read, target))

    def note_files(found: Gathered) -> None:
        if rules is not None:
            rules.add(target, (*found.files, *read))

    started = time.monotonic()
    with Progress(console, messages.progress) as on_progress:
        way = learning.LearnPass.of(request, settings)
        if cluster is not None:
            way = way._replace(gather=cluster._replace(on_progress=on_progress).gather)
        model, gathered = learning.learn(
            inputs,
            request,
            way,
            reading,
            on_progress=on_progress,
            say=console.say,
            each=input.each,
            on_headers=note_files,
        )
    changed = save(model, gathered, target, publication)
    if output.plot:
        scree.draw_scree(model, output.plot, publication)
    if rules is not None:
        rules.write()
    reads_all = request.learner.reads_pixels and learn.sample is None
    spent = spent_since(started, gathered.pixel_bytes * reads_all)
    report.print_model(model, console)
    console.say(_closing_line(target, model, spent, changed))
    content = {"output": target, **report.document(model), "changed": changed}
    console.document(content | spent.document())


def _closing_line(output: str, model: "Model", spent: Spent, changed: bool) -> str:
    line = f"{output}: {count(model.map.in_channels, 'channel')} to {model.map.out_channels}"
    if model.meta["count"]:
        line += f", learned from {count(model.meta['count'], 'pixel')}"
    line += f"{spent}{report.unchanged(changed)}"
    if model.meta["invalid"]:
        line += f"; {count(model.meta['invalid'], 'pixel')} left out"
    return line
