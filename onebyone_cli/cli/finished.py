"""Which outputs of a stopped ``--each`` are there: the same command goes on with the others."""

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING

from onebyone_cli.commit.owned import open_owned, read_owned
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.errors import OneByOneError, Stopped, read_write_error

if TYPE_CHECKING:
    from typing import Self

    from onebyone_cli.commit.checkpoint import Policy
    from onebyone_cli.operations.apply.job import ApplyJob

#: In the folder of outputs; gone when all of them are there.
_NAME = ".onebyone-each.jsonl"

#: Longest notes that are read.
_LONGEST = 1 << 26


class Finished:
    """A line in a file for every output that is begun, which was not there at that time.

    An output appears whole or not at all. So if one that was begun is there, it is done.

    Parameters
    ----------
    folder : str
        Where the outputs go; ``-`` for standard output, of which nothing is noted.
    policy : Policy or None
        What the user wants of checkpoints; with None nothing is noted, and no earlier run counts.
    """

    def __init__(self, folder: str, policy: "Policy | None" = None) -> None:
        self._folder, self._policy = folder, policy
        self._path = os.path.join(folder, _NAME)
        self._jobs: dict[str, str] = {}
        if policy is None or policy.restart:
            return
        with contextlib.suppress(FileNotFoundError):
            for line in read_owned(self._path, _LONGEST).splitlines():
                with contextlib.suppress(ValueError, TypeError):  # the last may have been cut off
                    name, digest = json.loads(line)
                    self._jobs[name] = digest

    def may_have(self, target: str) -> bool:
        """Say whether an output is there, and an earlier run of some command has begun it."""
        return os.path.basename(target) in self._jobs and os.path.isfile(target)

    def has(self, target: str, job: "ApplyJob") -> bool:
        """Say whether an output is there that this very job, in an earlier run, has made."""
        has = (
            job.identity is not None
            and self._jobs[os.path.basename(target)] == _digest(job)
            and os.path.getsize(target) >= job.output.data_bytes
        )
        if has:
            Unfinished(target).tidy()
        return has

    def begin(self, target: str, job: "ApplyJob") -> None:
        """Note that an output is begun, unless nobody could go on."""
        if job.identity is not None and not os.path.lexists(target):
            self._note(target, _digest(job))

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Remove the notes if nothing is left to do, or there is nothing to go on with.

        If there is, a signal is told so, as of a checkpoint: the same command goes on.
        """
        there = (os.path.isfile(os.path.join(self._folder, name)) for name in self._jobs)
        if kind is None or not any(there):
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        elif isinstance(error, Stopped) and self._policy is not None and not error.checkpoint:
            error.checkpoint, error.status = self._folder, self._policy.status

    def _note(self, target: str, digest: str) -> None:
        name = os.path.basename(target)
        self._jobs[name] = digest
        try:
            fd = open_owned(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with open(fd, "a", encoding="utf-8") as file:
                file.write(json.dumps([name, digest]) + "\n")
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("writing", self._path, error) from error


def _digest(job: "ApplyJob") -> str:
    assert job.identity is not None
    return hashlib.sha256(json.dumps(job.identity(), sort_keys=True).encode()).hexdigest()
