"""Gathering what learners need: from stacks, or from moments that other jobs have saved."""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError
from onebyone_cli.units import count
from onebyone_cli.version import __version__

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.console import Console
    from onebyone_cli.cluster.run import OnCluster
    from onebyone_cli.formats.contracts.reader import Reader, Series, StreamReader
    from onebyone_cli.learners.model import Model
    from onebyone_cli.learners.statistics import Evidence
    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.operations.learn.job import LearnJob
    from onebyone_cli.operations.learn.request import Asked
    from onebyone_cli.operations.learn.settings import LearnSettings

    Stack = Sequence[Reader | StreamReader]

_ZIP_MAGIC = b"PK\x03\x04"


class Known:
    """What was gathered, and from what.

    Attributes
    ----------
    evidence : Evidence
        The numbers.
    source : str
        The inputs, for messages.
    inputs : list
        Name and shape of each stack, for the record.
    names : tuple of str
        Names of the channels, or nothing.
    files : tuple of str
        All files that were read for it.
    pixel_bytes : int
        Bytes of all their pixels.
    """

    def __init__(
        self,
        evidence: "Evidence",
        source: str,
        names: tuple[str, ...] = (),
        files: tuple[str, ...] = (),
    ) -> None:
        self.evidence, self.source = evidence, source
        self.inputs: list[dict[str, Any]] = []
        self.names, self.files, self.pixel_bytes = names, files, 0

    def note(self, inputs: "Stack") -> None:
        """Note a stack that belongs to it; those of one stream and shape are counted."""
        from onebyone_cli.stack.stack import stacked_spec

        files = tuple(name for reader in inputs for name in reader.about.files)
        if self.files[-len(files) :] != files:
            self.files += files
        self.pixel_bytes += sum(reader.spec.data_bytes for reader in inputs)
        shape = stacked_spec(inputs, inputs[0].spec.dtype).shape
        entry = {"name": _name_of(inputs), "shape": list(shape)}
        if not inputs[0].about.series:
            self.inputs.append(entry)
        elif self.inputs and self.inputs[-1] | entry == self.inputs[-1]:
            self.inputs[-1]["arrays"] += 1
        else:
            self.inputs.append(entry | {"arrays": 1})

    def record(self) -> dict[str, Any]:
        """Say where it came from, for ``meta``."""
        return {"inputs": self.inputs, "version": __version__}


class Maps(NamedTuple):
    """What goes with every stack, open; None where it was not asked for."""

    mask: "Reader | None" = None
    labels: "Reader | None" = None


