"""``onebyone apply``: parse, open, plan, run, report."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from onebyone_cli.cli.options.compute import ApplyNumbers
from onebyone_cli.cli.options.inputs import ApplyInput, Raw
from onebyone_cli.cli.options.messages import ApplyMessages
from onebyone_cli.cli.options.output import ForMake, Hdf5, Output
from onebyone_cli.cli.options.running import ApplyCheckpoints, ApplyMachines, Resources
from onebyone_cli.cli.options.weights import ApplyWeights
from onebyone_cli.cli.shares import check_shares, cluster_of
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console, print_out
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import spent_since
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.apply.each import Each, TargetNames
from onebyone_cli.operations.depfile import DepFile
from onebyone_cli.operations.names import files_of
from onebyone_cli.units import count, format_bytes

if TYPE_CHECKING:
    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import Storage
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings


EXAMPLES = """
onebyone apply stack.npy -w weights.npy -o result.npy
onebyone apply map1.npy map2.npy --kernel "1 1" -o sum.npy
onebyone apply cube.h5:/radiance -w model.npz -o reduced.h5
onebyone apply rgb/ --kernel "0.2126 0.7152 0.0722" --dtype uint8 -o grey.png
cat stack.npy | onebyone apply - -w weights.npy -o - > result.npy
onebyone apply huge.npy -w weights.npy -o result.npy --workers 4
cat frame*.npy | onebyone apply - --each -w weights.npy -o - | next-program
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
) -> None:
    """Apply a 1×1 convolution to a stack of channels.

    Every output channel is a weighted sum of all input channels, pixel by pixel. All channels
    must have the same height and width. Invalid pixels, with NaN or the --nodata value in any
    channel, get that value in every output channel. An existing output is overwritten only with
    --force, and the output appears complete or not at all.
    """
    from onebyone_cli.operations.apply.settings import ApplySettings

    console, dry_run = messages.console(), messages.dry_run
    target, each = output.output, input.each
    if messages.json and target == "-" and not dry_run:
        raise UsageError("--json and -o - both want standard output; name a file for one")
    inputs = input.listed([*weights.weights, target])
    make.check(target, machines.shard)
    checkpoints.check(each=each)
    layers = _layers_of(weights)
    words = (weights, numbers, input, raw, output, hdf5, checkpoints)
    cluster = cluster_of(machines, resources, inputs, words)
    flag = cluster.flag if cluster is not None else "--shard" if machines.shard else ""
    if flag:
        check_shares(flag, inputs, target, numbers, each=each)
    policy = checkpoints.policy(inputs, target, sharded=bool(flag))
    settings = ApplySettings(
        memory=resources.budget(),
        threads=resources.workers(),
        compute=numbers.compute,
        dtype=numbers.output_type(),
        collapse="argmax" if numbers.argmax else "",
        nodata=input.mark(),
        nan_to=numbers.nan_value(),
        scale=numbers.plain_range(),
        checkpoints=policy,
        shard=machines.share(),
    )
    reading = input.reading(settings.memory, raw.spec())
    resources.show(console)
    publication = output.publication(if_changed=make.if_changed)
    rules = DepFile(make.depfile, publication)
    rules.check(target)
    prepare = partial(
        _prepare,
        rules=rules,
        layers=layers,
        also_read=files_of([*weights.weights, *weights.bias, input.inputs_from]),
        format_name=output.format_name,
        publication=publication,
        storage=hdf5.storage(),
    )
    finish = partial(_finish, console=console, progress=messages.progress, dry_run=dry_run)
    if each:
        prepare = partial(prepare, settings=settings)
        tasks = Each(
            reading,
            TargetNames(target, output.format_name, raw=raw.raw),
            prepare,
            finish,
            partial(_pass_over, console=console),
            policy,
        )
        # How many a stream brings nobody knows: what is not printed at the end is not kept.
        reports = [done for done in tasks.run(inputs, dry_run=dry_run) if messages.json]
        content: dict[str, Any] = {"outputs": reports}
    else:
        with ExitStack() as stack:
            make_job = partial(prepare, reading.open(inputs, stack), target)
            if cluster is None:
                job = make_job(settings=settings)
            else:
                job = cluster.plan(target, make_job, settings)
                finish = partial(
                    finish,
                    fill=partial(
                        cluster.fill,
                        publication=publication,
                        restart=checkpoints.resume == "restart",
                    ),
                )
            content = finish(job, target)
    if not dry_run:
        rules.write()
    console.document(content)


def _prepare(
    opened: "Sequence[Reader | StreamReader]",
    output: str,
    *,
    rules: DepFile,
    layers: "tuple[Layer, ...]",
    settings: "ApplySettings",
    also_read: Sequence[str],
    format_name: str,
    publication: Publication,
    storage: "Storage",
    force: bool = False,
) -> "ApplyJob":
    """Check everything and plan; nothing is created."""
    from onebyone_cli.formats import opening
    from onebyone_cli.operations.apply.job import ApplyJob

    rules.add(output, (*(name for reader in opened for name in reader.about.files), *also_read))

    asked = publication._replace(force=force or publication.force)
    target = opening.make_target(
        output,
        inputs=opened,
        also_read=also_read,
        format_name=format_name,
        publication=settings.publication(asked),
        storage=storage,
    )
    return ApplyJob(opened, layers, target, settings)


