"""Show the plan and the result of a job of ``apply``, for people and for programs."""

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console, error, print_out
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.cli.terminal.resources import spent_since
from onebyone_cli.errors import ExitStatus, OneByOneError, status_of
from onebyone_cli.units import count, format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onebyone_cli.operations.apply.each import Outcome
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport
    from onebyone_cli.stack.sources import OnProgress


class JobRunner(NamedTuple):
    """Run jobs, or show their plans, and report the results.

    Attributes
    ----------
    progress : bool or None
        Whether progress is shown; None for long jobs only.
    on_cluster : bool
        Whether a cluster computes all shards of the job.
    is_one_of_many : bool
        Whether the report of a job is a detail.
    """

    console: Console
    progress: bool | None
    dry_run: bool = False
    on_cluster: bool = False
    is_one_of_many: bool = False

    def run(
        self,
        job: "ApplyJob",
        output: str,
        run: "Callable[[OnProgress], ApplyReport] | None" = None,
    ) -> dict[str, Any]:
        """Run a job, and return the report for programs.

        `output` is as the user wrote it; `run` replaces ``job.run``.
        """
        console = self.console
        content = _document(job, output)
        lines = _plan_lines(job, output)
        if self.on_cluster and job.shard is not None:
            shards = count(job.shard.count, "shard")
            lines.append(f"cluster   {shards}, each with these threads and memory")
            content["shards"] = job.shard.count
        if self.dry_run:
            if not console.json:
                print_out("\n".join(lines))
            return content
        for line in lines:
            console.detail(line)
        console.show_hints()
        say = console.detail if self.is_one_of_many else console.say
        for note in job.told():
            (console.say if note.startswith("warning: ") else say)(note)
        lost = job.lost()
        for detail in lost.details if lost else ():
            console.detail(detail)
        started = time.monotonic()
        with Progress(console, self.progress) as on_progress:
            done = (run or job.run)(on_progress)
        if self.on_cluster or job.shard is None:
            moved = 0 if done.went_on else job.input_bytes + job.output.data_bytes
            spent = spent_since(started, moved)
            for warning in done.warnings:
                console.say(warning)
            say(report.applied(output, done, spent))
        else:
            spent = spent_since(started)
            after = f"after the last: onebyone merge {output}"
            say(f"{output}: shard {job.shard} is done{spent}; {after}")
        return content | dict(done.counts) | {"changed": done.changed} | spent.document()


def report_each(
    outcomes: "Iterable[Outcome]", folder: str, console: Console, *, dry_run: bool
) -> tuple[list[dict[str, Any]], int]:
    """Report the outcome of every stack.

    Parameters
    ----------
    outcomes : iterable of Outcome
        From `Each.run`.
    folder : str
        Where the outputs go.
    console : Console
        Where reports go.
    dry_run : bool
        Whether only plans were shown.

    Returns
    -------
    documents : list of dict
        Reports for programs, if asked for.
    status : int
        The exit status.
    """
    started = time.monotonic()
    documents: list[dict[str, Any]] = []
    counts = {"written": 0, "skipped": 0, "failed": 0}
    numbers: Counter[str] = Counter()
    try:
        for outcome in outcomes:
            counts[_report_outcome(outcome, console)] += 1
            numbers.update({name: (outcome.content or {}).get(name, 0) for name in report.COUNTS})
            if console.json:
                documents.append(_outcome_document(outcome))
    except OneByOneError:
        if counts["written"]:
            console.say(_summary(folder, counts))
        raise
    if not dry_run:
        spent = spent_since(started)
        console.say(f"{_summary(folder, counts)}{spent}{report.counted(numbers)}")
    return documents, ExitStatus.DATA if counts["failed"] else ExitStatus.DONE


def _report_outcome(outcome: "Outcome", console: Console) -> str:
    """Report the outcome of one stack; return the word for it."""
    if outcome.error is not None:
        error(str(outcome.error))
        return "failed"
    if outcome.is_skipped:
        console.detail(f"{outcome.output}: exists, skipped")
        return "skipped"
    return "written"


def _summary(folder: str, counts: "Mapping[str, int]") -> str:
    line = f"{report.shown(folder)}: {count(counts['written'], 'stack')} written"
    return line + "".join(f", {counts[word]} {word}" for word in list(counts)[1:] if counts[word])


def _outcome_document(outcome: "Outcome") -> dict[str, Any]:
    if outcome.error is not None:
        return {"input": outcome.input, "output": outcome.output, "error": _error(outcome.error)}
    if outcome.content is None:
        return {"input": outcome.input, "output": outcome.output, "skipped": True}
    return outcome.content


def _error(error: OneByOneError) -> dict[str, Any]:
    return {"code": int(status_of(error)), "message": error.message, "path": error.path}


def _document(job: "ApplyJob", output: str) -> dict[str, Any]:
    return {
        "output": output,
        "shape": list(job.output.shape),
        "dtype": job.output.dtype,
        "input_shape": list(job.stack.shape),
        "arithmetic": job.input.dtype,
        "plan": job.plan.as_dict(),
    }


def _plan_lines(job: "ApplyJob", output: str) -> list[str]:
    plan = job.plan
    lines = [
        f"input     {job.stack.size}, read as {job.input.dtype}",
        *(f"channels  {detail}" for detail in job.match.details),
        f"output    {report.shown(output)}: {job.output.size} {job.output.dtype}, "
        f"{format_bytes(job.output.data_bytes)}",
        f"blocks    {plan.slabs}, of up to {count(plan.slab_items * plan.slab_pixels, 'pixel')}",
        f"threads   {plan.threads}",
        f"memory    {format_bytes(plan.total_bytes)} of {format_bytes(plan.memory)}",
    ]
    for name, size, in_memory in (
        ("input", plan.spool_input_bytes, plan.input_in_memory),
        ("output", plan.spool_output_bytes, plan.output_in_memory),
    ):
        if size:
            place = "in memory" if in_memory else "in a temporary file under $TMPDIR"
            lines.append(f"copy      of the {name}, {format_bytes(size)} {place}")
    return lines