class Pass(NamedTuple):
    """How pixels are gone through.

    Attributes
    ----------
    settings : LearnSettings
        Machine, validity, and what is gathered.
    mask, labels : str
        Maps that go with every stack; empty for none.
    sample : int or None
        Pixels to look at; None for all.
    seed : int
        Of the sample.
    cluster : OnCluster or None
        Who goes through them; None for this process.
    """

    settings: "LearnSettings"
    mask: str = ""
    labels: str = ""
    sample: int | None = None
    seed: int = 0
    cluster: "OnCluster | None" = None

    @property
    def draws(self) -> bool:
        """Whether something is drawn at random from the pixels of all stacks together."""
        return self.sample is not None or self.settings.wanted.sample

    def of_sample(self) -> "Pass":
        """Make the pass that this process keeps where a cluster gathers: it draws the sample."""
        from onebyone_cli.operations.learn.sampling import ICA_PIXELS
        from onebyone_cli.operations.learn.settings import Wanted

        settings = self.settings._replace(wanted=Wanted(pixels=False, sample=True))
        return self._replace(settings=settings, sample=ICA_PIXELS, cluster=None)

    def refuse_for_moments(self) -> None:
        """Raise `UsageError` if something is asked for that only pixels can tell."""
        asked = {
            "--nodata": self.settings.nodata is not None,
            "--mask": self.mask,
            "--labels": self.labels,
            "--sample": self.sample is not None,
        }
        for flag in (flag for flag, given in asked.items() if given):
            raise UsageError(
                f"{flag} looks at pixels, and moments have none; "
                "give it to the stats that takes the moments"
            )

    def open_maps(self, stack: ExitStack) -> "Maps":
        """Open mask and labels, to be read as often as need be.

        Parameters
        ----------
        stack : ExitStack
            Closes them.
        """
        from onebyone_cli.formats import opening
        from onebyone_cli.stack.sources import hold_streams

        def opened(path: str) -> "Reader | None":
            if not path:
                return None
            memory = self.settings.memory // 8
            readers = opening.open_inputs([path], layout="CHW", memory=memory, stack=stack)
            # A pipe gives its bytes once; they are laid aside in a file, outside of the plan.
            (held,), _ = hold_streams(readers, 0, stack, lambda step, done, total: None)
            return held

        return Maps(opened(self.mask), opened(self.labels))

    def jobs(self, stacks: "Sequence[Stack]", maps: "Maps") -> "list[LearnJob]":
        """Check and plan a job for every stack; nothing is read but headers."""
        from onebyone_cli.operations.learn.job import LearnJob

        if self.sample is not None and self.sample < 1:
            raise UsageError(f"--sample {self.sample} is no pixel at all; give 1 or more")
        settings = self.settings._replace(runs_only=self.sample is not None)
        jobs = []
        for inputs in stacks:
            job = LearnJob(inputs, settings, mask=maps.mask, labels=maps.labels)
            jobs.append(job)
            _check_channels(job.input.channels, inputs[0].path, jobs[0].input.channels, stacks)
        return jobs

    def run(
        self,
        jobs: "Sequence[LearnJob]",
        into: "Evidence",
        console: "Console",
        progress: bool | None,
    ) -> None:
        """Gather from all stacks together."""
        from onebyone_cli.operations.learn.sampling import ICA_PIXELS, choose_runs

        if self.cluster is not None:
            into.merge(self.cluster.gather(jobs, console, progress))
            return
        pixels = self.sample or (ICA_PIXELS if self.settings.wanted.sample else 0)
        chosen = choose_runs(jobs, pixels, self.seed) if pixels else [None] * len(jobs)
        with Progress(console, progress) as on_progress:
            for job, runs in zip(jobs, chosen, strict=True):
                into.merge(job.run(on_progress, runs))
                into.check_classes(self.labels)


def _check_channels(channels: int, path: str, first: int, stacks: "Sequence[Stack]") -> None:
    if channels != first:
        raise ShapeMismatchError(
            f"has {count(channels, 'channel')} and {stacks[0][0].path} has {first}; "
            "all stacks of a fit must have the same number of channels",
            path,
        )


def gather(
    stacks: "Sequence[Stack]",
    way: Pass,
    check: "Callable[[Known], None]",
    console: "Console",
    progress: bool | None,
    maps: Maps | None = None,
    series: "Sequence[Series]" = (),
) -> Known:
    """Gather from open stacks; everything is checked before the first is read.

    What streams bring comes after the stacks that are known, each stack checked when it begins.

    Parameters
    ----------
    stacks : sequence of sequences of Reader or StreamReader
        Inputs of each stack.
    way : Pass
        How.
    check : callable
        Given what headers tell, refuses what can't be; may add to the evidence.
    console, progress
        Where progress is shown, and whether.
    maps : Maps, optional
        Those of `way` where they are open already.
    series : sequence of Series
        Streams of more stacks.
    """
    with ExitStack() as stack:
        maps = way.open_maps(stack) if maps is None else maps
        more = chain.from_iterable(series)
        if way.draws and series:
            stacks = [*stacks, *_laid_aside(more, stack, console, progress)]
        elif not stacks:
            stacks = [[next(more)]]
        jobs = way.jobs(stacks, maps)
        known = headers_of(stacks)
        check(known)
        way.run(jobs, known.evidence, console, progress)
        if way.cluster is not None and way.settings.wanted.sample:
            drawing = way.of_sample()
            drawing.run(drawing.jobs(stacks, maps), known.evidence, console, progress)
        for reader in more:
            (job,) = way.jobs([[reader]], maps)
            _check_channels(job.input.channels, reader.path, jobs[0].input.channels, stacks)
            known.note([reader])
            way.run([job], known.evidence, console, progress)
    if way.settings.shard is not None:
        known.inputs = [each | {"shard": str(way.settings.shard)} for each in known.inputs]
    return known