def _finish(
    job: "ApplyJob",
    output: str,
    *,
    console: Console,
    progress: bool | None,
    dry_run: bool,
    fill: "Callable[..., ApplyReport] | None" = None,
) -> dict[str, Any]:
    """Run a job, or only show its plan, and say what was done.

    With `fill` a cluster computes all shards of the job, of which this is the first.
    """
    content: dict[str, Any] = {
        "output": output,
        "shape": list(job.output.shape),
        "dtype": job.output.dtype,
        "input_shape": list(job.input.shape),
        "arithmetic": job.input.dtype,
        "plan": job.plan.as_dict(),
    }
    lines = _plan_lines(job, output)
    if fill is not None and job.shard is not None:
        lines.append(
            f"cluster   {count(job.shard.count, 'shard')}, each with these threads and memory"
        )
        content["shards"] = job.shard.count
    if dry_run:
        if not console.json:
            print_out("\n".join(lines))
        return content
    for line in lines:
        console.detail(line)
    started = time.monotonic()
    if fill is not None:
        done = fill(job, output, console, progress)
    else:
        with Progress(console, progress) as on_progress:
            done = job.run(on_progress)
    if fill is not None or job.shard is None:
        moved = 0 if done.went_on else job.input_bytes + job.output.data_bytes
        spent = spent_since(started, moved)
        console.say(report.applied(output, done, spent))
    else:
        spent = spent_since(started)
        after = f"after the last: onebyone merge {output}"
        console.say(f"{output}: shard {job.shard} is done{spent}; {after}")
    return content | dict(done.counts) | {"changed": done.changed} | spent.document()


def _pass_over(job: "ApplyJob", output: str, *, console: Console) -> dict[str, Any]:
    """Say that an output is there, which the same command made before it was stopped."""
    console.say(f"{output}: done before")
    return {
        "output": output,
        "shape": list(job.output.shape),
        "dtype": job.output.dtype,
        "changed": False,
        "done_before": True,
    }


def _plan_lines(job: "ApplyJob", output: str) -> list[str]:
    plan = job.plan
    lines = [
        f"input     {job.input.size}, read as {job.input.dtype}",
        f"output    {report.shown(output)}: {job.output.size} {job.output.dtype}, "
        f"{format_bytes(job.output.data_bytes)}",
        f"strategy  {plan.strategy}: {count(plan.slabs, 'slab')} of up to "
        f"{count(plan.slab_items * plan.slab_pixels, 'pixel')}, tiles of {plan.tile_pixels}",
        f"threads   {plan.threads}",
        f"memory    {format_bytes(plan.total_bytes)} of {format_bytes(plan.memory)}",
    ]
    for name, size, in_memory in (
        ("input", plan.spool_input_bytes, plan.input_in_memory),
        ("output", plan.spool_output_bytes, plan.output_in_memory),
    ):
        if size:
            place = "in memory" if in_memory else "in a file under $TMPDIR"
            lines.append(f"spool     {name}, {format_bytes(size)} {place}")
    return lines


def _layers_of(given: ApplyWeights) -> "tuple[Layer, ...]":
    """Read the layers that the options describe."""
    if given.inverse or given.denoise:
        others = [*given.kernel, *given.bias, *given.activation]
        return _layers_back(given.weights, others, there=given.denoise, back=given.inverse)
    return _layers(
        given.weights,
        given.kernel,
        given.bias,
        given.activation,
        allow_nonfinite=given.allow_nonfinite,
    )


def _layers_back(
    weights: Sequence[str], others: Sequence[str], *, there: bool, back: bool
) -> "tuple[Layer, ...]":
    """Make the way back through a model, after the way there for ``--denoise``."""
    from onebyone_cli.arithmetic.conv1x1 import make_layers
    from onebyone_cli.learners.model import inverse_map
    from onebyone_cli.weights import load_weights

    if there and back:
        raise UsageError("give --inverse or --denoise, not both")
    if len(weights) != 1 or others:
        raise UsageError("--inverse and --denoise take one model with -w, and nothing beside it")
    model = load_weights(weights[0])
    saved = model.meta
    way_back = inverse_map(model, saved.get("mean"), saved.get("scale"), saved.get("inverse"))
    return make_layers([model, way_back] if there else [way_back], [])


def _layers(
    weights: Sequence[str],
    kernel: Sequence[str],
    bias: Sequence[str],
    activation: Sequence[str],
    *,
    allow_nonfinite: bool,
) -> "tuple[Layer, ...]":
    """Read weights and biases and join them into a chain."""
    from onebyone_cli.arithmetic.conv1x1 import make_layers
    from onebyone_cli.weights import load_weights

    if weights and kernel:
        raise UsageError("give weights with -w FILE or with --kernel TEXT, not with both")
    if not (weights or kernel):
        raise UsageError("no weights; give -w FILE or --kernel TEXT")
    if weights:
        maps = [load_weights(name, allow_nonfinite=allow_nonfinite) for name in weights]
    else:
        from onebyone_cli.weights.typed import parse_kernel

        maps = [parse_kernel(text, "--kernel", allow_nonfinite=allow_nonfinite) for text in kernel]
    if bias and len(bias) != len(maps):
        raise UsageError(
            f"--bias is given {count(len(bias), 'time')} for {count(len(maps), 'layer')}; "
            "give it once for each"
        )
    for index, text in enumerate(bias):
        from onebyone_cli.weights.typed import parse_bias

        numbers = parse_bias(text, "--bias", allow_nonfinite=allow_nonfinite)
        source = text if os.path.exists(text) else "--bias"
        maps[index] = maps[index].with_bias(numbers, source)
    return make_layers(maps, activation)
