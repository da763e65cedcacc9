"""Submit shards to the workers of a Dask cluster, and wait for them."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import tempfile
import uuid
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from onebyone_cli.cluster import tasks
from onebyone_cli.errors import (
    ClusterError,
    DataError,
    DependencyMissingError,
    open_error,
    setting,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client, Future

    OnDone = Callable[[int], None]

#: Seconds for a scheduler to answer.
_ANSWER_S = 10

#: Seconds for workers to stop, and for the connection to close.
_STOP_S, _CLOSE_S = 30, 5

#: Seconds between checks whether there are workers.
_LOOK_S = 1.0

#: Moments joined at once: a worker holds that many matrices of C×C numbers.
_FAN_IN = 8

#: Loggers to silence.
_CHATTER = ("distributed", "tornado", "asyncio")


class Place(NamedTuple):
    """A cluster, by one of three settings.

    These are the address of a scheduler, as in ``tcp://host:8786``; a file with its address; or a
    number of processes on this machine.
    """

    scheduler: str = ""
    scheduler_file: str = ""
    workers: int = 0

    @property
    def name(self) -> str:
        """The value given, for messages."""
        return self.scheduler or self.scheduler_file or spelled(setting("workers", self.workers))

    @property
    def flag(self) -> str:
        """The setting given, for messages."""
        if self.workers:
            return setting("workers")
        return setting("scheduler" if self.scheduler else "scheduler_file")


def require_dask() -> None:
    """Raise `DependencyMissingError` if Dask is not installed; import nothing."""
    if find_spec("distributed") is None:
        raise DependencyMissingError(
            "a cluster needs Dask, which is not installed; "
            "install it with: pip install 'onebyone-cli[dask]'"
        )


class Cluster:
    """A connection to a cluster, as a context manager.

    An error or a signal in the block cancels its tasks. `say` prints a line for the user; `verbose`
    shows messages of Dask.

    Raises
    ------
    ClusterError
        If the scheduler can't be reached.
    InputMissingError, DataError
        If the file with its address is missing, or holds something else.
    """

    def __init__(self, place: Place, say: Callable[[str], None], *, verbose: bool = False) -> None:
        self._place, self._say, self._verbose = place, say, verbose
        self._job = f"onebyone-{uuid.uuid4().hex[:12]}"
        self._undo = contextlib.ExitStack()
        self._client: Client
        self._had_workers = True
        self._futures: set[Future[Any]] = set()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            if not self._verbose:
                undo.enter_context(_silence())
            self._client = self._connect(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is not None:
            self._stop()
        self._undo.close()

    def fill(self, lines: Sequence[Sequence[str]], given: bytes | None, on_done: OnDone) -> None:
        """Run the command lines of shards; raise the first error of any.

        Parameters
        ----------
        lines : sequence of sequences of str
            The words of each shard; `tasks.GIVEN` stands for the file `given`.
        given : bytes or None
            Content of a small file that every shard needs.
        on_done : callable
            Called with the number of each finished shard, in any order.
        """
        held = [] if given is None else [self._submit(tasks.hold, "given", given)]
        numbers = {
            self._order(f"shard-{index}", line, held): index for index, line in enumerate(lines)
        }
        self._wait(numbers, on_done)

    def gather(self, lines: Sequence[Sequence[str]], join: Sequence[str], on_done: OnDone) -> bytes:
        """Run command lines that each make a file, and join the files as a tree.

        The shape of the tree, and so the result, depends only on the number of files.

        Parameters
        ----------
        lines : sequence of sequences of str
            The words of each shard; `tasks.MADE` stands for the file made.
        join : sequence of str
            The words that join files, `tasks.GIVEN`, into one, `tasks.MADE`.
        on_done : callable
            Called with the number of each finished shard, in any order.

        Returns
        -------
        bytes
            Content of the joined file.
        """
        parts = [self._order(f"shard-{index}", line, []) for index, line in enumerate(lines)]
        numbers = {part: index for index, part in enumerate(parts)}
        level = 0
        while len(parts) > 1:
            groups = [parts[at : at + _FAN_IN] for at in range(0, len(parts), _FAN_IN)]
            parts = [
                self._order(f"join-{level}-{index}", join, group)
                for index, group in enumerate(groups)
            ]
            numbers |= dict.fromkeys(parts, -1)
            level += 1
        (whole,) = parts
        self._wait(numbers, on_done)
        return bytes(whole.result())

    def _order(self, name: str, line: Sequence[str], given: Sequence[Future[Any]]) -> Future[Any]:
        order = tasks.Order(self._job, f"{self._job}-{name}", tuple(line))
        return self._submit(tasks.run_words, name, order, list(given))

    def _submit(self, task: Callable[..., Any], name: str, *args: Any) -> Future[Any]:
        future = self._client.submit(task, *args, key=f"{self._job}-{name}", pure=False)
        self._futures.add(future)
        return future

    def _wait(self, numbers: dict[Future[Any], int], on_done: OnDone) -> None:
        """Wait until all are done; `numbers` are those of shards, and -1 for joins."""
        ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        for future in numbers:
            future.add_done_callback(ended.put)
        left = len(numbers)
        while left:
            try:
                future = ended.get(timeout=_LOOK_S)
            except queue.Empty:
                self._look()
                continue
            if future.status != "finished":
                raise self._error_of(future)
            left -= 1
            if numbers[future] >= 0:
                on_done(numbers[future])

    def _look(self) -> None:
        """Report once that there are no workers."""
        has_workers = bool(self._client.scheduler_info(n_workers=-1)["workers"])
        if self._had_workers and not has_workers:
            self._say(f"{self._place.name} has no workers; waiting for some (Ctrl-C to stop)")
        self._had_workers = has_workers

    def _error_of(self, future: Future[Any]) -> BaseException:
        if future.status != "error":
            return ClusterError(
                "the scheduler was lost; what is done is kept, run the same command again",
                self._place.name,
            )
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return ClusterError(
                f"{future.key}: one worker after another was lost with it; is their memory too "
                "small? What is done is kept, run the same command again",
                self._place.name,
            )
        if isinstance(error, ModuleNotFoundError) and "onebyone_cli" in str(error):
            return DependencyMissingError(
                "the cluster has no onebyone; install the same on all machines", self._place.name
            )
        return error if error is not None else RuntimeError(f"{future.key} failed")

    def _stop(self) -> None:
        """Cancel the tasks on the workers that can be reached."""
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._futures), force=True)
            self._client.sync(
                self._client._run,
                tasks.end_children,
                self._job,
                on_error="ignore",
                callback_timeout=_STOP_S,
            )

    def _connect(self, undo: contextlib.ExitStack) -> Client:
        from distributed import Client

        address: Any = self._place.scheduler
        if self._place.workers:
            folder = undo.enter_context(tempfile.TemporaryDirectory())
            address = _cluster_here(self._place.workers, folder)
            undo.callback(address.close, timeout=_CLOSE_S)
        elif self._place.scheduler_file:
            address = _address_in(self._place.scheduler_file)
        try:
            client = Client(address, timeout=_ANSWER_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"no scheduler answers there ({_reason(error)}); is it running, and is the "
                "address as in tcp://host:8786?",
                self._place.name,
            ) from error
        undo.callback(client.close, timeout=_CLOSE_S)
        return client


def _cluster_here(threads: int, folder: str) -> Any:
    """Start a scheduler and a worker in this process.

    Each shard is a process of its own, so one worker with many threads, which starts sooner, is
    enough. It has no address, and its servers have no pages and listen on this machine only.
    """
    import dask
    from distributed import Scheduler, SpecCluster, Worker

    shown: dict[str, Any] = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options = {"nthreads": threads, "memory_limit": 0, "local_directory": folder}
    pages: dict[str, Any] = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with dask.config.set(pages):
        return SpecCluster(
            scheduler={"cls": Scheduler, "options": {"protocol": "inproc://", **shown}},
            workers={0: {"cls": Worker, "options": {"protocol": "inproc", **options, **shown}}},
            silence_logs=False,
        )


def _address_in(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            address = json.load(file)["address"]
    except OSError as error:
        raise open_error(path, error) from error
    except (ValueError, LookupError, TypeError) as error:
        raise DataError("holds no address; expected what dask scheduler writes", path) from error
    return str(address)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _silence() -> Any:
    """Suppress messages of Dask and its libraries."""
    import distributed  # sets up its loggers

    assert distributed
    loggers = [logging.getLogger(name) for name in _CHATTER]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