def _laid_aside(
    more: "Iterable[Reader | StreamReader]",
    stack: ExitStack,
    console: "Console",
    progress: bool | None,
) -> "list[Stack]":
    """Lay aside what streams bring: a sample is drawn from all stacks together."""
    from onebyone_cli.stack.sources import hold_series

    with Progress(console, progress) as on_progress:
        return [[reader] for reader in hold_series(more, stack, on_progress)]


def headers_of(stacks: "Sequence[Stack]") -> Known:
    """Know of stacks what their headers say: channels, sizes, names."""
    from onebyone_cli.learners.statistics import no_evidence
    from onebyone_cli.stack.stack import channel_names

    channels = sum(reader.spec.channels for reader in stacks[0])
    names = dict.fromkeys(_name_of(inputs) for inputs in stacks)
    known = Known(no_evidence(channels), " ".join(names), channel_names(stacks[0]))
    for inputs in stacks:
        known.note(inputs)
    return known


def _name_of(inputs: "Stack") -> str:
    """Name the inputs of a stack, or the stream that it came through with others."""
    return " ".join(reader.about.series or reader.path for reader in inputs)


def are_moments(inputs: Sequence[str], *, raw: bool = False) -> bool:
    """Say whether the inputs are moments that were saved, by their content, unless they are raw.

    Raises
    ------
    UsageError
        If some are and some are not.
    """
    from onebyone_cli import formats
    from onebyone_cli.formats import opening

    archives = [text for text in inputs if not raw and _is_archive(text)]
    if archives and len(archives) < len(inputs):
        other = next(text for text in inputs if text not in archives)
        formats.of_input(opening.split_inner(other)[0])  # says so if it is not there
        raise UsageError(
            f"{archives[0]} is an archive, as moments are, and {other} is a stack; "
            "take the moments of all stacks with stats -o, or name stacks only"
        )
    return bool(archives)


