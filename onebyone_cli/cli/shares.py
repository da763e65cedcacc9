"""Check shares of a command, and write the command lines of shards for a cluster."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onebyone_cli.cli.groups import Group
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.names import absolute, check_shared

if TYPE_CHECKING:
    from onebyone_cli.cli.options.compute import Numbers
    from onebyone_cli.cli.terminal.console import Console
    from onebyone_cli.cluster.client import Place
    from onebyone_cli.cluster.run import ClusterWords, OnCluster
    from onebyone_cli.operations.apply.run import Output

#: Members of groups that shards of ``apply`` and ``stats`` are given.
_IN_BOTH = {
    *("channels", "layout", "grid", "nodata", "invalid", "mask", "stored"),
    *("raw", "shape", "dtype_in", "offset", "memory", "fsync"),
}
_OF_APPLY = _IN_BOTH | {
    *("weights", "kernel", "bias", "activation", "inverse", "denoise", "allow_nonfinite"),
    *("fold_bn", "bn_name", "bn_epsilon"),
    *(
        "by_position",
        "argmax",
        "dtype",
        "scale",
        "compute",
        "nan_to",
        "format_name",
        "layout_out",
        "checkpoint_every",
    ),
    *("compression", "level", "shuffle", "fletcher32", "chunks"),
}
_OF_STATS = _IN_BOTH | {"noise_rows", "noise_cols", "labels", "each"}


def check_shares(
    flag: str, inputs: Sequence[str], output: str, numbers: "Numbers", *, each: bool = False
) -> None:
    """Raise `UsageError` if the shares that `flag` asks for could not be joined."""
    if each:
        raise UsageError(f"{flag} is for one output; with --each give every job its own inputs")
    found = numbers.range()
    if found is not None and found.kind != "range":
        raise UsageError(
            f"--scale {numbers.scale} looks at the whole result; with {flag} give MIN,MAX"
        )
    if output == "-":
        raise UsageError(f"{flag} writes its share into a file; name one with -o")
    check_shared(flag, inputs)


def cluster_of(
    place: "Place",
    threads: int | None,
    inputs: Sequence[str],
    groups: Sequence[Group],
    console: "Console",
    *,
    output: "Output | None" = None,
    noise: Sequence[str] = (),
) -> "OnCluster":
    """Return the cluster at a place.

    Parameters
    ----------
    place : Place
        Where shards run.
    threads : int or None
        Threads of each shard; None for the default.
    inputs : sequence of str
        The inputs of the command.
    groups : sequence of Group
        Options of the command, which shards are given if they have them.
    console : Console
        Where messages go.
    output : Output, optional
        Where the result goes.
    noise : sequence of str
        Directions of neighbours whose differences are gathered.

    Raises
    ------
    DependencyMissingError
        If Dask is not installed.
    """
    from onebyone_cli.cluster.client import require_dask
    from onebyone_cli.cluster.run import OnCluster
    from onebyone_cli.commit.publication import NEW
    from onebyone_cli.system.limits import default_threads

    if threads is None:
        # A worker of a cluster runs as many shards at once as it has threads.
        threads = max(1, default_threads() // place.workers) if place.workers else 1
    require_dask()
    return OnCluster(
        place,
        _words_of(inputs, groups, threads, output, noise),
        threads,
        output.path if output else "",
        output.publication if output else NEW,
        restart=any(getattr(group, "resume", "") == "restart" for group in groups),
        say=console.say,
        verbose=console.verbose,
    )


def _words_of(
    inputs: Sequence[str],
    groups: Sequence[Group],
    threads: int,
    output: "Output | None",
    noise: Sequence[str],
) -> "ClusterWords":
    """Write the command lines of shards, and of joining their moments."""
    from onebyone_cli.cluster.run import ClusterWords
    from onebyone_cli.cluster.tasks import GIVEN, MADE

    read = [absolute(text) for text in inputs]
    shard = ["--threads", str(threads), "--shard"]
    fill = ["apply", *read, *_written(groups, _OF_APPLY)]
    if output is not None:
        fill += ["-o", absolute(output.path)]
        fill += ["--force"] * output.publication.may_replace
    if not any("weights" in group.members for group in groups):
        fill += ["-w", GIVEN]
    gather = ["stats", *read, *_written(groups, _OF_STATS), *_noise_words(noise), "-o", MADE]
    files = {absolute(name): name for name in inputs}
    for group in groups:
        files |= group.files()
    return ClusterWords(
        lambda number: [*fill, *shard, number],
        lambda number: [*gather, *shard, number],
        ["merge", GIVEN, "-o", MADE],
        files,
    )


def _written(groups: Sequence[Group], only: set[str]) -> list[str]:
    return [word for group in groups for word in group.words(absolute=True, only=only)]


def _noise_words(directions: Sequence[str]) -> list[str]:
    """Return the ``--noise`` option for these directions of neighbours."""
    from onebyone_cli.learners.differences import DIRECTIONS

    names = [name for name, found in DIRECTIONS.items() if found == tuple(directions)]
    return ["--noise", names[0]] if directions else []


def check_learning(
    cluster: "OnCluster", inputs: Sequence[str], maps: Sequence[str], *, sample: bool, raw: bool
) -> None:
    """Refuse inputs and maps (empty if not given) that can't be gathered in shards."""
    from onebyone_cli.operations.learn.gathered import are_moments

    flag = cluster.place.flag
    check_shared(flag, [*inputs, *filter(None, maps)])
    why = ""
    if are_moments(inputs, raw=raw):
        why = "moments are joined at once"
    elif sample:
        why = "--sample reads few pixels, on this machine"
    if why:
        raise UsageError(f"{why}; leave out {flag}")
