"""``onebyone apply``: read the options, call the engine, report."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from onebyone_cli.cli.options.compute import ApplyNumbers
from onebyone_cli.cli.options.inputs import ApplyInput, Raw
from onebyone_cli.cli.options.messages import ApplyMessages
from onebyone_cli.cli.options.output import ForMake, Hdf5, Output
from onebyone_cli.cli.options.running import ApplyCheckpoints, ApplyMachines, Resources
from onebyone_cli.cli.options.weights import ApplyWeights
from onebyone_cli.cli.terminal.apply_report import JobRunner, report_each
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.apply import run as engine
from onebyone_cli.operations.inputs import open_map
from onebyone_cli.operations.names import check_shared, files_of

if TYPE_CHECKING:
    from onebyone_cli.cluster.run import OnCluster
    from onebyone_cli.operations.apply.each import Each
    from onebyone_cli.operations.inputs import Reading

EXAMPLES = """
onebyone apply stack.npy -w weights.npy -o result.npy
onebyone apply map1.npy map2.npy --kernel "1 1" -o sum.npy
onebyone apply cube.h5:/radiance -w model.npz -o reduced.h5
onebyone apply maps.npy -w network.onnx:conv1 --fold-bn -o out.npy
onebyone apply rgb/ --kernel "0.2126 0.7152 0.0722" --dtype uint8 -o grey.png
cat stack.npy | onebyone apply - -w weights.npy -o - > result.npy
onebyone apply huge.npy -w weights.npy -o result.npy --workers 4
cat frame*.npy | onebyone apply - --each -w weights.npy -o - | next-program
cat *.ppm | onebyone apply - -w w.npy --dtype uint8 -o - --format ppm | ffmpeg ...
"""


def apply(
    weights: ApplyWeights,
    numbers: ApplyNumbers,
    input: ApplyInput,
    raw: Raw,
    output: Output,
    hdf5: Hdf5,
    resources: Resources,
    checkpoints: ApplyCheckpoints,
    machines: ApplyMachines,
    make: ForMake,
    messages: ApplyMessages,
) -> int:
    """Apply a 1×1 convolution to a stack of channels.

    Every output channel is a weighted sum of all input channels, pixel by pixel. All channels
    must have the same height and width. A pixel with NaN, an infinity or a nodata value in a
    channel that is used, or where --mask is 0, is invalid in every output channel. An existing
    output is overwritten only with --force, and the output appears complete or not at all.
    """
    console, target = messages.console(), output.output
    if messages.json and target == "-" and not messages.dry_run:
        raise UsageError("--json and -o - both want standard output; name a file for one")
    maps = [input.mask, *weights.weights, *weights.bias]
    inputs = input.listed([*weights.weights, target], maps)
    make.check(target, machines.shard)
    checkpoints.check(each=input.each, force=output.force, depfile=make.depfile)
    asked = weights.request()
    layers = asked.load()
    for layer in layers:
        for note in layer.map.notes:
            console.hint(f"{layer.map.source}: {note}")
    goal = engine.Output(
        target,
        output.format_name,
        (*asked.files, *files_of([input.inputs_from, input.mask])),
        hdf5.storage(),
        output.publication(if_changed=make.if_changed),
        output.layout_out,
    )
    groups = (weights, numbers, input, raw, output, hdf5, checkpoints)
    cluster = machines.cluster(resources, inputs, groups, console, output=goal)
    flag = cluster.place.flag if cluster is not None else "--shard" if machines.shard else ""
    if flag:
        from onebyone_cli.cli.shares import check_shares

        check_shares(flag, [*inputs, *filter(None, [input.mask])], target, numbers, each=input.each)
        if cluster is not None:
            check_shared(flag, asked.files)
    settings = numbers.settings(resources.budget(), resources.workers(), input.asked())._replace(
        checkpoints=checkpoints.policy(inputs, target, sharded=bool(flag)),
        shard=machines.share(),
        by_position=input.by_position,
    )
    reading = input.reading(settings.memory, raw.spec(), console.hint)
    resources.show(console)
    rules = make.rules(target, goal.publication)
    runner = JobRunner(console, messages.progress, messages.dry_run, cluster is not None)
    with ExitStack() as stack:
        mask = open_map(input.mask, settings.memory, stack)
        task = engine.Apply(layers, goal, settings, rules, mask)
        if input.each or _are_frames(inputs, output):
            from onebyone_cli.operations.apply.each import Each, TargetNames

            names = TargetNames(target, output.format_name, task.pixel(), raw=raw.raw)
            each = Each(reading, names, task.plan, runner.run)
            status = _apply_each(inputs, each, checkpoints, runner)
        else:
            status = _apply_all(inputs, reading, task, cluster, runner)
    if rules is not None and not messages.dry_run:
        rules.write()
    return status


def _are_frames(inputs: list[str], output: Output) -> bool:
    """Return whether images come and go one after another; see `each.are_frames`."""
    if output.output != "-" or not output.format_name:
        return False
    from onebyone_cli.operations.apply.each import are_frames

    return are_frames(inputs, output.format_name)


def _apply_each(
    inputs: list[str], tasks: "Each", checkpoints: ApplyCheckpoints, runner: JobRunner
) -> int:
    """Apply to every input by itself."""
    console, folder = runner.console, tasks.names.folder
    tasks = tasks._replace(
        run_job=runner._replace(is_one_of_many=True).run,
        skip_existing=checkpoints.skip_existing,
        keep_going=checkpoints.keep_going,
        can_resume=checkpoints.policy(inputs, folder) is not None,
    )
    outcomes = tasks.run(inputs, dry_run=runner.dry_run)
    documents, status = report_each(outcomes, folder, console, dry_run=runner.dry_run)
    console.document({"outputs": documents})
    return status


def _apply_all(
    inputs: list[str],
    reading: "Reading",
    task: engine.Apply,
    cluster: "OnCluster | None",
    runner: JobRunner,
) -> int:
    """Apply to one stack of all inputs."""
    with ExitStack() as stack:
        opened, output = reading.open(inputs, stack), task.output.path
        if cluster is None:
            content = runner.run(task.plan(opened, output), output)
        else:
            job = task.plan_elsewhere(opened, cluster)
            content = runner.run(
                job, output, lambda shown: cluster._replace(on_progress=shown).fill(job, None)
            )
    runner.console.document(content)
    return 0
