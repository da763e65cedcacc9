"""Apply weights to every input by itself; a stream brings any number of stacks."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit import targets, temporaries
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.errors import OneByOneError, OutputRefusedError, Stopped, UsageError, setting
from onebyone_cli.formats.contracts.reader import StreamReader
from onebyone_cli.operations.names import absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from onebyone_cli.formats.contracts.reader import Reader
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.inputs import Reading

    Inputs = Sequence[Reader | StreamReader]

#: Stands for the number of a stack of a stream.
_ANY = "#"


def are_frames(inputs: Sequence[str], format_name: str) -> bool:
    """Return whether images come and go one after another, so that each is a stack of its own.

    So it is where a single stream is read, and standard output has a format whose images follow
    each other.
    """
    from onebyone_cli.formats import of_output, opening

    is_stream = len(inputs) == 1 and opening.is_stream(inputs[0])
    return is_stream and of_output("-", format_name)[0].frames


class TargetNames:
    """Name the outputs after the inputs, in the same format where that is possible.

    `folder` is ``-`` for standard output. With `raw`, the names of inputs do not show their format.
    `pixel` is the number of channels and the type of the results; an empty type is that of the
    arithmetic.
    """

    def __init__(self, folder: str, format_name: str, pixel: tuple[int, str], *, raw: bool) -> None:
        self.folder = folder
        self._pixel = pixel
        self._format = format_name
        self._raw = raw
        self._taken: dict[str, str] = {}

    def take(self, text: str) -> str:
        """Name the output of an input; `_ANY` stands for the numbers of the stacks of a stream.

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
        """Name the output of an input, or of stack `number` of a stream."""
        from onebyone_cli.formats import opening

        if self.folder == "-":
            return "-"
        path = text if self._raw else opening.split_inner(text)[0]
        # "." and ".." have no stem.
        stem = os.path.basename(absolute(path)) if path != "-" else "stdin"
        if not os.path.isdir(path):
            stem = os.path.splitext(stem)[0]
        stem += "" if number is None else f"_{number}"
        name = os.path.join(self.folder, stem + self._suffix(path))
        if isinstance(number, int) and name in self._taken:
            raise UsageError(f"{self._taken[name]} and {text} would both be written to {name}")
        return name

    def _suffix(self, path: str) -> str:
        """Choose the suffix of an output; only a format that is asked for makes folders."""
        from onebyone_cli import formats

        if self._format:
            chosen, kind = formats.of_output(path, self._format)
            alone = chosen.file_suffix(kind, *self._pixel) if chosen.file_suffix else ""
            return alone or chosen.new_suffix
        found = formats.of_streams() if self._raw else formats.of_input(path)
        if found.file_suffix:
            return found.file_suffix("", *self._pixel) or formats.of_streams().new_suffix
        return found.new_suffix.rstrip("/") or formats.of_streams().new_suffix


class Outcome(NamedTuple):
    """The outcome for one stack: `content` that `Each.run_job` returned, an error, or neither."""

    input: str
    output: str
    content: dict[str, Any] | None = None
    error: OneByOneError | None = None

    @property
    def is_skipped(self) -> bool:
        """Whether the output existed already."""
        return self.content is None and self.error is None


class Each(NamedTuple):
    """The task for each stack.

    Attributes
    ----------
    plan_job : callable
        Checks and plans, given the inputs of a stack and the name of its output.
    run_job : callable
        Runs a job, given the job and the name of its output.
    skip_existing : bool
        Whether stacks whose output exists are skipped; an output that exists is complete.
    keep_going : bool
        Whether the stacks after a failed one are written.
    can_resume : bool
        Whether a later run may resume this one after a signal.
    """

    reading: Reading
    names: TargetNames
    plan_job: Callable[[Inputs, str], ApplyJob]
    run_job: Callable[[ApplyJob, str], dict[str, Any]]
    skip_existing: bool = False
    keep_going: bool = False
    can_resume: bool = False

    def run(self, inputs: Sequence[str], *, dry_run: bool) -> Iterator[Outcome]:
        """Apply to every input; all files are checked before the first is written.

        With `dry_run`, only the first stack of a stream counts. Raises the first error, unless
        `keep_going`.
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
        """Check and plan the job of a file; return None if it can be run."""
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
        if isinstance(reader, StreamReader):  # the next array of the stream follows
            reader.drain(lambda piece: None)
        return Outcome(text, target)


def _exists(target: str) -> bool:
    """Whether an output exists; leftovers of a killed run beside it are removed."""
    if not os.path.exists(target):
        return False
    Unfinished(target).tidy()
    return True


def _make_folder(folder: str) -> None:
    if folder == "-" or os.path.isdir(folder):
        return
    targets.check_folder(os.path.dirname(os.path.realpath(folder)), folder)
    if os.path.lexists(folder):
        raise OutputRefusedError(f"is a file; {setting('each')} needs a folder", folder)
    temporaries.make_folder(folder)
