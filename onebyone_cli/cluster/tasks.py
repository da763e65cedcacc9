"""What a worker of the cluster is given to do: command lines, and small files that go with them."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.cluster.child import CHILDREN
from onebyone_cli.errors import DependencyMissingError
from onebyone_cli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: How often we look whether the children of a job have ended.
_LOOK_S = 0.05


class Order(NamedTuple):
    """A command line for a worker.

    Attributes
    ----------
    job : str
        What it belongs to.
    key : str
        Name of the task.
    args : tuple of str
        The command line; all paths are absolute.
    version : str
        Of whoever gives the order.
    """

    job: str
    key: str
    args: tuple[str, ...]
    version: str = __version__


def hold(content: bytes) -> bytes:
    """Hold a small file for other tasks; it is made again where the worker that has it is lost."""
    return content


def fill_shard(order: Order, weights: bytes | None) -> None:
    """Compute a shard of an output, straight into its file.

    Parameters
    ----------
    order : Order
        ``apply ... --shard I/N``.
    weights : bytes or None
        A weights file that was learned just now, in addition to what `order` names.
    """
    if weights is None:
        _run(order, [])
        return
    with _folder() as folder:
        name = os.path.join(folder, "weights.npz")
        _put(name, weights)
        _run(order, ["-w", name])


def gather_shard(order: Order) -> bytes:
    """Gather the moments of a shard: ``stats ... --shard I/N``."""
    with _folder() as folder:
        return _saved(order, [], os.path.join(folder, "moments.npz"))


def join_moments(order: Order, parts: Sequence[bytes]) -> bytes:
    """Join moments in the order given: ``merge``."""
    with _folder() as folder:
        names = [os.path.join(folder, f"{index}.npz") for index in range(len(parts))]
        for name, part in zip(names, parts, strict=True):
            _put(name, part)
        return _saved(order, names, os.path.join(folder, "moments.npz"))


async def end_children(job: str) -> None:
    """Have all children of a job on this worker end, and wait until they have."""
    CHILDREN.end(job)
    while CHILDREN.are_running(job):
        await asyncio.sleep(_LOOK_S)


def _run(order: Order, more: Sequence[str]) -> None:
    if order.version != __version__:
        raise DependencyMissingError(
            f"the worker {platform.node()} has onebyone {__version__} and this is "
            f"{order.version}; install the same on all machines"
        )
    CHILDREN.run(order.job, [*order.args, *more], _is_wanted(order.key))


def _is_wanted(key: str) -> Callable[[], bool]:
    """Make a function that says whether this worker still has to do a task."""
    from distributed import Status, get_worker

    worker = get_worker()
    alive = (Status.running, Status.paused, Status.closing_gracefully)

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status in alive

    return is_wanted


def _folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder where Dask clears up after a worker that was killed."""
    from distributed import get_worker

    return tempfile.TemporaryDirectory(dir=get_worker().local_directory)


def _put(name: str, content: bytes) -> None:
    with open(name, "xb") as file:
        file.write(content)


def _saved(order: Order, more: Sequence[str], name: str) -> bytes:
    """Run a command line that saves a file, and read that."""
    _run(order, [*more, "-o", name])
    with open(name, "rb") as file:
        return file.read()
