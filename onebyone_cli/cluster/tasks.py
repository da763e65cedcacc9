"""Tasks of the workers of a cluster: command lines, and small files that go with them."""

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


#: Words that stand for names of files, which only the worker knows. No word has a zero byte.
GIVEN, MADE = "\0given", "\0made"


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
        The version of the program that gives the order.
    """

    job: str
    key: str
    args: tuple[str, ...]
    version: str = __version__


def hold(content: bytes) -> bytes:
    """Keep a small file for other tasks; Dask makes it again if the worker that has it is lost."""
    return content


def run_words(order: Order, given: Sequence[bytes]) -> bytes:
    """Run a command line.

    Parameters
    ----------
    order : Order
        The command line. `GIVEN` stands for the names of the files that are given, `MADE` for that
        of the file that is made.
    given : sequence of bytes
        Contents of small files.

    Returns
    -------
    bytes
        Content of the file that was made; empty if there is none.
    """
    if order.version != __version__:
        raise DependencyMissingError(
            f"the worker {platform.node()} has onebyone {__version__} and this is "
            f"{order.version}; install the same on all machines"
        )
    with _folder() as folder:
        names = [os.path.join(folder, f"{index}.npz") for index in range(len(given))]
        for name, content in zip(names, given, strict=True):
            with open(name, "xb") as file:
                file.write(content)
        made = os.path.join(folder, "made.npz")
        words: list[str] = []
        for word in order.args:
            words += names if word == GIVEN else [made if word == MADE else word]
        CHILDREN.run(order.job, words, _is_wanted(order.key))
        if MADE not in order.args:
            return b""
        with open(made, "rb") as file:
            return file.read()


async def end_children(job: str) -> None:
    """Have all children of a job on this worker end, and wait until they have."""
    CHILDREN.end(job)
    while CHILDREN.are_running(job):
        await asyncio.sleep(_LOOK_S)


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
