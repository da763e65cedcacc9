"""``apply --each``: every input is a stack of its own, and a stream brings any number of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.cli.finished import Finished
from onebyone_cli.commit import atomic, targets
from onebyone_cli.errors import OutputRefusedError, UsageError
from onebyone_cli.operations.inputs import Reading

if TYPE_CHECKING:
    from onebyone_cli.commit.checkpoint import Policy
    from onebyone_cli.operations.apply.job import ApplyJob

#: Stands for the number of a stack where it is not known how many a stream brings.
_ANY = "#"


class TargetNames:
    """Names the outputs after the inputs, in the same format where that is possible.

    Parameters
    ----------
    folder : str
        Where they go; ``-`` for all of them to standard output.
    format_name : str
        What ``--format`` said, or empty.
    raw : bool
        Whether the names of inputs say nothing of their format.
    """

    def __init__(self, folder: str, format_name: str, *, raw: bool) -> None:
        self.folder = folder
        self._format = format_name
        self._raw = raw
        self._taken: dict[str, str] = {}

    def take(self, text: str) -> str:
        """Name the output of an input, and of a stream those of all it brings, with one sign.

        Raises
        ------
        UsageError
            If another input has that name already.
        """
        from onebyone_cli.formats import opening

        if self.folder == "-":
            return "-"
        name = self.of(text, _ANY if opening.is_stream(text) else None)
        if name in self._taken:
            raise UsageError(f"{self._taken[name]} and {text} would both be written to {name}")
        self._taken[name] = text
        return name

    def of(self, text: str, number: int | str | None) -> str:
        """Name the output of an input, or of the stack of that number which a stream brings."""
        from onebyone_cli import formats
        from onebyone_cli.formats import opening

        if self.folder == "-":
            return "-"
        path = text if self._raw else opening.split_inner(text)[0]
        # Not what was typed: that may be "." or "..", which name nothing.
        stem = os.path.basename(os.path.abspath(path)) if path != "-" else "stdin"
        if not os.path.isdir(path):
            stem = os.path.splitext(stem)[0]
        stem += "" if number is None else f"_{number}"
        wanted = self._format or ("npy" if self._raw else formats.of_input(path).name)
        suffix = {"npy": ".npy", "hdf5": ".h5"}.get(wanted, "/" if self._format else ".npy")
        name = os.path.join(self.folder, stem + suffix)
        if isinstance(number, int) and name in self._taken:
            raise UsageError(f"{self._taken[name]} and {text} would both be written to {name}")
        return name


class Each(NamedTuple):
    """What is done with each stack.

    Attributes
    ----------
    reading : Reading
        How it is opened.
    names : TargetNames
        What its output is called.
    prepare : callable
        Given its inputs and the output, checks everything and plans. With ``force=True`` the output
        may be there already.
    finish : callable
        Runs a job and tells what was done.
    pass_over : callable
        Tells of a job that an earlier run has done.
    policy : Policy or None
        What the user wants of checkpoints; with None no later run goes on with this one.
    """

    reading: Reading
    names: TargetNames
    prepare: "Callable[..., ApplyJob]"
    finish: "Callable[[ApplyJob, str], dict[str, Any]]"
    pass_over: "Callable[[ApplyJob, str], dict[str, Any]]"
    policy: "Policy | None" = None

    def run(self, inputs: Sequence[str], *, dry_run: bool) -> Iterator[dict[str, Any]]:
        """Apply to every input by itself; what is in files is checked before the first is begun.

        Parameters
        ----------
        inputs : sequence of str
            As the user wrote them.
        dry_run : bool
            Whether `finish` only shows plans; then what follows the first stack of a stream is left
            out.
        """
        from onebyone_cli.formats import opening

        tasks = [(text, self.names.take(text)) for text in inputs]
        _make_folder(self.names.folder)
        finished = Finished(self.names.folder, self.policy)
        left = []
        for text, target in tasks:
            if opening.is_stream(text):  # whose headers can be read only once
                left.append((text, target))
                continue
            with ExitStack() as stack:
                opened = self.reading.open([text], stack)
                if finished.may_have(target):
                    job = self.prepare(opened, target, force=True)
                    if finished.has(target, job):
                        yield self.pass_over(job, target)
                        continue
                self.prepare(opened, target)
                left.append((text, target))
        with nullcontext() if dry_run else finished:
            for text, target in left:
                with ExitStack() as stack:
                    if opening.is_stream(text):
                        yield from self._run_series(text, stack, only_first=dry_run)
                        continue
                    job = self.prepare(self.reading.open([text], stack), target)
                    if not dry_run:
                        finished.begin(target, job)
                    yield self.finish(job, target)

    def _run_series(
        self, text: str, stack: ExitStack, *, only_first: bool
    ) -> Iterator[dict[str, Any]]:
        for number, reader in enumerate(self.reading.open_series(text, stack)):
            target = self.names.of(text, number)
            yield self.finish(self.prepare([reader], target), target)
            if only_first:
                return


def _make_folder(folder: str) -> None:
    """Make the folder of ``--each`` if it is not there."""
    if folder == "-" or os.path.isdir(folder):
        return
    targets.check_folder(os.path.dirname(os.path.realpath(folder)), folder)
    if os.path.lexists(folder):
        raise OutputRefusedError("is a file; --each needs a folder", folder)
    atomic.make_folder(folder)
