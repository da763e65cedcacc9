"""``onebyone reduce``: fit, then apply the model to the same stack."""

import time
from math import isfinite
from typing import TYPE_CHECKING

from onebyone_cli.cli.options.compute import Numbers
from onebyone_cli.cli.options.inputs import Input, Raw
from onebyone_cli.cli.options.learning import Learning
from onebyone_cli.cli.options.messages import RunMessages
from onebyone_cli.cli.options.output import ForMake, ReduceOutput
from onebyone_cli.cli.options.running import Checkpoints, Machines, Resources
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.apply.run import Output as Result
from onebyone_cli.operations.names import files_of

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.console import Console
    from onebyone_cli.operations.reduce import ReduceOutputs, ReduceReport

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
    that. Invalid and masked pixels are left out of the learning, and are invalid in the output.
    """
    from onebyone_cli.operations.reduce import Reduce, ReduceOutputs

    console, target = messages.console(), output.output
    request = learn.request(input.mask, output.plot, is_applied=True)
    request.check_stacks()
    maps = [input.mask, learn.labels, learn.noise_from]
    inputs = input.listed([target], [*maps, learn.endmembers])
    make.check(target)
    resources.show(console)
    if messages.json and "-" in (target, output.residual):
        flag = "-o" if target == "-" else "--residual"
        raise UsageError(f"--json and {flag} - both want standard output; name a file for one")
    read = files_of([*inputs, *maps, learn.endmembers, input.inputs_from])
    result = Result(
        target,
        output.format_name,
        read,
        publication=output.publication(if_changed=make.if_changed),
        layout=output.layout_out,
    )
    groups, noise = (learn, numbers, input, raw, checkpoints), request.wanted().differences
    cluster = machines.cluster(resources, inputs, groups, console, output=result, noise=noise)
    if cluster is not None:
        from onebyone_cli.cli.shares import check_learning, check_shares

        check_shares(cluster.place.flag, inputs, target, numbers)
        check_learning(cluster, inputs, maps[:2], sample=learn.sample is not None, raw=raw.raw)
        if output.residual:
            raise UsageError(f"--residual is computed here; leave it out, or {cluster.place.flag}")
    settings = numbers.settings(resources.budget(), resources.workers(), input.asked())._replace(
        checkpoints=checkpoints.policy(inputs, target, sharded=cluster is not None),
    )
    rules = make.rules(target, result.publication)
    outputs = ReduceOutputs(result, output.save, output.residual, output.plot, rules)
    reading = input.reading(settings.memory, raw.spec(), console.hint)
    started = time.monotonic()
    with Progress(console, messages.progress) as on_progress:
        if cluster is not None:
            cluster = cluster._replace(on_progress=on_progress)
        task = Reduce(request, outputs, settings, reading, cluster)
        done = task.run(inputs, on_progress=on_progress, say=console.say)
    _report(done, outputs, spent_since(started, done.moved), console)


def _report(
    done: "ReduceReport", outputs: "ReduceOutputs", spent: Spent, console: "Console"
) -> None:
    report.print_model(done.model, console)
    if done.residual is not None:
        report.print_errors(done.errors, done.gathered.names, console)
        console.say(report.applied(outputs.residual, done.residual))
    path, result = outputs.result.path, done.result
    console.say(report.applied(path, result, spent))
    console.document(
        {
            "output": path,
            "shape": list(result.output.shape),
            "dtype": result.output.dtype,
            **result.counts,
            **report.document(done.model),
            "rmse": [error if isfinite(error) else None for error in done.errors],
            "changed": result.changed,
            **spent.document(),
        }
    )
