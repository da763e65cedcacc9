"""Shares of a command: checks, and the words with which a cluster computes them."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from onebyone_cli.cli.groups import Group
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.names import check_shared

if TYPE_CHECKING:
    from onebyone_cli.cli.options.compute import Numbers
    from onebyone_cli.cli.options.running import Machines, Resources
    from onebyone_cli.cluster.run import OnCluster

#: Members of groups whose words a shard of ``apply`` or ``stats`` is given.
_IN_BOTH = {
    *("channels", "layout", "nodata", "raw", "shape", "dtype_in", "memory", "fsync"),
}
_OF_APPLY = _IN_BOTH | {
    *("weights", "kernel", "bias", "activation", "inverse", "denoise", "allow_nonfinite"),
    *("argmax", "dtype", "scale", "compute", "nan_to", "format_name", "checkpoint_every"),
    *("compression", "level", "shuffle", "fletcher32", "chunks"),
}
_OF_STATS = _IN_BOTH | {"noise_rows", "noise_cols", "labels", "mask", "each"}


def check_shares(
    flag: str, inputs: Sequence[str], output: str, numbers: "Numbers", *, each: bool = False
) -> None:
    """Raise `UsageError` where shares, which `flag` asks for, can't be put together."""
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
    machines: "Machines", resources: "Resources", inputs: Sequence[str], groups: Sequence[Group]
) -> "OnCluster | None":
    """Read which cluster is asked for; None for none.

    Parameters
    ----------
    machines, resources : Group
        What says so, and what each shard may use.
    inputs : sequence of str
        The inputs of the command.
    groups : sequence of Group
        Other options of the command: shards are given those that they have, too.

    Raises
    ------
    UsageError
        If options contradict each other.
    DependencyMissingError
        If Dask is not installed.
    """
    place = machines.place(getattr(machines, "shard", ""))
    if place is None:
        return None
    from onebyone_cli.cluster.client import require_dask
    from onebyone_cli.cluster.run import OnCluster
    from onebyone_cli.system.limits import default_threads

    threads = resources.workers()
    if resources.threads is None:
        # A worker of a cluster runs as many shards at once as it has threads.
        threads = max(1, default_threads() // place.workers) if place.workers else 1
    groups = [*groups, resources]
    files = {os.path.abspath(name): name for name in inputs}
    for group in groups:
        files |= group.files()
    require_dask()
    return OnCluster(
        place,
        threads,
        inputs,
        tuple(word for group in groups for word in group.words(absolute=True, only=_OF_APPLY)),
        tuple(word for group in groups for word in group.words(absolute=True, only=_OF_STATS)),
        files,
    )
