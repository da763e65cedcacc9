"""``onebyone weights new``: make weights that need no learning."""

from typing import TYPE_CHECKING

from onebyone_cli.cli.commands.weights import saving
from onebyone_cli.cli.options.messages import Messages
from onebyone_cli.cli.options.weights import NewWeights, WeightsOutput
from onebyone_cli.cli.terminal.console import Console, print_out
from onebyone_cli.errors import DataError, UsageError, spelled
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.weights.channel_map import ChannelMap

EXAMPLES = """
onebyone weights new --list
onebyone weights new tasselled-cap-oli -o cap.npz
onebyone weights new tasselled-cap-oli --channels 1,2,3,4,5,6 -c 11 -o cap.npz
onebyone weights new select --channels 3,1,2 -c 4 -o order.csv
onebyone weights new standardize --stats part.npz -o standardize.npz
"""

#: Kinds that users may expect, but that are not linear.
_NOT_LINEAR = ("normalized-difference", "normalised-difference", "ndvi", "ndwi", "ratio")


def new(asked: NewWeights, output: WeightsOutput, messages: Messages) -> None:
    """Make weights that need no learning.

    Plain ones, such as a selection of channels; published ones, such as tasselled caps and
    Y'CbCr, with names of their channels and the paper or standard they are from; and a
    standardization from statistics.
    """
    console, kind, in_channels = messages.console(), asked.kind, asked.in_channels
    if asked.listed:
        _list(console)
        return
    _check_kind(kind)
    chosen = asked.chosen()
    _check_options(kind, chosen, in_channels, asked.stats, asked.all_rows)
    path, bias_to, force = output.output, output.bias_to, output.force
    saving.check_output(path, bias_to, force=force, inputs=(asked.stats,), source=output.raster)
    if in_channels is not None:
        from onebyone_cli.weights.save import check_size

        check_size(path, in_channels if kind == "identity" else max(1, len(chosen)), in_channels)
    weights = _made(kind, chosen, in_channels, asked.stats, asked.all_rows)
    lost = saving.save(weights, path, bias_to, console, force=force, source=output.raster)
    console.say(f"{path}: {weights.out_channels}×{weights.in_channels}, {weights.meta['title']}")
    document = {"output": path, "kind": kind, "shape": list(weights.weight.shape)}
    console.document(document | {"left_out": lost})


def _list(console: Console) -> None:
    from onebyone_cli.weights.presets import MADE, PUBLISHED

    made = {name: spelled(title) for name, title in MADE.items()}
    titles = made | {name: kernel.title for name, kernel in PUBLISHED.items()}
    if not console.quiet:
        width = max(map(len, titles))
        print_out("\n".join(f"{name:<{width}}  {title}" for name, title in titles.items()))
    kinds = [{"kind": name, "title": title} for name, title in made.items()]
    published = [
        {
            "kind": name,
            "title": kernel.title,
            "source": kernel.source,
            "channels": list(kernel.channels),
            "outputs": list(kernel.outputs),
        }
        for name, kernel in PUBLISHED.items()
    ]
    console.document({"kinds": [*kinds, *published]})


def _check_kind(kind: str) -> None:
    from onebyone_cli.weights.presets import MADE, PUBLISHED

    if not kind:
        raise UsageError("no kind of kernel; see onebyone weights new --list")
    if kind in _NOT_LINEAR:
        raise UsageError(
            f"{kind} divides by a sum of channels, so it is not a weighted sum of them; "
            "its numerator is: onebyone weights new difference --channels 3,1 -c C"
        )
    if kind not in (*MADE, *PUBLISHED):
        raise UsageError(f"the kind {kind} is unknown; see onebyone weights new --list")


def _check_options(
    kind: str, chosen: list[int], in_channels: int | None, stats: str, all_rows: bool
) -> None:
    """Refuse options that have no meaning for a kind, and require those that it needs."""
    from onebyone_cli.weights.presets import MADE

    is_made = kind in MADE
    for refused, option in (
        (stats and kind != "standardize", "--stats"),
        (all_rows and is_made, "--all"),
        (chosen and kind in ("identity", "mean", "standardize"), "--channels"),
        (in_channels is not None and kind == "standardize", "-c"),
    ):
        if refused:
            raise UsageError(f"{option} has no meaning for {kind}; leave it out")
    for missing, needed in (
        (kind == "standardize" and not stats, "--stats PART.npz, which stats -o writes"),
        (kind == "select" and not chosen, "--channels, as in --channels 3,1,2"),
        (kind == "difference" and len(chosen) != 2, "two channels, as in --channels 3,1"),
        (
            in_channels is None and (chosen or kind in ("identity", "mean")),
            "-c C, the number of channels of the stack",
        ),
    ):
        if missing:
            raise UsageError(f"{kind} needs {needed}")
    if in_channels is not None and chosen and max(chosen) >= in_channels:
        raise UsageError(
            f"--channels names channel {max(chosen)}, and of {count(in_channels, 'channel')} the "
            f"last is {in_channels - 1}; channels count from 0"
        )


def _made(
    kind: str, chosen: list[int], in_channels: int | None, stats: str, all_rows: bool
) -> "ChannelMap":
    from onebyone_cli.weights.presets import PUBLISHED, plain
    from onebyone_cli.weights.presets.tables import published_map

    if kind in PUBLISHED:
        return published_map(
            PUBLISHED[kind], channels=chosen, in_channels=in_channels, all_rows=all_rows
        )
    if kind == "standardize":
        return _standardized(stats)
    assert in_channels is not None
    if kind == "select":
        return plain.select(in_channels, chosen)
    if kind == "difference":
        return plain.difference(in_channels, *chosen)
    return plain.identity(in_channels) if kind == "identity" else plain.mean(in_channels)


def _standardized(stats: str) -> "ChannelMap":
    from onebyone_cli.learners.moments_file import load_moments
    from onebyone_cli.weights.presets.standardize import standardize

    statistics, meta = load_moments(stats)
    found = statistics.per_channel
    if found is None:
        raise DataError("holds no statistics of channels; make it with stats -o", stats)
    return standardize(found.mean + found.rest, found.deviation, stats, meta.get("channels", ()))
