"""Tasks of the workers of a cluster: command lines with small files."""

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

#: Seconds between checks whether the children of a job have ended.
_LOOK_S = 0.05


#: Placeholders for names of files on the worker. No word has a zero byte.
GIVEN, MADE = "\0given", "\0made"


class Order(NamedTuple):
    """A command line for a worker, with absolute paths.

    `job` groups the tasks of one run, `key` names the task, and `version` is that of the program
    that submits it.
    """

    job: str
    key: str
    args: tuple[str, ...]
    version: str = __version__


def hold(content: bytes) -> bytes:
    """Store a small file for other tasks; Dask recreates it if its worker is lost."""
    return content


def run_words(order: Order, given: Sequence[bytes]) -> bytes:
    """Run a command line and return the content of the file made, or nothing.

    In the words, `GIVEN` stands for the names of files of the contents `given`, and `MADE` for that
    of the file made.
    """
    from distributed import get_worker

    if order.version != __version__:
        raise DependencyMissingError(
            f"the worker {platform.node()} has onebyone {__version__} and this is "
            f"{order.version}; install the same on all machines"
        )
    # Dask removes this folder if the worker is killed.
    with tempfile.TemporaryDirectory(dir=get_worker().local_directory) as folder:
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
    """End all children of a job on this worker, and wait for them."""
    CHILDREN.end(job)
    while CHILDREN.are_running(job):
        await asyncio.sleep(_LOOK_S)


def _is_wanted(key: str) -> Callable[[], bool]:
    """Make a function that returns whether this worker still has to run a task."""
    from distributed import Status, get_worker

    worker = get_worker()
    alive = (Status.running, Status.paused, Status.closing_gracefully)

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status in alive

    return is_wanted