def _is_archive(path: str) -> bool:
    """Say whether a file begins as zip archives do, which all files of moments are."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except (OSError, ValueError):  # whoever opens it next will say what is wrong
        return False


def join_saved(paths: Sequence[str], console: "Console") -> Known:
    """Join moments that were saved, in the order given.

    Raises
    ------
    ShapeMismatchError
        If they have not the same channels.
    DataError
        If one is something else, or they were not gathered in the same way.
    """
    from onebyone_cli.learners import moments_file
    from onebyone_cli.learners.statistics import no_evidence

    known: Known | None = None
    for path in paths:
        if os.access(path, os.R_OK) and not _is_archive(path):
            raise DataError("is no .npz file; expected moments, as stats -o writes them", path)
        evidence, meta = moments_file.load_moments(path)
        if known is None:
            names = tuple(meta.get("channels", ()))
            joined = no_evidence(evidence.channels)
            known = Known(joined, " ".join(paths), names, tuple(paths))
            kinds, first = evidence.kinds, path
        elif not kinds:  # what a shard without any tile holds
            kinds, first = evidence.kinds, path
        if evidence.channels != known.evidence.channels:
            raise ShapeMismatchError(
                f"has moments of {count(evidence.channels, 'channel')} and {first} of "
                f"{known.evidence.channels}; only those of the same channels can be joined",
                path,
            )
        if evidence.kinds and evidence.kinds != kinds:
            raise DataError(
                f"holds {', '.join(evidence.kinds)} and {first} holds {', '.join(kinds)}; "
                "make them with the same options of stats",
                path,
            )
        repeated = [each for each in meta.get("inputs", ()) if each in known.inputs]
        if repeated:
            console.say(
                f"warning: {path}: {repeated[0]['name']} was counted in already; "
                "is a part named twice?"
            )
        known.inputs += meta.get("inputs", ())
        known.evidence.merge(evidence)
        known.evidence.check_classes(path)
    assert known is not None
    return known


def add_given(
    known: Known, asked: "Asked", reading: "Reading", settings: "LearnSettings", console: "Console"
) -> None:
    """Add what comes from other files: a stack of noise, or spectra that are known."""
    evidence = known.evidence
    if asked.endmembers:
        from onebyone_cli.weights import load_weights

        # What is not finite is refused by the learner, in words that fit.
        matrix = load_weights(asked.endmembers, allow_nonfinite=True).weight
        if len(matrix) != evidence.channels:
            turned = "; maybe transpose it" if matrix.shape[1] == evidence.channels else ""
            raise ShapeMismatchError(
                f"has {count(len(matrix), 'row')} and {known.source} has "
                f"{count(evidence.channels, 'channel')}; expected one row per channel, one column "
                f"per endmember{turned}",
                asked.endmembers,
            )
        evidence.endmembers = matrix
    if asked.noise_from:
        noise = _noise_of(asked.noise_from, reading, settings, console)
        known.files += noise.files
        evidence.noise = noise.evidence.pixels
        if evidence.noise.channels != evidence.channels:
            raise ShapeMismatchError(
                f"has {count(evidence.noise.channels, 'channel')} and {known.source} has "
                f"{evidence.channels}; noise needs the same channels",
                asked.noise_from,
            )
        if evidence.noise.count < 2 or evidence.noise.constant.all():
            raise DataError(
                f"no channel varies in its {count(evidence.noise.count, 'valid pixel')}; expected "
                "a stack of noise alone, such as a dark frame",
                asked.noise_from,
            )


def save(
    model: "Model",
    known: Known,
    path: str,
    publication: Publication,
) -> bool:
    """Save a model with a record of what it was learned from; say whether it has changed."""
    from onebyone_cli.weights.save import save_model

    arrays: dict[str, Any] = dict(model.arrays)
    if known.names:
        arrays["channels"] = list(known.names)
    meta = {**model.meta, **known.record()}
    return save_model(path, arrays, meta, publication)


def save_moments(known: Known, path: str, publication: Publication) -> None:
    """Save what was gathered with a record of what it was gathered from."""
    from onebyone_cli.learners import moments_file

    meta = known.record() | ({"channels": list(known.names)} if known.names else {})
    moments_file.save_moments(path, known.evidence, meta, publication)


def moments_of(evidence: "Evidence") -> str:
    """Say in a closing line what moments are of."""
    line = f"moments of {count(evidence.channels, 'channel')} and {count(evidence.count, 'pixel')}"
    if evidence.classes is None:
        return line
    labelled = sum(moments.count for moments in evidence.classes.values())
    classes = "1 class" if len(evidence.classes) == 1 else f"{len(evidence.classes)} classes"
    return f"{line}, {labelled} of them in {classes}"


def document(evidence: "Evidence") -> dict[str, Any]:
    """Gather the classes for programs; nothing where no labels were looked at."""
    if evidence.classes is None:
        return {}
    pixels = sorted((label, moments.count) for label, moments in evidence.classes.items())
    return {"classes": [{"label": label, "pixels": number} for label, number in pixels]}


def _noise_of(
    path: str, reading: "Reading", settings: "LearnSettings", console: "Console"
) -> Known:
    from onebyone_cli.operations.learn.settings import Wanted

    if are_moments([path]):
        return join_saved([path], console)
    way = Pass(settings._replace(wanted=Wanted()))
    with ExitStack() as stack:
        opened = reading._replace(raw=None).open([path], stack)
        return gather([opened], way, lambda known: None, console, None)
