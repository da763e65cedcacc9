"""``onebyone stats``: statistics of each channel, and moments for others to learn from."""

import time
from contextlib import ExitStack
from math import isfinite
from typing import TYPE_CHECKING, Any

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal.console import Console, print_table
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.cluster import run as on_cluster
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.operations.learn.request import directions_of
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.operations.learn.run import Known, Pass

EXAMPLES = """\b
Examples:
  onebyone stats stack.npy
  onebyone stats cube.h5 --nodata -9999 --json
  onebyone stats scene1.npy -o part1.npz
  onebyone fit part1.npz part2.npz -k 3 -o model.npz
  onebyone stats scene1.npy --labels classes1.npy -o part1.npz
"""


def stats(
    context: typer.Context,
    inputs: inputs.InputsOrMoments,
    output: inputs.Moments = "",
    noise: inputs.StatsNoise = None,
    noise_rows: inputs.NoiseRows = "",
    noise_cols: inputs.NoiseColumns = "",
    labels: inputs.StatsLabels = "",
    each: inputs.EachStack = False,
    mask: inputs.Mask = "",
    sample: inputs.Sample = None,
    seed: inputs.Seed = None,
    shard: inputs.StatsShard = "",
    inputs_from: inputs.InputsFrom = "",
    force: inputs.Force = False,
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
    """Show valid pixels, range, mean and spread of each channel.

    A channel counts its own valid pixels; its spread is the standard deviation. With -o the
    moments are saved as well: mean and covariance of the pixels that are valid in every channel,
    from which fit learns as from the stacks themselves, and which merge joins with those of other
    parts. Labels change neither these nor the table: pixels of no class count as any other.
    """
    from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
    from onebyone_cli.plan.shards import parse_shard

    console = Console(quiet=quiet, verbose=verbose, json=json)
    inputs = values.inputs_of(inputs, inputs_from, [mask, labels])
    values.check_names(inputs, [output] if output else [], [mask, labels])
    values.tell_defaults(memory, threads, console)
    _check_together(
        output=bool(output),
        noise=bool(noise),
        window=bool(noise_rows or noise_cols),
        labels=bool(labels),
        sample=sample is not None,
        seed=seed is not None,
        shard=bool(shard),
    )
    settings = LearnSettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        nodata=values.number_of("--nodata", nodata) if nodata else None,
        wanted=Wanted(
            pixels=bool(output),
            statistics=True,
            differences=directions_of(noise or ""),
            rows=values.range_of("--noise-rows", noise_rows),
            columns=values.range_of("--noise-cols", noise_cols),
        ),
        shard=parse_shard(shard) if shard else None,
    )
    cluster = on_cluster.cluster_of(context, scheduler, scheduler_file, workers, threads, inputs)
    if cluster is not None:
        cluster.check_learning(inputs, sample=sample is not None)
    way = learning.Pass(settings, mask, labels, sample, values.seed_of(seed), cluster)
    reading = Reading(layout, settings.memory, values.raw_of(raw, shape, dtype_in))
    if output:
        values.check_archive_name(output, "moments are saved as")
        read = values.files_of([*inputs, mask, labels, inputs_from])
        targets.check_target(output, force=force, inputs=read)
    started = time.monotonic()
    if learning.are_moments(inputs, raw=raw):
        known = _joined(inputs, way, output, console)
    else:
        known = _gathered(inputs, each, reading, way, console, progress)
    if output:
        learning.save_moments(known, output, Publication(force, fsync))
    spent = spent_since(started, 0 if sample or shard else known.pixel_bytes)
    rows = _rows(known)
    if not console.quiet:
        _print(rows)
    # Beside a table in a pipe nobody has asked for it.
    if output or console.is_terminal or verbose:
        console.say(_closing_line(output, known, spent))
    content = {"inputs": known.inputs, "channels": rows, **learning.document(known.evidence)}
    console.document(content | spent.document())


def _check_together(
    *,
    output: bool,
    noise: bool,
    window: bool,
    labels: bool,
    sample: bool,
    seed: bool,
    shard: bool,
) -> None:
    """Refuse options that mean nothing without another, or beside it."""
    if (noise or window) and not output:
        raise UsageError("--noise is for the moments that are saved; give -o PART.npz")
    if window and not noise:
        raise UsageError("--noise-rows and --noise-cols are for --noise DIRECTION; give that, too")
    if labels and not output:
        raise UsageError("--labels is for the moments that are saved; give -o PART.npz")
    if seed and not sample:
        raise UsageError("--seed is for --sample N; give that, too")
    if shard and not output:
        raise UsageError("--shard is for moments that are joined with others; give -o PART.npz")
    if shard and sample:
        raise UsageError("--shard and --sample each choose pixels; give one of them")


def _gathered(
    inputs: list[str],
    each: bool,
    reading: Reading,
    way: "Pass",
    console: Console,
    progress: bool | None,
) -> "Known":
    with ExitStack() as stack:
        stacks, series = reading.open_stacks(inputs, stack, each=each)
        return learning.gather(stacks, way, lambda known: None, console, progress, series=series)


def _joined(inputs: list[str], way: "Pass", output: str, console: Console) -> "Known":
    if output or way.settings.wanted.differences:
        raise UsageError("moments are joined by: onebyone merge PART... -o WHOLE.npz")
    way.refuse_for_moments()
    known = learning.join_saved(inputs, console)
    if known.evidence.statistics is None:
        raise DataError("holds no statistics of channels", known.source)
    return known


def _rows(known: "Known") -> list[dict[str, Any]]:
    """Gather what is known of each channel; None for the rest, such as a spread beyond float64."""
    statistics = known.evidence.statistics
    assert statistics is not None
    mean = statistics.mean + statistics.rest
    rows = []
    for channel, valid in enumerate(statistics.count.tolist()):
        row: dict[str, Any] = {"channel": channel}
        if known.names:
            row["name"] = known.names[channel]
        row["valid"] = valid
        for name, numbers, least in (
            ("min", statistics.minimum, 1),
            ("max", statistics.maximum, 1),
            ("mean", mean, 1),
            ("sd", statistics.deviation, 2),
        ):
            number = float(numbers[channel])
            row[name] = number if valid >= least and isfinite(number) else None
        rows.append(row)
    return rows


def _closing_line(output: str, known: "Known", spent: Spent) -> str:
    evidence = known.evidence
    if not output:
        return f"{known.source}: {count(evidence.channels, 'channel')}{spent}"
    line = f"{output}: {learning.moments_of(evidence)}{spent}"
    return line + (f"; {count(evidence.invalid, 'pixel')} left out" if evidence.invalid else "")


def _print(rows: list[dict[str, Any]]) -> None:
    header = list(rows[0])
    cells = [[_cell(value) for value in row.values()] for row in rows]
    print_table(header, cells)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.7g}" if isinstance(value, float) else str(value)
