"""Learn from stacks, or from moments that other jobs have saved."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain
from math import isinf
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import ShapeMismatchError, UsageError, setting
from onebyone_cli.operations.inputs import Reading, open_map
from onebyone_cli.operations.learn.gathered import Gathered, are_moments, headers_of, join_saved
from onebyone_cli.operations.learn.given import add_given, endmembers_alone
from onebyone_cli.operations.learn.request import check_seed
from onebyone_cli.operations.learn.same_channels import check_order
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Reader, Series, StreamReader
    from onebyone_cli.learners.model import Model
    from onebyone_cli.learners.statistics import Statistics
    from onebyone_cli.operations.inputs import MapLike
    from onebyone_cli.operations.learn.gathered import Say
    from onebyone_cli.operations.learn.job import LearnJob
    from onebyone_cli.operations.learn.request import CheckedRequest
    from onebyone_cli.operations.learn.settings import LearnSettings
    from onebyone_cli.operations.nodata_watch import NodataWatch
    from onebyone_cli.stack.sources import OnProgress

    Stack = Sequence[Reader | StreamReader]
    #: Gathers the statistics of all jobs together, such as on a cluster.
    Gather = Callable[[Sequence[LearnJob]], Statistics]
    #: Checks what headers hold; may add to it.
    Check = Callable[[Gathered], None]


def _say_nothing(text: str) -> None:
    """Drop a line for the user."""


class PixelMaps(NamedTuple):
    """Open maps that go with every stack."""

    mask: "Reader | None" = None
    labels: "Reader | None" = None


class LearnPass(NamedTuple):
    """How the pixels of stacks are read.

    Attributes
    ----------
    mask, labels : str, ndarray or None
        Maps that go with every stack; empty or None for none.
    sample : int or None
        Pixels to read; None for all.
    gather : callable or None
        Gathers in place of this process.
    """

    settings: "LearnSettings"
    mask: "MapLike" = None
    labels: "MapLike" = None
    sample: int | None = None
    seed: int = 0
    gather: "Gather | None" = None

    @classmethod
    def of(cls, request: "CheckedRequest", settings: "LearnSettings") -> "LearnPass":
        """Return the pass that a request needs."""
        asked = request.request
        return cls(settings, asked.mask, asked.labels, asked.sample, check_seed(asked.seed))

    @property
    def draws(self) -> bool:
        """Whether a sample is drawn from the pixels of all stacks together."""
        return self.sample is not None or self.settings.wanted.sample

    def of_sample(self) -> "LearnPass":
        """Return the pass that draws the sample here while a cluster gathers the rest."""
        from onebyone_cli.operations.learn.sampling import ICA_PIXELS
        from onebyone_cli.operations.learn.settings import Wanted

        settings = self.settings._replace(wanted=Wanted(pixels=False, sample=True))
        return self._replace(settings=settings, sample=ICA_PIXELS, gather=None)

    def refuse_for_moments(self, reading: Reading) -> None:
        """Raise `UsageError` if an option needs pixels, which moments do not hold."""
        said = self.settings.asked
        asked = {
            "nodata": said.nodata is not None,
            "stored": said.stored,
            "invalid": said.invalid != "any",
            "mask": self.mask is not None and self.mask != "",
            "labels": self.labels is not None and self.labels != "",
            "sample": self.sample is not None,
            "channels": reading.selection is not None,
        }
        for name in (name for name, given in asked.items() if given):
            raise UsageError(
                f"{setting(name)} needs pixels, and moments have none; "
                "give it to the stats command that takes the moments"
            )

    def open_maps(self, stack: ExitStack) -> PixelMaps:
        """Open mask and labels in a form that can be read several times; `stack` closes them."""
        memory = self.settings.memory
        mask, labels = (open_map(each, memory, stack) for each in (self.mask, self.labels))
        return PixelMaps(mask, labels)

    def jobs(
        self, stacks: "Sequence[Stack]", maps: PixelMaps, say: "Say" = _say_nothing
    ) -> "list[LearnJob]":
        """Check and plan a job for every stack; only headers are read.

        `say` takes warnings, a line each.
        """
        from onebyone_cli.operations.learn.job import LearnJob

        if self.sample is not None and self.sample < 1:
            raise UsageError(f"{setting('sample', self.sample)} is too few; give 1 or more")
        settings = self.settings._replace(runs_only=self.sample is not None)
        jobs = []
        for inputs in stacks:
            job = LearnJob(inputs, settings, mask=maps.mask, labels=maps.labels)
            jobs.append(job)
            _check_channels(inputs, stacks[0], say)
        return jobs

    def watch(self) -> "NodataWatch | None":
        """Return what notices that a value of the user occurs nowhere; None if parts are read."""
        asked = self.settings.asked.nodata
        is_part = self.settings.shard is not None or self.sample is not None
        if asked is None or is_part or self.gather is not None:
            return None
        from onebyone_cli.operations.nodata_watch import NodataWatch

        return NodataWatch(asked)

    def record(self, job: "LearnJob") -> dict[str, Any]:
        """Describe which numbers of a stack count, for the provenance; empty if all do."""
        asked, (validity, packing, _) = self.settings.asked, job.meaning
        told: dict[str, Any] = {}
        if any(validity.nodata):
            told["nodata"] = asked.nodata.text if asked.nodata else _different(validity.nodata)
        if validity.valid:
            limits = [tuple(None if isinf(end) else end for end in pair) for pair in validity.valid]
            told["valid_range"] = _different(limits)
        if asked.stored:
            told["stored"] = True
        if asked.invalid != "any":
            told["invalid"] = asked.invalid
        if job.mask is not None:
            told["mask"] = job.mask.path
        if packing is not None:
            told["scale"], told["offset"] = map(_different, packing)
        return told

    def run(
        self,
        jobs: "Sequence[LearnJob]",
        into: "Statistics",
        on_progress: "OnProgress",
        watch: "NodataWatch | None" = None,
    ) -> None:
        """Gather from all stacks together."""
        from onebyone_cli.operations.learn.sampling import ICA_PIXELS, choose_runs

        if self.gather is not None:
            into.merge(self.gather(jobs))
            return
        pixels = self.sample or (ICA_PIXELS if self.settings.wanted.sample else 0)
        chosen = choose_runs(jobs, pixels, self.seed) if pixels else [None] * len(jobs)
        for job, runs in zip(jobs, chosen, strict=True):
            into.merge(job.run(on_progress, runs, watch))
            into.check_classes(self.labels if isinstance(self.labels, str) else "labels")


def _different(entries: "Sequence[Any]") -> list[Any]:
    """Return one entry per channel, or a single one if all are equal."""
    return list(entries[:1] if all(each == entries[0] for each in entries) else entries)


class _Once:
    """Says each line once."""

    def __init__(self, say: "Say") -> None:
        self._say, self._said = say, set[str]()

    def __call__(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _tell(jobs: "Sequence[LearnJob]", say: "Say") -> None:
    """Say what is taken from the files of these jobs."""
    for note in (note for job in jobs for note in job.meaning.notes):
        say(note)


def _check_channels(inputs: "Stack", first: "Stack", say: "Say") -> None:
    """Raise an error if a stack has not the channels of the first, in their order."""
    if inputs is first:
        return
    from onebyone_cli.stack.identity import identity_of

    path, first_path = inputs[0].path, first[0].path
    channels, others = (sum(each.spec.channels for each in stack) for stack in (inputs, first))
    if channels != others:
        raise ShapeMismatchError(
            f"has {count(channels, 'channel')} and {first_path} has {others}; "
            "all stacks of a fit must have the same number of channels",
            path,
        )
    check_order(identity_of(inputs), path, identity_of(first), first_path, say)


def gather(
    stacks: "Sequence[Stack]",
    way: LearnPass,
    check: "Check",
    on_progress: "OnProgress",
    *,
    maps: PixelMaps | None = None,
    series: "Sequence[Series]" = (),
    say: "Say" = _say_nothing,
) -> Gathered:
    """Gather from open stacks; everything is checked before the first is read.

    The stacks of streams follow the open ones; each is checked when it begins.

    Parameters
    ----------
    stacks : sequence of sequences of Reader or StreamReader
        Inputs of each stack.
    way : LearnPass
        How they are read.
    check : callable
        Checks headers; may add to the statistics.
    on_progress : callable
        Called with the step, the bytes done and all bytes.
    maps : PixelMaps, optional
        Those of `way` if they are open already.
    series : sequence of Series
        Streams of more stacks.
    say : callable
        Takes what was found in the files, and warnings, a line each.

    Raises
    ------
    DataError
        If a channel without any valid number leaves no valid pixel to learn from.
    """
    say, watch = _Once(say), way.watch()
    with ExitStack() as stack:
        maps = way.open_maps(stack) if maps is None else maps
        more = chain.from_iterable(series)
        if way.draws and series:
            from onebyone_cli.stack.sources import hold_series

            held = hold_series(more, stack, on_progress)
            stacks = [*stacks, *([reader] for reader in held)]
        elif not stacks:
            stacks = [[next(more)]]
        jobs = way.jobs(stacks, maps, say)
        gathered = headers_of(stacks, [way.record(job) for job in jobs])
        check(gathered)
        _tell(jobs, say)
        way.run(jobs, gathered.statistics, on_progress, watch)
        if way.gather is not None and way.settings.wanted.sample:
            drawing = way.of_sample()
            drawing.run(drawing.jobs(stacks, maps), gathered.statistics, on_progress)
        for reader in more:
            (job,) = way.jobs([[reader]], maps)
            _check_channels([reader], stacks[0], say)
            gathered.note([reader], way.record(job))
            _tell([job], say)
            way.run([job], gathered.statistics, on_progress, watch)
    for warning in watch.warnings() if watch else ():
        say(warning)
    if not way.settings.wanted.per_channel:
        gathered.check_values()
    if way.settings.shard is not None:
        shard = {"shard": str(way.settings.shard)}
        gathered.inputs = [each | shard for each in gathered.inputs]
    return gathered


def learn(
    names: Sequence[str],
    request: "CheckedRequest",
    way: LearnPass,
    reading: Reading,
    *,
    on_progress: "OnProgress",
    say: "Say",
    each: bool = False,
    on_headers: "Check | None" = None,
) -> "tuple[Model, Gathered]":
    """Learn a model from stacks or from saved moments.

    Parameters
    ----------
    names : sequence of str
        Inputs of one stack, with `each` of one stack per input; or files of moments. None for
        a method that endmembers are enough for.
    request : CheckedRequest
        What is learned.
    way : LearnPass
        How pixels are read.
    reading : Reading
        How inputs are opened.
    on_progress : callable
        Called with the step, the bytes done and all bytes.
    say : callable
        Takes warnings, a line each.
    on_headers : callable, optional
        Called when headers have been checked, before pixels are read.

    Raises
    ------
    OneByOneError
        If inputs can't be read, do not fit each other, or do not hold what the method needs.
    """
    say = _Once(say)

    def check(gathered: Gathered) -> None:
        request.check_channels(gathered.statistics.channels, gathered.source)
        add_given(
            gathered,
            request.request,
            reading,
            way.settings,
            on_progress=on_progress,
            say=say,
        )
        if on_headers is not None:
            on_headers(gathered)

    if not names:
        gathered = endmembers_alone(request.request.endmembers, say)
        if on_headers is not None:
            on_headers(gathered)
    elif are_moments(names, raw=reading.raw is not None):
        way.refuse_for_moments(reading)
        gathered = join_saved(names, say)
        request.check_moments(gathered.statistics, gathered.source)
        check(gathered)
        gathered.check_values()
    else:
        request.check_stacks()
        with ExitStack() as stack:
            stacks, series = reading.open_stacks(names, stack, each=each)
            gathered = gather_for(
                request, stacks, way, check, on_progress=on_progress, series=series, say=say
            )
    return request.learn(gathered.statistics, gathered.source), gathered


def gather_for(
    request: "CheckedRequest",
    stacks: "Sequence[Stack]",
    way: LearnPass,
    check: "Check",
    *,
    on_progress: "OnProgress",
    series: "Sequence[Series]" = (),
    say: "Say" = _say_nothing,
) -> Gathered:
    """Gather what a method needs: statistics, or only headers if it reads no pixels."""
    if request.learner.reads_pixels:
        return gather(stacks, way, check, on_progress, series=series, say=say)
    # Only the number of channels counts, which is that of the first stack of a stream.
    gathered = headers_of(stacks or [[next(iter(series[0]))]])
    check(gathered)
    return gathered
