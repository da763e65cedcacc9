"""``onebyone stats``: statistics of each channel, and moments to learn from."""

import time
from contextlib import ExitStack
from math import isfinite
from typing import TYPE_CHECKING, Any

from onebyone_cli.cli.options.inputs import LearnInput, Raw
from onebyone_cli.cli.options.learning import Gathering
from onebyone_cli.cli.options.messages import RunMessages
from onebyone_cli.cli.options.output import MomentsOutput
from onebyone_cli.cli.options.running import Resources, StatsMachines
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console, print_table
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import Spent, spent_since
from onebyone_cli.commit import targets
from onebyone_cli.errors import DataError, UsageError, spelled
from onebyone_cli.operations.learn.gathered import are_moments, join_saved, save_moments
from onebyone_cli.operations.learn.request import directions_of
from onebyone_cli.operations.learn.run import LearnPass, gather
from onebyone_cli.operations.names import check_archive_name, files_of
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.operations.learn.gathered import Gathered

EXAMPLES = """
onebyone stats stack.npy
onebyone stats cube.h5 --nodata -9999 --json
onebyone stats scene1.npy -o part1.npz
onebyone fit part1.npz part2.npz -k 3 -o model.npz
onebyone stats scene1.npy --labels classes1.npy -o part1.npz
"""


def stats(
    gathering: Gathering,
    input: LearnInput,
    raw: Raw,
    output: MomentsOutput,
    resources: Resources,
    machines: StatsMachines,
    messages: RunMessages,
) -> None:
    """Show valid pixels, range, mean and standard deviation of each channel.

    A channel counts its own valid pixels. With -o the moments are saved as well: mean and
    covariance of the valid pixels. fit learns from them as from the stacks themselves, and merge
    joins them with those of other parts. Labels change neither the moments nor the table: pixels
    of no class count as any other.
    """
    from onebyone_cli.operations.learn.settings import LearnSettings, Wanted

    console, target = messages.console(), output.output
    maps = [input.mask, gathering.labels]
    inputs = input.listed([target] if target else [], maps)
    resources.show(console)
    _check_together(gathering, machines.shard, output=bool(target))
    wanted = Wanted(
        pixels=bool(target),
        per_channel=True,
        differences=directions_of(gathering.noise),
        rows=gathering.rows(),
        columns=gathering.columns(),
    )
    settings = LearnSettings(
        resources.budget(), resources.workers(), input.asked(), wanted, shard=machines.share()
    )
    groups, noise = (gathering, input, raw, output), wanted.differences
    cluster = machines.cluster(resources, inputs, groups, console, noise=noise)
    if cluster is not None:
        from onebyone_cli.cli.shares import check_learning

        check_learning(cluster, inputs, maps, sample=gathering.sample is not None, raw=raw.raw)
    reading = input.reading(settings.memory, raw.spec(), console.hint)
    if target:
        check_archive_name(target, "moments")
        read = files_of([*inputs, *maps, input.inputs_from])
        targets.check_target(target, force=output.force, inputs=read)
    mask, labels, seed = input.mask, gathering.labels, gathering.random_seed()
    way = LearnPass(settings, mask, labels, gathering.sample, seed)
    started = time.monotonic()
    if are_moments(inputs, raw=raw.raw):
        known = _joined(inputs, way, reading, target, console)
    else:
        with Progress(console, messages.progress) as on_progress:
            if cluster is not None:
                way = way._replace(gather=cluster._replace(on_progress=on_progress).gather)
            with ExitStack() as stack:
                stacks, series = reading.open_stacks(inputs, stack, each=input.each)
                known = gather(stacks, way, _pass, on_progress, series=series, say=console.say)
    if target:
        save_moments(known, target, output.publication())
    reads_all = not (gathering.sample or machines.shard)
    _report(known, target, spent_since(started, known.pixel_bytes * reads_all), console)


def _report(known: "Gathered", target: str, spent: Spent, console: Console) -> None:
    rows = _rows(known)
    if not console.quiet:
        _print(rows)
    empty = known.statistics.without_value
    if len(empty) == len(rows):
        console.say(f"warning: {known.source}: has no valid pixel")
    elif empty:
        console.say(f"warning: {spelled(known.labels.without_value(empty))}")
    # A pipe gets only the table.
    if target or console.is_terminal or console.verbose:
        console.say(_closing_line(target, known, spent))
    classes = report.classes_document(known.statistics)
    content = {"inputs": known.inputs, "channels": rows, **classes}
    console.document(content | spent.document())


def _pass(known: "Gathered") -> None:
    """Check nothing more of the headers."""


def _check_together(gathering: Gathering, shard: str, *, output: bool) -> None:
    """Refuse options that need another option, or contradict one."""
    window = gathering.noise_rows or gathering.noise_cols
    if (gathering.noise or window) and not output:
        raise UsageError("--noise is for the moments that are saved; give -o PART.npz")
    if window and not gathering.noise:
        raise UsageError("--noise-rows and --noise-cols are for --noise DIRECTION; give that, too")
    if gathering.labels and not output:
        raise UsageError("--labels is for the moments that are saved; give -o PART.npz")
    if gathering.seed is not None and gathering.sample is None:
        raise UsageError("--seed is for --sample N; give that, too")
    if shard and not output:
        raise UsageError("--shard is for moments that are joined with others; give -o PART.npz")
    if shard and gathering.sample is not None:
        raise UsageError("--shard and --sample each choose pixels; give one of them")


def _joined(
    inputs: list[str], way: LearnPass, reading: "Reading", output: str, console: Console
) -> "Gathered":
    if output or way.settings.wanted.differences:
        raise UsageError("moments are joined by: onebyone merge PART... -o WHOLE.npz")
    way.refuse_for_moments(reading)
    known = join_saved(inputs, console.say)
    if known.statistics.per_channel is None:
        raise DataError("holds no statistics of channels", known.source)
    return known


def _rows(known: "Gathered") -> list[dict[str, Any]]:
    """Return a row for each channel; None for unknown numbers, such as a spread beyond float64."""
    per_channel = known.statistics.per_channel
    assert per_channel is not None
    mean = per_channel.mean + per_channel.rest
    rows = []
    for channel, valid in enumerate(per_channel.count.tolist()):
        row: dict[str, Any] = {"channel": channel}
        if known.labels.texts:
            row["name"] = known.labels.texts[channel]
        row["valid"] = valid
        for name, numbers, least in (
            ("min", per_channel.minimum, 1),
            ("max", per_channel.maximum, 1),
            ("mean", mean, 1),
            ("sd", per_channel.deviation, 2),
        ):
            number = float(numbers[channel])
            row[name] = number if valid >= least and isfinite(number) else None
        rows.append(row)
    return rows


def _closing_line(output: str, known: "Gathered", spent: Spent) -> str:
    statistics = known.statistics
    if not output:
        return f"{known.source}: {count(statistics.channels, 'channel')}{spent}"
    line = f"{output}: {report.moments_line(statistics)}{spent}"
    return line + (f"; {count(statistics.invalid, 'pixel')} left out" if statistics.invalid else "")


def _print(rows: list[dict[str, Any]]) -> None:
    header = list(rows[0])
    cells = [[_cell(value) for value in row.values()] for row in rows]
    print_table(header, cells)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.7g}" if isinstance(value, float) else str(value)
