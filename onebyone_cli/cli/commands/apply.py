"""``onebyone apply``: parse, open, plan, run, report."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console, print_out
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import spent_since
from onebyone_cli.cluster import run as on_cluster
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.apply.each import Each, TargetNames
from onebyone_cli.operations.depfile import DepFile
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.units import count, format_bytes
from onebyone_cli.weights.formats import describe

if TYPE_CHECKING:
    # Typer evaluates the annotations of commands; those of helpers are quoted instead.
    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import Storage
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings


EXAMPLES = """\b
Examples:
  onebyone apply stack.npy -w weights.npy -o result.npy
  onebyone apply map1.npy map2.npy --kernel "1 1" -o sum.npy
  onebyone apply cube.h5:/radiance -w model.npz -o reduced.h5
  onebyone apply rgb/ --kernel "0.2126 0.7152 0.0722" --dtype uint8 -o grey.png
  cat stack.npy | onebyone apply - -w weights.npy -o - > result.npy
  onebyone apply huge.npy -w weights.npy -o result.npy --workers 4
  cat frame*.npy | onebyone apply - --each -w weights.npy -o - | next-program
"""


def apply(
    context: typer.Context,
    inputs: inputs.Inputs,
    output: inputs.Output,
    weights: Annotated[
        list[str],
        typer.Option(
            "-w",
            "--weights",
            metavar="FILE",
            help=f"Weights, one row for each output channel: {describe()}. Repeat it to chain "
            "layers.",
            default_factory=list,
            show_default=False,
        ),
    ],
    kernel: Annotated[
        list[str],
        typer.Option(
            "--kernel",
            metavar="TEXT",
            help='Weights typed in place of a file: "0.1 0.2 0.4; 1 0 0", rows apart by ;.',
            default_factory=list,
            show_default=False,
        ),
    ],
    bias: Annotated[
        list[str],
        typer.Option(
            "--bias",
            metavar="FILE|TEXT",
            help="A number to add to each output channel; once for each layer.",
            default_factory=list,
            show_default=False,
        ),
    ],
    activation: Annotated[
        list[str],
        typer.Option(
            "--activation",
            metavar="none|relu|sigmoid|softmax",
            help="What follows a layer. Given once for a chain: relu and sigmoid follow every "
            "layer, softmax the last; or give it once for each.",
            default_factory=list,
            show_default=False,
        ),
    ],
    inverse: Annotated[
        bool,
        typer.Option(
            "--inverse",
            help="Go back through learned weights: reconstruct the channels from components.",
            show_default=False,
        ),
    ] = False,
    denoise: Annotated[
        bool,
        typer.Option(
            "--denoise",
            help="Go through learned weights and back: what the components can tell of the stack.",
            show_default=False,
        ),
    ] = False,
    argmax: Annotated[
        bool,
        typer.Option(
            "--argmax",
            help="Write one channel: the index of the largest output channel.",
            show_default=False,
        ),
    ] = False,
    each: Annotated[
        bool,
        typer.Option(
            "--each",
            help="Every input is a stack of its own, and OUTPUT is a folder. A pipe may bring "
            "several, one after another: those of standard input become stdin_0.npy, stdin_1.npy "
            "and so on. With -o - the results follow each other on standard output.",
            show_default=False,
        ),
    ] = False,
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
    allow_nonfinite: Annotated[
        bool,
        typer.Option(
            "--allow-nonfinite",
            help="Take weights that are NaN or infinite.",
            show_default=False,
        ),
    ] = False,
    compression: inputs.Compression = "none",
    level: inputs.CompressionLevel = 4,
    shuffle: inputs.Shuffle = False,
    fletcher32: inputs.Fletcher32 = False,
    chunks: inputs.Chunks = "",
    memory: inputs.Memory = "",
    threads: inputs.Threads = None,
    fsync: inputs.FSync = False,
    resume: inputs.Resume = "auto",
    restart: inputs.Restart = False,
    checkpoint_every: inputs.CheckpointEvery = 10.0,
    requeue_exit_code: inputs.RequeueExitCode = None,
    shard: inputs.ShardOf = "",
    scheduler: inputs.Scheduler = "",
    scheduler_file: inputs.SchedulerFile = "",
    workers: inputs.Workers = None,
    dry_run: inputs.DryRun = False,
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    verbose: inputs.Verbose = False,
    progress: inputs.ShowProgress = None,
    debug: inputs.Debug = False,
) -> None:
    """Apply a 1×1 convolution to a stack of channels.

    Every output channel is a weighted sum of all input channels, pixel by pixel. All channels
    must have the same height and width. Nothing is overwritten without --force, and the output
    appears whole or not at all.
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    if json and output == "-" and not dry_run:
        raise UsageError("--json and -o - both want standard output; name a file for one")
    inputs = values.inputs_of(inputs, inputs_from)
    values.check_names(inputs, [*weights, output])
    values.check_whole_output(output, if_changed=if_changed, depfile=depfile, shard=shard)
    if inverse or denoise:
        layers = _layers_back(weights, [*kernel, *bias, *activation], there=denoise, back=inverse)
    else:
        layers = _layers(weights, kernel, bias, activation, allow_nonfinite=allow_nonfinite)
    cluster = on_cluster.cluster_of(context, scheduler, scheduler_file, workers, threads, inputs)
    if cluster is not None:
        cluster.check_apply(inputs, output, scale, each=each)
    sharded = bool(shard) or cluster is not None
    policy = values.checkpoints_of(
        inputs, output, resume, restart, checkpoint_every, requeue_exit_code, sharded=sharded
    )
    settings = _settings(memory, threads, compute, dtype, argmax, nodata, nan_to, scale)._replace(
        checkpoints=policy,
        shard=values.shard_of(shard, inputs, output, scale, each),
    )
    reading = Reading(layout, settings.memory, values.raw_of(raw, shape, dtype_in))
    values.tell_defaults(memory, threads, console)
    publication = Publication(force, fsync, if_changed)
    rules = DepFile(depfile, publication)
    rules.check(output)
    prepare = partial(
        _prepare,
        rules=rules,
        layers=layers,
        also_read=values.files_of([*weights, *bias, inputs_from]),
        format_name=format_name,
        publication=publication,
        storage=values.storage_of(compression, level, shuffle, fletcher32, chunks),
    )
    finish = partial(_finish, console=console, progress=progress, dry_run=dry_run)
    if each:
        prepare = partial(prepare, settings=settings)
        tasks = Each(
            reading,
            TargetNames(output, format_name, raw=raw),
            prepare,
            finish,
            partial(_pass_over, console=console),
            policy,
        )
        # How many a stream brings nobody knows: what is not printed at the end is not kept.
        reports = [done for done in tasks.run(inputs, dry_run=dry_run) if json]
        content: dict[str, Any] = {"outputs": reports}
    else:
        with ExitStack() as stack:
            make_job = partial(prepare, reading.open(inputs, stack), output)
            if cluster is None:
                job = make_job(settings=settings)
            else:
                job = cluster.plan(output, make_job, settings)
                finish = partial(
                    finish,
                    fill=partial(cluster.fill, publication=publication, restart=restart),
                )
            content = finish(job, output)
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


def _settings(
    memory: str,
    threads: int | None,
    compute: str,
    dtype: str,
    argmax: bool,
    nodata: str,
    nan_to: str,
    scale: str,
) -> "ApplySettings":
    from onebyone_cli.operations.apply.settings import ApplySettings

    return ApplySettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        compute=compute,
        dtype=values.dtype_of(dtype),
        collapse="argmax" if argmax else "",
        nodata=values.number_of("--nodata", nodata) if nodata else None,
        nan_to=values.number_of("--nan-to", nan_to) if nan_to else None,
        scale=values.scale_of(scale),
    )
