"""Apply weights to every input by itself; a stream brings any number of stacks."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit import targets, temporaries
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.errors import OneByOneError, OutputRefusedError, Stopped, UsageError, setting
from onebyone_cli.formats.contracts.reader import StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from onebyone_cli.formats.contracts.reader import Reader
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.inputs import Reading

    Inputs = Sequence[Reader | StreamReader]

#: Stands for the number of a stack where it is not known how many a stream brings.
_ANY = "#"


class TargetNames:
    """Names the outputs after the inputs, in the same format where that is possible.

    Parameters
    ----------
    folder : str
        Where they go; ``-`` for all of them to standard output.
    format_name : str
        Name of a format, or empty.
    raw : bool
        Whether the names of inputs say nothing of their format.
    """

    def __init__(self, folder: str, format_name: str, *, raw: bool) -> None:
        self.folder = folder
        self._format = format_name
        self._raw = raw
        self._taken: dict[str, str] = {}

    def take(self, text: str) -> str:
        """Name the output of an input; one sign stands for the numbers of those of a stream.

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
        from onebyone_cli.formats import opening

        if self.folder == "-":
            return "-"
        path = text if self._raw else opening.split_inner(text)[0]
        # Not what was typed: that may be "." or "..", which name nothing.
        stem = os.path.basename(os.path.abspath(path)) if path != "-" else "stdin"
        if not os.path.isdir(path):
            stem = os.path.splitext(stem)[0]
        stem += "" if number is None else f"_{number}"
        name = os.path.join(self.folder, stem + self._suffix(path))
        if isinstance(number, int) and name in self._taken:
            raise UsageError(f"{self._taken[name]} and {text} would both be written to {name}")
        return name

    def _suffix(self, path: str) -> str:
        """Choose the ending of an output; folders of images can't hold any result."""
        from onebyone_cli import formats

        if self._format:
            return formats.of_output(path, self._format)[0].new_suffix
        found = formats.of_streams() if self._raw else formats.of_input(path)
        return formats.of_streams().new_suffix if found.new_suffix == "/" else found.new_suffix


class Outcome(NamedTuple):
    """What became of one stack: it was written, failed, or was skipped.

    Attributes
    ----------
    input, output : str
        Its names.
    content : dict or None
        What `Each.run_job` has returned, if the stack was written.
    error : OneByOneError or None
        Why it was not written.
    """

    input: str
    output: str
    content: dict[str, Any] | None = None
    error: OneByOneError | None = None

    @property
    def is_skipped(self) -> bool:
        """Whether the output existed already."""
        return self.content is None and self.error is None


class Each(NamedTuple):
    """What is done with each stack.

    Attributes
    ----------
    reading : Reading
        How inputs are opened.
    names : TargetNames
        Names of the outputs.
    plan_job : callable
        Given the inputs of a stack and the name of its output, checks everything and plans.
    run_job : callable
        Given a job and the name of its output, runs the job.
    skip_existing : bool
        Whether stacks whose output exists are skipped. An output appears complete or not at all,
        so one that exists is done.
    keep_going : bool
        Whether the stacks after one that fails are written.
    can_resume : bool
        Whether a later run may go on with this one after a signal.
    """

    reading: Reading
    names: TargetNames
    plan_job: Callable[[Inputs, str], ApplyJob]
    run_job: Callable[[ApplyJob, str], dict[str, Any]]
    skip_existing: bool = False
    keep_going: bool = False
    can_resume: bool = False

    def run(self, inputs: Sequence[str], *, dry_run: bool) -> Iterator[Outcome]:
        """Apply to every input; files are checked before the first is begun.

        Parameters
        ----------
        inputs : sequence of str
            As the user wrote them.
        dry_run : bool
            Whether `run_job` only shows plans; then only the first stack of a stream counts.

        Yields
        ------
        Outcome
            What became of each stack.

        Raises
        ------
        OneByOneError
            The first error, unless `keep_going`.
        """
        from onebyone_cli.formats import opening

        if self.skip_existing and self.names.folder == "-":
            raise UsageError(f"{setting('skip_existing')} needs a folder for outputs, not -")
        tasks = []
        for text in inputs:
            target, refused = self._named(text)
            if refused is not None:
                yield refused
            else:
                tasks.append((text, target))
        _make_folder(self.names.folder)
        left = []
        for text, target in tasks:
            # The header of a stream can be read only once.
            found = None if opening.is_stream(text) else self._check(text, target)
            if found is not None:
                yield found
            else:
                left.append((text, target))
        done = 0
        try:
            for text, target in left:
                for outcome in self._run_input(text, target, only_first=dry_run):
                    done += outcome.content is not None
                    yield outcome
        except Stopped as stop:
            if done and self.can_resume and self.names.folder != "-":
                stop.checkpoint = stop.checkpoint or self.names.folder
                stop.advice = "" if self.skip_existing else f" with {setting('skip_existing')}"
            raise

    def _named(self, text: str) -> tuple[str, Outcome | None]:
        try:
            return self.names.take(text), None
        except UsageError:
            raise
        except OneByOneError as error:
            return "", self._failed(text, "", error)

    def _failed(self, text: str, target: str, error: OneByOneError) -> Outcome:
        if not self.keep_going:
            raise error
        return Outcome(text, target, error=error)

    def _check(self, text: str, target: str) -> Outcome | None:
        """Check and plan the job of a file; None if it can be run."""
        if self.skip_existing and _exists(target):
            return Outcome(text, target)
        try:
            with ExitStack() as stack:
                self.plan_job(self.reading.open([text], stack), target)
        except OneByOneError as error:
            return self._failed(text, target, error)
        return None

    def _run_input(self, text: str, target: str, *, only_first: bool) -> Iterator[Outcome]:
        from onebyone_cli.formats import opening

        number = 0
        try:
            with ExitStack() as stack:
                if not opening.is_stream(text):
                    yield self._run(text, self.reading.open([text], stack), target)
                    return
                for number, reader in enumerate(self.reading.open_series(text, stack)):
                    target = self.names.of(text, number)
                    yield self._run_of_series(text, reader, target)
                    if only_first:
                        return
        except OneByOneError as error:
            yield self._failed(text, target.replace(_ANY, str(number)), error)

    def _run(self, text: str, inputs: Inputs, target: str) -> Outcome:
        return Outcome(text, target, self.run_job(self.plan_job(inputs, target), target))

    def _run_of_series(self, text: str, reader: Reader | StreamReader, target: str) -> Outcome:
        if not (self.skip_existing and _exists(target)):
            return self._run(text, [reader], target)
        if isinstance(reader, StreamReader):  # the next one comes after its numbers
            reader.drain(lambda piece: None)
        return Outcome(text, target)


def _exists(target: str) -> bool:
    """Whether an output exists; what a run that was killed then has left beside it is removed."""
    if not os.path.exists(target):
        return False
    Unfinished(target).tidy()
    return True


def _make_folder(folder: str) -> None:
    """Make the folder of the outputs if it does not exist."""
    if folder == "-" or os.path.isdir(folder):
        return
    targets.check_folder(os.path.dirname(os.path.realpath(folder)), folder)
    if os.path.lexists(folder):
        raise OutputRefusedError(f"is a file; {setting('each')} needs a folder", folder)
    temporaries.make_folder(folder)
